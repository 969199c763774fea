//! Metrics match what happened, access to them is configurable, and all reports of the gateway's state agree.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::json;

use crate::common::raw::Raw;
use crate::common::reference::text;
use crate::common::scrape::Scrape;
use crate::common::{Answer, Gateway, Manager, Provider, Setup, Upstream, prompt};

const KIMI: &str = "kimi/kimi-for-coding";
const AUTO: &str = "openrouter/auto";
const CHAIN: [Provider; 2] = [Provider::Kimi, Provider::OpenRouter];

async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

/// A scrape that counts this answer: the log line comes after the counters.
async fn counted(gateway: &mut Gateway, answer: &Answer) -> Scrape {
    gateway.serving.said(answer.header("x-moonrelay-request-id")).await;
    Scrape::of(gateway).await
}

#[tokio::test]
async fn requests_attempts_tokens_and_cost_are_counted() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "kimi", "kind": "rate_limit" })).await;
    let mut gateway = Setup::chain(&upstream, &CHAIN).start().await;
    let answer = gateway.chat(&prompt(KIMI, "Say hello", false)).await;
    assert_eq!(answer.model(), AUTO, "{}", answer.text());
    let reported = answer.json()["usage"].clone();
    let streamed = gateway.chat(&prompt(KIMI, "Say hello", true)).await;
    assert_eq!(streamed.status, 200);
    let unknown = gateway.chat(&prompt("no-such-model", "Say hello", false)).await;
    assert_eq!(unknown.status, 404);

    counted(&mut gateway, &streamed).await;
    let scrape = counted(&mut gateway, &unknown).await;
    let sum = |name: &str, labels: &[(&str, &str)]| scrape.sum(name, labels).unwrap_or(-1.0);
    let api = ("face", "openai-completions");
    assert_eq!(sum("moonrelay_requests_total", &[api, ("model", AUTO), ("outcome", "ok")]), 2.0);
    let failed = [api, ("model", "none"), ("outcome", "model_not_found")];
    assert_eq!(sum("moonrelay_requests_total", &failed), 1.0);
    let kimi = |result| [("provider", "kimi"), ("model", KIMI), ("result", result)];
    assert_eq!(sum("moonrelay_attempts_total", &kimi("rate_limit")), 1.0);
    assert_eq!(sum("moonrelay_attempts_total", &kimi("cooling_down")), 1.0);
    let fell = |reason| [("from", KIMI), ("to", AUTO), ("reason", reason)];
    assert_eq!(sum("moonrelay_fallbacks_total", &fell("rate_limit")), 1.0);
    assert_eq!(sum("moonrelay_fallbacks_total", &fell("cooling_down")), 1.0);
    for stream in ["true", "false"] {
        let of = [("model", AUTO), ("stream", stream)];
        assert_eq!(sum("moonrelay_time_to_first_byte_seconds_count", &of), 1.0);
        assert_eq!(sum("moonrelay_request_duration_seconds_count", &of), 1.0);
    }
    let kinds = ["input", "cache_read", "cache_write", "output"]
        .map(|kind| sum("moonrelay_tokens_total", &[("model", AUTO), ("kind", kind), ("part", "answered")]));
    // The two answers are the same.
    let total = reported["total_tokens"].as_f64().unwrap() * 2.0;
    assert_eq!(kinds.iter().sum::<f64>(), total, "{kinds:?}: {reported}");
    let cost = sum("moonrelay_cost_total", &[("model", AUTO), ("currency", "USD"), ("part", "answered")]);
    let each = reported["cost"].as_f64().expect("OpenRouter reports the cost");
    assert!(each > 0.0 && (cost - 2.0 * each).abs() < 1e-12, "{cost}: {reported}");
    assert_eq!(sum("moonrelay_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    let clients = scrape.samples.iter().filter(|sample| format!("{sample:?}").contains("KimiCLI"));
    assert_eq!(clients.count(), 0, "no User-Agent becomes a label");
}

#[tokio::test]
async fn metrics_authentication_is_configurable() {
    let upstream = Upstream::start().await;
    let auth = json!({ "mode": "token", "token": "client-token-0123456789" });
    let open = Setup::chain(&upstream, &CHAIN).set("gateway.auth", auth.clone()).start().await;
    for method in [Method::GET, Method::HEAD] {
        let answer = send(open.request(method.clone(), "/metrics")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4"));
        assert_eq!(answer.text().is_empty(), method == Method::HEAD);
    }
    for refused in [
        open.request(Method::GET, "/metrics").header("host", "evil.example"),
        open.request(Method::GET, "/metrics").header("origin", "http://evil.example"),
    ] {
        assert_eq!(
            send(refused).await.status,
            403,
            "without a token it is as closed to pages as every route"
        );
    }
    assert_eq!(send(open.request(Method::POST, "/metrics")).await.status, 401, "only to be read");

    let shut = Setup::chain(&upstream, &CHAIN).set("gateway.auth", auth);
    let shut = shut.set("gateway.metrics.public", json!(false)).start().await;
    assert_eq!(shut.get("/metrics").await.status, 401);
    let with_token =
        shut.request(Method::GET, "/metrics").header("authorization", "Bearer client-token-0123456789");
    assert_eq!(send(with_token).await.status, 200);
}

#[tokio::test]
async fn rejections_are_counted_by_reason_and_logged_sparingly() {
    let upstream = Upstream::start().await;
    let mut gateway = Setup::chain(&upstream, &CHAIN)
        .set("gateway.auth", json!({ "mode": "token", "token": "client-token-0123456789" }))
        .set("gateway.bodyLimitMiB", json!(1))
        .start()
        .await;
    let token = |request: reqwest::RequestBuilder| request.header("x-api-key", "client-token-0123456789");
    for _ in 0..3 {
        assert_eq!(send(gateway.request(Method::GET, "/v1/models")).await.status, 401);
    }
    let foreign = gateway.request(Method::GET, "/v1/models").header("origin", "http://evil.example");
    assert_eq!(send(foreign).await.status, 403);
    assert_eq!(send(token(gateway.request(Method::GET, "/nowhere"))).await.status, 404);
    assert_eq!(send(token(gateway.chat_request(vec![b' '; 2 << 20]))).await.status, 413);
    let mut raw = Raw::connect(gateway.serving.authority()).await;
    raw.send(b"no request at all\r\n\r\n").await;
    assert_eq!(raw.response(false).await.map(|answer| answer.status), Some(400));
    // Routing records this request, so it does not count as rejected by the HTTP side.
    let recorded = send(token(gateway.chat_request(prompt("no-such-model", "", false).to_string()))).await;
    assert_eq!(recorded.status, 404);

    let scrape = counted(&mut gateway, &recorded).await;
    let refused = scrape.samples.iter().filter(|sample| sample.name == "moonrelay_refused_total");
    let refused: BTreeMap<&str, f64> =
        refused.map(|sample| (sample.labels["reason"].as_str(), sample.value)).collect();
    let expected = [
        ("body_too_large", 1.0),
        ("invalid_api_key", 3.0),
        ("malformed_request", 1.0),
        ("no_route", 1.0),
        ("refused_origin", 1.0),
    ];
    assert_eq!(refused, expected.into());
    assert_eq!(scrape.sum("moonrelay_requests_total", &[("outcome", "model_not_found")]), Some(1.0));
    let output = gateway.serving.output();
    assert_eq!(
        output.matches("request rejected: ").count(),
        1,
        "many requests do not flood the log: {output}"
    );
    assert!(output.contains("invalid_api_key"), "{output}");
}

/// The state of the chain as every report shows it: the answering target, and the state of each target.
struct Reported {
    answering: Option<String>,
    states: BTreeMap<String, String>,
}

/// Reads `/status`, `gateway status`, `/ready` and `/metrics`, and compares them with each other and with
/// `STATUS=`.
async fn reported(gateway: &Gateway, words: &str) -> Reported {
    let status = gateway.get("/status").await.json();
    let shown = gateway.status().await;
    assert_eq!(shown["chain"], status["chain"], "the command shows what the route reports");
    let scrape = Scrape::of(gateway).await;
    let ready = gateway.get("/ready").await;
    let chain = status["chain"].as_array().unwrap();
    let states: BTreeMap<String, String> = chain
        .iter()
        .map(|entry| {
            (entry["target"].as_str().unwrap().to_owned(), entry["state"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(scrape.current("moonrelay_target_state", "model", "state"), states);
    let providers: BTreeMap<String, String> = status["providers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["id"].as_str().unwrap().to_owned(), entry["state"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(scrape.current("moonrelay_provider_state", "provider", "state"), providers);
    let ends = "moonrelay_target_cooldown_end_timestamp_seconds";
    for entry in chain {
        let target = entry["target"].as_str().unwrap();
        let until = entry["cooldownUntil"].as_f64().map(|millis| millis / 1000.0);
        let reported = scrape.sum(ends, &[("model", target)]);
        // Each scrape reads the clocks anew.
        assert!(
            until.zip(reported).is_none_or(|(one, other)| (one - other).abs() < 1.0),
            "{until:?} {reported:?}"
        );
        assert_eq!(until.is_some(), reported.is_some(), "{target}");
        if let Some(reason) = entry["reason"].as_str().filter(|_| until.is_some()) {
            assert!(
                scrape.sum(ends, &[("model", target), ("reason", reason)]).is_some(),
                "{target} {reason}"
            );
        }
    }
    let answering = states.iter().find(|(_, state)| *state == "answering").map(|(target, _)| target.clone());
    assert_eq!(ready.json()["ready"], json!(answering.is_some()));
    assert_eq!(ready.status, if answering.is_some() { 200 } else { 503 });
    let failing = ready.json()["failing"].as_array().unwrap().clone();
    let failing: BTreeSet<String> = failing.iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    let usable = |state: &str| matches!(state, "answering" | "ready");
    let bad = states.iter().filter(|(_, state)| !usable(state)).map(|(target, _)| target.clone());
    assert_eq!(failing, bad.collect());
    match &answering {
        Some(target) => assert!(words.ends_with(&format!("answering from {target}\n")), "{words}"),
        None => assert!(words.starts_with("STATUS=no target is usable"), "{words}"),
    }
    for (target, state) in &states {
        let provider = target.split('/').next().unwrap();
        let cooldowns = words.contains(&format!("{provider} cooling down"));
        assert_eq!(cooldowns, state == "cooling_down", "{target} is {state}: {words}");
    }
    Reported { answering, states }
}

#[tokio::test]
async fn status_readiness_systemd_and_metrics_agree() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let gateway = Setup::chain(&upstream, &CHAIN)
        .set("failover.cooldown.stepsSeconds", json!([300]))
        .environment("NOTIFY_SOCKET", manager.path())
        .start()
        .await;
    let first = manager.next().await;
    let well = reported(&gateway, first.strip_prefix("READY=1\n").unwrap()).await;
    assert_eq!(well.answering.as_deref(), Some(KIMI));

    upstream.fault(json!({ "provider": "kimi", "kind": "rate_limit" })).await;
    assert_eq!(gateway.chat(&prompt(KIMI, "Say hello", false)).await.model(), AUTO);
    let fallen = reported(&gateway, &manager.next().await).await;
    assert_eq!(fallen.answering.as_deref(), Some(AUTO));
    assert_eq!(fallen.states[KIMI], "cooling_down");

    upstream.fault(json!({ "provider": "openrouter", "kind": "rate_limit" })).await;
    assert_ne!(gateway.chat(&prompt(KIMI, "Say hello", false)).await.status, 200);
    let words = manager.until("no target is usable").await.pop().unwrap();
    let down = reported(&gateway, &words).await;
    assert_eq!(down.answering, None);
    assert_eq!(down.states[AUTO], "cooling_down");
}

#[tokio::test]
async fn status_text_shows_the_chain_and_cooldowns() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "kimi", "kind": "rate_limit" })).await;
    let setup = Setup::chain(&upstream, &CHAIN).set("failover.cooldown.stepsSeconds", json!([300]));
    let gateway = setup.start().await;
    assert_eq!(gateway.chat(&prompt(KIMI, "Say hello", false)).await.model(), AUTO);
    let port = gateway.serving.authority().rsplit(':').next().unwrap().to_owned();
    let mut command =
        crate::common::process::command(gateway.home(), ["gateway", "status", "--port", &port, "--config"]);
    command.arg(gateway.config());
    let ended = crate::common::process::run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let line = |start: &str| {
        let found = ended.stdout.lines().find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_else(|| panic!("{start}: {}", ended.stdout)).trim().to_owned()
    };
    let kimi = line(KIMI);
    assert!(kimi.contains("in cooldown until ") && kimi.ends_with("): rate_limit"), "{kimi}");
    assert!(line(AUTO).ends_with("answering"), "{}", ended.stdout);
}

/// Every expression of the Grafana dashboard, and every legend.
fn dashboard() -> Vec<(String, String)> {
    let dashboard: serde_json::Value =
        serde_json::from_str(&text("examples/grafana/moonrelay.json")).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39, "current Grafana migrates nothing");
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(
                target["datasource"]["uid"], "${datasource}",
                "the user chooses the data source at the import"
            );
            let string = |key: &str| target[key].as_str().unwrap().to_owned();
            found.push((string("expr"), string("legendFormat")));
        }
    }
    assert!(found.len() > 20, "{found:?}");
    found
}

