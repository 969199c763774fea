//! Checks in one pass, without a list of members, whether a schema needs no change at all. Nearly all schemas
//! need none, and they come with every request.

use std::collections::HashSet;

use super::{SCHEMA_KEYWORDS, SCHEMA_MAP_KEYWORDS};
use crate::protocol::json::{self, MalformedJson, Span};

/// Deeper schemas are left to the full rewrite.
const MAX_DEPTH: usize = 32;

/// Properties of one schema.
const MAX_LINEAR_SEARCH: usize = 32;

/// Whether the fixer would certainly change nothing in the schema at `at`. `false` means undecided.
pub(super) fn is_valid(text: &[u8], at: usize) -> bool {
    let mut look = SchemaValidator { text, property_names: Vec::new() };
    look.check_node(at, 0).is_ok_and(|node| node.can_be_root)
}

/// One schema.
struct SchemaSummary {
    /// The offset after it.
    end: usize,
    /// Whether it says of itself that it is an object, or leaves that to others.
    can_be_root: bool,
}

/// The check cannot decide.
struct Inconclusive;

impl From<MalformedJson> for Inconclusive {
    fn from(_: MalformedJson) -> Self {
        Self
    }
}

struct SchemaValidator<'t> {
    text: &'t [u8],
    /// The names that the `properties` of the nodes around have; those of the innermost stand last.
    property_names: Vec<Span>,
}

/// What of a node's members belongs together.
#[derive(Default)]
struct NodeMembers {
    type_span: Option<Span>,
    has_union: bool,
    has_reference: bool,
    required: Option<usize>,
    properties: Option<(usize, usize)>,
    member_count: usize,
}

impl SchemaValidator<'_> {
    fn text(&self, span: &Span) -> &[u8] {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Checks the schema at `at`. A value that is not an object needs no fix.
    fn check_node(&mut self, at: usize, depth: usize) -> Result<SchemaSummary, Inconclusive> {
        if self.text.get(at) != Some(&b'{') {
            return Ok(SchemaSummary { end: json::skip_value(self.text, at)?, can_be_root: false });
        }
        if depth > MAX_DEPTH {
            return Err(Inconclusive);
        }
        let outer = self.property_names.len();
        let mut seen = NodeMembers::default();
        let end =
            self.visit_members(at, |look, key, value| look.check_member(&mut seen, &key, value, depth))?;
        // The fixer removes `type` beside a union. The target of a reference may have the members beside it
        // too.
        if (seen.has_union && seen.type_span.is_some()) || (seen.has_reference && seen.member_count > 1) {
            return Err(Inconclusive);
        }
        if let Some(required) = seen.required {
            let (first, last) = seen.properties.unwrap_or_default();
            let names = self.property_names.get(first..last).unwrap_or_default();
            // To look through a few is quicker than to make a set of them, which is for thousands.
            let set = (names.len() > MAX_LINEAR_SEARCH)
                .then(|| names.iter().map(|name| self.text(name)).collect::<HashSet<_>>());
            let has = |name: &[u8]| match &set {
                Some(set) => set.contains(name),
                None => names.iter().any(|known| self.text(known) == name),
            };
            json::walk_array(self.text, required, |name| {
                let end = json::skip_value(self.text, name)?;
                let name = self.text(&(name..end));
                if name.starts_with(b"\"") && has(name) {
                    Ok(end)
                } else {
                    Err(MalformedJson { offset: end, expected: "a property's name" })
                }
            })?;
        }
        self.property_names.truncate(outer);
        let is_object = seen.type_span.is_some_and(|kind| self.text(&kind) == b"\"object\"");
        Ok(SchemaSummary { end, can_be_root: is_object || seen.has_union || seen.has_reference })
    }

    /// Takes note of a member of a node; returns the offset after its value.
    fn check_member(
        &mut self,
        seen: &mut NodeMembers,
        key: &Span,
        value: usize,
        depth: usize,
    ) -> Result<usize, Inconclusive> {
        let once = |is_first: bool| if is_first { Ok(()) } else { Err(Inconclusive) };
        seen.member_count += 1;
        let text = self.text;
        let key = text.get(key.start + 1..key.end - 1).unwrap_or_default();
        match key {
            b"type" => {
                once(seen.type_span.is_none())?;
                let end = json::skip_value(text, value)?;
                seen.type_span = Some(value..end);
                Ok(end)
            }
            b"$ref" => {
                once(!seen.has_reference)?;
                let end = json::skip_value(text, value)?;
                let target = text.get(value..end).unwrap_or_default();
                seen.has_reference = target.starts_with(b"\"");
                // Its target may be said otherwise.
                once(!target.contains(&b'\\') && !target.starts_with(b"\"#/definitions/"))?;
                Ok(end)
            }
            b"required" => {
                once(seen.required.is_none())?;
                if text.get(value) != Some(&b'[') {
                    return Err(Inconclusive);
                }
                seen.required = Some(value);
                Ok(json::skip_value(text, value)?)
            }
            b"anyOf" => {
                once(!seen.has_union)?;
                seen.has_union = text.get(value) == Some(&b'[');
                if seen.has_union { self.check_each(value, depth) } else { Err(Inconclusive) }
            }
            b"properties" => {
                once(seen.properties.is_none())?;
                let first = self.property_names.len();
                let end = self.check_map(value, depth, true)?;
                seen.properties = Some((first, self.property_names.len()));
                Ok(end)
            }
            b"definitions" => Err(Inconclusive),
            // Most members are such.
            b"description" | b"enum" | b"default" | b"title" => Ok(json::skip_value(text, value)?),
            _ if key.contains(&b'\\') => Err(Inconclusive),
            _ if SCHEMA_KEYWORDS.iter().any(|name| key == name.as_bytes()) => self.check_each(value, depth),
            _ if SCHEMA_MAP_KEYWORDS.iter().any(|name| key == name.as_bytes()) => {
                self.check_map(value, depth, false)
            }
            _ => Ok(json::skip_value(text, value)?),
        }
    }

    /// A schema, or each of a list of them.
    fn check_each(&mut self, at: usize, depth: usize) -> Result<usize, Inconclusive> {
        if self.text.get(at) != Some(&b'[') {
            return Ok(self.check_node(at, depth + 1)?.end);
        }
        let text = self.text;
        let end = json::walk_array(text, at, |element| match self.check_node(element, depth + 1) {
            Ok(node) => Ok(node.end),
            Err(Inconclusive) => Err(MalformedJson { offset: element, expected: "a schema" }),
        })?;
        Ok(end)
    }

    /// Each schema of a map of names.
    fn check_map(&mut self, at: usize, depth: usize, named: bool) -> Result<usize, Inconclusive> {
        if self.text.get(at) != Some(&b'{') {
            return Ok(json::skip_value(self.text, at)?);
        }
        self.visit_members(at, |look, key, value| {
            if named {
                look.property_names.push(key);
            }
            Ok(look.check_node(value, depth + 1)?.end)
        })
    }

    fn visit_members(
        &mut self,
        at: usize,
        mut visit: impl FnMut(&mut Self, Span, usize) -> Result<usize, Inconclusive>,
    ) -> Result<usize, Inconclusive> {
        let text = self.text;
        let end = json::walk_object(text, at, |key, value| {
            visit(self, key, value)
                .map_err(|Inconclusive| MalformedJson { offset: value, expected: "a schema" })
        })?;
        Ok(end)
    }
}

#[cfg(test)]
mod tests;
