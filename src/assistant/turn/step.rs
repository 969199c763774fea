//! One request of a turn, from its body to its record.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::StreamExt;

use super::Seen;
use crate::assistant::answer::Answer;
use crate::assistant::exchange::{Exchange, Refused, Reply, Told};
use crate::failure::Reason;

/// What resolves when the person wants no more.
pub(super) type Stop<'s> = Pin<&'s mut (dyn Future<Output = ()> + Send)>;

/// How a request ended.
#[derive(Debug)]
pub(super) enum End {
    /// Its answer is whole.
    Whole,
    /// The person stopped it.
    Stopped,
    /// It failed, before the answer or in the middle of it: type and words.
    Failed(&'static str, String),
}

/// What came of a request.
pub(super) struct Step {
    pub(super) answer: Answer,
    pub(super) told: Told,
    pub(super) end: End,
}

/// Asks, shows what comes, and learns what became of it.
pub(super) async fn step(
    exchange: &Exchange,
    body: Bytes,
    session: &str,
    stop: &mut Stop<'_>,
    seen: &mut (dyn FnMut(Seen) + Send),
) -> Step {
    let mut answer = Answer::new();
    let asked = tokio::select! {
        biased;
        () = stop.as_mut() => None,
        reply = exchange.ask(body, session) => Some(reply),
    };
    let (id, head, mut end) = match asked {
        None => (None, Told::default(), End::Stopped),
        Some(Err(Refused { kind, message, id, head })) => (id, head, End::Failed(kind, message)),
        Some(Ok(reply)) => {
            let (id, head) = (reply.id.clone(), reply.head.clone());
            let end = read(reply, &mut answer, stop, seen).await;
            (Some(id), head, end)
        }
    };
    // The connection is closed by now, so the record of what was stopped is on its way too.
    let told = exchange.told(id.as_deref()).await.unwrap_or(head);
    if let (End::Failed(kind, _), Some(reason)) = (&mut end, told.reason())
        && *kind == Reason::Server.as_str()
    {
        *kind = reason.as_str();
    }
    Step { answer, told, end }
}

/// Reads an answer to its end.
async fn read(
    mut reply: Reply,
    answer: &mut Answer,
    stop: &mut Stop<'_>,
    seen: &mut (dyn FnMut(Seen) + Send),
) -> End {
    loop {
        let chunk = tokio::select! {
            biased;
            () = stop.as_mut() => return End::Stopped,
            chunk = reply.body.next() => chunk,
        };
        match chunk {
            Some(Ok(bytes)) => {
                if let Err(error) = answer.feed(bytes, seen) {
                    return End::Failed(Reason::Server.as_str(), error.to_string());
                }
            }
            Some(Err(failure)) => return End::Failed(Reason::Truncated.as_str(), failure.message),
            None => break,
        }
    }
    match (answer.stop(), &answer.error) {
        (Some(_), _) => End::Whole,
        (None, Some(message)) => End::Failed(Reason::Server.as_str(), message.clone()),
        (None, None) => {
            End::Failed(Reason::Truncated.as_str(), "the answer broke off before its end".to_owned())
        }
    }
}
