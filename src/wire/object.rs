//! One JSON object read member by member, as spans: for what is looked at once and need not become a tree.

use std::borrow::Cow;

use super::json::{self, Member};

/// An object and where its members stand. Of duplicate keys the last counts; `null` counts as absent.
#[derive(Clone, Debug)]
pub struct Object<'t> {
    text: &'t [u8],
    members: Vec<Member>,
}

impl<'t> Object<'t> {
    /// Reads the object that `text` begins with, white space before it aside. `None` when there is none.
    #[must_use]
    pub fn read(text: &'t [u8]) -> Option<Self> {
        let (members, _) = json::members(text, json::skip_space(text, 0)).ok()?;
        Some(Self { text, members })
    }

    /// Whether it has no members.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The JSON text of a value.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&'t [u8]> {
        let span = json::find(self.text, &self.members, key)?.value.clone();
        self.text.get(span).filter(|value| *value != b"null")
    }

    /// A string with its quotes, escaped as it came.
    #[must_use]
    pub fn literal(&self, key: &str) -> Option<&'t [u8]> {
        self.value(key).filter(|value| value.first() == Some(&b'"'))
    }

    /// A string, unescaped.
    #[must_use]
    pub fn string(&self, key: &str) -> Option<Cow<'t, str>> {
        json::unescape(self.value(key)?)
    }

    /// An object.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Self> {
        Self::read(self.value(key)?)
    }

    /// The elements of an array; none where there is no array.
    #[must_use]
    pub fn elements(&self, key: &str) -> Vec<&'t [u8]> {
        let Some(array) = self.value(key) else { return Vec::new() };
        let Ok((spans, _)) = json::elements(array, 0) else { return Vec::new() };
        spans.into_iter().filter_map(|span| array.get(span)).collect()
    }

    /// The objects among the elements of an array.
    pub fn objects(&self, key: &str) -> impl Iterator<Item = Self> {
        self.elements(key).into_iter().filter_map(Self::read)
    }

    /// A number that is not negative.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<f64> {
        let literal = std::str::from_utf8(self.value(key)?).ok()?;
        // "inf" and "nan" parse as well, but no JSON number starts with a letter.
        literal.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
    }

    /// A number, rounded; too large a one becomes the largest.
    #[must_use]
    pub fn count(&self, key: &str) -> Option<u64> {
        self.number(key).map(whole)
    }

    /// A count that numbers something here.
    #[must_use]
    pub fn place(&self, key: &str) -> Option<usize> {
        self.count(key).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// Rounded; too large a number becomes the largest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and callers give no negative number"
)]
pub(super) fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn members_are_read_by_key_and_kind() {
        let text = br#" {"a":"x\n","n":null,"a":"y\u0041","o":{"i":2.4},"l":[1,{"k":1},{"k":2}],"big":1e99,"neg":-1}"#;
        let object = Object::read(text).unwrap();
        assert_eq!(object.string("a").unwrap(), "yA", "the last of duplicates");
        assert_eq!(object.literal("a").unwrap(), br#""y\u0041""#);
        assert_eq!(object.value("n"), None);
        assert_eq!(object.object("o").unwrap().count("i"), Some(2));
        assert_eq!(object.elements("l").len(), 3);
        assert_eq!(object.objects("l").filter_map(|each| each.count("k")).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(object.count("big"), Some(u64::MAX));
        assert_eq!(object.count("neg"), None);
        assert!(object.literal("o").is_none() && object.elements("a").is_empty());
        assert!(Object::read(b"[1]").is_none());
    }
}
