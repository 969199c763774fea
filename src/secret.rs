//! Secrets: values that never reach a log, an error or a debug print, and their redaction from text of providers.

mod encoding;
mod patterns;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use encoding::{Layer, base64};
use patterns::REDACTED;

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

/// The longest redacted text, in characters.
const LONGEST: usize = 1000;

/// Only this much of a raw text is read, in bytes: as much as is read of a refused request's body.
const READ: usize = 64 * 1024;

/// A value with fewer characters is redacted only as a whole word: `true` is a header's value, and part of many words.
const SHORTEST_PART: usize = 8;

/// How many encodings on top of each other are undone, such as a URL in a JSON string in a JSON string.
const DEEPEST: usize = 3;

/// Schemes of credentials. What follows is a secret by itself: a provider may repeat it without the scheme.
const SCHEMES: [&str; 4] = ["basic", "bearer", "key", "token"];

/// Removes the secret values of one call, and everything that looks like an identifier, from a provider's text.
///
/// The order matters. Exact values are removed from the raw text, in plain and encoded form; then patterns;
/// then the text is cut. A pattern that matched first would split a key at a `/`, `=` or `:` and leave its
/// tail; a cut would leave its beginning.
///
/// A clone is cheap and shares the values. A redactor does no work until the first text is redacted.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Inner>);

#[derive(Default)]
struct Inner {
    values: Vec<Secret>,
    forms: OnceLock<Vec<Form>>,
}

/// One spelling of a secret value, before percent-encoding and JSON escapes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Form {
    text: String,
    kind: FormKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FormKind {
    /// The value, wherever it occurs.
    Plain,
    /// The value, or its base64, as a whole word.
    Word,
    /// The beginning of the value's base64. Its last characters depend on what follows the value, so all that follows
    /// in base64 belongs to it.
    Base64,
}

impl Redactor {
    /// A redactor of these values. Empty ones are ignored.
    #[must_use]
    pub fn new<'s>(values: impl IntoIterator<Item = &'s Secret>) -> Self {
        let values = values.into_iter().cloned().collect();
        Self(Arc::new(Inner { values, forms: OnceLock::new() }))
    }

    /// The text in one line, without the secret values, identifiers of accounts, keys, e-mail addresses and control
    /// characters, cut to 1,000 characters.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let text = patterns::redact(&self.redact_values(text));
        if text.chars().count() <= LONGEST {
            return text;
        }
        text.chars().take(LONGEST - 1).chain(REDACTED.chars()).collect()
    }

    /// The text without the secret values, otherwise unchanged. Only its first 64 KiB are kept.
    #[must_use]
    pub fn redact_values(&self, text: &str) -> String {
        let text = text.get(..text.floor_char_boundary(READ)).unwrap_or_default();
        let mut found = Vec::new();
        search(&Layer::of(text), self.forms(), DEEPEST, &mut found);
        found.sort_unstable();
        let mut out = String::with_capacity(text.len());
        let mut read = 0;
        for (start, end) in found {
            if start > read || (start == 0 && read == 0) {
                out.push_str(text.get(read..start).unwrap_or_default());
                out.push_str(REDACTED);
            }
            read = end.max(read);
        }
        out.push_str(text.get(read..).unwrap_or_default());
        out
    }

    /// Whether the text holds a secret value.
    #[must_use]
    pub fn finds_value(&self, text: &str) -> bool {
        let mut found = Vec::new();
        search(&Layer::of(text), self.forms(), DEEPEST, &mut found);
        !found.is_empty()
    }

    fn forms(&self) -> &[Form] {
        self.0.forms.get_or_init(|| {
            let mut forms: Vec<Form> = self.0.values.iter().flat_map(|value| forms(value.expose())).collect();
            forms.sort_unstable();
            forms.dedup();
            forms
        })
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

fn forms(value: &str) -> Vec<Form> {
    let value = value.trim();
    let mut forms = forms_of_word(value);
    if let Some((scheme, credential)) = value.split_once(' ')
        && SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    {
        forms.extend(forms_of_word(credential.trim()));
    }
    forms
}

fn forms_of_word(value: &str) -> Vec<Form> {
    let form = |kind| move |text| Form { text, kind };
    if value.is_empty() {
        return Vec::new();
    }
    // A space in a query is written as `+`.
    let plain = [value.to_owned(), value.replace(' ', "+")];
    if value.chars().count() < SHORTEST_PART {
        return plain.into_iter().chain(base64(value.as_bytes())).map(form(FormKind::Word)).collect();
    }
    let whole = value.len() - value.len() % 3;
    let encoded = base64(value.as_bytes().get(..whole).unwrap_or_default());
    let encoded = encoded.into_iter().map(form(FormKind::Base64));
    plain.into_iter().map(form(FormKind::Plain)).chain(encoded).collect()
}

/// Adds the ranges of the raw text that hold a secret value, in this layer and those below it.
fn search(layer: &Layer, forms: &[Form], depth: usize, found: &mut Vec<(usize, usize)>) {
    for form in forms {
        layer.find(
            form.text.as_bytes(),
            |start, end| match form.kind {
                FormKind::Plain => Some((start, end)),
                FormKind::Word => layer.is_word(start, end).then_some((start, end)),
                FormKind::Base64 => Some((start, layer.end_of_base64(end))),
            },
            found,
        );
        // The text may have been cut inside a value.
        if form.kind != FormKind::Word {
            layer.find_beginning_at_end(form.text.as_bytes(), SHORTEST_PART, found);
        }
    }
    if depth > 0 {
        for next in [layer.without_percent_encoding(), layer.without_json_escapes()].into_iter().flatten() {
            search(&next, forms, depth - 1, found);
        }
    }
}
