//! Usage and cost of requests, and the quotas that providers report.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::process::{Ended, command, run, signal};
use crate::common::reference::text;
use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};

/// `{id: [[name, used, left, currency], …] or error}` of an answer of `/usage/quota`, or of `usage --json`.
fn reported(providers: &Value) -> Value {
    let row = |row: &Value| json!([row["name"], row["used"], row["left"], row["currency"]]);
    let rows = |rows: &Value| rows.as_array().unwrap().iter().map(row).collect::<Value>();
    let of = |each: &Value| match each.get("error") {
        Some(error) => error.clone(),
        None => rows(&each["allowances"]),
    };
    let providers = providers.as_array().unwrap().iter();
    providers
        .map(|each| (each["id"].as_str().unwrap().to_owned(), of(each)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What the simulator's accounts are.
fn simulated() -> Value {
    json!({
        "kimi": [["5 hours", 0.07, null, null], ["week", 0.47, null, null]],
        "moonshot": [["balance", null, "49.58894", "USD"]],
        "openrouter": [["key", 0.255, "74.5", "USD"]],
    })
}

async fn quota(gateway: &Gateway) -> Value {
    let answer = gateway.get("/usage/quota").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn gateway_requests_each_quota_once() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &Provider::ALL).start().await;
    let first = quota(&gateway).await;
    assert_eq!(reported(&first["providers"]), simulated());
    let week = &first["providers"][0]["allowances"][1];
    assert_eq!(week["resets"], 1_795_824_000_000_u64, "2026-11-28T00:00:00Z");
    assert_eq!(quota(&gateway).await, first, "from memory, with the time of the first answer");
    assert_eq!(gateway.status().await["providers"][0]["state"], "ready");
}

#[tokio::test]
async fn failed_quota_request_is_reported_without_a_cooldown() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &Provider::ALL)
        .set("models.providers.kimi.apiKey", json!("sk-wrong-secret-0000000000"))
        .set("models.providers.moonshot.baseUrl", json!("http://127.0.0.1:9/moonshot/anthropic"))
        .set("models.providers.moonshot.api", json!("anthropic-messages"))
        .set(
            "models.providers.openrouter.baseUrl",
            json!(format!("{}/openrouter/nowhere/v1", upstream.base())),
        );
    let gateway = setup.start().await;
    let answer = quota(&gateway).await;
    let reported = reported(&answer["providers"]);
    let begins = |id: &str, start: &str| {
        let why = reported[id].as_str().unwrap_or_else(|| panic!("{reported}"));
        assert!(why.starts_with(start) && !why.contains("secret"), "{id}: {why}");
    };
    begins("kimi", "auth: ");
    begins("moonshot", "network: ");
    begins("openrouter", "");
    let providers = gateway.status().await["providers"].clone();
    let cooldowns = |each: &&Value| each["state"] == "cooling_down";
    assert_eq!(providers.as_array().unwrap().iter().filter(cooldowns).count(), 0, "{providers}");
}

#[tokio::test]
async fn quota_route_needs_the_token() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Kimi])
        .set("gateway.auth", json!({"mode": "token", "token": "a-token-of-ours-000"}));
    let gateway = setup.start().await;
    assert_eq!(gateway.get("/usage/quota").await.status, 401);
    let asked = gateway.request(reqwest::Method::GET, "/usage/quota").bearer_auth("a-token-of-ours-000");
    let answer: Value = serde_json::from_str(&asked.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(reported(&answer["providers"]), simulated());
}

/// The configuration with the port that the gateway has, where this command finds it.
fn with_its_port(gateway: &Gateway) -> std::path::PathBuf {
    let mut config: Value =
        serde_json::from_str(&std::fs::read_to_string(gateway.config()).unwrap()).unwrap();
    let port: u16 = gateway.serving.authority().rsplit(':').next().unwrap().parse().unwrap();
    config["gateway"]["port"] = json!(port);
    let file = gateway.home().join("asked.json5");
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

async fn usage(gateway: &Gateway, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut asked = command(gateway.home(), [&["usage"], arguments].concat());
    asked.arg("--config").arg(with_its_port(gateway)).envs(environment.iter().copied());
    let ended = run(asked).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}: {}", ended.both());
    ended
}

