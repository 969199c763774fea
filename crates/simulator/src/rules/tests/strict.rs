//! Each strict rule has a request that it alone refuses, and one like it that the service accepts: `strict.json`.
//!
//! A case has members to merge into the service's base request. `{signature of t}` and `{sealed}` are what the service
//! issued, `{A*41}` is a long string, and `{"repeat": 129, "of": …}` is a long list.

use std::collections::BTreeSet;

use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::models;
use crate::provider::{Api, Provider};
use crate::rules::strict::{SHAPE, StrictRequest, find_refusal, list_rules};
use crate::seal;

#[derive(Deserialize)]
struct Case {
    service: String,
    rule: String,
    /// `anthropic-beta` of the refused request.
    betas: Option<String>,
    refused: Value,
    accepted: Value,
}

const SERVICES: [(Provider, Api); 3] = [
    (Provider::Anthropic, Api::Messages),
    (Provider::OpenAi, Api::ChatCompletions),
    (Provider::OpenAi, Api::Responses),
];

fn base(service: (Provider, Api)) -> Value {
    match service {
        (Provider::Anthropic, _) => json!({
            "model": "claude-sonnet-4-5", "max_tokens": 4096, "messages": [{ "role": "user", "content": "hi" }],
        }),
        (_, Api::ChatCompletions) => {
            json!({ "model": "gpt-5.4", "messages": [{ "role": "user", "content": "hi" }] })
        }
        _ => json!({ "model": "gpt-5.4", "input": "hi" }),
    }
}

fn expand(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some("signature of t") => seal::sign("t").into(),
            Some("sealed") => seal::seal("openai", "t").into(),
            Some(repeated) if repeated.contains('*') => {
                let (letter, count) = repeated.split_once('*').unwrap();
                letter.repeat(count.parse().unwrap()).into()
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(expand).collect(),
        Value::Object(members) => match members.get("repeat").and_then(Value::as_u64) {
            Some(count) => (0..count)
                .map(|index| members["of"].to_string().replace("{index}", &index.to_string()))
                .map(|text| serde_json::from_str::<Value>(&text).unwrap())
                .collect(),
            None => members.iter().map(|(name, value)| (name.clone(), expand(value))).collect(),
        },
        other => other.clone(),
    }
}

/// The rule that refuses the request, and the text.
fn refusal(
    service: (Provider, Api),
    changes: &Value,
    betas: Option<&str>,
    without: Option<&str>,
) -> Option<(&'static str, String)> {
    let mut body = base(service);
    for (key, value) in expand(changes).as_object().unwrap() {
        body[key] = value.clone();
    }
    let mut headers = HeaderMap::new();
    if let Some(betas) = betas {
        headers.insert("anthropic-beta", betas.parse().unwrap());
    }
    let model = models::find_model(service.0, body["model"].as_str().unwrap()).unwrap();
    let request = StrictRequest { model, body: &body, headers: &headers };
    find_refusal(service.0, service.1, &request, without).map(|(rule, refusal)| (rule, refusal.message))
}

/// Without the rule, no other rule refuses the request: a rule that does nothing fails this test.
#[test]
fn every_rule_alone_refuses_its_requests() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("strict.json")).unwrap();
    let mut tested = BTreeSet::new();
    for case in &cases {
        let named = |(provider, api): &(Provider, Api)| format!("{provider} {api}") == case.service;
        let service = SERVICES.into_iter().find(named).unwrap();
        let place = format!("{}: {}: {}", case.service, case.rule, case.refused);
        let found = refusal(service, &case.refused, case.betas.as_deref(), None);
        assert_eq!(found.as_ref().map(|(rule, _)| *rule), Some(&*case.rule), "{place}: {found:?}");
        assert_eq!(refusal(service, &case.refused, case.betas.as_deref(), Some(&case.rule)), None, "{place}");
        assert_eq!(refusal(service, &case.accepted, None, None), None, "{place}");
        tested.insert((case.service.clone(), case.rule.clone()));
    }
    let shapes = SERVICES.map(|(provider, api)| (format!("{provider} {api}"), SHAPE.to_owned()));
    let rules = list_rules().map(|rule| (format!("{} {}", rule.provider, rule.api), rule.name.to_owned()));
    assert_eq!(tested, rules.chain(shapes).collect(), "each rule has a request");
}

#[test]
fn signature_of_another_origin_is_refused() {
    let sealed_by_openai = json!({ "type": "thinking", "thinking": "t", "signature": "{sealed}" });
    let body = json!({ "messages": [
        { "role": "user", "content": "x" },
        { "role": "assistant", "content": [sealed_by_openai, { "type": "text", "text": "y" }] },
        { "role": "user", "content": "z" },
    ] });
    let (rule, text) = refusal(SERVICES[0], &body, None, None).unwrap();
    assert_eq!(
        (rule, text.as_str()),
        ("signature", "messages.1.content.0: Invalid `signature` in `thinking` block")
    );
}

#[test]
fn shape_errors_name_the_place_in_the_services_words() {
    let message = |role: &str, block: Value| json!({ "messages": [{ "role": role, "content": [block] }] });
    let anthropic = |body: Value| refusal(SERVICES[0], &body, None, None).unwrap().1;
    assert_eq!(anthropic(json!({ "seed": 1 })), "seed: Extra inputs are not permitted");
    let text = anthropic(message("user", json!({ "type": "input_text", "text": "x" })));
    assert!(
        text.starts_with("messages.0.content.0: Input tag 'input_text' found using 'type' does not match"),
        "{text}"
    );
    let text = anthropic(message("assistant", json!({ "type": "thinking", "thinking": "x" })));
    assert_eq!(text, "messages.0.content.0.signature: Field required");
    let openai = |body: Value| refusal(SERVICES[1], &body, None, None).unwrap().1;
    assert_eq!(openai(json!({ "thinking": {} })), "Unknown parameter: 'thinking'.");
    let text = openai(json!({ "messages": [{ "role": "tool", "content": "x" }] }));
    assert_eq!(text, "Missing required parameter: 'messages[0].tool_call_id'.");
}
