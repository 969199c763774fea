//! What is around a conversation: the environment, and the gateway that it goes through, if it does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::config::Environment;
use crate::config::settings::Settings;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::{Client, Connector};

/// A card must not wait for a gateway; one on this machine answers in milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct GatewayContext {
    pub(super) environment: Environment,
    /// `None`: providers are called from this process.
    pub(super) address: Option<GatewayAddress>,
    connector: Arc<dyn Connector>,
}

impl GatewayContext {
    /// Of this process, through the gateway of these settings where `is_local` does not say otherwise.
    pub(super) fn new(environment: Environment, settings: &Settings, is_local: bool) -> Self {
        let address =
            (!is_local).then(|| GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port));
        Self { environment, address, connector: Arc::new(Client::new(STATUS_TIMEOUT)) }
    }

    /// Of the gateway: what it says of itself.
    pub(super) async fn fetch_status(&self, settings: &Settings) -> Option<Result<Value, String>> {
        let gateway = self.address.as_ref()?;
        Some(gateway.fetch_status(settings, self.connector.as_ref(), STATUS_TIMEOUT).await)
    }
}
