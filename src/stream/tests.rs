use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{iter, pending, poll_fn};
use tokio::time::Instant;

use super::chunks::{ByteStream, ChunkReader, MAX_COALESCED_BYTES, read_within_budget};
use crate::failure::{Failure, Reason, TimeoutKind};
use crate::protocol::memory_budget::MemoryBudget;

const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Yields these chunks one by one. An empty one is a poll without data.
fn stream(chunks: &[&'static str], is_interrupted: bool) -> ByteStream {
    let mut chunks: VecDeque<&'static str> = chunks.iter().copied().collect();
    let mut failure = is_interrupted.then(|| Failure::new(Reason::Network, "cut"));
    poll_fn(move |context| match chunks.pop_front() {
        Some("") => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        Some(chunk) => Poll::Ready(Some(Ok(Bytes::from_static(chunk.as_bytes())))),
        None => Poll::Ready(failure.take().map(Err)),
    })
    .boxed()
}

async fn read_all(mut body: ByteStream) -> Vec<String> {
    let mut reader = ChunkReader::new(&mut body, IDLE_LIMIT, None);
    let mut read = Vec::new();
    while let Some(chunk) = reader.next().await {
        read.push(match chunk {
            Ok(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Err(failure) => format!("failed: {}", failure.message),
        });
    }
    read
}

#[tokio::test]
async fn available_chunks_are_joined_and_followed_by_the_end() {
    assert_eq!(read_all(stream(&["a", "b", "c"], false)).await, ["abc"]);
    assert_eq!(read_all(stream(&["a", "b"], true)).await, ["ab", "failed: cut"]);
    assert_eq!(read_all(stream(&[], true)).await, ["failed: cut"]);
}

#[tokio::test]
async fn chunk_is_joined_only_if_other_tasks_deliver_it_at_once() {
    assert_eq!(read_all(stream(&["a", "", "", "b", "", "c"], false)).await, ["abc"]);
    assert_eq!(read_all(stream(&["a", "", "", "", "b", "", "", "", "c"], false)).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn large_chunks_are_passed_on_before_all_are_read() {
    let large = "x".repeat(MAX_COALESCED_BYTES / 2).leak();
    let read = read_all(stream(&[large, large, large, large, large], false)).await;
    assert_eq!(
        read.iter().map(String::len).collect::<Vec<_>>(),
        [MAX_COALESCED_BYTES, MAX_COALESCED_BYTES, MAX_COALESCED_BYTES / 2]
    );
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_starts_again_with_each_chunk_and_is_limited_by_the_deadline() {
    let started = Instant::now();
    let later = futures_util::stream::once(async {
        tokio::time::sleep(Duration::from_secs(50)).await;
        Ok(Bytes::from_static(b"a"))
    });
    let mut body = later.chain(pending()).boxed();
    let mut reader = ChunkReader::new(&mut body, IDLE_LIMIT, None);
    assert_eq!(reader.next().await.unwrap().unwrap(), "a");
    let failure = reader.next().await.unwrap().unwrap_err();
    assert_eq!((failure.timeout, started.elapsed().as_secs()), (Some(TimeoutKind::Idle), 110));
    let mut body = pending().boxed();
    let deadline = Some(Instant::now() + Duration::from_secs(5));
    let failure = ChunkReader::new(&mut body, IDLE_LIMIT, deadline).next().await.unwrap().unwrap_err();
    assert_eq!((failure.timeout, failure.is_gateway_limit), (Some(TimeoutKind::Total), true));
}

#[tokio::test]
async fn body_is_counted_until_dropped_and_limited() {
    let body = |chunks: usize, size: usize| -> ByteStream {
        iter((0..chunks).map(move |_| Ok(Bytes::from(vec![b'x'; size])))).boxed()
    };
    let budget = Arc::new(MemoryBudget::default());
    let whole = read_within_budget(budget.start_body(1 << 20), body(10, 50_000)).await.unwrap();
    assert_eq!(whole.len(), 500_000);
    assert!(budget.used_bytes() >= 500_000);
    let full = read_within_budget(budget.start_body(1 << 20), body(100, 50_000)).await.unwrap_err();
    assert!(full.is_gateway_limit && full.reason == Reason::Overloaded && full.retry_after.is_some());
    drop(whole);
    assert_eq!(budget.used_bytes(), 0);
    let large = read_within_budget(budget.start_body(1 << 30), body(65, 1 << 20)).await.unwrap_err();
    assert_eq!((large.reason, large.is_gateway_limit), (Reason::Server, false));
}
