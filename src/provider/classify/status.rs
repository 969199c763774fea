//! By the status alone, where no words are known.

use super::error_details::ErrorDetails;
use super::error_rule::Classification;
use crate::failure::Reason;

/// What a status means by itself.
pub(super) fn classify_status(notice: &ErrorDetails) -> Classification {
    // No status: an error object in an answer that has begun, without a code of its own.
    let Some(status) = notice.status else { return Reason::Server.into() };
    match status {
        // An edge refused, not the API: neither the key nor the request is to blame.
        200..=299 | 300..=399 | 400 | 401 | 403 | 422 if notice.is_html => Reason::Server,
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
