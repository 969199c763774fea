//! Owns failed attempts and their usage: a provider may bill the part of a response that it sent.

use bytes::Bytes;

use super::continuation::estimate_usage;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::object::ObjectView;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::{ContentBytes, StreamReader};

/// A failed attempt with its usage.
#[derive(Debug)]
pub(super) struct FailedAttempt {
    pub(super) failure: Failure,
    pub(super) consumed: ConsumedUsage,
}

#[derive(Debug)]
pub(super) enum ConsumedUsage {
    /// The provider refused it, or was not reached.
    Nothing,
    /// The provider reported it.
    Reported(TokenUsage),
    /// The provider read the prompt and produced this much output, as far as the gateway knows.
    Estimated(ContentBytes),
}

impl From<Failure> for FailedAttempt {
    fn from(failure: Failure) -> Self {
        Self { failure, consumed: ConsumedUsage::Nothing }
    }
}

impl FailedAttempt {
    /// An attempt that the provider was processing, or may have been processing.
    pub(super) fn after_sending(failure: Failure) -> Self {
        Self { failure, consumed: ConsumedUsage::Estimated(ContentBytes::default()) }
    }

    /// An invalid whole response: empty, truncated, or an error instead of one.
    pub(super) fn from_complete_body(failure: Failure, face: Api, body: &Bytes) -> Self {
        let Ok(top) = ObjectView::parse_strict(body) else {
            // A truncated body was a response; a web page is not billed.
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

    /// A stream that failed before its first meaningful event, after this many events.
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

    /// The attempt's usage, for a prompt of this many tokens.
    pub(super) fn usage(&self, prompt: impl FnOnce() -> u64) -> Option<TokenUsage> {
        match self.consumed {
            ConsumedUsage::Nothing => None,
            ConsumedUsage::Reported(usage) => Some(usage),
            ConsumedUsage::Estimated(said) => Some(estimate_usage(prompt(), said)),
        }
    }
}
