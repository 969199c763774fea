//! A provider whose every byte a test writes.

use std::future::Future;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

use super::gateway::Setup;

/// It plays its part on each connection, once a whole request came, until it is dropped.
pub(crate) struct Scripted {
    authority: String,
    accepting: tokio::task::JoinHandle<()>,
}

impl Scripted {
    /// Begins on a free port.
    pub(crate) async fn start<P, F>(part: P) -> Self
    where
        P: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        // A client that finds the queue full connects again after one, three and seven seconds.
        let listener = socket.listen(4096).unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let accepting = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_request(&mut stream).await;
                tokio::spawn(part(stream));
            }
        });
        Self { authority, accepting }
    }

    /// Only this provider, as `own/model`, with one attempt and no back-off.
    pub(crate) fn setup(&self) -> Setup {
        Setup::of(json!({
            "agents": { "defaults": { "model": "own/model" } },
            "models": { "mode": "replace", "providers": { "own": self.provider() } },
            "failover": { "attemptsPerTarget": 1 },
        }))
    }

    /// Its entry in `models.providers`.
    pub(crate) fn provider(&self) -> Value {
        let url = format!("http://{}/v1", self.authority);
        json!({ "baseUrl": url, "apiKey": KEY, "models": [{ "id": "model" }] })
    }
}

/// The key that it would be sent.
pub(crate) const KEY: &str = "a-key-of-the-scripted-provider-0123456789";

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Up to the end of a body with a length.
async fn read_request(stream: &mut TcpStream) {
    let mut read = Vec::new();
    loop {
        let head = read.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = head {
            let head = String::from_utf8(read[..end].to_ascii_lowercase()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if read.len() >= end + 4 + length.map_or(0, |length| length.parse().unwrap()) {
                return;
            }
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    }
}
