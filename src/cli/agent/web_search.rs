//! The web's search as a tool of a turn.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::agent::tools::{Called, Tool};
use crate::cli::web_search::search;
use crate::config::settings::Settings;
use crate::ledger::Ledger;
use crate::record::{Record, new_id};
use crate::search::{Found, Searcher, Spent, tool};
use crate::upstream::Connector;
use crate::wire::face::Face;

/// See the module.
pub(super) struct WebSearch {
    settings: Arc<Settings>,
    /// Of a turn in this process, and where its searches are noted.
    own: Option<(Searcher, Arc<Ledger>)>,
}

impl WebSearch {
    pub(super) fn new(
        settings: Arc<Settings>,
        connector: Arc<dyn Connector>,
        ledger: Option<Arc<Ledger>>,
    ) -> Self {
        let own = ledger.map(|ledger| (Searcher::new(connector, &settings), ledger));
        Self { settings, own }
    }

    async fn search(&self, arguments: &Value) -> Result<String, String> {
        let query = tool::query(arguments)?;
        let Some((searcher, ledger)) = &self.own else {
            let found = search(query, false, &self.settings).await;
            return match found {
                Ok(value) => Ok(tool::result(&Ok(found_in(query, &value))).0),
                Err(ending) => Err(format!("The web search failed: {}", ending.message())),
            };
        };
        let record = Record::begun(new_id(), "moonrelay".to_owned(), Face::Chat);
        let outcome = searcher.recorded(query, record, |record| ledger.note(&record)).await;
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

/// What the gateway found; what it cost stands in its own ledger.
fn found_in(query: &str, value: &Value) -> Found {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let citations = value.get("citations").and_then(Value::as_array).into_iter().flatten();
    Found {
        query: query.to_owned(),
        reference: text("model"),
        content: text("content"),
        citations: citations.filter_map(Value::as_str).map(str::to_owned).collect(),
        took: Duration::ZERO,
        cached: false,
        spent: Spent::default(),
    }
}
