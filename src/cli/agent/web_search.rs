//! The web's search as a tool of a turn.

use std::sync::Arc;

use serde_json::Value;

use crate::assistant::search::{Searcher, tool};
use crate::assistant::tools::{Tool, ToolFuture};
use crate::config::settings::Settings;
use crate::protocol::api::Api;
use crate::record::{Record, RequestId};
use crate::upstream::Connector;
use crate::upstream::gateway_client::GatewayAddress;
use crate::usage::UsageStore;

/// See the module.
pub(super) struct WebSearchTool {
    searcher: Searcher,
    /// Where the searches of a turn in this process are noted.
    usage: Option<Arc<UsageStore>>,
}

impl WebSearchTool {
    pub(super) fn new(
        settings: &Settings,
        connector: Arc<dyn Connector>,
        ledger: Option<Arc<UsageStore>>,
    ) -> Self {
        let mut searcher = Searcher::new(connector, settings);
        if ledger.is_none() {
            let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
            searcher = searcher.with_gateway(address, settings);
        }
        Self { searcher, usage: ledger }
    }

    async fn search(&self, arguments: &Value) -> Result<String, String> {
        let query = tool::parse_query(arguments)?;
        let outcome = match &self.usage {
            Some(ledger) => {
                let record = Record::new(RequestId::now(), "moonrelay".to_owned(), Api::ChatCompletions);
                self.searcher.search_recorded(query, record, |record| ledger.record(record)).await
            }
            // What it cost stands in the gateway's ledger.
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
