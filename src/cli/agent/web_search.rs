//! The web's search as a tool of a turn.

use std::sync::Arc;

use serde_json::Value;

use crate::assistant::search::{Searcher, tool};
use crate::assistant::tools::{Called, Tool};
use crate::config::settings::Settings;
use crate::protocol::face::Face;
use crate::record::{Record, RequestId};
use crate::upstream::Connector;
use crate::upstream::gateway::Address;
use crate::usage::Ledger;

/// See the module.
pub(super) struct WebSearch {
    searcher: Searcher,
    /// Where the searches of a turn in this process are noted.
    own: Option<Arc<Ledger>>,
}

impl WebSearch {
    pub(super) fn new(
        settings: &Settings,
        connector: Arc<dyn Connector>,
        ledger: Option<Arc<Ledger>>,
    ) -> Self {
        let mut searcher = Searcher::new(connector, settings);
        if ledger.is_none() {
            let address = Address::of(&settings.gateway.bind, settings.gateway.port);
            searcher = searcher.beside(address, settings);
        }
        Self { searcher, own: ledger }
    }

    async fn search(&self, arguments: &Value) -> Result<String, String> {
        let query = tool::query(arguments)?;
        let outcome = match &self.own {
            Some(ledger) => {
                let record = Record::begun(RequestId::now(), "moonrelay".to_owned(), Face::Chat);
                self.searcher.recorded(query, record, |record| ledger.note(record)).await
            }
            // What it cost stands in the gateway's ledger.
            None => self.searcher.search(query).await,
        };
        match tool::result(&outcome) {
            (text, false) => Ok(text),
            (text, true) => Err(text),
        }
    }
}

impl Tool for WebSearch {
    fn definition(&self) -> Value {
        tool::definition()
    }

    fn call<'a>(&'a self, arguments: &'a Value) -> Called<'a> {
        Box::pin(self.search(arguments))
    }
}
