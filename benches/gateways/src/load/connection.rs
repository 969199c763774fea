//! One connection of a client.

use std::io;
use std::net::SocketAddr;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Target;
use super::answer::{Answer, excerpt};
use super::body::{Chunk, Framing};
use crate::clock;

const ROOM: usize = 16 << 10;

/// Kept open between requests.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// Answers that came over it.
    answered: u64,
}

/// A right answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// When the first text of a stream was here.
    pub first: Option<u64>,
    /// When all of it was here.
    pub end: u64,
    /// How long each stamped chunk was under way.
    pub delays: Vec<u64>,
    /// Whether the connection takes another request.
    pub keeps: bool,
}

struct Head {
    end: usize,
    status: u16,
    framing: Framing,
    keeps: bool,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// When the address does not accept connections.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: vec![0; ROOM], answered: 0 })
    }

    /// Sends one request. A connection closed while idle is reopened, as clients do.
    ///
    /// # Errors
    ///
    /// What was wrong with the response.
    pub async fn ask(&mut self, target: &Target) -> Result<Reply, String> {
        let idle = self.answered > 0;
        match self.exchange(target).await {
            Err(Fault::Closed) if idle => {
                *self = Self::open(target.address).await.map_err(|error| error.to_string())?;
                self.exchange(target).await.map_err(Fault::text)
            }
            other => other.map_err(Fault::text),
        }
    }

    async fn exchange(&mut self, target: &Target) -> Result<Reply, Fault> {
        self.socket.write_all(&target.request).await.map_err(|_| Fault::Closed)?;
        let (mut filled, mut now);
        let mut head = {
            filled = 0;
            loop {
                if filled == self.buffer.len() {
                    return Err(Fault::Wrong("a head without an end".to_owned()));
                }
                match self.socket.read(&mut self.buffer[filled..]).await {
                    Ok(0) | Err(_) if filled == 0 => return Err(Fault::Closed),
                    Ok(0) => return Err(Fault::Wrong("closed in the head".to_owned())),
                    Err(error) => return Err(Fault::Wrong(error.to_string())),
                    Ok(count) => filled += count,
                }
                now = clock::now();
                if let Some(end) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                    let head = head(&self.buffer[..end + 4]);
                    break head.ok_or_else(|| Fault::Wrong(excerpt(&self.buffer[..filled])))?;
                }
            }
        };
        let mut answer = Answer::new(target.chunks.is_some() && head.status == 200);
        let mut piece = head.end..filled;
        loop {
            let bytes = &self.buffer[piece];
            let taken = head.framing.take(bytes, |data| answer.take(data, now));
            if taken != Some(bytes.len()) {
                return Err(Fault::Wrong("malformed body".to_owned()));
            }
            if head.framing.done() {
                break;
            }
            let read = self.socket.read(&mut self.buffer).await;
            now = clock::now();
            match read {
                Ok(0) if matches!(head.framing, Framing::Close) => break,
                Ok(0) => return Err(Fault::Wrong("closed in the body".to_owned())),
                Ok(count) => piece = 0..count,
                Err(error) => return Err(Fault::Wrong(error.to_string())),
            }
        }
        self.answered += 1;
        if head.status != 200 {
            return Err(Fault::Wrong(format!("{} {}", head.status, answer.text())));
        }
        match answer.fault(target.chunks) {
            Some(fault) => Err(Fault::Wrong(fault)),
            None => Ok(Reply { first: answer.first, end: now, delays: answer.delays, keeps: head.keeps }),
        }
    }
}

enum Fault {
    /// Before a byte of the answer came.
    Closed,
    Wrong(String),
}

impl Fault {
    fn text(self) -> String {
        match self {
            Self::Closed => "closed without an answer".to_owned(),
            Self::Wrong(text) => text,
        }
    }
}

fn head(bytes: &[u8]) -> Option<Head> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(bytes).ok()?;
    let (mut framing, mut keeps) = (Framing::Close, response.version == Some(1));
    for header in &*response.headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            framing = Framing::Length(std::str::from_utf8(header.value).ok()?.trim().parse().ok()?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked(Chunk::Size(0));
        } else if header.name.eq_ignore_ascii_case("connection") {
            keeps &= !header.value.eq_ignore_ascii_case(b"close");
        }
    }
    keeps &= !matches!(framing, Framing::Close);
    Some(Head { end: bytes.len(), status: response.code?, framing, keeps })
}
