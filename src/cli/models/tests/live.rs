//! Commands that call providers: `list --live` and `status --probe`, against the simulator.

use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::super::ModelsCommand;
use super::{no_network, run_with};
use crate::cli::command::tests::{TestHome, error_text};
use crate::failure::Failure;
use crate::upstream::{Client, Connector, UpstreamRequest, UpstreamResponse};
use moonrelay_simulator::{Provider, Simulator, SimulatorOptions};

fn client() -> Arc<dyn Connector> {
    Arc::new(Client::new(Duration::from_secs(5)))
}

#[tokio::test]
async fn live_shows_differences_from_the_catalog() {
    let simulator =
        Simulator::bind("127.0.0.1:0".parse().unwrap(), SimulatorOptions::default()).await.unwrap();
    let base = simulator.base_url(Provider::Kimi);
    tokio::spawn(simulator.run(pending()));
    let text = format!(
        "{{ models: {{ providers: {{ kimi: {{ baseUrl: '{base}', apiKey: 'sk-kimi-1', models: [
             {{ id: 'kimi-for-coding', contextWindow: 1000 }}, {{ id: 'made-up' }}] }} }} }} }}"
    );
    let mut home = TestHome::with(&text);
    let client = client();
    let command = || ModelsCommand::List { provider: Some("kimi".to_owned()), live: true };
    run_with(&mut home, command(), true, &client).await.unwrap();
    let live = home.printed_json()["live"][0].clone();
    assert_eq!((&live["provider"], &live["ok"]), (&json!("kimi"), &json!(true)));
    assert!(live["onlyHere"].as_array().unwrap().contains(&json!("made-up")), "{live}");
    let windows = json!([{ "id": "kimi-for-coding", "here": 1_000, "there": 1_048_576 }]);
    assert_eq!(live["contextDiffers"], windows);
    run_with(&mut home, command(), false, &client).await.unwrap();
    assert!(
        home.printed().contains("  kimi-for-coding: context 1.00k in the catalog, 1.05M at the provider\n"),
        "{}",
        home.printed()
    );
}

#[tokio::test]
async fn live_shows_why_a_list_is_not_available() {
    let simulator =
        Simulator::bind("127.0.0.1:0".parse().unwrap(), SimulatorOptions::default()).await.unwrap();
    let base = simulator.base_url(Provider::Moonshot);
    tokio::spawn(simulator.run(pending()));
    let text =
        format!("{{ models: {{ providers: {{ moonshot: {{ baseUrl: '{base}', apiKey: 'wrong' }} }} }} }}");
    let mut home = TestHome::with(&text);
    let client = client();
    let failed = run_with(&mut home, ModelsCommand::List { provider: None, live: true }, true, &client).await;
    assert!(error_text(failed).contains("code: 1"), "no provider succeeded");
    let live = home.printed_json()["live"].clone();
    assert_eq!(live.as_array().unwrap().len(), 1, "disabled providers are not called");
    let error = live[0]["error"].as_str().unwrap();
    assert!(error.contains("returned 401 Unauthorized: the key is wrong"), "{error}");
    let off = ModelsCommand::List { provider: Some("kimi".to_owned()), live: true };
    assert!(run_with(&mut home, off, false, &no_network()).await.is_err());
    assert!(
        home.printed().ends_with("kimi: disabled: KIMI_API_KEY or KIMICODE_API_KEY is not set or empty\n")
    );
}

