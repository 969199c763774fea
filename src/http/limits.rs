//! Request bodies: read whole, within a size and without long gaps.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use tokio::time::timeout;

/// Between two pieces of a body. Clients have their body at hand; who pauses longer is gone.
const GAP: Duration = Duration::from_secs(30);
/// The first allocation for a body of unknown or large size; more is taken as it arrives.
const FIRST: usize = 64 * 1024;

/// Of a body that is not wanted this much is read away, for this long: who sends still cannot read the answer, and
/// closing on bytes that were not read makes the kernel throw the answer away (RST).
const UNWANTED: usize = 64 * 1024 * 1024;
const UNWANTED_TIME: Duration = Duration::from_secs(5);

/// Reads a body away, so that the client gets to see the answer. One that was not sent yet (`Expect`) stays unsent.
pub(super) async fn discard(headers: &HeaderMap, body: Body) {
    if !headers.contains_key(EXPECT) {
        read_away(&mut body.into_data_stream()).await;
    }
}

async fn read_away(pieces: &mut BodyDataStream) {
    let reading = async {
        let mut left = UNWANTED;
        while let Some(Ok(piece)) = pieces.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
    };
    // A client that is slower than that is not worth the wait.
    let _ = timeout(UNWANTED_TIME, reading).await;
}

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyRefused {
    /// More than this many bytes.
    TooLarge(usize),
    /// It stopped coming.
    Gap,
    /// It broke off.
    Broken,
    /// A content coding that is not undone here.
    Coded,
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, BodyRefused> {
    let coded = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    if coded {
        discard(headers, body).await;
        return Err(BodyRefused::Coded);
    }
    let announced: Option<usize> = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse().ok());
    if announced.is_some_and(|length| length > limit) {
        discard(headers, body).await;
        return Err(BodyRefused::TooLarge(limit));
    }
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(FIRST).min(FIRST * 16));
    let mut pieces = body.into_data_stream();
    while let Some(piece) = timeout(GAP, pieces.next()).await.map_err(|_| BodyRefused::Gap)? {
        let piece = piece.map_err(|_| BodyRefused::Broken)?;
        if whole.len() + piece.len() > limit {
            drop(whole);
            read_away(&mut pieces).await;
            return Err(BodyRefused::TooLarge(limit));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
