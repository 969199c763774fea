//! Page addresses: collects those that were reported, drops invalid ones and duplicates.

use serde_json::Value;
use url::Url;

/// More than a person looks at, and a bound for what is kept.
const MAX_CITATIONS: usize = 50;
/// A browser takes more, a page that is cited has less.
const MAX_URL_BYTES: usize = 2048;

/// Addresses in the order in which they were reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Citations(Vec<String>);

impl Citations {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_urls(self) -> Vec<String> {
        self.0
    }

    /// One more, where it is an address of a page that is not there yet.
    fn add(&mut self, text: &str) {
        let text = text.trim();
        if self.0.len() < MAX_CITATIONS && is_page_url(text) && !self.0.iter().any(|known| known == text) {
            self.0.push(text.to_owned());
        }
    }

    /// Every `url` of a value, however deep.
    pub(super) fn add_from_value(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, inner) in members {
                    match inner {
                        Value::String(text) if name == "url" => self.add(text),
                        _ => self.add_from_value(inner),
                    }
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.add_from_value(element)),
            _ => {}
        }
    }

    /// Every address in a text. Punctuation behind one belongs to the sentence, and so does a bracket that it does not
    /// open itself.
    pub(super) fn add_from_text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find("http") {
            let from = rest.get(at..).unwrap_or_default();
            let ends =
                |c: char| c.is_whitespace() || c.is_control() || "<>\"`|{}\\^，。；、）】》".contains(c);
            let end = from.find(ends).unwrap_or(from.len());
            let (candidate, after) = from.split_at(end);
            self.add(trim_url(candidate));
            rest = if after.is_empty() { "" } else { after };
        }
    }
}

/// Of `https://a/b).` what is the address; of Markdown's `https://a](https://a` the first.
fn trim_url(candidate: &str) -> &str {
    let mut text = candidate.split("](").next().unwrap_or(candidate);
    loop {
        let opened = |open: char, close: char| text.matches(open).count() >= text.matches(close).count();
        let Some(last) = text.chars().next_back() else { return text };
        let belongs = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' => false,
            ')' => opened('(', ')'),
            ']' => opened('[', ']'),
            _ => return text,
        };
        if belongs {
            return text;
        }
        text = text.get(..text.len() - last.len_utf8()).unwrap_or_default();
    }
}

/// Whether a text is an address that a browser opens as a page, and nothing that a terminal would obey.
fn is_page_url(text: &str) -> bool {
    let plain = text.len() <= MAX_URL_BYTES && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    plain
        && Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty())
        })
}
