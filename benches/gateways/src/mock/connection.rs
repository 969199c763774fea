//! One connection: reads requests, writes answers.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::stream::Stream;
use super::{Counters, answer};
use crate::clock;
use crate::row::{Api, UPSTREAM_KEY};
use crate::stamp;

/// Room for a head and for small bodies; thousands of connections are open at a time.
const ROOM: usize = 8 << 10;
/// Large bodies are read in such pieces.
const PIECE: usize = 128 << 10;

static WHOLE: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| [Api::Chat, Api::Messages].map(answer::whole));
static STREAM: LazyLock<[Stream; 2]> = LazyLock::new(|| [Api::Chat, Api::Messages].map(Stream::new));
/// Streams at full speed, by API and number of chunks.
static READY: Mutex<Vec<Ready>> = Mutex::new(Vec::new());

struct Ready {
    api: Api,
    chunks: u32,
    bytes: Arc<[u8]>,
}

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    length: usize,
    chunked: bool,
    wanted: Wanted,
    api: Api,
}

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Stream { chunks: u32, gap: Duration },
    Failure(u16),
    Refusal(u16),
    Models,
}

/// Serves until the other side closes.
pub(super) async fn serve(mut socket: TcpStream, counters: Arc<Counters>) {
    // A connection that broke is the gateway's affair: its client sees it.
    let _ = socket.set_nodelay(true);
    let _ = requests(&mut socket, &counters).await;
}

async fn requests(socket: &mut TcpStream, counters: &Counters) -> io::Result<()> {
    let mut buffer = vec![0; ROOM];
    let mut piece = Vec::new();
    let mut filled = 0;
    loop {
        let end = loop {
            if let Some(end) = memmem::find(&buffer[..filled], b"\r\n\r\n") {
                break end + 4;
            }
            if filled == buffer.len() {
                buffer.resize(filled * 2, 0);
            }
            match socket.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                count => filled += count,
            }
        };
        let head = head(&buffer[..end]).ok_or(io::ErrorKind::InvalidData)?;
        let rest = &buffer[end..filled];
        if head.chunked {
            chunked_body(socket, rest.to_vec()).await?;
            filled = 0;
        } else if rest.len() >= head.length {
            let next = end + head.length;
            buffer.copy_within(next..filled, 0);
            filled -= next;
        } else {
            let mut missing = head.length - rest.len();
            piece.resize(PIECE.min(missing.max(piece.len())), 0);
            while missing > 0 {
                let room = missing.min(piece.len());
                match socket.read(&mut piece[..room]).await? {
                    0 => return Ok(()),
                    count => missing -= count,
                }
            }
            filled = 0;
        }
        reply(socket, head, counters).await?;
    }
}

