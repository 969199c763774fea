//! Where `agent` and `chat` ask: through the gateway of this configuration, or in this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::print_note;
use super::web_search::WebSearchTool;
use crate::assistant::backend::Backend;
use crate::assistant::tools::{Tool, ToolSet};
use crate::cli::exit::CommandError;
use crate::cli::gateway::no_key_error;
use crate::config::settings::Settings;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::{Client, Connector};
use crate::usage::UsageStore;

/// The end waits no longer for what is not written yet.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// One of the two, and what goes with it.
pub(in crate::cli) struct AgentBackend {
    settings: Arc<Settings>,
    connector: Arc<dyn Connector>,
    /// What the turns of this process cost, for `usage`.
    local_usage: Option<LocalUsage>,
}

/// A ledger and who writes it, as a gateway has them; both may write to the same file.
struct LocalUsage {
    usage: Arc<UsageStore>,
    writer_task: JoinSet<()>,
}

impl AgentBackend {
    /// `is_local`: in this process, with the ledger in this state directory.
    ///
    /// # Errors
    /// In this process, where no provider has a key: exit 78.
    pub(in crate::cli) fn new(
        settings: Arc<Settings>,
        is_local: bool,
        state: &Path,
    ) -> Result<Self, CommandError> {
        if is_local && !settings.has_target() {
            return Err(no_key_error(&settings));
        }
        let connector: Arc<dyn Connector> = Arc::new(Client::new(settings.failover.connect_timeout));
        let books = is_local.then(|| {
            let (ledger, writer) = UsageStore::persistent(Some(state), settings.usage);
            let mut writing = JoinSet::new();
            writing.spawn(writer.run());
            LocalUsage { usage: Arc::new(ledger), writer_task: writing }
        });
        Ok(Self { settings, connector, local_usage: books })
    }

    /// To ask there.
    pub(in crate::cli) fn new_exchange(&self) -> Backend {
        let (settings, connector) = (self.settings.clone(), self.connector.clone());
        match &self.local_usage {
            Some(books) => {
                let ledger = books.usage.clone();
                Backend::new_local(settings, connector, Arc::new(move |record| ledger.record(record)))
            }
            None => {
                let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
                Backend::new_gateway(settings, address, connector)
            }
        }
    }

    /// The web's search as a tool of the model: through the gateway where turns go through it, which has the key that a
    /// service is given and remembers answers; else from here.
    fn web_search_tool(&self) -> Arc<dyn Tool> {
        let ledger = self.local_usage.as_ref().map(|books| books.usage.clone());
        Arc::new(WebSearchTool::new(&self.settings, self.connector.clone(), ledger))
    }

    /// The tools that a turn offers: a search where the configuration speaks of one, or where it `is_asked_for`.
    pub(in crate::cli) fn tools(&self, is_asked_for: bool) -> ToolSet {
        let tools = ToolSet::default();
        if is_asked_for || self.settings.web_search.is_configured {
            tools.with_tool(self.web_search_tool())
        } else {
            tools
        }
    }

    /// Writes what waits to be written.
    pub(in crate::cli) async fn finish(self) {
        let Some(LocalUsage { usage: ledger, writer_task: mut writing }) = self.local_usage else { return };
        ledger.close();
        let in_time = tokio::time::timeout(FLUSH_TIMEOUT, writing.join_next()).await.is_ok();
        let health = ledger.health();
        if !in_time || health.queued + health.dropped > 0 {
            let why = health.last_error.unwrap_or_else(|| "it takes too long".to_owned());
            print_note(&format!("moonrelay: warning: what this cost is not in the ledger: {why}"));
        }
    }
}
