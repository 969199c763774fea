//! One row of a dialect's table of refusals.

use super::notice::Notice;
use crate::failure::Reason;

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) struct Verdict {
    /// Its type.
    pub(in crate::provider) reason: Reason,
    /// See [`crate::failure::Failure::provider_rule`].
    pub(in crate::provider) provider_rule: bool,
}

impl From<Reason> for Verdict {
    fn from(reason: Reason) -> Self {
        Self { reason, provider_rule: false }
    }
}

/// Matches when status, kind and words do; an empty list matches everything.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) struct Row {
    statuses: &'static [u16],
    kinds: &'static [&'static str],
    words: &'static [&'static str],
    verdict: Verdict,
}

impl Row {
    /// By status alone until more is said.
    pub(in crate::provider) const fn new(statuses: &'static [u16], reason: Reason) -> Self {
        Self { statuses, kinds: &[], words: &[], verdict: Verdict { reason, provider_rule: false } }
    }

    /// `error.type` or `error.code` is one of these.
    pub(in crate::provider) const fn kinds(mut self, kinds: &'static [&'static str]) -> Self {
        self.kinds = kinds;
        self
    }

    /// The message holds one of these, which stand in lower case.
    pub(in crate::provider) const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }

    /// A rule of this provider: another one could serve the request as it is.
    pub(in crate::provider) const fn own_rule(mut self) -> Self {
        self.verdict.provider_rule = true;
        self
    }

    fn matches(&self, notice: &Notice) -> bool {
        // An error object in an answer may have no status; its words then have to do.
        let has_words = !self.words.is_empty() || !self.kinds.is_empty();
        let status_fits = notice.status.map_or(has_words, |status| self.statuses.contains(&status));
        (self.statuses.is_empty() || status_fits)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| notice.is_kind(kind)))
            && (self.words.is_empty() || self.words.iter().any(|word| notice.words.contains(word)))
    }
}

/// The first row that matches.
pub(in crate::provider) fn first(rows: &[Row], notice: &Notice) -> Option<Verdict> {
    // A page of HTML is an edge's, whose words say nothing of the request.
    if notice.is_html {
        return None;
    }
    rows.iter().find(|row| row.matches(notice)).map(|row| row.verdict)
}
