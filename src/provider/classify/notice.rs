//! What a refusal's body says, whatever shape it has.

use serde_json::{Value, json};

use super::Refused;
use crate::secret::Redactor;

/// More characters of a text than this are not classified: what a refusal means is at its beginning.
const LONGEST_TEXT: usize = 8192;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(in crate::provider) struct Notice {
    /// The HTTP status, or the error object's own code where the answer was a 200.
    pub(in crate::provider) status: Option<u16>,
    /// `error.message`, or what takes its place; empty where there is nothing.
    pub(in crate::provider) message: String,
    /// Message, the wrapped provider's message included, in lower case: what the tables look at.
    pub(in crate::provider) words: String,
    /// `error.type` and `error.code` where they are words, in that order.
    pub(in crate::provider) kinds: Vec<String>,
    /// OpenRouter's `error.metadata`.
    pub(in crate::provider) metadata: Option<Value>,
    /// What a provider behind the provider said.
    pub(in crate::provider) inner: Option<Box<Notice>>,
    /// A page for browsers.
    pub(in crate::provider) is_html: bool,
}

impl Notice {
    /// Reads a refusal; never fails.
    pub(in crate::provider) fn read(refused: &Refused<'_>) -> Self {
        let text = String::from_utf8_lossy(refused.body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let status = Some(refused.status);
        if is_html(refused.content_type, text) {
            return Self { status, is_html: true, ..Self::default() };
        }
        let mut notice = Self::of_text(text);
        let is_in_answer = (200..300).contains(&refused.status);
        notice.status = if is_in_answer { notice.status } else { status };
        notice
    }

    /// From a body, or from the body that a provider wrapped; `status` is what the error object itself says.
    fn of_text(text: &str) -> Self {
        let Ok(body) = serde_json::from_str::<Value>(text) else {
            return Self::plain(text);
        };
        let body = match &body {
            Value::Array(list) => list.first().unwrap_or(&body),
            _ => &body,
        };
        let error = error_of(body);
        let mut notice = Self {
            status: error.get("code").or_else(|| error.get("status")).and_then(code_number),
            message: message_of(error).or_else(|| message_of(body)).unwrap_or_default(),
            kinds: ["type", "code", "status"].iter().filter_map(|key| kind(error.get(*key)?)).collect(),
            metadata: metadata_of(error),
            ..Self::default()
        };
        if notice.message.is_empty() && notice.kinds.is_empty() {
            return Self { status: notice.status, metadata: notice.metadata, ..Self::plain(text) };
        }
        notice.inner =
            notice.metadata.as_ref().and_then(|m| m.get("raw")).and_then(Self::wrapped).map(Box::new);
        notice.words = notice.message.to_lowercase();
        if let Some(inner) = &notice.inner {
            notice.words.push('\n');
            notice.words.push_str(&inner.words);
        }
        notice
    }

    fn wrapped(raw: &Value) -> Option<Self> {
        let notice = match raw {
            Value::String(text) => Self::of_text(text.trim()),
            Value::Object(_) => Self::of_text(&raw.to_string()),
            _ => return None,
        };
        (!notice.words.is_empty() || !notice.kinds.is_empty()).then_some(notice)
    }

    fn plain(text: &str) -> Self {
        let words = text.chars().take(LONGEST_TEXT).collect::<String>().to_lowercase();
        // Whole: a cut could split a key before it is redacted.
        Self { words, message: text.to_owned(), ..Self::default() }
    }

    /// Whether `error.type` or `error.code` is this word, at this provider or at the one behind it.
    pub(in crate::provider) fn is_kind(&self, word: &str) -> bool {
        self.kinds.iter().any(|kind| kind.eq_ignore_ascii_case(word))
            || self.inner.as_ref().is_some_and(|inner| inner.is_kind(word))
    }

    /// A string of the metadata; empty where there is none.
    pub(in crate::provider) fn detail(&self, key: &str) -> &str {
        self.metadata.as_ref().and_then(|metadata| metadata.get(key)?.as_str()).unwrap_or_default()
    }

    /// The raw message for people: it must be redacted.
    pub(in crate::provider) fn for_people(&self) -> String {
        let status = self.status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
        if self.is_html {
            return format!("HTML page, {status}");
        }
        let message = match (self.message.is_empty(), self.kinds.first()) {
            (false, _) => self.message.clone(),
            (true, Some(kind)) => format!("{kind}, {status}"),
            (true, None) => return format!("empty body, {status}"),
        };
        match (&self.inner, self.detail("provider_name")) {
            (Some(inner), "") => format!("{message}: {}", inner.message),
            (Some(inner), provider) => format!("{message} ({provider}): {}", inner.message),
            (None, _) => message,
        }
    }

    /// The provider's word for it, as the client may see it.
    pub(in crate::provider) fn provider_type(&self, redactor: &Redactor) -> Option<String> {
        let kind = self.kinds.first().cloned().unwrap_or_else(|| self.detail("error_type").to_owned());
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let fits = !kind.is_empty() && kind.len() <= 64 && kind.chars().all(is_plain);
        (fits && redactor.redact(&kind) == kind).then_some(kind)
    }
}

fn is_html(content_type: Option<&str>, text: &str) -> bool {
    let declared = content_type.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
    let start: String = text.chars().take(16).collect::<String>().to_ascii_lowercase();
    let looks = start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<head");
    // Some servers label JSON as HTML.
    looks || (declared && !text.starts_with(['{', '[']))
}

/// OpenRouter's `metadata`; on its Messages face `error_type`, which is a part of them, stands beside the type.
fn metadata_of(error: &Value) -> Option<Value> {
    let metadata = error.get("metadata").filter(|metadata| metadata.is_object()).cloned();
    metadata.or_else(|| Some(json!({ "error_type": error.get("error_type")?.as_str()? })))
}

/// The object that holds the error: `error`, that of a choice or of a response, the first of `errors`, or the body itself.
fn error_of(body: &Value) -> &Value {
    let present = |value: &&Value| value.is_object() || value.is_string();
    body.get("error")
        .filter(present)
        .or_else(|| body.pointer("/response/error").filter(present))
        .or_else(|| body.pointer("/choices/0/error").filter(present))
        .or_else(|| body.pointer("/errors/0").filter(present))
        .unwrap_or(body)
}

fn message_of(value: &Value) -> Option<String> {
    if let Value::String(text) = value {
        return Some(text.clone()).filter(|text| !text.trim().is_empty());
    }
    ["message", "msg", "error_msg", "detail", "error_description"].iter().find_map(|key| {
        let found = value.get(*key)?;
        match found {
            Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
            // FastAPI lists what is wrong.
            Value::Array(list) => list.first().and_then(message_of),
            Value::Object(_) => message_of(found),
            _ => None,
        }
    })
}

/// A status in a code that is a number, or a string of one.
fn code_number(code: &Value) -> Option<u16> {
    let number = match code {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (400..600).contains(&number).then_some(number)
}

/// A word, not a number; Kimi Code's Messages face sends `<nil>` at times.
fn kind(value: &Value) -> Option<String> {
    let word = value.as_str()?.trim();
    let says_something =
        !word.is_empty() && word != "<nil>" && word != "error" && !word.bytes().all(|b| b.is_ascii_digit());
    says_something.then(|| word.to_owned())
}
