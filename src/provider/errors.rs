//! Error bodies of any shape, and the rows of the tables that classify them.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::failure::Reason;
use crate::secret::Redactor;

/// A provider's error response.
#[derive(Clone, Copy, Debug)]
pub struct ProviderError<'a> {
    /// HTTP status; 200 for an error object in a response or a stream.
    pub status: u16,
    /// `content-type`.
    pub content_type: Option<&'a str>,
    /// `Retry-After` (or `x-retry-after`), as a delay.
    pub retry_after: Option<Duration>,
    /// The time of receipt, for the time until a reset in the body.
    pub received_at: SystemTime,
    /// The body, decoded, capped by the caller.
    pub body: &'a [u8],
}

/// The limit of text that is classified, in characters: the start of an error states its meaning.
const MAX_TEXT_CHARS: usize = 8192;

#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorDetails {
    /// The HTTP status, or the error object's own code where the answer was a 200.
    pub(crate) status: Option<u16>,
    /// `error.message` or its equivalent; empty if there is none.
    pub(crate) message: String,
    /// The message, including the wrapped provider's, in lower case: the tables match it.
    pub(crate) lowercase_text: String,
    /// `error.type` and `error.code` if they are words, in that order.
    pub(crate) error_types: Vec<String>,
    /// OpenRouter's `error.metadata`, or the error's own `error_type`.
    pub(crate) metadata: Value,
    /// The error of the provider that this provider called.
    pub(crate) wrapped_error: Option<Box<ErrorDetails>>,
    pub(crate) is_html: bool,
}

