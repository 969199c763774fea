//! Providers and the gateway: reachability, keys, the clock, the port.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Patient, reported, running, says};
use crate::common::process::signal;
use crate::common::scripted::Scripted;
use crate::common::{Provider, Setup, Upstream, prompt};
use crate::faults;

const MOONSHOT_AND_OPENROUTER: [Provider; 2] = [Provider::Moonshot, Provider::OpenRouter];

/// One provider at this base, with a key in the file.
fn lone(base: &str) -> String {
    let provider = json!({ "baseUrl": base, "apiKey": "a-key-0123456789", "models": [{ "id": "m" }] });
    json!({ "agents": { "defaults": { "model": "own/m" } }, "models": { "mode": "replace", "providers": { "own": provider } } })
        .to_string()
}

#[tokio::test]
async fn offline_nobody_is_asked() {
    let upstream = Upstream::start().await;
    let config = Setup::chain(&upstream, &MOONSHOT_AND_OPENROUTER).text();
    let examined = Patient::new(&config).examined(&["--offline"]).await;
    for check in ["reach", "region", "clock"] {
        assert_eq!(examined.why_skipped(check), "--offline");
    }
    let before = upstream.get("/_stats").await;
    Patient::new(&config).examined(&["--offline"]).await;
    assert_eq!(upstream.get("/_stats").await, before);
    // Online, the request is a list of models, not an answer of a model.
    let examined = Patient::new(&config).examined(&[]).await;
    assert!(examined.of("reach").is_empty() && examined.of("clock").is_empty(), "{:#}", examined.value);
    let asked = upstream.requests().await;
    let asked: Vec<&str> = asked.iter().map(|request| request["path"].as_str().unwrap()).collect();
    for path in ["/moonshot/v1/models", "/kimi/coding/v1/models", "/openrouter/api/v1/key"] {
        assert!(asked.contains(&path), "{asked:?}");
    }
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn a_key_that_is_refused_is_reported_masked() {
    let upstream = Upstream::with(&["--key", "the-only-good-key-0123456789"]).await;
    let config = Setup::chain(&upstream, &MOONSHOT_AND_OPENROUTER).text();
    let examined = Patient::new(&config).examined(&[]).await;
    let found: Vec<_> = examined.of("reach").into_iter().map(reported).collect();
    assert_eq!(found.len(), 3, "{:#}", examined.value);
    for provider in Provider::ALL {
        let words = format!("provider {} refuses its key sk-…00", provider.id());
        let one = found
            .iter()
            .find(|(_, text)| text.contains(&words))
            .unwrap_or_else(|| panic!("{words}: {found:?}"));
        says(one, "error", &["answered 401", "onboard"]);
        assert!(!examined.ended.stdout.contains(provider.key()));
    }
}

#[tokio::test]
async fn a_key_of_another_product_is_known_by_how_it_begins() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &MOONSHOT_AND_OPENROUTER)
        .set("models.providers.moonshot.apiKey", json!(Provider::Kimi.key()))
        .set("models.providers.kimi.apiKey", json!(Provider::OpenRouter.key()));
    let examined = Patient::new(&setup.text()).examined(&["--offline"]).await;
    let found: Vec<_> = examined.of("products").into_iter().map(reported).collect();
    says(&found[0], "warning", &["provider kimi is Kimi Code", "one of OpenRouter"]);
    says(
        &found[1],
        "warning",
        &["provider moonshot is Moonshot's platform", "one of Kimi Code", "kimi-code-api-key"],
    );
    let real = "{ models: { providers: { moonshot: { apiKey: 'sk-kimi-0123456789ab' } } } }";
    says(
        &Patient::new(real).examined(&["--offline"]).await.only("products"),
        "error",
        &["Moonshot's platform"],
    );
}

/// Requests to these hosts through this proxy are answered by simulators.
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
async fn a_key_of_the_other_region_is_found_there() {
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
    let patient = Patient::new(&config("api.moonshot.ai"))
        .variable("HTTP_PROXY", &proxy)
        .variable("http_proxy", &proxy);
    let examined = patient.examined(&[]).await;
    let fix = "moonrelay config set models.providers.moonshot.baseUrl http://api.moonshot.cn/v1";
    says(
        &examined.only("region"),
        "error",
        &["the key of provider moonshot, sk-…89", "belongs to the other region", "answered 401", fix],
    );
    assert!(examined.of("reach").is_empty(), "it is told once: {:#}", examined.value);
    let header = async |upstream: &Upstream| upstream.requests().await[0]["headers"].to_string();
    assert!(header(&international).await.contains("x-own"));
    assert!(!header(&chinese).await.contains("x-own"), "a header of the user's is for its own host");
    // The printed command fixes it.
    let set = crate::common::process::run(patient.command(&[
        "config",
        "set",
        "models.providers.moonshot.baseUrl",
        "http://api.moonshot.cn/v1",
    ]))
    .await;
    assert_eq!(set.code, Some(0), "{}", set.both());
    let examined = patient.examined(&[]).await;
    assert!(examined.of("region").is_empty() && examined.of("reach").is_empty(), "{:#}", examined.value);
    assert!(!examined.ended.stdout.contains(key));
}

