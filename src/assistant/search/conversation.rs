//! The conversation with Moonshot: up to three requests for one search.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use tokio::time::timeout;

use super::answer::{ConversationState, NextStep, ParsedAnswer, parse_answer};
use super::config::SearchConfig;
use super::result::{SearchFailure, SearchFailureKind, SearchUsage};
use crate::assistant::backend;
use crate::catalog::{AdapterId, ThinkingControl};
use crate::config::settings::ProviderKey;
use crate::failure::{Failure, Reason};
use crate::protocol::object::ObjectView;
use crate::provider::classify::{Classifier, ProviderError};
use crate::upstream::{
    Connector, UpstreamRequest, UpstreamResponse, parse_retry_after, read_body, read_capped_body,
};

/// Replaces a default model that the account does not have. Accounts created after October 2026 are said to lack the
/// older models, and by the end of 2026 no account has them (wire facts 1.2, third parties).
const SUCCESSOR_MODEL: &str = "kimi-k3.1-pro";
/// A model that still searches after these rounds will not answer.
const MAX_ROUNDS: usize = 3;
/// Of an answer, in bytes; a long one has a few ten thousand.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// The maximum size of an error body in bytes, and how long to wait for its remainder.
const MAX_ERROR_BYTES: usize = 64 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Without it a model answers from memory, and names no pages: of `$web_search` itself the caller receives only an id
/// and a number of tokens.
const INSTRUCTION: &str = "Search the web with $web_search before you answer. Answer from what you find, briefly, and give the \
                           address (URL) of each page that the answer is based on. Say so when nothing fits was found.";

/// The progress of a search, which counts also if the search is dropped.
#[derive(Default)]
pub(super) struct SearchProgress {
    /// The model of the last request; empty if no request was sent.
    pub(super) model: String,
    pub(super) usage: SearchUsage,
}

/// One search.
pub(super) struct SearchConversation<'a> {
    pub(super) connector: &'a dyn Connector,
    pub(super) config: &'a SearchConfig,
    pub(super) query: &'a str,
    pub(super) progress: &'a mut SearchProgress,
}

/// An answer that is based on the web, and its citations.
type GroundedAnswer = (String, Vec<String>);

impl SearchConversation<'_> {
    /// Tries each key until one is accepted, and the successor if the model no longer exists. Nothing else is
    /// retried: a round may have been paid for, so the caller decides whether to retry.
    pub(super) async fn run(mut self) -> Result<GroundedAnswer, SearchFailure> {
        let limit = self.config.total_timeout();
        match timeout(limit, self.try_keys()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(timeout_failure(limit, "the search")),
        }
    }

    async fn try_keys(&mut self) -> Result<GroundedAnswer, SearchFailure> {
        let settings = &self.config.settings;
        let mut model = settings.model.as_str();
        let mut rejected = SearchFailure::new(SearchFailureKind::MissingKey, "no key was tried");
        for key in self.config.keys()? {
            let mut outcome = self.run_rounds(key, model).await;
            if let Err(failure) = &outcome
                && failure.kind == SearchFailureKind::Upstream(Reason::ModelNotFound)
                && !settings.is_model_configured
                && model != SUCCESSOR_MODEL
            {
                tracing::debug!("{model} is not available for web search: using {SUCCESSOR_MODEL}");
                model = SUCCESSOR_MODEL;
                outcome = self.run_rounds(key, model).await;
            }
            match outcome {
                Err(failure) if failure.kind == SearchFailureKind::Upstream(Reason::Auth) => {
                    rejected = failure
                }
                outcome => return outcome,
            }
        }
        Err(self.config.keys_rejected_failure(rejected))
    }

    async fn run_rounds(&mut self, key: &ProviderKey, model: &str) -> Result<GroundedAnswer, SearchFailure> {
        model.clone_into(&mut self.progress.model);
        let thinking = self.config.model(model).thinking_control;
        let mut state = ConversationState::for_model(thinking);
        let mut messages: Vec<Bytes> = [("system", INSTRUCTION), ("user", self.query)]
            .map(|(role, content)| json!({ "role": role, "content": content }).to_string().into())
            .into();
        let limit = self.config.settings.timeout;
        for _ in 0..MAX_ROUNDS {
            let round = self.send_round(key, render_body(model, thinking, &messages));
            let body = timeout(limit, round).await.map_err(|_| timeout_failure(limit, "the model"))?;
            let answer = body.and_then(|body| {
                parse_answer(&body, &mut state)
                    .ok_or_else(|| Failure::new(Reason::Server, "unexpected response"))
            });
            let ParsedAnswer { step, usage, searches } =
                answer.map_err(|failure| self.upstream_failure(failure, model))?;
            self.progress.usage.add(usage, searches);
            match step {
                NextStep::Continue(more) => messages.extend(more),
                NextStep::Answer(content) => return require_grounding(content, state),
                NextStep::Empty(finish_reason) => return Err(self.empty_failure(&state, &finish_reason)),
            }
        }
        let message = format!(
            "the model searched, but returned no answer within {MAX_ROUNDS} rounds: ask a narrower question"
        );
        Err(SearchFailure::new(SearchFailureKind::NoAnswer, message))
    }

    fn upstream_failure(&self, failure: Failure, model: &str) -> SearchFailure {
        let mut message = format!("{}: {}", self.config.reference(model), failure.message);
        if failure.reason == Reason::ModelNotFound {
            message
                .push_str("; plugins.entries.moonshot.config.webSearch.model names the model that searches");
        }
        SearchFailure::from_failure(failure, message)
    }

    /// One request, and the body of its 200.
    async fn send_round(&self, key: &ProviderKey, body: Bytes) -> Result<Bytes, Failure> {
        let call = UpstreamRequest {
            method: Method::POST,
            url: format!("{}/chat/completions", self.config.settings.base_url).into(),
            headers: request_headers(key)?,
            body: vec![body],
        };
        let UpstreamResponse { status, headers, body } = self.connector.send(call).await?;
        let now = SystemTime::now();
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let classify = |body: &[u8]| {
            let retry_after = parse_retry_after(&headers, now);
            let error =
                ProviderError { status: status.as_u16(), content_type, retry_after, received_at: now, body };
            Classifier::new(AdapterId::Moonshot, self.config.redactor()).classify(&error)
        };
        if !status.is_success() {
            let body = read_capped_body(&headers, body, MAX_ERROR_BYTES, ERROR_BODY_TIMEOUT).await;
            return Err(classify(&body));
        }
        let body = read_body(body, MAX_ANSWER_BYTES).await?;
        let is_error = ObjectView::parse(&body).is_none_or(|top| top.value("error").is_some());
        if is_error { Err(classify(&body)) } else { Ok(body) }
    }

    fn empty_failure(&self, state: &ConversationState, finish_reason: &str) -> SearchFailure {
        let did = if state.searches > 0 { "searched, but returned no answer" } else { "returned nothing" };
        let reason = match finish_reason {
            "" => String::new(),
            reason => format!(" (finish_reason {})", self.config.redactor().redact(reason)),
        };
        SearchFailure::new(
            SearchFailureKind::NoAnswer,
            format!("the model {did}: its answer was empty{reason}; try again, or ask a narrower question"),
        )
    }
}

