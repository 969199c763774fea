//! Which headers a provider sees, and which of its headers a client sees.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};

use super::plan::{Target, TargetParts};
use crate::catalog::AdapterId;
use crate::config::settings::Provider;
use crate::protocol::api::Api;
use crate::secret::Redactor;

/// Our requests have the form of this version, which every provider takes: the one of 2026-10-21 only refuses more
/// (Anthropic's versioning page, 2026-11), and of Kimi and Moonshot nobody has seen that they know it.
const MESSAGES_VERSION: &str = "2023-06-01";
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// Room for what is added to a client's headers beside those of the target.
const ADDED_HEADER_COUNT: usize = 4;

/// A provider's headers that tell a client something and name no account.
const FORWARDED_ANSWER_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-generation-id"), HeaderName::from_static("x-provider-name")];

/// Room for what the gateway says of a stream. hyper keeps the map as long as the connection lasts, and the next larger one
/// holds twelve: that is for answers with one of [`ANSWER_HEADERS`], and for Messages, which have `request-id` too.
const GATEWAY_HEADER_COUNT: usize = 6;

/// The calling client's User-Agent.
pub(super) fn user_agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(USER_AGENT).and_then(|value| value.to_str().ok())
}

/// A header's text; what is no text is as good as absent.
pub(super) fn text_value(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The client's own headers, the key over them, the configuration's over all. `face` is the one that the client speaks.
pub(super) fn build_request_headers(client: &HeaderMap, face: Api, target: &Target) -> HeaderMap {
    let goes = |name: &HeaderName| {
        is_allowed_for_provider(name, target.provider.adapter) && is_allowed_for_api(name, face, target.api)
    };
    let mut out = HeaderMap::with_capacity(client.len() + ADDED_HEADER_COUNT + target.headers().len());
    for (name, value) in client.iter().filter(|(name, _)| goes(name)) {
        out.append(name.clone(), value.clone());
    }
    out.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    let title = HeaderName::from_static("x-openrouter-title");
    if target.provider.adapter == AdapterId::OpenRouter && !out.contains_key("x-title") {
        out.entry(title).or_insert(HeaderValue::from_static("Moonrelay"));
    }
    for (name, value) in target.headers() {
        out.insert(name.clone(), value.clone());
    }
    out
}

/// What is the same in the head of every call of a target, in the order in which one replaces another.
pub(super) fn build_target_headers(target: &TargetParts) -> Vec<(HeaderName, HeaderValue)> {
    let mut all = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    if target.api == Api::Messages {
        all.push((ANTHROPIC_VERSION, HeaderValue::from_static(MESSAGES_VERSION)));
    }
    all.extend(target.key().and_then(|key| target.provider.auth_header(target.api, &key.secret)));
    for header in target.provider.headers.iter().chain(&target.model.headers) {
        if let Ok(mut value) = HeaderValue::from_str(header.value.expose()) {
            value.set_sensitive(header.name != USER_AGENT);
            all.push((header.name.clone(), value));
        }
    }
    all
}

/// Of a call that no client asked for: the provider's first key, our own User-Agent, and over them what the configuration
/// sets.
///
/// # Errors
/// Where a header that the configuration sets cannot be sent.
pub fn build_gateway_headers(provider: &Provider, face: Api) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION"))));
    let credential = provider.keys.first().and_then(|key| provider.auth_header(face, &key.secret));
    headers.extend(credential.map(|(name, value)| (Some(name), value)));
    for header in &provider.headers {
        let value = HeaderValue::from_str(header.value.expose());
        let mut value = value.map_err(|_| format!("the header {} cannot be sent", header.name))?;
        value.set_sensitive(true);
        headers.insert(header.name.clone(), value);
    }
    Ok(headers)
}

/// What identifies a client to one provider is not told to another: Kimi's own clients send the device's name.
fn is_allowed_for_provider(name: &HeaderName, dialect: AdapterId) -> bool {
    let name = name.as_str();
    if name.starts_with("x-msh-") {
        return matches!(dialect, AdapterId::KimiCode | AdapterId::Moonshot);
    }
    if name == "http-referer" || name == "x-title" || name.starts_with("x-openrouter-") {
        return dialect == AdapterId::OpenRouter;
    }
    true
}

/// What a client says of one protocol means nothing where the target is asked over the other: betas change a request's
/// form, and a translated one has ours.
fn is_allowed_for_api(name: &HeaderName, client: Api, target: Api) -> bool {
    let name = name.as_str();
    if name.starts_with("anthropic-") {
        return client == Api::Messages && target == Api::Messages;
    }
    !name.starts_with("openai-") || target != Api::Messages
}

/// What a client may see of a provider's headers: none with a secret of the call.
pub(super) fn build_client_headers(upstream: &HeaderMap, redactor: &Redactor) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(GATEWAY_HEADER_COUNT);
    let is_safe = |value: &HeaderValue| value.to_str().is_ok_and(|text| !redactor.finds_value(text));
    let known = upstream.iter().filter(|(name, _)| FORWARDED_ANSWER_HEADERS.contains(name));
    for (name, value) in known.filter(|(_, value)| is_safe(value)) {
        out.entry(name).or_insert_with(|| value.clone());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocols_headers_stay_with_it() {
        let table = [
            ("anthropic-beta", [true, false, false, false]),
            ("anthropic-version", [true, false, false, false]),
            ("openai-beta", [false, true, false, true]),
            ("x-stainless-lang", [true, true, true, true]),
            ("user-agent", [true, true, true, true]),
        ];
        let (chat, messages) = (Api::ChatCompletions, Api::Messages);
        for (name, expected) in table {
            let name = HeaderName::from_static(name);
            let found = [(messages, messages), (messages, chat), (chat, messages), (chat, Api::Responses)]
                .map(|(client, target)| is_allowed_for_api(&name, client, target));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_client_sees_the_first_of_what_names_the_generation() {
        let told = [
            ("x-generation-id", "1"),
            ("set-cookie", "2"),
            ("x-generation-id", "3"),
            ("x-provider-name", "4"),
        ];
        let told = told.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut upstream = HeaderMap::new();
        told.into_iter().for_each(|(name, value)| _ = upstream.append(name, value));
        let seen = build_client_headers(&upstream, &Redactor::default());
        let seen: Vec<_> = seen.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(seen, [("x-generation-id", &b"1"[..]), ("x-provider-name", b"4")]);
    }

    #[test]
    fn what_identifies_a_client_stays_with_its_provider() {
        let own =
            |name: &'static str, dialect| is_allowed_for_provider(&HeaderName::from_static(name), dialect);
        for dialect in [AdapterId::KimiCode, AdapterId::Moonshot, AdapterId::OpenRouter, AdapterId::Generic] {
            let is_kimi = matches!(dialect, AdapterId::KimiCode | AdapterId::Moonshot);
            assert_eq!(own("x-msh-device-name", dialect), is_kimi);
            assert_eq!(own("http-referer", dialect), dialect == AdapterId::OpenRouter);
            assert!(own("anthropic-beta", dialect));
        }
    }
}