#[tokio::test]
async fn a_key_of_another_product_is_sent_to_no_host_of_the_catalog() {
    let key = "sk-kimi-0123456789abcdef";
    let upstreams = [Upstream::start().await, Upstream::start().await];
    let hosts = ["api.moonshot.ai", "api.moonshot.cn"].into_iter().zip(&upstreams);
    let proxy = proxy(hosts.map(|(host, upstream)| (host, upstream.base().to_owned())).collect()).await;
    let examined = async |key: &str| {
        let provider =
            json!({ "baseUrl": "http://api.moonshot.ai/v1", "allowInsecure": true, "apiKey": key });
        let config = json!({ "agents": { "defaults": { "model": "moonshot/kimi-k3" } }, "models": { "providers": { "moonshot": provider } } });
        let patient = Patient::new(&config.to_string());
        patient.variable("HTTP_PROXY", &proxy).variable("http_proxy", &proxy).examined(&[]).await
    };
    let reported = examined(key).await;
    says(&reported.only("products"), "error", &["one of Kimi Code", "kimi-code-api-key"]);
    assert_eq!(reported.why_skipped("reach"), "no provider can be asked with a key of its own");
    assert!(!reported.ended.stdout.contains(key));
    for upstream in &upstreams {
        assert!(upstream.requests().await.is_empty(), "the key went there");
    }
    // One that may be its own goes there.
    assert!(examined("sk-0123456789abcdef").await.of("reach").is_empty());
    assert_eq!(upstreams[0].requests().await.len(), 1);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_reported_with_what_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // It accepts connections and does not speak TLS.
    let plain = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"this is no TLS, whatever you say first\r\n\r\n").await.ok();
        }
    });
    let tls = Patient::new(&lone(&format!("https://{address}/v1"))).examined(&[]).await;
    says(&tls.only("reach"), "error", &["provider own cannot be reached", "TLS", "CA certificates"]);
    assert_eq!(tls.why_skipped("clock"), "no answer had a Date");
    plain.abort();
    let _ = plain.await;
    let refused = Patient::new(&lone(&format!("http://{address}/v1"))).examined(&[]).await;
    says(&refused.only("reach"), "error", &["nobody takes a connection at 127.0.0.1", "curl -v"]);
    // A name that never resolves (RFC 6761).
    let nameless = Patient::new(&lone("https://nowhere.invalid/v1")).examined(&[]).await;
    says(&nameless.only("reach"), "error", &["the name nowhere.invalid has no address"]);
}

