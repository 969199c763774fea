//! JSON values of a body, read in place. Strings, schemas and arguments are copied between APIs as the
//! client's bytes, so long numbers, key order and lone surrogates survive.

use std::borrow::Cow;

use super::TranslationError;
use crate::protocol::json::{self, Member};

/// A JSON value's text, without the white space around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonNode<'t>(&'t [u8]);

impl<'t> JsonNode<'t> {
    pub(crate) const fn new(text: &'t [u8]) -> Self {
        Self(text)
    }

    pub(crate) const fn raw(self) -> &'t [u8] {
        self.0
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == b"null"
    }

    pub(crate) fn is_true(self) -> bool {
        self.0 == b"true"
    }

    pub(crate) fn as_bool(self) -> Option<bool> {
        match self.0 {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    pub(crate) fn is_array(self) -> bool {
        self.0.first() == Some(&b'[')
    }

    pub(crate) fn is_object(self) -> bool {
        self.0.first() == Some(&b'{')
    }

    pub(crate) fn literal(self) -> Option<StringLiteral<'t>> {
        (self.0.len() > 1 && self.0.first() == Some(&b'"')).then_some(StringLiteral(Cow::Borrowed(self.0)))
    }

    pub(crate) fn string(self) -> Option<Cow<'t, str>> {
        json::unescape(self.0)
    }

    /// A whole number that is not negative.
    pub(crate) fn as_u64(self) -> Option<u64> {
        std::str::from_utf8(self.0).ok()?.parse().ok()
    }

    /// # Errors
    /// When it is not an object.
    pub(crate) fn object(self) -> Result<ObjectNode<'t>, TranslationError> {
        match json::parse_members(self.0, 0) {
            Ok((members, _)) => Ok(ObjectNode { text: self.0, members }),
            Err(_) => Err(TranslationError::new(format!("must be an object, not {}", self.type_name()))),
        }
    }

    /// # Errors
    /// When it is not an array.
    pub(crate) fn elements(self) -> Result<Vec<Self>, TranslationError> {
        match json::parse_elements(self.0, 0) {
            Ok((spans, _)) => Ok(spans.into_iter().filter_map(|span| self.0.get(span).map(Self)).collect()),
            Err(_) => Err(TranslationError::new(format!("must be an array, not {}", self.type_name()))),
        }
    }

    /// Its type, for error messages.
    pub(crate) fn type_name(self) -> &'static str {
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

/// An object's members; `null` counts as absent, and the last of duplicates counts.
#[derive(Clone, Debug)]
pub(crate) struct ObjectNode<'t> {
    text: &'t [u8],
    members: Vec<Member>,
}

impl<'t> ObjectNode<'t> {
    /// Of members that were found already.
    pub(crate) const fn from_members(text: &'t [u8], members: Vec<Member>) -> Self {
        Self { text, members }
    }

    pub(crate) fn get(&self, key: &str) -> Option<JsonNode<'t>> {
        let span = json::find_member(self.text, &self.members, key)?.value.clone();
        self.text.get(span).map(JsonNode).filter(|node| !node.is_null())
    }

    /// A string, unescaped; `None` for other types.
    pub(crate) fn string(&self, key: &str) -> Option<Cow<'t, str>> {
        self.get(key)?.string()
    }

    pub(crate) fn literal(&self, key: &str) -> Option<StringLiteral<'t>> {
        self.get(key)?.literal()
    }

    /// A required string.
    ///
    /// # Errors
    /// When it is absent or has another type.
    pub(crate) fn require_string(&self, key: &str) -> Result<StringLiteral<'t>, TranslationError> {
        let Some(node) = self.get(key) else {
            return Err(TranslationError::new("must be a string and is missing").within(key));
        };
        node.literal().ok_or_else(|| {
            TranslationError::new(format!("must be a string, not {}", node.type_name())).within(key)
        })
    }

    /// The elements of an optional array.
    ///
    /// # Errors
    /// When it has another type.
    pub(crate) fn list(&self, key: &str) -> Result<Vec<JsonNode<'t>>, TranslationError> {
        self.get(key).map_or(Ok(Vec::new()), |node| node.elements().map_err(|error| error.within(key)))
    }

    /// An optional object.
    ///
    /// # Errors
    /// When it has another type.
    pub(crate) fn object(&self, key: &str) -> Result<Option<Self>, TranslationError> {
        self.get(key).map(|node| node.object().map_err(|error| error.within(key))).transpose()
    }

    /// Reads each element of an optional array; errors get the element's location.
    ///
    /// # Errors
    /// When it has another type, or an element cannot be read.
    pub(crate) fn try_each<T>(
        &self,
        key: &str,
        mut read: impl FnMut(JsonNode<'t>) -> Result<T, TranslationError>,
    ) -> Result<Vec<T>, TranslationError> {
        let elements = self.list(key)?.into_iter().enumerate();
        elements
            .map(|(index, node)| read(node).map_err(|error| error.within(&format!("{key}[{index}]"))))
            .collect()
    }

    /// Reads the value of `key`, if present, with its location in errors.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn try_read<T: Default>(
        &self,
        key: &str,
        read: impl FnOnce(JsonNode<'t>) -> Result<T, TranslationError>,
    ) -> Result<T, TranslationError> {
        self.get(key).map_or(Ok(T::default()), |node| read(node).map_err(|error| error.within(key)))
    }

    /// A required object.
    ///
    /// # Errors
    /// When it is absent or has another type.
    pub(crate) fn require_object(&self, key: &str) -> Result<Self, TranslationError> {
        let missing = || TranslationError::new("must be an object and is missing").within(key);
        self.object(key)?.ok_or_else(missing)
    }

    /// An array of strings under `key`.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn strings(&self, key: &str) -> Result<Vec<StringLiteral<'t>>, TranslationError> {
        self.try_each(key, |node| {
            let not_a_string = || format!("must be a string, not {}", node.type_name());
            node.literal().ok_or_else(|| TranslationError::new(not_a_string()))
        })
    }

    /// Keys (unescaped) with values, in order; `null` members are omitted.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Cow<'t, str>, JsonNode<'t>)> + '_ {
        self.members.iter().filter_map(|member| {
            let key = json::unescape(self.text.get(member.key.clone())?)?;
            let value = JsonNode(self.text.get(member.value.clone())?);
            (!value.is_null()).then_some((key, value))
        })
    }
}

/// A JSON string as it is written, quotes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StringLiteral<'t>(Cow<'t, [u8]>);

impl AsRef<[u8]> for StringLiteral<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<'t> StringLiteral<'t> {
    /// From text written by the gateway.
    pub(crate) fn from_text(text: &str) -> Self {
        Self(Cow::Owned(json::to_string_literal(text)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Unescaped; half surrogates become U+FFFD.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        json::unescape(&self.0).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inner().is_empty()
    }

    fn inner(&self) -> &[u8] {
        self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default()
    }

    /// One string of several, with `between` in the middle.
    pub(crate) fn join(parts: &[Self], between: &str) -> Self {
        if let [only] = parts {
            return only.clone();
        }
        let mut joint = json::to_string_literal(between);
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
    pub(crate) fn wrap(&self, before: &str, after: &str) -> Self {
        Self::join(&[Self::from_text(before), self.clone(), Self::from_text(after)], "")
    }
}
