//! Parts of a response: the headers of each provider, and bodies whose steps a fault can choose.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use serde_json::Value;
use tokio::time::{Sleep, sleep};

use crate::error_response::ErrorResponse;
use crate::provider::{Api, Provider};
use crate::request_log::InFlightRequest;
use crate::usage::PendingUsage;

/// The media types of an answer, of a stream, and of an edge's error page.
pub(super) const JSON: &str = "application/json; charset=utf-8";
pub(super) const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// A whole response, before faults change its delivery.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Writes a provider's responses to one request.
#[derive(Clone)]
pub(super) struct ReplyWriter {
    pub(super) provider: Provider,
    pub(super) api: Api,
    /// The id of the answer.
    pub(super) id: String,
}

impl ReplyWriter {
    pub(super) fn json(&self, value: Value) -> Reply {
        Reply { status: 200, headers: self.headers(JSON), body: value.to_string().into() }
    }

    pub(super) fn html(&self, status: u16, title: &str, text: &str) -> Reply {
        let body = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<p>{text}</p>\r\n</body>\r\n</html>\r\n"
        );
        Reply { status, headers: self.headers(HTML), body: body.into() }
    }

    pub(super) fn error_body(&self, error: &ErrorResponse) -> Value {
        error.body(self.provider, self.api, &self.id)
    }

    pub(super) fn error(&self, error: &ErrorResponse) -> Reply {
        let mut headers = self.headers(JSON);
        if let Some(seconds) = error.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            if self.provider == Provider::Moonshot {
                headers.insert(HeaderName::from_static("x-retry-after"), HeaderValue::from(seconds));
            }
        }
        if self.provider == Provider::OpenRouter && error.status == 429 {
            set_header(&mut headers, "x-ratelimit-limit", "20");
            set_header(&mut headers, "x-ratelimit-remaining", "0");
            set_header(&mut headers, "x-ratelimit-reset", "1795255200000");
        }
        Reply { status: error.status, headers, body: self.error_body(error).to_string().into() }
    }

    /// The headers of an answer, as observed on live ones.
    pub(super) fn headers(&self, content_type: &str) -> HeaderMap {
        let id = self.id.as_str();
        let own: &[(&'static str, &str)] = match self.provider {
            Provider::Moonshot => &[
                ("msh-request-id", id),
                ("x-msh-trace-id", id),
                ("msh-trace-mode", "on"),
                ("msh-org-id", "org-5f1e0c2b9a7d4e3f8b6a1c0d"),
                ("msh-uid", "cq8simulated0uid0000"),
                ("msh-project-id", "proj-77c1d2e3f4a5b6c7d8e9f0a1"),
                ("msh-gid", "enterprise-tier-1"),
                ("msh-context-cache-token-saved", "0"),
                ("server-timing", "inner; dur=12"),
            ],
            Provider::Kimi => &[("x-trace-id", id), ("msh-request-id", id)],
            Provider::OpenRouter => &[("x-generation-id", id)],
            Provider::Anthropic => &[("request-id", id), ("anthropic-organization-id", "5f1e0c2b-simulated")],
            Provider::OpenAi => &[
                ("x-request-id", id),
                ("openai-organization", "simulated"),
                ("openai-version", "2020-10-01"),
            ],
        };
        let mut headers = HeaderMap::new();
        set_header(&mut headers, "content-type", content_type);
        set_header(&mut headers, "cf-ray", "8f2e1d0c9b8a7f6e-FRA");
        let cookie = "__cf_bm=simulated.1795255200-1.0; path=/; HttpOnly; Secure; SameSite=None";
        set_header(&mut headers, "set-cookie", cookie);
        own.iter().for_each(|(name, value)| set_header(&mut headers, name, value));
        headers
    }
}

/// Sets a header; an invalid value is left out.
pub(super) fn set_header(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// What a body does next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum BodyStep {
    /// Bytes, one chunk of the wire's encoding.
    Bytes(Bytes),
    /// Flush what was written so far before anything else.
    Flush,
    /// Wait.
    Pause(Duration),
    /// Send nothing more and keep the connection open.
    Hang,
    /// Close the connection with RST.
    Reset,
}

/// Whether the connection's socket is closed with RST. Read when the socket is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct ResetFlag(Arc<AtomicBool>);

impl ResetFlag {
    /// Requests the reset.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was ordered.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body. Dropping it before its last byte was taken counts as a client disconnect.
pub(super) struct ScriptedBody {
    steps: VecDeque<BodyStep>,
    pause: Option<Pin<Box<Sleep>>>,
    /// Dropped before `log_entry`: code that waits for the end then finds the usage counted.
    usage_entry: Option<PendingUsage>,
    log_entry: Option<InFlightRequest>,
    reset: ResetFlag,
}

impl ScriptedBody {
    /// A body of these steps, with the entry of the request if it is recorded.
    pub(super) fn new(steps: Vec<BodyStep>, log_entry: Option<InFlightRequest>, reset: ResetFlag) -> Self {
        Self { steps: steps.into(), pause: None, log_entry, usage_entry: None, reset }
    }

    /// The same, of an answer whose usage is counted.
    pub(super) fn with_usage(self, usage: PendingUsage) -> Self {
        Self { usage_entry: Some(usage), ..self }
    }

    fn finish(&mut self) {
        self.usage_entry = None;
        if let Some(log_entry) = self.log_entry.take() {
            log_entry.finish();
        }
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let script = &mut *self;
        loop {
            if let Some(pause) = &mut script.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                script.pause = None;
            }
            match script.steps.pop_front() {
                None => {
                    script.finish();
                    return Poll::Ready(None);
                }
                Some(BodyStep::Bytes(bytes)) => {
                    if let Some(answer) = &mut script.usage_entry {
                        answer.add_sent_bytes(bytes.len());
                    }
                    // hyper does not poll again after the last byte of a body whose length it knows.
                    if script.steps.iter().all(|step| *step == BodyStep::Flush) {
                        script.finish();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(BodyStep::Flush) => {
                    // hyper flushes whenever a body has nothing for it.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(BodyStep::Pause(time)) => script.pause = Some(Box::pin(sleep(time))),
                Some(BodyStep::Hang) => {
                    script.steps.push_front(BodyStep::Hang);
                    return Poll::Pending;
                }
                Some(BodyStep::Reset) => {
                    script.finish();
                    script.reset.set();
                    return Poll::Ready(Some(Err(io::Error::other("a fault resets the connection here"))));
                }
            }
        }
    }
}

/// The default wait of a query, in milliseconds.
const DEFAULT_WAIT_MILLIS: u64 = 10_000;

/// An answer in JSON that no fault touches.
pub(crate) fn json_response(status: u16, value: &Value) -> Response<ScriptedBody> {
    let text = Bytes::from(format!("{value}\n"));
    let length = text.len();
    let mut response =
        Response::new(ScriptedBody::new(vec![BodyStep::Bytes(text)], None, ResetFlag::default()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// The part of a path after the question mark.
pub(crate) struct Query<'a>(pub(crate) &'a str);

impl Query<'_> {
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.text(key)?.parse().ok()
    }

    pub(crate) fn limit(&self) -> Duration {
        Duration::from_millis(self.number("timeoutMs").unwrap_or(DEFAULT_WAIT_MILLIS))
    }
}
