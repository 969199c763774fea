//! Tools that a model calls during a turn.

use serde_json::{Value, json};

use super::desk::{Desk, bodies};
use crate::common::{Provider, Setup, Upstream};

/// The configuration of the seed document, with the simulator as Moonshot.
fn searching(upstream: &Upstream) -> Setup {
    let search = json!({
        "apiKey": Provider::Moonshot.key(),
        "baseUrl": format!("{}/moonshot/v1", upstream.base()),
        "model": "kimi-k2.6",
    });
    Setup::chain(upstream, &[Provider::Kimi])
        .set("plugins.entries.moonshot.config.webSearch", search)
        .set("tools.web.search.provider", json!("kimi"))
}

const MESSAGE: &str = "Please call web_search for the moon";

#[tokio::test]
async fn a_search_is_called_answered_and_reported_again() {
    let upstream = Upstream::start().await;
    let (beside, _gateway) = Desk::beside(searching(&upstream)).await;
    let alone = Desk::with(&searching(&upstream));
    for (desk, place) in [(&alone, &["--local"][..]), (&beside, &[])] {
        upstream.forget().await;
        let reported = desk.reported(&[place, &["--session-id", "w", "-m", MESSAGE]].concat()).await;
        assert_eq!(
            (&reported["provider"], &reported["stopReason"]),
            (&json!("kimi"), &json!("stop")),
            "{reported}"
        );
        assert_eq!(reported["attempts"].as_array().unwrap().len(), 2, "two requests: {reported}");
        let kimi: Vec<Value> =
            bodies(&upstream).await.into_iter().filter(|body| body["model"] == "kimi-for-coding").collect();
        assert_eq!(kimi.len(), 2, "{kimi:?}");
        assert_eq!(
            (&kimi[0]["tools"][0]["name"], &kimi[0]["tools"]),
            (&json!("web_search"), &kimi[1]["tools"])
        );
        let messages = kimi[1]["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 3, "the question once, the call, its result: {messages:?}");
        let (called, result) =
            (messages[1]["content"].as_array().unwrap().last().unwrap(), &messages[2]["content"][0]);
        assert_eq!(
            (&called["type"], &called["id"]),
            (&json!("tool_use"), &result["tool_use_id"]),
            "{messages:?}"
        );
        assert!(result["is_error"].is_null() && result.to_string().contains("WEB_SEARCH_RESULT"), "{result}");
        if let Some(thought) =
            messages[1]["content"].as_array().unwrap().iter().find(|block| block["type"] == "thinking")
        {
            assert!(thought["signature"].is_string(), "{thought}");
        }
        let roles: Vec<Value> =
            desk.transcript("w")[1..].iter().map(|entry| entry["message"]["role"].clone()).collect();
        assert_eq!(roles, ["user", "assistant", "toolResult", "assistant"]);
        assert_eq!(desk.transcript("w")[2]["message"]["stopReason"], json!("toolUse"));
    }
}

#[tokio::test]
async fn a_search_that_fails_is_an_answer_too_and_none_is_offered_unasked() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "status", "value": 401 })).await;
    let desk = Desk::with(&searching(&upstream));
    let reported = desk.reported(&["--local", "-m", MESSAGE]).await;
    let last = bodies(&upstream).await.into_iter().rfind(|body| body["model"] == "kimi-for-coding").unwrap();
    let result = &last["messages"][2]["content"][0];
    assert_eq!(result["is_error"], json!(true), "{result}");
    assert!(!result.to_string().contains(Provider::Moonshot.key()), "{result}");
    assert_eq!(reported["ok"], json!(true));

    upstream.forget().await;
    let plain = Desk::chain(&upstream, &[Provider::Kimi]);
    plain.reported(&["--local", "-m", MESSAGE]).await;
    plain.reported(&["--local", "-m", "hi", "--web-search"]).await;
    let bodies = bodies(&upstream).await;
    assert!(bodies[0].get("tools").is_none(), "{}", bodies[0]);
    assert_eq!(bodies[1]["tools"][0]["name"], json!("web_search"));
}
