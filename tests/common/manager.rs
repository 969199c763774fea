//! A service manager that receives and stores notifications.

use std::path::{Path, PathBuf};

use tokio::net::UnixDatagram;

use super::process::PATIENCE;

/// `NOTIFY_SOCKET`, and its reader.
pub(crate) struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    _home: tempfile::TempDir,
}

impl Manager {
    /// Listens at a path of its own.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        Self { socket: UnixDatagram::bind(&path).unwrap(), path, _home: home }
    }

    /// The value of `NOTIFY_SOCKET`.
    pub(crate) fn path(&self) -> &str {
        Path::to_str(&self.path).unwrap()
    }

    /// The next message.
    pub(crate) async fn next(&self) -> String {
        let mut buffer = vec![0; 64 * 1024];
        let read = tokio::time::timeout(PATIENCE, self.socket.recv(&mut buffer));
        let length = read.await.expect("a notification arrives").unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// Reads messages up to one that holds this text; all of them.
    pub(crate) async fn until(&self, text: &str) -> Vec<String> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            let found = message.contains(text);
            messages.push(message);
            if found {
                return messages;
            }
        }
    }

    /// Everything that came and was not read yet.
    pub(crate) fn rest(&self) -> Vec<String> {
        let mut buffer = vec![0; 64 * 1024];
        let mut messages = Vec::new();
        while let Ok(length) = self.socket.try_recv(&mut buffer) {
            messages.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        messages
    }
}
