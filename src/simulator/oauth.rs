//! Kimi Code's authorization server: the device login and the refresh of its keys (kimi-code 2.1.0,
//! `packages/oauth`, and a capture of 2026-11-21; RFC 8628 where those are silent). Besides a key, the
//! simulated Kimi Code accepts only the tokens that this server issues.
//!
//! `POST /_oauth` sets the next answers. `polls` and `refreshes` are lists of answers (an error's name, `503`,
//! or `reset`) that come before a grant. `interval`, `expiresIn` and `tokenSeconds` apply to what it issues.
//! `rotate: false` keeps refresh tokens valid for ever; `hold: true` lets refreshes wait; `endTokens: true`
//! ends all keys. `GET /_oauth` (`?waitRefreshes=N`) returns the counts.

mod auth_server;
mod scripted_answers;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::SimulatorState;
use super::admin::{Query, json_response};
use super::scripted_body::{ResetFlag, ScriptedBody};
use auth_server::AuthState;

pub(super) use auth_server::AuthServer;

/// The paths of the real one, below a prefix of ours.
const BASE_PATH: &str = "/oauth/api/oauth";
const DEVICE_GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Whether this path is one of the server's.
pub(super) fn is_oauth_path(path: &str) -> bool {
    path.starts_with("/oauth/")
}

/// Answers one request. An error closes the connection without an answer.
pub(super) async fn handle_request(
    state: &Arc<SimulatorState>,
    reset: ResetFlag,
    request: http::Request<Incoming>,
) -> Result<Response<ScriptedBody>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| {
        form.iter().find(|(key, _)| key == name).map_or_else(String::new, |(_, value)| value.clone())
    };
    let office = &state.auth_server;
    if parts.method != Method::POST {
        return Ok(json_response(405, &json!({ "error": "invalid_request" })));
    }
    if field("client_id").is_empty() {
        return Ok(error_response(400, "invalid_client"));
    }
    let told = match (parts.uri.path().strip_prefix(BASE_PATH), field("grant_type").as_str()) {
        (Some("/device_authorization"), _) => {
            office.change(|books| books.authorize(&parts, &field("client_id")))
        }
        (Some("/token"), DEVICE_GRANT_TYPE) => office.change(|books| books.poll(&field("device_code"))),
        (Some("/token"), "refresh_token") => {
            office.change(|books| books.count_refresh());
            office.wait_until_released().await;
            office.change(|books| books.refresh(&field("refresh_token")))
        }
        (Some("/token"), _) => TokenOutcome::Refused("unsupported_grant_type".to_owned()),
        _ => return Ok(json_response(404, &json!({ "error": "not_found" }))),
    };
    Ok(match told {
        TokenOutcome::Granted(value) => json_response(200, &value),
        TokenOutcome::Refused(word) if word == "reset" => {
            reset.set();
            return Err(io::Error::other("an order resets the connection here"));
        }
        TokenOutcome::Refused(word) => match word.parse() {
            Ok(status) => json_response(status, &json!({})),
            Err(_) => error_response(400, &word),
        },
    })
}

/// `/_oauth`.
pub(super) async fn handle_control(
    state: &Arc<SimulatorState>,
    parts: &Parts,
    query: &Query<'_>,
    body: &[u8],
) -> Response<ScriptedBody> {
    let office = &state.auth_server;
    match parts.method {
        Method::GET => {
            let wanted = query.number("waitRefreshes").unwrap_or(0);
            let limit = Duration::from_millis(query.number("timeoutMs").unwrap_or(10_000));
            let reached = office.wait(limit, |books| books.counters.refreshes >= wanted).await;
            let mut value = office.read(AuthState::to_json);
            if let Some(members) = value.as_object_mut() {
                members.insert("timedOut".into(), (!reached).into());
            }
            json_response(200, &value)
        }
        Method::POST => match serde_json::from_slice::<Value>(body) {
            Ok(order) => match office.change(|books| books.configure(&order)) {
                Ok(()) => json_response(200, &office.read(AuthState::to_json)),
                Err(problem) => json_response(400, &json!({ "error": problem })),
            },
            Err(problem) => json_response(400, &json!({ "error": format!("not JSON: {problem}") })),
        },
        _ => json_response(405, &json!({ "error": "GET or POST" })),
    }
}

/// What comes of a question.
enum TokenOutcome {
    Granted(Value),
    /// An error's name, a bare status, or `reset`.
    Refused(String),
}

fn error_response(status: u16, error: &str) -> Response<ScriptedBody> {
    json_response(status, &json!({ "error": error, "error_description": format!("simulated: {error}") }))
}
