//! The search of the gateway that runs.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cli::exit::Ending;
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason};
use crate::search::Kind;
use crate::upstream::gateway::{Address, headers};
use crate::upstream::{Connector, read_whole};

/// A gateway that runs says so at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// Beside the time that a search may take there.
const GRACE: Duration = Duration::from_secs(10);
/// Of an answer, in bytes; the gateway takes four megabytes itself.
const LARGEST: usize = 16 << 20;

/// What came of it.
pub(super) enum Asked {
    /// The answer's JSON, or why there is none.
    Answered(Result<Value, Ending>),
    /// It runs, and has no key for that.
    NoKey(Ending),
    /// None runs, or one that has no search.
    Nobody,
}

/// Asks the gateway of these settings.
pub(super) async fn ask(query: &str, settings: &Settings, connector: &dyn Connector) -> Asked {
    let address = Address::of(&settings.gateway.bind, settings.gateway.port);
    let lives = address.ask("/health", settings, connector, PATIENCE).await;
    if lives.is_ok_and(|said| said.get("status").and_then(Value::as_str) == Some("live")) {
        let limit = settings.web_search.timeout.saturating_mul(2).saturating_add(GRACE);
        let answered = timeout(limit, post(query, &address, settings, connector)).await;
        let late = || Failure::new(Reason::Timeout, format!("no answer within {} s", limit.as_secs()));
        return match answered.unwrap_or_else(|_| Err(late())) {
            Ok((status, body)) => told(status, &body, &address),
            Err(failure) => {
                let message = format!("the gateway at {address}: {}", failure.message);
                Asked::Answered(Err(Ending::failure(failure.reason.as_str(), message)))
            }
        };
    }
    Asked::Nobody
}

async fn post(
    query: &str,
    address: &Address,
    settings: &Settings,
    connector: &dyn Connector,
) -> Result<(StatusCode, Bytes), Failure> {
    let mut headers = headers(settings);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION"))));
    let body = Bytes::from(json!({ "query": query }).to_string());
    let response = address.send(Method::POST, "/v1/search", headers, body, connector).await?;
    Ok((response.status, read_whole(response.body, LARGEST).await?))
}

fn told(status: StatusCode, body: &[u8], address: &Address) -> Asked {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    if status.is_success() && value.get("content").is_some() {
        return Asked::Answered(Ok(value));
    }
    let error = value.get("error").unwrap_or(&Value::Null);
    let word = |key: &str| error.get(key).and_then(Value::as_str);
    let message = word("message").map_or_else(|| format!("it answered {status}"), str::to_owned);
    match word("code") {
        // One of before there was a search.
        Some("no_route") => Asked::Nobody,
        Some("missing_key") => Asked::NoKey(Ending::failure(
            Kind::MissingKey.as_str(),
            format!("the gateway at {address}: {message}"),
        )),
        Some("invalid_api_key") => Asked::Answered(Err(Ending::failure(
            "gateway_auth",
            format!(
                "the gateway at {address} wants another token than gateway.auth has here; or search without it: --local"
            ),
        ))),
        code => Asked::Answered(Err(Ending::failure(
            kind(code),
            format!("{message} (through the gateway at {address})"),
        ))),
    }
}

/// The type of an error, in words of ours.
fn kind(code: Option<&str>) -> &'static str {
    let own = [Kind::Ungrounded, Kind::NoAnswer, Kind::InvalidQuery].map(Kind::as_str);
    let reasons = Reason::ALL.map(Reason::as_str);
    let known = own.into_iter().chain(reasons).find(|word| Some(*word) == code);
    known.unwrap_or("gateway_error")
}
