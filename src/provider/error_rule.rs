//! Rows of the adapters' error tables, and the meaning of a status alone.

use super::error_details::ErrorDetails;
use crate::failure::Reason;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Classification {
    pub(crate) reason: Reason,
    /// See [`crate::failure::Failure::provider_rule`].
    pub(crate) is_provider_rule: bool,
}

impl From<Reason> for Classification {
    fn from(reason: Reason) -> Self {
        Self { reason, is_provider_rule: false }
    }
}

/// Matches by status, type and phrase; an empty list matches everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorRule {
    statuses: &'static [u16],
    error_types: &'static [&'static str],
    phrases: &'static [&'static str],
    classification: Classification,
}

impl ErrorRule {
    /// Matches by status alone.
    pub(crate) const fn new(statuses: &'static [u16], reason: Reason) -> Self {
        Self {
            statuses,
            error_types: &[],
            phrases: &[],
            classification: Classification { reason, is_provider_rule: false },
        }
    }

    /// `error.type` or `error.code` is one of these.
    pub(crate) const fn with_error_types(mut self, kinds: &'static [&'static str]) -> Self {
        self.error_types = kinds;
        self
    }

    /// The message contains one of these lower-case strings.
    pub(crate) const fn with_phrases(mut self, words: &'static [&'static str]) -> Self {
        self.phrases = words;
        self
    }

    /// A rule of this provider: another one could serve the request as it is.
    pub(crate) const fn as_provider_rule(mut self) -> Self {
        self.classification.is_provider_rule = true;
        self
    }

    fn matches(&self, details: &ErrorDetails) -> bool {
        // An error object in a response may have no status; then the text decides.
        let has_words = !self.phrases.is_empty() || !self.error_types.is_empty();
        let status_fits = details.status.map_or(has_words, |status| self.statuses.contains(&status));
        (self.statuses.is_empty() || status_fits)
            && (self.error_types.is_empty() || self.error_types.iter().any(|kind| details.has_type(kind)))
            && (self.phrases.is_empty()
                || self.phrases.iter().any(|word| details.lowercase_text.contains(word)))
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
