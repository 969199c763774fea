//! What holds for every request: first an id, then the page it may come from, then the token. Behind that stand the
//! answers, which most requests ask for, and the routes.

use std::mem::take;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method};
use tower::ServiceExt;

use super::error::Problem;
use super::listener::Door;
use super::router::{PREFIXES, router};
use super::server::Front;
use super::shared::{Caller, Shared};
use super::{auth, completion, dashboard, face, health, limits, origin};
use crate::protocol::face::Face;
use crate::record::RequestId;

/// The request's id on its answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-moonrelay-request-id");
/// Anthropic's SDKs show it with their errors.
const ANTHROPIC_ID: HeaderName = HeaderName::from_static("request-id");

/// Everything that can be asked, and who may. A clone is the same one.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    routes: Router,
}

impl Gate {
    /// To this gateway.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        let routes = router(shared.clone());
        Self(Arc::new(Inner { shared, routes }))
    }
}

impl Front for Gate {
    async fn answer(self, request: &mut Request, door: Door) -> Response {
        let request_id = RequestId::now();
        let id = HeaderValue::from_bytes(&request_id.digits()).ok();
        let asked = completion::face(request.uri().path());
        let face = asked.unwrap_or_else(|| face::of(request.uri().path(), request.headers()));
        let outcome = self.0.outcome(request, asked, door, request_id).await;
        let mut response = outcome.unwrap_or_else(|problem| {
            self.0.shared.refusals.note(request_id, &problem);
            problem.render(face, request_id)
        });
        if let Some(id) = id {
            if face == Face::Messages {
                response.headers_mut().insert(ANTHROPIC_ID, id.clone());
            }
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

impl Inner {
    /// `asked` is the face of an answer that it asks for.
    async fn outcome(
        &self,
        request: &mut Request,
        asked: Option<Face>,
        door: Door,
        request_id: RequestId,
    ) -> Result<Response, Problem> {
        let shared = &self.shared;
        let caller = match admit(shared, request, door, request_id) {
            Ok(caller) => caller,
            Err(problem) => return Err(refuse(take(request), |_, _| problem).await),
        };
        match asked {
            Some(face) if request.method() == Method::POST => {
                return completion::answer(shared, caller, face, request).await;
            }
            Some(_) => return Err(refuse(take(request), Problem::wrong_method).await),
            None => {}
        }
        // Whoever asks what became of requests finds those whose answers are out. Probes ask for nothing of that.
        if request.method() != Method::POST && !health::has(request.uri().path()) {
            shared.outbox.told().await;
        }
        request.extensions_mut().insert(caller);
        let Ok(mut response) = self.routes.clone().oneshot(take(request)).await;
        response.extensions_mut().remove::<Problem>().map_or(Ok(response), Err)
    }
}

/// Refuses a request without looking at its body.
pub(super) async fn refuse(request: Request, problem: impl FnOnce(&Method, &str) -> Problem) -> Problem {
    let problem = problem(request.method(), request.uri().path());
    let (head, body) = request.into_parts();
    limits::discard(&head.headers, body).await;
    problem
}

fn admit(shared: &Shared, request: &Request, door: Door, request_id: RequestId) -> Result<Caller, Problem> {
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
