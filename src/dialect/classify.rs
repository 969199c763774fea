//! Errors: status, body and position become a typed failure.

use std::time::Duration;

use crate::catalog::DialectId;
use crate::failure::{Failure, Reason};

/// A provider's refusal, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// HTTP status; 200 for an error object in an answer or a stream.
    pub status: u16,
    /// `content-type`, where there was one.
    pub content_type: Option<&'a str>,
    /// `Retry-After` (or `x-retry-after`), already read as a time to wait.
    pub retry_after: Option<Duration>,
    /// The body, decoded, capped by the caller.
    pub body: &'a [u8],
}

/// What a refusal means.
#[must_use]
pub fn classify(dialect: DialectId, refused: &Refused<'_>) -> Failure {
    let _ = dialect;
    let mut failure = Failure::new(Reason::Server, String::from_utf8_lossy(refused.body).into_owned());
    failure.status = Some(refused.status);
    failure.retry_after = refused.retry_after;
    failure
}
