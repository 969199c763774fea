//! One JSON object read member by member, as spans, for values that are read once and need no tree.

use std::borrow::Cow;

use super::amount::Amount;
use super::json::{self, MalformedJson, Member, Span};

/// An object and the spans of its members, relative to the original text, also for nested objects. The last of
/// duplicate keys counts. `null` counts as absent.
#[derive(Clone, Debug)]
pub struct ObjectView<'t> {
    text: &'t [u8],
    extent: Span,
    members: Cow<'t, [Member]>,
}

impl<'t> ObjectView<'t> {
    /// Reads the object at the start of `text`, after white space. `None` when there is none.
    #[must_use]
    pub fn parse(text: &'t [u8]) -> Option<Self> {
        Self::parse_at(text, json::skip_whitespace(text, 0))
    }

    /// Reads the object that opens at an offset. `None` when there is none.
    #[must_use]
    pub fn parse_at(text: &'t [u8], open: usize) -> Option<Self> {
        let (members, end) = json::parse_members(text, open).ok()?;
        Some(Self { text, extent: open..end, members: members.into() })
    }

    /// Builds the object from known members. `None` when there is no object.
    #[must_use]
    pub fn from_members(text: &'t [u8], extent: Span, members: &'t [Member]) -> Option<Self> {
        (text.get(extent.start) == Some(&b'{')).then(|| Self { text, extent, members: members.into() })
    }

    /// Reads a text that is exactly one object.
    ///
    /// # Errors
    /// When it is not valid JSON, or not an object.
    pub fn parse_strict(text: &'t [u8]) -> Result<Self, MalformedJson> {
        let open = json::skip_whitespace(text, 0);
        json::require_valid(text)?;
        let (members, end) = json::parse_members(text, open)?;
        if json::skip_whitespace(text, end) != text.len() {
            return Err(MalformedJson { offset: end, expected: "nothing but one object" });
        }
        Ok(Self { text, extent: open..end, members: members.into() })
    }

    /// Its span, braces included.
    #[must_use]
    pub fn extent(&self) -> Span {
        self.extent.clone()
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Its JSON text.
    #[must_use]
    pub fn text(&self) -> &'t [u8] {
        self.text.get(self.extent.clone()).unwrap_or_default()
    }

    /// Whether it has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The span of a value.
    #[must_use]
    pub fn span(&self, key: &str) -> Option<Span> {
        let span = &json::find_member(self.text, &self.members, key)?.value;
        (self.text.get(span.clone()) != Some(b"null")).then(|| span.clone())
    }

    /// The JSON text of a value.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&'t [u8]> {
        self.text.get(self.span(key)?)
    }

    /// The text between the quotes of a string, escaped as received.
    #[must_use]
    pub fn escaped(&self, key: &str) -> Option<&'t [u8]> {
        self.literal(key)?.strip_prefix(b"\"")?.strip_suffix(b"\"")
    }

    /// A string with its quotes, escaped as received.
    #[must_use]
    pub fn literal(&self, key: &str) -> Option<&'t [u8]> {
        self.value(key).filter(|value| value.first() == Some(&b'"'))
    }

    /// A string, unescaped.
    #[must_use]
    pub fn string(&self, key: &str) -> Option<Cow<'t, str>> {
        json::unescape(self.value(key)?)
    }

    /// A string, unescaped; empty when there is none.
    #[must_use]
    pub fn string_or_empty(&self, key: &str) -> Cow<'t, str> {
        self.string(key).unwrap_or_default()
    }

    /// Whether a value is a string with something in it.
    #[must_use]
    pub fn has_text(&self, key: &str) -> bool {
        self.literal(key).is_some_and(|value| value.len() > 2)
    }

    /// An object.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Self> {
        Self::parse_at(self.text, self.span(key)?.start)
    }

    /// Whether a value is an array.
    #[must_use]
    pub fn has_array(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value.starts_with(b"["))
    }

    /// The elements of an array; empty when there is no array.
    #[must_use]
    pub fn elements(&self, key: &str) -> Vec<&'t [u8]> {
        self.element_spans(key).into_iter().filter_map(|span| self.text.get(span)).collect()
    }

    /// The objects among the elements of an array.
    #[must_use]
    pub fn objects(&self, key: &str) -> Vec<Self> {
        self.span(key).map(|span| Self::parse_array_at(self.text, span.start)).unwrap_or_default()
    }

    /// The objects among the elements of the array that opens at an offset, read in one pass; empty when there
    /// is no array.
    #[must_use]
    pub fn parse_array_at(text: &'t [u8], open: usize) -> Vec<Self> {
        let mut objects = Vec::new();
        let walked = json::walk_array(text, open, |at| {
            let Some(object) = Self::parse_at(text, at) else { return json::skip_value(text, at) };
            let end = object.extent.end;
            objects.push(object);
            Ok(end)
        });
        if walked.is_ok() { objects } else { Vec::new() }
    }

    fn element_spans(&self, key: &str) -> Vec<Span> {
        let elements = self.span(key).and_then(|span| json::parse_elements(self.text, span.start).ok());
        elements.map(|(spans, _)| spans).unwrap_or_default()
    }

    /// A number that is not negative.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<f64> {
        parse_number(self.value(key)?)
    }

    /// An amount of money, exact.
    #[must_use]
    pub fn amount(&self, key: &str) -> Option<Amount> {
        Amount::parse(std::str::from_utf8(self.value(key)?).ok()?)
    }

    /// A number, rounded; too large a one becomes the largest.
    #[must_use]
    pub fn count(&self, key: &str) -> Option<u64> {
        let value = self.value(key)?;
        let whole = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
        whole.or_else(|| parse_number(value).map(round_to_u64))
    }

    /// A count that numbers something here.
    #[must_use]
    pub fn index(&self, key: &str) -> Option<usize> {
        self.count(key).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
    }
}

