//! The search of the gateway that runs: it may have the answer already, has the key that a service is given, and keeps the
//! books.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::failure::{Kind, SearchFailure};
use super::found::Found;
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason};
use crate::upstream::gateway::{self, Address};
use crate::upstream::{Connector, read_whole};

/// A gateway that runs says so at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// Beside the time that a search may take there.
const GRACE: Duration = Duration::from_secs(10);
/// Of an answer, in bytes; the gateway takes four megabytes itself, and JSON may escape each of them.
const LARGEST: usize = 32 << 20;

/// Where it is, and how it is asked.
pub(super) struct Remote {
    address: Address,
    token: HeaderMap,
    limit: Duration,
}

/// What came of it.
pub(super) enum Asked {
    /// The answer, or why there is none.
    Answered(Result<Found, SearchFailure>),
    /// It runs, and has no key for that.
    NoKey(SearchFailure),
    /// None runs, or one that has no search.
    Nobody,
}

impl Remote {
    pub(super) fn new(address: Address, settings: &Settings) -> Self {
        let limit = settings.web_search.timeout.saturating_mul(2).saturating_add(GRACE);
        Self { address, token: gateway::headers(settings), limit }
    }

    pub(super) async fn ask(&self, query: &str, connector: &dyn Connector) -> Asked {
        // Without the token: it is for a gateway of ours, which says first that it is one.
        let health = self.send(Method::GET, "/health", HeaderMap::new(), Bytes::new(), connector);
        let lives = timeout(PATIENCE, health).await;
        let is_ours = |body: &[u8]| {
            let said: Value = serde_json::from_slice(body).unwrap_or_default();
            said.get("status").and_then(Value::as_str) == Some("live")
        };
        if !lives.is_ok_and(|told| told.is_ok_and(|(_, body)| is_ours(&body))) {
            return Asked::Nobody;
        }
        let mut headers = self.token.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Bytes::from(json!({ "query": query }).to_string());
        let asking = self.send(Method::POST, "/v1/search", headers, body, connector);
        let late = || Failure::new(Reason::Timeout, format!("no answer within {} s", self.limit.as_secs()));
        match timeout(self.limit, asking).await.unwrap_or_else(|_| Err(late())) {
            Ok((status, body)) => self.told(status, &body),
            Err(failure) => {
                let message = format!("the gateway at {}: {}", self.address, failure.message);
                Asked::Answered(Err(SearchFailure::of(failure, message)))
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        route: &str,
        mut headers: HeaderMap,
        body: Bytes,
        connector: &dyn Connector,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let agent = HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION")));
        headers.insert(USER_AGENT, agent);
        let response = self.address.send(method, route, headers, body, connector).await?;
        Ok((response.status, read_whole(response.body, LARGEST).await?))
    }

    fn told(&self, status: StatusCode, body: &[u8]) -> Asked {
        let (address, value) = (&self.address, serde_json::from_slice(body).unwrap_or(Value::Null));
        if let Some(found) = Found::from_json(&value).filter(|_| status.is_success()) {
            return Asked::Answered(Ok(found));
        }
        let word = |key: &str| value.pointer(&format!("/error/{key}")).and_then(Value::as_str);
        let message = word("message").map_or_else(|| format!("it answered {status}"), str::to_owned);
        let code = word("code").unwrap_or_default();
        match code {
            // One of before there was a search.
            "no_route" => Asked::Nobody,
            "missing_key" => {
                let message = format!("the gateway at {address}: {message}");
                Asked::NoKey(SearchFailure::new(Kind::MissingKey, message))
            }
            "invalid_api_key" => Asked::Answered(Err(SearchFailure::new(
                Kind::GatewayAuth,
                format!(
                    "the gateway at {address} wants another token than gateway.auth has here; `web-search --local` searches \
                     without it"
                ),
            ))),
            _ => {
                let kind = Kind::from_word(code).unwrap_or(Kind::Gateway);
                let message = format!("{message} (through the gateway at {address})");
                Asked::Answered(Err(SearchFailure::new(kind, message)))
            }
        }
    }
}
