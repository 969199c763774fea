//! What real clients of the Messages and Responses faces send is answered, by every provider as the primary: over the
//! client's own face, and over chat alone.

use serde_json::{Value, json};

use crate::captures::{Capture, of_client};
use crate::common::face::Face;
use crate::common::{Gateway, Provider, Setup, Upstream};

const CLIENTS: [&str; 11] = [
    "anthropic-node",
    "anthropic-python",
    "claude-code",
    "kimi-code-messages",
    "litellm-messages",
    "openclaw-messages",
    "opencode-messages",
    "codex",
    "kimi-code-responses",
    "openai-node-responses",
    "openai-python-responses",
];

fn face(capture: &Capture) -> Face {
    if capture.target.contains("/messages") { Face::Messages } else { Face::Responses }
}

/// Whether the request brings the result of a tool, which the simulator then reports.
fn brings_result(body: &Value) -> bool {
    let last = body["messages"].as_array().or(body["input"].as_array()).and_then(|list| list.last());
    let Some(last) = last else { return false };
    last["type"] == "function_call_output"
        || last["content"]
            .as_array()
            .is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "tool_result"))
}

async fn check(gateway: &Gateway, provider: Provider, capture: &Capture) {
    let name = &capture.name;
    let answer = capture.send(gateway).await;
    let place = format!("{name} on {provider:?}: {} {}", answer.status, answer.attempts());
    if capture.target.contains("count_tokens") {
        assert!(
            answer.json()["input_tokens"].as_u64().is_some_and(|count| count > 0),
            "{place}: {}",
            answer.text()
        );
        return;
    }
    assert_eq!(answer.attempts(), format!("{}=ok", provider.reference()), "{place}: {}", answer.text());
    let heard = face(capture).heard(&answer);
    let streamed = answer.header("content-type").starts_with("text/event-stream");
    assert_eq!(streamed, capture.body["stream"] == json!(true), "{place}");
    if ["max_tokens", "incomplete"].contains(&heard.finish.as_str()) {
        // The SDKs' samples ask for ten tokens; those are gone with the thinking.
        assert!(capture.body.to_string().len() < 1000, "{place}: {heard:?}");
    } else if brings_result(&capture.body) {
        assert!(
            heard.text.contains("the tool answered") && heard.text.contains("captured"),
            "{place}: {heard:?}"
        );
    } else if name.contains("tool") {
        let [(_, _, arguments)] = heard.calls.as_slice() else { panic!("{place}: {heard:?}") };
        assert!(arguments.contains("echo captured"), "{place}: {heard:?}");
    } else {
        assert!(heard.text.contains(&format!("via {}", provider.id())), "{place}: {heard:?}");
    }
    assert!(heard.tokens.0 > 0, "{place}: {heard:?}");
}

async fn all(setup: impl Fn(&Upstream, Provider) -> Setup) {
    let upstream = Upstream::start().await;
    let mut checked = 0;
    for provider in Provider::ALL {
        let gateway = setup(&upstream, provider)
            .set("models.routes", json!({ "*": "default" }))
            // Kimi Code's gate stands before its chat and Responses faces, and most of these clients are not on its
            // list.
            .set("models.providers.kimi.headers", json!({ "User-Agent": "KimiCLI/1.46.0" }))
            .start()
            .await;
        for capture in CLIENTS.into_iter().flat_map(of_client) {
            check(&gateway, provider, &capture).await;
            checked += 1;
        }
    }
    assert!(checked > 80, "{checked}");
}

#[tokio::test]
async fn every_recorded_request_is_answered_over_its_own_face() {
    all(|upstream, provider| Setup::chain(upstream, &[provider])).await;
}

#[tokio::test]
async fn every_recorded_request_is_answered_over_chat_alone() {
    all(|upstream, provider| {
        let at = format!("models.providers.{}", provider.id());
        Setup::chain(upstream, &[provider]).set(&format!("{at}.api"), json!("openai-completions"))
    })
    .await;
}
