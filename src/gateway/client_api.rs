//! Which protocol a request is in, by its path, so that whatever is said to the client it can parse.

use http::HeaderMap;

use crate::protocol::api::Api;

/// What clients of the Messages face send with everything.
const ANTHROPIC_VERSION: &str = "anthropic-version";

/// Whether the client is one of the Messages face, where the path does not tell.
pub(super) fn has_anthropic_version(headers: &HeaderMap) -> bool {
    headers.contains_key(ANTHROPIC_VERSION)
}

/// The face of a request. Of a path that is shared, or that nobody serves, the headers tell.
pub(super) fn detect_api(path: &str, headers: &HeaderMap) -> Api {
    let before = |segment: &&str| !matches!(*segment, "" | "coding" | "api" | "anthropic" | "v1");
    match path.split('/').find(before) {
        Some("messages") => Api::Messages,
        Some("responses") => Api::Responses,
        Some("chat") => Api::ChatCompletions,
        _ if has_anthropic_version(headers) || path.starts_with("/anthropic/") => Api::Messages,
        _ => Api::ChatCompletions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_tells_and_else_the_headers() {
        let version = || {
            HeaderMap::from_iter([(http::HeaderName::from_static(ANTHROPIC_VERSION), "x".parse().unwrap())])
        };
        for (path, without, with) in [
            ("/v1/chat/completions", Api::ChatCompletions, Api::ChatCompletions),
            ("/v1/messages", Api::Messages, Api::Messages),
            ("/anthropic/v1/messages/count_tokens", Api::Messages, Api::Messages),
            ("/coding/messages", Api::Messages, Api::Messages),
            ("/v1/v1/messages", Api::Messages, Api::Messages),
            ("/api/v1/responses/resp_1", Api::Responses, Api::Responses),
            ("/v1/models/openrouter/messages", Api::ChatCompletions, Api::Messages),
            ("/anthropic/v1/models", Api::Messages, Api::Messages),
            ("/nothing", Api::ChatCompletions, Api::Messages),
        ] {
            assert_eq!(
                (detect_api(path, &HeaderMap::new()), detect_api(path, &version())),
                (without, with),
                "{path}"
            );
        }
    }
}
