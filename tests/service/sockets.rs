//! A UNIX socket is private, takes any Host, and leaves nothing behind.

use std::os::unix::fs::PermissionsExt;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::common::process::{command, run, signal};

#[tokio::test]
async fn unix_socket_is_private_and_removed_at_exit() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("gateway.sock");
    let bind = format!("unix:{}", socket.display());
    let mut serve = command(home.path(), ["gateway", "run", "--bind", &bind]);
    serve.env("MOONSHOT_API_KEY", "sk-simulated-moonshot-0000000000");
    let mut child = serve.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains(&format!("listening on {bind}")) {
            break;
        }
    }
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"ok":true,"status":"live"}"#),
        "{answer}"
    );

    let mut second = command(home.path(), ["gateway", "run", "--bind", &bind]);
    second.env("MOONSHOT_API_KEY", "sk-simulated-moonshot-0000000000");
    let refused = run(second).await;
    assert_eq!(refused.code, Some(1), "{}", refused.both());
    assert!(refused.stderr.contains("another gateway may be running"), "{}", refused.both());

    signal("-TERM", child.id().unwrap()).await;
    assert!(child.wait().await.unwrap().success());
    assert!(!socket.exists());
}
