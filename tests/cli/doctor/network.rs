//! Providers, clock, address and the running gateway.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Machine, assert_finding, describe, running};
use crate::common::process::signal;
use crate::common::scripted::Scripted;
use crate::common::{Provider, Setup, Upstream, prompt};
use crate::failover::faults;

const MOONSHOT_AND_OPENROUTER: [Provider; 2] = [Provider::Moonshot, Provider::OpenRouter];

/// One provider with this base URL and a key in the file.
fn lone(base: &str) -> String {
    let provider = json!({ "baseUrl": base, "apiKey": "a-key-0123456789", "models": [{ "id": "m" }] });
    json!({ "agents": { "defaults": { "model": "own/m" } }, "models": { "mode": "replace", "providers": { "own": provider } } })
        .to_string()
}

#[tokio::test]
async fn offline_sends_no_request() {
    let upstream = Upstream::start().await;
    let config = Setup::chain(&upstream, &MOONSHOT_AND_OPENROUTER).text();
    let report = Machine::new(&config).doctor(&["--offline"]).await;
    for check in ["reach", "region", "clock"] {
        assert_eq!(report.why_skipped(check), "--offline");
    }
    let before = upstream.get("/_stats").await;
    Machine::new(&config).doctor(&["--offline"]).await;
    assert_eq!(upstream.get("/_stats").await, before);
    // Online it requests the model list, and no completion.
    let report = Machine::new(&config).doctor(&[]).await;
    assert!(report.of("reach").is_empty() && report.of("clock").is_empty(), "{:#}", report.value);
    let asked = upstream.requests().await;
    let asked: Vec<&str> = asked.iter().map(|request| request["path"].as_str().unwrap()).collect();
    for path in ["/moonshot/v1/models", "/kimi/coding/v1/models", "/openrouter/api/v1/key"] {
        assert!(asked.contains(&path), "{asked:?}");
    }
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn rejected_key_is_reported_masked() {
    let upstream = Upstream::with(&["--key", "the-only-good-key-0123456789"]).await;
    let config = Setup::chain(&upstream, &MOONSHOT_AND_OPENROUTER).text();
    let report = Machine::new(&config).doctor(&[]).await;
    let found: Vec<_> = report.of("reach").into_iter().map(describe).collect();
    assert_eq!(found.len(), 3, "{:#}", report.value);
    for provider in Provider::ALL {
        let words = format!("provider {} rejects its key sk-…00", provider.id());
        let one = found
            .iter()
            .find(|(_, text)| text.contains(&words))
            .unwrap_or_else(|| panic!("{words}: {found:?}"));
        assert_finding(one, "error", &["returned 401", "onboard"]);
        assert!(!report.ended.stdout.contains(provider.key()));
    }
}

#[tokio::test]
async fn key_of_another_product_is_detected_by_its_prefix() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &MOONSHOT_AND_OPENROUTER)
        .set("models.providers.moonshot.apiKey", json!(Provider::Kimi.key()))
        .set("models.providers.kimi.apiKey", json!(Provider::OpenRouter.key()));
    let report = Machine::new(&setup.text()).doctor(&["--offline"]).await;
    let found: Vec<_> = report.of("products").into_iter().map(describe).collect();
    assert_finding(&found[0], "warning", &["provider kimi is Kimi Code", "is for OpenRouter"]);
    assert_finding(
        &found[1],
        "warning",
        &["provider moonshot is Moonshot's platform", "is for Kimi Code", "kimi-code-api-key"],
    );
    let real = "{ models: { providers: { moonshot: { apiKey: 'sk-kimi-0123456789ab' } } } }";
    assert_finding(
        &Machine::new(real).doctor(&["--offline"]).await.only("products"),
        "error",
        &["Moonshot's platform"],
    );
}

