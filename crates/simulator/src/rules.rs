//! What the real providers refuse, with their own statuses, types and texts.
//!
//! Moonshot and Kimi Code share one engine and so one set of rules; OpenRouter ignores what it does not know, and applies
//! Moonshot's rules only where the request pins Moonshot's own endpoint.

pub(crate) mod messages;
pub(crate) mod parameters;
pub(crate) mod schema;

#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::{AUTHORIZATION, USER_AGENT};
use serde_json::Value;

use crate::engine::list;
use crate::engine::prompt;
use crate::engine::request::EngineRequest;
use crate::error_response::ErrorResponse;
use crate::models;
use crate::models::SimulatedModel;
use crate::oauth::AuthServer;
use crate::provider::{Api, Provider};

/// What decides, beside the request.
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
    options: RuleOptions,
) -> Result<&'static SimulatedModel, ErrorResponse> {
    let model = find_served_model(provider, request, options)?;
    if !options.is_strict {
        return Ok(model);
    }
    match (request.api, &request.original_body) {
        (Api::Messages, Some(sent)) => crate::api::messages_request::check_request(provider, model, sent)?,
        (Api::Responses, Some(sent)) => crate::api::responses_request::check_request(provider, sent)?,
        _ => {}
    }
    match provider {
        Provider::Moonshot | Provider::Kimi => check_engine_rules(provider, model, request, options)?,
        Provider::OpenRouter => {
            messages::check_size_openrouter(model, request)?;
            if is_pinned_to_moonshot(model, request) {
                check_engine_rules(Provider::Moonshot, model, request, options)
                    .map_err(ErrorResponse::wrap_for_openrouter)?;
            }
        }
    }
    Ok(model)
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
    let fallback = models::models_of(provider).first().filter(|_| options.accepts_any_model);
    let model = choose_model(provider, request).or_else(|error| fallback.ok_or(error))?;
    messages::check_present(provider, request)?;
    Ok(model)
}

fn choose_model(
    provider: Provider,
    request: &EngineRequest,
) -> Result<&'static SimulatedModel, ErrorResponse> {
    let asked = request.model();
    if let Some(model) = models::find_model(provider, asked) {
        return Ok(model);
    }
    if provider != Provider::OpenRouter {
        return Err(ErrorResponse::unknown_model(asked));
    }
    let fallbacks = list(request.body.get("models")).iter().filter_map(Value::as_str);
    fallbacks.filter_map(|id| models::find_model(provider, id)).next().ok_or_else(|| {
        if asked.is_empty() {
            ErrorResponse::bad_request("No models provided")
        } else {
            ErrorResponse::bad_request(format!("{asked} is not a valid model ID"))
        }
    })
}

fn check_engine_rules(
    provider: Provider,
    model: &SimulatedModel,
    request: &EngineRequest,
    options: RuleOptions,
) -> Result<(), ErrorResponse> {
    parameters::check_parameters(provider, model, request)?;
    parameters::check_tools(provider, model, request)?;
    messages::check_messages(provider, model, request)?;
    prompt::check_results(provider, request)?;
    messages::check_size(provider, model, request, options.message_bytes)
}

/// Whether the request allows OpenRouter only Moonshot as provider.
fn is_pinned_to_moonshot(model: &SimulatedModel, request: &EngineRequest) -> bool {
    let first_is_moonshot = |key: &str| {
        list(request.body.pointer(key))
            .first()
            .and_then(Value::as_str)
            .is_some_and(|name| name.to_ascii_lowercase().starts_with("moonshot"))
    };
    let only = list(request.body.pointer("/provider/only")).len() == 1 && first_is_moonshot("/provider/only");
    let alone = request.body.pointer("/provider/allow_fallbacks") == Some(&Value::Bool(false));
    model.id.starts_with("moonshotai/") && (only || (alone && first_is_moonshot("/provider/order")))
}

