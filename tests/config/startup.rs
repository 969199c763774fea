//! A configuration that cannot be served: all errors at once, and an exit code that systemd knows.

use serde_json::json;

use crate::common::process::{command, run};
use crate::common::{Gateway, Provider, Setup, Upstream, prompt};

/// Runs `gateway run` with this text as its configuration, to its end.
async fn refused(text: &str, environment: &[(&str, &str)]) -> crate::common::process::Ended {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.json5");
    std::fs::write(&file, text).unwrap();
    let mut command = command(home.path(), ["gateway", "run", "--port", "0", "--config"]);
    command.arg(&file).envs(environment.iter().copied());
    run(command).await
}

const KEY: (&str, &str) = ("MOONSHOT_API_KEY", "sk-simulated-moonshot-0000000000");

#[tokio::test]
async fn invalid_configuration_prints_every_error_and_exits_78() {
    let text = r#"{
  gatewya: { port: 1969 },
  gateway: { port: "nineteen" },
  agents: { defaults: { model: { primary: "moonshot/kimi-k9" }, thinkingDefault: "lots" } },
  models: { providers: { other: { baseUrl: "http://192.0.2.1/v1", apiKey: "sk-secret-value-000000", api: "smtp", models: [] } } },
  failover: { timeouts: { idleSeconds: -1 } },
}"#;
    let ended = refused(text, &[KEY]).await;
    assert_eq!(ended.code, Some(78), "{}", ended.both());
    for expected in [
        "gatewya",
        "did you mean `gateway`",
        "gateway.port",
        "agents.defaults.model.primary",
        "kimi-k9",
        "agents.defaults.thinkingDefault",
        "lots",
        "models.providers.other.api",
        "smtp",
        "models.providers.other.baseUrl",
        "failover.timeouts.idleSeconds",
    ] {
        let printed = ended.stderr.replace(['\'', '"'], "`");
        assert!(printed.contains(expected), "{expected:?} is missing:\n{}", ended.both());
    }
    assert!(ended.stderr.contains("2:3"), "line and column of the first error:\n{}", ended.both());
    assert!(!ended.both().contains("sk-secret-value"), "a key was printed");
}

#[tokio::test]
async fn syntax_error_names_its_position_and_exits_78() {
    let ended = refused("{\n  gateway: { port: 1969\n", &[KEY]).await;
    assert_eq!(ended.code, Some(78), "{}", ended.both());
    assert!(ended.stderr.contains("config.json5"), "{}", ended.both());
    assert!(ended.stderr.contains("2:") || ended.stderr.contains("3:"), "the line:\n{}", ended.both());
}

#[tokio::test]
async fn no_key_at_all_exits_78() {
    let ended = refused("{}", &[]).await;
    assert_eq!(ended.code, Some(78), "{}", ended.both());
    assert!(ended.stderr.contains("no provider has a key"), "{}", ended.both());
}

#[tokio::test]
async fn white_space_key_counts_as_missing() {
    let ended = refused("{}", &[("MOONSHOT_API_KEY", "  \t ")]).await;
    assert_eq!(ended.code, Some(78), "{}", ended.both());
    assert!(ended.stderr.contains("no provider has a key"), "{}", ended.both());
}

#[tokio::test]
async fn missing_configuration_file_exits_78() {
    let home = tempfile::tempdir().unwrap();
    let ended =
        run(command(home.path(), ["gateway", "run", "--port", "0", "--config", "absent.json5"])).await;
    assert_eq!(ended.code, Some(78), "{}", ended.both());
    assert!(ended.stderr.contains("absent.json5"), "{}", ended.both());
}

#[tokio::test]
async fn non_loopback_address_needs_a_token() {
    let ended = refused("{ gateway: { bind: 'all' } }", &[KEY]).await;
    assert_eq!(ended.code, Some(78), "{}", ended.both());
    assert!(ended.stderr.contains("token"), "{}", ended.both());
}

#[tokio::test]
async fn missing_key_of_one_provider_is_a_warning() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::Kimi, Provider::Moonshot])
        .set("models.providers.kimi.apiKey", json!("${KIMI_API_KEY}"))
        .start()
        .await;
    let output = gateway.serving.output();
    for expected in ["KIMI_API_KEY", "kimi", "models.providers.kimi.apiKey"] {
        assert!(output.contains(expected), "{expected:?} is missing:\n{output}");
    }
    let answer = gateway.chat(&prompt("kimi/kimi-for-coding", "Say hello", false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.attempts(), "kimi/kimi-for-coding=no_key, moonshot/kimi-k3=ok");
}

#[tokio::test]
async fn keys_from_credentials_and_secrets_file_work() {
    let upstream = Upstream::start().await;
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("MOONSHOT_API_KEY"), "sk-simulated-moonshot-0000000000\n")
        .unwrap();
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot])
        .set("models.providers.moonshot.apiKey", json!({ "source": "credential", "id": "MOONSHOT_API_KEY" }))
        .environment("CREDENTIALS_DIRECTORY", credentials.path().to_str().unwrap())
        .start()
        .await;
    assert_answers(&gateway).await;

    let gateway = Setup::chain(&upstream, &[Provider::Moonshot])
        .set("models.providers.moonshot.apiKey", json!("${FROM_THE_BLOCK}"))
        .set("env.vars.FROM_THE_BLOCK", json!(Provider::Moonshot.key()))
        .start()
        .await;
    assert_answers(&gateway).await;
}

async fn assert_answers(gateway: &Gateway) {
    let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", false)).await;
    assert_eq!((answer.status, answer.attempts()), (200, "moonshot/kimi-k3=ok"), "{}", answer.text());
}

#[tokio::test]
async fn chain_is_logged_before_ready() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter]).start().await;
    let output = gateway.serving.output();
    let ready = output.find("listening on").unwrap();
    let chain = output.find("kimi/kimi-for-coding").unwrap_or_else(|| panic!("no chain:\n{output}"));
    assert!(chain < ready && output.contains("openrouter/auto"), "{output}");
    for provider in Provider::ALL {
        assert!(!output.contains(provider.key()), "a key was logged:\n{output}");
    }
}

/// The model that an ended gateway leaves: in-flight answers run to their end, then exit 0.
#[tokio::test]
async fn sigterm_finishes_active_answers_and_exits_0() {
    let upstream = Upstream::start().await;
    upstream.fault(crate::failover::faults::slow_drip(Provider::Moonshot)).await;
    let mut gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
    let response =
        gateway.chat_request(prompt("moonshot/kimi-k3", "Say hello", true).to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let pid = gateway.serving.pid().to_string();
    let killed = tokio::process::Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
    assert!(killed.success());
    let answer = crate::common::Answer::read(response).await;
    assert!(!answer.broken, "{}", answer.text());
    let said = answer.said();
    assert_eq!((said.finishes.len(), said.done, said.errors.len()), (1, 1, 0), "{}", answer.text());
    let status = gateway.serving.ended().await;
    assert_eq!(status.code(), Some(0), "{}", gateway.serving.output());
}