/// The body of a request to this model.
///
/// `$web_search` and thinking exclude each other on models whose thinking can be switched off (Moonshot's guide
/// to web search, 2026-09), so thinking is switched off for them. Models that take an effort get the lowest
/// one; others get no setting.
fn render_body(model: &str, thinking: ThinkingControl, messages: &[Bytes]) -> Bytes {
    // Moonshot runs this builtin; it has no parameters to declare.
    let tool = json!({ "type": "builtin_function", "function": { "name": "$web_search" } });
    let mut body = json!({ "model": model, "tools": [tool], "stream": false });
    match thinking {
        ThinkingControl::Switch => body["thinking"] = json!({ "type": "disabled" }),
        ThinkingControl::Effort => body["reasoning_effort"] = "low".into(),
        ThinkingControl::None | ThinkingControl::Always | ThinkingControl::Unknown => {}
    }
    // The messages are sent as the model wrote them.
    let body = body.to_string();
    let open = body.strip_suffix('}').unwrap_or_default().as_bytes();
    [open, b",\"messages\":[", &messages.join(&b','), b"]}"].concat().into()
}

fn request_headers(key: &ProviderKey) -> Result<HeaderMap, Failure> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.secret.expose())).map_err(|_| {
        Failure::new(Reason::Auth, "the key contains characters that no HTTP header can carry")
    })?;
    bearer.set_sensitive(true);
    let json = HeaderValue::from_static("application/json");
    Ok(HeaderMap::from_iter([
        (AUTHORIZATION, bearer),
        (CONTENT_TYPE, json.clone()),
        (ACCEPT, json),
        (USER_AGENT, HeaderValue::from_static(backend::USER_AGENT)),
    ]))
}

/// An answer counts only if a search was run for it. If the searches report no addresses (Moonshot's arguments
/// contain an id instead), the addresses named in the answer are its citations.
fn require_grounding(content: String, state: ConversationState) -> Result<GroundedAnswer, SearchFailure> {
    let mut citations = state.citations;
    if state.searches == 0 && citations.0.is_empty() {
        let message = "the model answered from memory without searching, so the answer is discarded. Ask a more precise question";
        return Err(SearchFailure::new(SearchFailureKind::Ungrounded, message));
    }
    if citations.0.is_empty() {
        citations.add_from_text(&content);
    }
    Ok((content, citations.0))
}

fn timeout_failure(limit: Duration, who: &str) -> SearchFailure {
    let message = format!(
        "{who} did not finish within {} s (plugins.entries.moonshot.config.webSearch.timeoutSeconds is for one \
         request; a whole search has twice that)",
        limit.as_secs()
    );
    SearchFailure::from_failure(Failure::new(Reason::Timeout, message.clone()), message)
}
