//! Errors: status, body and position become a typed failure.

use std::time::{Duration, SystemTime};

use super::{generic, kimi_code, moonshot, openrouter};
use crate::catalog::AdapterId;
use crate::failure::{Failure, Reason};
use crate::secret::Redactor;

pub(super) mod error_details;
pub(super) mod error_rule;
pub(super) mod reset_time;
mod retry_delay;
mod status;
#[cfg(test)]
mod tests;

use error_details::ErrorDetails;
use error_rule::Classification;

/// A provider's refusal, as it came.
#[derive(Clone, Copy, Debug)]
pub struct ProviderError<'a> {
    /// HTTP status; 200 for an error object in an answer or a stream.
    pub status: u16,
    /// `content-type`, where there was one.
    pub content_type: Option<&'a str>,
    /// `Retry-After` (or `x-retry-after`), already read as a time to wait.
    pub retry_after: Option<Duration>,
    /// When it came, for the time until a reset that the body names.
    pub received_at: SystemTime,
    /// The body, decoded, capped by the caller.
    pub body: &'a [u8],
}

/// A key goes where the configuration says, and nowhere else.
const REDIRECT_MESSAGE: &str =
    "a redirect, which is never followed with a key: set baseUrl to where it leads";

/// Turns the errors of one called provider into failures. It needs the secrets of the call: an error is redacted where
/// it is read, so that no failure holds a provider's raw text.
#[derive(Clone, Debug)]
pub struct Classifier {
    dialect: AdapterId,
    redactor: Redactor,
}

impl Classifier {
    /// A classifier of the errors of this provider, which was sent the secrets of the redactor.
    #[must_use]
    pub const fn new(dialect: AdapterId, redactor: Redactor) -> Self {
        Self { dialect, redactor }
    }

    /// Whose errors are classified.
    #[must_use]
    pub const fn dialect(&self) -> AdapterId {
        self.dialect
    }

    /// Classifies an error response: by the adapter's own rules, then by rules common to many providers, then
    /// by the status.
    #[must_use]
    pub fn classify(&self, refused: &ProviderError<'_>) -> Failure {
        let notice = ErrorDetails::read(refused);
        let own = match self.dialect {
            AdapterId::Moonshot => error_rule::match_first(moonshot::errors::ERROR_RULES, &notice),
            AdapterId::KimiCode => error_rule::match_first(kimi_code::errors::ERROR_RULES, &notice)
                .or_else(|| error_rule::match_first(moonshot::errors::ERROR_RULES, &notice)),
            AdapterId::OpenRouter => openrouter::errors::classify(&notice),
            AdapterId::Generic => None,
        };
        let verdict = own
            .or_else(|| error_rule::match_first(generic::errors::ERROR_RULES, &notice))
            .unwrap_or_else(|| status::classify_status(&notice));
        failure(&self.redactor, refused, &notice, verdict)
    }
}

fn failure(
    redactor: &Redactor,
    refused: &ProviderError<'_>,
    notice: &ErrorDetails,
    verdict: Classification,
) -> Failure {
    let waits = matches!(
        verdict.reason,
        Reason::RateLimit | Reason::Overloaded | Reason::Quota | Reason::Server | Reason::Timeout
    );
    // A used-up window opens at its reset, whatever wait the edge put into the head.
    let reset = time_until_reset(refused, notice).filter(|_| verdict.reason == Reason::Quota);
    let told = || retry_delay::find_retry_delay(&notice.lowercase_text).filter(|_| waits);
    let message = match refused.status {
        300..400 => format!("status {}: {REDIRECT_MESSAGE}", refused.status),
        _ => redactor.redact(&notice.display_message()),
    };
    Failure {
        reason: verdict.reason,
        message,
        status: Some(refused.status),
        provider_error_type: notice.provider_type(redactor),
        retry_after: reset.or(refused.retry_after).or_else(told),
        is_provider_rule: verdict.is_provider_rule,
        is_gateway_limit: false,
        timeout: None,
    }
}

/// The time until the reset that the metadata name; one that is over says nothing.
fn time_until_reset(refused: &ProviderError<'_>, notice: &ErrorDetails) -> Option<Duration> {
    let at = reset_time::parse_time(notice.metadata.as_ref()?.get("resets_at")?)?;
    at.duration_since(refused.received_at).ok().filter(|wait| !wait.is_zero())
}
