//! `POST /v1/search`: an answer from the web.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use super::answer::{json, tell, tell_model};
use super::completion;
use super::error::Problem;
use super::shared::{Caller, Shared};
use crate::assistant::search::{Found, Searcher, tool};
use crate::protocol::face::Face;
use crate::record::{Attempt, Outcome};
use crate::routing::Relay;
use crate::routing::ending::Stage;

/// Searches. A client that goes away drops this, and with it the request upstream.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    match search(&shared, caller, request).await {
        Ok(found) => {
            let mut response = json(StatusCode::OK, &found.to_json());
            if found.cached {
                tell_model(response.headers_mut(), Some(&found.reference));
            } else {
                tell(response.headers_mut(), Some(&found.reference), &[attempt(&found)]);
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn search(shared: &Shared, caller: Caller, mut request: Request) -> Result<Found, Problem> {
    let request = completion::read(shared, caller, Face::Chat, &mut request).await?;
    let query = query(&request.body)?;
    let relay = &shared.relay;
    let searcher = Searcher::sharing(shared.found.clone(), relay.connector(), &relay.settings());
    let mut ending = relay.state().ending();
    let searching = searcher.recorded(&query, Relay::begun(&request), |record| relay.tell(record));
    tokio::select! {
        outcome = Box::pin(searching) => Ok(outcome?),
        () = ending.reached(Stage::Cut) => Err(Problem::search_cut()),
    }
}

/// What is asked; nothing else may stand beside it, as it would not count.
fn query(body: &Bytes) -> Result<String, Problem> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Problem::bad_body(None, format!("the body is not JSON: {error}")))?;
    let wrong =
        || Problem::bad_body(Some("query"), "the body must be {\"query\": \"…\"}, and the query a string");
    let members = value.as_object().ok_or_else(wrong)?;
    tool::refuse_others(members).map_err(|why| Problem::bad_body(None, why))?;
    members.get("query").and_then(Value::as_str).map(str::to_owned).ok_or_else(wrong)
}

/// As the header tells it; an answer from memory has none.
fn attempt(found: &Found) -> Attempt {
    Attempt {
        reference: found.reference.clone(),
        outcome: Outcome::Ok,
        detail: String::new(),
        timeout: None,
        began: std::time::Duration::ZERO,
        took: found.took,
        usage: None,
        bill: None,
    }
}
