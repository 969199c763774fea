//! Errors as a client sees them: the status, and a body in the shape that the API's own SDK parses.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, UPGRADE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::client_checks::OriginError;
use super::request_body::BodyError;
use super::response::{insert_answer_headers, new_attempt};
use crate::assistant::search::{SearchFailure, SearchFailureKind};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::error::ErrorBody;
use crate::record::{Attempt, AttemptOutcome, RequestId, SkipReason, summarize_attempts};
use crate::routing::RequestError;

/// Instructs the SDKs not to retry what the gateway has already retried.
const SHOULD_RETRY_HEADER: HeaderName = HeaderName::from_static("x-should-retry");

/// For conditions that end with the next completed response. An SDK that waits this long causes no pressure.
pub(super) const RETRY_SECONDS: u64 = 1;

/// An error response. A handler returns it as its response; [`ApiError::render`] gives it a shape that the
/// client can parse.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    error_type: String,
    code: &'static str,
    param: Option<&'static str>,
    message: String,
    attempts: Vec<Attempt>,
    /// Whether the gateway has tried everything it could, so that the same request would fail again.
    is_exhausted: bool,
    retry_after: Option<u64>,
    header: Option<(HeaderName, HeaderValue)>,
    /// The engine has already recorded the outcome of the request.
    is_recorded: bool,
}

impl ApiError {
    fn new(status: StatusCode, kind: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            error_type: kind.to_owned(),
            code,
            param: None,
            message: message.into(),
            attempts: Vec::new(),
            is_exhausted: true,
            retry_after: None,
            header: None,
            is_recorded: false,
        }
    }

    /// Creates an error for a request whose outcome the engine has already recorded.
    pub(super) fn from_recorded(error: RequestError) -> Self {
        Self { is_recorded: true, ..Self::from(error) }
    }

    pub(super) const fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// Whether the client lacks permission.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }

    /// The gateway's own error code.
    pub(super) const fn code(&self) -> &'static str {
        self.code
    }

    /// The message for people.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    fn invalid(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", code, message)
    }

    /// `param` is the invalid member of the body or query.
    fn bad_request(code: &'static str, param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { param, ..Self::invalid(StatusCode::BAD_REQUEST, code, message) }
    }

    pub(super) fn route_not_found(method: &Method, path: &str) -> Self {
        let hint = if path.contains("/v1/v1/") {
            "the client adds /v1 itself: remove /v1 from its base URL"
        } else if path.split('/').any(|segment| segment == "v1") {
            "available: POST /v1/chat/completions, /v1/responses, /v1/messages and /v1/search"
        } else {
            "the routes are under /v1: add /v1 to the client's base URL"
        };
        let message = format!("unknown route: {method} {path}; {hint}");
        Self::invalid(StatusCode::NOT_FOUND, "no_route", message)
    }

    pub(super) fn method_not_allowed(method: &Method, path: &str) -> Self {
        let allowed = allowed_methods(path);
        let message = format!("{path} does not support {method}; use {allowed}");
        let error = Self::invalid(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", message);
        Self { header: Some((ALLOW, HeaderValue::from_static(allowed))), ..error }
    }

    /// The error for a WebSocket at the Responses API. Codex continues over HTTP at once after 426, and after five attempts
    /// after another status (openai/codex#10824).
    pub(super) fn no_websocket() -> Self {
        let message = "the Responses API has no WebSocket here: use POST /v1/responses";
        let error = Self::invalid(StatusCode::UPGRADE_REQUIRED, "no_websocket", message);
        Self { header: Some((UPGRADE, HeaderValue::from_static("HTTP/1.1"))), ..error }
    }

    /// The error for a response that the gateway would have to store.
    pub(super) fn response_not_stored() -> Self {
        let message = "responses are not stored, so they cannot be fetched, deleted or cancelled: use the answer of \
                       POST /v1/responses, and close its connection to cancel it";
        Self::invalid(StatusCode::NOT_FOUND, "not_kept", message)
    }

    /// The request does not exist or is no longer stored.
    pub(super) fn request_not_found(id: &str) -> Self {
        let message = format!(
            "request {id:?} is unknown: it may still be active, older than usage.retentionDays, or from another gateway"
        );
        Self::invalid(StatusCode::NOT_FOUND, "no_such_request", message)
    }

    pub(super) fn bad_query(param: &'static str, message: &str) -> Self {
        Self::bad_request("bad_query", Some(param), message)
    }

    /// An invalid body. `param` is the invalid member.
    pub(super) fn bad_body(param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self::bad_request("bad_request", param, message)
    }

    pub(super) fn bad_header(message: &str) -> Self {
        Self::bad_request("bad_header", None, message)
    }

    /// The gateway stops before a search has ended.
    pub(super) fn search_interrupted() -> Self {
        let error = Self::shutting_down("the gateway is shutting down; retry the search", Vec::new());
        Self { is_recorded: true, ..error }
    }

    pub(super) fn missing_token() -> Self {
        let message = "a client token is required: Authorization: Bearer TOKEN or x-api-key: TOKEN";
        let challenge = HeaderValue::from_static("Bearer realm=\"moonrelay\"");
        let error = Self::new(StatusCode::UNAUTHORIZED, "authentication_error", "invalid_api_key", message);
        Self { header: Some((WWW_AUTHENTICATE, challenge)), ..error }
    }

    /// A bug in the gateway.
    pub(super) fn internal(message: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "broken", message)
    }

    fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", code, message)
    }

    /// The next process can answer.
    fn shutting_down(message: impl Into<String>, attempts: Vec<Attempt>) -> Self {
        let error = Self::unavailable("stopping", message);
        Self { attempts, is_exhausted: false, retry_after: Some(RETRY_SECONDS), ..error }
    }
}

