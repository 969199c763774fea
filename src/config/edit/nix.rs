//! The same change as a line of Nix.

use serde_json::{Value, json};

use crate::config::keypath::{KeyPath, PathSegment};
use crate::config::redact::replace_secrets;
use crate::config::schema;

/// Where the home-manager and NixOS modules take the configuration.
const SETTINGS_OPTION: &str = "services.moonrelay.settings";

/// Where they take the files with secrets, by the name that `${NAME}` finds.
const CREDENTIALS_OPTION: &str = "services.moonrelay.credentials";

/// Lines of Nix that set these paths as the document does: `services.moonrelay.settings.a."b/c" = …;`, or a comment if
/// the document has no such value. A path in a list sets the whole list, because Nix cannot set an element. Secrets do
/// not belong into the store: they are replaced with references to credentials, each with a line for its file.
pub(crate) fn render_assignments(document: &Value, places: &[KeyPath]) -> Vec<String> {
    let mut names = Vec::new();
    let mut lines = Vec::new();
    for path in attribute_paths(places) {
        let mut value = path.find_in(document).cloned();
        if remove_variables(&path, value.as_mut(), &mut names) {
            continue;
        }
        let value = value.map(|value| {
            replace_secrets(value, &path, schema::root().at(&path), &mut |place| {
                let name = credential_name(place, &names);
                names.push(name.clone());
                json!({ "source": "credential", "id": name })
            })
        });
        lines.push(render_assignment(&path, value.as_ref()));
    }
    lines.extend(names.iter().map(|name| {
        let name = render_attribute_name(name);
        format!("{CREDENTIALS_OPTION}.{name} = \"/path/to/it\"; # a file with the value alone, outside of the store")
    }));
    lines
}

/// The paths, except those in lists and those below another path.
fn attribute_paths(places: &[KeyPath]) -> Vec<KeyPath> {
    let keys = |path: &KeyPath| {
        KeyPath(path.0.iter().take_while(|step| matches!(step, PathSegment::Key(_))).cloned().collect())
    };
    let all: Vec<KeyPath> = places.iter().map(keys).collect();
    let mut kept: Vec<KeyPath> = Vec::new();
    for path in &all {
        let is_held = |other: &KeyPath| other.0.len() < path.0.len() && path.0.starts_with(&other.0);
        if !kept.contains(path) && !all.iter().any(is_held) {
            kept.push(path.clone());
        }
    }
    kept
}

/// Takes the variables of `env` out: what is looked up as `${NAME}` is found as a credential too. True when nothing
/// else is at the path.
fn remove_variables(path: &KeyPath, value: Option<&mut Value>, names: &mut Vec<String>) -> bool {
    let Some(value) = value else { return false };
    match path.keys().next() {
        None => {
            let env = value.as_object_mut().and_then(|root| root.shift_remove("env"));
            collect_variables("env", &env.unwrap_or_else(|| json!({})), names);
            false
        }
        Some("env") => {
            collect_variables(path.keys().last().unwrap_or("env"), value, names);
            true
        }
        Some(_) => false,
    }
}

fn collect_variables(name: &str, value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(name, value)| collect_variables(name, value, names))
        }
        _ if names.iter().any(|known| known == name) => {}
        _ => names.push(name.to_owned()),
    }
}

/// The credential name for the secret at a path: `KIMI_API_KEY` for `models.providers.kimi.apiKey`.
fn credential_name(place: &KeyPath, taken: &[String]) -> String {
    let mut words: Vec<String> = Vec::new();
    for step in &place.0 {
        match step {
            PathSegment::Key(key) => words.push(to_upper_snake_case(key)),
            // The first of a list has the name of the list.
            PathSegment::Index(0) => {}
            PathSegment::Index(index) => words.push((index + 1).to_string()),
        }
    }
    let start = match words.first().map(String::as_str) {
        Some("MODELS" | "PLUGINS") if words.len() > 2 => 2,
        _ => 0,
    };
    let name = words.get(start..).unwrap_or_default().join("_");
    let mut numbered = (2_usize..).map(|number| format!("{name}_{number}"));
    if taken.contains(&name) {
        return numbered.find(|name| !taken.contains(name)).unwrap_or(name);
    }
    name
}

