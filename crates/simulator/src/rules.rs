//! The requests that the real providers refuse, with their own statuses, types and texts.
//!
//! [`check_request`] is the one place where a request is checked. `rules/messages.rs` and `rules/responses.rs` have
//! the rules of one API, which all providers share. `rules/chat.rs` has those of the engine of Moonshot and Kimi
//! Code. OpenRouter ignores what it does not know, and applies Moonshot's rules only if the request pins Moonshot's
//! own endpoint. Another provider's rules are a file of their own and a case in [`check_provider_rules`].

mod violation;
mod schema;
mod shape;
pub(super) mod strict;
mod anthropic;
mod openai_chat;
mod openai_responses;
mod chat;
mod messages;
mod responses;

#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, USER_AGENT};
use serde_json::{Value, json};

use crate::engine::request::EngineRequest;
use crate::error_response::ErrorResponse;
use crate::models::{self, SimulatedModel};
use crate::oauth::AuthServer;
use crate::provider::{Api, Provider};
use crate::rules::strict::StrictRequest;
use crate::value::{list, text};

/// The options that decide besides the request.
#[derive(Clone, Copy)]
pub(super) struct RuleOptions {
    /// Off: only the model and the messages' presence are checked.
    pub(super) is_strict: bool,
    /// On: the first model answers for those that the provider does not have.
    pub(super) accepts_any_model: bool,
    /// Kimi Code's limit on the bytes of `messages`.
    pub(super) message_bytes: usize,
}

/// The model that answers, if no rule refuses the request.
///
/// # Errors
/// The refusal that the provider would send.
pub(super) fn check_request(
    provider: Provider,
    request: &EngineRequest,
    headers: &HeaderMap,
    options: RuleOptions,
) -> Result<&'static SimulatedModel, ErrorResponse> {
    let model = find_served_model(provider, request, options)?;
    if options.is_strict && matches!(provider, Provider::Anthropic | Provider::OpenAi) {
        let body = request.original_body.as_ref().unwrap_or(&request.body);
        strict::check_request(provider, request.api, &StrictRequest { model, body, headers })?;
    } else if options.is_strict {
        let api_rules = match (request.api, &request.original_body) {
            (Api::Messages, Some(sent)) => messages::check_request(provider, model, sent),
            (Api::Responses, Some(sent)) => responses::check_request(provider, sent),
            _ => Ok(()),
        };
        api_rules.map_err(|violation| violation.response(provider))?;
        check_provider_rules(provider, model, request, options.message_bytes)?;
    }
    Ok(model)
}

fn check_provider_rules(
    provider: Provider,
    model: &SimulatedModel,
    request: &EngineRequest,
    message_bytes: usize,
) -> Result<(), ErrorResponse> {
    let check_as = |host: Provider| {
        chat::check_request(host, model, request, message_bytes).map_err(|violation| violation.response(host))
    };
    match provider {
        Provider::Moonshot | Provider::Kimi => check_as(provider),
        Provider::Anthropic | Provider::OpenAi => Ok(()),
        Provider::OpenRouter => {
            check_openrouter_size(model, request)?;
            if is_pinned_to_moonshot(model, request) {
                check_as(Provider::Moonshot).map_err(ErrorResponse::wrap_for_openrouter)?;
            }
            Ok(())
        }
    }
}

/// The requested model, if the request has messages for it.
///
/// # Errors
/// The refusal of an unknown model, or of an empty list of messages.
pub(super) fn find_served_model(
    provider: Provider,
    request: &EngineRequest,
    options: RuleOptions,
) -> Result<&'static SimulatedModel, ErrorResponse> {
    let default = models::models_of(provider).next().filter(|_| options.accepts_any_model);
    let model = choose_model(provider, request).or_else(|error| default.ok_or(error))?;
    if !request.messages().is_empty() {
        return Ok(model);
    }
    // Strict services have a rule for it, with their own words.
    if matches!(provider, Provider::Anthropic | Provider::OpenAi) {
        return Ok(model);
    }
    Err(if provider == Provider::OpenRouter {
        ErrorResponse::bad_request("Input required: specify \"prompt\" or \"messages\"")
    } else {
        let text = format!("{} must not be empty", request.api.conversation_field());
        violation::Violation::Prefixed(text).response(provider)
    })
}

fn choose_model(
    provider: Provider,
    request: &EngineRequest,
) -> Result<&'static SimulatedModel, ErrorResponse> {
    let id = request.model();
    let found = models::find_model(provider, id);
    if provider != Provider::OpenRouter {
        // The same for a model that is unknown, retired or not in the plan.
        return found.ok_or_else(|| ErrorResponse::documented(provider, "model_not_found", id));
    }
    let mut fallbacks = list(&request.body["models"]).iter().filter_map(Value::as_str);
    found.or_else(|| fallbacks.find_map(|id| models::find_model(provider, id))).ok_or_else(|| {
        ErrorResponse::bad_request(if id.is_empty() {
            "No models provided".to_owned()
        } else {
            format!("{id} is not a valid model ID")
        })
    })
}

