//! Describes the outcomes in the usage database in sentences.

/// What an outcome means. An outcome of another version is returned unchanged.
pub(super) fn describe_outcome(outcome: &str) -> &str {
    match outcome {
        "ok" => "answered",
        "abandoned" => "the client went away",
        "cancelled" => "given up: another one answered first, or the client went away",
        "rate_limit" => "too many requests for now",
        "overloaded" => "the provider has no capacity for now",
        "quota" => "a usage window is used up",
        "billing" => "no money, or no membership",
        "auth" => "the key is refused",
        "forbidden_client" => "the provider does not take this client program",
        "model_not_found" => "no such model for this key",
        "context_overflow" => "the prompt is too long",
        "content_filter" => "refused by the provider's moderation",
        "bad_request" => "the request is wrong, or breaks a rule of the provider",
        "timeout" => "no answer in time",
        "network" => "no connection, or it broke",
        "truncated" => "the answer broke off",
        "server" => "the provider failed",
        "no_key" => "no key",
        "face_not_spoken" => "the provider does not speak the protocol",
        "cooling_down" => "it rested",
        "media_not_accepted" => "it takes no such images or files",
        "window_too_small" => "the request is longer than its window",
        "messages_too_large" => "the messages are larger than it takes",
        other => other,
    }
}

/// Chooses how an outcome is shown: success, skipped without a call, or any other.
pub(super) fn choose_tone(outcome: &str) -> &'static str {
    match outcome {
        "ok" => "good",
        "no_key" | "face_not_spoken" | "cooling_down" | "media_not_accepted" | "window_too_small"
        | "messages_too_large" | "cancelled" | "abandoned" => "quiet",
        _ => "bad",
    }
}

#[cfg(test)]
mod tests {
    use super::describe_outcome;
    use crate::failure::Reason;
    use crate::record::{AttemptOutcome, SkipReason};

    #[test]
    fn every_word_of_an_outcome_has_a_meaning() {
        let skips = [
            SkipReason::NoKey,
            SkipReason::ApiNotSupported,
            SkipReason::InCooldown(Reason::Quota),
            SkipReason::MediaNotAccepted,
            SkipReason::WindowTooSmall,
            SkipReason::MessagesTooLarge,
        ];
        let outcomes =
            Reason::ALL.map(AttemptOutcome::Failed).into_iter().chain(skips.map(AttemptOutcome::Skipped));
        for outcome in outcomes.chain([AttemptOutcome::Ok, AttemptOutcome::Cancelled]) {
            assert_ne!(describe_outcome(outcome.as_str()), outcome.as_str(), "{outcome:?}");
        }
    }
}
