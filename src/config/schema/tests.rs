use serde_json::{Map, Value, json};

use super::super::file::Tree;
use super::super::issue::Report;
use super::super::walk;
use super::{Key, ROOT, Shape, json_schema};

/// A value that the table allows, with every key that it has.
fn sample(shape: &Shape) -> Value {
    match shape {
        Shape::Anything => json!({ "any": [1, "thing"] }),
        Shape::Flag => json!(true),
        Shape::Text => json!("text"),
        Shape::Secret => json!({ "source": "env", "id": "X" }),
        Shape::Secrets => json!(["one", { "source": "file", "id": "/x" }]),
        Shape::Whole { max, .. } => json!(max),
        Shape::Amount => json!(0.5),
        Shape::Choice(words) => json!(words[0]),
        Shape::Object(keys) => Value::Object(object(keys)),
        Shape::Map { values, .. } => json!({ "a": sample(values) }),
        Shape::Variables => json!({ "A": "a", "vars": { "B": "b" } }),
        Shape::List(items) => json!([sample(items)]),
        Shape::TextOr(other) => sample(other),
        Shape::OrNull(_) => Value::Null,
    }
}

fn object(keys: &[Key]) -> Map<String, Value> {
    keys.iter().map(|key| (key.name.to_owned(), sample(key.shape))).collect()
}

#[test]
fn the_walk_takes_every_key_of_the_table() {
    let tree = Tree::parse(&sample(&ROOT).to_string()).unwrap();
    let mut report = Report::new(&tree);
    walk::check(&tree, &mut report);
    assert_eq!(report.into_parts().0, []);
}

/// Calls `visit` with every object of the table.
fn objects(shape: &'static Shape, visit: &mut impl FnMut(&'static [Key])) {
    match shape {
        Shape::Object(keys) => {
            visit(keys);
            keys.iter().for_each(|key| objects(key.shape, visit));
        }
        Shape::Map { values: inner, .. }
        | Shape::List(inner)
        | Shape::TextOr(inner)
        | Shape::OrNull(inner) => {
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