/// OpenRouter's wording of a prompt that is too long.
fn check_openrouter_size(model: &SimulatedModel, request: &EngineRequest) -> Result<(), ErrorResponse> {
    let (tokens, window) = (request.prompt_tokens(), model.context_window);
    if tokens <= window {
        return Ok(());
    }
    let text = format!(
        "This endpoint's maximum context length is {window} tokens. However, you requested about {tokens} tokens. Please reduce \
         the length of either one, or use the context-compression plugin to compress your prompt automatically.",
    );
    Err(ErrorResponse::bad_request(text)
        .with_metadata(json!({ "error_type": "context_length_exceeded", "provider_name": null })))
}

/// Whether the request allows OpenRouter only Moonshot as provider.
fn is_pinned_to_moonshot(model: &SimulatedModel, request: &EngineRequest) -> bool {
    let routing = &request.body["provider"];
    let starts_with_moonshot = |key: &str| {
        list(&routing[key])
            .first()
            .is_some_and(|name| text(name).to_ascii_lowercase().starts_with("moonshot"))
    };
    let only = list(&routing["only"]).len() == 1 && starts_with_moonshot("only");
    let is_first = routing["allow_fallbacks"] == false && starts_with_moonshot("order");
    model.id.starts_with("moonshotai/") && (only || is_first)
}

/// Agents that Kimi Code's OpenAI APIs accept, by the start of their User-Agent, in lower case. Observed in
/// captures of 2026-11-21 and issues of MoonshotAI/kimi-code.
const ALLOWED_AGENTS: [&str; 6] =
    ["kimicli/", "kimi-code-cli/", "claude-cli/", "claude-code/", "roocode/", "kilo"];

/// Checks that the request carries a key that the provider accepts: as `Authorization: Bearer`, and on Kimi
/// Code's Messages API also as `x-api-key` (kimi-code 2.1 sends that; Moonshot's and OpenRouter's guides have
/// Bearer only).
///
/// If the simulator has a `key` of its own, all providers accept only that one. Otherwise the prefix decides: `sk-kimi-`
/// belongs to Kimi Code, `sk-ant-` to Anthropic, every other `sk-` to the others. Kimi Code also accepts the keys of its
/// logins. Anthropic has keys in `x-api-key` (its API reference).
///
/// # Errors
/// The provider's 401.
pub(crate) fn check_key(
    provider: Provider,
    api: Api,
    headers: &HeaderMap,
    key: Option<&str>,
    auth_server: &AuthServer,
) -> Result<(), ErrorResponse> {
    let is_kimi = provider == Provider::Kimi;
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let takes_api_key = provider == Provider::Anthropic || (is_kimi && api == Api::Messages);
    let api_key = header(HeaderName::from_static("x-api-key")).filter(|_| takes_api_key);
    let bearer = || {
        let (scheme, key) = header(AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    };
    let Some(given) = api_key.or_else(bearer).filter(|key| !key.is_empty()) else {
        let name = match provider {
            Provider::Moonshot => "incorrect_key",
            Provider::Kimi => "invalid_key",
            Provider::OpenRouter => "missing_key",
            Provider::Anthropic | Provider::OpenAi => "invalid_key",
        };
        return Err(ErrorResponse::documented(provider, name, ""));
    };
    let is_valid = match key {
        _ if is_kimi && auth_server.is_valid_token(given) => true,
        Some(key) => key == given,
        None => {
            let is_anthropic = provider == Provider::Anthropic;
            given.starts_with("sk-")
                && given.len() > 3
                && given.starts_with("sk-kimi-") == is_kimi
                && given.starts_with("sk-ant-") == is_anthropic
        }
    };
    if is_valid { Ok(()) } else { Err(ErrorResponse::documented(provider, "invalid_key", "")) }
}

/// Checks that Kimi Code serves this client. Its Messages API and the other two providers do not check the
/// client (Kimi Code's error reference).
///
/// # Errors
/// The provider's 403.
pub(crate) fn check_client(provider: Provider, api: Api, headers: &HeaderMap) -> Result<(), ErrorResponse> {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    if provider != Provider::Kimi
        || api == Api::Messages
        || ALLOWED_AGENTS.iter().any(|known| agent.starts_with(known))
    {
        return Ok(());
    }
    Err(ErrorResponse::documented(provider, "forbidden_client", ""))
}