impl From<OriginError> for ApiError {
    fn from(error: OriginError) -> Self {
        match error {
            OriginError::InvalidHost(why) => Self::bad_request("bad_host", None, why),
            OriginError::Forbidden(why) => {
                Self::new(StatusCode::FORBIDDEN, "permission_error", "refused_origin", why)
            }
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(limit) => {
                let why = format!("the body has more than {limit} bytes (gateway.bodyLimitMiB)");
                Self::invalid(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", why)
            }
            BodyError::TooSlow => {
                let why = "the body stopped arriving or was too slow";
                Self::invalid(StatusCode::REQUEST_TIMEOUT, "body_too_slow", why)
            }
            BodyError::MemoryLimit => {
                let error = Self::unavailable("out_of_room", "buffer memory limit reached; retry later");
                Self { retry_after: Some(RETRY_SECONDS), ..error }
            }
            BodyError::Interrupted => Self::bad_request("body_broken", None, "the body was interrupted"),
            BodyError::InvalidUtf8(at) => {
                Self::bad_request("malformed_json", None, format!("the body is not UTF-8 from byte {at} on"))
            }
            BodyError::UnsupportedEncoding => {
                let why = "send the body without content-encoding";
                Self::invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body_coded", why)
            }
            BodyError::ShuttingDown => {
                let why = "the gateway is shutting down and the body was not complete; retry";
                Self::shutting_down(why, Vec::new())
            }
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        let message = error.to_string();
        match error {
            RequestError::Malformed(_) => Self::bad_request("malformed_json", None, message),
            RequestError::InvalidModel => Self::bad_request("no_model", Some("model"), message),
            RequestError::UnsupportedState { param, .. } => {
                Self::bad_request("not_kept", Some(param), message)
            }
            RequestError::UnknownModel { .. } => Self {
                param: Some("model"),
                ..Self::invalid(StatusCode::NOT_FOUND, "model_not_found", message)
            },
            RequestError::ShuttingDown { attempts } => Self::shutting_down(message, attempts),
            RequestError::NoUsableTarget { attempts } => {
                let error = Self::unservable(&attempts, message);
                Self { attempts, ..error }
            }
            RequestError::AttemptsFailed { failure, attempts, .. } => {
                let code = failure.reason.as_str();
                Self { attempts, ..Self::from_failure(&failure, code, message) }
            }
        }
    }
}

impl From<SearchFailure> for ApiError {
    fn from(failed: SearchFailure) -> Self {
        let SearchFailure { kind, message, failure, target, .. } = failed;
        let code = kind.as_str();
        let outcome = AttemptOutcome::Failed(kind.reason());
        let attempt = |reference| new_attempt(reference, outcome, message.clone(), Duration::ZERO);
        let attempts: Vec<Attempt> = target.map(attempt).into_iter().collect();
        let error = match (kind, &failure) {
            (SearchFailureKind::InvalidQuery, _) => Self::bad_body(Some("query"), message),
            (SearchFailureKind::MissingKey, _) => Self::unavailable(code, message),
            (_, Some(failure)) => Self::from_failure(failure, code, message),
            (_, None) => Self::new(StatusCode::BAD_GATEWAY, "server_error", code, message),
        };
        Self {
            attempts,
            code,
            // The gateway did not retry here; the client may, where that can help.
            is_exhausted: !kind.reason().is_transient() || kind == SearchFailureKind::Ungrounded,
            is_recorded: true,
            ..error
        }
    }
}

/// The methods that a path accepts, for `Allow`.
fn allowed_methods(path: &str) -> &'static str {
    let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
    if ends(&["/chat/completions", "/responses", "/messages", "/messages/count_tokens", "/search", "/cancel"])
        || ends(&["/responses/input_tokens", "/responses/compact"])
    {
        "POST"
    } else if path.contains("/responses/") {
        "GET, HEAD, DELETE"
    } else {
        "GET, HEAD"
    }
}

/// The provider's own status where it has the same meaning. Otherwise the one that the SDKs map to the fitting
/// error.
fn choose_status(failure: &Failure) -> StatusCode {
    let own = failure.status.and_then(|status| StatusCode::from_u16(status).ok());
    let client_error = own.filter(StatusCode::is_client_error);
    match failure.reason {
        Reason::RateLimit | Reason::Quota => client_error.unwrap_or(StatusCode::TOO_MANY_REQUESTS),
        Reason::Overloaded => own.filter(|own| !own.is_success()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
        Reason::Billing => client_error.unwrap_or(StatusCode::PAYMENT_REQUIRED),
        Reason::Auth => client_error.unwrap_or(StatusCode::UNAUTHORIZED),
        Reason::ForbiddenClient => client_error.unwrap_or(StatusCode::FORBIDDEN),
        Reason::ModelNotFound => client_error.unwrap_or(StatusCode::NOT_FOUND),
        Reason::ContextOverflow | Reason::ContentFilter | Reason::BadRequest => {
            client_error.unwrap_or(StatusCode::BAD_REQUEST)
        }
        Reason::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Reason::Network | Reason::Truncated => StatusCode::BAD_GATEWAY,
        Reason::Server => own.filter(StatusCode::is_server_error).unwrap_or(StatusCode::BAD_GATEWAY),
    }
}

/// The provider's own error type, otherwise OpenAI's for the reason.
fn choose_error_type(failure: &Failure) -> &str {
    if let Some(own) = &failure.provider_error_type {
        return own;
    }
    match failure.reason {
        Reason::RateLimit | Reason::Overloaded => "rate_limit_error",
        Reason::Quota | Reason::Billing => "insufficient_quota",
        Reason::Auth => "authentication_error",
        Reason::ForbiddenClient => "permission_error",
        Reason::ModelNotFound | Reason::ContextOverflow | Reason::BadRequest => "invalid_request_error",
        Reason::ContentFilter => "content_filter",
        Reason::Timeout | Reason::Network | Reason::Truncated | Reason::Server => "server_error",
    }
}

impl ApiError {
    /// The error of a provider, as far as it has a meaning for the client.
    fn from_failure(failure: &Failure, code: &'static str, message: String) -> Self {
        let error = Self::new(choose_status(failure), choose_error_type(failure), code, message);
        Self { retry_after: failure.retry_after.map(|wait| wait.as_secs_f64().ceil() as u64), ..error }
    }

    /// No target was tried: because of the request, or because of the gateway.
    fn unservable(attempts: &[Attempt], message: String) -> Self {
        let skipped = |wanted: &[SkipReason]| {
            let is_wanted = |skip: &SkipReason| wanted.contains(skip);
            attempts
                .iter()
                .any(|attempt| matches!(&attempt.outcome, AttemptOutcome::Skipped(skip) if is_wanted(skip)))
        };
        if skipped(&[SkipReason::WindowTooSmall, SkipReason::MessagesTooLarge]) {
            Self::bad_request("context_length_exceeded", None, message)
        } else if skipped(&[SkipReason::MediaNotAccepted]) {
            Self::bad_request("media_not_accepted", None, message)
        } else if skipped(&[SkipReason::ProviderRestricted]) {
            Self::bad_request("provider_restricted", Some("provider"), message)
        } else {
            Self::unavailable("no_target", message)
        }
    }

    /// Renders the error in the shape of an API. `id` is that of the request.
    pub(super) fn render(self, api: Api, id: RequestId) -> Response {
        let (lines, id) = (summarize_attempts(&self.attempts), id.to_string());
        let body = ErrorBody {
            message: &self.message,
            kind: &self.error_type,
            code: Some(self.code),
            param: self.param,
            attempts: &lines,
            request_id: Some(&id),
            is_retryable: false,
        }
        .render_body(api);
        let kind = [(CONTENT_TYPE, "application/json")];
        let mut response = (self.status, kind, Body::from(body)).into_response();
        let headers = response.headers_mut();
        headers.extend(self.header);
        if !self.attempts.is_empty() {
            insert_answer_headers(headers, None, &self.attempts);
            if self.is_exhausted {
                headers.insert(SHOULD_RETRY_HEADER, HeaderValue::from_static("false"));
            }
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl IntoResponse for ApiError {
    /// The response carries the error itself, because only the caller that knows the request's API can render
    /// it.
    fn into_response(self) -> Response {
        (self.status, axum::Extension(self)).into_response()
    }
}
