use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::ready;
use std::time::Duration;

use futures_util::stream::poll_fn;

use super::*;
use crate::failure::Reason;

/// Yields these one by one. An empty one is a turn without data, a dot is a pause.
fn stream(pieces: &[&'static str], broken: bool) -> ByteStream {
    let mut pieces: VecDeque<&'static str> = pieces.iter().copied().collect();
    let mut broken = broken.then(|| Failure::new(Reason::Network, "cut"));
    let mut pause = None;
    Box::pin(poll_fn(move |context| {
        if pieces.front() == Some(&".") {
            let pause = pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(10))));
            ready!(pause.as_mut().poll(context));
            pieces.pop_front();
        }
        pause = None;
        match pieces.pop_front() {
            Some("") => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some(piece) => Poll::Ready(Some(Ok(Bytes::from_static(piece.as_bytes())))),
            None => Poll::Ready(broken.take().map(Err)),
        }
    }))
}

async fn joined(pieces: &[&'static str], broken: bool) -> Vec<String> {
    let mut bytes = stream(pieces, broken);
    let read = ChunkCoalescer::new(&mut bytes).map(|piece| match piece {
        Ok(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Err(failure) => format!("failed: {}", failure.message),
    });
    read.collect().await
}

#[tokio::test]
async fn what_is_there_is_one_piece_and_the_end_comes_behind_it() {
    assert_eq!(joined(&["a", "b", "c"], false).await, ["abc"]);
    assert_eq!(joined(&["a", "b"], true).await, ["ab", "failed: cut"]);
    assert_eq!(joined(&[], true).await, ["failed: cut"]);
}

#[tokio::test]
async fn one_turn_is_given_to_who_brings_more_and_no_second_one() {
    assert_eq!(joined(&["a", "", "", "b", "", "c"], false).await, ["abc"]);
    assert_eq!(joined(&["a", "", "", "", "b", "", "", "", "c"], false).await, ["a", "b", "c"]);
}

#[test]
fn company_is_sought_until_there_is_none_and_again_when_two_have_come_together() {
    let mut company = BurstDetector::new();
    // A chunk's moment, in sleeps; whether more is sought then, and whether that brings something.
    let mut sought = |slept, has_more: bool| {
        company.record_chunk(slept);
        let is_likely = company.is_likely;
        if is_likely && !has_more {
            company.record_miss();
        }
        is_likely
    };
    assert!(sought(1, true) && sought(2, false), "before it is known, and behind some that had others");
    assert!(!sought(3, false) && !sought(4, true), "not behind one that was alone");
    assert!(sought(4, false), "the one before was not alone");
    assert!(sought(5, false), "nor may this be");
    assert!(!sought(6, false));
}

#[tokio::test(start_paused = true)]
async fn chunks_that_come_one_by_one_go_on_without_another_turn() {
    let mut clock = tokio::time::interval(Duration::from_millis(10));
    let polls = Arc::new(AtomicUsize::new(0));
    let count = polls.clone();
    let mut bytes: ByteStream = Box::pin(poll_fn(move |context| {
        count.fetch_add(1, Ordering::Relaxed);
        clock.poll_tick(context).map(|_| Some(Ok(Bytes::from_static(b"x"))))
    }));
    let mut joined = ChunkCoalescer::new(&mut bytes);
    let mut counts = Vec::new();
    for _ in 0..4 {
        assert_eq!(joined.next().await.unwrap().unwrap(), "x");
        counts.push(polls.swap(0, Ordering::Relaxed));
    }
    assert_eq!(
        counts,
        [4, 3, 3, 3],
        "a wait but for the first, the chunk, and what is there behind it; two turns more once"
    );
}

#[tokio::test(start_paused = true)]
async fn of_pairs_among_lone_chunks_the_first_is_two_pieces_and_the_next_is_one() {
    let pieces = ["x", ".", "x", ".", "a", "", "b", ".", "c", "", "d"];
    assert_eq!(joined(&pieces, false).await, ["x", "x", "a", "b", "cd"]);
}

#[tokio::test]
async fn much_goes_on_before_all_is_there() {
    let large = "x".repeat(MAX_COALESCED_BYTES / 2).leak();
    let pieces = joined(&[large, large, large, large, large], false).await;
    assert_eq!(
        pieces.iter().map(String::len).collect::<Vec<_>>(),
        [MAX_COALESCED_BYTES, MAX_COALESCED_BYTES, MAX_COALESCED_BYTES / 2]
    );
}
