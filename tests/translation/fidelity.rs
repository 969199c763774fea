//! A request and its answer pass unchanged, except for the fields that a provider rule names.

use serde_json::{Value, json};

use crate::common::{Answer, Frames, Gateway, Provider, Setup, Upstream, prompt};

/// Unusual on purpose: white space, key order, long numbers, `1e2`, escapes, a lone surrogate, unknown fields, U+2028.
const MESSAGES: &str = "[ {\"content\" :\"You are terse.\\u000a\\\"ok\\\"\\/\",\"role\":\"system\", \"x_cache\":{\"b\":1e2,\"a\":[ ]}},\
 {\"role\":\"user\",\"name\":\"me\",\"content\":[{\"type\":\"text\",\"text\":\"half \\ud83d of a pair, \u{2028}and 月光\"}]},\
 {\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm  \",\"tool_calls\":[{\"id\":\"functions.read:0\",\"type\":\"function\",\"function\":{\"name\":\"read\",\"arguments\":\"{ \\\"n\\\": 123456789012345678901234567890 }\"}}]},\
 {\"role\":\"tool\",\"tool_call_id\":\"functions.read:0\",\"content\":\"done\"},\t\n\
 {\"role\":\"user\",\"content\":\"Say hello\"} ]";

const UNKNOWN: &str =
    "\"x_unknown\" : {\"z\":[1,2.50,-0,1E5],\"y\":123456789012345678901234567890,\"\\u0061\":null}";
const TOOLS: &str = "[{\"type\":\"function\",\"function\":{\"name\":\"read\",\"description\":\"d\",\"parameters\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}}}]";

fn body(model: &str) -> String {
    format!(
        "{{ \"messages\":{MESSAGES},{UNKNOWN},\"model\":\"{model}\",\n\"max_completion_tokens\":  4096,\"prompt_cache_key\":\"s-1\",\
         \"tools\":{TOOLS},\"seed\":7,\"stream\":true,\"stream_options\":{{\"include_usage\":true}} }}"
    )
}

async fn start(provider: Provider) -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[provider]).start().await;
    (upstream, gateway)
}

