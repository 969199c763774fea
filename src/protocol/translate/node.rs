//! JSON values of a body, read where they stand: strings, schemas and arguments go from one face to the other as the
//! bytes that the client sent, so that long numbers, the order of keys and lone surrogates survive.

use std::borrow::Cow;

use super::Untranslatable;
use crate::protocol::json::{self, Member};

/// A JSON value's text, without the white space around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'t>(&'t [u8]);

impl<'t> Node<'t> {
    pub(super) const fn new(text: &'t [u8]) -> Self {
        Self(text)
    }

    pub(super) const fn raw(self) -> &'t [u8] {
        self.0
    }

    pub(super) fn is_null(self) -> bool {
        self.0 == b"null"
    }

    pub(super) fn is_true(self) -> bool {
        self.0 == b"true"
    }

    /// `true` or `false`.
    pub(super) fn flag(self) -> Option<bool> {
        match self.0 {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    pub(super) fn is_array(self) -> bool {
        self.0.first() == Some(&b'[')
    }

    pub(super) fn is_object(self) -> bool {
        self.0.first() == Some(&b'{')
    }

    pub(super) fn literal(self) -> Option<Literal<'t>> {
        (self.0.len() > 1 && self.0.first() == Some(&b'"')).then_some(Literal(Cow::Borrowed(self.0)))
    }

    /// The string, unescaped.
    pub(super) fn string(self) -> Option<Cow<'t, str>> {
        json::unescape(self.0)
    }

    /// A whole number that is not negative.
    pub(super) fn count(self) -> Option<u64> {
        std::str::from_utf8(self.0).ok()?.parse().ok()
    }

    /// # Errors
    /// When it is no object.
    pub(super) fn object(self) -> Result<Object<'t>, Untranslatable> {
        match json::members(self.0, 0) {
            Ok((members, _)) => Ok(Object { text: self.0, members }),
            Err(_) => Err(Untranslatable::new(format!("must be an object, not {}", self.kind()))),
        }
    }

    /// # Errors
    /// When it is no array.
    pub(super) fn elements(self) -> Result<Vec<Self>, Untranslatable> {
        match json::elements(self.0, 0) {
            Ok((spans, _)) => Ok(spans.into_iter().filter_map(|span| self.0.get(span).map(Self)).collect()),
            Err(_) => Err(Untranslatable::new(format!("must be an array, not {}", self.kind()))),
        }
    }

    /// What it is, for people.
    pub(super) fn kind(self) -> &'static str {
        match self.0.first() {
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            Some(_) => "a number",
            None => "nothing",
        }
    }
}

/// An object's members; what is `null` counts as absent, and of duplicates the last counts.
#[derive(Clone, Debug)]
pub(super) struct Object<'t> {
    text: &'t [u8],
    members: Vec<Member>,
}

impl<'t> Object<'t> {
    /// Of members that were found already.
    pub(super) const fn of(text: &'t [u8], members: Vec<Member>) -> Self {
        Self { text, members }
    }

    pub(super) fn get(&self, key: &str) -> Option<Node<'t>> {
        let span = json::find(self.text, &self.members, key)?.value.clone();
        self.text.get(span).map(Node).filter(|node| !node.is_null())
    }

    /// A string, unescaped; `None` also where it is something else.
    pub(super) fn string(&self, key: &str) -> Option<Cow<'t, str>> {
        self.get(key)?.string()
    }

    pub(super) fn literal(&self, key: &str) -> Option<Literal<'t>> {
        self.get(key)?.literal()
    }

    /// A string that has to be there.
    ///
    /// # Errors
    /// When it is absent or something else.
    pub(super) fn required(&self, key: &str) -> Result<Literal<'t>, Untranslatable> {
        let Some(node) = self.get(key) else {
            return Err(Untranslatable::new("must be a string and is missing").within(key));
        };
        node.literal()
            .ok_or_else(|| Untranslatable::new(format!("must be a string, not {}", node.kind())).within(key))
    }

    /// The elements of an array that may be absent.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn list(&self, key: &str) -> Result<Vec<Node<'t>>, Untranslatable> {
        self.get(key).map_or(Ok(Vec::new()), |node| node.elements().map_err(|wrong| wrong.within(key)))
    }

    /// An object that may be absent.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn object(&self, key: &str) -> Result<Option<Self>, Untranslatable> {
        self.get(key).map(|node| node.object().map_err(|wrong| wrong.within(key))).transpose()
    }

    /// An array of strings under `key`.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn strings(&self, key: &str) -> Result<Vec<Literal<'t>>, Untranslatable> {
        let read = |(index, node): (usize, Node<'t>)| {
            node.literal().ok_or_else(|| {
                let why = format!("must be a string, not {}", node.kind());
                Untranslatable::new(why).within(&format!("{key}[{index}]"))
            })
        };
        self.list(key)?.into_iter().enumerate().map(read).collect()
    }

    /// Keys (unescaped) with values, in order; what is `null` is absent.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Cow<'t, str>, Node<'t>)> + '_ {
        self.members.iter().filter_map(|member| {
            let key = json::unescape(self.text.get(member.key.clone())?)?;
            let value = Node(self.text.get(member.value.clone())?);
            (!value.is_null()).then_some((key, value))
        })
    }
}

/// A JSON string as it is written, quotes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal<'t>(Cow<'t, [u8]>);

impl<'t> Literal<'t> {
    /// Of text of our own.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Cow::Owned(json::string_literal(text)))
    }

    /// As it is written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Unescaped; half surrogates become U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        json::unescape(&self.0).unwrap_or_default()
    }

    /// Whether there is nothing between the quotes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner().is_empty()
    }

    fn inner(&self) -> &[u8] {
        self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default()
    }

    /// One string of several, with `between` in the middle.
    pub(super) fn joined(parts: &[Self], between: &str) -> Self {
        if let [only] = parts {
            return only.clone();
        }
        let mut joint = json::string_literal(between);
        joint.pop();
        let joint = joint.get(1..).unwrap_or_default();
        let mut out = vec![b'"'];
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(joint);
            }
            out.extend_from_slice(part.inner());
        }
        out.push(b'"');
        Self(Cow::Owned(out))
    }

    /// The string between two others.
    pub(super) fn wrapped(&self, before: &str, after: &str) -> Self {
        Self::joined(&[Self::of(before), self.clone(), Self::of(after)], "")
    }
}
