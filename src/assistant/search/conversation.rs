//! The conversation with Moonshot: up to three requests for one search.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use tokio::time::timeout;

use super::answer::{ConversationState, NextStep, ParsedAnswer, parse_answer};
use super::result::SearchUsage;
use super::result::{SearchFailure, SearchFailureKind};
use super::search_config::SearchConfig;
use super::search_config::{initial_messages, render_body};
use crate::catalog::AdapterId;
use crate::config::settings::ProviderKey;
use crate::failure::{Failure, Reason};
use crate::protocol::object::ObjectView;
use crate::provider::classify::{Classifier, ProviderError};
use crate::upstream::{
    Connector, UpstreamRequest, UpstreamResponse, parse_retry_after, read_body, read_capped_body,
};

/// A model that still searches after that will not answer.
const MAX_ROUNDS: usize = 3;
/// Of an answer, in bytes; a long one has a few ten thousand.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// The maximum size of an error body in bytes, and how long to wait for its remainder.
const MAX_ERROR_BYTES: usize = 64 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// How far a search has come; it is seen also when the search is dropped.
#[derive(Default)]
pub(super) struct SearchProgress(Mutex<ProgressState>);

/// What was seen of it.
#[derive(Clone, Default)]
pub(super) struct ProgressState {
    /// The model of the last request; empty if no request was sent.
    pub(super) model: String,
    pub(super) usage: SearchUsage,
}

impl SearchProgress {
    pub(super) fn lock_state(&self) -> MutexGuard<'_, ProgressState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is based on the web.
pub(super) struct GroundedAnswer {
    pub(super) content: String,
    pub(super) citations: Vec<String>,
}

/// One search.
pub(super) struct SearchConversation<'a> {
    pub(super) connector: &'a dyn Connector,
    pub(super) config: &'a SearchConfig,
    pub(super) query: &'a str,
    pub(super) progress: &'a SearchProgress,
}

/// Why the rounds with one key and one model ended.
enum RoundError {
    Upstream(Failure),
    Other(SearchFailure),
}

impl From<Failure> for RoundError {
    fn from(failure: Failure) -> Self {
        Self::Upstream(failure)
    }
}

