//! The conversation with Moonshot: up to three requests for one search.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use tokio::time::timeout;

use super::answer::{Memory, Reading, Step, read};
use super::failure::{Kind, SearchFailure};
use super::request::{body, opening};
use super::spent::Spent;
use super::terms::Terms;
use crate::catalog::DialectId;
use crate::config::settings::Key;
use crate::failure::{Failure, Reason};
use crate::protocol::object::Object;
use crate::provider::classify::{Classifier, Refused};
use crate::upstream::{Call, Connector, Response, read_capped, read_whole, retry_after};

/// A model that still wants to search then will not come to an answer.
const ROUNDS: usize = 3;
/// Of an answer, in bytes; a long one has a few ten thousand.
const LARGEST: usize = 4 << 20;
/// Of a refusal, in bytes, and how long its rest is waited for.
const LARGEST_REFUSAL: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// How far a search has come; it is seen also when the search is dropped.
#[derive(Default)]
pub(super) struct Progress(Mutex<Seen>);

/// What was seen of it.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// The model that was asked last; empty where none was.
    pub(super) model: String,
    pub(super) spent: Spent,
}

impl Progress {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that rests on the web.
pub(super) struct Grounded {
    pub(super) content: String,
    pub(super) citations: Vec<String>,
}

/// One search.
pub(super) struct Asking<'a> {
    pub(super) connector: &'a dyn Connector,
    pub(super) terms: &'a Terms,
    pub(super) query: &'a str,
    pub(super) progress: &'a Progress,
}

