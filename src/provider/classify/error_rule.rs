//! One row of an adapter's table of error rules.

use super::error_details::ErrorDetails;
use crate::failure::Reason;

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) struct Classification {
    /// Its type.
    pub(in crate::provider) reason: Reason,
    /// See [`crate::failure::Failure::provider_rule`].
    pub(in crate::provider) is_provider_rule: bool,
}

impl From<Reason> for Classification {
    fn from(reason: Reason) -> Self {
        Self { reason, is_provider_rule: false }
    }
}

/// Matches when status, kind and words do; an empty list matches everything.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) struct ErrorRule {
    statuses: &'static [u16],
    error_types: &'static [&'static str],
    phrases: &'static [&'static str],
    classification: Classification,
}

impl ErrorRule {
    /// By status alone until more is said.
    pub(in crate::provider) const fn new(statuses: &'static [u16], reason: Reason) -> Self {
        Self {
            statuses,
            error_types: &[],
            phrases: &[],
            classification: Classification { reason, is_provider_rule: false },
        }
    }

    /// `error.type` or `error.code` is one of these.
    pub(in crate::provider) const fn with_error_types(mut self, kinds: &'static [&'static str]) -> Self {
        self.error_types = kinds;
        self
    }

    /// The message contains one of these lower-case strings.
    pub(in crate::provider) const fn with_phrases(mut self, words: &'static [&'static str]) -> Self {
        self.phrases = words;
        self
    }

    /// A rule of this provider: another one could serve the request as it is.
    pub(in crate::provider) const fn as_provider_rule(mut self) -> Self {
        self.classification.is_provider_rule = true;
        self
    }

    fn matches(&self, notice: &ErrorDetails) -> bool {
        // An error object in an answer may have no status; its words then have to do.
        let has_words = !self.phrases.is_empty() || !self.error_types.is_empty();
        let status_fits = notice.status.map_or(has_words, |status| self.statuses.contains(&status));
        (self.statuses.is_empty() || status_fits)
            && (self.error_types.is_empty() || self.error_types.iter().any(|kind| notice.has_type(kind)))
            && (self.phrases.is_empty()
                || self.phrases.iter().any(|word| notice.lowercase_text.contains(word)))
    }
}

/// The first row that matches.
pub(in crate::provider) fn match_first(rows: &[ErrorRule], notice: &ErrorDetails) -> Option<Classification> {
    // A page of HTML is an edge's, whose words say nothing of the request.
    if notice.is_html {
        return None;
    }
    rows.iter().find(|row| row.matches(notice)).map(|row| row.classification)
}