/// A proxy that forwards requests for these hosts to simulators.
async fn proxy(hosts: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let hosts = hosts.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                    if client.read_buf(&mut head).await.unwrap() == 0 {
                        return;
                    }
                }
                let head = String::from_utf8(head).unwrap();
                let (host, behind) =
                    hosts.iter().find(|(host, _)| head.starts_with(&format!("GET http://{host}/"))).unwrap();
                let mut server = TcpStream::connect(behind.strip_prefix("http://").unwrap()).await.unwrap();
                let head = head.replacen(&format!("GET http://{host}/v1"), "GET /moonshot/v1", 1);
                let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
                server.write_all(head.as_bytes()).await.unwrap();
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            });
        }
    });
    address
}

#[tokio::test]
async fn key_of_the_other_region_is_found() {
    let key = "sk-of-the-chinese-site-0123456789";
    let international = Upstream::with(&["--key", "sk-of-the-other-site-0123456789"]).await;
    let chinese = Upstream::with(&["--key", key]).await;
    let hosts = vec![
        ("api.moonshot.ai", international.base().to_owned()),
        ("api.moonshot.cn", chinese.base().to_owned()),
    ];
    let proxy = proxy(hosts).await;
    let config = |host: &str| {
        let provider = json!({ "baseUrl": format!("http://{host}/v1"), "allowInsecure": true, "apiKey": key, "headers": { "x-own": "mine" } });
        json!({ "agents": { "defaults": { "model": "moonshot/kimi-k3" } }, "models": { "providers": { "moonshot": provider } } }).to_string()
    };
    let machine = Machine::new(&config("api.moonshot.ai"))
        .variable("HTTP_PROXY", &proxy)
        .variable("http_proxy", &proxy);
    let report = machine.doctor(&[]).await;
    let fix = "moonrelay config set models.providers.moonshot.baseUrl http://api.moonshot.cn/v1";
    assert_finding(
        &report.only("region"),
        "error",
        &["the key of provider moonshot, sk-…89", "belongs to the other region", "returned 401", fix],
    );
    assert!(report.of("reach").is_empty(), "it is reported once: {:#}", report.value);
    let header = async |upstream: &Upstream| upstream.requests().await[0]["headers"].to_string();
    assert!(header(&international).await.contains("x-own"));
    assert!(!header(&chinese).await.contains("x-own"), "configured headers are for their own host");
    // The command of the fix works.
    let set = crate::common::process::run(machine.command(&[
        "config",
        "set",
        "models.providers.moonshot.baseUrl",
        "http://api.moonshot.cn/v1",
    ]))
    .await;
    assert_eq!(set.code, Some(0), "{}", set.both());
    let report = machine.doctor(&[]).await;
    assert!(report.of("region").is_empty() && report.of("reach").is_empty(), "{:#}", report.value);
    assert!(!report.ended.stdout.contains(key));
}

#[tokio::test]
async fn key_of_another_product_is_sent_to_no_catalog_host() {
    let key = "sk-kimi-0123456789abcdef";
    let upstreams = [Upstream::start().await, Upstream::start().await];
    let hosts = ["api.moonshot.ai", "api.moonshot.cn"].into_iter().zip(&upstreams);
    let proxy = proxy(hosts.map(|(host, upstream)| (host, upstream.base().to_owned())).collect()).await;
    let report = async |key: &str| {
        let provider =
            json!({ "baseUrl": "http://api.moonshot.ai/v1", "allowInsecure": true, "apiKey": key });
        let config = json!({ "agents": { "defaults": { "model": "moonshot/kimi-k3" } }, "models": { "providers": { "moonshot": provider } } });
        let machine = Machine::new(&config.to_string());
        machine.variable("HTTP_PROXY", &proxy).variable("http_proxy", &proxy).doctor(&[]).await
    };
    let describe = report(key).await;
    assert_finding(&describe.only("products"), "error", &["is for Kimi Code", "kimi-code-api-key"]);
    assert_eq!(describe.why_skipped("reach"), "no provider has a key that can be tested");
    assert!(!describe.ended.stdout.contains(key));
    for upstream in &upstreams {
        assert!(upstream.requests().await.is_empty(), "the key was sent");
    }
    // A key without a known prefix is sent.
    assert!(report("sk-0123456789abcdef").await.of("reach").is_empty());
    assert_eq!(upstreams[0].requests().await.len(), 1);
}

