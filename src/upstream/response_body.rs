//! Reading bodies: whole within a cap, or a refusal's, decoded by us, so that a provider cannot fill our memory.

use std::io::Read;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, RETRY_AFTER};

use tokio::time::{Instant, timeout_at};

use super::ByteStream;
use crate::failure::{Failure, Reason};

/// Reads a body up to `cap` bytes, for at most `patience`, and undoes gzip and deflate. Of a longer or broken one the beginning is returned.
/// A coding that cannot be undone leaves the bytes as they are.
pub async fn read_capped_body(
    headers: &HeaderMap,
    mut body: ByteStream,
    cap: usize,
    patience: Duration,
) -> Bytes {
    let mut raw = Vec::new();
    let end = Instant::now() + patience;
    while let Ok(Some(Ok(chunk))) = timeout_at(end, body.next()).await {
        let room = cap.saturating_sub(raw.len());
        raw.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if room <= chunk.len() {
            break;
        }
    }
    let coding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut plain = Vec::new();
    let read = match coding.trim().to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => {
            flate2::read::GzDecoder::new(raw.as_slice()).take(cap as u64).read_to_end(&mut plain)
        }
        "deflate" => flate2::read::ZlibDecoder::new(raw.as_slice()).take(cap as u64).read_to_end(&mut plain),
        _ => return raw.into(),
    };
    if read.is_err() && plain.is_empty() { raw.into() } else { plain.into() }
}

/// `Retry-After` in seconds or as a date, else Moonshot's `x-retry-after`.
#[must_use]
pub fn parse_retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let read = |value: &str| {
        value.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).or_else(
            || httpdate::parse_http_date(value).ok().map(|at| at.duration_since(now).unwrap_or_default()),
        )
    };
    let millis = text("retry-after-ms").and_then(|value| value.parse().ok()).map(Duration::from_millis);
    millis
        .or_else(|| text(RETRY_AFTER.as_str()).and_then(read))
        .or_else(|| text("x-retry-after").and_then(read))
}

/// Reads a whole answer.
///
/// # Errors
/// When it breaks off, or is larger than `cap` bytes.
pub async fn read_body(mut body: ByteStream, cap: usize) -> Result<Bytes, Failure> {
    let Some(first) = body.next().await.transpose()? else {
        return Ok(Bytes::new());
    };
    let mut rest = Vec::new();
    while let Some(chunk) = body.next().await.transpose()? {
        if rest.is_empty() {
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&chunk);
        if rest.len() > cap {
            return Err(Failure::new(Reason::Server, format!("the answer is larger than {cap} bytes")));
        }
    }
    Ok(if rest.is_empty() { first } else { rest.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn reads_retry_after_in_each_of_its_forms() {
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
    async fn undoes_gzip_and_survives_what_is_not() {
        let gzip = {
            use std::io::Write;
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(b"{\"error\":{}}").unwrap();
            Bytes::from(encoder.finish().unwrap())
        };
        let stream = |bytes: Bytes| -> ByteStream { Box::pin(futures_util::stream::iter([Ok(bytes)])) };
        let coded = headers(&[("content-encoding", "gzip")]);
        assert_eq!(read_capped_body(&coded, stream(gzip), 1000, PATIENCE).await, "{\"error\":{}}");
        assert_eq!(read_capped_body(&coded, stream("not gzip".into()), 1000, PATIENCE).await, "not gzip");
        assert_eq!(read_capped_body(&HeaderMap::new(), stream("abcdef".into()), 3, PATIENCE).await, "abc");
    }
}
