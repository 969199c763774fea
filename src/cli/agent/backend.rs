//! What `agent` and `chat` call: the gateway of this configuration, or the providers from this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use crate::assistant::backend::Backend;
use crate::assistant::context::SystemPrompt;
use crate::assistant::search::Searcher;
use crate::assistant::search::tool::SearchTool;
use crate::assistant::turn::Agent;
use crate::cli::command::{CommandError, print_note};
use crate::cli::gateway::no_key_error;
use crate::config::settings::Settings;
use crate::routing::RecordSink;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::{Client, Connector};
use crate::usage::UsageStore;

/// How long the command waits at its end until the usage of its turns is written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The usage database of turns in this process, and the task that writes it. A gateway may write the same file.
pub(in crate::cli) struct LocalUsage {
    store: Arc<UsageStore>,
    writer_task: AbortOnDropHandle<()>,
}

/// An agent whose turns go through the gateway, which records their usage. If `is_local`, it calls the providers and
/// records usage in the directory `state`. It offers web search if that is configured or `is_search_requested`.
pub(in crate::cli) fn new_agent(
    settings: &Arc<Settings>,
    state: &Path,
    is_local: bool,
    is_search_requested: bool,
) -> Result<(Agent, Option<LocalUsage>), CommandError> {
    if is_local && !settings.has_target() {
        return Err(no_key_error(settings));
    }
    let connector: Arc<dyn Connector> = Arc::new(Client::new(settings.failover.connect_timeout));
    let usage = is_local.then(|| LocalUsage::open(settings, state));
    let sink = usage.as_ref().map(LocalUsage::sink);
    let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
    let mut searcher = Searcher::new(connector.clone(), settings);
    let backend = if let Some(sink) = &sink {
        Backend::new_local(settings.clone(), connector, sink.clone())
    } else {
        // The gateway has the key of the service, and a cache.
        searcher = searcher.with_gateway(address.clone(), settings);
        Backend::new_gateway(settings.clone(), address, connector)
    };
    let is_searching = is_search_requested || settings.web_search.is_configured;
    let search = is_searching.then(|| SearchTool::new(searcher, sink));
    Ok((Agent::new(backend, &load_context(settings), search), usage))
}

/// Reads the workspace's files and reports those that cannot be read.
pub(super) fn load_context(settings: &Settings) -> SystemPrompt {
    let context = SystemPrompt::from_workspace(settings.workspace.as_deref());
    for warning in &context.warnings {
        print_note(format_args!("warning: {warning}"));
    }
    context
}

impl LocalUsage {
    fn open(settings: &Settings, state: &Path) -> Self {
        let (store, writer) = UsageStore::persistent(Some(state), settings.usage);
        let writer_task = AbortOnDropHandle::new(tokio::spawn(writer.run()));
        Self { store: Arc::new(store), writer_task }
    }

    fn sink(&self) -> RecordSink {
        let store = self.store.clone();
        Arc::new(move |record| store.record(record))
    }

    /// Writes the remaining usage records.
    pub(in crate::cli) async fn finish(self) {
        self.store.close();
        let is_in_time = tokio::time::timeout(FLUSH_TIMEOUT, self.writer_task).await.is_ok();
        let health = self.store.health();
        if !is_in_time || health.queued + health.dropped > 0 {
            let why = health.last_error.unwrap_or_else(|| "writing takes too long".to_owned());
            print_note(format_args!("warning: the usage database misses the cost of this: {why}"));
        }
    }
}