#[tokio::test]
async fn unreachable_provider_is_reported_with_its_failed_stage() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // It accepts connections without TLS.
    let plain = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"this is no TLS, whatever you say first\r\n\r\n").await.ok();
        }
    });
    let tls = Machine::new(&lone(&format!("https://{address}/v1"))).doctor(&[]).await;
    assert_finding(
        &tls.only("reach"),
        "error",
        &["provider own cannot be reached", "TLS", "CA certificates"],
    );
    assert_eq!(tls.why_skipped("clock"), "no response had a Date header");
    plain.abort();
    let _ = plain.await;
    let refused = Machine::new(&lone(&format!("http://{address}/v1"))).doctor(&[]).await;
    assert_finding(&refused.only("reach"), "error", &["127.0.0.1 does not accept the connection", "curl -v"]);
    // A name without an address (RFC 6761).
    let nameless = Machine::new(&lone("https://nowhere.invalid/v1")).doctor(&[]).await;
    assert_finding(&nameless.only("reach"), "error", &["the name nowhere.invalid has no address"]);
}

#[tokio::test]
async fn provider_status_has_its_severity() {
    for (answer, severity, said) in [
        ("404 Not Found", "warning", "its baseUrl may be wrong"),
        ("403 Forbidden", "warning", "does not serve it"),
        ("503 Service Unavailable", "warning", "has a server error"),
        ("401 Unauthorized", "error", "rejects its key"),
    ] {
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let upstream = answering(answer).await;
        let config = lone(upstream.provider()["baseUrl"].as_str().unwrap());
        assert_finding(&Machine::new(&config).doctor(&[]).await.only("reach"), severity, &[said]);
    }
}

async fn answering(answer: String) -> Scripted {
    Scripted::start(move |mut stream| {
        let answer = answer.clone();
        async move {
            stream.write_all(answer.as_bytes()).await.ok();
        }
    })
    .await
}

#[tokio::test]
async fn wrong_clock_is_found_by_the_date_of_a_response() {
    for (off, expected) in [(0, None), (120, Some("warning")), (3600, Some("error"))] {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(off));
        let body = "{\"object\":\"list\",\"data\":[]}";
        let length = body.len();
        let upstream = answering(format!(
            "HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
        .await;
        let report = Machine::new(&lone(upstream.provider()["baseUrl"].as_str().unwrap())).doctor(&[]).await;
        match expected {
            None => assert!(report.of("clock").is_empty(), "{:#}", report.value),
            Some(severity) => assert_finding(
                &report.only("clock"),
                severity,
                &[" s behind", "Date", "timedatectl set-ntp true"],
            ),
        }
    }
}

#[tokio::test]
async fn port_in_use_is_reported_with_the_command_that_shows_the_process() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = format!(
        "{{ gateway: {{ port: {port} }}, models: {{ providers: {{ moonshot: {{ apiKey: 'sk-0123456789ab' }} }} }} }}"
    );
    let machine = Machine::new(&config);
    let report = machine.doctor(&["--offline"]).await;
    let problem = format!("port {port} is in use by another process");
    let command = format!("ss -ltnp 'sport = :{port}'");
    assert_finding(
        &report.only("place"),
        "error",
        &[&problem, &command, &format!("moonrelay config set gateway.port {}", port + 1)],
    );
    drop(taken);
    assert!(machine.doctor(&["--offline"]).await.of("place").is_empty());
}

