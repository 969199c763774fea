//! Errors: status and body become a typed failure.

use std::time::Duration;

use super::errors::{self, Classification, ErrorDetails};
use super::{generic, kimi_code, moonshot, openrouter, wait_time};
use crate::catalog::AdapterId;
use crate::failure::{Failure, Reason};
use crate::secret::Redactor;

pub use super::errors::ProviderError;

/// A key is sent only to the configured URL.
const REDIRECT_MESSAGE: &str = "a redirect, which is never followed with a key: set baseUrl to its target";

/// Turns the errors of one called provider into failures. It needs the secrets of the call: an error is redacted where
/// it is read, so that no failure holds a provider's raw text.
#[derive(Clone, Debug)]
pub struct Classifier {
    adapter: AdapterId,
    redactor: Redactor,
}

impl Classifier {
    /// For the errors of this provider; the redactor has the secrets of the call.
    pub const fn new(adapter: AdapterId, redactor: Redactor) -> Self {
        Self { adapter, redactor }
    }

    /// The provider adapter.
    pub const fn adapter(&self) -> AdapterId {
        self.adapter
    }

    /// Classifies an error response: by the adapter's own rules, then by rules common to many providers, then
    /// by the status.
    pub fn classify(&self, error: &ProviderError<'_>) -> Failure {
        let details = ErrorDetails::read(error);
        let own = match self.adapter {
            AdapterId::Moonshot => errors::match_first(moonshot::ERROR_RULES, &details),
            AdapterId::KimiCode => errors::match_first(kimi_code::ERROR_RULES, &details)
                .or_else(|| errors::match_first(moonshot::ERROR_RULES, &details)),
            AdapterId::OpenRouter => openrouter::classify(&details),
            AdapterId::Generic => None,
        };
        let Classification { reason, is_provider_rule, is_intermittent } = own
            .or_else(|| errors::match_first(generic::ERROR_RULES, &details))
            .unwrap_or_else(|| errors::classify_status(&details));
        let waits = matches!(
            reason,
            Reason::RateLimit | Reason::Overloaded | Reason::Quota | Reason::Server | Reason::Timeout
        );
        // A used-up quota resets at its own time, whatever delay the header states.
        let reset = time_until_reset(error, &details).filter(|_| reason == Reason::Quota);
        let delay = || wait_time::find_retry_delay(&details.lowercase_text).filter(|_| waits);
        let message = match error.status {
            300..400 => format!("status {}: {REDIRECT_MESSAGE}", error.status),
            _ => self.redactor.redact(&details.display_message()),
        };
        Failure {
            status: Some(error.status),
            provider_error_type: details.provider_type(&self.redactor),
            retry_after: reset.or(error.retry_after).or_else(delay),
            is_provider_rule,
            is_intermittent,
            ..Failure::new(reason, message)
        }
    }
}

/// The time until the reset in the metadata, if it is in the future.
fn time_until_reset(error: &ProviderError<'_>, details: &ErrorDetails) -> Option<Duration> {
    let at = wait_time::parse_time(details.metadata.get("resets_at")?)?;
    at.duration_since(error.received_at).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests;
