//! Socket activation: the gateway serves on sockets that another process opened and leaves them open. No client
//! is lost while one process ends and the next one starts.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::process::{run, signal};
use crate::common::{Answer, Manager, Provider, Setup, Upstream, activated, prompt};

/// A configuration whose own address cannot be bound: an answer proves that the passed socket was used.
fn unbindable(upstream: &Upstream) -> Setup {
    Setup::chain(upstream, &[Provider::Moonshot]).set("gateway.bind", json!("unix:/nonexistent/gateway.sock"))
}

#[tokio::test]
async fn passed_socket_is_served() {
    let upstream = Upstream::start().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    let gateway = unbindable(&upstream).start_on(socket.into()).await;
    assert_eq!(gateway.base(), address);
    let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn passed_tcp_and_unix_sockets_are_served_and_the_file_remains() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("gateway.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let (command, _home) = unbindable(&upstream).environment("NOTIFY_SOCKET", manager.path()).command();
    let mut child = activated(&command, [tcp.into(), unix.into()]).spawn().unwrap();
    manager.until("READY=1").await;
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut by_path = tokio::net::UnixStream::connect(&path).await.unwrap();
    let mut by_port = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut one, mut other) = (String::new(), String::new());
    by_path.write_all(request).await.unwrap();
    by_path.read_to_string(&mut one).await.unwrap();
    by_port.write_all(request).await.unwrap();
    by_port.read_to_string(&mut other).await.unwrap();
    for answer in [one, other] {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    signal("-TERM", child.id().unwrap()).await;
    assert!(child.wait().await.unwrap().success());
    assert!(path.exists(), "the file belongs to who made the socket");
}

#[tokio::test]
async fn connection_during_a_restart_is_served_by_the_next_process() {
    let upstream = Upstream::start().await;
    upstream.fault(crate::failover::faults::slow_drip(Provider::Moonshot)).await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = unbindable(&upstream);
    let mut first = setup.start_on(socket.try_clone().unwrap().into()).await;
    let asked = prompt("moonshot/kimi-k3", "reply with 60 words", true).to_string();
    let running = first.chat_request(asked.clone()).send().await.unwrap();
    assert_eq!(running.status(), 200);
    signal("-TERM", first.serving.pid()).await;
    first.serving.said("shutting down").await;
    // A connection of its own that is not accepted yet.
    let client = crate::common::raw::client();
    let url = format!("{}/v1/chat/completions", first.base());
    let waiting =
        tokio::spawn(async move { Answer::read(client.post(url).body(asked).send().await.unwrap()).await });
    let answer = Answer::read(running).await;
    let said = answer.said();
    assert!(!answer.broken && said.errors.is_empty(), "{}", answer.text());
    assert_eq!((said.finishes.len(), said.done), (1, 1), "{}", answer.text());
    assert!(first.serving.ended().await.success(), "{}", first.serving.output());
    assert!(!waiting.is_finished(), "the one that ended took no new request");

    let second = setup.start_on(socket.into()).await;
    assert_eq!(second.base(), first.base());
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status, answer.said().done), (200, 1), "{}", answer.text());
    assert_eq!(upstream.requests().await.len(), 2);
}

/// Clients that connect at any moment of a restart: before the signal, while answers finish, while no process
/// accepts, while the next process starts.
#[tokio::test]
async fn fifty_connections_during_a_restart_are_served() {
    let upstream = Upstream::start().await;
    upstream.fault(crate::failover::faults::slow_drip(Provider::Moonshot)).await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = unbindable(&upstream);
    let mut first = setup.start_on(socket.try_clone().unwrap().into()).await;
    let asked = prompt("moonshot/kimi-k3", "reply with 30 words", true).to_string();
    let url = format!("{}/v1/chat/completions", first.base());
    let come = |count: usize| -> Vec<_> {
        let ask = |_| {
            // A connection of its own each.
            let request = crate::common::raw::client().post(&url).body(asked.clone());
            tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await })
        };
        (0..count).map(ask).collect()
    };
    let mut clients = come(20);
    upstream.total(5).await;
    // Some are answered, some have connected, some are about to.
    signal("-TERM", first.serving.pid()).await;
    clients.extend(come(10));
    first.serving.said("shutting down").await;
    clients.extend(come(10));
    assert!(first.serving.ended().await.success(), "{}", first.serving.output());
    clients.extend(come(10));
    let _second = setup.start_on(socket.into()).await;
    for client in clients {
        let answer = client.await.unwrap();
        let said = answer.said();
        assert!(answer.status == 200 && !answer.broken && said.errors.is_empty(), "{}", answer.text());
        assert_eq!((said.finishes.len(), said.done), (1, 1), "{}", answer.text());
    }
}

#[tokio::test]
async fn reachable_socket_without_a_token_is_rejected() {
    let upstream = Upstream::start().await;
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let (command, _home) = Setup::chain(&upstream, &[Provider::Moonshot]).command();
    let ended = run(activated(&command, [socket.into()])).await;
    assert_eq!(ended.code, Some(78), "{}", ended.both());
    assert!(ended.stderr.contains("gateway.auth.token"), "{}", ended.both());
}

#[tokio::test]
async fn descriptor_that_does_not_listen_is_rejected_and_foreign_ones_are_ignored() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot]);
    let (command, home) = setup.command();
    let file = std::fs::File::create(home.path().join("file")).unwrap();
    let ended = run(activated(&command, [file.into()])).await;
    assert_eq!(ended.code, Some(1), "{}", ended.both());
    assert!(ended.stderr.contains("LISTEN_FDS"), "{}", ended.both());
    let gateway = setup.environment("LISTEN_FDS", "1").environment("LISTEN_PID", "1").start().await;
    assert_eq!(gateway.get("/health").await.status, 200);
}
