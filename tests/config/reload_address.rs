//! A reload moves the gateway to another address: open connections are served to their end, and an address that
//! cannot be bound rejects the whole reload.

use std::net::TcpListener;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::process::{command, run, signal};
use crate::common::raw::{Raw, client};
use crate::common::{Answer, Gateway, Manager, Provider, Setup, Upstream, prompt};

const MODEL: &str = "moonshot/kimi-k3";
const TOKEN: &str = "a-token-of-this-test";

/// A port of this test's own: below those that the kernel gives out, and another one in another run.
fn port(number: u32) -> u16 {
    u16::try_from(10_000 + std::process::id() % 2_000 * 10 + number).unwrap()
}

/// The port is in the file, so that the file can change it.
fn on_port(upstream: &Upstream, port: u16, manager: &Manager) -> Setup {
    Setup::chain(upstream, &[Provider::Moonshot])
        .set("gateway", json!({ "port": port, "reload": false }))
        .on_its_own_port()
        .environment("NOTIFY_SOCKET", manager.path())
}

/// The notifications at its end.
async fn reload(gateway: &Gateway, setup: &Setup, manager: &Manager) -> String {
    std::fs::write(gateway.config(), setup.text()).unwrap();
    signal("-HUP", gateway.serving.pid()).await;
    manager.until("READY=1").await.pop().unwrap()
}

/// `gateway status --json` with nothing but the configuration.
async fn status(gateway: &Gateway) -> serde_json::Value {
    let mut asked = command(gateway.home(), ["gateway", "status", "--json", "--config"]);
    asked.arg(gateway.config());
    run(asked).await.json()
}

async fn health(port: u16) -> reqwest::Result<u16> {
    let answer = client().get(format!("http://127.0.0.1:{port}/health")).send().await?;
    Ok(answer.status().as_u16())
}

#[tokio::test]
async fn reload_to_another_port_keeps_open_connections() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    upstream.fault(crate::failover::faults::slow_drip(Provider::Moonshot)).await;
    let (before, after) = (port(0), port(1));
    let setup = on_port(&upstream, before, &manager);
    let mut gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    let asked = prompt(MODEL, "reply with 60 words", true).to_string();
    let running = gateway.chat_request(asked).send().await.unwrap();
    let mut kept = Raw::connect(gateway.serving.authority()).await;
    kept.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(kept.response(false).await.unwrap().status, 200);

    reload(&gateway, &setup.clone().set("gateway.port", json!(after)), &manager).await;
    gateway.serving.said(&format!("listening on http://127.0.0.1:{after}")).await;
    let reported = status(&gateway).await;
    assert_eq!(reported["address"], format!("http://127.0.0.1:{after}"), "{reported}");
    assert_eq!(reported["reload"]["ok"], true, "{reported}");
    assert!(health(before).await.unwrap_err().is_connect(), "the old address is given up");
    kept.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(kept.response(false).await.map(|answer| answer.status), Some(200), "who is there stays");
    let answer = Answer::read(running).await;
    assert!(!answer.broken && answer.said().errors.is_empty(), "{}", answer.text());
    assert_eq!(answer.said().done, 1, "{}", answer.text());
    assert_eq!(health(after).await.unwrap(), 200);
}

#[tokio::test]
async fn reload_to_an_address_in_use_is_rejected() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let port = port(2);
    let setup = on_port(&upstream, port, &manager);
    let gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = taken.local_addr().unwrap().port();
    let moved = setup.clone().set("gateway.port", json!(wanted)).set("gateway.auth.token", json!(TOKEN));
    let refused = reload(&gateway, &moved, &manager).await;
    assert!(refused.contains(&format!("cannot listen on 127.0.0.1:{wanted}")), "{refused}");
    let reported = gateway.get("/status").await.json();
    assert_eq!(
        (&reported["reload"]["ok"], &reported["address"]),
        (&json!(false), &json!(gateway.base())),
        "{reported}"
    );
    assert_eq!(gateway.get("/v1/models").await.status, 200, "not even the token counts");
    drop(taken);
    reload(&gateway, &moved, &manager).await;
    assert_eq!(status(&gateway).await["address"], format!("http://127.0.0.1:{wanted}"));
}

