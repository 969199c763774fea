//! Puts the rooms together. [`build`] binds nothing that it was not given; [`App::run`] ends when it is told to.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::config::settings::Settings;
use crate::http::router::router;
use crate::http::server::{self, Listener};
use crate::http::shared::Shared;
use crate::observe::log;
use crate::relay::Relay;
use crate::upstream::Connector;

/// Under the 100 s that the unit gives a stop.
const DRAIN: Duration = Duration::from_secs(90);

/// The gateway, ready to serve.
pub struct App {
    listener: Listener,
    shared: Arc<Shared>,
}

/// Composes a gateway on a bound listener; `address` is how clients reach it.
#[must_use]
pub fn build(
    settings: Arc<Settings>,
    listener: Listener,
    address: String,
    connector: Arc<dyn Connector>,
    hostname: Option<String>,
) -> App {
    let relay = Arc::new(Relay::new(settings, connector, Arc::new(|record| log::request(&record))));
    App { listener, shared: Arc::new(Shared { relay, hostname, address }) }
}

impl App {
    /// How clients reach it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// Serves until `shutdown` resolves and the answers under way are out.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let settings = self.shared.relay.settings();
        for warning in &settings.warnings {
            warn!("{}: {}", warning.path, warning.message);
        }
        let chain: Vec<String> = self
            .shared
            .relay
            .chain_state()
            .into_iter()
            .map(|(name, why)| why.map_or_else(|| name.clone(), |why| format!("{name} ({why})")))
            .collect();
        info!("chain: {}", chain.join(" → "));
        info!("listening on {}", self.shared.address);
        let busy = server::run(self.listener, router(self.shared), shutdown, DRAIN).await;
        info!(busy, "stopped");
    }
}
