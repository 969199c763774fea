//! Edits of spans: a body with a few changes goes up as slices of the original bytes.

use bytes::Bytes;

use super::json::{Member, Span, literal_is, string_literal};

/// Changes to one text, in any order; they must not overlap.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    list: Vec<(Span, Bytes)>,
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
        Self { list: Vec::new() }
    }

    /// Whether nothing changes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Puts `with` in the place of `span`; an empty span inserts.
    pub fn replace(&mut self, span: Span, with: impl Into<Bytes>) {
        self.list.push((span, with.into()));
    }

    /// The text with the changes made. Insertions at one offset keep the order in which they were added, and stand
    /// after a removal that ends there.
    #[must_use]
    pub fn apply(mut self, text: &Bytes) -> Segments {
        self.list.sort_by_key(|(span, _)| (span.start, span.end));
        let mut out = Segments::default();
        let mut at = 0;
        for (span, with) in self.list {
            debug_assert!(span.start >= at, "edits overlap at byte {}", span.start);
            if span.start > at {
                out.push(text.slice(at..span.start));
            }
            out.push(with);
            at = at.max(span.end);
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
    pub fn whole(text: Bytes) -> Self {
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

    /// Whether there are none.
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

/// Changes to the members of one object; commas come out right whatever is removed or added.
#[derive(Debug)]
pub struct ObjectPatch<'a> {
    text: &'a [u8],
    open: usize,
    members: &'a [Member],
    removed: Vec<bool>,
    replaced: Vec<Option<Bytes>>,
    added: Vec<(String, Bytes)>,
}

impl<'a> ObjectPatch<'a> {
    /// `open` is the offset of the object's opening brace in `text`.
    #[must_use]
    pub fn new(text: &'a [u8], open: usize, members: &'a [Member]) -> Self {
        Self {
            text,
            open,
            members,
            removed: vec![false; members.len()],
            replaced: vec![None; members.len()],
            added: Vec::new(),
        }
    }

    fn is(&self, index: usize, key: &str) -> bool {
        self.members
            .get(index)
            .and_then(|member| self.text.get(member.key.clone()))
            .is_some_and(|literal| literal_is(literal, key))
    }

    /// Whether the object will have this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        (0..self.members.len()).any(|index| !self.removed[index] && self.is(index, key))
            || self.added.iter().any(|(added, _)| added == key)
    }

    /// Removes every member with this key; tells whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let mut any = false;
        for index in 0..self.members.len() {
            if !self.removed[index] && self.is(index, key) {
                self.removed[index] = true;
                any = true;
            }
        }
        let before = self.added.len();
        self.added.retain(|(added, _)| added != key);
        any || before != self.added.len()
    }

    /// Gives every member with this key the value, which is JSON text; adds one where there is none.
    pub fn set(&mut self, key: &str, value: impl Into<Bytes>) {
        let value = value.into();
        let mut any = false;
        for index in 0..self.members.len() {
            if !self.removed[index] && self.is(index, key) {
                self.replaced[index] = Some(value.clone());
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

    /// Gives the key another name, the value staying where it is; the last of duplicates keeps, the others go.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(last) = (0..self.members.len()).rev().find(|&i| !self.removed[i] && self.is(i, from)) else {
            return false;
        };
        let value = self.text.get(self.members[last].value.clone()).map(Bytes::copy_from_slice);
        self.remove(from);
        self.set(to, value.unwrap_or_default());
        true
    }

    /// Adds the edits that make it so.
    pub fn finish(self, edits: &mut Edits) {
        let first_kept = self.removed.iter().position(|removed| !removed);
        for (index, member) in self.members.iter().enumerate() {
            if let (false, Some(value)) = (self.removed[index], &self.replaced[index]) {
                edits.replace(member.value.clone(), value.clone());
            }
            if self.removed[index] && first_kept.is_some_and(|first| index > first) {
                edits.replace(self.members[index - 1].value.end..member.value.end, Bytes::new());
            }
        }
        let leading = match (first_kept, self.members.first(), self.members.last()) {
            (Some(first), Some(head), _) if first > 0 => Some(head.key.start..self.members[first].key.start),
            (None, Some(head), Some(tail)) => Some(head.key.start..tail.value.end),
            _ => None,
        };
        if let Some(span) = leading {
            edits.replace(span, Bytes::new());
        }
        self.insert(first_kept.is_some(), edits);
    }

    fn insert(&self, after_others: bool, edits: &mut Edits) {
        let mut text = Vec::new();
        for (key, value) in &self.added {
            if after_others || !text.is_empty() {
                text.push(b',');
            }
            text.extend_from_slice(&string_literal(key));
            text.push(b':');
            text.extend_from_slice(value);
        }
        if !text.is_empty() {
            let at = self.members.last().map_or(self.open + 1, |member| member.value.end);
            edits.replace(at..at, text);
        }
    }
}