/// Agents that Kimi Code's OpenAI APIs accept, by the start of their User-Agent, in lower case. Observed in
/// captures of 2026-11-21 and issues of MoonshotAI/kimi-code.
const ALLOWED_AGENTS: [&str; 6] =
    ["kimicli/", "kimi-code-cli/", "claude-cli/", "claude-code/", "roocode/", "kilo"];

/// Checks that the request carries a key that the provider accepts: as `Authorization: Bearer`, and on Kimi
/// Code's Messages API also as `x-api-key` (kimi-code 2.1 sends that; Moonshot's and OpenRouter's guides have
/// Bearer only).
///
/// If the simulator has a `key` of its own, all three providers accept only that one. Otherwise the prefix
/// decides: `sk-kimi-` belongs to Kimi Code, every other `sk-` to the two others. Kimi Code also accepts the
/// keys of its logins.
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
    let text = |value: &'_ http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let api_key = headers.get("x-api-key").filter(|_| (provider, api) == (Provider::Kimi, Api::Messages));
    let token =
        || headers.get(AUTHORIZATION).and_then(text).as_deref().and_then(bearer_token).map(str::to_owned);
    let given = api_key.and_then(text).or_else(token).filter(|key| !key.is_empty());
    let Some(given) = given else { return Err(missing_key_error(provider)) };
    let good = match key {
        _ if provider == Provider::Kimi && auth_server.is_valid_token(&given) => true,
        Some(key) => key == given,
        None => has_expected_prefix(provider, &given),
    };
    if good { Ok(()) } else { Err(wrong_key_error(provider)) }
}

/// Checks that Kimi Code serves this client. Its Messages API and the other two providers do not check the
/// client (Kimi Code's error reference).
///
/// # Errors
/// The provider's 403.
pub(crate) fn check_client(provider: Provider, api: Api, headers: &HeaderMap) -> Result<(), ErrorResponse> {
    if provider != Provider::Kimi || api == Api::Messages {
        return Ok(());
    }
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    if ALLOWED_AGENTS.iter().any(|known| agent.starts_with(known)) {
        return Ok(());
    }
    Err(ErrorResponse::new(403, "access_terminated_error", CLIENT_NOT_ALLOWED_MESSAGE))
}

/// The gate's text (Kimi Code's error reference).
pub(crate) const CLIENT_NOT_ALLOWED_MESSAGE: &str = "Kimi For Coding is currently only available for Coding Agents such as Kimi CLI, Claude Code, Roo Code, Kilo Code, etc.";

/// Kimi Code's text for a key that it does not take.
pub(crate) const KIMI_INVALID_KEY_MESSAGE: &str =
    "The API Key appears to be invalid or may have expired. Please verify your credentials and try again.";

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn has_expected_prefix(provider: Provider, key: &str) -> bool {
    match provider {
        Provider::Kimi => key.starts_with("sk-kimi-"),
        Provider::Moonshot | Provider::OpenRouter => {
            key.len() > "sk-".len() && key.starts_with("sk-") && !key.starts_with("sk-kimi-")
        }
    }
}

fn missing_key_error(provider: Provider) -> ErrorResponse {
    match provider {
        Provider::Moonshot => {
            ErrorResponse::new(401, "incorrect_api_key_error", "Incorrect API key provided")
        }
        Provider::Kimi => ErrorResponse::new(401, "invalid_authentication_error", KIMI_INVALID_KEY_MESSAGE),
        Provider::OpenRouter => ErrorResponse::new(401, "", "No cookie auth credentials found"),
    }
}

fn wrong_key_error(provider: Provider) -> ErrorResponse {
    match provider {
        Provider::Moonshot => {
            ErrorResponse::new(401, "invalid_authentication_error", "Invalid Authentication")
        }
        Provider::Kimi => ErrorResponse::new(401, "invalid_authentication_error", KIMI_INVALID_KEY_MESSAGE),
        Provider::OpenRouter => ErrorResponse::new(401, "", "User not found."),
    }
}
