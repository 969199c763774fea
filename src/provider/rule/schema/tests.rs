use bytes::Bytes;

use super::*;

fn fixed(schema: &str) -> String {
    let text = Bytes::copy_from_slice(schema.as_bytes());
    let mut edits = Edits::new();
    fix_schema(&text, &(0..text.len()), &mut edits);
    String::from_utf8(edits.apply(&text).to_bytes().to_vec()).unwrap()
}

#[test]
fn type_moves_into_branches_without_one() {
    for (schema, expected) in [
        (
            r#"{"type": "string", "anyOf": [{"enum": ["a"]}, {"type": "null"}, {}]}"#,
            r#"{"anyOf": [{"enum": ["a"],"type":"string"}, {"type": "null"}, {"type":"string"}]}"#,
        ),
        (
            r##"{"anyOf":[{"$ref":"#/$defs/a"},true,{"minLength":1}],"type":"string"}"##,
            r##"{"anyOf":[{"$ref":"#/$defs/a"},true,{"minLength":1,"type":"string"}]}"##,
        ),
        // A union in a union hands the type on.
        (
            r#"{"type":"object","anyOf":[{"anyOf":[{"title":"a"},{"title":"b"}]}]}"#,
            r#"{"anyOf":[{"anyOf":[{"title":"a","type":"object"},{"title":"b","type":"object"}]}]}"#,
        ),
        (
            r##"{"type":"object","properties":{"a":{"type":"object","$ref":"#/$defs/d"},"$ref":{"type":"string"}}}"##,
            r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/d"},"$ref":{"type":"string"}}}"##,
        ),
        // Deep: properties, items, $defs.
        (
            r#"{"type":"object","properties":{"x":{"type":"array","items":{"type":"integer","anyOf":[{}]}}},"$defs":{"d":{"anyOf":[{"minimum":1}],"type":"number"}}}"#,
            r#"{"type":"object","properties":{"x":{"type":"array","items":{"anyOf":[{"type":"integer"}]}}},"$defs":{"d":{"anyOf":[{"minimum":1,"type":"number"}]}}}"#,
        ),
    ] {
        assert_eq!(fixed(schema), expected);
    }
}

