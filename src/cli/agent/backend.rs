//! What `agent` and `chat` call: the gateway of this configuration, or the providers from this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::assistant::backend::Backend;
use crate::assistant::search::Searcher;
use crate::assistant::search::tool::SearchTool;
use crate::cli::command::{CommandError, print_note};
use crate::cli::gateway::no_key_error;
use crate::config::settings::Settings;
use crate::routing::RecordSink;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::{Client, Connector};
use crate::usage::UsageStore;

/// How long the command waits at its end until the usage of its turns is written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The gateway, or the providers and a usage database.
pub(in crate::cli) struct AgentBackend {
    settings: Arc<Settings>,
    connector: Arc<dyn Connector>,
    /// `None` if turns go through the gateway, which records them.
    local_usage: Option<LocalUsage>,
}

/// The usage database and the task that writes it. A gateway may write the same file.
struct LocalUsage {
    store: Arc<UsageStore>,
    writer_task: JoinSet<()>,
}

impl LocalUsage {
    fn sink(&self) -> RecordSink {
        let store = self.store.clone();
        Arc::new(move |record| store.record(record))
    }
}

impl AgentBackend {
    /// `is_local`: call the providers, and record usage in this state directory.
    pub(in crate::cli) fn new(
        settings: Arc<Settings>,
        is_local: bool,
        state: &Path,
    ) -> Result<Self, CommandError> {
        if is_local && !settings.has_target() {
            return Err(no_key_error(&settings));
        }
        let connector: Arc<dyn Connector> = Arc::new(Client::new(settings.failover.connect_timeout));
        let local_usage = is_local.then(|| {
            let (store, writer) = UsageStore::persistent(Some(state), settings.usage);
            let mut writer_task = JoinSet::new();
            writer_task.spawn(writer.run());
            LocalUsage { store: Arc::new(store), writer_task }
        });
        Ok(Self { settings, connector, local_usage })
    }

    /// The backend for an `Agent`.
    pub(in crate::cli) fn new_exchange(&self) -> Backend {
        let (settings, connector) = (self.settings.clone(), self.connector.clone());
        match &self.local_usage {
            Some(usage) => Backend::new_local(settings, connector, usage.sink()),
            None => Backend::new_gateway(settings, self.gateway_address(), connector),
        }
    }

    /// Web search for the model of a turn, if it is configured or `is_requested`. Through the gateway, which has the
    /// key of a service and a cache, if turns go through it; else from this process.
    pub(in crate::cli) fn tools(&self, is_requested: bool) -> Option<SearchTool> {
        if !is_requested && !self.settings.web_search.is_configured {
            return None;
        }
        let searcher = Searcher::new(self.connector.clone(), &self.settings);
        Some(match &self.local_usage {
            Some(usage) => SearchTool::new(searcher, Some(usage.sink())),
            None => SearchTool::new(searcher.with_gateway(self.gateway_address(), &self.settings), None),
        })
    }

    fn gateway_address(&self) -> GatewayAddress {
        GatewayAddress::from_bind(&self.settings.gateway.bind, self.settings.gateway.port)
    }

    /// Writes the remaining usage records.
    pub(in crate::cli) async fn finish(self) {
        let Some(LocalUsage { store, mut writer_task }) = self.local_usage else { return };
        store.close();
        let is_in_time = tokio::time::timeout(FLUSH_TIMEOUT, writer_task.join_next()).await.is_ok();
        let health = store.health();
        if !is_in_time || health.queued + health.dropped > 0 {
            let why = health.last_error.unwrap_or_else(|| "writing takes too long".to_owned());
            print_note(format_args!("warning: the usage database misses the cost of this: {why}"));
        }
    }
}
