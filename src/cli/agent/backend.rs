//! What `agent` and `chat` call: the gateway of this configuration, or the providers from this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::assistant::backend::Backend;
use crate::assistant::search::{Searcher, tool};
use crate::assistant::tools::{Tool, ToolFuture, ToolSet};
use crate::cli::command::{CommandError, print_note};
use crate::cli::gateway::no_key_error;
use crate::config::settings::Settings;
use crate::protocol::api::Api;
use crate::record::{Record, RequestId};
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
            Some(usage) => {
                let store = usage.store.clone();
                Backend::new_local(settings, connector, Arc::new(move |record| store.record(record)))
            }
            None => {
                let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
                Backend::new_gateway(settings, address, connector)
            }
        }
    }

    /// The tools that a turn offers: web search if it is configured or `is_requested`.
    pub(in crate::cli) fn tools(&self, is_requested: bool) -> ToolSet {
        let tools = ToolSet::default();
        if !is_requested && !self.settings.web_search.is_configured {
            return tools;
        }
        let usage = self.local_usage.as_ref().map(|usage| usage.store.clone());
        tools.with_tool(Arc::new(WebSearchTool::new(&self.settings, self.connector.clone(), usage)))
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

/// Web search as a tool of the model. Through the gateway, which has the key of a service and a cache, if turns go
/// through it; else from this process.
struct WebSearchTool {
    searcher: Searcher,
    /// Records the searches of a turn in this process; the gateway records its own.
    usage: Option<Arc<UsageStore>>,
}

impl WebSearchTool {
    fn new(settings: &Settings, connector: Arc<dyn Connector>, usage: Option<Arc<UsageStore>>) -> Self {
        let mut searcher = Searcher::new(connector, settings);
        if usage.is_none() {
            let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
            searcher = searcher.with_gateway(address, settings);
        }
        Self { searcher, usage }
    }

    async fn search(&self, arguments: &Value) -> Result<String, String> {
        let query = tool::parse_query(arguments)?;
        let outcome = match &self.usage {
            Some(usage) => {
                let record = Record::new(RequestId::now(), "moonrelay".to_owned(), Api::ChatCompletions);
                self.searcher.search_recorded(query, record, |record| usage.record(record)).await
            }
            None => self.searcher.search(query).await,
        };
        match tool::render_outcome(&outcome) {
            (text, false) => Ok(text),
            (text, true) => Err(text),
        }
    }
}

impl Tool for WebSearchTool {
    fn definition(&self) -> Value {
        tool::definition()
    }

    fn call<'a>(&'a self, arguments: &'a Value) -> ToolFuture<'a> {
        Box::pin(self.search(arguments))
    }
}
