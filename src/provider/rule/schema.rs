//! Tool schemas as "moonshot flavored" requires them:
//!
//! - The root is an object.
//! - `type` must not be beside `anyOf`; it belongs in the branches.
//! - A member must not be beside `$ref` if the referenced schema has it too.
//! - References point into `$defs`.
//! - `required` names only what `properties` has.
//!
//! Boolean schemas, tuples and enums that do not fit their type are not fixed, so that the provider decides.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json::{self, MalformedJson, Member, Span};

/// Keywords whose value is a schema (or a list of them).
const SCHEMA_KEYWORDS: &str = "items prefixItems additionalProperties additionalItems contains propertyNames \
    unevaluatedProperties not if then else allOf oneOf";

/// Keywords whose value is a map of names to schemas.
const SCHEMA_MAP_KEYWORDS: [&str; 5] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// A branch with one of these keywords has its own type.
const TYPE_KEYWORDS: [&str; 5] = ["type", "$ref", "allOf", "oneOf", "$dynamicRef"];

/// Adds the edits that make Moonshot accept the schema at `span`. Returns whether there were any. Text that is not
/// JSON is left unchanged.
pub(crate) fn fix_schema(text: &[u8], span: &Span, edits: &mut Edits) -> bool {
    // A trial run first, so that malformed text is not changed in part.
    let mut trial = Edits::new();
    if SchemaFixer::fix_root(text, span, &mut trial).is_err() || trial.is_empty() {
        return false;
    }
    SchemaFixer::fix_root(text, span, edits).is_ok()
}

fn member_value<'t>(text: &'t [u8], members: &[Member], key: &str) -> Option<&'t [u8]> {
    text.get(json::find_member(text, members, key)?.value.clone())
}

fn member_object(text: &[u8], members: &[Member], key: &str) -> Option<Vec<Member>> {
    json::parse_members(text, json::find_member(text, members, key)?.value.start)
        .ok()
        .map(|(members, _)| members)
}

fn unescape_span<'t>(text: &'t [u8], literal: &Span) -> Option<Cow<'t, str>> {
    text.get(literal.clone()).and_then(json::unescape)
}

struct SchemaFixer<'t, 'e> {
    text: &'t [u8],
    /// The offsets of the targets of references: `$defs`, or `definitions` as it was called before 2019.
    definitions: HashMap<Cow<'t, str>, usize>,
    /// The keys of referenced targets, by their offset: many references may have the same target.
    target_keys: HashMap<usize, HashSet<Cow<'t, str>>>,
    edits: &'e mut Edits,
}

impl<'t, 'e> SchemaFixer<'t, 'e> {
    fn fix_root(text: &'t [u8], span: &Span, edits: &'e mut Edits) -> Result<(), MalformedJson> {
        if text.get(span.start) != Some(&b'{') {
            return Ok(());
        }
        let (members, _) = json::parse_members(text, span.start)?;
        let named = member_object(text, &members, "$defs");
        let old = member_object(text, &members, "definitions");
        let renames = named.is_none() && old.is_some();
        let definitions = named.or(old).unwrap_or_default();
        let definitions = definitions
            .iter()
            .filter_map(|definition| Some((unescape_span(text, &definition.key)?, definition.value.start)))
            .collect();
        let mut walk = Self { text, definitions, target_keys: HashMap::new(), edits };
        walk.fix_node(span.start, None, Some(renames))
    }

