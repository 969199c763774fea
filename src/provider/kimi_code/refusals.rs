//! What Kimi Code's refusals mean (its error reference, 2026-10; texts from public issues, 2026). A 403 is a gate, a
//! usage window, concurrency or the end, by its text alone.

use crate::failure::Reason;
use crate::provider::classify::row::Row;

/// Before Moonshot's rows, which hold too.
pub(in crate::provider) const ROWS: &[Row] = &[
    Row::new(&[403], Reason::ForbiddenClient).words(&["only available for coding agents"]),
    Row::new(&[403, 429], Reason::RateLimit).words(&["concurrent request limit", "concurrency limit"]),
    Row::new(&[403, 429], Reason::Quota).words(&[
        "usage limit",
        "quota will reset",
        "quota will be refreshed",
        "for this billing cycle",
    ]),
    Row::new(&[403], Reason::Auth).words(&["access terminated"]),
    Row::new(&[402], Reason::Billing),
    Row::new(&[429], Reason::RateLimit).words(&["too many requests"]),
    Row::new(&[400], Reason::ContextOverflow).words(&["total message size"]),
    // All that it says of a block that it does not know (MoonshotAI/kimi-cli issue 1344).
    Row::new(&[400], Reason::BadRequest).words(&["invalid request error"]).own_rule(),
];
