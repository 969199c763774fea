//! The gateway that runs, asked as its clients ask it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::told::Told;
use super::{Refused, Reply};
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason};
use crate::upstream::gateway::{self, Address};
use crate::upstream::{Connector, Response, read_whole};

/// A gateway that lives answers that it does at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest JSON of one request, in bytes.
const LARGEST: usize = 1 << 20;

/// The route of the messages face.
const MESSAGES: &str = "/v1/messages";

/// See the module.
pub(super) struct Gateway {
    address: Address,
    token: HeaderMap,
    connector: Arc<dyn Connector>,
}

impl Gateway {
    pub(super) fn new(address: Address, settings: &Settings, connector: Arc<dyn Connector>) -> Self {
        Self { address, token: gateway::headers(settings), connector }
    }

    /// `/health` needs no token, and its connection serves for the request that follows.
    pub(super) async fn ready(&self) -> Result<(), Refused> {
        let asked = async {
            let response = self.send(Method::GET, "/health", HeaderMap::new(), Bytes::new()).await?;
            read_whole(response.body, LARGEST).await
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failure)) => Err(self.down(&failure.message)),
            Err(_) => Err(self.down(&format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    pub(super) async fn ask(&self, body: Bytes, headers: HeaderMap) -> Result<Reply, Refused> {
        let sent = self.send(Method::POST, MESSAGES, headers, body).await;
        let response = sent.map_err(|failure| match failure.reason {
            Reason::Network => self.down(&failure.message),
            reason => {
                Refused { kind: reason.as_str(), message: failure.message, id: None, head: Told::default() }
            }
        })?;
        let id = word(&response.headers, "x-moonrelay-request-id");
        let head = Told::of_headers(&response.headers);
        if response.status == StatusCode::OK {
            return Ok(Reply { id: id.unwrap_or_default(), body: response.body, head });
        }
        Err(self.refused(response, id, head).await)
    }

    /// The gateway waits until the request's record is there, for a while.
    pub(super) async fn told(&self, id: &str) -> Option<Told> {
        let asked = async {
            let response = self
                .send(Method::GET, &format!("/requests/{id}"), HeaderMap::new(), Bytes::new())
                .await
                .ok()?;
            let is_there = response.status == StatusCode::OK;
            let body = read_whole(response.body, LARGEST).await.ok()?;
            is_there.then(|| serde_json::from_slice(&body).ok()).flatten()
        };
        let value: Value = timeout(PATIENCE, asked).await.ok()??;
        Told::of_json(&value)
    }

    async fn send(
        &self,
        method: Method,
        route: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Failure> {
        headers.extend(self.token.clone());
        self.address.send(method, route, headers, body, self.connector.as_ref()).await
    }

    fn down(&self, why: &str) -> Refused {
        let message = format!(
            "no gateway answers at {} ({why}); start it with `moonrelay gateway start`, or ask without one: --local",
            self.address
        );
        Refused { kind: "gateway_down", message, id: None, head: Told::default() }
    }

    async fn refused(&self, response: Response, id: Option<String>, mut head: Told) -> Refused {
        let status = response.status;
        let body = read_whole(response.body, LARGEST).await.unwrap_or_default();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let error = value.get("error").unwrap_or(&Value::Null);
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        head.add_error_lines(error.get("attempts").unwrap_or(&Value::Null));
        let mut message =
            text("message").map_or_else(|| format!("the gateway answered {status}"), str::to_owned);
        let kind = match (status, head.attempts.is_empty()) {
            (StatusCode::UNAUTHORIZED, true) => {
                message = format!(
                    "{message} (the gateway at {} asks for another token than gateway.auth has here)",
                    self.address
                );
                Reason::Auth.as_str()
            }
            (StatusCode::NOT_FOUND, true) if text("code") == Some("model_not_found") => "unknown_model",
            _ => head.reason().or_else(|| reason(status)).unwrap_or(Reason::Server).as_str(),
        };
        // What was refused before anybody was asked has no more to tell.
        let id = id.filter(|_| !head.attempts.is_empty());
        Refused { kind, message, id, head }
    }
}

fn reason(status: StatusCode) -> Option<Reason> {
    status.is_client_error().then_some(Reason::BadRequest)
}

fn word(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
