//! What holds for any request: the result is JSON, what needs no change keeps its bytes, and twice is once.

use proptest::prelude::*;

use super::*;

/// Top-level members, each with forms that rules care about.
const MEMBERS: &[&str] = &[
    r#""temperature" : 0.1"#,
    r#""n":1"#,
    r#""stream":true"#,
    r#""stream":false"#,
    r#""stream_options":{"include_usage":true}"#,
    r#""stream_options": { "x":1 , "include_usage" : false }"#,
    r#""max_tokens":7"#,
    r#""max_completion_tokens":8"#,
    r#""thinking":{"type":"enabled","keep":"all"}"#,
    r#""thinking":{"type":"disabled"}"#,
    r#""thinking":null"#,
    r#""reasoning_effort":"medium""#,
    r#""reasoning_effort":null"#,
    r#""reasoning":{"effort":"none"}"#,
    r#""tool_choice":"required""#,
    r#""tool_choice":{"type":"function","function":{"name":"ls"}}"#,
    r#""tools":[{"type":"builtin_function","function":{"name":"$web_search"}},{"type":"function","function":{"name":"ls","strict":true,"parameters":{"type":"string","anyOf":[{}]}}}]"#,
    r#""tools":[]"#,
    r#""store":false"#,
    r#""unknown":[1, 1e2, 123456789012345678901234567890]"#,
    r#""\u0074emperature":1"#,
    r#""seed":1"#,
];

const MESSAGES: &[&str] = &[
    r#"{"role":"developer","content":"é \n"}"#,
    r#"{ "content" : [{"type":"text","text":"a"}] , "role" : "user" }"#,
    r#"{"role":"assistant","content":null,"tool_calls":[{"id":"f:0","type":"function","function":{"name":"ls","arguments":"{}"}}]}"#,
    r#"{"role":"assistant","reasoning":"why","tool_calls":[{"id":"f:0","function":{"name":"a.b"}},{"id":"f:1","function":{}}]}"#,
    r#"{"role":"assistant","reasoning_content":"why","content":"x","partial":true}"#,
    r#"{"role":"tool","tool_call_id":"f:0","name":"ls","content":"ok"}"#,
    r#"{"tool_call_id":"f:1","role":"tool","content":[]}"#,
    r#"{"role":"system","tools":[{"type":"function","function":{"name":"x"}}]}"#,
    r"{}",
    r#""no object""#,
];

fn bodies() -> impl Strategy<Value = String> {
    let members = proptest::collection::vec(proptest::sample::select(MEMBERS), 0..8);
    let messages = proptest::collection::vec(proptest::sample::select(MESSAGES), 0..8);
    (members, messages, 0_usize..8).prop_map(|(mut members, messages, at)| {
        let messages = format!(r#""messages" : [{}]"#, messages.join(" , "));
        members.insert(at.min(members.len()), &messages);
        format!("{{ {} }}", members.join(" ,"))
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let compat = Compat {
        supports_developer_role: Some(false),
        supports_usage_in_streaming: Some(true),
        supports_store: Some(false),
        supports_strict_mode: Some(false),
        requires_reasoning_content: Some(true),
        requires_string_content: Some(true),
        max_tokens_field: Some(MaxTokensField::MaxTokens),
        ..Compat::default()
    };
    (0_usize..8, any::<bool>(), proptest::option::of(proptest::sample::select(&ThinkingLevel::ALL[..])))
        .prop_map(move |(which, sanitize, thinking)| {
            let case = match which {
                0 => Case::k26(),
                1 => Case::k27(),
                2 => Case::k3(),
                3 => Case::code(),
                4 => Case::openrouter(),
                5 => Case::new(OpenRouter, "moonshotai/kimi-k3", ThinkingControl::Effort),
                6 => Case::generic(compat.clone()),
                _ => Case::generic(Compat { supports_tools: Some(false), ..Compat::default() }),
            };
            Case { sanitize, thinking, ..case }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rewriting_twice_changes_nothing(case in cases(), body in bodies()) {
        let once = case.send(&body);
        prop_assert!(serde_json::from_str::<Value>(&once.body).is_ok(), "{}", once.body);
        // The thinking setting may require that a field is absent; a default would add the field again.
        let twice = Case { thinking: None, ..case }.send(&once.body);
        prop_assert_eq!(&twice.body, &once.body);
        prop_assert!(twice.rules.is_empty(), "{:?}", twice.rules);
    }

    #[test]
    fn rewritten_request_follows_kimis_rules(which in 0_usize..4, body in bodies()) {
        let case = [Case::k26, Case::k27, Case::k3, Case::code][which]();
        let sent: Value = serde_json::from_str(&case.send(&body).body).unwrap();
        for field in ["temperature", "top_p", "n", "presence_penalty", "frequency_penalty", "max_tokens"] {
            prop_assert!(sent.get(field).is_none(), "{field}");
        }
        let off = sent["thinking"]["type"] == "disabled";
        prop_assert!(!(off && matches!(which, 1 | 3)), "these always think");
        let effort = &sent["reasoning_effort"];
        prop_assert!(effort.is_null() || (which > 1 && ["low", "high", "max"].iter().any(|e| effort == e)));
        prop_assert!(off || matches!(sent["tool_choice"].as_str(), None | Some("auto")));
        prop_assert!(off || !sent["tool_choice"].is_object());
        let mut ids = std::collections::HashSet::new();
        for message in sent["messages"].as_array().unwrap() {
            prop_assert!(message["role"] != "developer");
            let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
            prop_assert!(off || calls.is_empty() || !message["reasoning_content"].as_str().unwrap_or("").is_empty());
            for call in calls {
                prop_assert!(ids.insert(call["id"].clone()), "{}", call["id"]);
            }
        }
        for tool in sent["tools"].as_array().into_iter().flatten() {
            let name = tool["function"]["name"].as_str().unwrap();
            prop_assert!(name == "$web_search" || tool_names::is_accepted(name));
        }
    }
}
