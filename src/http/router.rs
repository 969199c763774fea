//! The routes, and what holds for every one of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderName, HeaderValue, Method};

use super::error::Problem;
use super::listener::Door;
use super::shared::{Caller, Shared};
use super::{
    auth, completion, count, dashboard, face, health, limits, metrics, models, origin, quota, requests,
    search,
};
use crate::record::new_id;
use crate::wire::face::Face;

/// The request's id on its answer.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-moonrelay-request-id");
/// Under these the same routes stand, so that a client works which lets only its host be changed.
/// They are the paths of Kimi Code, `OpenRouter` and Moonshot's Messages face.
const PREFIXES: [&str; 4] = ["", "/coding", "/api", "/anthropic"];
/// Anthropic's SDKs show it with their errors.
const ANTHROPIC_ID: HeaderName = HeaderName::from_static("request-id");

/// Every route.
pub fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new()
        .route("/health", get(health::live))
        .route("/healthz", get(health::live))
        .route("/ready", get(health::ready))
        .route("/readyz", get(health::ready))
        .route("/status", get(health::status))
        .route("/metrics", get(metrics::scrape))
        .route("/requests/{id}", get(requests::one))
        .route("/usage/quota", get(quota::told));
    for prefix in PREFIXES {
        router = router
            .route(&format!("{prefix}/api/hello"), get(health::hello))
            .route(&format!("{prefix}/v1/chat/completions"), completion::of(Face::Chat))
            .route(&format!("{prefix}/v1/responses"), completion::of(Face::Responses))
            .route(&format!("{prefix}/v1/responses/{{id}}"), get(not_kept).delete(not_kept))
            .route(&format!("{prefix}/v1/responses/{{id}}/cancel"), post(not_kept))
            .route(&format!("{prefix}/v1/responses/{{id}}/input_items"), get(not_kept))
            .route(&format!("{prefix}/v1/messages"), completion::of(Face::Messages))
            .route(&format!("{prefix}/v1/messages/count_tokens"), post(count::tokens))
            .route(&format!("{prefix}/v1/search"), post(search::answer))
            .route(&format!("{prefix}/v1/models"), get(models::list))
            .route(&format!("{prefix}/v1/models/{{*id}}"), get(models::one));
    }
    router
        .merge(dashboard::routes())
        .fallback(async |request: Request| refuse(request, Problem::no_route).await)
        .method_not_allowed_fallback(async |request: Request| refuse(request, Problem::wrong_method).await)
        .layer(middleware::from_fn_with_state(shared.clone(), gate))
        .with_state(shared)
}

/// Whatever is asked of a response that was given before.
async fn not_kept(request: Request) -> Problem {
    refuse(request, |_, _| Problem::not_kept()).await
}

/// Refuses a request without looking at its body.
async fn refuse(request: Request, problem: impl FnOnce(&Method, &str) -> Problem) -> Problem {
    let problem = problem(request.method(), request.uri().path());
    let (head, body) = request.into_parts();
    limits::discard(&head.headers, body).await;
    problem
}

/// First an id, then the page it may come from, then the token: a new route cannot forget them.
async fn gate(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let request_id = new_id();
    let id = HeaderValue::from_str(&request_id).ok();
    let face = face::of(request.uri().path(), request.headers());
    let mut response = match admit(&shared, &request, request_id.clone()) {
        Ok(caller) => {
            // Whoever asks what became of requests finds those whose answers are out. Probes ask for nothing of that.
            if request.method() != Method::POST && !health::has(request.uri().path()) {
                shared.outbox.told().await;
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => refuse(request, |_, _| problem).await.into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        shared.refusals.note(&request_id, &problem);
        response = problem.render(face, &request_id);
    }
    if let Some(id) = id {
        if face == Face::Messages {
            response.headers_mut().insert(ANTHROPIC_ID, id.clone());
        }
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn admit(shared: &Shared, request: &Request, request_id: String) -> Result<Caller, Problem> {
    // What came by no door of ours gets the strictest treatment.
    let door = request.extensions().get().copied().unwrap_or(Door { by_name: true, private: false });
    origin::allowed(request.uri(), request.headers(), door.by_name, shared.hostname.as_deref())?;
    let settings = shared.relay.settings();
    let tokens = &settings.gateway.tokens;
    // A reload can take the token away with the public bind: who came by that one is a stranger still.
    let no_token_needed = tokens.is_empty() && door.private;
    if no_token_needed || is_open(request.method(), request.uri().path(), settings.gateway.public_metrics) {
        return Ok(Caller { request_id, client: None });
    }
    match auth::client(request.headers(), tokens) {
        Some(name) => Ok(Caller { request_id, client: Some(name.to_owned()) }),
        None => Err(Problem::no_token()),
    }
}

/// Probes need no token, who only looks at the dashboard needs none, nor does Prometheus where that is wanted.
fn is_open(method: &Method, path: &str, public_metrics: bool) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && ((public_metrics && path == "/metrics")
            || health::has(path)
            || dashboard::has(path)
            || PREFIXES.iter().any(|prefix| path.strip_prefix(prefix) == Some("/api/hello")))
}
