//! The same change as a line of Nix.

use serde_json::Value;

use crate::config::keypath::{KeyPath, Step};

/// Where the home-manager and NixOS modules take the configuration.
const OPTION: &str = "services.moonrelay.settings";

/// `services.moonrelay.settings.a."b/c" = …;`, or a comment where something is to be removed.
#[must_use]
pub fn assignment(path: &KeyPath, value: Option<&Value>) -> String {
    let mut attribute = OPTION.to_owned();
    for step in &path.0 {
        match step {
            Step::Key(key) => {
                attribute.push('.');
                attribute.push_str(&name(key));
            }
            // Nix has no place in a list.
            Step::Index(_) => return format!("# change {OPTION} at {path}"),
        }
    }
    match value {
        Some(json) => format!("{attribute} = {};", self::value(json)),
        None => format!("# remove {attribute}"),
    }
}

/// A JSON value as Nix.
#[must_use]
pub fn value(json: &Value) -> String {
    match json {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        // A negative number in a list would be a subtraction without its brackets.
        Value::Number(number) if number.to_string().starts_with('-') => format!("({number})"),
        Value::Number(number) => number.to_string(),
        Value::String(text) => string(text),
        Value::Array(list) if list.is_empty() => "[ ]".to_owned(),
        Value::Array(list) => format!("[ {} ]", list.iter().map(value).collect::<Vec<_>>().join(" ")),
        Value::Object(object) if object.is_empty() => "{ }".to_owned(),
        Value::Object(object) => {
            let pairs = object.iter().map(|(key, inner)| format!("{} = {};", name(key), value(inner)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(" "))
        }
    }
}

fn name(key: &str) -> String {
    let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\''));
    // A keyword would end the expression.
    let keywords = ["if", "then", "else", "assert", "with", "let", "in", "rec", "inherit", "or"];
    if starts && goes_on && !keywords.contains(&key) { key.to_owned() } else { string(key) }
}

fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut chars = text.chars().peekable();
    while let Some(character) = chars.next() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' if chars.peek() == Some(&'{') => out.push_str("\\$"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{KeyPath, assignment, value};

    #[test]
    fn values_are_nix() {
        let json = json!({ "a": [1, -2.5, true, null], "b/c": "${X} \"q\" $5\\", "if": {}, "e": [] });
        let nix = r#"{ a = [ 1 (-2.5) true null ]; "b/c" = "\${X} \"q\" $5\\"; "if" = { }; e = [ ]; }"#;
        assert_eq!(value(&json), nix);
    }

    #[test]
    fn assignments_stand_under_the_modules_option() {
        let path = KeyPath::parse("agents.defaults.models[\"kimi/k3\"].alias").unwrap();
        let line = "services.moonrelay.settings.agents.defaults.models.\"kimi/k3\".alias = \"big\";";
        assert_eq!(assignment(&path, Some(&json!("big"))), line);
        let line = "# remove services.moonrelay.settings.agents.defaults.models.\"kimi/k3\".alias";
        assert_eq!(assignment(&path, None), line);
        let list = KeyPath::parse("a[0]").unwrap();
        assert_eq!(assignment(&list, Some(&json!(1))), "# change services.moonrelay.settings at a[0]");
    }
}
