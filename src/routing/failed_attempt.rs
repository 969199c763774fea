//! A try that failed, and what it used all the same: a provider may bill what it began to say.

use bytes::Bytes;

use super::continuation::estimate_usage;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::object::ObjectView;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::{ContentBytes, StreamReader};

/// See the module.
#[derive(Debug)]
pub(super) struct FailedAttempt {
    pub(super) failure: Failure,
    pub(super) consumed: ConsumedUsage,
}

#[derive(Debug)]
pub(super) enum ConsumedUsage {
    /// It was refused, or nobody was reached.
    Nothing,
    /// The provider told it.
    Reported(TokenUsage),
    /// It read the prompt and said this, as far as we know.
    Estimated(ContentBytes),
}

impl From<Failure> for FailedAttempt {
    fn from(failure: Failure) -> Self {
        Self { failure, consumed: ConsumedUsage::Nothing }
    }
}

impl FailedAttempt {
    /// It was at work when it failed, or may have been.
    pub(super) fn after_sending(failure: Failure) -> Self {
        Self { failure, consumed: ConsumedUsage::Estimated(ContentBytes::default()) }
    }

    /// A whole answer that is none: empty, cut, or an error in its place.
    pub(super) fn from_complete_body(failure: Failure, face: Api, body: &Bytes) -> Self {
        let Ok(top) = ObjectView::parse_strict(body) else {
            // What was cut was an answer; a web page nobody bills.
            let is_page = body.trim_ascii_start().starts_with(b"<");
            return if is_page { failure.into() } else { Self::after_sending(failure) };
        };
        let told = top.value("usage").and_then(|usage| TokenUsage::from_json(face, usage));
        if let Some(usage) = told.filter(TokenUsage::is_nonzero) {
            return Self { failure, consumed: ConsumedUsage::Reported(usage) };
        }
        let is_answer = ["choices", "content", "output"].iter().any(|key| top.value(key).is_some());
        if is_answer { Self::after_sending(failure) } else { failure.into() }
    }

    /// A stream that failed before it said anything; so many events had come.
    pub(super) fn from_stream(failure: Failure, reader: &StreamReader, events: usize) -> Self {
        let said = reader.content_bytes();
        let broke = matches!(failure.reason, Reason::Truncated | Reason::Timeout | Reason::Network);
        let consumed = match reader.meter().usage.filter(TokenUsage::is_nonzero) {
            Some(usage) => ConsumedUsage::Reported(usage),
            None if broke || events > 0 || said != ContentBytes::default() => ConsumedUsage::Estimated(said),
            None => ConsumedUsage::Nothing,
        };
        Self { failure, consumed }
    }

    /// What it used, where the request is a prompt of so many tokens.
    pub(super) fn usage(&self, prompt: impl FnOnce() -> u64) -> Option<TokenUsage> {
        match self.consumed {
            ConsumedUsage::Nothing => None,
            ConsumedUsage::Reported(usage) => Some(usage),
            ConsumedUsage::Estimated(said) => Some(estimate_usage(prompt(), said)),
        }
    }
}