/// The identifiers of an expression outside strings and durations.
fn words(expression: &str) -> Vec<String> {
    let unquoted: Vec<&str> = expression.split('"').step_by(2).collect();
    let text = unquoted.join(" ");
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let words = text.split(|c: char| !word(c)).filter(|word| !word.is_empty());
    words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn grafana_dashboard_uses_existing_metrics_and_labels() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "kimi", "kind": "rate_limit" })).await;
    let mut gateway = Setup::chain(&upstream, &CHAIN).start().await;
    assert_eq!(gateway.get("/nowhere").await.status, 404);
    let answer = gateway.chat(&prompt(KIMI, "Say hello", true)).await;
    let scrape = counted(&mut gateway, &answer).await;
    // OpenRouter's reported tokens are not estimates; everything else is present.
    let quiet = ["moonrelay_estimated_tokens_total"];
    let names: BTreeSet<&str> =
        scrape.samples.iter().map(|sample| sample.name.as_str()).chain(quiet).collect();
    // Those that Prometheus adds.
    let mut labels: BTreeSet<&str> = ["instance", "job"].into();
    labels.extend(scrape.samples.iter().flat_map(|sample| sample.labels.keys().map(String::as_str)));
    const LANGUAGE: [&str; 14] = [
        "sum",
        "max",
        "min",
        "by",
        "on",
        "and",
        "or",
        "rate",
        "increase",
        "time",
        "le",
        "clamp_min",
        "histogram_quantile",
        "instant",
    ];
    for (expression, legend) in dashboard() {
        for word in words(&expression) {
            let known = names.contains(word.as_str()) || labels.contains(word.as_str());
            assert!(known || LANGUAGE.contains(&word.as_str()), "{word} of {expression} is not in a scrape");
        }
        for label in legend.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap()) {
            assert!(labels.contains(label), "{label} of {legend} is not in a scrape");
        }
    }
}
