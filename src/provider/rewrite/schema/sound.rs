//! Whether a schema needs no change at all, told in one pass without a list of its members: nearly all are such, and
//! they come with every request.

use std::collections::HashSet;

use super::{MAPS, SCHEMAS};
use crate::protocol::json::{self, Malformed, Span};

/// Deeper schemas are left to the walk that mends.
const DEEPEST: usize = 32;

/// Properties of one schema.
const FEW: usize = 32;

/// Whether the walk that mends would certainly change nothing in the schema at `at`. `false` is no verdict.
pub(super) fn is_sound(text: &[u8], at: usize) -> bool {
    let mut look = Look { text, names: Vec::new() };
    look.node(at, 0).is_ok_and(|node| node.may_be_root)
}

/// One schema.
struct Node {
    /// The offset after it.
    end: usize,
    /// Whether it says of itself that it is an object, or leaves that to others.
    may_be_root: bool,
}

/// There is no verdict.
struct Doubt;

impl From<Malformed> for Doubt {
    fn from(_: Malformed) -> Self {
        Self
    }
}

struct Look<'t> {
    text: &'t [u8],
    /// The names that the `properties` of the nodes around have; those of the innermost stand last.
    names: Vec<Span>,
}

/// What of a node's members belongs together.
#[derive(Default)]
struct Seen {
    kind: Option<Span>,
    union: bool,
    refers: bool,
    required: Option<usize>,
    properties: Option<(usize, usize)>,
    members: usize,
}

impl Look<'_> {
    fn text(&self, span: &Span) -> &[u8] {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The schema at `at`. What is no object is nothing to mend.
    fn node(&mut self, at: usize, depth: usize) -> Result<Node, Doubt> {
        if self.text.get(at) != Some(&b'{') {
            return Ok(Node { end: json::skip_value(self.text, at)?, may_be_root: false });
        }
        if depth > DEEPEST {
            return Err(Doubt);
        }
        let outer = self.names.len();
        let mut seen = Seen::default();
        let end = self.each_member(at, |look, key, value| look.member(&mut seen, &key, value, depth))?;
        // `type` goes away beside a union; what stands beside a reference may be said by its target too.
        if (seen.union && seen.kind.is_some()) || (seen.refers && seen.members > 1) {
            return Err(Doubt);
        }
        if let Some(required) = seen.required {
            let (first, last) = seen.properties.unwrap_or_default();
            let names = self.names.get(first..last).unwrap_or_default();
            // To look through a few is quicker than to make a set of them, which is for thousands.
            let set =
                (names.len() > FEW).then(|| names.iter().map(|name| self.text(name)).collect::<HashSet<_>>());
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
                    Err(Malformed { at: end, expected: "a property's name" })
                }
            })?;
        }
        self.names.truncate(outer);
        let is_object = seen.kind.is_some_and(|kind| self.text(&kind) == b"\"object\"");
        Ok(Node { end, may_be_root: is_object || seen.union || seen.refers })
    }

    /// Takes note of a member of a node; returns the offset after its value.
    fn member(&mut self, seen: &mut Seen, key: &Span, value: usize, depth: usize) -> Result<usize, Doubt> {
        let once = |is_first: bool| if is_first { Ok(()) } else { Err(Doubt) };
        seen.members += 1;
        let text = self.text;
        let key = text.get(key.start + 1..key.end - 1).unwrap_or_default();
        match key {
            b"type" => {
                once(seen.kind.is_none())?;
                let end = json::skip_value(text, value)?;
                seen.kind = Some(value..end);
                Ok(end)
            }
            b"$ref" => {
                once(!seen.refers)?;
                let end = json::skip_value(text, value)?;
                let target = text.get(value..end).unwrap_or_default();
                seen.refers = target.starts_with(b"\"");
                // Its target may be said otherwise.
                once(!target.contains(&b'\\') && !target.starts_with(b"\"#/definitions/"))?;
                Ok(end)
            }
            b"required" => {
                once(seen.required.is_none())?;
                if text.get(value) != Some(&b'[') {
                    return Err(Doubt);
                }
                seen.required = Some(value);
                Ok(json::skip_value(text, value)?)
            }
            b"anyOf" => {
                once(!seen.union)?;
                seen.union = text.get(value) == Some(&b'[');
                if seen.union { self.each(value, depth) } else { Err(Doubt) }
            }
            b"properties" => {
                once(seen.properties.is_none())?;
                let first = self.names.len();
                let end = self.map(value, depth, true)?;
                seen.properties = Some((first, self.names.len()));
                Ok(end)
            }
            b"definitions" => Err(Doubt),
            // Most members are such.
            b"description" | b"enum" | b"default" | b"title" => Ok(json::skip_value(text, value)?),
            _ if key.contains(&b'\\') => Err(Doubt),
            _ if SCHEMAS.iter().any(|name| key == name.as_bytes()) => self.each(value, depth),
            _ if MAPS.iter().any(|name| key == name.as_bytes()) => self.map(value, depth, false),
            _ => Ok(json::skip_value(text, value)?),
        }
    }

    /// A schema, or each of a list of them.
    fn each(&mut self, at: usize, depth: usize) -> Result<usize, Doubt> {
        if self.text.get(at) != Some(&b'[') {
            return Ok(self.node(at, depth + 1)?.end);
        }
        let text = self.text;
        let end = json::walk_array(text, at, |element| match self.node(element, depth + 1) {
            Ok(node) => Ok(node.end),
            Err(Doubt) => Err(Malformed { at: element, expected: "a schema" }),
        })?;
        Ok(end)
    }

    /// Each schema of a map of names.
    fn map(&mut self, at: usize, depth: usize, named: bool) -> Result<usize, Doubt> {
        if self.text.get(at) != Some(&b'{') {
            return Ok(json::skip_value(self.text, at)?);
        }
        self.each_member(at, |look, key, value| {
            if named {
                look.names.push(key);
            }
            Ok(look.node(value, depth + 1)?.end)
        })
    }

    fn each_member(
        &mut self,
        at: usize,
        mut visit: impl FnMut(&mut Self, Span, usize) -> Result<usize, Doubt>,
    ) -> Result<usize, Doubt> {
        let text = self.text;
        let end = json::walk_object(text, at, |key, value| {
            visit(self, key, value).map_err(|Doubt| Malformed { at: value, expected: "a schema" })
        })?;
        Ok(end)
    }
}

#[cfg(test)]
mod tests;
