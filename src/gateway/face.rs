//! Which protocol a request is in, by its path, so that whatever is said to the client it can parse.

use http::HeaderMap;

use crate::protocol::face::Face;

/// What clients of the Messages face send with everything.
const VERSION: &str = "anthropic-version";

/// Whether the client is one of the Messages face, where the path does not tell.
pub(super) fn is_anthropic(headers: &HeaderMap) -> bool {
    headers.contains_key(VERSION)
}

/// The face of a request. Of a path that is shared, or that nobody serves, the headers tell.
pub(super) fn of(path: &str, headers: &HeaderMap) -> Face {
    let before = |segment: &&str| !matches!(*segment, "" | "coding" | "api" | "anthropic" | "v1");
    match path.split('/').find(before) {
        Some("messages") => Face::Messages,
        Some("responses") => Face::Responses,
        Some("chat") => Face::Chat,
        _ if is_anthropic(headers) || path.starts_with("/anthropic/") => Face::Messages,
        _ => Face::Chat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_tells_and_else_the_headers() {
        let version =
            || HeaderMap::from_iter([(http::HeaderName::from_static(VERSION), "x".parse().unwrap())]);
        for (path, without, with) in [
            ("/v1/chat/completions", Face::Chat, Face::Chat),
            ("/v1/messages", Face::Messages, Face::Messages),
            ("/anthropic/v1/messages/count_tokens", Face::Messages, Face::Messages),
            ("/coding/messages", Face::Messages, Face::Messages),
            ("/v1/v1/messages", Face::Messages, Face::Messages),
            ("/api/v1/responses/resp_1", Face::Responses, Face::Responses),
            ("/v1/models/openrouter/messages", Face::Chat, Face::Messages),
            ("/anthropic/v1/models", Face::Messages, Face::Messages),
            ("/nothing", Face::Chat, Face::Messages),
        ] {
            assert_eq!((of(path, &HeaderMap::new()), of(path, &version())), (without, with), "{path}");
        }
    }
}
