//! Request bodies: read whole, within a size and without long gaps.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use tokio::time::timeout;

/// Between two pieces of a body. Clients have their body at hand; who pauses longer is gone.
const GAP: Duration = Duration::from_secs(30);
/// The first allocation for a body of unknown or large size; more is taken as it arrives.
const FIRST: usize = 64 * 1024;

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
        return Err(BodyRefused::Coded);
    }
    let announced: Option<usize> = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(BodyRefused::TooLarge(limit));
    }
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(FIRST).min(FIRST * 16));
    let mut pieces = body.into_data_stream();
    while let Some(piece) = timeout(GAP, pieces.next()).await.map_err(|_| BodyRefused::Gap)? {
        let piece = piece.map_err(|_| BodyRefused::Broken)?;
        if whole.len() + piece.len() > limit {
            return Err(BodyRefused::TooLarge(limit));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
