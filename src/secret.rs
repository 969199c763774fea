//! Secrets: values that never reach a log, an error or a debug print, and their redaction from text of providers.

mod redactor;

pub use redactor::Redactor;

/// A key, a token or a header value. It has no `Debug`, `Display` or `Serialize`: what must see it calls
/// [`Secret::expose`], which is easy to find.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the value over.
    #[must_use]
    pub const fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// For display: the first three and the last two characters of a value of 12 or more, else `***`.
    #[must_use]
    pub fn masked(&self) -> String {
        let chars: Vec<char> = self.0.chars().collect();
        if chars.len() < 12 {
            return "***".to_owned();
        }
        let head: String = chars[..3].iter().collect();
        let tail: String = chars[chars.len() - 2..].iter().collect();
        format!("{head}…{tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn masks_all_but_the_ends() {
        assert_eq!(Secret::new("sk-abcdefghijkl".to_owned()).masked(), "sk-…kl");
        assert_eq!(Secret::new("short".to_owned()).masked(), "***");
    }
}