fn parse_number(literal: &[u8]) -> Option<f64> {
    // "inf" and "nan" parse as well, but no JSON number starts with a letter.
    let number: f64 = std::str::from_utf8(literal).ok()?.parse().ok()?;
    Some(number).filter(|number| number.is_finite() && *number >= 0.0)
}

/// Rounded; too large a number becomes the largest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and callers give no negative number"
)]
fn round_to_u64(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::ObjectView;

    #[test]
    fn members_are_read_by_key_and_type() {
        let text = br#" {"a":"x\n","n":null,"a":"y\u0041","o":{"i":2.4},"l":[1,{"k":1},{"k":2}],"big":1e99,"neg":-1}"#;
        let object = ObjectView::parse(text).unwrap();
        assert_eq!(object.string("a").unwrap(), "yA", "the last of duplicates");
        assert_eq!(object.literal("a").unwrap(), br#""y\u0041""#);
        assert_eq!(object.value("n"), None);
        assert_eq!(object.object("o").unwrap().count("i"), Some(2));
        assert_eq!(object.elements("l").len(), 3);
        assert_eq!(object.objects("l").iter().filter_map(|each| each.count("k")).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(object.count("big"), Some(u64::MAX));
        assert_eq!(object.count("neg"), None);
        assert!(object.literal("o").is_none() && object.elements("a").is_empty());
        assert!(ObjectView::parse(b"[1]").is_none());
        assert!(object.string_or_empty("o").is_empty() && object.has_array("l") && !object.has_array("o"));
        assert!(
            object.has_text("a")
                && !object.has_text("big")
                && !ObjectView::parse(br#"{"a":""}"#).unwrap().has_text("a")
        );
    }

    #[test]
    fn spans_refer_to_the_text_and_strict_parsing_needs_one_object() {
        let text = br#" {"o":{"l":[ {"k":null}, 7 ]}} "#;
        let object = ObjectView::parse_strict(text).unwrap();
        let inner = object.object("o").unwrap().objects("l").remove(0);
        assert_eq!(&text[inner.extent()], br#"{"k":null}"#);
        assert_eq!(&text[object.object("o").unwrap().span("l").unwrap()], br#"[ {"k":null}, 7 ]"#);
        assert_eq!((inner.span("k"), inner.is_empty()), (None, false));
        for broken in [&br#"{"a":1} {}"#[..], br#"{"a":tru}"#, b"[]", b""] {
            assert!(ObjectView::parse_strict(broken).is_err(), "{}", String::from_utf8_lossy(broken));
        }
    }
}
