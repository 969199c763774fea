//! What is held whole, answers first of all: within what one, and all bodies together, may hold.

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::Duration;

use crate::config::settings::MAX_BUFFERED_RESPONSE;
use crate::failure::{Failure, Reason};
use crate::protocol::memory_budget::{BodyBuffer, BudgetExceeded, MemoryReservation};
use crate::upstream::ByteStream;

/// Reads to the end. Where there is no room for more it is our failure, and no target rests for it.
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

/// Keeps so many bytes in all of one stream: not more than of a whole answer, and not more than there is room for.
pub(super) fn reserve(room: &mut MemoryReservation, bytes: usize) -> Result<(), BudgetExceeded> {
    if bytes > MAX_BUFFERED_RESPONSE {
        return Err(BudgetExceeded);
    }
    room.resize(bytes)
}

/// There is no room for more.
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
    async fn an_answer_is_held_until_it_is_gone_and_not_beyond_the_limits() {
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