#[tokio::test]
async fn reload_exposes_the_port_only_with_a_token() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let port = port(3);
    let setup = on_port(&upstream, port, &manager);
    let gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    let open = setup.clone().set("gateway.bind", json!("all"));
    assert!(reload(&gateway, &open, &manager).await.contains("gateway.auth.token"));

    let guarded = open.set("gateway.auth.token", json!(TOKEN));
    reload(&gateway, &guarded, &manager).await;
    let address = status(&gateway).await["address"].as_str().unwrap().to_owned();
    assert!(
        address == format!("http://[::]:{port}") || address == format!("http://0.0.0.0:{port}"),
        "{address}"
    );
    let mut stranger = Raw::connect(gateway.serving.authority()).await;
    let models = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stranger.send(models).await;
    assert_eq!(stranger.response(false).await.unwrap().status, 401);

    reload(&gateway, &setup, &manager).await;
    assert_eq!(gateway.get("/v1/models").await.status, 200);
    assert_eq!(status(&gateway).await["address"], format!("http://127.0.0.1:{port}"));
    stranger.send(models).await;
    assert_eq!(stranger.response(false).await.unwrap().status, 401, "it came in where others can, too");
}

#[tokio::test]
async fn reload_moves_to_a_unix_socket_and_back() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let port = port(4);
    let setup = on_port(&upstream, port, &manager);
    let gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    let path = gateway.home().join("gateway.sock");
    let by_path = setup.clone().set("gateway.bind", json!(format!("unix:{}", path.display())));
    reload(&gateway, &by_path, &manager).await;
    assert_eq!(status(&gateway).await["address"], format!("unix:{}", path.display()));
    assert!(health(port).await.is_err());
    let mut there = tokio::net::UnixStream::connect(&path).await.unwrap();
    reload(&gateway, &setup, &manager).await;
    assert_eq!(health(port).await.unwrap(), 200);
    assert!(!path.exists(), "the file goes with its socket");
    there.write_all(b"GET /health HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    there.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "who is there stays: {answer}");
}

#[tokio::test]
async fn reload_keeps_an_address_fixed_by_flag_or_socket() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let setup = Setup::chain(&upstream, &[Provider::Moonshot])
        .set("gateway.reload", json!(false))
        .environment("NOTIFY_SOCKET", manager.path());
    let moved = setup.clone().set("gateway.port", json!(port(5)));
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let flagged = setup.clone().start().await;
    manager.until("READY=1").await;
    check_stays(flagged, &moved, &manager, "--port of the start wins").await;
    let handed_over = setup.start_on(socket.into()).await;
    manager.until("READY=1").await;
    check_stays(handed_over, &moved, &manager, "the sockets were handed over").await;
}

async fn check_stays(mut gateway: Gateway, moved: &Setup, manager: &Manager, why: &str) {
    assert!(reload(&gateway, moved, manager).await.contains(why));
    gateway.serving.said(why).await;
    let reported = gateway.status().await;
    assert_eq!(
        (&reported["reload"]["ok"], &reported["address"]),
        (&json!(true), &json!(gateway.base())),
        "{reported}"
    );
    assert!(reported["reload"]["message"].as_str().unwrap().contains(why), "{reported}");
}

/// The gateway is frozen while they connect, so they wait in the queue of the old address when it moves.
#[tokio::test]
async fn reload_serves_queued_connections() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let (before, after) = (port(6), port(7));
    let setup = on_port(&upstream, before, &manager);
    let gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    signal("-STOP", gateway.serving.pid()).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(Raw::connect(gateway.serving.authority()).await);
    }
    std::fs::write(gateway.config(), setup.clone().set("gateway.port", json!(after)).text()).unwrap();
    signal("-HUP", gateway.serving.pid()).await;
    signal("-CONT", gateway.serving.pid()).await;
    manager.until("READY=1").await;
    for client in &mut waiting {
        client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(client.response(false).await.map(|answer| answer.status), Some(200));
    }
    assert_eq!(health(after).await.unwrap(), 200);
}
