//! A drill tests the user's chain without calling the user's providers.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::common::process::{Ended, command, run};

const SECRETS: [(&str, &str); 2] =
    [("KIMI_API_KEY", "sk-kimi-real-secret-0001"), ("OWN_KEY", "sk-real-secret-0002")];

/// A chain of a custom server, Kimi Code and OpenRouter, all with the address `user`.
fn configuration(user: &str) -> Value {
    json!({
        "agents": { "defaults": { "model": {
            "primary": "own/llama", "fallbacks": ["kimi/kimi-for-coding", "openrouter/auto"],
        } } },
        "models": {
            "providers": {
                "own": { "baseUrl": format!("{user}/v1"), "apiKey": "${OWN_KEY}", "models": [{ "id": "llama" }] },
                "kimi": { "baseUrl": format!("{user}/coding/v1") },
                "openrouter": { "baseUrl": format!("{user}/api/v1") },
            },
            "routes": { "kimi-only": "kimi/kimi-for-coding", "alone": { "primary": "own/llama" } },
        },
        "gateway": { "auth": { "mode": "token", "token": "real-secret-0003" } },
    })
}

async fn drill(configuration: &Value, arguments: &[&str]) -> Ended {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("drill.json5");
    std::fs::write(&file, configuration.to_string()).unwrap();
    let mut command =
        command(home.path(), [&["drill", "--config", file.to_str().unwrap()], arguments].concat());
    command.envs(SECRETS);
    let ended = run(command).await;
    assert!(!ended.both().contains("real-secret"), "a key was printed:\n{}", ended.both());
    ended
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_ends_in_an_answer_or_an_error_without_real_calls() {
    let user = TcpListener::bind("127.0.0.1:0").unwrap();
    user.set_nonblocking(true).unwrap();
    let configuration = configuration(&format!("http://{}", user.local_addr().unwrap()));
    for (model, kinds) in [(None, 60), (Some("kimi/kimi-for-coding"), 100)] {
        let arguments = ["--json"].into_iter().chain(model.iter().flat_map(|model| ["--model", *model]));
        let ended = drill(&configuration, &arguments.collect::<Vec<_>>()).await;
        assert_eq!(ended.code, Some(0), "{}", ended.both());
        let reported = ended.json();
        assert_eq!(reported["ok"], json!(true), "{reported}");
        assert_eq!(reported["withoutKey"], json!(["openrouter"]));
        let cases = reported["cases"].as_array().unwrap();
        assert!(cases.len() > kinds, "{} cases", cases.len());
        for case in cases {
            let (result, attempts) = (text(case, "result"), text(case, "attempts"));
            assert!(["unnoticed", "error"].contains(&result), "{case}");
            assert!(
                attempts.starts_with(model.unwrap_or("own/llama")),
                "the fault is on the primary: {case}"
            );
            assert_eq!(result == "unnoticed", attempts.ends_with("=ok"), "{case}");
            assert_eq!(case["message"].is_string(), result == "error", "{case}");
        }
        let count = |result: &str| cases.iter().filter(|case| case["result"] == result).count();
        let summary = json!({ "cases": cases.len(), "unnoticed": count("unnoticed"), "errors": count("error"), "lost": 0 });
        assert_eq!(reported["summary"], summary);
        let answered_by = |model: &str| cases.iter().any(|case| case["model"] == model);
        assert!(model.is_some() || answered_by("kimi/kimi-for-coding"), "the fallback answers: {reported}");
    }
    assert!(user.accept().is_err(), "a drill called the user's provider");
}

#[tokio::test]
async fn times_are_those_of_the_configured_timeouts() {
    let mut configuration = configuration("http://127.0.0.1:9");
    configuration["failover"] = json!({ "timeouts": { "headSeconds": 40, "firstByteSeconds": 500 } });
    let reported = drill(&configuration, &["--json", "--fault", "no_head"]).await.json();
    let [whole, stream] = reported["cases"].as_array().unwrap().as_slice() else { panic!("{reported}") };
    // A response without a stream has its own timeout.
    assert!(
        whole["realMs"].as_u64().unwrap() >= 500_000 && whole["drillMs"].as_u64().unwrap() < 60_000,
        "{whole}"
    );
    let real = stream["realMs"].as_u64().unwrap();
    assert!((40_000..100_000).contains(&real), "{stream}");
}

#[tokio::test]
async fn drill_prints_a_table_and_rejects_unknown_faults() {
    let configuration = configuration("http://127.0.0.1:9");
    let ended = drill(&configuration, &["--fault", "split", "--fault", "error_chunk_first"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    for line in [
        "chain      own/llama → kimi/kimi-for-coding → openrouter/auto",
        "own/llama answers\n",
        "\n3 of 3 failures",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.both());
    }
    for (arguments, code) in [(["--fault", "nonsense"], 2), (["--model", "nonsense"], 1)] {
        let ended = drill(&configuration, &[&arguments[..], &["--json"]].concat()).await;
        assert_eq!((ended.code, &ended.json()["ok"]), (Some(code), &json!(false)), "{}", ended.both());
    }
    // The error names the configured timeout.
    let ended = drill(&configuration, &["--model", "alone", "--fault", "no_head"]).await;
    assert!(ended.stdout.contains("nothing within 300.0 s"), "{}", ended.both());
    let no_provider = drill(&json!({ "models": { "mode": "replace", "providers": {} } }), &[]).await;
    assert_eq!(no_provider.code, Some(78), "{}", no_provider.both());
}

#[tokio::test]
async fn interrupted_stream_continues_if_the_chain_can() {
    const KIMI: &str = "kimi/kimi-for-coding";
    let ends = async |mid_stream: &str, fallback: &str, fault: &str| {
        let mut configuration = configuration("http://127.0.0.1:9");
        configuration["models"]["routes"] = json!({ "two": { "primary": KIMI, "fallbacks": [fallback] } });
        configuration["models"]["providers"]["kimi"]["models"] =
            json!([{ "id": "kimi-for-coding", "compat": { "supportsPrefill": true } }]);
        configuration["failover"] = json!({ "midStream": mid_stream });
        let reported = drill(&configuration, &["--json", "--model", "two", "--fault", fault]).await.json();
        let cases = reported["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["phase"] == "mid-stream").unwrap();
        format!("{}: {}", text(case, "result"), text(case, "attempts"))
    };
    for (mid_stream, fallback, fault, expected) in [
        // The connection was interrupted: the same target continues.
        ("continue", "openrouter/auto", "truncate", format!("unnoticed: {KIMI}=truncated, {KIMI}=ok")),
        ("continue", "moonshot/kimi-k3", "stall", format!("unnoticed: {KIMI}=timeout, moonshot/kimi-k3=ok")),
        // It is unknown whether this target accepts a prefill.
        ("continue", "openrouter/auto", "stall", format!("error: {KIMI}=timeout")),
        ("error", "moonshot/kimi-k3", "truncate", format!("error: {KIMI}=truncated")),
    ] {
        let found = ends(mid_stream, fallback, fault).await;
        assert_eq!(found, expected, "{fault} with {fallback}, {mid_stream}");
    }
}

#[tokio::test]
async fn drill_without_configuration_and_keys_uses_the_default_chain() {
    let home = tempfile::tempdir().unwrap();
    let ended = run(command(home.path(), ["drill", "--json", "--fault", "split"])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let reported = ended.json();
    assert_eq!(
        reported["chain"],
        json!(["kimi/kimi-for-coding", "moonshot/kimi-k3.1-pro", "openrouter/auto"])
    );
    assert_eq!(reported["withoutKey"], json!(["kimi", "moonshot", "openrouter"]));
}

#[tokio::test]
async fn anthropic_and_openai_are_simulated_with_their_rules() {
    let home = tempfile::tempdir().unwrap();
    let model =
        |id: &str| json!([{ "id": id, "reasoning": true, "contextWindow": 200_000, "maxTokens": 32_000 }]);
    let config = json!({
        "agents": { "defaults": { "model": { "primary": "anthropic/claude-opus-5", "fallbacks": ["openai/gpt-5.4"] } } },
        "models": { "providers": {
            "anthropic": { "baseUrl": "https://api.anthropic.com/v1", "api": "anthropic-messages", "apiKey": "sk-ant-0000000", "models": model("claude-opus-5") },
            "openai": { "baseUrl": "https://api.openai.com/v1", "api": "openai-responses", "apiKey": "sk-0000000000", "models": model("gpt-5.4") },
        } },
    });
    let file = home.path().join("config.json5");
    std::fs::write(&file, config.to_string()).unwrap();
    let arguments = ["drill", "--json", "--fault", "retry_after", "--config", file.to_str().unwrap()];
    let ended = run(command(home.path(), arguments)).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let reported = ended.json();
    let cases = reported["cases"].as_array().unwrap();
    assert!(
        !cases.is_empty()
            && cases.iter().all(|case| case["attempts"].to_string().contains("openai/gpt-5.4=ok")),
        "{reported}"
    );
}
