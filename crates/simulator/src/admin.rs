//! The simulator's own routes: `/_faults`, `/_requests`, `/_stats`, `/_tally`, `/_oauth`.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::fault::kind::kinds_json;
use crate::fault::spec::Fault;
use crate::response::{Query, ScriptedBody, json_response};
use crate::{SimulatorState, oauth};

/// Answers a request for one of the simulator's own routes.
pub(super) async fn handle_request(
    state: &Arc<SimulatorState>,
    request: http::Request<Incoming>,
) -> Response<ScriptedBody> {
    let (parts, body) = request.into_parts();
    let query = Query(parts.uri.query().unwrap_or_default());
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/_faults") => json_response(200, &state.faults.to_json()),
        (&Method::GET, "/_faults/kinds") => json_response(200, &kinds_json()),
        (&Method::POST, "/_faults") => match parse_faults(&read_body(body).await) {
            Ok(faults) => {
                faults.into_iter().for_each(|fault| state.faults.add(fault));
                json_response(200, &state.faults.to_json())
            }
            Err(problem) => json_response(400, &json!({ "error": problem })),
        },
        (&Method::DELETE, "/_faults") => {
            state.faults.clear();
            json_response(200, &state.faults.to_json())
        }
        (&Method::GET, "/_requests") => {
            let reached = match query.number("wait") {
                Some(count) => state.request_log.wait_for(query.limit(), |stats| stats.total >= count).await,
                None => true,
            };
            let mut record = state.request_log.to_json();
            if let Some(members) = record.as_object_mut() {
                members.insert("timedOut".into(), (!reached).into());
            }
            json_response(200, &record)
        }
        (&Method::DELETE, "/_requests") => {
            state.request_log.clear();
            json_response(200, &state.request_log.to_json())
        }
        (&Method::GET, "/_tally") => json_response(200, &state.usage.to_json()),
        (&Method::DELETE, "/_tally") => {
            state.usage.clear();
            json_response(200, &state.usage.to_json())
        }
        (&Method::GET, "/_stats") => handle_stats(state, &query).await,
        (_, "/_oauth") => {
            let order = read_body(body).await;
            oauth::handle_control(state, &parts, &query, &order).await
        }
        (_, path) => json_response(
            404,
            &json!({ "error": format!("the simulator has no route {} {path}", parts.method) }),
        ),
    }
}

/// An incomplete body is ignored.
async fn read_body(body: Incoming) -> Bytes {
    body.collect().await.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes)
}

/// `waitCancelled=N`, `waitTotal=N` and `waitIdle` hold the answer back until it is so.
async fn handle_stats(state: &SimulatorState, query: &Query<'_>) -> Response<ScriptedBody> {
    let cancelled = query.number("waitCancelled").unwrap_or(0);
    let total = query.number("waitTotal").unwrap_or(0);
    let idle = query.text("waitIdle").is_some();
    let reached = state
        .request_log
        .wait_for(query.limit(), |stats| {
            stats.cancelled >= cancelled && stats.total >= total && !(idle && stats.in_flight > 0)
        })
        .await;
    let mut value = serde_json::to_value(state.request_log.stats()).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("timedOut".into(), (!reached).into());
    }
    json_response(200, &value)
}

/// One fault, a list of faults, or `{"faults": […]}`. Either all are added or none.
fn parse_faults(body: &[u8]) -> Result<Vec<Fault>, String> {
    let value: Value = serde_json::from_slice(body).map_err(|problem| format!("not JSON: {problem}"))?;
    let list = value.get("faults").unwrap_or(&value);
    let faults = list.as_array().map_or_else(|| vec![list], |list| list.iter().collect());
    faults.into_iter().map(|fault| Fault::from_json(fault).map_err(|problem| problem.to_string())).collect()
}
