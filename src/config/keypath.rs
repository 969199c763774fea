//! Paths in the configuration: `models.providers.kimi.models[0].id`, `agents.defaults.models["kimi/k3"].alias`.

use std::fmt;

use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathSegment {
    /// A key of an object.
    Key(String),
    /// An index of a list, from 0.
    Index(usize),
}

/// From the root to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPath(pub Vec<PathSegment>);

impl KeyPath {
    /// This path with another key.
    pub(crate) fn join_key(&self, key: &str) -> Self {
        self.join(PathSegment::Key(key.to_owned()))
    }

    /// This path with another index.
    pub(crate) fn join_index(&self, index: usize) -> Self {
        self.join(PathSegment::Index(index))
    }

    /// The path of these keys.
    pub(crate) fn from_keys(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| PathSegment::Key((*key).to_owned())).collect())
    }

    /// Its keys, without the indexes.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|step| match step {
            PathSegment::Key(key) => Some(key.as_str()),
            PathSegment::Index(_) => None,
        })
    }

    /// The value at this path of a document.
    pub(crate) fn find_in<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(document, |value, step| match (step, value) {
            (PathSegment::Key(key), Value::Object(object)) => object.get(key),
            (PathSegment::Index(index), Value::Array(list)) => list.get(*index),
            _ => None,
        })
    }

    fn join(&self, step: PathSegment) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Parses a path in the form of [`fmt::Display`]; keys may also be in single quotes.
    ///
    /// # Errors
    /// A message that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) = parse_bracket(inner).ok_or_else(|| {
                    format!("`{text}` is not a path: expected [0] or [\"key\"] at `[{inner}`")
                })?;
                steps.push(step);
                rest = after;
            } else {
                let word = if steps.is_empty() { Some(rest) } else { rest.strip_prefix('.') };
                let word =
                    word.ok_or_else(|| format!("`{text}` is not a path: expected a dot at `{rest}`"))?;
                let end = word.find(['.', '[']).unwrap_or(word.len());
                let (key, after) = word.split_at(end);
                if key.is_empty() {
                    return Err(format!("`{text}` is not a path: expected a key at `{word}`"));
                }
                steps.push(PathSegment::Key(key.to_owned()));
                rest = after;
            }
        }
        Ok(Self(steps))
    }
}

/// `inner` starts after the bracket.
fn parse_bracket(inner: &str) -> Option<(PathSegment, &str)> {
    for quote in ['"', '\''] {
        if let Some(quoted) = inner.strip_prefix(quote) {
            let (key, after) = quoted.split_once(quote)?;
            return Some((PathSegment::Key(key.to_owned()), after.strip_prefix(']')?));
        }
    }
    let (number, after) = inner.split_once(']')?;
    Some((PathSegment::Index(number.parse().ok()?), after))
}

/// Whether a key needs no quotes in a path.
fn is_plain(key: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
    !key.is_empty() && key.chars().all(plain)
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("<root>");
        }
        for (number, step) in self.0.iter().enumerate() {
            match step {
                PathSegment::Index(index) => write!(f, "[{index}]")?,
                PathSegment::Key(key) if !is_plain(key) => write!(f, "[\"{key}\"]")?,
                PathSegment::Key(key) if number == 0 => f.write_str(key)?,
                PathSegment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::KeyPath;

    #[test]
    fn printed_paths_are_parsed_again() {
        for text in [
            "models.providers.kimi-code.models[0].id",
            "agents.defaults.models[\"kimi/kimi-k2.6\"].params",
            "[\"a.b\"].c",
        ] {
            assert_eq!(KeyPath::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(KeyPath::parse("a['b/c'].d").unwrap().to_string(), "a[\"b/c\"].d");
        assert_eq!(KeyPath::parse("").unwrap().to_string(), "<root>");
    }

    #[test]
    fn invalid_paths_are_rejected() {
        for text in ["a..b", "a.", ".a", "a[x]", "a[\"b]", "a[0]b"] {
            assert!(KeyPath::parse(text).is_err(), "{text}");
        }
    }
}
