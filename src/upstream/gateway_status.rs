//! The status of a running gateway: the JSON of `GET /status`, and the client that reads it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use super::gateway_client::{GatewayAddress, build_auth_headers};
use super::{Connector, read_body};
use crate::config::settings::Settings;
use crate::failure::Failure;

/// A status has a few hundred bytes.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// How long commands wait for the status of a gateway on this machine, which responds in milliseconds.
pub const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

/// The response of `GET /status`. Missing fields, as of an older gateway, have their defaults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayStatus {
    /// Always true.
    pub ok: bool,
    /// The version of the gateway.
    pub version: String,
    /// Seconds since its start.
    pub uptime_seconds: u64,
    /// Its listen address.
    pub address: String,
    /// The configuration file; `None` without one.
    pub config: Option<PathBuf>,
    /// The default chain, in order.
    pub chain: Vec<TargetEntry>,
    /// The providers, in order of their ids.
    pub providers: Vec<ProviderEntry>,
    /// Requests in progress.
    pub in_flight: usize,
    /// The usage database.
    pub ledger: UsageDatabaseStatus,
    /// The last reload; `None` before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload: Option<ReloadStatus>,
}

/// A target of the default chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct TargetEntry {
    /// Its reference.
    pub target: String,
    /// Whether it is used.
    #[serde(flatten)]
    pub availability: Availability,
}

/// A provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct ProviderEntry {
    /// Its id.
    pub id: String,
    /// Whether it is used.
    #[serde(flatten)]
    pub availability: Availability,
}

/// Whether a target or a provider is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Availability {
    /// `answering` (the first target that can be tried), `ready`, `cooling_down` or `off`.
    pub state: String,
    /// The end of the cooldown, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_until: Option<u64>,
    /// Why it is in cooldown or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Availability {
    /// The time until the cooldown ends; `None` without a cooldown.
    #[must_use]
    pub fn cooldown_left(&self, now: SystemTime) -> Option<Duration> {
        let until = SystemTime::UNIX_EPOCH + Duration::from_millis(self.cooldown_until?);
        Some(until.duration_since(now).unwrap_or_default())
    }
}

/// The usage database as the gateway writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct UsageDatabaseStatus {
    /// Records that wait to be written.
    pub queued: u64,
    /// Records that were written.
    pub written: u64,
    /// Records that were lost.
    pub dropped: u64,
    /// Why the last write failed.
    pub trouble: Option<String>,
}

/// The last reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct ReloadStatus {
    /// Whether the configuration was accepted.
    pub ok: bool,
    /// Why it was rejected, or what of it was not applied.
    pub message: Option<String>,
    /// When it ended, in milliseconds since 1970.
    pub at: u64,
}

impl GatewayAddress {
    /// The status of the gateway at this address.
    ///
    /// # Errors
    /// Why there is none within `limit`, as text for the user.
    pub async fn status(
        &self,
        settings: &Settings,
        connector: &dyn Connector,
        limit: Duration,
    ) -> Result<GatewayStatus, String> {
        let status = self.get_json("/status", settings, connector, limit).await?;
        serde_json::from_value(status).map_err(|_| NOT_A_GATEWAY.to_owned())
    }

    /// The response of a route that returns JSON.
    ///
    /// # Errors
    /// Why there is none within `limit`, as text for the user.
    pub async fn get_json(
        &self,
        route: &'static str,
        settings: &Settings,
        connector: &dyn Connector,
        limit: Duration,
    ) -> Result<Value, String> {
        let call = async {
            let headers = build_auth_headers(settings);
            let response = self.send(Method::GET, route, headers, Bytes::new(), connector).await?;
            Ok((response.status, read_body(response.body, MAX_RESPONSE_BYTES).await?))
        };
        let (status, body) = timeout(limit, call)
            .await
            .map_err(|_| format!("no response within {} s", limit.as_secs_f64()))?
            .map_err(|failure: Failure| failure.message)?;
        if !status.is_success() {
            return Err(format!("unexpected status {status}"));
        }
        serde_json::from_slice(&body).map_err(|_| NOT_A_GATEWAY.to_owned())
    }
}

const NOT_A_GATEWAY: &str = "the program at this address is not a Moonrelay gateway";
