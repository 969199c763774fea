//! What a refusal's body says, whatever shape it has.

use serde_json::{Value, json};

use super::ProviderError;
use crate::secret::Redactor;

/// More characters of a text than this are not classified: what a refusal means is at its beginning.
const MAX_TEXT_CHARS: usize = 8192;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(in crate::provider) struct ErrorDetails {
    /// The HTTP status, or the error object's own code where the answer was a 200.
    pub(in crate::provider) status: Option<u16>,
    /// `error.message`, or what takes its place; empty where there is nothing.
    pub(in crate::provider) message: String,
    /// Message, the wrapped provider's message included, in lower case: what the tables look at.
    pub(in crate::provider) lowercase_text: String,
    /// `error.type` and `error.code` where they are words, in that order.
    pub(in crate::provider) error_types: Vec<String>,
    /// OpenRouter's `error.metadata`.
    pub(in crate::provider) metadata: Option<Value>,
    /// What a provider behind the provider said.
    pub(in crate::provider) wrapped_error: Option<Box<ErrorDetails>>,
    /// A page for browsers.
    pub(in crate::provider) is_html: bool,
}

impl ErrorDetails {
    /// Reads a refusal; never fails.
    pub(in crate::provider) fn read(refused: &ProviderError<'_>) -> Self {
        let text = String::from_utf8_lossy(refused.body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let status = Some(refused.status);
        if is_html(refused.content_type, text) {
            return Self { status, is_html: true, ..Self::default() };
        }
        let mut notice = Self::from_text(text);
        let is_in_answer = (200..300).contains(&refused.status);
        notice.status = if is_in_answer { notice.status } else { status };
        notice
    }

    /// From a body, or from the body that a provider wrapped; `status` is what the error object itself says.
    fn from_text(text: &str) -> Self {
        let Ok(body) = serde_json::from_str::<Value>(text) else {
            return Self::from_plain_text(text);
        };
        let body = match &body {
            Value::Array(list) => list.first().unwrap_or(&body),
            _ => &body,
        };
        let error = find_error(body);
        let mut notice = Self {
            status: error.get("code").or_else(|| error.get("status")).and_then(parse_status_code),
            message: find_message(error).or_else(|| find_message(body)).unwrap_or_default(),
            error_types: ["type", "code", "status"]
                .iter()
                .filter_map(|key| parse_error_type(error.get(*key)?))
                .collect(),
            metadata: read_metadata(error),
            ..Self::default()
        };
        if notice.message.is_empty() && notice.error_types.is_empty() {
            return Self { status: notice.status, metadata: notice.metadata, ..Self::from_plain_text(text) };
        }
        notice.wrapped_error =
            notice.metadata.as_ref().and_then(|m| m.get("raw")).and_then(Self::from_wrapped).map(Box::new);
        notice.lowercase_text = notice.message.to_lowercase();
        if let Some(inner) = &notice.wrapped_error {
            notice.lowercase_text.push('\n');
            notice.lowercase_text.push_str(&inner.lowercase_text);
        }
        notice
    }

    fn from_wrapped(raw: &Value) -> Option<Self> {
        let notice = match raw {
            Value::String(text) => Self::from_text(text.trim()),
            Value::Object(_) => Self::from_text(&raw.to_string()),
            _ => return None,
        };
        (!notice.lowercase_text.is_empty() || !notice.error_types.is_empty()).then_some(notice)
    }

    fn from_plain_text(text: &str) -> Self {
        let lowercase_text = text.chars().take(MAX_TEXT_CHARS).collect::<String>().to_lowercase();
        // Whole: a cut could split a key before it is redacted.
        Self { lowercase_text, message: text.to_owned(), ..Self::default() }
    }

    /// Whether `error.type` or `error.code` is this word, at this provider or at the one behind it.
    pub(in crate::provider) fn has_type(&self, word: &str) -> bool {
        self.error_types.iter().any(|kind| kind.eq_ignore_ascii_case(word))
            || self.wrapped_error.as_ref().is_some_and(|inner| inner.has_type(word))
    }

    /// A string of the metadata; empty where there is none.
    pub(in crate::provider) fn metadata_text(&self, key: &str) -> &str {
        self.metadata.as_ref().and_then(|metadata| metadata.get(key)?.as_str()).unwrap_or_default()
    }

    /// The raw message for people: it must be redacted.
    pub(in crate::provider) fn display_message(&self) -> String {
        let status = self.status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
        if self.is_html {
            return format!("HTML page, {status}");
        }
        let message = match (self.message.is_empty(), self.error_types.first()) {
            (false, _) => self.message.clone(),
            (true, Some(kind)) => format!("{kind}, {status}"),
            (true, None) => return format!("empty body, {status}"),
        };
        match (&self.wrapped_error, self.metadata_text("provider_name")) {
            (Some(inner), "") => format!("{message}: {}", inner.message),
            (Some(inner), provider) => format!("{message} ({provider}): {}", inner.message),
            (None, _) => message,
        }
    }

    /// The provider's word for it, as the client may see it.
    pub(in crate::provider) fn provider_type(&self, redactor: &Redactor) -> Option<String> {
        let kind =
            self.error_types.first().cloned().unwrap_or_else(|| self.metadata_text("error_type").to_owned());
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

/// OpenRouter's `metadata`. In its Messages API, `error_type`, which is a part of it, is placed beside `type`.
fn read_metadata(error: &Value) -> Option<Value> {
    let metadata = error.get("metadata").filter(|metadata| metadata.is_object()).cloned();
    metadata.or_else(|| Some(json!({ "error_type": error.get("error_type")?.as_str()? })))
}

/// The object that holds the error: `error`, that of a choice or of a response, the first of `errors`, or the body itself.
fn find_error(body: &Value) -> &Value {
    let present = |value: &&Value| value.is_object() || value.is_string();
    body.get("error")
        .filter(present)
        .or_else(|| body.pointer("/response/error").filter(present))
        .or_else(|| body.pointer("/choices/0/error").filter(present))
        .or_else(|| body.pointer("/errors/0").filter(present))
        .unwrap_or(body)
}

fn find_message(value: &Value) -> Option<String> {
    if let Value::String(text) = value {
        return Some(text.clone()).filter(|text| !text.trim().is_empty());
    }
    ["message", "msg", "error_msg", "detail", "error_description"].iter().find_map(|key| {
        let found = value.get(*key)?;
        match found {
            Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
            // FastAPI lists what is wrong.
            Value::Array(list) => list.first().and_then(find_message),
            Value::Object(_) => find_message(found),
            _ => None,
        }
    })
}

/// A status in a code that is a number, or a string of one.
fn parse_status_code(code: &Value) -> Option<u16> {
    let number = match code {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (400..600).contains(&number).then_some(number)
}

/// A string, not a number; Kimi Code's Messages API sometimes sends `<nil>`.
fn parse_error_type(value: &Value) -> Option<String> {
    let word = value.as_str()?.trim();
    let says_something =
        !word.is_empty() && word != "<nil>" && word != "error" && !word.bytes().all(|b| b.is_ascii_digit());
    says_something.then(|| word.to_owned())
}
