//! The five timeouts, each with a fault that only it detects: the log names it, and the failover is right.

use serde_json::{Value, json};

use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};

const MOONSHOT: &str = "moonshot/kimi-k3";
const BOTH: [Provider; 2] = [Provider::Moonshot, Provider::OpenRouter];

/// This timeout is short; all others are longer than the test waits.
fn with_clock(setup: Setup, short: &str) -> Setup {
    without_clocks(setup).set(&format!("failover.timeouts.{short}"), json!(1))
}

fn without_clocks(setup: Setup) -> Setup {
    let timeouts = json!({
        "connectSeconds": 600, "headSeconds": 600, "firstByteSeconds": 600, "idleSeconds": 600,
        "totalSeconds": 600,
    });
    setup.set("failover.timeouts", timeouts).set("failover.midStream", json!("error"))
}

/// Silence behind the first words.
fn stall() -> Value {
    json!({ "provider": "moonshot", "kind": "stall", "value": 8 })
}

async fn gateway(upstream: &Upstream, fault: Value, clock: &str) -> Gateway {
    upstream.fault(fault).await;
    with_clock(Setup::chain(upstream, &BOTH), clock).start().await
}

async fn ask(gateway: &Gateway, stream: bool) -> Answer {
    gateway.chat(&prompt(MOONSHOT, "reply with 120 words", stream)).await
}

/// The next target answers, and the log names the timeout.
async fn assert_left(gateway: &mut Gateway, stream: bool, clock: &str) {
    let answer = ask(gateway, stream).await;
    let expected = "moonshot/kimi-k3=timeout, openrouter/auto=ok";
    assert_eq!(answer.attempts(), expected, "{clock}: {}", answer.text());
    gateway.serving.said(&format!("(failover.timeouts.{clock})")).await;
}

#[tokio::test]
async fn connect_timeout_fails_over() {
    let upstream = Upstream::start().await;
    // A backlog of one connection, which is used: the kernel does not answer the next one.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let _taken = tokio::net::TcpStream::connect(address).await.unwrap();
    for stream in [false, true] {
        let setup = Setup::chain(&upstream, &BOTH)
            .set("models.providers.moonshot.baseUrl", json!(format!("http://{address}/v1")));
        let mut gateway = with_clock(setup, "connectSeconds").start().await;
        assert_left(&mut gateway, stream, "connectSeconds").await;
    }
}

#[tokio::test]
async fn response_header_timeout_fails_over() {
    let upstream = Upstream::start().await;
    let fault = json!({ "provider": "moonshot", "kind": "no_head" });
    let mut gateway = gateway(&upstream, fault, "headSeconds").await;
    assert_left(&mut gateway, true, "headSeconds").await;
}

#[tokio::test]
async fn first_token_and_complete_answer_timeouts_fail_over() {
    for (kind, stream) in [
        ("no_first_byte", true),
        ("role_then_stall", true),
        ("no_head", false),
        ("no_first_byte", false),
        ("role_then_stall", false),
    ] {
        let upstream = Upstream::start().await;
        let fault = json!({ "provider": "moonshot", "kind": kind });
        let mut gateway = gateway(&upstream, fault, "firstByteSeconds").await;
        assert_left(&mut gateway, stream, "firstByteSeconds").await;
    }
}

#[tokio::test]
async fn provider_timeout_overrides_the_first_byte_timeout() {
    for stream in [false, true] {
        let upstream = Upstream::start().await;
        upstream.fault(json!({ "provider": "moonshot", "kind": "no_head" })).await;
        let setup = Setup::chain(&upstream, &BOTH).set("models.providers.moonshot.timeoutSeconds", json!(1));
        let mut gateway = without_clocks(setup).start().await;
        let answer = ask(&gateway, stream).await;
        assert_eq!(answer.attempts(), "moonshot/kimi-k3=timeout, openrouter/auto=ok", "{}", answer.text());
        gateway.serving.said("(timeoutSeconds of the provider)").await;
    }
}

#[tokio::test]
async fn idle_timeout_interrupts_a_stream() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, stall(), "idleSeconds").await;
    let answer = ask(&gateway, true).await;
    assert_broken_off(&answer, "idleSeconds");
}

#[tokio::test]
async fn request_deadline_ends_a_request_without_a_cooldown() {
    for stream in [false, true] {
        let upstream = Upstream::start().await;
        let fault = json!({ "provider": "moonshot", "kind": "no_first_byte", "times": 1 });
        let gateway = gateway(&upstream, fault, "totalSeconds").await;
        let answer = ask(&gateway, stream).await;
        assert_eq!(
            (answer.status, answer.attempts()),
            (504, "moonshot/kimi-k3=timeout"),
            "{}",
            answer.text()
        );
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("(failover.timeouts.totalSeconds)"), "{message}");
        upstream.cancelled(1, 1000).await;
        assert_eq!(upstream.requests().await.len(), 1, "no time was left for another one");
        assert_eq!(ask(&gateway, stream).await.attempts(), "moonshot/kimi-k3=ok", "no target is in cooldown");
    }
}

#[tokio::test]
async fn request_deadline_ends_a_stream_with_an_error_event() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, stall(), "totalSeconds").await;
    assert_broken_off(&ask(&gateway, true).await, "totalSeconds");
    upstream.no_faults().await;
    assert_eq!(ask(&gateway, true).await.attempts(), "moonshot/kimi-k3=ok", "no target is in cooldown");
}

fn assert_broken_off(answer: &Answer, clock: &str) {
    let said = answer.said();
    assert!(!said.content.is_empty() && !answer.broken, "{}", answer.text());
    assert_eq!(said.errors.len(), 1, "{}", answer.text());
    let message = said.errors[0]["message"].as_str().unwrap();
    assert!(message.contains(&format!("(failover.timeouts.{clock})")), "{message}");
    assert_eq!(said.errors[0]["type"], "timeout");
}
