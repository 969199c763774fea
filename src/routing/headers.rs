//! Owns the headers that a provider receives, and the provider's headers that a client receives.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};

use crate::catalog::AdapterId;
use crate::config::settings::{Provider, ProviderKey, ProviderModel};
use crate::protocol::api::Api;
use crate::secret::Redactor;

/// Requests use the form of this version, which every provider accepts. The version of 2026-10-21 only rejects
/// more (Anthropic's versioning page, 2026-11), and support by Kimi and Moonshot is unconfirmed.
const MESSAGES_VERSION: &str = "2023-06-01";
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// Response headers that inform a client and do not identify an account.
const FORWARDED_RESPONSE_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-generation-id"), HeaderName::from_static("x-provider-name")];

pub(super) fn user_agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(USER_AGENT).and_then(|value| value.to_str().ok())
}

pub(super) fn text_value(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The headers of a call: those of the client, overridden by those of the target's API, key and configuration.
pub(super) fn build_request_headers(
    client: &HeaderMap,
    client_api: Api,
    api: Api,
    (provider, model): (&Provider, &ProviderModel),
    key: Option<&ProviderKey>,
) -> HeaderMap {
    let adapter = provider.adapter;
    let mut out = HeaderMap::with_capacity(client.len() + 8);
    for (name, value) in client {
        if is_allowed_for_provider(name, adapter) && is_allowed_for_api(name, client_api, api) {
            out.append(name.clone(), value.clone());
        }
    }
    out.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    let title = HeaderName::from_static("x-openrouter-title");
    if adapter == AdapterId::OpenRouter && !out.contains_key("x-title") {
        out.entry(title).or_insert(HeaderValue::from_static("Moonrelay"));
    }
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if api == Api::Messages {
        out.insert(ANTHROPIC_VERSION, HeaderValue::from_static(MESSAGES_VERSION));
    }
    if let Some((name, value)) = key.and_then(|key| provider.auth_header(api, &key.secret)) {
        out.insert(name, value);
    }
    for header in provider.headers.iter().chain(&model.headers) {
        if let Ok(mut value) = HeaderValue::from_str(header.value.expose()) {
            value.set_sensitive(header.name != USER_AGENT);
            out.insert(header.name.clone(), value);
        }
    }
    out
}

/// Headers of a call without a client request: the provider's first key, the gateway's User-Agent, and the
/// headers of the configuration, which override both.
///
/// # Errors
/// When a header of the configuration is not a valid header value.
pub fn build_gateway_headers(provider: &Provider, api: Api) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION"))));
    let credential = provider.keys.first().and_then(|key| provider.auth_header(api, &key.secret));
    headers.extend(credential.map(|(name, value)| (Some(name), value)));
    for header in &provider.headers {
        let value = HeaderValue::from_str(header.value.expose());
        let mut value = value.map_err(|_| format!("the header {} cannot be sent", header.name))?;
        value.set_sensitive(true);
        headers.insert(header.name.clone(), value);
    }
    Ok(headers)
}

/// Headers that identify a client to one provider are not sent to another: Kimi's clients send the device's
/// name.
fn is_allowed_for_provider(name: &HeaderName, adapter: AdapterId) -> bool {
    let name = name.as_str();
    if name.starts_with("x-msh-") {
        return matches!(adapter, AdapterId::KimiCode | AdapterId::Moonshot);
    }
    if name == "http-referer" || name == "x-title" || name.starts_with("x-openrouter-") {
        return adapter == AdapterId::OpenRouter;
    }
    true
}

/// Headers of one API have no meaning when the target is called over another: betas change a request's form,
/// and a translated request has the gateway's form.
fn is_allowed_for_api(name: &HeaderName, client: Api, target: Api) -> bool {
    let name = name.as_str();
    if name.starts_with("anthropic-") {
        return client == Api::Messages && target == Api::Messages;
    }
    !name.starts_with("openai-") || target != Api::Messages
}

/// The provider's headers that a client receives: none that contains a secret of the call.
pub(super) fn build_client_headers(upstream: &HeaderMap, redactor: &Redactor) -> HeaderMap {
    let mut out = HeaderMap::new();
    let is_safe = |value: &HeaderValue| value.to_str().is_ok_and(|text| !redactor.finds_value(text));
    let known = upstream.iter().filter(|(name, _)| FORWARDED_RESPONSE_HEADERS.contains(name));
    for (name, value) in known.filter(|(_, value)| is_safe(value)) {
        out.entry(name).or_insert_with(|| value.clone());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_headers_are_not_sent_to_another_api() {
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
    fn client_receives_the_first_generation_id() {
        let headers = [
            ("x-generation-id", "1"),
            ("set-cookie", "2"),
            ("x-generation-id", "3"),
            ("x-provider-name", "4"),
        ];
        let headers =
            headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut upstream = HeaderMap::new();
        headers.into_iter().for_each(|(name, value)| _ = upstream.append(name, value));
        let forwarded = build_client_headers(&upstream, &Redactor::default());
        let forwarded: Vec<_> =
            forwarded.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(forwarded, [("x-generation-id", &b"1"[..]), ("x-provider-name", b"4")]);
    }

    #[test]
    fn client_identity_is_not_sent_to_another_provider() {
        let is_allowed =
            |name: &'static str, adapter| is_allowed_for_provider(&HeaderName::from_static(name), adapter);
        for adapter in [AdapterId::KimiCode, AdapterId::Moonshot, AdapterId::OpenRouter, AdapterId::Generic] {
            let is_kimi = matches!(adapter, AdapterId::KimiCode | AdapterId::Moonshot);
            assert_eq!(is_allowed("x-msh-device-name", adapter), is_kimi);
            assert_eq!(is_allowed("http-referer", adapter), adapter == AdapterId::OpenRouter);
            assert!(is_allowed("anthropic-beta", adapter));
        }
    }
}