/// Why the rounds with one key and one model ended.
enum End {
    Failed(Failure),
    Other(SearchFailure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Asking<'_> {
    /// Asks with each key until one is not refused, and the successor where the model is gone. Nothing else is tried again:
    /// a round may have been paid for, and whoever asks knows best whether to ask again.
    pub(super) async fn ask(&self) -> Result<Grounded, SearchFailure> {
        let limit = self.terms.overall();
        match timeout(limit, self.with_each_key()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(late(limit, "the search")),
        }
    }

    async fn with_each_key(&self) -> Result<Grounded, SearchFailure> {
        let mut refused: Vec<&Key> = Vec::new();
        let mut model = self.terms.search.model.as_str();
        let keys = self.terms.keys()?;
        let mut last = Failure::new(Reason::Auth, "no key was tried");
        for key in keys {
            let mut end = self.rounds(key, model).await;
            if let Err(End::Failed(failure)) = &end
                && failure.reason == Reason::ModelNotFound
                && let Some(successor) = self.terms.successor(model)
            {
                tracing::debug!("{model} cannot be had for web search: {successor} is asked instead");
                model = successor;
                end = self.rounds(key, model).await;
            }
            match end {
                Ok(grounded) => return Ok(grounded),
                Err(End::Failed(failure)) if failure.reason == Reason::Auth => {
                    refused.push(key);
                    last = failure;
                }
                Err(End::Failed(failure)) => return Err(self.failed(failure, model)),
                Err(End::Other(failure)) => return Err(failure),
            }
        }
        Err(self.terms.refused(&refused, last))
    }

    fn failed(&self, failure: Failure, model: &str) -> SearchFailure {
        let mut message = format!("{}: {}", self.terms.reference(model), failure.message);
        if failure.reason == Reason::ModelNotFound {
            message
                .push_str("; plugins.entries.moonshot.config.webSearch.model names the model that searches");
        }
        SearchFailure::of(failure, message)
    }

    async fn rounds(&self, key: &Key, model: &str) -> Result<Grounded, End> {
        model.clone_into(&mut self.progress.seen().model);
        let thinking = self.terms.facts(model).thinking;
        let (mut messages, mut memory) = (opening(self.query), Memory::of(thinking));
        let mut searches = 0;
        for _ in 0..ROUNDS {
            let answered = self.round(key, body(model, thinking, &messages));
            let limit = self.terms.search.timeout;
            let answer =
                timeout(limit, answered).await.map_err(|_| End::Other(late(limit, "the model")))??;
            let Reading { step, usage, searches: more } = read(&answer, &mut memory)
                .ok_or_else(|| Failure::new(Reason::Server, "what it answered is no answer"))?;
            searches += more;
            self.progress.seen().spent.add(usage, more);
            match step {
                Step::Again(more) => messages.extend(more),
                Step::Said(content) => return grounded(content, searches, memory).map_err(End::Other),
                Step::Nothing(finish) => return Err(End::Other(self.nothing(searches, &finish))),
            }
        }
        let message =
            format!("the model searched, but gave no answer within {ROUNDS} rounds: ask for less at once");
        Err(End::Other(SearchFailure::new(Kind::NoAnswer, message)))
    }

    /// One request, and the body of its 200.
    async fn round(&self, key: &Key, body: Vec<u8>) -> Result<bytes::Bytes, Failure> {
        let call = Call {
            method: Method::POST,
            url: format!("{}/chat/completions", self.terms.search.base_url).into(),
            headers: headers(key)?,
            body: vec![body.into()],
        };
        let Response { status, headers, body } = self.connector.send(call).await?;
        let now = SystemTime::now();
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let refused = |body: &[u8]| {
            let retry_after = retry_after(&headers, now);
            let refused = Refused { status: status.as_u16(), content_type, retry_after, now, body };
            Classifier::new(DialectId::Moonshot, self.terms.redactor()).classify(&refused)
        };
        if !status.is_success() {
            return Err(refused(&read_capped(&headers, body, LARGEST_REFUSAL, PATIENCE).await));
        }
        let body = read_whole(body, LARGEST).await?;
        let is_error = Object::read(&body).is_none_or(|top| top.value("error").is_some());
        if is_error { Err(refused(&body)) } else { Ok(body) }
    }

    fn nothing(&self, searches: u64, finish: &str) -> SearchFailure {
        let did =
            if searches > 0 { "searched, and said nothing" } else { "neither searched nor said anything" };
        let why = match finish {
            "" => "its answer was empty".to_owned(),
            finish => {
                format!("its answer was empty (finish_reason {})", self.terms.redactor().redact(finish))
            }
        };
        SearchFailure::new(Kind::NoAnswer, format!("the model {did}: {why}; ask again, or for less at once"))
    }
}

fn headers(key: &Key) -> Result<HeaderMap, Failure> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.secret.expose()))
        .map_err(|_| Failure::new(Reason::Auth, "the key holds characters that no HTTP header can carry"))?;
    bearer.set_sensitive(true);
    let json = HeaderValue::from_static("application/json");
    let agent = HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION")));
    Ok([(AUTHORIZATION, bearer), (CONTENT_TYPE, json.clone()), (ACCEPT, json), (USER_AGENT, agent)]
        .into_iter()
        .collect())
}

/// An answer counts when something was searched for it. Where the searches tell no addresses (Moonshot's arguments have an
/// id in their place), those that the answer names are its citations.
fn grounded(content: String, searches: u64, memory: Memory) -> Result<Grounded, SearchFailure> {
    let mut citations = memory.citations;
    if searches == 0 && citations.is_empty() {
        let message = "the model answered from memory: it searched nothing, so the answer is not given. Ask more precisely \
                       for what is to be looked up";
        return Err(SearchFailure::new(Kind::Ungrounded, message));
    }
    if citations.is_empty() {
        citations.of_text(&content);
    }
    Ok(Grounded { content, citations: citations.into_urls() })
}

fn late(limit: Duration, who: &str) -> SearchFailure {
    let message = format!(
        "{who} did not come to an end within {} s (plugins.entries.moonshot.config.webSearch.timeoutSeconds is for one \
         request; a whole search has twice that)",
        limit.as_secs()
    );
    SearchFailure::of(Failure::new(Reason::Timeout, message.clone()), message)
}