    /// `inherited` is the type that the union around it gives to branches without one. `root` is set at the root: whether
    /// `definitions` takes its new name.
    fn fix_node(
        &mut self,
        at: usize,
        inherited: Option<&'t [u8]>,
        root: Option<bool>,
    ) -> Result<(), MalformedJson> {
        if self.text.get(at) != Some(&b'{') {
            return Ok(());
        }
        let (members, _) = json::parse_members(self.text, at)?;
        let own = member_value(self.text, &members, "type");
        let is_union =
            member_value(self.text, &members, "anyOf").is_some_and(|union| union.starts_with(b"["));
        let mut patch = ObjectPatch::new(self.text, at, &members);
        let refers = member_value(self.text, &members, "$ref").filter(|target| target.starts_with(b"\""));
        if is_union || refers.is_some() {
            patch.remove("type");
        } else if root.is_some() && !own.is_some_and(|own| json::literal_equals(own, "object")) {
            patch.set("type", "\"object\"");
        } else if let Some(inherited) = inherited
            && !TYPE_KEYWORDS.iter().any(|key| patch.has_key(key))
        {
            patch.set("type", inherited.to_vec());
        }
        if let Some(target) = refers {
            self.fix_reference(target, &mut patch);
        }
        self.fix_required(&members, &mut patch);
        if root == Some(true) {
            patch.rename("definitions", "$defs");
        }
        // Removed members are not changed.
        self.fix_children(patch.remaining_members(), is_union, own.or(inherited))?;
        patch.write_edits(self.edits);
        Ok(())
    }

    /// Points a reference into `definitions` to `$defs`, and removes members that its target has too.
    fn fix_reference(&mut self, target: &[u8], patch: &mut ObjectPatch<'_>) {
        let Some(target) = json::unescape(target) else { return };
        if let Some(name) = target.strip_prefix("#/definitions/") {
            patch.set("$ref", json::to_string_literal(&format!("#/$defs/{name}")));
        }
        let name = target.strip_prefix("#/$defs/").or_else(|| target.strip_prefix("#/definitions/"));
        let Some(schema) = name.and_then(|name| self.definitions.get(name)) else { return };
        let text = self.text;
        let target_keys = self.target_keys.entry(*schema).or_insert_with(|| {
            let members = json::parse_members(text, *schema).map(|(members, _)| members).unwrap_or_default();
            members.iter().filter_map(|member| unescape_span(text, &member.key)).collect()
        });
        patch.remove_where(|key| key != "$ref" && target_keys.contains(key));
    }

    /// `required` may name only what `properties` has.
    fn fix_required(&self, members: &[Member], patch: &mut ObjectPatch<'_>) {
        let required =
            json::find_member(self.text, members, "required").filter(|_| patch.has_key("required"));
        let Some(required) = required else { return };
        let Ok((names, _)) = json::parse_elements(self.text, required.value.start) else { return };
        let properties = member_object(self.text, members, "properties").unwrap_or_default();
        let known: HashSet<Cow<'_, str>> =
            properties.iter().filter_map(|property| unescape_span(self.text, &property.key)).collect();
        let has = |name: &Span| unescape_span(self.text, name).is_some_and(|name| known.contains(&name));
        let kept: Vec<&[u8]> =
            names.iter().filter(|name| has(name)).filter_map(|name| self.text.get(name.clone())).collect();
        if kept.is_empty() && !names.is_empty() {
            patch.remove("required");
        } else if kept.len() < names.len() {
            patch.set("required", [b"[".as_slice(), &kept.join(b",".as_slice()), b"]"].concat());
        }
    }

    fn fix_children<'m>(
        &mut self,
        members: impl Iterator<Item = &'m Member>,
        is_union: bool,
        own: Option<&'t [u8]>,
    ) -> Result<(), MalformedJson> {
        for member in members {
            let key = self.text.get(member.key.clone()).unwrap_or_default();
            if json::literal_equals(key, "anyOf") {
                if is_union {
                    self.fix_each(member.value.start, own)?;
                }
            } else if SCHEMA_KEYWORDS.split(' ').any(|name| json::literal_equals(key, name)) {
                self.fix_each(member.value.start, None)?;
            } else if SCHEMA_MAP_KEYWORDS.iter().any(|name| json::literal_equals(key, name))
                && self.text.get(member.value.start) == Some(&b'{')
            {
                for named in json::parse_members(self.text, member.value.start)?.0 {
                    self.fix_node(named.value.start, None, None)?;
                }
            }
        }
        Ok(())
    }

    /// A schema, or each of a list of them.
    fn fix_each(&mut self, at: usize, inherited: Option<&'t [u8]>) -> Result<(), MalformedJson> {
        if self.text.get(at) != Some(&b'[') {
            return self.fix_node(at, inherited, None);
        }
        for element in json::parse_elements(self.text, at)?.0 {
            self.fix_node(element.start, inherited, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
