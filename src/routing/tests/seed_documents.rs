//! The configuration blocks of the seed documents, and the requests that they lead to.

use serde_json::{Value, json};

use super::script::Reply;
use super::{Fixture, RequestError};
use crate::upstream::UpstreamRequest;

const OK: Reply = Reply::Body(
    200,
    r#"{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#,
);

macro_rules! seed {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/seeds/", $name, ".json5"))
    };
}

/// A block, the variables that are set, the requested name; URL, key, User-Agent and model id of the call.
type Row<'r> = (&'r str, &'r [(&'r str, &'r str)], &'r str, (&'r str, &'r str, Option<&'r str>, &'r str));

/// A request as an agent sends it: with the role that Kimi rejects, and the sampling that it pins.
fn question(model: &str) -> Value {
    json!({
        "model": model,
        "temperature": 0,
        "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}],
    })
}

/// The call that a block leads to for a requested name.
async fn call(text: &str, variables: &[(&str, &str)], model: &str) -> UpstreamRequest {
    let fixture = Fixture::with(text, variables);
    fixture.script.then(OK);
    if let Err(error) = fixture.send(&question(model)).await {
        panic!("{error}");
    }
    fixture.script.calls.lock().unwrap().remove(0)
}

fn header<'c>(call: &'c UpstreamRequest, name: &str) -> Option<&'c str> {
    call.headers.get(name).map(|value| value.to_str().unwrap())
}

fn body(call: &UpstreamRequest) -> Value {
    serde_json::from_slice(&call.body.concat()).unwrap()
}

/// URL, key, User-Agent and model id, as sent.
fn sent(call: &UpstreamRequest) -> (&str, &str, Option<&str>, String) {
    let key = header(call, "authorization").unwrap().strip_prefix("Bearer ").unwrap();
    let model = body(call)["model"].as_str().unwrap().to_owned();
    (&call.url, key, header(call, "user-agent"), model)
}

const MOONSHOT: &str = "https://api.moonshot.ai/v1/chat/completions";
const CHINA: &str = "https://api.moonshot.cn/v1/chat/completions";
const KIMI_CODE: &str = "https://api.kimi.com/coding/v1/chat/completions";

#[tokio::test]
async fn each_seed_configuration_makes_the_documented_call() {
    let moonshot = [("MOONSHOT_API_KEY", "sk-m")];
    let kimi = [("KIMI_API_KEY", "sk-k")];
    let kimi_code = [("KIMICODE_API_KEY", "sk-c")];
    let both = [("MOONSHOT_API_KEY", "sk-m"), ("KIMICODE_API_KEY", "sk-c")];
    let agent = Some("KimiCLI/0.77");
    let blog_key = "sk-kimi-YOUR_API_KEY_HERE";
    let rows: [Row<'_>; 20] = [
        (seed!("skill-moonshot"), &moonshot, "default", (CHINA, "sk-m", None, "kimi-k2.5")),
        (seed!("skill-moonshot"), &moonshot, "moonshot-v1-128k", (CHINA, "sk-m", None, "moonshot-v1-128k")),
        (seed!("skill-kimi-code"), &kimi_code, "default", (KIMI_CODE, "sk-c", None, "kimi-for-coding")),
        (seed!("skill-kimi-code"), &kimi_code, "kimi", (KIMI_CODE, "sk-c", None, "kimi-for-coding")),
        (seed!("skill-both"), &both, "k25", (CHINA, "sk-m", None, "kimi-k2.5")),
        (seed!("skill-both"), &both, "kimi", (KIMI_CODE, "sk-c", None, "kimi-for-coding")),
        (seed!("nix-kimi"), &kimi, "default", (KIMI_CODE, "sk-k", None, "kimi-for-coding")),
        (seed!("nix-kimi"), &kimi, "kimi/kimi-k2p5", (KIMI_CODE, "sk-k", None, "kimi-for-coding")),
        (seed!("cn-moonshot"), &[], "default", (CHINA, "sk-...", None, "kimi-k2-0905-preview")),
        (seed!("cn-moonshot"), &[], "Kimi K2 Thinking", (CHINA, "sk-...", None, "kimi-k2-thinking")),
        (seed!("cn-kimi-code"), &[], "Kimi Code", (KIMI_CODE, "sk-...", agent, "kimi-for-coding")),
        (seed!("openclaw-default-model"), &moonshot, "default", (MOONSHOT, "sk-m", None, "kimi-k2.6")),
        (seed!("openclaw-moonshot"), &[], "default", (MOONSHOT, "sk-...", None, "kimi-k2.6")),
        (seed!("openclaw-moonshot"), &[], "Kimi K2.7 Code", (MOONSHOT, "sk-...", None, "kimi-k2.7-code")),
        (seed!("openclaw-kimi-default"), &kimi, "default", (KIMI_CODE, "sk-k", None, "kimi-for-coding")),
        (seed!("openclaw-kimi"), &[], "Kimi", (KIMI_CODE, "sk-...", None, "kimi-for-coding")),
        (seed!("openclaw-kimi"), &[], "kimi/k2p5", (KIMI_CODE, "sk-...", None, "kimi-for-coding")),
        (
            seed!("openclaw-thinking-off"),
            &moonshot,
            "moonshot/kimi-k2.6",
            (MOONSHOT, "sk-m", None, "kimi-k2.6"),
        ),
        (
            seed!("openclaw-web-search"),
            &moonshot,
            "moonshot/kimi-k2.6",
            (MOONSHOT, "sk-m", None, "kimi-k2.6"),
        ),
        (seed!("blog-kimi-code"), &[], "default", (KIMI_CODE, blog_key, agent, "kimi-for-coding")),
    ];
    for (text, variables, model, (url, key, user_agent, wire)) in rows {
        let call = call(text, variables, model).await;
        assert_eq!(sent(&call), (url, key, user_agent, wire.to_owned()), "{model} of\n{text}");
        let body = body(&call);
        assert_eq!(body["messages"][0]["role"], "system", "{model} of\n{text}");
        assert_eq!(body.get("temperature"), None, "{model} of\n{text}");
    }
}