/// What one key of a table used, as the clients were reported it: requests, uncached input, cached input, output.
type Counts = BTreeMap<String, [u64; 4]>;

fn count(counts: &mut Counts, key: &str, usage: &Value) {
    let figure = |path: &str| usage.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let cached = figure("/prompt_tokens_details/cached_tokens").max(figure("/cached_tokens"));
    let reported = [1, figure("/prompt_tokens") - cached, cached, figure("/completion_tokens")];
    let sums = counts.entry(key.to_owned()).or_default();
    for (sum, reported) in sums.iter_mut().zip(reported) {
        *sum += reported;
    }
}

/// The same of the command's rows.
fn counted(rows: &Value) -> Counts {
    let row = |row: &Value| {
        let tokens = &row["answered"]["tokens"];
        let figures = [&row["requests"], &tokens["input"], &tokens["cacheRead"], &tokens["output"]];
        (row["key"].as_str().unwrap().to_owned(), figures.map(|figure| figure.as_u64().unwrap()))
    };
    rows.as_array().unwrap().iter().map(row).collect()
}

/// Kimi K3 at $3 a million of input, $0.30 of cached input and $15 of output, in millionths of millionths.
fn of_k3([_, input, cached, output]: [u64; 4]) -> String {
    let picos = input * 3_000_000 + cached * 300_000 + output * 15_000_000;
    let digits = format!("{}.{:012}", picos / 1_000_000_000_000, picos % 1_000_000_000_000);
    digits.trim_end_matches('0').to_owned()
}

/// A gateway that has answered some requests and is gone, and what was reported of them by model, provider and client.
async fn used(upstream: &Upstream) -> (Gateway, [Counts; 3]) {
    let mut gateway = Setup::chain(upstream, &[Provider::Moonshot, Provider::OpenRouter]).start().await;
    let [mut models, mut providers, mut clients] = [Counts::new(), Counts::new(), Counts::new()];
    let asked = [
        ("moonshot/kimi-k3", "KimiCLI/1.46.0"),
        ("moonshot/kimi-k3", "KimiCLI/1.46.0"),
        ("moonshot/kimi-k3", "aider/0.86"),
        ("kimi/kimi-for-coding", "KimiCLI/1.46.0"),
        ("openrouter/auto", "aider/0.86"),
    ];
    for (model, client) in asked {
        let body = prompt(model, &"what did it cost? ".repeat(40), false).to_string();
        let request = gateway.request(reqwest::Method::POST, "/v1/chat/completions").body(body);
        let request = request.header("content-type", "application/json").header("user-agent", client);
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.model()), (200, model), "{}", answer.text());
        let reported = &answer.json()["usage"];
        count(&mut models, model, reported);
        count(&mut providers, model.split('/').next().unwrap(), reported);
        count(&mut clients, client.split('/').next().unwrap(), reported);
    }
    gateway.serving.stop().await;
    (gateway, [models, providers, clients])
}

#[tokio::test]
async fn totals_are_equal_for_every_grouping() {
    let upstream = Upstream::start().await;
    let (gateway, [models, providers, clients]) = used(&upstream).await;
    let mut totals = Vec::new();
    for (by, expected) in [("model", &models), ("provider", &providers), ("client", &clients)] {
        let found = usage(&gateway, &["--json", "--no-quota", "--by", by], &[]).await.json();
        assert_eq!(counted(&found["rows"]), *expected, "{by}: {found:#}");
        assert_eq!((&found["by"], found.get("quotas")), (&json!(by), None));
        totals.push(found["total"].clone());
        if by == "model" {
            let row =
                |key: &str| found["rows"].as_array().unwrap().iter().find(|row| row["key"] == key).unwrap();
            let paid = &row("moonshot/kimi-k3")["answered"]["cost"];
            assert_eq!(*paid, json!({"USD": of_k3(models["moonshot/kimi-k3"])}));
            assert_eq!(row("kimi/kimi-for-coding")["answered"]["unpriced"], 1, "a subscription");
        }
    }
    let days = usage(&gateway, &["--json", "--no-quota", "--by", "day", "--days", "3"], &[]).await.json();
    assert_eq!(days["rows"].as_array().unwrap().len(), 3, "days without requests, too: {days:#}");
    let used = days["rows"].as_array().unwrap().iter().map(|row| row["requests"].as_u64().unwrap());
    assert_eq!(used.sum::<u64>(), 5);
    totals.push(days["total"].clone());
    assert!(totals.windows(2).all(|pair| pair[0] == pair[1]), "{totals:#?}");
}