/// Reads to the end of a body without a length; no client sends the next request before the answer.
async fn chunked_body(socket: &mut TcpStream, mut body: Vec<u8>) -> io::Result<()> {
    while !(body.ends_with(b"\r\n0\r\n\r\n") || body == b"0\r\n\r\n") {
        if socket.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn reply(socket: &mut TcpStream, head: Head, counters: &Counters) -> io::Result<()> {
    let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
    let api = usize::from(head.api == Api::Messages);
    match head.wanted {
        Wanted::Whole => {
            count(&counters.whole);
            socket.write_all(&WHOLE[api]).await
        }
        Wanted::Stream { chunks, gap } if gap.is_zero() => {
            count(&counters.streams);
            socket.write_all(&at_once(head.api, chunks)).await
        }
        Wanted::Stream { chunks, gap } => {
            count(&counters.streams);
            paced(socket, &STREAM[api], chunks, gap).await
        }
        Wanted::Failure(status) => {
            count(&counters.failed);
            socket.write_all(&answer::failure(status)).await
        }
        Wanted::Refusal(status) => {
            count(&counters.refused);
            socket.write_all(&answer::failure(status)).await
        }
        Wanted::Models => socket.write_all(&answer::models()).await,
    }
}

fn at_once(api: Api, chunks: u32) -> Arc<[u8]> {
    let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = ready.iter().find(|of| (of.api, of.chunks) == (api, chunks)) {
        return Arc::clone(&known.bytes);
    }
    let bytes: Arc<[u8]> = STREAM[usize::from(api == Api::Messages)].at_once(chunks).into();
    ready.push(Ready { api, chunks, bytes: Arc::clone(&bytes) });
    bytes
}

/// The first text goes with the head, the end with the last text.
async fn paced(socket: &mut TcpStream, stream: &Stream, chunks: u32, gap: Duration) -> io::Result<()> {
    let begun = Instant::now();
    let mut bytes = stream.opening.clone();
    for chunk in 0..chunks.max(1) {
        if chunk > 0 {
            sleep_until(begun + gap * chunk).await;
        }
        let digits = bytes.len() + stream.digits;
        bytes.extend_from_slice(&stream.text);
        if chunk + 1 >= chunks {
            bytes.extend_from_slice(&stream.closing);
        }
        stamp::write(&mut bytes[digits..], clock::now());
        socket.write_all(&bytes).await?;
        bytes.clear();
    }
    Ok(())
}

fn head(bytes: &[u8]) -> Option<Head> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(bytes).ok()?;
    let path = request.path?;
    let (mut length, mut chunked, mut allowed, mut lane) = (0, false, false, None);
    for header in &*request.headers {
        let name = header.name;
        if name.eq_ignore_ascii_case("content-length") {
            length = std::str::from_utf8(header.value).ok()?.trim().parse().ok()?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = true;
        } else if name.eq_ignore_ascii_case("authorization") {
            allowed |= header.value.strip_prefix(b"Bearer ") == Some(UPSTREAM_KEY.as_bytes());
        } else if name.eq_ignore_ascii_case("x-api-key") {
            allowed |= header.value == UPSTREAM_KEY.as_bytes();
        } else if name.eq_ignore_ascii_case("x-lane") {
            lane = std::str::from_utf8(header.value).ok();
        }
    }
    let path = path.split('?').next().unwrap_or(path);
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let lane = lane.or(parts.next()).unwrap_or_default();
    let api = if path.ends_with("/messages") { Api::Messages } else { Api::Chat };
    let wanted = if request.method == Some("GET") && path.ends_with("/models") {
        Wanted::Models
    } else if !allowed {
        Wanted::Refusal(401)
    } else if api == Api::Chat && !path.ends_with("/chat/completions") {
        Wanted::Refusal(404)
    } else {
        wanted(lane).unwrap_or(Wanted::Refusal(404))
    };
    Some(Head { length, chunked, wanted, api })
}

fn wanted(lane: &str) -> Option<Wanted> {
    let mut parts = lane.split('-');
    match parts.next()? {
        "json" => Some(Wanted::Whole),
        "fail" => Some(Wanted::Failure(parts.next()?.parse().ok()?)),
        "stream" => {
            let chunks = parts.next()?.parse().ok()?;
            let gap = Duration::from_millis(parts.next()?.parse().ok()?);
            Some(Wanted::Stream { chunks, gap })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str, more: &str) -> Wanted {
        let text =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {UPSTREAM_KEY}\r\n{more}\r\n");
        head(text.as_bytes()).expect("a head").wanted
    }

    #[test]
    fn lane_is_read_from_path_or_header() {
        assert_eq!(parsed("/json/v1/chat/completions", ""), Wanted::Whole);
        assert_eq!(parsed("/fail-429/v1/messages", ""), Wanted::Failure(429));
        let stream = Wanted::Stream { chunks: 10, gap: Duration::from_millis(13) };
        assert_eq!(parsed("/stream-10-13/v1/chat/completions", ""), stream);
        assert_eq!(parsed("/v1/chat/completions", "x-lane: stream-10-13\r\n"), stream);
        assert_eq!(parsed("/v1/chat/completions", ""), Wanted::Refusal(404));
        assert_eq!(parsed("/json/v1/embeddings", ""), Wanted::Refusal(404));
    }

    #[test]
    fn request_without_key_is_rejected() {
        let head = head(b"POST /json/v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n").expect("a head");
        assert_eq!(head.wanted, Wanted::Refusal(401));
    }
}