#[test]
fn root_becomes_an_object() {
    for (schema, expected) in [
        (r"{}", r#"{"type":"object"}"#),
        (r#"{"properties":{"a":{}}}"#, r#"{"properties":{"a":{}},"type":"object"}"#),
        (r#"{"type":["object","null"]}"#, r#"{"type":"object"}"#),
        (r#"{"oneOf":[{"type":"object"}]}"#, r#"{"oneOf":[{"type":"object"}],"type":"object"}"#),
    ] {
        assert_eq!(fixed(schema), expected);
    }
}

#[test]
fn references_point_into_defs_without_repeated_members() {
    for (schema, expected) in [
        (
            r##"{"type":"object","definitions":{"a":{"type":"string"}},"properties":{"x":{"$ref":"#/definitions/a"}}}"##,
            r##"{"type":"object","$defs":{"a":{"type":"string"}},"properties":{"x":{"$ref":"#/$defs/a"}}}"##,
        ),
        (
            r##"{"type":"object","$defs":{"a":{"description":"A"}},"properties":{"x":{"$ref":"#/$defs/a","description":"x"}}}"##,
            r##"{"type":"object","$defs":{"a":{"description":"A"}},"properties":{"x":{"$ref":"#/$defs/a"}}}"##,
        ),
        // Of duplicates the last one counts.
        (
            r##"{"type":"object","$defs":{"a":{"title":""},"a":{"not":{}}},"properties":{"x":{"$ref":"#/$defs/a","title":"","not":{}}}}"##,
            r##"{"type":"object","$defs":{"a":{"title":""},"a":{"not":{}}},"properties":{"x":{"$ref":"#/$defs/a","title":""}}}"##,
        ),
        // Removed members are not changed.
        (
            r##"{"type":"object","$defs":{"a":{"required":[],"not":{}}},"properties":{"x":{"$ref":"#/$defs/a","required":["a","b"],"properties":{"a":{}},"not":{"type":"x","anyOf":[{}]}}}}"##,
            r##"{"type":"object","$defs":{"a":{"required":[],"not":{}}},"properties":{"x":{"$ref":"#/$defs/a","properties":{"a":{}}}}}"##,
        ),
        // A target that is not an object, or is missing, has no members.
        (
            r##"{"$defs":{"a":true},"properties":{"x":{"$ref":"#/$defs/a","not":{}},"y":{"$ref":"#/$defs/b","not":{}}}}"##,
            r##"{"$defs":{"a":true},"properties":{"x":{"$ref":"#/$defs/a","not":{}},"y":{"$ref":"#/$defs/b","not":{}}},"type":"object"}"##,
        ),
    ] {
        assert_eq!(fixed(schema), expected);
    }
}

#[test]
fn thousands_of_references_have_no_repeated_members() {
    let many =
        |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<Vec<_>>().join(",");
    let defs = many(3000, &|number| format!(r#""d{number}":{{"title":"","k{number}":1}}"#));
    let schema = |beside: &dyn Fn(usize) -> String| {
        let refs = many(3000, &|number| {
            format!(r##""p{number}":{{"$ref":"#/$defs/d{number}"{}}}"##, beside(number))
        });
        format!(r#"{{"type":"object","$defs":{{{defs}}},"properties":{{{refs}}}}}"#)
    };
    // A key that its own target has, escaped too, goes; one that another target has stays.
    let repeats = schema(&|number| format!(r#","title":"","\u006b{number}":2,"k{}":3"#, number + 1));
    assert_eq!(fixed(&repeats), schema(&|number| format!(r#","k{}":3"#, number + 1)));
    let keys = many(3000, &|number| format!(r#""k{number}":1"#));
    let one = |beside: &str| {
        let refs = many(30, &|number| format!(r##""p{number}":{{"$ref":"#/$defs/d",{beside}"x":2}}"##));
        format!(r#"{{"type":"object","$defs":{{"\u0064":{{{keys}}}}},"properties":{{{refs}}}}}"#)
    };
    assert_eq!(fixed(&one(&format!("{keys},"))), one(""));
}

#[test]
fn required_names_only_existing_properties() {
    for (schema, expected) in [
        (
            r#"{"type":"object","properties":{"a":{}},"required":["a", "b"]}"#,
            r#"{"type":"object","properties":{"a":{}},"required":["a"]}"#,
        ),
        (
            r#"{"type":"object","anyOf":[{"required":["a"]},{"required":["b"]}],"properties":{"a":{}}}"#,
            r#"{"anyOf":[{"type":"object"},{"type":"object"}],"properties":{"a":{}}}"#,
        ),
    ] {
        assert_eq!(fixed(schema), expected);
    }
}

#[test]
fn required_names_only_existing_properties_among_thousands() {
    let names: Vec<String> = (0..5000).map(|number| format!("\"p{number}\"")).collect();
    let properties = names.iter().map(|name| format!("{name}:{{}}")).collect::<Vec<_>>().join(",");
    let with = |required: &[String]| {
        format!(r#"{{"type":"object","properties":{{{properties}}},"required":[{}]}}"#, required.join(","))
    };
    let backwards: Vec<String> = names.iter().rev().cloned().collect();
    for required in [&names, &backwards] {
        assert_eq!(fixed(&with(required)), with(required));
        let more = [&required[..2500], &["\"none\"".to_owned()], &required[2500..]].concat();
        assert_eq!(fixed(&with(&more)), with(required));
    }
    assert_eq!(fixed(&with(&[r#""\u007012""#.to_owned()])), with(&[r#""\u007012""#.to_owned()]));
}

#[test]
fn other_bytes_are_unchanged() {
    for schema in [
        r#"{"type":"object","properties":{"a":{"type":"string"}}}"#,
        r#"{"anyOf":[{"type":"string"},{"minLength":1}]}"#,
        // Properties that are only called so, and data.
        r#"{"type":"object","properties":{"type":{"type":"string"},"anyOf":{"type":"array"}}}"#,
        r#"{"type":"object","default":{"type":"x","anyOf":[{}]},"enum":[{"type":"x","anyOf":[{}]}]}"#,
        r#"{"type":"object","anyOf":{"not":"a list"},"required":[]}"#,
        r"true",
        r#"{"anyOf":[{"type":"string"}"#,
    ] {
        assert_eq!(fixed(schema), schema);
    }
}
