//! Keys, and Kimi Code's gate on the calling client.

use http::HeaderMap;
use http::header::{AUTHORIZATION, USER_AGENT};

use crate::simulator::api::Api;
use crate::simulator::error_response::ErrorResponse;
use crate::simulator::oauth::AuthServer;
use crate::simulator::provider::Provider;

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
pub(in crate::simulator) fn check_key(
    provider: Provider,
    face: Api,
    headers: &HeaderMap,
    key: Option<&str>,
    office: &AuthServer,
) -> Result<(), ErrorResponse> {
    let text = |value: &'_ http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let api_key = headers.get("x-api-key").filter(|_| (provider, face) == (Provider::Kimi, Api::Messages));
    let token =
        || headers.get(AUTHORIZATION).and_then(text).as_deref().and_then(bearer_token).map(str::to_owned);
    let given = api_key.and_then(text).or_else(token).filter(|key| !key.is_empty());
    let Some(given) = given else { return Err(missing_key_error(provider)) };
    let good = match key {
        _ if provider == Provider::Kimi && office.is_valid_token(&given) => true,
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
pub(in crate::simulator) fn check_client(
    provider: Provider,
    face: Api,
    headers: &HeaderMap,
) -> Result<(), ErrorResponse> {
    if provider != Provider::Kimi || face == Api::Messages {
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
pub(in crate::simulator) const CLIENT_NOT_ALLOWED_MESSAGE: &str = "Kimi For Coding is currently only available for Coding Agents such as Kimi CLI, Claude Code, Roo Code, Kilo Code, etc.";

/// Kimi Code's text for a key that it does not take.
pub(in crate::simulator) const KIMI_INVALID_KEY_MESSAGE: &str =
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