impl SearchConversation<'_> {
    /// Tries each key until one is accepted, and the successor if the model no longer exists. Nothing else is
    /// retried: a round may have been paid for, so the caller decides whether to retry.
    pub(super) async fn run(&self) -> Result<GroundedAnswer, SearchFailure> {
        let limit = self.config.total_timeout();
        match timeout(limit, self.try_keys()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(timeout_failure(limit, "the search")),
        }
    }

    async fn try_keys(&self) -> Result<GroundedAnswer, SearchFailure> {
        let mut refused: Vec<&ProviderKey> = Vec::new();
        let mut model = self.config.settings.model.as_str();
        let keys = self.config.keys()?;
        let mut last = Failure::new(Reason::Auth, "no key was tried");
        for key in keys {
            let mut end = self.run_rounds(key, model).await;
            if let Err(RoundError::Upstream(failure)) = &end
                && failure.reason == Reason::ModelNotFound
                && let Some(successor) = self.config.successor(model)
            {
                tracing::debug!("{model} is not available for web search: using {successor}");
                model = successor;
                end = self.run_rounds(key, model).await;
            }
            match end {
                Ok(grounded) => return Ok(grounded),
                Err(RoundError::Upstream(failure)) if failure.reason == Reason::Auth => {
                    refused.push(key);
                    last = failure;
                }
                Err(RoundError::Upstream(failure)) => return Err(self.to_search_failure(failure, model)),
                Err(RoundError::Other(failure)) => return Err(failure),
            }
        }
        Err(self.config.keys_rejected_failure(&refused, last))
    }

    fn to_search_failure(&self, failure: Failure, model: &str) -> SearchFailure {
        let mut message = format!("{}: {}", self.config.reference(model), failure.message);
        if failure.reason == Reason::ModelNotFound {
            message
                .push_str("; plugins.entries.moonshot.config.webSearch.model names the model that searches");
        }
        SearchFailure::from_failure(failure, message)
    }

    async fn run_rounds(&self, key: &ProviderKey, model: &str) -> Result<GroundedAnswer, RoundError> {
        model.clone_into(&mut self.progress.lock_state().model);
        let thinking = self.config.model(model).thinking_control;
        let (mut messages, mut memory) =
            (initial_messages(self.query), ConversationState::for_model(thinking));
        let mut searches = 0;
        for _ in 0..MAX_ROUNDS {
            let answered = self.send_round(key, render_body(model, thinking, &messages));
            let limit = self.config.settings.timeout;
            let answer = timeout(limit, answered)
                .await
                .map_err(|_| RoundError::Other(timeout_failure(limit, "the model")))??;
            let ParsedAnswer { step, usage, searches: more } = parse_answer(&answer, &mut memory)
                .ok_or_else(|| Failure::new(Reason::Server, "unexpected response"))?;
            searches += more;
            self.progress.lock_state().usage.add(usage, more);
            match step {
                NextStep::Continue(more) => messages.extend(more),
                NextStep::Answer(content) => {
                    return require_grounding(content, searches, memory).map_err(RoundError::Other);
                }
                NextStep::Empty(finish) => return Err(RoundError::Other(self.nothing(searches, &finish))),
            }
        }
        let message = format!(
            "the model searched, but returned no answer within {MAX_ROUNDS} rounds: ask a narrower question"
        );
        Err(RoundError::Other(SearchFailure::new(SearchFailureKind::NoAnswer, message)))
    }

    /// One request, and the body of its 200.
    async fn send_round(&self, key: &ProviderKey, body: Vec<u8>) -> Result<bytes::Bytes, Failure> {
        let call = UpstreamRequest {
            method: Method::POST,
            url: format!("{}/chat/completions", self.config.settings.base_url).into(),
            headers: request_headers(key)?,
            body: vec![body.into()],
        };
        let UpstreamResponse { status, headers, body } = self.connector.send(call).await?;
        let now = SystemTime::now();
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let refused = |body: &[u8]| {
            let retry_after = parse_retry_after(&headers, now);
            let refused =
                ProviderError { status: status.as_u16(), content_type, retry_after, received_at: now, body };
            Classifier::new(AdapterId::Moonshot, self.config.redactor()).classify(&refused)
        };
        if !status.is_success() {
            return Err(refused(
                &read_capped_body(&headers, body, MAX_ERROR_BYTES, ERROR_BODY_TIMEOUT).await,
            ));
        }
        let body = read_body(body, MAX_ANSWER_BYTES).await?;
        let is_error = ObjectView::parse(&body).is_none_or(|top| top.value("error").is_some());
        if is_error { Err(refused(&body)) } else { Ok(body) }
    }

    fn nothing(&self, searches: u64, finish: &str) -> SearchFailure {
        let did = if searches > 0 { "searched, but returned no answer" } else { "returned nothing" };
        let why = match finish {
            "" => "its answer was empty".to_owned(),
            finish => {
                format!("its answer was empty (finish_reason {})", self.config.redactor().redact(finish))
            }
        };
        SearchFailure::new(
            SearchFailureKind::NoAnswer,
            format!("the model {did}: {why}; try again, or ask a narrower question"),
        )
    }
}

fn request_headers(key: &ProviderKey) -> Result<HeaderMap, Failure> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.secret.expose())).map_err(|_| {
        Failure::new(Reason::Auth, "the key contains characters that no HTTP header can carry")
    })?;
    bearer.set_sensitive(true);
    let json = HeaderValue::from_static("application/json");
    let agent = HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION")));
    Ok([(AUTHORIZATION, bearer), (CONTENT_TYPE, json.clone()), (ACCEPT, json), (USER_AGENT, agent)]
        .into_iter()
        .collect())
}

/// An answer counts only if a search was run for it. If the searches report no addresses (Moonshot's arguments
/// contain an id instead), the addresses named in the answer are its citations.
fn require_grounding(
    content: String,
    searches: u64,
    memory: ConversationState,
) -> Result<GroundedAnswer, SearchFailure> {
    let mut citations = memory.citations;
    if searches == 0 && citations.is_empty() {
        let message = "the model answered from memory without searching, so the answer is discarded. Ask a more precise question";
        return Err(SearchFailure::new(SearchFailureKind::Ungrounded, message));
    }
    if citations.is_empty() {
        citations.add_from_text(&content);
    }
    Ok(GroundedAnswer { content, citations: citations.into_urls() })
}

fn timeout_failure(limit: Duration, who: &str) -> SearchFailure {
    let message = format!(
        "{who} did not finish within {} s (plugins.entries.moonshot.config.webSearch.timeoutSeconds is for one \
         request; a whole search has twice that)",
        limit.as_secs()
    );
    SearchFailure::from_failure(Failure::new(Reason::Timeout, message.clone()), message)
}