#[tokio::test]
async fn probe_sends_one_request_for_each_key() {
    let simulator =
        Simulator::bind("127.0.0.1:0".parse().unwrap(), SimulatorOptions::default()).await.unwrap();
    let control = simulator.control();
    let base = |provider| simulator.base_url(provider);
    let text = json!({
        "agents": {"defaults": {"model": {
            "primary": "moonshot/kimi-k3", "fallbacks": ["openrouter/auto"],
        }}},
        "models": {"providers": {
            "moonshot": {"baseUrl": base(Provider::Moonshot), "apiKey": ["sk-kimi-of-another", "sk-0123456789ab"]},
            "openrouter": {"baseUrl": base(Provider::OpenRouter), "apiKey": "sk-or-v1-0123456789"},
        }},
    });
    tokio::spawn(simulator.run(pending()));
    control.add_fault(
        "openrouter:overloaded".parse().unwrap_or_else(|_| "openrouter:status=529".parse().unwrap()),
    );
    let mut home = TestHome::with(&text.to_string());
    run_with(&mut home, ModelsCommand::Status { probe: true }, true, &client()).await.unwrap();
    let printed = home.printed_json();
    let probes: Vec<String> = printed["probes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|probe| format!("{} {} {}", probe["model"], probe["key"], probe["result"]).replace('"', ""))
        .collect();
    let expected =
        ["moonshot/kimi-k3 sk-…er auth", "moonshot/kimi-k3 sk-…ab ok", "openrouter/auto sk-…89 overloaded"];
    assert_eq!(probes, expected);
    let calls = control.requests();
    assert_eq!(calls.len(), 3);
    assert!(!format!("{printed}").contains("0123456789"), "a key was printed");
}

/// Kimi Code with one answer for every call.
struct KimiCode {
    answer: (u16, &'static str),
    calls: Mutex<Vec<UpstreamRequest>>,
}

impl Connector for KimiCode {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        self.calls.lock().unwrap().push(call);
        let (status, body) = self.answer;
        let body = stream::iter([Ok(Bytes::from_static(body.as_bytes()))]);
        let status = StatusCode::from_u16(status).unwrap();
        let response = UpstreamResponse { status, headers: HeaderMap::new(), body: Box::pin(body) };
        Box::pin(async { Ok(response) })
    }
}

#[tokio::test]
async fn probe_calls_kimi_code_over_the_messages_api() {
    let answered = r#"{"type":"message","role":"assistant","content":[],"stop_reason":"max_tokens","usage":{"input_tokens":1,"output_tokens":1}}"#;
    let gone = r#"{"error":{"type":"permission_error","message":"You've reached your 5-hour usage limit of sk-kimi-0123456789. Your quota will reset when the current 5-hour window ends."},"type":"error"}"#;
    let wrong = r#"{"error":{"type":"authentication_error","message":"The API Key appears to be invalid"},"type":"error"}"#;
    let html = "<html>maintenance</html>";
    let table =
        [((200, answered), "ok"), ((403, gone), "quota"), ((401, wrong), "auth"), ((200, html), "server")];
    for (answer, expected) in table {
        let text = "{ agents: { defaults: { model: 'kimi/k2p5' } }, \
                     models: { providers: { kimi: { apiKey: 'sk-kimi-0123456789' } } } }";
        let mut home = TestHome::with(text);
        let kimi = Arc::new(KimiCode { answer, calls: Mutex::default() });
        let connector: Arc<dyn Connector> = kimi.clone();
        let probed = run_with(&mut home, ModelsCommand::Status { probe: true }, true, &connector).await;
        assert_eq!(probed.is_ok(), expected == "ok");
        let probe = home.printed_json()["probes"][0].clone();
        assert_eq!(probe["result"], expected, "{probe}");
        assert!(!home.printed().contains("sk-kimi-0123456789"), "a key was printed");
        let calls = kimi.calls.lock().unwrap();
        // The other command queries the gateway, which is not running.
        let of_kimi: Vec<&UpstreamRequest> = calls.iter().filter(|call| call.url.contains("kimi")).collect();
        let [call] = of_kimi.as_slice() else { panic!("{} calls", of_kimi.len()) };
        assert_eq!(call.url, "https://api.kimi.com/coding/v1/messages");
        let header = |name: &str| call.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("user-agent"), Some(concat!("moonrelay/", env!("CARGO_PKG_VERSION"))));
        assert_eq!(header("x-api-key"), Some("sk-kimi-0123456789"));
        assert_eq!((header("authorization"), header("anthropic-version")), (None, Some("2023-06-01")));
        let body: serde_json::Value = serde_json::from_slice(&call.body.concat()).unwrap();
        assert_eq!((&body["model"], &body["max_tokens"]), (&json!("kimi-for-coding"), &json!(1)));
    }
}

#[tokio::test]
async fn probe_fails_when_no_target_answers() {
    let text = "{ models: { providers: { moonshot: { apiKey: 'sk-0123456789ab' } } } }";
    let mut home = TestHome::with(text);
    let probe = ModelsCommand::Status { probe: true };
    assert!(run_with(&mut home, probe, false, &no_network()).await.is_err());
    assert!(home.printed().contains("network"), "{}", home.printed());
}

/// Records which provider is called, and never responds.
#[derive(Default)]
struct Silent(Mutex<Vec<String>>);

impl Connector for Silent {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        self.0.lock().unwrap().push(call.url.to_string());
        Box::pin(pending())
    }
}

/// The targets that `status --probe` calls while none answers: every call that can start has started at its
/// first wait.
async fn calls_in_flight(text: &str) -> Vec<String> {
    let mut home = TestHome::with(text);
    let silent = Arc::new(Silent::default());
    let connector: Arc<dyn Connector> = silent.clone();
    let mut running = Box::pin(run_with(&mut home, ModelsCommand::Status { probe: true }, true, &connector));
    // A call may start tasks of the runtime first; each turn lets all of them run.
    for _ in 0..100 {
        assert!(futures_util::poll!(&mut running).is_pending());
        tokio::task::yield_now().await;
    }
    drop(running);
    let mut asked = silent.0.lock().unwrap().clone();
    asked.sort();
    asked
}

#[tokio::test]
async fn probe_runs_four_at_once_and_one_for_moonshot() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let providers: serde_json::Map<String, serde_json::Value> = names
        .iter()
        .map(|name| {
            (
                (*name).to_owned(),
                json!({ "baseUrl": format!("https://{name}.example/v1"), "models": [{ "id": "m" }] }),
            )
        })
        .collect();
    let config = |primary: &str, fallbacks: Vec<String>, providers: serde_json::Value| {
        let chain = json!({ "defaults": { "model": { "primary": primary, "fallbacks": fallbacks } } });
        json!({ "agents": chain, "models": { "providers": providers } }).to_string()
    };
    let fallbacks = names[1..].iter().map(|name| format!("{name}/m")).collect();
    let asked = calls_in_flight(&config("a/m", fallbacks, json!(providers))).await;
    let expected = ["a", "b", "c", "d"].map(|name| format!("https://{name}.example/v1/chat/completions"));
    assert_eq!(asked, expected);
    // Three models and two keys of Moonshot's are one account, which may answer one request at a time.
    let fallbacks = vec!["moonshot/kimi-k3.1-pro".to_owned(), "openrouter/auto".to_owned()];
    let keys = json!({
        "moonshot": { "apiKey": ["sk-0123456789ab", "sk-0123456789cd"] },
        "openrouter": { "apiKey": "sk-or-v1-0123456789" },
    });
    let asked = calls_in_flight(&config("moonshot/kimi-k3", fallbacks, keys)).await;
    assert_eq!(
        asked,
        ["https://api.moonshot.ai/v1/chat/completions", "https://openrouter.ai/api/v1/chat/completions"]
    );
}
