//! One object of a JSON text, by the spans of its members.

use std::borrow::Cow;

use crate::wire::json::{self, Malformed, Member, Span};

/// An object. Of duplicate keys the last counts; `null` counts as absent.
#[derive(Clone, Debug)]
pub(in crate::dialect) struct Object<'t> {
    text: &'t [u8],
    place: Span,
    members: Vec<Member>,
}

impl<'t> Object<'t> {
    /// The object that opens at an offset; `None` where none does.
    pub(in crate::dialect) fn at(text: &'t [u8], open: usize) -> Option<Self> {
        let (members, end) = json::members(text, open).ok()?;
        Some(Self { text, place: open..end, members })
    }

    /// A text that is one object.
    ///
    /// # Errors
    /// When it is not JSON all through, or no object.
    pub(in crate::dialect) fn whole(text: &'t [u8]) -> Result<Self, Malformed> {
        let open = json::skip_space(text, 0);
        let (members, end) = json::members(text, open)?;
        if json::skip_space(text, end) != text.len() || !json::is_valid(text) {
            return Err(Malformed { at: end, expected: "nothing but one object" });
        }
        Ok(Self { text, place: open..end, members })
    }

    /// Where it stands, braces included.
    pub(in crate::dialect) fn place(&self) -> Span {
        self.place.clone()
    }

    /// Its JSON text.
    pub(in crate::dialect) fn text(&self) -> &'t [u8] {
        self.text.get(self.place.clone()).unwrap_or_default()
    }

    /// Where a value stands.
    pub(in crate::dialect) fn span(&self, key: &str) -> Option<Span> {
        let span = &json::find(self.text, &self.members, key)?.value;
        (self.text.get(span.clone()) != Some(b"null")).then(|| span.clone())
    }

    /// The JSON text of a value.
    pub(in crate::dialect) fn value(&self, key: &str) -> Option<&'t [u8]> {
        self.text.get(self.span(key)?)
    }

    /// A string, unescaped; empty where there is none.
    pub(in crate::dialect) fn word(&self, key: &str) -> Cow<'t, str> {
        self.value(key).and_then(json::unescape).unwrap_or_default()
    }

    /// A string, unescaped.
    pub(in crate::dialect) fn string(&self, key: &str) -> Option<String> {
        self.value(key).and_then(json::unescape).map(Cow::into_owned)
    }

    /// Whether a value is a string with something in it.
    pub(in crate::dialect) fn says(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value.starts_with(b"\"") && value.len() > 2)
    }

    /// A member that is an object.
    pub(in crate::dialect) fn object(&self, key: &str) -> Option<Self> {
        Self::at(self.text, self.span(key)?.start)
    }

    /// The elements of a member that are objects; none where it is no array.
    pub(in crate::dialect) fn objects(&self, key: &str) -> Vec<Self> {
        let elements = self.span(key).and_then(|span| json::elements(self.text, span.start).ok());
        let (elements, _) = elements.unwrap_or_default();
        elements.into_iter().filter_map(|element| Self::at(self.text, element.start)).collect()
    }

    /// Whether a member is an array.
    pub(in crate::dialect) fn has_array(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value.starts_with(b"["))
    }
}
