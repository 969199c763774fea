//! A reload applies completely or not at all: active requests keep their configuration, cooldowns survive, and
//! an invalid file only causes an error message.

use serde_json::json;

use crate::common::process::{mkfifo, signal};
use crate::common::{Answer, Gateway, Manager, Provider, Setup, Upstream, prompt};

const KIMI: &str = "kimi/kimi-for-coding";
const ANSWERS_KIMI: &str = "STATUS=answering from kimi/kimi-for-coding\n";

/// A gateway that notifies this manager and reloads on SIGHUP only.
fn managed(upstream: &Upstream, chain: &[Provider], manager: &Manager) -> Setup {
    Setup::chain(upstream, chain)
        .set("gateway.reload", json!(false))
        .environment("NOTIFY_SOCKET", manager.path())
}

/// Writes this configuration, requests a reload, and waits for its end. Returns the notifications.
async fn reload(gateway: &Gateway, text: &str, manager: &Manager) -> Vec<String> {
    std::fs::write(gateway.config(), text).unwrap();
    signal("-HUP", gateway.serving.pid()).await;
    manager.until("READY=1").await
}

#[tokio::test]
async fn reload_applies_to_new_requests_only() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    upstream.fault(crate::failover::faults::slow_drip(Provider::Moonshot)).await;
    let old = managed(&upstream, &[Provider::Moonshot, Provider::OpenRouter], &manager);
    let gateway = old.start().await;
    manager.until("READY=1").await;
    let asked = prompt("default", "reply with 60 words", true).to_string();
    let running = gateway.chat_request(asked).send().await.unwrap();
    assert_eq!(running.headers()["x-moonrelay-model"], "moonshot/kimi-k3");

    let new = Setup::chain(&upstream, &[Provider::Kimi]).set("gateway.reload", json!(false));
    let reported = reload(&gateway, &new.text(), &manager).await;
    let began =
        reported.iter().find(|message| message.contains("RELOADING=1")).expect("the reload is reported");
    let at =
        began.trim_end().strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("with its time, in one message");
    let up = std::fs::read_to_string("/proc/uptime").unwrap();
    let up: f64 = up.split(' ').next().unwrap().parse().unwrap();
    let seconds = at.parse::<f64>().unwrap() / 1e6;
    assert!(seconds > 0.0 && seconds <= up + 1.0, "{seconds} of {up}");
    assert_eq!(
        reported.last().unwrap(),
        &format!("READY=1\n{ANSWERS_KIMI}"),
        "how it went comes with its end"
    );
    let answer = gateway.chat(&prompt("default", "Say hello", false)).await;
    assert_eq!(answer.attempts(), format!("{KIMI}=ok"), "{}", answer.text());

    let answer = Answer::read(running).await;
    let said = answer.said();
    assert!(!answer.broken && said.errors.is_empty(), "{}", answer.text());
    assert_eq!((said.finishes.len(), said.done, answer.model()), (1, 1, "moonshot/kimi-k3"));
    assert_eq!(gateway.status().await["reload"]["ok"], true);
}

#[tokio::test]
async fn invalid_reload_reports_all_errors_and_keeps_the_old_configuration() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let good = managed(&upstream, &[Provider::Kimi], &manager);
    let mut gateway = good.clone().start().await;
    manager.until("READY=1").await;
    assert!(gateway.status().await.get("reload").is_none(), "there was none");

    let bad = "{\n  gatewya: {},\n  failover: { attemptsPerTarget: 'two' },\n}";
    let reported = reload(&gateway, bad, &manager).await;
    let status = reported.last().unwrap();
    assert!(status.starts_with("READY=1\nSTATUS=answering from kimi/kimi-for-coding; "), "{status}");
    gateway.serving.said("the previous one stays active").await;
    gateway.serving.said("failover.attemptsPerTarget").await;
    let shown = gateway.get("/status").await.json();
    assert_eq!(shown["reload"]["ok"], false, "{shown}");
    assert!(shown["reload"]["at"].as_u64().unwrap() > 1_700_000_000_000, "{shown}");
    let message = shown["reload"]["message"].as_str().unwrap();
    for said in [message, status, &gateway.serving.output()] {
        for expected in ["gatewya", "2:3", "failover.attemptsPerTarget", "3:"] {
            assert!(said.contains(expected), "{expected:?} is missing: {said}");
        }
    }
    assert_eq!(gateway.chat(&prompt(KIMI, "Say hello", false)).await.attempts(), format!("{KIMI}=ok"));

    let reported = reload(&gateway, &good.text(), &manager).await;
    assert_eq!(reported.last().unwrap(), &format!("READY=1\n{ANSWERS_KIMI}"));
    let shown = gateway.get("/status").await.json();
    assert_eq!(
        (&shown["reload"]["ok"], &shown["reload"]["message"]),
        (&json!(true), &json!(null)),
        "{shown}"
    );
}

#[tokio::test]
async fn reload_without_a_required_key_or_token_is_rejected() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let open = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let setup = managed(&upstream, &[Provider::Moonshot], &manager);
    let guarded = setup.clone().set("gateway.auth.token", json!("a-token-of-this-test"));
    let gateway = guarded.start_on(open.into()).await;
    manager.until("READY=1").await;
    for (text, why) in [(setup.text(), "gateway.auth.token"), ("{}".to_owned(), "no provider has a key")] {
        let status = reload(&gateway, &text, &manager).await;
        assert!(status.last().unwrap().contains(why), "{status:?}");
        let answer = models(port, None).await;
        assert_eq!(answer, 401, "the token is asked for still");
    }
}

