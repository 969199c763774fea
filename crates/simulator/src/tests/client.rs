//! A client that exposes raw bytes and how the connection ended.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(super) struct Client {
    address: SocketAddr,
    base: String,
    pub(super) headers: Vec<(String, String)>,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As announced by its length or its last chunk.
    Clean,
    /// The connection closed before.
    Short,
    /// The connection was reset.
    Reset,
}

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
    /// Sizes of the wire's chunks.
    pub(super) chunks: Vec<usize>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, base: &str, key: &str, agent: &str) -> Self {
        let mut headers = vec![("user-agent".to_owned(), agent.to_owned())];
        if !key.is_empty() {
            headers.push(("authorization".to_owned(), format!("Bearer {key}")));
        }
        Self { address, base: base.to_owned(), headers }
    }

    /// The same caller at another base.
    pub(super) fn below(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    pub(super) async fn chat(&self, body: &Value) -> Reply {
        self.send("POST", "/chat/completions", body.to_string().as_bytes()).await
    }

    pub(super) async fn post(&self, route: &str, body: &Value) -> Reply {
        self.send("POST", route, body.to_string().as_bytes()).await
    }

    pub(super) async fn get(&self, route: &str) -> Reply {
        self.send("GET", route, b"").await
    }

    pub(super) async fn send(&self, method: &str, route: &str, body: &[u8]) -> Reply {
        let (bytes, error) = self.exchange(method, route, body).await;
        parse(&bytes, error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset))
            .unwrap_or_else(|| panic!("no response head in {:?}", String::from_utf8_lossy(&bytes)))
    }

    /// All bytes that came, and the error at their end.
    pub(super) async fn exchange(
        &self,
        method: &str,
        route: &str,
        body: &[u8],
    ) -> (Vec<u8>, Option<io::Error>) {
        let mut stream = self.open(method, route, body).await;
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the answer ends in time");
        (bytes, read.err())
    }

    /// Sends and leaves the reading to the caller.
    pub(super) async fn open(&self, method: &str, route: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut head = format!(
            "{method} {}{route} HTTP/1.1\r\nhost: simulator\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.base,
            body.len()
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        // A reset may come before all is written; the read detects it.
        let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
        stream
    }

    pub(super) async fn open_chat(&self, body: &Value) -> TcpStream {
        self.open("POST", "/chat/completions", body.to_string().as_bytes()).await
    }
}

/// Reads until the bytes contain `mark`.
pub(super) async fn read_until(stream: &mut TcpStream, mark: &str) -> String {
    let mut bytes = Vec::new();
    let found = async {
        while !String::from_utf8_lossy(&bytes).contains(mark) {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "{mark:?} does not come in {:?}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&buffer[..count]);
        }
    };
    timeout(PATIENCE, found).await.expect("the mark comes in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn parse(bytes: &[u8], reset: bool) -> Option<Reply> {
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..split]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .map(|line| {
            line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())).unwrap()
        })
        .collect();
    let raw = &bytes[split + 4..];
    let mut reply = Reply { status, headers, body: Vec::new(), end: End::Short, chunks: Vec::new() };
    if let Some(length) = reply.header("content-length").map(|length| length.parse::<usize>().unwrap()) {
        reply.body = raw.to_vec();
        if raw.len() == length {
            reply.end = End::Clean;
        }
    } else {
        reply.dechunk(raw);
    }
    if reset && reply.end == End::Short {
        reply.end = End::Reset;
    }
    Some(reply)
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|problem| {
            panic!("{problem} in {} {:?}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// The JSON of every `data:` event but `[DONE]`.
    pub(super) fn events(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    /// The concatenated values of a member of all `delta` objects, on the Messages API.
    pub(super) fn said(&self, key: &str) -> String {
        self.events().iter().filter_map(|event| event["delta"][key].as_str()).collect()
    }

    /// A member of all deltas, joined.
    pub(super) fn delta(&self, key: &str) -> String {
        let events = self.events();
        events.iter().filter_map(|event| event["choices"][0]["delta"][key].as_str()).collect()
    }

    fn dechunk(&mut self, mut raw: &[u8]) {
        while let Some(line) = raw.windows(2).position(|window| window == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&raw[..line]).unwrap(), 16).unwrap();
            if size == 0 {
                self.end = End::Clean;
                return;
            }
            let data = &raw[line + 2..];
            self.body.extend_from_slice(&data[..size.min(data.len())]);
            self.chunks.push(size);
            if data.len() < size + 2 {
                return;
            }
            raw = &data[size + 2..];
        }
    }
}
