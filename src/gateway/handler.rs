//! The steps for every request: first an id, then the check of its origin, then the token. After that come the
//! completions, which most requests ask for, and the routes.

use std::mem::take;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method};
use tower::ServiceExt;

use super::app_state::{AppState, Caller};
use super::error::ApiError;
use super::listener::ListenerInfo;
use super::router::{PATH_PREFIXES, build_router};
use super::server::Handler;
use super::{auth, client_api, completion, dashboard, health, origin, request_body};
use crate::protocol::api::Api;
use crate::record::RequestId;

/// The request's id in its response.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-moonrelay-request-id");
/// Anthropic's SDKs show it with their errors.
const ANTHROPIC_ID: HeaderName = HeaderName::from_static("request-id");

/// All routes, and the check that a client may use them. Clones share the same handler.
#[derive(Clone)]
pub struct GatewayHandler(Arc<Inner>);

struct Inner {
    shared: Arc<AppState>,
    routes: Router,
}

impl GatewayHandler {
    /// To this gateway.
    #[must_use]
    pub fn new(shared: Arc<AppState>) -> Self {
        let routes = build_router(shared.clone());
        Self(Arc::new(Inner { shared, routes }))
    }
}

impl Handler for GatewayHandler {
    async fn handle(self, request: &mut Request, door: ListenerInfo) -> Response {
        let request_id = RequestId::now();
        let id = HeaderValue::from_bytes(&request_id.to_hex()).ok();
        let asked = completion::detect_completion_api(request.uri().path());
        let face = asked.unwrap_or_else(|| client_api::detect_api(request.uri().path(), request.headers()));
        let outcome = self.0.outcome(request, asked, door, request_id).await;
        let mut response = outcome.unwrap_or_else(|problem| {
            self.0.shared.rejections.record(request_id, &problem);
            problem.render(face, request_id)
        });
        if let Some(id) = id {
            if face == Api::Messages {
                response.headers_mut().insert(ANTHROPIC_ID, id.clone());
            }
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

impl Inner {
    /// `asked` is the API of a completion request.
    async fn outcome(
        &self,
        request: &mut Request,
        asked: Option<Api>,
        door: ListenerInfo,
        request_id: RequestId,
    ) -> Result<Response, ApiError> {
        let shared = &self.shared;
        let caller = match admit(shared, request, door, request_id) {
            Ok(caller) => caller,
            Err(problem) => return Err(reject(take(request), |_, _| problem).await),
        };
        match asked {
            Some(face) if request.method() == Method::POST => {
                return completion::handle_completion(shared, caller, face, request).await;
            }
            Some(_) => return Err(reject(take(request), ApiError::method_not_allowed).await),
            None => {}
        }
        // A query about past requests must include those whose responses are already sent. Probes do not need
        // that.
        if request.method() != Method::POST && !health::is_probe_path(request.uri().path()) {
            shared.record_queue.flush().await;
        }
        request.extensions_mut().insert(caller);
        let Ok(mut response) = self.routes.clone().oneshot(take(request)).await;
        response.extensions_mut().remove::<ApiError>().map_or(Ok(response), Err)
    }
}

/// Rejects a request without reading its body.
pub(super) async fn reject(request: Request, problem: impl FnOnce(&Method, &str) -> ApiError) -> ApiError {
    let problem = problem(request.method(), request.uri().path());
    let (head, body) = request.into_parts();
    request_body::discard(&head.headers, body).await;
    problem
}

fn admit(
    shared: &AppState,
    request: &Request,
    door: ListenerInfo,
    request_id: RequestId,
) -> Result<Caller, ApiError> {
    origin::check_origin(
        request.uri(),
        request.headers(),
        door.is_reached_by_name,
        shared.hostname.as_deref(),
    )?;
    let settings = shared.engine.settings();
    let tokens = &settings.gateway.tokens;
    // A reload can remove the token together with the public bind. A client that connected through that bind is
    // still untrusted.
    let no_token_needed = tokens.is_empty() && door.is_private;
    if no_token_needed || is_open(request.method(), request.uri().path(), settings.gateway.has_public_metrics)
    {
        return Ok(Caller { request_id, client: None });
    }
    match auth::authenticate(request.headers(), tokens) {
        Some(name) => Ok(Caller { request_id, client: Some(name.to_owned()) }),
        None => Err(ApiError::missing_token()),
    }
}

/// Probes and read-only views of the dashboard need no token, nor does Prometheus if so configured.
fn is_open(method: &Method, path: &str, public_metrics: bool) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && ((public_metrics && path == "/metrics")
            || health::is_probe_path(path)
            || dashboard::is_dashboard_path(path)
            || PATH_PREFIXES.iter().any(|prefix| path.strip_prefix(prefix) == Some("/api/hello")))
}
