//! Searches with the cache, the gateway or the provider, and records each search.

use std::sync::Arc;
use std::time::Instant;

use crate::assistant::search::cache::{CacheKey, SearchCache};
use crate::assistant::search::conversation::{SearchConversation, SearchProgress};
use crate::assistant::search::remote::{RemoteOutcome, RemoteSearch};
use crate::assistant::search::result::SearchResult;
use crate::assistant::search::result::{SearchFailure, SearchFailureKind};
use crate::assistant::search::search_config::MAX_QUERY_BYTES;
use crate::assistant::search::search_config::SearchConfig;
use crate::assistant::search::tool;
use crate::config::settings::Settings;
use crate::protocol::api::Api;
use crate::record::{Attempt, AttemptOutcome, Record};
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
            let target = is_asked.then(|| terms.reference(&seen.model));
            let spent = is_asked.then(|| Box::new(spent.clone()));
            SearchFailure { target, usage: spent, ..failure }
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
        return wrong("the query is empty: enter a question".to_owned());
    }
    if query.len() > MAX_QUERY_BYTES {
        return wrong(format!("the query has {} bytes; the limit is {MAX_QUERY_BYTES}", query.len()));
    }
    Ok(query)
}

/// Reports to the sink on drop, whatever the outcome of the search.
pub(super) struct SearchRecorder<'a, S: Fn(Record)> {
    record: Option<Record>,
    sink: S,
    config: &'a SearchConfig,
    progress: &'a SearchProgress,
    started_at: Instant,
    outcome: AttemptOutcome,
    detail: String,
}

impl<'a, S: Fn(Record)> SearchRecorder<'a, S> {
    pub(super) fn new(
        record: Record,
        sink: S,
        config: &'a SearchConfig,
        progress: &'a SearchProgress,
    ) -> Self {
        // The query is private to the user; the usage database stores only what was done.
        let record = Record { requested_model: tool::NAME.to_owned(), ..record };
        let detail = "the client went away".to_owned();
        let (outcome, started_at) = (AttemptOutcome::Cancelled, Instant::now());
        Self { record: Some(record), sink, config, progress, started_at, outcome, detail }
    }

    /// It has come to its end.
    pub(super) fn finish(&mut self, outcome: &Result<SearchResult, SearchFailure>) {
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
        let seen = self.progress.lock_state().clone();
        let took = self.started_at.elapsed();
        record.duration = took;
        // All rounds are one attempt: they are one search, and no fallback of each other.
        if !seen.model.is_empty() {
            let spent = seen.usage.with_price(self.config.price(&seen.model));
            let usage = spent.tokens.is_nonzero().then_some(spent.tokens);
            record.usage = usage;
            record.attempts.push(Attempt {
                reference: self.config.reference(&seen.model),
                outcome: self.outcome,
                detail: std::mem::take(&mut self.detail),
                timeout: None,
                start_offset: std::time::Duration::ZERO,
                duration: took,
                usage,
                cost: spent.bill().filter(|bill| bill.amount > crate::protocol::amount::Amount::ZERO),
            });
        }
        (self.sink)(record);
    }
}