impl ErrorDetails {
    /// Reads an error response; never fails.
    pub(crate) fn read(error: &ProviderError<'_>) -> Self {
        let text = String::from_utf8_lossy(error.body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let status = Some(error.status);
        if is_html(error.content_type, text) {
            return Self { status, is_html: true, ..Self::default() };
        }
        let mut details = Self::from_text(text);
        let is_in_answer = (200..300).contains(&error.status);
        details.status = if is_in_answer { details.status } else { status };
        details
    }

    /// From a body, or from the body that a provider wrapped; `status` is that of the error object.
    fn from_text(text: &str) -> Self {
        let Ok(body) = serde_json::from_str::<Value>(text) else {
            return Self::from_plain_text(text);
        };
        let body = match &body {
            Value::Array(list) => list.first().unwrap_or(&body),
            _ => &body,
        };
        let error = find_error(body);
        let mut details = Self {
            status: error.get("code").or_else(|| error.get("status")).and_then(parse_status_code),
            message: find_message(error).or_else(|| find_message(body)).unwrap_or_default(),
            error_types: ["type", "code", "status"]
                .iter()
                .filter_map(|key| parse_error_type(error.get(*key)?))
                .collect(),
            metadata: read_metadata(error),
            ..Self::default()
        };
        if details.message.is_empty() && details.error_types.is_empty() {
            return Self {
                status: details.status,
                metadata: details.metadata,
                ..Self::from_plain_text(text)
            };
        }
        details.wrapped_error = details.metadata.get("raw").and_then(Self::from_wrapped).map(Box::new);
        details.lowercase_text = details.message.to_lowercase();
        if let Some(inner) = &details.wrapped_error {
            details.lowercase_text.push('\n');
            details.lowercase_text.push_str(&inner.lowercase_text);
        }
        details
    }

    fn from_wrapped(raw: &Value) -> Option<Self> {
        let details = match raw {
            Value::String(text) => Self::from_text(text.trim()),
            Value::Object(_) => Self::from_text(&raw.to_string()),
            _ => return None,
        };
        (!details.lowercase_text.is_empty() || !details.error_types.is_empty()).then_some(details)
    }

    fn from_plain_text(text: &str) -> Self {
        let lowercase_text = text.chars().take(MAX_TEXT_CHARS).collect::<String>().to_lowercase();
        // Whole: a cut could split a key before it is redacted.
        Self { lowercase_text, message: text.to_owned(), ..Self::default() }
    }

    /// Whether `error.type` or `error.code` is this word, here or in the wrapped error.
    pub(crate) fn has_type(&self, word: &str) -> bool {
        self.error_types.iter().any(|kind| kind.eq_ignore_ascii_case(word))
            || self.wrapped_error.as_ref().is_some_and(|inner| inner.has_type(word))
    }

    /// A string of the metadata; empty where there is none.
    pub(crate) fn metadata_text(&self, key: &str) -> &str {
        self.metadata.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The raw message for people: it must be redacted.
    pub(crate) fn display_message(&self) -> String {
        let status = self.status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
        if self.is_html {
            return format!("HTML page, {status}");
        }
        let message = match self.error_types.first() {
            _ if !self.message.is_empty() => self.message.clone(),
            Some(kind) => format!("{kind}, {status}"),
            None => return format!("empty body, {status}"),
        };
        match (&self.wrapped_error, self.metadata_text("provider_name")) {
            (Some(inner), "") => format!("{message}: {}", inner.message),
            (Some(inner), provider) => format!("{message} ({provider}): {}", inner.message),
            (None, _) => message,
        }
    }

    /// The provider's own error type, as the client may see it.
    pub(crate) fn provider_type(&self, redactor: &Redactor) -> Option<String> {
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
fn read_metadata(error: &Value) -> Value {
    let metadata = error.get("metadata").filter(|metadata| metadata.is_object()).cloned();
    metadata.unwrap_or_else(|| json!({ "error_type": error.get("error_type") }))
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
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        // FastAPI sends a list of problems.
        Value::Array(list) => find_message(list.first()?),
        Value::Object(members) => ["message", "msg", "error_msg", "detail", "error_description"]
            .iter()
            .find_map(|key| find_message(members.get(*key)?)),
        _ => None,
    }
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

#[derive(Clone, Copy)]
pub(crate) struct Classification {
    pub(crate) reason: Reason,
    /// See [`crate::failure::Failure::is_provider_rule`].
    pub(crate) is_provider_rule: bool,
    /// See [`crate::failure::Failure::is_intermittent`].
    pub(crate) is_intermittent: bool,
}

impl From<Reason> for Classification {
    fn from(reason: Reason) -> Self {
        Self { reason, is_provider_rule: false, is_intermittent: false }
    }
}

/// One row of an adapter's error table. Alternatives are separated by `|`.
#[derive(Clone, Copy)]
pub(crate) struct ErrorRule {
    /// Empty for every status.
    statuses: &'static [u16],
    /// `error.type` or `error.code` is one of these; empty for every type.
    error_types: &'static str,
    /// The message in lower case contains one of these; empty for every message.
    phrases: &'static str,
    classification: Classification,
}

impl ErrorRule {
    pub(crate) const fn by_status(reason: Reason, statuses: &'static [u16]) -> Self {
        let classification = Classification { reason, is_provider_rule: false, is_intermittent: false };
        Self { statuses, error_types: "", phrases: "", classification }
    }

    pub(crate) const fn by_type(reason: Reason, statuses: &'static [u16], error_types: &'static str) -> Self {
        Self { error_types, ..Self::by_status(reason, statuses) }
    }

    pub(crate) const fn by_phrase(reason: Reason, statuses: &'static [u16], phrases: &'static str) -> Self {
        Self { phrases, ..Self::by_status(reason, statuses) }
    }

    /// A rule of this provider: another one could serve the request as it is.
    pub(crate) const fn as_provider_rule(mut self) -> Self {
        self.classification.is_provider_rule = true;
        self
    }

    /// The provider refuses valid requests like this from time to time; `phrases` is the whole message then.
    pub(crate) const fn as_intermittent(mut self) -> Self {
        self.classification.is_intermittent = true;
        self.as_provider_rule()
    }

    fn matches(&self, details: &ErrorDetails) -> bool {
        // An error object in a response may have no status; then the text decides.
        let has_words = !self.phrases.is_empty() || !self.error_types.is_empty();
        let status_fits = details.status.map_or(has_words, |status| self.statuses.contains(&status));
        (self.statuses.is_empty() || status_fits)
            && (self.error_types.is_empty() || self.error_types.split('|').any(|kind| details.has_type(kind)))
            && self.phrases.split('|').any(|phrase| match self.classification.is_intermittent {
                true => details.lowercase_text.trim() == phrase,
                false => details.lowercase_text.contains(phrase),
            })
    }
}

pub(crate) fn match_first(rows: &[ErrorRule], details: &ErrorDetails) -> Option<Classification> {
    // An HTML page comes from a proxy, and says nothing about the request.
    if details.is_html {
        return None;
    }
    rows.iter().find(|row| row.matches(details)).map(|row| row.classification)
}

pub(crate) fn classify_status(details: &ErrorDetails) -> Classification {
    // No status: an error object without a code, in a response that has started.
    let Some(status) = details.status else { return Reason::Server.into() };
    match status {
        // A proxy answered, not the API, so the key and the request are not the cause.
        200..=299 | 300..=399 | 400 | 401 | 403 | 422 if details.is_html => Reason::Server,
        401 | 403 | 407 => Reason::Auth,
        402 => Reason::Billing,
        404 | 410 => Reason::ModelNotFound,
        408 | 504 | 522 | 524 => Reason::Timeout,
        413 => Reason::ContextOverflow,
        429 => Reason::RateLimit,
        451 => Reason::ContentFilter,
        529 => Reason::Overloaded,
        409 | 421 | 425 | 499 => Reason::Server,
        400..=498 => Reason::BadRequest,
        _ => Reason::Server,
    }
    .into()
}
