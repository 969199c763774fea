//! The gateway that runs, if one does: what it says of itself.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio::time::timeout;

use crate::config::settings::Settings;
use crate::upstream::gateway::headers;
use crate::upstream::{Connector, read_whole};

pub(in crate::cli) use crate::upstream::gateway::Address;

/// Of an answer; a status has a few hundred bytes.
const LARGEST: usize = 1024 * 1024;

impl Address {
    /// What `/status` says.
    ///
    /// # Errors
    /// Why there is no answer within `patience`, for people.
    pub(in crate::cli) async fn status(
        &self,
        settings: &Settings,
        connector: &dyn Connector,
        patience: Duration,
    ) -> Result<Value, String> {
        self.ask("/status", settings, connector, patience).await
    }

    /// What a route says that answers JSON.
    ///
    /// # Errors
    /// Why there is no answer within `patience`, for people.
    pub(in crate::cli) async fn ask(
        &self,
        route: &'static str,
        settings: &Settings,
        connector: &dyn Connector,
        patience: Duration,
    ) -> Result<Value, String> {
        let asked = async {
            let response = self.send(Method::GET, route, headers(settings), Bytes::new(), connector).await?;
            Ok((response.status, read_whole(response.body, LARGEST).await?))
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
