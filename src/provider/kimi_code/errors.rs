//! What Kimi Code's refusals mean (its error reference, 2026-10; texts from public issues, 2026). A 403 is a gate, a
//! usage window, concurrency or the end, by its text alone.

use crate::failure::Reason;
use crate::provider::classify::error_rule::ErrorRule;

/// Before Moonshot's rows, which hold too.
pub(in crate::provider) const ERROR_RULES: &[ErrorRule] = &[
    ErrorRule::new(&[403], Reason::ForbiddenClient).with_phrases(&["only available for coding agents"]),
    ErrorRule::new(&[403, 429], Reason::RateLimit)
        .with_phrases(&["concurrent request limit", "concurrency limit"]),
    ErrorRule::new(&[403, 429], Reason::Quota).with_phrases(&[
        "usage limit",
        "quota will reset",
        "quota will be refreshed",
        "for this billing cycle",
    ]),
    ErrorRule::new(&[403], Reason::Auth).with_phrases(&["access terminated"]),
    ErrorRule::new(&[402], Reason::Billing),
    ErrorRule::new(&[429], Reason::RateLimit).with_phrases(&["too many requests"]),
    ErrorRule::new(&[400], Reason::ContextOverflow).with_phrases(&["total message size"]),
    // All that it says of a block that it does not know (MoonshotAI/kimi-cli issue 1344).
    ErrorRule::new(&[400], Reason::BadRequest).with_phrases(&["invalid request error"]).as_provider_rule(),
];
