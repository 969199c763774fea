//! Edits of spans: an edited body is sent as slices of the original bytes.

use bytes::Bytes;

use super::json::{Member, Span, literal_equals, to_string_literal, unescape};

/// Changes to one text, in any order; they must not overlap.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    replacements: Vec<(Span, Bytes)>,
}

/// A text as slices, in order.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    parts: Vec<Bytes>,
    length: usize,
}

impl Edits {
    /// No change.
    #[must_use]
    pub const fn new() -> Self {
        Self { replacements: Vec::new() }
    }

    /// Whether there are no edits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.replacements.is_empty()
    }

    /// Replaces `span` by `with`; an empty span inserts.
    pub fn replace(&mut self, span: Span, with: impl Into<Bytes>) {
        self.replacements.push((span, with.into()));
    }

    /// The text with the edits applied. Insertions at one offset keep the order in which they were added, and
    /// follow a removal that ends there. Of overlapping edits the first counts. An offset beyond the text
    /// counts as its end.
    #[must_use]
    pub fn apply(mut self, text: &Bytes) -> Segments {
        self.replacements.sort_by_key(|(span, _)| (span.start, span.end));
        let mut out = Segments::default();
        let mut at = 0;
        for (span, with) in self.replacements {
            debug_assert!(span.start >= at, "edits overlap at byte {}", span.start);
            if span.start < at {
                continue;
            }
            let start = span.start.min(text.len());
            out.push(text.slice(at..start));
            out.push(with);
            at = span.end.clamp(start, text.len());
        }
        if at < text.len() {
            out.push(text.slice(at..));
        }
        out
    }
}

impl Segments {
    /// One slice.
    #[must_use]
    pub fn from_bytes(text: Bytes) -> Self {
        let mut out = Self::default();
        out.push(text);
        out
    }

    /// Adds a slice at the end.
    pub fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.length += part.len();
            self.parts.push(part);
        }
    }

    /// Adds all slices of another text at the end.
    pub fn append(&mut self, other: Self) {
        self.length += other.length;
        self.parts.extend(other.parts);
    }

    /// Bytes in all.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The slices.
    #[must_use]
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// One contiguous copy (no copy where there is one slice).
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        if let [only] = self.parts.as_slice() {
            return only.clone();
        }
        self.parts.concat().into()
    }
}

/// Edits of the members of one object, with correct commas.
///
/// Keys are compared unescaped, and an edit applies to all duplicates of a key. Use one patch per object: a
/// second one would not account for the commas of the first.
#[derive(Debug)]
pub struct ObjectPatch<'a> {
    text: &'a [u8],
    open_brace: usize,
    entries: Vec<MemberEdit<'a>>,
    added: Vec<(String, Bytes)>,
}

#[derive(Debug)]
struct MemberEdit<'a> {
    member: &'a Member,
    is_removed: bool,
    new_key: Option<String>,
    new_value: Option<Bytes>,
}

impl<'a> ObjectPatch<'a> {
    /// `open` is the offset of the object's opening brace in `text`.
    #[must_use]
    pub fn new(text: &'a [u8], open_brace: usize, members: &'a [Member]) -> Self {
        let entries = members
            .iter()
            .map(|member| MemberEdit { member, is_removed: false, new_key: None, new_value: None })
            .collect();
        Self { text, open_brace, entries, added: Vec::new() }
    }

    /// Whether the object will have this key.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.has_key(self.text, key))
            || self.added.iter().any(|(added, _)| added == key)
    }

    /// Removes every member with this key. Returns whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let mut any = false;
        for entry in &mut self.entries {
            if entry.has_key(self.text, key) {
                entry.is_removed = true;
                any = true;
            }
        }
        let before = self.added.len();
        self.added.retain(|(added, _)| added != key);
        any || before != self.added.len()
    }

    /// The members that are not removed, before renames and new values.
    pub fn remaining_members(&self) -> impl Iterator<Item = &'a Member> {
        self.entries.iter().filter(|entry| !entry.is_removed).map(|entry| entry.member)
    }

    /// Removes every member whose unescaped key matches the predicate.
    pub fn remove_where(&mut self, is_such: impl Fn(&str) -> bool) {
        for entry in self.entries.iter_mut().filter(|entry| !entry.is_removed) {
            let own = || self.text.get(entry.member.key.clone()).and_then(unescape);
            entry.is_removed = match &entry.new_key {
                Some(renamed) => is_such(renamed),
                None => own().is_some_and(|key| is_such(&key)),
            };
        }
        self.added.retain(|(added, _)| !is_such(added));
    }

    /// Sets every member with this key to the value, which is JSON text. Adds a member if there is none.
    pub fn set(&mut self, key: &str, value: impl Into<Bytes>) {
        let value = value.into();
        let mut any = false;
        for entry in &mut self.entries {
            if entry.has_key(self.text, key) {
                entry.new_value = Some(value.clone());
                any = true;
            }
        }
        if any {
            return;
        }
        match self.added.iter_mut().find(|(added, _)| added == key) {
            Some((_, old)) => *old = value,
            None => self.added.push((key.to_owned(), value)),
        }
    }

    /// Renames the key and leaves its value in position. The last of duplicates is kept; the others and any
    /// member that already had the new name are removed. Returns whether the key existed.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        if !self.has_key(from) || from == to {
            return self.has_key(from);
        }
        self.remove(to);
        if let Some(added) = self.added.iter_mut().find(|(added, _)| added == from) {
            to.clone_into(&mut added.0);
            return true;
        }
        let mut last = true;
        for entry in self.entries.iter_mut().rev() {
            if entry.has_key(self.text, from) {
                if last {
                    entry.new_key = Some(to.to_owned());
                } else {
                    entry.is_removed = true;
                }
                last = false;
            }
        }
        true
    }

    /// Adds the edits that make it so.
    pub fn write_edits(self, edits: &mut Edits) {
        let mut any_kept = false;
        // The start of a removal before the first kept member: the comma is removed too.
        let mut leading = None;
        let mut before = self.open_brace + 1;
        for entry in &self.entries {
            let Member { key, value } = entry.member;
            match (entry.is_removed, any_kept) {
                (true, true) => edits.replace(before..value.end, Bytes::new()),
                (true, false) => leading = leading.or(Some(key.start)),
                (false, _) => {
                    if let Some(start) = leading.take() {
                        edits.replace(start..key.start, Bytes::new());
                    }
                    any_kept = true;
                    entry.write_edits(edits);
                }
            }
            before = value.end;
        }
        if let Some(start) = leading {
            edits.replace(start..before, Bytes::new());
        }
        let text = self.render_added(any_kept);
        if !text.is_empty() {
            edits.replace(before..before, text);
        }
    }

    fn render_added(&self, after_others: bool) -> Vec<u8> {
        let mut text = Vec::new();
        for (key, value) in &self.added {
            if after_others || !text.is_empty() {
                text.push(b',');
            }
            text.extend_from_slice(&to_string_literal(key));
            text.push(b':');
            text.extend_from_slice(value);
        }
        text
    }
}

impl MemberEdit<'_> {
    fn has_key(&self, text: &[u8], key: &str) -> bool {
        !self.is_removed
            && match &self.new_key {
                Some(renamed) => renamed == key,
                None => text.get(self.member.key.clone()).is_some_and(|literal| literal_equals(literal, key)),
            }
    }

    fn write_edits(&self, edits: &mut Edits) {
        if let Some(key) = &self.new_key {
            edits.replace(self.member.key.clone(), to_string_literal(key));
        }
        if let Some(value) = &self.new_value {
            edits.replace(self.member.value.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests;
