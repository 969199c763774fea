//! What is around a conversation: the environment, and the gateway that it goes through, if it does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::config::Environment;
use crate::config::settings::Settings;
use crate::upstream::gateway::Address;
use crate::upstream::{Client, Connector};

/// A card must not wait for a gateway; one on this machine answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct World {
    pub(super) environment: Environment,
    /// `None`: providers are called from this process.
    pub(super) gateway: Option<Address>,
    connector: Arc<dyn Connector>,
}

impl World {
    /// Of this process, through the gateway of these settings where `is_local` does not say otherwise.
    pub(super) fn of(environment: Environment, settings: &Settings, is_local: bool) -> Self {
        let gateway = (!is_local).then(|| Address::of(&settings.gateway.bind, settings.gateway.port));
        Self { environment, gateway, connector: Arc::new(Client::new(PATIENCE)) }
    }

    /// Of the gateway: what it says of itself.
    pub(super) async fn asked(&self, settings: &Settings) -> Option<Result<Value, String>> {
        let gateway = self.gateway.as_ref()?;
        Some(gateway.status(settings, self.connector.as_ref(), PATIENCE).await)
    }
}
