//! Request bodies made of slices, and responses read whole within a cap. Error bodies are decompressed here, so that a
//! provider cannot fill the memory.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, RETRY_AFTER};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use super::ByteStream;
use crate::failure::{Failure, Reason};

/// Slices that are sent in order, without a copy, with their exact length.
pub(super) struct SlicedBody(VecDeque<Bytes>);

impl SlicedBody {
    pub(super) fn new(slices: Vec<Bytes>) -> Self {
        Self(slices.into())
    }
}

impl Body for SlicedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|slice| Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|slice| slice.len() as u64).sum())
    }
}

/// Reads up to `cap` bytes of a body within `time_limit`, and decompresses gzip and deflate. Of a longer or interrupted
/// body, the beginning is returned. A body that cannot be decompressed is returned as it is.
pub async fn read_capped_body(
    headers: &HeaderMap,
    mut body: ByteStream,
    cap: usize,
    time_limit: Duration,
) -> Bytes {
    let mut raw = Vec::new();
    let end = Instant::now() + time_limit;
    while let Ok(Some(Ok(chunk))) = timeout_at(end, body.next()).await {
        let room = cap.saturating_sub(raw.len());
        raw.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if room <= chunk.len() {
            break;
        }
    }
    let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut plain = Vec::new();
    let read = match encoding.trim().to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => GzDecoder::new(raw.as_slice()).take(cap as u64).read_to_end(&mut plain),
        "deflate" => ZlibDecoder::new(raw.as_slice()).take(cap as u64).read_to_end(&mut plain),
        _ => return raw.into(),
    };
    if read.is_err() && plain.is_empty() { raw.into() } else { plain.into() }
}

/// Reads a whole body.
///
/// # Errors
/// When the body is interrupted, or larger than `cap` bytes.
pub async fn read_body(mut body: ByteStream, cap: usize) -> Result<Bytes, Failure> {
    let Some(first) = body.next().await.transpose()? else {
        return Ok(Bytes::new());
    };
    let mut whole = Vec::new();
    while let Some(chunk) = body.next().await.transpose()? {
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&chunk);
        if whole.len() > cap {
            return Err(Failure::new(Reason::Server, format!("the answer is larger than {cap} bytes")));
        }
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
}

/// `Retry-After` in milliseconds, in seconds or as a date, else Moonshot's `x-retry-after`.
#[must_use]
pub fn parse_retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let read = |value: &str| match value.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => httpdate::parse_http_date(value).ok().map(|at| at.duration_since(now).unwrap_or_default()),
    };
    let millis = text("retry-after-ms").and_then(|value| value.parse().ok()).map(Duration::from_millis);
    millis
        .or_else(|| text(RETRY_AFTER.as_str()).and_then(read))
        .or_else(|| text("x-retry-after").and_then(read))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    const TIME_LIMIT: Duration = Duration::from_secs(1);

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[tokio::test]
    async fn sliced_body_sends_every_slice_and_knows_its_remaining_length() {
        for lengths in [vec![], vec![0], vec![0, 0], vec![3, 0, 5], vec![1, 5000, 1]] {
            let slices: Vec<Bytes> =
                lengths.iter().zip(b'a'..).map(|(n, byte)| vec![byte; *n].into()).collect();
            let whole = slices.concat();
            let (mut body, mut read) = (SlicedBody::new(slices), Vec::new());
            loop {
                assert_eq!(body.size_hint().exact(), Some((whole.len() - read.len()) as u64), "{lengths:?}");
                let Some(frame) = body.frame().await else { break };
                read.extend(frame.unwrap().into_data().unwrap());
            }
            assert_eq!(read, whole, "{lengths:?}");
            assert!(body.is_end_stream());
        }
    }

    #[test]
    fn retry_after_is_read_in_each_of_its_forms() {
        let now = SystemTime::UNIX_EPOCH;
        let read = |pairs: &[(&'static str, &'static str)]| parse_retry_after(&headers(pairs), now);
        assert_eq!(read(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(read(&[("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT")]), Some(Duration::from_mins(1)));
        assert_eq!(read(&[("x-retry-after", "1")]), Some(Duration::from_secs(1)));
        assert_eq!(
            read(&[("retry-after-ms", "250"), ("retry-after", "1")]),
            Some(Duration::from_millis(250))
        );
        assert_eq!(read(&[("retry-after", "soon")]), None);
        assert_eq!(read(&[("retry-after", "-3")]), None);
    }

    #[tokio::test]
    async fn gzip_is_decompressed_and_other_bytes_are_returned_as_they_are() {
        let gzip = {
            use std::io::Write;
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(b"{\"error\":{}}").unwrap();
            Bytes::from(encoder.finish().unwrap())
        };
        let stream = |bytes: Bytes| -> ByteStream { Box::pin(futures_util::stream::iter([Ok(bytes)])) };
        let coded = headers(&[("content-encoding", "gzip")]);
        assert_eq!(read_capped_body(&coded, stream(gzip), 1000, TIME_LIMIT).await, "{\"error\":{}}");
        assert_eq!(read_capped_body(&coded, stream("not gzip".into()), 1000, TIME_LIMIT).await, "not gzip");
        assert_eq!(read_capped_body(&HeaderMap::new(), stream("abcdef".into()), 3, TIME_LIMIT).await, "abc");
    }
}
