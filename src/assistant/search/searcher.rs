//! Searches with the cache, the gateway or the provider, and records each search.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cache::{CacheKey, SearchCache};
use super::config::SearchConfig;
use super::conversation::{SearchConversation, SearchProgress};
use super::gateway_search::GatewaySearch;
use super::result::{SearchFailure, SearchFailureKind, SearchResult};
use crate::config::settings::Settings;
use crate::protocol::amount::Amount;
use crate::protocol::api::Api;
use crate::record::{Attempt, AttemptOutcome, Record};
use crate::upstream::Connector;
use crate::upstream::gateway_client::GatewayAddress;

/// The name by which a model calls the search, and the requested model of its records.
pub(super) const TOOL_NAME: &str = "web_search";
/// The maximum query length in bytes: a question, not a document.
const MAX_QUERY_BYTES: usize = 8 * 1024;

/// Searches with the given settings. Opens nothing before the first search.
pub struct Searcher {
    connector: Arc<dyn Connector>,
    cache: Arc<SearchCache>,
    config: SearchConfig,
    gateway: Option<GatewaySearch>,
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
        Self { connector, cache, config: SearchConfig::from_settings(settings), gateway: None }
    }

    /// Tries the gateway at this address first, if one runs there. If no gateway runs, or it has no key, this
    /// searcher searches itself.
    #[must_use]
    pub fn with_gateway(self, address: GatewayAddress, settings: &Settings) -> Self {
        Self { gateway: Some(GatewaySearch::new(address, settings)), ..self }
    }

    /// Searches; dropping the future cancels it.
    ///
    /// # Errors
    /// When there is no answer that is based on the web.
    pub async fn search(&self, query: &str) -> Result<SearchResult, SearchFailure> {
        self.run_search(query, &mut SearchProgress::default()).await
    }

    /// As [`Self::search`], and reports the finished record to `sink`, also if the future is dropped. `record`
    /// is the record at the start.
    pub async fn search_recorded(
        &self,
        query: &str,
        record: Record,
        sink: impl Fn(Record),
    ) -> Result<SearchResult, SearchFailure> {
        // The query is private to the user; the usage database stores only what was done.
        let record = Record { requested_model: TOOL_NAME.to_owned(), ..record };
        let mut recorder = SearchRecorder {
            record: Some(record),
            sink,
            config: &self.config,
            progress: SearchProgress::default(),
            started_at: Instant::now(),
            outcome: AttemptOutcome::Cancelled,
            detail: "the client went away".to_owned(),
        };
        let outcome = self.run_search(query, &mut recorder.progress).await;
        recorder.finish(&outcome);
        outcome
    }

    async fn run_search(
        &self,
        query: &str,
        progress: &mut SearchProgress,
    ) -> Result<SearchResult, SearchFailure> {
        let (query, started_at) = (check_query(query)?, Instant::now());
        let (connector, config) = (self.connector.as_ref(), &self.config);
        let settings = &config.settings;
        let key = CacheKey {
            query: query.to_owned(),
            base_url: settings.base_url.clone(),
            model: settings.model.clone(),
        };
        if let Some(found) = self.cache.get(&key, started_at) {
            return Ok(SearchResult { duration: started_at.elapsed(), ..found });
        }
        if let Some(gateway) = &self.gateway {
            match gateway.search(query, connector).await {
                // This process may have the key that the gateway lacks.
                Some(Err(failure))
                    if failure.kind == SearchFailureKind::MissingKey && !settings.keys.is_empty() => {}
                Some(outcome) => return outcome,
                None => {}
            }
        }
        let outcome = SearchConversation { connector, config, query, progress: &mut *progress }.run().await;
        let reference = config.reference(&progress.model);
        let usage = config.price(&progress.model, &progress.usage);
        let is_sent = !progress.model.is_empty();
        let target = is_sent.then(|| reference.clone());
        let (content, citations) = outcome.map_err(|failure| SearchFailure { target, ..failure })?;
        let found = SearchResult {
            query: query.to_owned(),
            reference,
            content,
            citations,
            duration: started_at.elapsed(),
            is_cached: false,
            usage,
        };
        self.cache.insert(key, &found, Instant::now());
        Ok(found)
    }
}

/// The trimmed query.
fn check_query(query: &str) -> Result<&str, SearchFailure> {
    let query = query.trim();
    let message = match query.len() {
        0 => "the query is empty: enter a question".to_owned(),
        1..=MAX_QUERY_BYTES => return Ok(query),
        length => format!("the query has {length} bytes; the limit is {MAX_QUERY_BYTES}"),
    };
    Err(SearchFailure::new(SearchFailureKind::InvalidQuery, message))
}

/// Reports to the sink on drop, whatever the outcome of the search.
struct SearchRecorder<'a, S: Fn(Record)> {
    /// `Some` until the drop.
    record: Option<Record>,
    sink: S,
    config: &'a SearchConfig,
    progress: SearchProgress,
    started_at: Instant,
    outcome: AttemptOutcome,
    detail: String,
}

impl<S: Fn(Record)> SearchRecorder<'_, S> {
    /// Records how the search ended.
    fn finish(&mut self, outcome: &Result<SearchResult, SearchFailure>) {
        let Some(record) = &mut self.record else { return };
        record.client_disconnected = false;
        match outcome {
            Ok(found) => {
                record.served_by = Some(found.reference.clone());
                record.upstream_api = (!found.is_cached).then_some(Api::ChatCompletions);
                record.time_to_first_byte = Some(self.started_at.elapsed());
                self.outcome = AttemptOutcome::Ok;
                self.detail.clear();
            }
            Err(failure) => {
                record.failure_reason = Some(failure.kind.reason());
                self.outcome = AttemptOutcome::Failed(failure.kind.reason());
                self.detail.clone_from(&failure.message);
            }
        }
    }
}

impl<S: Fn(Record)> Drop for SearchRecorder<'_, S> {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        let SearchProgress { model, usage } = &self.progress;
        record.duration = self.started_at.elapsed();
        // All rounds are one attempt: they are one search, and no fallback of each other.
        if !model.is_empty() {
            let priced = self.config.price(model, usage);
            record.usage = usage.tokens.is_nonzero().then_some(usage.tokens);
            record.attempts.push(Attempt {
                reference: self.config.reference(model),
                outcome: self.outcome,
                detail: std::mem::take(&mut self.detail),
                timeout: None,
                start_offset: Duration::ZERO,
                duration: record.duration,
                usage: record.usage,
                cost: priced.bill().filter(|bill| bill.amount > Amount::ZERO),
            });
        }
        (self.sink)(record);
    }
}
