//! Where `agent` and `chat` ask: through the gateway of this configuration, or in this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::note;
use super::web_search::WebSearch;
use crate::assistant::exchange::Exchange;
use crate::assistant::tools::{Tool, Tools};
use crate::cli::exit::Ending;
use crate::cli::gateway::no_key;
use crate::config::settings::Settings;
use crate::upstream::gateway::Address;
use crate::upstream::{Client, Connector};
use crate::usage::Ledger;

/// The end waits no longer for what is not written yet.
const FLUSH: Duration = Duration::from_secs(5);

/// One of the two, and what goes with it.
pub(in crate::cli) struct Place {
    settings: Arc<Settings>,
    connector: Arc<dyn Connector>,
    /// What the turns of this process cost, for `usage`.
    books: Option<Books>,
}

/// A ledger and who writes it, as a gateway has them; both may write to the same file.
struct Books {
    ledger: Arc<Ledger>,
    writing: JoinSet<()>,
}

impl Place {
    /// `is_local`: in this process, with the ledger in this state directory.
    ///
    /// # Errors
    /// In this process, where no provider has a key: exit 78.
    pub(in crate::cli) fn of(settings: Arc<Settings>, is_local: bool, state: &Path) -> Result<Self, Ending> {
        if is_local && !settings.has_target() {
            return Err(no_key(&settings));
        }
        let connector: Arc<dyn Connector> = Arc::new(Client::new(settings.failover.connect));
        let books = is_local.then(|| {
            let (ledger, writer) = Ledger::kept(Some(state), settings.usage);
            let mut writing = JoinSet::new();
            writing.spawn(writer.run());
            Books { ledger: Arc::new(ledger), writing }
        });
        Ok(Self { settings, connector, books })
    }

    /// To ask there.
    pub(in crate::cli) fn exchange(&self) -> Exchange {
        let (settings, connector) = (self.settings.clone(), self.connector.clone());
        match &self.books {
            Some(books) => {
                let ledger = books.ledger.clone();
                Exchange::local(settings, connector, Arc::new(move |record| ledger.note(record)))
            }
            None => {
                let address = Address::of(&settings.gateway.bind, settings.gateway.port);
                Exchange::gateway(settings, address, connector)
            }
        }
    }

    /// The web's search as a tool of the model: through the gateway where turns go through it, which has the key that a
    /// service is given and remembers answers; else from here.
    fn web_search(&self) -> Arc<dyn Tool> {
        let ledger = self.books.as_ref().map(|books| books.ledger.clone());
        Arc::new(WebSearch::new(&self.settings, self.connector.clone(), ledger))
    }

    /// The tools that a turn offers: a search where the configuration speaks of one, or where it `is_asked_for`.
    pub(in crate::cli) fn tools(&self, is_asked_for: bool) -> Tools {
        let tools = Tools::default();
        if is_asked_for || self.settings.web_search.is_wanted { tools.with(self.web_search()) } else { tools }
    }

    /// Writes what waits to be written.
    pub(in crate::cli) async fn finish(self) {
        let Some(Books { ledger, mut writing }) = self.books else { return };
        ledger.end();
        let in_time = tokio::time::timeout(FLUSH, writing.join_next()).await.is_ok();
        let health = ledger.health();
        if !in_time || health.queued + health.dropped > 0 {
            let why = health.trouble.unwrap_or_else(|| "it takes too long".to_owned());
            note(&format!("moonrelay: warning: what this cost is not in the ledger: {why}"));
        }
    }
}