#[tokio::test]
async fn socket_path_that_cannot_be_used_is_reported() {
    let machine = Machine::new("{}");
    let socket = machine.path("run/moon.sock");
    let config = json!({ "gateway": { "bind": format!("unix:{}", socket.display()) }, "models": { "providers": { "moonshot": { "apiKey": "sk-0123456789ab" } } } });
    machine.write("config/moonrelay/config.json5", &config.to_string(), 0o600);
    let place = async |severity: &str, words: &[&str]| {
        assert_finding(&machine.doctor(&["--offline"]).await.only("place"), severity, words);
    };
    place("error", &["the directory of the socket", "mkdir -p"]).await;
    machine.write("run/moon.sock", "", 0o600);
    place("error", &["is not a socket", "mv "]).await;
    std::fs::remove_file(&socket).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    place("error", &["another process listens"]).await;
    drop(listener);
    place("info", &["was left by a process that has ended"]).await;
}

#[tokio::test]
async fn cooldowns_and_rejected_reload_of_the_running_gateway_are_reported() {
    let upstream = Upstream::start().await;
    let (mut gateway, config) = running(Setup::chain(&upstream, &MOONSHOT_AND_OPENROUTER)).await;
    let machine = Machine::new(&config);
    let place = gateway.config();
    let arguments = ["--config", place.to_str().unwrap()];
    assert!(machine.doctor(&arguments).await.of("rests").is_empty());
    for provider in MOONSHOT_AND_OPENROUTER {
        upstream
            .fault(faults::documented(
                provider,
                if provider == Provider::Moonshot { "insufficient_balance" } else { "overloaded" },
            ))
            .await;
    }
    gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", false)).await;
    let report = machine.doctor(&arguments).await;
    let found: Vec<_> = report.of("rests").into_iter().map(describe).collect();
    assert_finding(
        &found[0],
        "error",
        &["moonshot/kimi-k3 is in cooldown for ", "(billing)", "no target is available", "add balance"],
    );
    assert_finding(&found[1], "error", &["openrouter/auto is in cooldown for "]);
    assert!(report.of("gateway").is_empty(), "{:#}", report.value);
    // The gateway rejects the changed file.
    let mut wrong: Value = serde_json::from_str(&config).unwrap();
    wrong["gateway"]["bind"] = json!("all");
    wrong["gateway"]["auth"] = json!({ "token": "t-0123456789" });
    wrong["models"]["providers"]["moonshot"]["apiKey"] = json!("${NOT_THERE}");
    wrong["models"]["mode"] = json!("replace");
    wrong["logging"] = json!({ "level": "lots" });
    std::fs::write(gateway.config(), wrong.to_string()).unwrap();
    signal("-HUP", gateway.serving.pid()).await;
    gateway.serving.said("new configuration rejected").await;
    std::fs::write(gateway.config(), "{ logging: { level: 'lots' } }").unwrap();
    let mine = machine.path("config/moonrelay/config.json5");
    let report = machine.doctor(&["--offline"]).await;
    let found: Vec<_> = report.of("gateway").into_iter().map(describe).collect();
    assert_eq!(found.len(), 2, "{:#}", report.value);
    assert_finding(&found[0], "warning", &["reads ", mine.to_str().unwrap()]);
    assert_finding(&found[1], "error", &["rejected", "logging.level", "gateway reload"]);
}

#[tokio::test]
async fn clients_that_kimi_code_rejects_are_reported() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter]);
    let gate = async |setup: &Setup| {
        let report = Machine::new(&setup.text()).doctor(&["--offline"]).await;
        report
            .of("gate")
            .first()
            .map(|found| (found["severity"].as_str().unwrap().to_owned(), describe(found).1))
    };
    let (severity, words) = gate(&setup).await.unwrap();
    assert_finding(
        &(&severity, words),
        "info",
        &["forbidden_client", "openrouter/auto serves them", "ANTHROPIC_BASE_URL", "User-Agent"],
    );
    let chat_only = setup.clone().set("models.providers.kimi.api", json!("openai-completions"));
    assert_eq!(gate(&chat_only).await.unwrap().0, "warning");
    assert!(
        gate(&setup.set("models.providers.kimi.headers", json!({ "User-Agent": "KimiCLI/1.46.0" })))
            .await
            .is_none()
    );
}
