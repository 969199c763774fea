//! Tool schemas as "moonshot flavored" asks: the root is an object; beside an `anyOf` no `type` may stand, it belongs into
//! the branches; nor beside a `$ref` what the schema that is referred to says; references point into `$defs`; `required`
//! names only what `properties` has. Not mended, so that the provider judges: boolean schemas, tuples, enums that do not
//! fit their type.

mod sound;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json::{self, Malformed, Member, Span};

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
pub(in crate::provider) fn mend(text: &[u8], span: &Span, edits: &mut Edits) -> bool {
    !sound::is_sound(text, span.start) && walk(text, span, edits)
}

fn walk(text: &[u8], span: &Span, edits: &mut Edits) -> bool {
    // On trial first, so that malformed text leaves no half of a change behind.
    let mut trial = Edits::new();
    if Walk::over(text, span, &mut trial).is_err() || trial.is_empty() {
        return false;
    }
    Walk::over(text, span, edits).is_ok()
}

fn value<'t>(text: &'t [u8], members: &[Member], key: &str) -> Option<&'t [u8]> {
    text.get(json::find(text, members, key)?.value.clone())
}

fn object(text: &[u8], members: &[Member], key: &str) -> Option<Vec<Member>> {
    json::members(text, json::find(text, members, key)?.value.start).ok().map(|(members, _)| members)
}

fn unescaped<'t>(text: &'t [u8], literal: &Span) -> Option<Cow<'t, str>> {
    text.get(literal.clone()).and_then(json::unescape)
}

/// One schema on its way.
struct Walk<'t, 'e> {
    text: &'t [u8],
    /// What references point at, and where it begins: `$defs`, or `definitions` as it was called before 2019.
    definitions: HashMap<Cow<'t, str>, usize>,
    /// The keys of those that were referred to, by where they begin: many references may point at one.
    said: HashMap<usize, HashSet<Cow<'t, str>>>,
    edits: &'e mut Edits,
}

impl<'t, 'e> Walk<'t, 'e> {
    fn over(text: &'t [u8], span: &Span, edits: &'e mut Edits) -> Result<(), Malformed> {
        if text.get(span.start) != Some(&b'{') {
            return Ok(());
        }
        let (members, _) = json::members(text, span.start)?;
        let named = object(text, &members, "$defs");
        let old = object(text, &members, "definitions");
        let renames = named.is_none() && old.is_some();
        let definitions = named.or(old).unwrap_or_default();
        let definitions = definitions
            .iter()
            .filter_map(|definition| Some((unescaped(text, &definition.key)?, definition.value.start)))
            .collect();
        let mut walk = Self { text, definitions, said: HashMap::new(), edits };
        walk.node(span.start, None, Some(renames))
    }

    /// `inherited` is the type that the union around it gives to branches without one. `root` is set at the root: whether
    /// `definitions` takes its new name.
    fn node(&mut self, at: usize, inherited: Option<&'t [u8]>, root: Option<bool>) -> Result<(), Malformed> {
        if self.text.get(at) != Some(&b'{') {
            return Ok(());
        }
        let (members, _) = json::members(self.text, at)?;
        let own = value(self.text, &members, "type");
        let is_union = value(self.text, &members, "anyOf").is_some_and(|union| union.starts_with(b"["));
        let mut patch = ObjectPatch::new(self.text, at, &members);
        let refers = value(self.text, &members, "$ref").filter(|target| target.starts_with(b"\""));
        if is_union || refers.is_some() {
            patch.remove("type");
        } else if root.is_some() && !own.is_some_and(|own| json::literal_is(own, "object")) {
            patch.set("type", "\"object\"");
        } else if let Some(inherited) = inherited
            && !SELF_TYPED.iter().any(|key| patch.has(key))
        {
            patch.set("type", inherited.to_vec());
        }
        if let Some(target) = refers {
            self.refer(target, &mut patch);
        }
        self.require(&members, &mut patch);
        if root == Some(true) {
            patch.rename("definitions", "$defs");
        }
        // What goes is not changed.
        self.children(patch.kept(), is_union, own.or(inherited))?;
        patch.finish(self.edits);
        Ok(())
    }

    /// A reference into `definitions` follows their new name; what its target says too stands there only.
    fn refer(&mut self, target: &[u8], patch: &mut ObjectPatch<'_>) {
        let Some(target) = json::unescape(target) else { return };
        if let Some(name) = target.strip_prefix("#/definitions/") {
            patch.set("$ref", json::string_literal(&format!("#/$defs/{name}")));
        }
        let name = target.strip_prefix("#/$defs/").or_else(|| target.strip_prefix("#/definitions/"));
        let Some(schema) = name.and_then(|name| self.definitions.get(name)) else { return };
        let text = self.text;
        let said = self.said.entry(*schema).or_insert_with(|| {
            let members = json::members(text, *schema).map(|(members, _)| members).unwrap_or_default();
            members.iter().filter_map(|member| unescaped(text, &member.key)).collect()
        });
        patch.remove_where(|key| key != "$ref" && said.contains(key));
    }

    /// `required` may name only what `properties` has.
    fn require(&self, members: &[Member], patch: &mut ObjectPatch<'_>) {
        let required = json::find(self.text, members, "required").filter(|_| patch.has("required"));
        let Some(required) = required else { return };
        let Ok((names, _)) = json::elements(self.text, required.value.start) else { return };
        let properties = object(self.text, members, "properties").unwrap_or_default();
        let known: HashSet<Cow<'_, str>> =
            properties.iter().filter_map(|property| unescaped(self.text, &property.key)).collect();
        let has = |name: &Span| unescaped(self.text, name).is_some_and(|name| known.contains(&name));
        let kept: Vec<&[u8]> =
            names.iter().filter(|name| has(name)).filter_map(|name| self.text.get(name.clone())).collect();
        if kept.is_empty() && !names.is_empty() {
            patch.remove("required");
        } else if kept.len() < names.len() {
            patch.set("required", [b"[".as_slice(), &kept.join(b",".as_slice()), b"]"].concat());
        }
    }

    fn children<'m>(
        &mut self,
        members: impl Iterator<Item = &'m Member>,
        is_union: bool,
        own: Option<&'t [u8]>,
    ) -> Result<(), Malformed> {
        for member in members {
            let key = self.text.get(member.key.clone()).unwrap_or_default();
            if json::literal_is(key, "anyOf") {
                if is_union {
                    self.each(member.value.start, own)?;
                }
            } else if SCHEMAS.iter().any(|name| json::literal_is(key, name)) {
                self.each(member.value.start, None)?;
            } else if MAPS.iter().any(|name| json::literal_is(key, name))
                && self.text.get(member.value.start) == Some(&b'{')
            {
                for named in json::members(self.text, member.value.start)?.0 {
                    self.node(named.value.start, None, None)?;
                }
            }
        }
        Ok(())
    }

    /// A schema, or each of a list of them.
    fn each(&mut self, at: usize, inherited: Option<&'t [u8]>) -> Result<(), Malformed> {
        if self.text.get(at) != Some(&b'[') {
            return self.node(at, inherited, None);
        }
        for element in json::elements(self.text, at)?.0 {
            self.node(element.start, inherited, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
