//! Client of the running gateway's status routes.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio::time::timeout;

use crate::config::settings::Settings;
use crate::upstream::gateway_client::build_auth_headers;
use crate::upstream::{Connector, read_body};

pub(in crate::cli) use crate::upstream::gateway_client::GatewayAddress;

/// Of an answer; a status has a few hundred bytes.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

impl GatewayAddress {
    /// The response of `/status`.
    ///
    /// # Errors
    /// Why no answer arrived within `patience`, as text for the user.
    pub(in crate::cli) async fn fetch_status(
        &self,
        settings: &Settings,
        connector: &dyn Connector,
        patience: Duration,
    ) -> Result<Value, String> {
        self.get_json("/status", settings, connector, patience).await
    }

    /// The response of a route that returns JSON.
    ///
    /// # Errors
    /// Why no answer arrived within `patience`, as text for the user.
    pub(in crate::cli) async fn get_json(
        &self,
        route: &'static str,
        settings: &Settings,
        connector: &dyn Connector,
        patience: Duration,
    ) -> Result<Value, String> {
        let asked = async {
            let response =
                self.send(Method::GET, route, build_auth_headers(settings), Bytes::new(), connector).await?;
            Ok((response.status, read_body(response.body, MAX_RESPONSE_BYTES).await?))
        };
        let (status, body) = timeout(patience, asked)
            .await
            .map_err(|_| format!("no answer within {} s", patience.as_secs_f64()))?
            .map_err(|failure: crate::failure::Failure| failure.message)?;
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        serde_json::from_slice(&body).map_err(|_| "what answers there is not moonrelay".to_owned())
    }
}