#[tokio::test]
async fn thinking_is_sent_as_documented() {
    let moonshot = [("MOONSHOT_API_KEY", "sk-m")];
    let off = call(seed!("openclaw-thinking-off"), &moonshot, "moonshot/kimi-k2.6").await;
    assert_eq!(body(&off)["thinking"], json!({"type": "disabled"}));
    let keep = call(seed!("openclaw-thinking-keep"), &moonshot, "moonshot/kimi-k2.6").await;
    assert_eq!(body(&keep)["thinking"], json!({"type": "enabled", "keep": "all"}));
    let other = call(seed!("openclaw-thinking-keep"), &moonshot, "moonshot/kimi-k2.7-code").await;
    assert_eq!(body(&other).get("thinking"), None);
    // `thinkingDefault: "low"`, in the words of a model that always thinks.
    let blog = call(seed!("blog-kimi-code"), &[], "default").await;
    assert_eq!(body(&blog)["reasoning_effort"], "low");
}

#[tokio::test]
async fn fallback_of_the_nix_document_answers() {
    let fixture =
        Fixture::with(seed!("nix-kimi"), &[("KIMI_API_KEY", "sk-k"), ("OPENROUTER_API_KEY", "sk-o")]);
    fixture.script.then(Reply::Refused).then(Reply::Refused).then(OK);
    assert!(fixture.send(&question("kimi/kimi-k2p5")).await.is_ok());
    let fallback = fixture.script.calls.lock().unwrap().pop().unwrap();
    let expected =
        ("https://openrouter.ai/api/v1/chat/completions", "sk-o", None, "openrouter/auto".to_owned());
    assert_eq!(sent(&fallback), expected);
}

#[tokio::test]
async fn provider_without_base_url_is_disabled() {
    let text = seed!("openclaw-sanitize");
    let fixture = Fixture::with(text, &[]);
    let error = fixture.send(&question("my-kimi-proxy/kimi-k2.6")).await.err().unwrap();
    let off = matches!(&error, RequestError::UnknownModel { .. } | RequestError::NoUsableTarget { .. });
    assert!(off, "{error}");
    let complete = text.replace(
        "sanitizeToolCallIds: true,",
        r#"sanitizeToolCallIds: true, baseUrl: "https://proxy.example/v1", apiKey: "sk-p", models: [{ id: "kimi-k2.6", name: "K" }],"#,
    );
    let fixture = Fixture::with(&complete, &[]);
    fixture.script.then(OK);
    let asked = fixture
        .send(&json!({"model": "my-kimi-proxy/kimi-k2.6", "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "functions.exec:0", "type": "function", "function": {"name": "exec", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "functions.exec:0", "content": "done"},
        ]}))
        .await;
    assert!(asked.is_ok());
    let call = fixture.script.calls.lock().unwrap().remove(0);
    let body = body(&call);
    assert_eq!(call.url, "https://proxy.example/v1/chat/completions");
    assert_eq!(body["messages"][1]["tool_calls"][0]["id"], "functionsexec0");
    assert_eq!(body["messages"][2]["tool_call_id"], "functionsexec0");
}
