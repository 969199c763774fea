//! One request of a turn, from its body to its record.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::StreamExt;

use super::TurnEvent;
use crate::assistant::answer_reader::AnswerReader;
use crate::assistant::backend::{Backend, BackendError, BackendResponse, RequestOutcome};
use crate::failure::Reason;

/// What resolves when the person wants no more.
pub(super) type StopSignal<'s> = Pin<&'s mut (dyn Future<Output = ()> + Send)>;

/// How a request ended.
#[derive(Debug)]
pub(super) enum RequestEnd {
    /// Its answer is whole.
    Complete,
    /// The person stopped it.
    Stopped,
    /// It failed, before the answer or in the middle of it: type and words.
    Failed(&'static str, String),
}

/// What came of a request.
pub(super) struct RequestResult {
    pub(super) answer: AnswerReader,
    pub(super) outcome: RequestOutcome,
    pub(super) end: RequestEnd,
}

/// Sends the request, displays the answer as it arrives, and returns the outcome.
pub(super) async fn run_request(
    exchange: &Backend,
    body: Bytes,
    session: &str,
    stop: &mut StopSignal<'_>,
    seen: &mut (dyn FnMut(TurnEvent) + Send),
) -> RequestResult {
    let mut answer = AnswerReader::new();
    let asked = tokio::select! {
        biased;
        () = stop.as_mut() => None,
        reply = exchange.send_request(body, session) => Some(reply),
    };
    let (id, head, mut end) = match asked {
        None => (None, RequestOutcome::default(), RequestEnd::Stopped),
        Some(Err(BackendError { kind, message, id, header_outcome: head })) => {
            (id, head, RequestEnd::Failed(kind, message))
        }
        Some(Ok(reply)) => {
            let (id, head) = (reply.id.clone(), reply.header_outcome.clone());
            let end = read_answer(reply, &mut answer, stop, seen).await;
            (Some(id), head, end)
        }
    };
    // The connection is closed by now, so the record of the stopped request will arrive soon.
    let told = exchange.fetch_outcome(id.as_deref()).await.unwrap_or(head);
    if let (RequestEnd::Failed(kind, _), Some(reason)) = (&mut end, told.reason())
        && *kind == Reason::Server.as_str()
    {
        *kind = reason.as_str();
    }
    RequestResult { answer, outcome: told, end }
}

/// Reads an answer to its end.
async fn read_answer(
    mut reply: BackendResponse,
    answer: &mut AnswerReader,
    stop: &mut StopSignal<'_>,
    seen: &mut (dyn FnMut(TurnEvent) + Send),
) -> RequestEnd {
    loop {
        let chunk = tokio::select! {
            biased;
            () = stop.as_mut() => return RequestEnd::Stopped,
            chunk = reply.body.next() => chunk,
        };
        match chunk {
            Some(Ok(bytes)) => {
                if let Err(error) = answer.push(bytes, seen) {
                    return RequestEnd::Failed(Reason::Server.as_str(), error.to_string());
                }
            }
            Some(Err(failure)) => return RequestEnd::Failed(Reason::Truncated.as_str(), failure.message),
            None => break,
        }
    }
    match (answer.stop_reason(), &answer.error_message) {
        (Some(_), _) => RequestEnd::Complete,
        (None, Some(message)) => RequestEnd::Failed(Reason::Server.as_str(), message.clone()),
        (None, None) => {
            RequestEnd::Failed(Reason::Truncated.as_str(), "the answer broke off before its end".to_owned())
        }
    }
}
