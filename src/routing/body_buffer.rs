//! Owns whole buffered bodies, within the limit of one body and the memory limit of all bodies.

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::Duration;

use crate::config::settings::MAX_BUFFERED_RESPONSE;
use crate::failure::{Failure, Reason};
use crate::protocol::memory_budget::{BodyBuffer, BudgetExceeded, MemoryReservation};
use crate::upstream::ByteStream;

/// Reads to the end. Reaching the memory limit is the gateway's failure and causes no cooldown.
pub(super) async fn read_within_budget(
    mut whole: BodyBuffer,
    mut body: ByteStream,
) -> Result<Bytes, Failure> {
    while let Some(chunk) = body.next().await.transpose()? {
        if whole.len() + chunk.len() > MAX_BUFFERED_RESPONSE {
            let message = format!("the answer is larger than {MAX_BUFFERED_RESPONSE} bytes");
            return Err(Failure::new(Reason::Server, message));
        }
        whole.push(&chunk).map_err(|_| budget_exceeded())?;
    }
    Ok(whole.into_bytes())
}

/// Buffers at most this many bytes of one stream: not more than of a whole response, and not more than the
/// memory limit allows.
pub(super) fn reserve(room: &mut MemoryReservation, bytes: usize) -> Result<(), BudgetExceeded> {
    if bytes > MAX_BUFFERED_RESPONSE {
        return Err(BudgetExceeded);
    }
    room.resize(bytes)
}

/// The memory limit is reached.
pub(super) fn budget_exceeded() -> Failure {
    Failure {
        retry_after: Some(Duration::from_secs(1)),
        is_gateway_limit: true,
        ..Failure::new(Reason::Overloaded, "the gateway holds as many bytes as it may; try again soon")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::stream;

    use super::*;
    use crate::protocol::memory_budget::MemoryBudget;

    fn answer(pieces: usize, size: usize) -> ByteStream {
        Box::pin(stream::iter((0..pieces).map(move |_| Ok(Bytes::from(vec![b'x'; size])))))
    }

    #[tokio::test]
    async fn body_is_counted_until_dropped_and_limited() {
        let held = Arc::new(MemoryBudget::default());
        let whole = read_within_budget(held.start_body(1 << 20), answer(10, 50_000)).await.unwrap();
        assert_eq!(whole.len(), 500_000);
        assert!(held.used_bytes() >= 500_000);
        let full = read_within_budget(held.start_body(1 << 20), answer(100, 50_000)).await.unwrap_err();
        assert!(full.is_gateway_limit && full.reason == Reason::Overloaded && full.retry_after.is_some());
        drop(whole);
        assert_eq!(held.used_bytes(), 0);
        let large = read_within_budget(held.start_body(1 << 30), answer(65, 1 << 20)).await.unwrap_err();
        assert_eq!((large.reason, large.is_gateway_limit), (Reason::Server, false));
    }
}
