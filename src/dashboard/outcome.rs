//! The meaning of each outcome in words, and its tone.

/// What an outcome means. An outcome of another version is returned unchanged.
pub(crate) fn describe_outcome(outcome: &str) -> &str {
    match outcome {
        "ok" => "answered",
        "abandoned" => "the client disconnected",
        "cancelled" => "another target answered first, or the client disconnected",
        "rate_limit" => "rate limit reached",
        "overloaded" => "the provider is overloaded",
        "quota" => "the quota is used up",
        "billing" => "no balance or no subscription",
        "auth" => "the key was rejected",
        "forbidden_client" => "the provider does not accept this client program",
        "model_not_found" => "the model is not available for this key",
        "context_overflow" => "the prompt is too long",
        "content_filter" => "rejected by the provider's content filter",
        "bad_request" => "the request is invalid or breaks a rule of the provider",
        "timeout" => "no response in time",
        "network" => "the connection failed",
        "truncated" => "the response was cut off",
        "server" => "the provider reported an error",
        "no_key" => "no key",
        "face_not_spoken" => "the provider does not support the API",
        "cooling_down" => "in cooldown",
        "media_not_accepted" => "images or files of this kind are not accepted",
        "window_too_small" => "the request exceeds the context window",
        "messages_too_large" => "the messages exceed the size limit",
        other => other,
    }
}

/// Chooses how an outcome is shown: success, skipped without a call, or any other.
pub(crate) fn choose_tone(outcome: &str) -> &'static str {
    match outcome {
        "ok" => "good",
        "no_key" | "face_not_spoken" | "cooling_down" | "media_not_accepted" | "window_too_small"
        | "messages_too_large" | "cancelled" | "abandoned" => "quiet",
        _ => "bad",
    }
}