async fn last_request(upstream: &Upstream) -> String {
    upstream.requests().await.last().unwrap()["body"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn request_without_rule_matches_changes_only_its_model() {
    let (upstream, gateway) = start(Provider::Moonshot).await;
    let sent = body("moonshot/kimi-k3");
    let answer = Answer::read(gateway.chat_request(sent.clone()).send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(last_request(&upstream).await, sent.replace("moonshot/kimi-k3", "kimi-k3"));
}

#[tokio::test]
async fn request_with_a_bare_id_is_unchanged() {
    let (upstream, gateway) = start(Provider::Moonshot).await;
    let sent = body("kimi-k3");
    let answer = Answer::read(gateway.chat_request(sent.clone()).send().await.unwrap()).await;
    assert_eq!((answer.status, answer.model()), (200, "moonshot/kimi-k3"), "{}", answer.text());
    assert_eq!(last_request(&upstream).await, sent);
}

/// Exactly the rules that apply here; each one is in the reference of provider rules.
#[tokio::test]
async fn rule_changes_only_its_fields() {
    let (upstream, mut gateway) = start(Provider::Moonshot).await;
    let messages = MESSAGES.replace("\"role\":\"system\"", "\"role\":\"developer\"");
    let sent = format!(
        "{{\"temperature\":0.2, {UNKNOWN},\"model\":\"kimi-k3\",\"top_p\":1,\"messages\":{messages},\"tools\":{TOOLS},\"max_tokens\":4096}}"
    );
    let answer = Answer::read(gateway.chat_request(sent).send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let arrived = last_request(&upstream).await;
    assert!(arrived.contains(MESSAGES), "only the role changed: {arrived}");
    assert!(arrived.contains(UNKNOWN) && arrived.contains(TOOLS), "{arrived}");
    let value = value(&arrived);
    let keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["x_unknown", "model", "messages", "tools", "max_completion_tokens"], "{arrived}");
    assert_eq!(value["max_completion_tokens"], json!(4096));
    // The log names each rule that changed the request, and no other.
    gateway.serving.said("rules=sampling,developer_role,max_tokens ").await;
}

/// `serde_json` rejects lone surrogates; these assertions do not concern them.
fn value(text: &str) -> Value {
    serde_json::from_str(&text.replace("\\ud83d", "?")).unwrap()
}

#[tokio::test]
async fn last_duplicate_key_counts_and_an_edit_replaces_all() {
    let (upstream, gateway) = start(Provider::Moonshot).await;
    let sent = r#"{"model":"first","m\u006fdel":"moonshot/kimi-k3","messages":[{"role":"user","content":"Say hello"}]}"#;
    let answer = Answer::read(gateway.chat_request(sent).send().await.unwrap()).await;
    assert_eq!((answer.status, answer.model()), (200, "moonshot/kimi-k3"), "{}", answer.text());
    let arrived = last_request(&upstream).await;
    assert!(!arrived.contains("first") && !arrived.contains("moonshot/"), "{arrived}");
}

/// The answer's bytes, as the provider sends them to a client without a gateway.
async fn direct(upstream: &Upstream, provider: Provider, body: &str) -> Vec<u8> {
    let url = format!("{}{}/chat/completions", upstream.base(), provider.path());
    let request = crate::common::raw::client()
        .post(url)
        .header("authorization", format!("Bearer {}", provider.key()))
        .header("user-agent", "KimiCLI/1.46.0")
        .header("content-type", "application/json")
        .body(body.to_owned());
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.body
}

/// `id` and `created` differ from one answer to the next and are not the gateway's doing.
fn without_identity(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = ["\"id\":\"chatcmpl-", "\"created\":"].iter().filter_map(|key| rest.find(key)).min()
    {
        let end = at + rest[at..].find(',').unwrap();
        out.push_str(&rest[..at]);
        rest = &rest[end..];
    }
    out + rest
}

#[tokio::test]
async fn moonshot_answer_is_forwarded_unchanged() {
    let (upstream, gateway) = start(Provider::Moonshot).await;
    for (text, stream) in [
        ("Say hello", false),
        ("Say hello", true),
        ("reply with 300 words", true),
        ("reply with 300 words", false),
    ] {
        let sent = prompt("kimi-k3", text, stream).to_string();
        let expected = direct(&upstream, Provider::Moonshot, &sent).await;
        let answer = Answer::read(gateway.chat_request(sent).send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let expected = String::from_utf8(expected).unwrap();
        if !stream {
            assert_eq!(without_identity(&answer.text()), without_identity(&expected));
            continue;
        }
        // Comments are the gateway's own; every event is the provider's, byte for byte and in order.
        let (ours, theirs) = (answer.frames(), Frames::parse(expected.as_bytes()));
        let bare = |frames: &Frames| frames.data.iter().map(|d| without_identity(d)).collect::<Vec<_>>();
        assert_eq!(bare(&ours), bare(&theirs));
    }
}

#[tokio::test]
async fn reasoning_tool_calls_and_cached_tokens_reach_the_client() {
    let (_upstream, gateway) = start(Provider::Moonshot).await;
    let mut body = prompt("kimi-k3", &format!("{} please call read", "long prompt ".repeat(400)), true);
    body["tools"] = serde_json::from_str(TOOLS).unwrap();
    let answer = gateway.chat(&body).await;
    let said = answer.said();
    assert!(!said.reasoning.is_empty(), "{}", answer.text());
    assert_eq!(said.calls[0].0, "read", "{}", answer.text());
    assert!(said.usages[0]["cached_tokens"].as_u64().is_some_and(|n| n > 0), "{:?}", said.usages);
    assert!(said.usages[0]["completion_tokens_details"]["reasoning_tokens"].is_u64(), "{:?}", said.usages);
}

#[tokio::test]
async fn unrequested_usage_is_counted_and_hidden() {
    for provider in Provider::ALL {
        let (_upstream, gateway) = start(provider).await;
        let mut body = prompt(provider.reference(), "Say hello", true);
        body.as_object_mut().unwrap().remove("stream_options");
        let answer = gateway.chat(&body).await;
        let said = answer.said();
        assert_eq!(
            (said.usages.len(), said.finishes.len(), said.done),
            (0, 1, 1),
            "{provider:?}: {}",
            answer.text()
        );
        let empty =
            answer.frames().chunks().iter().any(|c| c["choices"].as_array().is_some_and(Vec::is_empty));
        assert!(!empty, "{provider:?}: a chunk without choices is left: {}", answer.text());
    }
}

#[tokio::test]
async fn openrouter_final_chunk_repeats_neither_role_nor_finish_reason() {
    let (_upstream, gateway) = start(Provider::OpenRouter).await;
    let answer = gateway.chat(&prompt("openrouter/auto", "Say hello", true)).await;
    let said = answer.said();
    assert_eq!(
        (said.roles, said.finishes.len(), said.usages.len(), said.done),
        (1, 1, 1, 1),
        "{}",
        answer.text()
    );
    assert!(said.usages[0]["cost"].is_number(), "OpenRouter's own figures stay: {:?}", said.usages);
}

/// Tool names that Moonshot rejects are renamed in the request and restored in the answer.
#[tokio::test]
async fn renamed_tool_is_restored_in_the_answer() {
    let (upstream, gateway) = start(Provider::Moonshot).await;
    for (name, stream) in [("ls", false), ("ls", true), ("mcp.files:read", true), ("9lives", true)] {
        let mut body = prompt("kimi-k3", "Run echo captured", stream);
        let command = json!({ "command": { "type": "string" } });
        let parameters = json!({ "type": "object", "properties": command, "required": ["command"] });
        body["tools"] =
            json!([{ "type": "function", "function": { "name": name, "parameters": parameters } }]);
        let answer = gateway.chat(&body).await;
        assert_eq!(
            (answer.status, answer.attempts()),
            (200, "moonshot/kimi-k3=ok"),
            "{name}: {}",
            answer.text()
        );
        let said = answer.said();
        assert_eq!(said.calls.len(), 1, "{name}: {}", answer.text());
        assert_eq!(said.calls[0].0, name, "{}", answer.text());
        let sent = value(&last_request(&upstream).await);
        assert_ne!(sent["tools"][0]["function"]["name"], json!(name), "it went up under another name");
    }
}
