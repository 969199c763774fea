//! Errors: status, body and position become a typed failure.

use std::time::{Duration, SystemTime};

use super::{generic, kimi_code, moonshot, openrouter};
use crate::catalog::DialectId;
use crate::failure::{Failure, Reason};
use crate::secret::Redactor;

pub(super) mod notice;
pub(super) mod reset;
pub(super) mod row;
mod status;
#[cfg(test)]
mod tests;
mod wait;

use notice::Notice;
use row::Verdict;

/// A provider's refusal, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// HTTP status; 200 for an error object in an answer or a stream.
    pub status: u16,
    /// `content-type`, where there was one.
    pub content_type: Option<&'a str>,
    /// `Retry-After` (or `x-retry-after`), already read as a time to wait.
    pub retry_after: Option<Duration>,
    /// When it came, for the time until a reset that the body names.
    pub now: SystemTime,
    /// The body, decoded, capped by the caller.
    pub body: &'a [u8],
}

/// A key goes where the configuration says, and nowhere else.
const REDIRECT: &str = "a redirect, which is never followed with a key: set baseUrl to where it leads";

/// Turns the errors of one called provider into failures. It needs the secrets of the call: an error is redacted where
/// it is read, so that no failure holds a provider's raw text.
#[derive(Clone, Debug)]
pub struct Classifier {
    dialect: DialectId,
    redactor: Redactor,
}

impl Classifier {
    /// A classifier of the errors of this provider, which was sent the secrets of the redactor.
    #[must_use]
    pub const fn new(dialect: DialectId, redactor: Redactor) -> Self {
        Self { dialect, redactor }
    }

    /// Whose errors are classified.
    #[must_use]
    pub const fn dialect(&self) -> DialectId {
        self.dialect
    }

    /// What a refusal means: by the provider's own words where its dialect knows them, else by words that many use,
    /// else by the status.
    #[must_use]
    pub fn classify(&self, refused: &Refused<'_>) -> Failure {
        let notice = Notice::read(refused);
        let own = match self.dialect {
            DialectId::Moonshot => row::first(moonshot::refusals::ROWS, &notice),
            DialectId::KimiCode => row::first(kimi_code::refusals::ROWS, &notice)
                .or_else(|| row::first(moonshot::refusals::ROWS, &notice)),
            DialectId::OpenRouter => openrouter::refusals::verdict(&notice),
            DialectId::Generic => None,
        };
        let verdict = own
            .or_else(|| row::first(generic::refusals::ROWS, &notice))
            .unwrap_or_else(|| status::verdict(&notice));
        failure(&self.redactor, refused, &notice, verdict)
    }
}

fn failure(redactor: &Redactor, refused: &Refused<'_>, notice: &Notice, verdict: Verdict) -> Failure {
    let waits = matches!(
        verdict.reason,
        Reason::RateLimit | Reason::Overloaded | Reason::Quota | Reason::Server | Reason::Timeout
    );
    // A used-up window opens at its reset, whatever wait the edge put into the head.
    let reset = until_reset(refused, notice).filter(|_| verdict.reason == Reason::Quota);
    let told = || wait::in_text(&notice.words).filter(|_| waits);
    let message = match refused.status {
        300..400 => format!("status {}: {REDIRECT}", refused.status),
        _ => redactor.redact(&notice.for_people()),
    };
    Failure {
        reason: verdict.reason,
        message,
        status: Some(refused.status),
        provider_type: notice.provider_type(redactor),
        retry_after: reset.or(refused.retry_after).or_else(told),
        provider_rule: verdict.provider_rule,
        out_of_time: false,
        timeout: None,
    }
}

/// The time until the reset that the metadata name; one that is over says nothing.
fn until_reset(refused: &Refused<'_>, notice: &Notice) -> Option<Duration> {
    let at = reset::moment(notice.metadata.as_ref()?.get("resets_at")?)?;
    at.duration_since(refused.now).ok().filter(|wait| !wait.is_zero())
}
