//! Why a search gave no answer that is based on the web.

use std::fmt;

use super::usage::SearchUsage;
use crate::failure::{Failure, Reason};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchFailureKind {
    /// No usable key exists.
    MissingKey,
    /// The question is empty or too long.
    InvalidQuery,
    /// The model answered, but from memory: it searched nothing.
    Ungrounded,
    /// It searched, and gave no answer.
    NoAnswer,
    /// The provider refused or failed, or a clock ran out.
    Upstream(Reason),
    /// The gateway that runs wants another token.
    GatewayAuth,
    /// The gateway that runs said something else.
    Gateway,
}

impl SearchFailureKind {
    /// The `type` of an error body.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::InvalidQuery => "invalid_query",
            Self::Ungrounded => "ungrounded",
            Self::NoAnswer => "no_answer",
            Self::Upstream(reason) => reason.as_str(),
            Self::GatewayAuth => "gateway_auth",
            Self::Gateway => "gateway_error",
        }
    }

    /// What a gateway's `error.code` means.
    pub(super) fn from_code(word: &str) -> Option<Self> {
        // What is wrong with a body that this program writes is its query.
        if word == "bad_request" {
            return Some(Self::InvalidQuery);
        }
        let own = [Self::MissingKey, Self::InvalidQuery, Self::Ungrounded, Self::NoAnswer];
        let reasons = Reason::ALL.into_iter().map(Self::Upstream);
        own.into_iter().chain(reasons).find(|kind| kind.as_str() == word)
    }

    /// The nearest of the reasons that requests fail of.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::MissingKey | Self::GatewayAuth => Reason::Auth,
            Self::InvalidQuery => Reason::BadRequest,
            Self::Ungrounded | Self::NoAnswer | Self::Gateway => Reason::Server,
            Self::Upstream(reason) => reason,
        }
    }
}

/// A search without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchFailure {
    /// Its type.
    pub kind: SearchFailureKind,
    /// For people, with what to do about it; without keys and account identifiers.
    pub message: String,
    /// What the provider said, where it was the provider.
    pub failure: Option<Box<Failure>>,
    /// `provider/model` of the last request; `None` if no request was sent.
    pub target: Option<String>,
    /// The usage of the failed search, if a request was sent.
    pub usage: Option<Box<SearchUsage>>,
}

impl SearchFailure {
    pub(super) fn new(kind: SearchFailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), failure: None, target: None, usage: None }
    }

    /// Of the provider's failure, with more words.
    pub(super) fn from_failure(failure: Failure, message: String) -> Self {
        let kind = SearchFailureKind::Upstream(failure.reason);
        Self { kind, message, failure: Some(Box::new(failure)), target: None, usage: None }
    }
}

impl fmt::Display for SearchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SearchFailure {}
