//! Runs web searches.

use std::sync::Arc;
use std::time::Instant;

use super::cache::{CacheKey, SearchCache};
use super::conversation::{SearchConversation, SearchProgress};
use super::failure::{SearchFailure, SearchFailureKind};
use super::recorder::SearchRecorder;
use super::remote::{RemoteOutcome, RemoteSearch};
use super::request::MAX_QUERY_BYTES;
use super::result::SearchResult;
use super::search_config::SearchConfig;
use crate::config::settings::Settings;
use crate::record::Record;
use crate::upstream::Connector;
use crate::upstream::gateway_client::GatewayAddress;

/// Searches with the given settings. Opens nothing before the first search.
pub struct Searcher {
    connector: Arc<dyn Connector>,
    cache: Arc<SearchCache>,
    config: SearchConfig,
    remote: Option<RemoteSearch>,
}

impl Searcher {
    /// With a cache of its own.
    #[must_use]
    pub fn new(connector: Arc<dyn Connector>, settings: &Settings) -> Self {
        Self::with_cache(Arc::default(), connector, settings)
    }

    /// With this cache, which outlives the settings.
    #[must_use]
    pub fn with_cache(cache: Arc<SearchCache>, connector: Arc<dyn Connector>, settings: &Settings) -> Self {
        Self { connector, cache, config: SearchConfig::from_settings(settings), remote: None }
    }

    /// Tries the gateway at this address first, if one runs there: it may have the answer cached, has the
    /// service's key, and records usage. If no gateway runs, or it has no key, this searcher searches itself.
    #[must_use]
    pub fn with_gateway(self, address: GatewayAddress, settings: &Settings) -> Self {
        Self { remote: Some(RemoteSearch::new(address, settings)), ..self }
    }

    /// `provider/model` that is tried first.
    #[must_use]
    pub fn reference(&self) -> String {
        self.config.reference(&self.config.settings.model)
    }

    /// Searches; dropping the future cancels it.
    ///
    /// # Errors
    /// When there is no answer that is based on the web.
    pub async fn search(&self, query: &str) -> Result<SearchResult, SearchFailure> {
        self.run_search(query, &SearchProgress::default()).await
    }

    /// As [`Self::search`], and reports the finished record to `sink`, also if the future is dropped. `record`
    /// is the record at the start.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn search_recorded(
        &self,
        query: &str,
        record: Record,
        sink: impl Fn(Record),
    ) -> Result<SearchResult, SearchFailure> {
        let progress = SearchProgress::default();
        let mut entry = SearchRecorder::new(record, sink, &self.config, &progress);
        let outcome = self.run_search(query, &progress).await;
        entry.finish(&outcome);
        outcome
    }

    async fn run_search(
        &self,
        query: &str,
        progress: &SearchProgress,
    ) -> Result<SearchResult, SearchFailure> {
        let (query, began) = (check_query(query)?, Instant::now());
        let search = &self.config.settings;
        let question = CacheKey {
            query: query.to_owned(),
            base_url: search.base_url.clone(),
            model: search.model.clone(),
        };
        if let Some(found) = self.cache.get(&question, began) {
            return Ok(SearchResult { duration: began.elapsed(), ..found });
        }
        let (connector, terms) = (self.connector.as_ref(), &self.config);
        if let Some(remote) = &self.remote {
            match remote.search(query, connector).await {
                RemoteOutcome::Completed(outcome) => return outcome,
                // What it lacks may be here.
                RemoteOutcome::NoKey(failure) if search.keys.is_empty() => return Err(failure),
                RemoteOutcome::NoKey(_) | RemoteOutcome::Unavailable => {}
            }
        }
        let outcome = SearchConversation { connector, config: terms, query, progress }.run().await;
        let seen = progress.lock_state().clone();
        let spent = seen.usage.with_price(terms.price(&seen.model));
        let grounded = outcome.map_err(|failure| {
            let is_asked = !seen.model.is_empty();
            let asked = is_asked.then(|| terms.reference(&seen.model));
            let spent = is_asked.then(|| Box::new(spent.clone()));
            SearchFailure { target: asked, usage: spent, ..failure }
        })?;
        let found = SearchResult {
            query: query.to_owned(),
            reference: terms.reference(&seen.model),
            content: grounded.content,
            citations: grounded.citations,
            duration: began.elapsed(),
            is_cached: false,
            usage: spent,
        };
        self.cache.insert(question, &found, Instant::now());
        Ok(found)
    }
}

/// A question, without the white space around it.
fn check_query(query: &str) -> Result<&str, SearchFailure> {
    let query = query.trim();
    let wrong = |message: String| Err(SearchFailure::new(SearchFailureKind::InvalidQuery, message));
    if query.is_empty() {
        return wrong("the query is empty: say what is to be looked up".to_owned());
    }
    if query.len() > MAX_QUERY_BYTES {
        return wrong(format!(
            "the query has {} bytes; a search takes at most {MAX_QUERY_BYTES}",
            query.len()
        ));
    }
    Ok(query)
}
