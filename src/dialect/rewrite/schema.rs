//! Tool schemas as "moonshot flavored" asks: beside an `anyOf` no `type` may stand, it belongs into the branches; nor
//! beside a `$ref`, where the schema that is referred to has it.

use crate::wire::edit::{Edits, ObjectPatch};
use crate::wire::json::{self, Malformed, Member, Span};

/// Keywords whose value is a schema (or a list of them).
const SCHEMAS: [&str; 13] = [
    "items",
    "prefixItems",
    "additionalProperties",
    "additionalItems",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "not",
    "if",
    "then",
    "else",
    "allOf",
    "oneOf",
];

/// Keywords whose value is a map of names to schemas.
const MAPS: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// A branch with one of these says itself what it is.
const SELF_TYPED: [&str; 5] = ["type", "$ref", "allOf", "oneOf", "$dynamicRef"];

/// Adds the edits that make the schema at `span` one that Moonshot takes; tells whether there were any. A schema that
/// is fine, or is not JSON, stays as it is.
pub(in crate::dialect) fn mend(text: &[u8], span: &Span, edits: &mut Edits) -> bool {
    let Some(schema) = text.get(span.clone()) else { return false };
    // Most schemas hold neither: two searches spare them the walk.
    if ["anyOf", "$ref"].iter().all(|word| memchr::memmem::find(schema, word.as_bytes()).is_none()) {
        return false;
    }
    // On trial first, so that malformed text leaves no half of a change behind.
    let mut trial = Edits::new();
    if node(text, span.start, None, &mut trial).is_err() || trial.is_empty() {
        return false;
    }
    node(text, span.start, None, edits).is_ok()
}

fn value<'t>(text: &'t [u8], members: &[Member], key: &str) -> Option<&'t [u8]> {
    text.get(json::find(text, members, key)?.value.clone())
}

/// One schema. `inherited` is the type that the union around it gives to branches without one.
fn node(text: &[u8], at: usize, inherited: Option<&[u8]>, edits: &mut Edits) -> Result<(), Malformed> {
    if text.get(at) != Some(&b'{') {
        return Ok(());
    }
    let (members, _) = json::members(text, at)?;
    let own = value(text, &members, "type");
    let is_union = value(text, &members, "anyOf").is_some_and(|union| union.starts_with(b"["));
    let mut patch = ObjectPatch::new(text, at, &members);
    let refers = value(text, &members, "$ref").is_some_and(|target| target.starts_with(b"\""));
    if is_union || refers {
        patch.remove("type");
    } else if let Some(inherited) = inherited
        && !SELF_TYPED.iter().any(|key| patch.has(key))
    {
        patch.set("type", inherited.to_vec());
    }
    patch.finish(edits);
    for member in &members {
        let key = text.get(member.key.clone()).unwrap_or_default();
        if json::literal_is(key, "anyOf") {
            if !is_union {
                continue;
            }
            each(text, member.value.start, own.or(inherited), edits)?;
        } else if SCHEMAS.iter().any(|name| json::literal_is(key, name)) {
            each(text, member.value.start, None, edits)?;
        } else if MAPS.iter().any(|name| json::literal_is(key, name))
            && text.get(member.value.start) == Some(&b'{')
        {
            for named in json::members(text, member.value.start)?.0 {
                node(text, named.value.start, None, edits)?;
            }
        }
    }
    Ok(())
}

/// A schema, or each of a list of them.
fn each(text: &[u8], at: usize, inherited: Option<&[u8]>, edits: &mut Edits) -> Result<(), Malformed> {
    if text.get(at) != Some(&b'[') {
        return node(text, at, inherited, edits);
    }
    for element in json::elements(text, at)?.0 {
        node(text, element.start, inherited, edits)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn mended(schema: &'static str) -> String {
        let text = Bytes::from_static(schema.as_bytes());
        let mut edits = Edits::new();
        mend(&text, &(0..text.len()), &mut edits);
        String::from_utf8(edits.apply(&text).to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn moves_the_type_into_branches_that_have_none() {
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
                r#"{"type":"object","anyOf":[{"anyOf":[{"required":["a"]},{"required":["b"]}]}]}"#,
                r#"{"anyOf":[{"anyOf":[{"required":["a"],"type":"object"},{"required":["b"],"type":"object"}]}]}"#,
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
            assert_eq!(mended(schema), expected);
        }
    }

    #[test]
    fn leaves_every_other_byte() {
        for schema in [
            r#"{"type":"object","properties":{"a":{"type":"string"}}}"#,
            r#"{"anyOf":[{"type":"string"},{"minLength":1}]}"#,
            // Properties that are only called so, and data.
            r#"{"type":"object","properties":{"type":{"type":"string"},"anyOf":{"type":"array"}}}"#,
            r#"{"type":"object","default":{"type":"x","anyOf":[{}]},"enum":[{"type":"x","anyOf":[{}]}]}"#,
            r#"{"type":"string","anyOf":{"not":"a list"}}"#,
            r"true",
            r#"{"anyOf":[{"type":"string"}"#,
        ] {
            assert_eq!(mended(schema), schema);
        }
    }
}
