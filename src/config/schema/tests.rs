use serde_json::{Map, Value, json};

use super::super::file::Tree;
use super::super::issue::Diagnostics;
use super::super::validate;
use super::{ROOT, SchemaKey, ValueShape, json_schema};

/// A value that the table allows, with every key that it has.
fn sample(shape: &ValueShape) -> Value {
    match shape {
        ValueShape::Anything => json!({ "any": [1, "thing"] }),
        ValueShape::Flag => json!(true),
        ValueShape::Text => json!("text"),
        ValueShape::Secret => json!({ "source": "env", "id": "X" }),
        ValueShape::Secrets => json!(["one", { "source": "file", "id": "/x" }]),
        ValueShape::Whole { max, .. } => json!(max),
        ValueShape::Amount => json!(0.5),
        ValueShape::Choice(words) => json!(words[0]),
        ValueShape::Object(keys) => Value::Object(object(keys)),
        ValueShape::Map { values, .. } => json!({ "a": sample(values) }),
        ValueShape::Variables => json!({ "A": "a", "vars": { "B": "b" } }),
        ValueShape::List(items) => json!([sample(items)]),
        ValueShape::TextOr(other) => sample(other),
        ValueShape::OrNull(_) => Value::Null,
    }
}

fn object(keys: &[SchemaKey]) -> Map<String, Value> {
    keys.iter().map(|key| (key.name.to_owned(), sample(key.shape))).collect()
}

#[test]
fn the_walk_takes_every_key_of_the_table() {
    let tree = Tree::parse(&sample(&ROOT).to_string()).unwrap();
    let mut report = Diagnostics::new(&tree);
    validate::check_tree(&tree, &mut report);
    assert_eq!(report.into_parts().0, []);
}

/// Calls `visit` with every object of the table.
fn objects(shape: &'static ValueShape, visit: &mut impl FnMut(&'static [SchemaKey])) {
    match shape {
        ValueShape::Object(keys) => {
            visit(keys);
            keys.iter().for_each(|key| objects(key.shape, visit));
        }
        ValueShape::Map { values: inner, .. }
        | ValueShape::List(inner)
        | ValueShape::TextOr(inner)
        | ValueShape::OrNull(inner) => {
            objects(inner, visit);
        }
        _ => {}
    }
}

#[test]
fn keys_are_unique_and_explained() {
    let mut count = 0;
    objects(&ROOT, &mut |keys| {
        for (at, key) in keys.iter().enumerate() {
            assert!(key.about.ends_with('.') || key.name == "bind", "{}: {}", key.name, key.about);
            assert!(!keys[..at].iter().any(|other| other.name == key.name), "{}", key.name);
            count += 1;
        }
    });
    assert!(count > 80, "{count}");
}

#[test]
fn the_schema_describes_every_object_of_the_table() {
    let mut count = 0;
    objects(&ROOT, &mut |_| count += 1);
    let schema = json_schema().to_string();
    // One more for the reference to a secret.
    assert_eq!(schema.matches("\"additionalProperties\":false").count(), count + 1);
    assert!(schema.contains("\"required\":[\"id\"]"));
    assert_eq!(json_schema()["properties"]["env"]["properties"]["vars"]["type"], json!("object"));
}
