//! Who searches.

use std::sync::Arc;
use std::time::Instant;

use super::cache::{Cache, Question};
use super::entry::Entry;
use super::failure::{Kind, SearchFailure};
use super::found::Found;
use super::remote::{Asked, Remote};
use super::request::LONGEST_QUERY;
use super::rounds::{Asking, Progress};
use super::terms::Terms;
use crate::config::settings::Settings;
use crate::record::Record;
use crate::upstream::Connector;
use crate::upstream::gateway::Address;

/// Searches on the terms of some settings. Opens nothing before it is asked.
pub struct Searcher {
    connector: Arc<dyn Connector>,
    cache: Arc<Cache>,
    terms: Terms,
    remote: Option<Remote>,
}

impl Searcher {
    /// With a cache of its own.
    #[must_use]
    pub fn new(connector: Arc<dyn Connector>, settings: &Settings) -> Self {
        Self::sharing(Arc::default(), connector, settings)
    }

    /// With this cache, which outlives the settings.
    #[must_use]
    pub fn sharing(cache: Arc<Cache>, connector: Arc<dyn Connector>, settings: &Settings) -> Self {
        Self { connector, cache, terms: Terms::of(settings), remote: None }
    }

    /// That asks the gateway at this address first, where one runs there: it may have the answer already, has the key that
    /// a service is given, and keeps the books. Where none runs, and where it has no key, this one searches itself.
    #[must_use]
    pub fn beside(self, address: Address, settings: &Settings) -> Self {
        Self { remote: Some(Remote::new(address, settings)), ..self }
    }

    /// `provider/model` that is asked first.
    #[must_use]
    pub fn reference(&self) -> String {
        self.terms.reference(&self.terms.search.model)
    }

    /// Searches; dropping the future cancels it.
    ///
    /// # Errors
    /// When there is no answer that rests on the web.
    pub async fn search(&self, query: &str) -> Result<Found, SearchFailure> {
        self.follow(query, &Progress::default()).await
    }

    /// The same, and `sink` is told what it was when it is over, also when it is dropped. `record` is as it began.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn recorded(
        &self,
        query: &str,
        record: Record,
        sink: impl Fn(Record),
    ) -> Result<Found, SearchFailure> {
        let progress = Progress::default();
        let mut entry = Entry::new(record, sink, &self.terms, &progress);
        let outcome = self.follow(query, &progress).await;
        entry.over(&outcome);
        outcome
    }

    async fn follow(&self, query: &str, progress: &Progress) -> Result<Found, SearchFailure> {
        let (query, began) = (checked(query)?, Instant::now());
        let search = &self.terms.search;
        let question = Question {
            query: query.to_owned(),
            base_url: search.base_url.clone(),
            model: search.model.clone(),
        };
        if let Some(found) = self.cache.get(&question, began) {
            return Ok(Found { took: began.elapsed(), ..found });
        }
        let (connector, terms) = (self.connector.as_ref(), &self.terms);
        if let Some(remote) = &self.remote {
            match remote.ask(query, connector).await {
                Asked::Answered(outcome) => return outcome,
                // What it lacks may be here.
                Asked::NoKey(failure) if search.keys.is_empty() => return Err(failure),
                Asked::NoKey(_) | Asked::Nobody => {}
            }
        }
        let outcome = Asking { connector, terms, query, progress }.ask().await;
        let seen = progress.seen().clone();
        let spent = seen.spent.at(terms.price(&seen.model));
        let grounded = outcome.map_err(|failure| {
            let is_asked = !seen.model.is_empty();
            let asked = is_asked.then(|| terms.reference(&seen.model));
            let spent = is_asked.then(|| Box::new(spent.clone()));
            SearchFailure { asked, spent, ..failure }
        })?;
        let found = Found {
            query: query.to_owned(),
            reference: terms.reference(&seen.model),
            content: grounded.content,
            citations: grounded.citations,
            took: began.elapsed(),
            cached: false,
            spent,
        };
        self.cache.put(question, &found, Instant::now());
        Ok(found)
    }
}

/// A question, without the white space around it.
fn checked(query: &str) -> Result<&str, SearchFailure> {
    let query = query.trim();
    let wrong = |message: String| Err(SearchFailure::new(Kind::InvalidQuery, message));
    if query.is_empty() {
        return wrong("the query is empty: say what is to be looked up".to_owned());
    }
    if query.len() > LONGEST_QUERY {
        return wrong(format!("the query has {} bytes; a search takes at most {LONGEST_QUERY}", query.len()));
    }
    Ok(query)
}
