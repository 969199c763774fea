//! Request bodies: read whole, within a size, without long gaps, and no slower than a client is.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::protocol::memory_budget;
use crate::routing::Engine;
use crate::state::ShutdownPhase;

/// The longest pause between two pieces of a body. Clients have their body ready; a client that pauses longer
/// is gone.
const MAX_GAP: Duration = Duration::from_secs(30);
/// After the first minute a body must have arrived at this many bytes a second. A bad mobile link is faster,
/// and a client that sends one byte each half minute cannot hold a slot for hours.
const MIN_BYTES_PER_SECOND: f64 = 4096.0;
const RATE_GRACE_PERIOD: Duration = Duration::from_mins(1);
/// How long a body has to be complete once the gateway drains.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// An unwanted body is read and discarded for this long. A client that still sends cannot read the response,
/// and closing with unread bytes makes the kernel discard the response (RST).
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads and discards a body, so that the client receives the response. A body that was not sent yet (`Expect`)
/// stays unsent.
pub(super) async fn discard(headers: &HeaderMap, body: Body) {
    if !headers.contains_key(EXPECT) {
        drain(&mut body.into_data_stream()).await;
    }
}

async fn drain(pieces: &mut BodyDataStream) {
    let reading = async { while let Some(Ok(_)) = pieces.next().await {} };
    // The gateway does not wait for a slower client.
    let _ = timeout(DISCARD_TIMEOUT, reading).await;
}

/// Why a body was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The body has more than this many bytes.
    TooLarge(usize),
    /// The body stopped arriving, or arrives too slowly.
    TooSlow,
    /// The body broke off.
    Interrupted,
    /// All bodies together would exceed the memory limit.
    MemoryLimit,
    /// The body is not UTF-8 from this byte on.
    InvalidUtf8(usize),
    /// A content encoding that the gateway does not decode.
    UnsupportedEncoding,
    /// The gateway stops, and the body was not complete in time.
    ShuttingDown,
}

/// Like [`read`], but with a short timeout once shutdown has begun.
pub(super) async fn read_until_shutdown(
    headers: &HeaderMap,
    body: Body,
    relay: &Engine,
) -> Result<Bytes, BodyError> {
    let mut ending = relay.state().watch_shutdown();
    let too_late = async {
        ending.wait_for(ShutdownPhase::Draining).await;
        sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        // Most bodies have already arrived, and need no wait.
        biased;
        body = read(headers, body, relay) => body,
        () = too_late => Err(BodyError::ShuttingDown),
    }
}

/// Reads a body within the current limits.
async fn read(headers: &HeaderMap, body: Body, relay: &Engine) -> Result<Bytes, BodyError> {
    let body = read_into(relay.new_body_buffer(), headers, body, relay.settings().gateway.body_limit).await?;
    // JSON is UTF-8 (RFC 8259, 8.1). A provider would report that with its own message, or with a 500.
    match std::str::from_utf8(&body) {
        Ok(_) => Ok(body),
        Err(error) => Err(BodyError::InvalidUtf8(error.valid_up_to())),
    }
}

/// Reads a body of at most `limit` bytes into `whole`.
async fn read_into(
    mut whole: memory_budget::BodyBuffer,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes, BodyError> {
    let coded = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if coded {
        discard(headers, body).await;
        return Err(BodyError::UnsupportedEncoding);
    }
    let announced: Option<usize> = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse().ok());
    if announced.is_some_and(|length| length > limit) {
        discard(headers, body).await;
        return Err(BodyError::TooLarge(limit));
    }
    let made_room = whole.reserve(announced.unwrap_or_default());
    let mut pieces = body.into_data_stream();
    if made_room.is_err() {
        drain(&mut pieces).await;
        return Err(BodyError::MemoryLimit);
    }
    let began = Instant::now();
    loop {
        let latest =
            began + RATE_GRACE_PERIOD + Duration::from_secs_f64(whole.len() as f64 / MIN_BYTES_PER_SECOND);
        let next = timeout_at(latest.min(Instant::now() + MAX_GAP), pieces.next());
        let Some(piece) = next.await.map_err(|_| BodyError::TooSlow)? else {
            return Ok(whole.into_bytes());
        };
        let piece = piece.map_err(|_| BodyError::Interrupted)?;
        let refused = if whole.len() + piece.len() > limit {
            BodyError::TooLarge(limit)
        } else if whole.push(&piece).is_err() {
            BodyError::MemoryLimit
        } else {
            continue;
        };
        drop(whole);
        drain(&mut pieces).await;
        return Err(refused);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// One byte each `pause`, without end.
    async fn read_slowly(pause: Duration) -> (Result<Bytes, BodyError>, Duration) {
        let bytes = futures_util::stream::unfold((), move |()| async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        });
        let (began, held) = (Instant::now(), Arc::new(memory_budget::MemoryBudget::default()));
        let body = Body::from_stream(bytes);
        let read = read_into(held.start_body(1 << 20), &HeaderMap::new(), body, 1 << 20).await;
        assert_eq!(held.used_bytes(), 0);
        (read, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_or_slow_body_is_rejected() {
        assert_eq!(read_slowly(MAX_GAP * 2).await, (Err(BodyError::TooSlow), MAX_GAP));
        let (drip, took) = read_slowly(MAX_GAP / 3).await;
        assert_eq!(drip, Err(BodyError::TooSlow));
        assert_eq!(took.as_secs(), RATE_GRACE_PERIOD.as_secs(), "each byte came in time, the body did not");
    }
}