#[tokio::test]
async fn table_fits_the_terminal_and_equals_the_documentation() {
    let upstream = Upstream::start().await;
    let (gateway, _) = used(&upstream).await;
    let plain = usage(&gateway, &["--no-quota"], &[]).await.stdout;
    assert!(plain.is_ascii() && !plain.contains('\u{1b}'), "{plain}");
    let blocks = usage(&gateway, &["--no-quota"], &[("LANG", "C.UTF-8"), ("TERM", "xterm")]).await.stdout;
    assert!(blocks.contains('█') && !blocks.contains('\u{1b}'), "{blocks}");
    // The first line holds today's date.
    let (_, table) = blocks.split_once('\n').unwrap();
    let page = text("docs/how-to/monitor.md");
    assert!(page.contains(table.trim()), "docs/how-to/monitor.md shows another table than this:\n{blocks}");
    for width in [120, 80] {
        let file = with_its_port(&gateway);
        let line = format!(
            "stty rows 24 cols {width}; exec '{}' usage --no-quota --config '{}'",
            crate::common::process::BINARY,
            file.display()
        );
        let mut script = tokio::process::Command::new("script");
        script.args(["-q", "-e", "-c", &line, "/dev/null"]).env_clear().env("SHELL", "/bin/sh");
        script.envs(
            command(gateway.home(), ["usage"])
                .as_std()
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        script.env("LANG", "C.UTF-8").env("TERM", "xterm").stdin(std::process::Stdio::null());
        let shown = run(script).await;
        assert_eq!(shown.code, Some(0), "{}", shown.both());
        assert!(shown.stdout.contains("\u{1b}[0;36m█"), "colours on a terminal: {}", shown.both());
        let bare = shown.stdout.replace("\u{1b}[0;36m", "").replace("\u{1b}[0m", "").replace('\r', "");
        let bars = bare.lines().filter(|line| line.contains('█'));
        let widest = bars.map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width && widest > width / 2 && !bare.contains('\u{1b}'), "{width}\n{bare}");
    }
}

#[tokio::test]
async fn quotas_are_shown_with_and_without_a_gateway() {
    let upstream = Upstream::start().await;
    let mut gateway = Setup::chain(&upstream, &Provider::ALL).start().await;
    let first = quota(&gateway).await;
    let through = usage(&gateway, &["--json"], &[]).await.json();
    assert_eq!(through["quotas"], first["providers"], "what the gateway heard, with the time of that");
    signal("-TERM", gateway.serving.pid()).await;
    gateway.serving.ended().await;
    let direct = usage(&gateway, &["--json"], &[]).await.json();
    assert_eq!(reported(&direct["quotas"]), simulated());
    assert_ne!(direct["quotas"][0]["at"], first["providers"][0]["at"]);
    let shown = usage(&gateway, &[], &[]).await.stdout;
    for line in
        ["kimi, week         ##########..........   47 % used", "moonshot, balance  49.58894 USD left"]
    {
        assert!(shown.contains(line), "{shown}");
    }
}

#[tokio::test]
async fn failed_quota_request_does_not_fail_the_command() {
    let upstream = Upstream::start().await;
    let mut setup = Setup::chain(&upstream, &Provider::ALL)
        .set("models.providers.kimi.baseUrl", json!("http://127.0.0.1:9/coding/v1"));
    for provider in ["moonshot", "openrouter"] {
        setup =
            setup.set(&format!("models.providers.{provider}.apiKey"), json!("sk-kimi-wrong-secret-000000"));
    }
    let gateway = setup.start().await;
    let through = usage(&gateway, &["--json"], &[]).await;
    assert!(!through.both().contains("secret"), "{}", through.both());
    let quotas = reported(&through.json()["quotas"]);
    for (id, start) in [("kimi", "network: "), ("moonshot", "auth: "), ("openrouter", "auth: ")] {
        assert!(quotas[id].as_str().is_some_and(|why| why.starts_with(start)), "{id}: {quotas:#}");
    }
    let shown = usage(&gateway, &[], &[]).await.stdout;
    assert!(shown.contains("  moonshot:    auth: "), "{shown}");
}