#[tokio::test]
async fn what_a_provider_answers_is_weighed() {
    for (answer, severity, said) in [
        ("404 Not Found", "warning", "its baseUrl may be wrong"),
        ("403 Forbidden", "warning", "does not serve it"),
        ("503 Service Unavailable", "warning", "in trouble itself"),
        ("401 Unauthorized", "error", "refuses its key"),
    ] {
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let upstream = answering(answer).await;
        let config = lone(upstream.provider()["baseUrl"].as_str().unwrap());
        says(&Patient::new(&config).examined(&[]).await.only("reach"), severity, &[said]);
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
async fn a_clock_that_is_wrong_is_reported_by_the_date_of_an_answer() {
    for (off, expected) in [(0, None), (120, Some("warning")), (3600, Some("error"))] {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(off));
        let body = "{\"object\":\"list\",\"data\":[]}";
        let length = body.len();
        let upstream = answering(format!(
            "HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
        .await;
        let examined =
            Patient::new(&lone(upstream.provider()["baseUrl"].as_str().unwrap())).examined(&[]).await;
        match expected {
            None => assert!(examined.of("clock").is_empty(), "{:#}", examined.value),
            Some(severity) => {
                says(&examined.only("clock"), severity, &[" s behind", "Date", "timedatectl set-ntp true"])
            }
        }
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_reported_with_who_has_it() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = format!(
        "{{ gateway: {{ port: {port} }}, models: {{ providers: {{ moonshot: {{ apiKey: 'sk-0123456789ab' }} }} }} }}"
    );
    let patient = Patient::new(&config);
    let examined = patient.examined(&["--offline"]).await;
    let own = std::env::current_exe().unwrap();
    let own = own.file_name().unwrap().to_str().unwrap().to_owned();
    let who = format!("port {port} is taken by {own} (process {})", std::process::id());
    says(
        &examined.only("place"),
        "error",
        &[&who, &format!("moonrelay config set gateway.port {}", port + 1)],
    );
    drop(taken);
    assert!(patient.examined(&["--offline"]).await.of("place").is_empty());
}

#[tokio::test]
async fn the_path_of_a_socket_is_looked_at() {
    let patient = Patient::new("{}");
    let socket = patient.path("run/moon.sock");
    let config = json!({ "gateway": { "bind": format!("unix:{}", socket.display()) }, "models": { "providers": { "moonshot": { "apiKey": "sk-0123456789ab" } } } });
    patient.write("config/moonrelay/config.json5", &config.to_string(), 0o600);
    let place = async |severity: &str, words: &[&str]| {
        says(&patient.examined(&["--offline"]).await.only("place"), severity, words);
    };
    place("error", &["the directory of the socket", "mkdir -p"]).await;
    patient.write("run/moon.sock", "", 0o600);
    place("error", &["is no socket", "mv "]).await;
    std::fs::remove_file(&socket).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    place("error", &["somebody else listens"]).await;
    drop(listener);
    place("info", &["was left by a process that is gone"]).await;
}

#[tokio::test]
async fn the_running_gateway_reports_who_cooldowns_and_what_it_refused() {
    let upstream = Upstream::start().await;
    let (mut gateway, config) = running(Setup::chain(&upstream, &MOONSHOT_AND_OPENROUTER)).await;
    let patient = Patient::new(&config);
    let place = gateway.config();
    let arguments = ["--config", place.to_str().unwrap()];
    assert!(patient.examined(&arguments).await.of("rests").is_empty());
    for provider in MOONSHOT_AND_OPENROUTER {
        upstream
            .fault(faults::documented(
                provider,
                if provider == Provider::Moonshot { "insufficient_balance" } else { "overloaded" },
            ))
            .await;
    }
    gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", false)).await;
    let examined = patient.examined(&arguments).await;
    let found: Vec<_> = examined.of("rests").into_iter().map(reported).collect();
    says(&found[0], "error", &["moonshot/kimi-k3 rests for ", "(billing)", "nobody answers", "top up"]);
    says(&found[1], "error", &["openrouter/auto rests for "]);
    assert!(examined.of("gateway").is_empty(), "{:#}", examined.value);
    // The checked file is valid; the changed one is rejected.
    let mut wrong: Value = serde_json::from_str(&config).unwrap();
    wrong["gateway"]["bind"] = json!("all");
    wrong["gateway"]["auth"] = json!({ "token": "t-0123456789" });
    wrong["models"]["providers"]["moonshot"]["apiKey"] = json!("${NOT_THERE}");
    wrong["models"]["mode"] = json!("replace");
    wrong["logging"] = json!({ "level": "lots" });
    std::fs::write(gateway.config(), wrong.to_string()).unwrap();
    signal("-HUP", gateway.serving.pid()).await;
    gateway.serving.said("the new configuration is refused").await;
    std::fs::write(gateway.config(), "{ logging: { level: 'lots' } }").unwrap();
    let mine = patient.path("config/moonrelay/config.json5");
    let examined = patient.examined(&["--offline"]).await;
    let found: Vec<_> = examined.of("gateway").into_iter().map(reported).collect();
    assert_eq!(found.len(), 2, "{:#}", examined.value);
    says(&found[0], "warning", &["reads ", mine.to_str().unwrap()]);
    says(&found[1], "error", &["refused", "logging.level", "gateway reload"]);
}

#[tokio::test]
async fn clients_that_kimi_code_will_refuse_are_reported_beforehand() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter]);
    let gate = async |setup: &Setup| {
        let examined = Patient::new(&setup.text()).examined(&["--offline"]).await;
        examined
            .of("gate")
            .first()
            .map(|found| (found["severity"].as_str().unwrap().to_owned(), reported(found).1))
    };
    let (severity, words) = gate(&setup).await.unwrap();
    says(
        &(&severity, words),
        "info",
        &["forbidden_client", "openrouter/auto answers them", "ANTHROPIC_BASE_URL", "User-Agent"],
    );
    let chat_only = setup.clone().set("models.providers.kimi.api", json!("openai-completions"));
    assert_eq!(gate(&chat_only).await.unwrap().0, "warning");
    assert!(
        gate(&setup.set("models.providers.kimi.headers", json!({ "User-Agent": "KimiCLI/1.46.0" })))
            .await
            .is_none()
    );
}
