//! Selects a request's API by its path, so that the client can parse every response and error.

use http::HeaderMap;

use crate::protocol::api::Api;

/// Headers that Messages clients send with every request.
const ANTHROPIC_VERSION: &str = "anthropic-version";

/// Whether the client speaks the Messages API, for paths that do not determine the API.
pub(super) fn has_anthropic_version(headers: &HeaderMap) -> bool {
    headers.contains_key(ANTHROPIC_VERSION)
}

/// The API of a request. For shared or unknown paths, the headers decide.
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
    fn path_selects_the_api_before_headers() {
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
