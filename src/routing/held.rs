//! What is held whole, answers first of all: within what one, and all bodies together, may hold.

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::Duration;

use crate::config::settings::LARGEST_ANSWER;
use crate::failure::{Failure, Reason};
use crate::protocol::held::{Body, Full, Room};
use crate::upstream::ByteStream;

/// Reads to the end. Where there is no room for more it is our failure, and no target rests for it.
pub(super) async fn read(mut whole: Body, mut body: ByteStream) -> Result<Bytes, Failure> {
    while let Some(chunk) = body.next().await.transpose()? {
        if whole.len() + chunk.len() > LARGEST_ANSWER {
            let message = format!("the answer is larger than {LARGEST_ANSWER} bytes");
            return Err(Failure::new(Reason::Server, message));
        }
        whole.push(&chunk).map_err(|_| full())?;
    }
    Ok(whole.into_bytes())
}

/// Keeps so many bytes in all of one stream: not more than of a whole answer, and not more than there is room for.
pub(super) fn keep(room: &mut Room, bytes: usize) -> Result<(), Full> {
    if bytes > LARGEST_ANSWER {
        return Err(Full);
    }
    room.resize(bytes)
}

/// There is no room for more.
pub(super) fn full() -> Failure {
    Failure {
        retry_after: Some(Duration::from_secs(1)),
        out_of_time: true,
        ..Failure::new(Reason::Overloaded, "the gateway holds as many bytes as it may; try again soon")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::stream;

    use super::*;
    use crate::protocol::held::Held;

    fn answer(pieces: usize, size: usize) -> ByteStream {
        Box::pin(stream::iter((0..pieces).map(move |_| Ok(Bytes::from(vec![b'x'; size])))))
    }

    #[tokio::test]
    async fn an_answer_is_held_until_it_is_gone_and_not_beyond_the_limits() {
        let held = Arc::new(Held::default());
        let whole = read(held.body(1 << 20), answer(10, 50_000)).await.unwrap();
        assert_eq!(whole.len(), 500_000);
        assert!(held.bytes() >= 500_000);
        let full = read(held.body(1 << 20), answer(100, 50_000)).await.unwrap_err();
        assert!(full.out_of_time && full.reason == Reason::Overloaded && full.retry_after.is_some());
        drop(whole);
        assert_eq!(held.bytes(), 0);
        let large = read(held.body(1 << 30), answer(65, 1 << 20)).await.unwrap_err();
        assert_eq!((large.reason, large.out_of_time), (Reason::Server, false));
    }
}
