//! Clients: one that sends exactly what it is given, and one that writes bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::process::PATIENCE;

/// A client without retries, redirects, proxies and TLS: only plain loopback.
pub(crate) fn client() -> reqwest::Client {
    // The program's build of reqwest has TLS without a default provider. An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

/// A TCP connection on which a test writes any bytes.
pub(crate) struct Raw {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// One response as it was read.
#[derive(Debug)]
pub(crate) struct RawResponse {
    /// Status code.
    pub(crate) status: u16,
    /// The head, without the empty line.
    pub(crate) head: String,
    /// The body, with its transfer coding taken off.
    pub(crate) body: Vec<u8>,
}

impl RawResponse {
    /// A header's value, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl Raw {
    /// Connects to `host:port`.
    pub(crate) async fn connect(authority: &str) -> Self {
        let socket = TcpStream::connect(authority).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, buffer: Vec::new() }
    }

    /// Writes these bytes. A server that has closed already is not an error here: reading shows it.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
        let _ = self.socket.flush().await;
    }

    /// Reads one response; `None` if the server closes without one.
    pub(crate) async fn response(&mut self, to_head: bool) -> Option<RawResponse> {
        tokio::time::timeout(PATIENCE, self.read_response(to_head))
            .await
            .expect("the server answers or closes")
    }

    /// Whether the server closed without another byte.
    pub(crate) async fn closed(&mut self) -> bool {
        self.buffer.is_empty()
            && !tokio::time::timeout(PATIENCE, self.more()).await.expect("the server closes")
    }

    /// Reads until these bytes were seen, and gives everything up to them.
    pub(crate) async fn until(&mut self, needle: &[u8]) -> Vec<u8> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(at) = self.buffer.windows(needle.len()).position(|w| w == needle) {
                    return self.buffer.drain(..at + needle.len()).collect();
                }
                assert!(self.more().await, "closed before {:?}", String::from_utf8_lossy(needle));
            }
        })
        .await
        .expect("the bytes come")
    }

    async fn read_response(&mut self, to_head: bool) -> Option<RawResponse> {
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.buffer.drain(..head_end + 4).collect()).unwrap();
        let head = head.trim_end().to_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = RawResponse { status, head, body: Vec::new() };
        if to_head || status == 100 || status == 204 || status == 304 {
            return Some(response);
        }
        if response.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            response.body = self.chunks().await;
        } else if let Some(length) = response.header("content-length") {
            response.body = self.exactly(length.parse().unwrap()).await;
        } else {
            while self.more().await {}
            response.body = std::mem::take(&mut self.buffer);
        }
        Some(response)
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.until(b"\r\n").await).unwrap();
            let size = usize::from_str_radix(line.trim().split(';').next().unwrap(), 16).unwrap();
            let chunk = self.exactly(size + 2).await;
            if size == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.more().await, "closed within a body");
        }
        self.buffer.drain(..length).collect()
    }

    async fn more(&mut self) -> bool {
        self.buffer.reserve(16 * 1024);
        matches!(self.socket.read_buf(&mut self.buffer).await, Ok(read) if read > 0)
    }
}
