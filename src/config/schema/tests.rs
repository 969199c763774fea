use serde_json::{Value, json};

use super::super::file::Tree;
use super::super::keypath::KeyPath;
use super::super::validate::read_tree;
use super::{SchemaNode, json_schema, root};

/// A value that the schema allows, with every key that it has.
fn sample(schema: SchemaNode) -> Value {
    if schema.accepts_anything() {
        return json!({ "any": [1, "thing"] });
    }
    let branch = schema.branches().last().unwrap();
    if let Some(words) = branch.choices() {
        return json!(words[0]);
    }
    if branch.has_type("object") {
        let mut object = serde_json::Map::new();
        for key in branch.keys() {
            object.insert(key.to_owned(), sample(branch.member(key).unwrap()));
        }
        if object.is_empty() {
            object.insert("a".to_owned(), sample(branch.member("a").unwrap()));
        }
        return Value::Object(object);
    }
    match branch {
        list if list.has_type("array") => json!([sample(list.items().unwrap())]),
        flag if flag.has_type("boolean") => json!(true),
        whole if whole.has_type("integer") => json!(whole.limit("maximum").unwrap()),
        number if number.has_type("number") => json!(0.5),
        _ => json!("text"),
    }
}

#[test]
fn a_file_with_every_key_of_the_schema_is_accepted_and_deserialized() {
    let tree = Tree::parse(&sample(root()).to_string()).unwrap();
    let (file, report) = read_tree(tree);
    assert_eq!(report.issues, []);
    assert!(
        file.models.providers.0[0].1.models.is_some()
            && file.plugins.entries.moonshot.config.web_search.is_some()
    );
}

/// Calls `visit` with the name and the schema of every property.
fn properties(schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    if let Some(object) = schema["properties"].as_object() {
        for (name, property) in object {
            visit(name, property);
            properties(property, visit);
        }
    }
    for inner in [&schema["items"], &schema["additionalProperties"]] {
        if inner.is_object() {
            properties(inner, visit);
        }
    }
    for branch in schema["anyOf"].as_array().into_iter().flatten() {
        properties(branch, visit);
    }
}

#[test]
fn every_key_has_a_description_and_only_keys_with_the_default_null_accept_null() {
    let (mut count, mut nullable) = (0, Vec::new());
    properties(&json_schema(), &mut |name, property| {
        let description = property["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.') || ["source", "id"].contains(&name), "{name}: {description}");
        if property.to_string().contains("\"null\"") && property["properties"].is_null() {
            assert_eq!(property["default"], Value::Null, "{name}");
            nullable.push(name.to_owned());
        }
        count += 1;
    });
    assert!(count > 80, "{count}");
    nullable.sort();
    assert_eq!(nullable, ["hedgeAfterMs", "totalSeconds"]);
}

#[test]
fn the_schema_has_required_keys_defaults_and_variables() {
    let schema = json_schema();
    assert_eq!(schema["properties"]["env"]["properties"]["vars"]["type"], json!("object"));
    assert_eq!(schema["properties"]["gateway"]["properties"]["port"]["default"], json!(1969));
    let provider = &schema["properties"]["models"]["properties"]["providers"]["additionalProperties"];
    assert_eq!(provider["properties"]["models"]["items"]["required"], json!(["id"]));
    assert_eq!(provider["additionalProperties"], json!(false));
}

fn secret_paths(schema: &Value, path: &str, found: &mut Vec<String>) {
    if schema["writeOnly"] == true {
        return found.push(path.to_owned());
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        secret_paths(property, &format!("{path}.{name}"), found);
    }
    for (name, inner) in [("*", &schema["additionalProperties"]), ("[]", &schema["items"])] {
        if inner.is_object() {
            secret_paths(inner, &format!("{path}.{name}"), found);
        }
    }
    for branch in schema["anyOf"].as_array().into_iter().flatten() {
        secret_paths(branch, path, found);
    }
}

/// The Nix modules reject literal secrets. A secret that is added here must be added to `nix/lib/secrets.nix`.
#[test]
fn secret_settings_are_those_of_the_nix_modules() {
    let mut found = Vec::new();
    secret_paths(&json_schema(), "", &mut found);
    let expected = [
        ".env.vars.*",
        ".env.*",
        ".models.providers.*.apiKey",
        ".models.providers.*.headers.*",
        ".models.providers.*.models.[].headers.*",
        ".gateway.auth.token",
        ".gateway.auth.tokens.*",
        ".plugins.entries.moonshot.config.webSearch.apiKey",
    ];
    assert_eq!(found, expected);
    let nix = include_str!("../../../nix/lib/secrets.nix");
    for name in [
        "settings.models.providers",
        "settings.gateway.auth",
        "settings.plugins.entries.moonshot.config.webSearch",
        "settings.env",
        "env.vars",
        "\"apiKey\"",
        "attrs.headers",
        "provider.models",
        "\"token\"",
        "auth.tokens",
    ] {
        assert!(nix.contains(name), "nix/lib/secrets.nix does not check {name}");
    }
}

/// Every `settings.a.b` in the Nix files is a setting, below the sections of this configuration.
#[test]
fn settings_that_the_nix_files_name_exist() {
    let root_folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("nix");
    let mut folders = vec![root_folder];
    let mut checked = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Some("nix") = path.extension().and_then(|extension| extension.to_str()) else { continue };
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, found) in text.match_indices("settings.") {
                let rest = &text[at + found.len()..];
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').unwrap();
                let name = rest[..end].trim_end_matches('.');
                // Other programs have settings too.
                if !root().keys().any(|section| Some(section) == name.split('.').next()) {
                    continue;
                }
                let mut node = Some(root());
                for key in name.split('.') {
                    // The keys of a secret reference are settings of the secret.
                    if node.is_some_and(SchemaNode::is_secret) {
                        break;
                    }
                    node = node.and_then(|node| node.at(&KeyPath::from_keys(&[key])));
                }
                assert!(node.is_some(), "{}: settings.{name} is not a setting", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 30, "{checked}");
}
