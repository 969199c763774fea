//! Kimi Code's authorization server: the device login and the refresh of its keys (kimi-code 2.1.0, `packages/oauth`, and
//! a capture of 2026-11-21; RFC 8628 where those are silent). What it gives out, and nothing else, opens the simulated
//! Kimi Code beside a key.
//!
//! `POST /_oauth` orders what comes next: `polls` and `refreshes`, lists of answers (an error's word, `503`, or `reset`) before
//! it grants; `interval`, `expiresIn` and `tokenSeconds` of what it gives out; `rotate: false` keeps refresh tokens good for
//! ever; `hold: true` lets refreshes wait; `endTokens: true` ends all keys. `GET /_oauth` (`?waitRefreshes=N`) counts.

mod books;
mod orders;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::State;
use super::admin::{Query, reply};
use super::script::{ResetFlag, Script};
use books::Books;

pub(super) use books::Office;

/// The paths of the real one, below a prefix of ours.
const BASE: &str = "/oauth/api/oauth";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Whether this path is one of the server's.
pub(super) fn serves(path: &str) -> bool {
    path.starts_with("/oauth/")
}

/// Answers one request. An error closes the connection without an answer.
pub(super) async fn answer(
    state: &Arc<State>,
    reset: ResetFlag,
    request: http::Request<Incoming>,
) -> Result<Response<Script>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| {
        form.iter().find(|(key, _)| key == name).map_or_else(String::new, |(_, value)| value.clone())
    };
    let office = &state.office;
    if parts.method != Method::POST {
        return Ok(reply(405, &json!({ "error": "invalid_request" })));
    }
    if field("client_id").is_empty() {
        return Ok(refused(400, "invalid_client"));
    }
    let told = match (parts.uri.path().strip_prefix(BASE), field("grant_type").as_str()) {
        (Some("/device_authorization"), _) => {
            office.change(|books| books.authorize(&parts, &field("client_id")))
        }
        (Some("/token"), DEVICE) => office.change(|books| books.poll(&field("device_code"))),
        (Some("/token"), "refresh_token") => {
            office.change(|books| books.came());
            office.until_released().await;
            office.change(|books| books.refresh(&field("refresh_token")))
        }
        (Some("/token"), _) => Told::Refused("unsupported_grant_type".to_owned()),
        _ => return Ok(reply(404, &json!({ "error": "not_found" }))),
    };
    Ok(match told {
        Told::Granted(value) => reply(200, &value),
        Told::Refused(word) if word == "reset" => {
            reset.raise();
            return Err(io::Error::other("an order resets the connection here"));
        }
        Told::Refused(word) => match word.parse() {
            Ok(status) => reply(status, &json!({})),
            Err(_) => refused(400, &word),
        },
    })
}

/// `/_oauth`.
pub(super) async fn control(
    state: &Arc<State>,
    parts: &Parts,
    query: &Query<'_>,
    body: &[u8],
) -> Response<Script> {
    let office = &state.office;
    match parts.method {
        Method::GET => {
            let wanted = query.number("waitRefreshes").unwrap_or(0);
            let limit = Duration::from_millis(query.number("timeoutMs").unwrap_or(10_000));
            let reached = office.wait(limit, |books| books.tally.refreshes >= wanted).await;
            let mut value = office.look(Books::to_json);
            if let Some(members) = value.as_object_mut() {
                members.insert("timedOut".into(), (!reached).into());
            }
            reply(200, &value)
        }
        Method::POST => match serde_json::from_slice::<Value>(body) {
            Ok(order) => match office.change(|books| books.order(&order)) {
                Ok(()) => reply(200, &office.look(Books::to_json)),
                Err(problem) => reply(400, &json!({ "error": problem })),
            },
            Err(problem) => reply(400, &json!({ "error": format!("not JSON: {problem}") })),
        },
        _ => reply(405, &json!({ "error": "GET or POST" })),
    }
}

/// What comes of a question.
enum Told {
    Granted(Value),
    /// An error's word, a bare status, or `reset`.
    Refused(String),
}

fn refused(status: u16, error: &str) -> Response<Script> {
    reply(status, &json!({ "error": error, "error_description": format!("simulated: {error}") }))
}