/// The status of the list of models.
async fn models(port: u16, token: Option<&str>) -> u16 {
    let mut request = crate::common::raw::client().get(format!("http://127.0.0.1:{port}/v1/models"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn cooldowns_survive_a_reload_of_the_same_target() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    upstream.fault(json!({ "provider": "kimi", "kind": "rate_limit" })).await;
    let setup = managed(&upstream, &[Provider::Kimi, Provider::OpenRouter], &manager);
    let gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    let asked = prompt(KIMI, "Say hello", false);
    assert_eq!(gateway.chat(&asked).await.attempts(), format!("{KIMI}=rate_limit, openrouter/auto=ok"));
    upstream.no_faults().await;
    let same = setup.clone().set("failover.timeouts.connectSeconds", json!(3));
    reload(&gateway, &same.text(), &manager).await;
    let answer = gateway.chat(&asked).await;
    assert_eq!(answer.attempts(), format!("{KIMI}=cooling_down, openrouter/auto=ok"), "{}", answer.text());
    let other = setup.set("models.providers.kimi.apiKey", json!("sk-kimi-another-key-0000000000"));
    reload(&gateway, &other.text(), &manager).await;
    let answer = gateway.chat(&asked).await;
    assert_eq!(answer.attempts(), format!("{KIMI}=ok"), "another key has not failed: {}", answer.text());
}

#[tokio::test]
async fn reloaded_token_applies_at_once() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let setup = managed(&upstream, &[Provider::Moonshot], &manager);
    let gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    let port: u16 = gateway.serving.authority().rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(models(port, None).await, 200);
    let guarded = setup.set("gateway.auth.token", json!("a-token-of-this-test"));
    reload(&gateway, &guarded.text(), &manager).await;
    assert_eq!(models(port, None).await, 401);
    assert_eq!(models(port, Some("a-token-of-this-test")).await, 200);
}

#[tokio::test]
async fn reload_reads_credentials_again() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let credentials = tempfile::tempdir().unwrap();
    let credential = credentials.path().join("TOKEN");
    std::fs::write(&credential, "the-first-token\n").unwrap();
    let setup = managed(&upstream, &[Provider::Moonshot], &manager)
        .set("gateway.auth.token", json!({ "source": "credential", "id": "TOKEN" }))
        .environment("CREDENTIALS_DIRECTORY", credentials.path().to_str().unwrap());
    let gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    let port: u16 = gateway.serving.authority().rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(models(port, Some("the-first-token")).await, 200);
    std::fs::write(&credential, "the-second-token\n").unwrap();
    reload(&gateway, &setup.text(), &manager).await;
    assert_eq!(models(port, Some("the-first-token")).await, 401);
    assert_eq!(models(port, Some("the-second-token")).await, 200);
    std::fs::remove_file(&credential).unwrap();
    let refused = reload(&gateway, &setup.text(), &manager).await;
    assert!(refused.last().unwrap().contains("the credential TOKEN cannot be read"), "{refused:?}");
    assert_eq!(models(port, Some("the-second-token")).await, 200, "what is gone takes nothing away");
}

#[tokio::test]
async fn hanging_read_times_out_and_the_gateway_serves() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let setup = managed(&upstream, &[Provider::Moonshot], &manager);
    let mut gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    let pipe = gateway.config().with_extension("key");
    mkfifo(&pipe).await;
    let key = json!({ "source": "file", "id": pipe });
    std::fs::write(gateway.config(), setup.set("models.providers.moonshot.apiKey", key).text()).unwrap();
    signal("-HUP", gateway.serving.pid()).await;
    manager.until("RELOADING=1").await;
    assert_eq!(gateway.get("/health").await.status, 200, "it serves meanwhile");
    let refused = manager.until("READY=1").await;
    assert!(refused.last().unwrap().contains("cannot read the configuration within 5 s"), "{refused:?}");
    signal("-HUP", gateway.serving.pid()).await;
    manager.until("RELOADING=1").await;
    // In the middle of the second read.
    gateway.serving.stop().await;
}

#[tokio::test]
async fn pipe_instead_of_the_file_is_rejected_every_time() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let setup = managed(&upstream, &[Provider::Kimi], &manager);
    let gateway = setup.clone().start().await;
    manager.until("READY=1").await;
    std::fs::remove_file(gateway.config()).unwrap();
    mkfifo(&gateway.config()).await;
    // More often than reads may hang.
    for _ in 0..6 {
        signal("-HUP", gateway.serving.pid()).await;
        let refused = manager.until("READY=1").await;
        assert!(
            refused.last().unwrap().contains("is a pipe, which is read at the start only"),
            "{refused:?}"
        );
    }
    std::fs::remove_file(gateway.config()).unwrap();
    let reported = reload(&gateway, &setup.text(), &manager).await;
    assert_eq!(reported.last().unwrap(), &format!("READY=1\n{ANSWERS_KIMI}"));
}