/// `apiKey` as `API_KEY`; a character that is not a letter or digit becomes `_`.
fn to_upper_snake_case(key: &str) -> String {
    let mut word = String::new();
    let mut after_small = false;
    for character in key.chars() {
        if character.is_ascii_uppercase() && after_small {
            word.push('_');
        }
        after_small = character.is_ascii_lowercase() || character.is_ascii_digit();
        word.push(if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' });
    }
    word
}

/// One line.
fn render_assignment(path: &KeyPath, value: Option<&Value>) -> String {
    let names = path.keys().map(render_attribute_name);
    let attribute = [SETTINGS_OPTION.to_owned()].into_iter().chain(names).collect::<Vec<_>>().join(".");
    match value {
        Some(json) => format!("{attribute} = {};", render_value(json)),
        None => format!("# remove {attribute}"),
    }
}

/// A JSON value as Nix.
fn render_value(json: &Value) -> String {
    match json {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        // A negative number in a list would be a subtraction without its brackets.
        Value::Number(number) if number.to_string().starts_with('-') => format!("({number})"),
        Value::Number(number) => number.to_string(),
        Value::String(text) => render_string(text),
        Value::Array(list) if list.is_empty() => "[ ]".to_owned(),
        Value::Array(list) => format!("[ {} ]", list.iter().map(render_value).collect::<Vec<_>>().join(" ")),
        Value::Object(object) if object.is_empty() => "{ }".to_owned(),
        Value::Object(object) => {
            let pairs = object
                .iter()
                .map(|(key, inner)| format!("{} = {};", render_attribute_name(key), render_value(inner)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(" "))
        }
    }
}

fn render_attribute_name(key: &str) -> String {
    let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\''));
    // A keyword would end the expression.
    let keywords = ["if", "then", "else", "assert", "with", "let", "in", "rec", "inherit", "or"];
    if starts && goes_on && !keywords.contains(&key) { key.to_owned() } else { render_string(key) }
}

fn render_string(text: &str) -> String {
    let escapes =
        [("\\", "\\\\"), ("\"", "\\\""), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("${", "\\${")];
    let escaped = escapes.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{KeyPath, render_assignments, render_value};

    #[test]
    fn values_are_rendered_as_nix() {
        let json = json!({ "a": [1, -2.5, true, null], "b/c": "${X} \"q\" $5\\", "if": {}, "e": [] });
        let nix = r#"{ a = [ 1 (-2.5) true null ]; "b/c" = "\${X} \"q\" $5\\"; "if" = { }; e = [ ]; }"#;
        assert_eq!(render_value(&json), nix);
    }

    #[test]
    fn line_sets_an_option_of_the_module() {
        let document = json!({ "agents": { "defaults": { "models": { "kimi/k3": { "alias": "big" } } } } });
        let path = KeyPath::parse("agents.defaults.models[\"kimi/k3\"].alias").unwrap();
        let line = "services.moonrelay.settings.agents.defaults.models.\"kimi/k3\".alias = \"big\";";
        assert_eq!(render_assignments(&document, std::slice::from_ref(&path)), [line]);
        let line = "# remove services.moonrelay.settings.agents.defaults.models.\"kimi/k3\".alias";
        assert_eq!(render_assignments(&json!({}), &[path]), [line]);
    }

    #[test]
    fn path_in_a_list_renders_the_whole_list_once() {
        let document =
            json!({ "models": { "providers": { "lab": { "models": [{ "id": "a" }, { "id": "b" }] } } } });
        let paths = ["models.providers.lab.models[1].id", "models.providers.lab.models[0].name"]
            .map(|path| KeyPath::parse(path).unwrap());
        let line =
            "services.moonrelay.settings.models.providers.lab.models = [ { id = \"a\"; } { id = \"b\"; } ];";
        assert_eq!(render_assignments(&document, &paths), [line]);
        let paths = ["models.providers.lab.models[1].id", "models.providers.lab"]
            .map(|path| KeyPath::parse(path).unwrap());
        assert_eq!(render_assignments(&document, &paths).len(), 1);
    }

    #[test]
    fn secrets_are_rendered_as_references() {
        let document = json!({
            "env": { "A": "sk-1", "vars": { "B": "sk-2" } },
            "models": { "providers": { "kimi-code": {
                "apiKey": ["sk-3", "${B}", "sk-4"], "headers": { "X-Org": "sk-5" },
            } } },
            "gateway": { "auth": { "tokens": { "me": "sk-6" } } },
        });
        let comment = |name: &str| {
            format!(
                "services.moonrelay.credentials.{name} = \"/path/to/it\"; # a file with the value alone, outside of the store"
            )
        };
        let is = |path: &str, expected: &[String]| {
            assert_eq!(render_assignments(&document, &[KeyPath::parse(path).unwrap()]), expected, "{path}");
        };
        let all = render_assignments(&document, &[KeyPath::default()]);
        assert!(!all.concat().contains("sk-") && !all.concat().contains("env ="), "{all:?}");
        let names = [
            "A",
            "B",
            "KIMI_CODE_API_KEY",
            "KIMI_CODE_API_KEY_3",
            "KIMI_CODE_HEADERS_X_ORG",
            "GATEWAY_AUTH_TOKENS_ME",
        ];
        assert_eq!(all[1..], names.map(comment));
        is("env.A", &[comment("A")]);
        is("env.vars", &[comment("B")]);
        let line = "services.moonrelay.settings.gateway.auth.tokens.me = { source = \"credential\"; id = \"GATEWAY_AUTH_TOKENS_ME\"; };";
        is("gateway.auth.tokens.me", &[line.to_owned(), comment("GATEWAY_AUTH_TOKENS_ME")]);
    }
}
