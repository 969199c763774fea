//! OpenRouter and generic servers.

use super::*;

#[test]
fn openrouter_thinking_becomes_reasoning() {
    Case::openrouter().table(&[
        (r#""thinking":{"type":"disabled"},"reasoning_effort":null"#, r#""reasoning":{"enabled":false}"#),
        (r#""thinking":{"type":"enabled","keep":"all"}"#, r#""reasoning":{"enabled":true}"#),
        (r#""thinking":{"type":"enabled","budget_tokens":2048}"#, r#""reasoning":{"max_tokens":2048}"#),
        (r#""thinking":{"type":"enabled"},"reasoning_effort":"high""#, r#""reasoning_effort":"high""#),
        (r#""thinking":{"type":"enabled"},"reasoning":{"effort":"low"}"#, r#""reasoning":{"effort":"low"}"#),
        (r#""thinking":{"type":"disabled"},"reasoning_effort":"high""#, r#""reasoning":{"enabled":false}"#),
        (r#""reasoning_effort":"max""#, r#""reasoning_effort":"max""#),
        (r#""reasoning":{"exclude":true}"#, r#""reasoning":{"exclude":true}"#),
        (r#""reasoning_effort":null,"a":1"#, r#""a":1"#),
        (
            r#""temperature":0.5,"max_tokens":7,"store":false"#,
            r#""temperature":0.5,"max_tokens":7,"store":false"#,
        ),
    ]);
}

#[test]
fn openrouter_does_not_disable_an_always_thinking_model() {
    Case::new(OpenRouter, "x/k2.7", ThinkingControl::Always)
        .table(&[(r#""thinking":{"type":"disabled"},"a":1"#, r#""a":1"#)]);
}

#[test]
fn openrouter_order_starts_with_moonshot_for_kimi() {
    let kimi = || Case::new(OpenRouter, "moonshotai/kimi-k3", ThinkingControl::Effort);
    let order = r#""provider":{"order":["moonshotai"],"allow_fallbacks":true}"#;
    kimi().table(&[
        (r#""a":1"#, &format!(r#""a":1,{order}"#)),
        (r#""provider":{"sort":"price"}"#, r#""provider":{"sort":"price"}"#),
    ]);
    assert_eq!(kimi().members(r#""a":1"#).1, ["provider_order"]);
    let configured = kimi().params(&json!({"provider": {"only": ["fireworks"]}}));
    assert_eq!(configured.members(r#""a":1"#).0, r#""a":1,"provider":{"only":["fireworks"]}"#);
    for id in ["openrouter/auto", "anthropic/claude", "moonshotai/kimi-k3:nitro"] {
        Case::new(OpenRouter, id, ThinkingControl::Unknown).table(&[(r#""a":1"#, r#""a":1"#)]);
    }
}

#[test]
fn openrouter_history_uses_reasoning() {
    let sent = Case::openrouter().send(
        r#"{"model":"openrouter/auto","messages":[{"role":"assistant","reasoning_content":"why","content":"x"},{"role":"assistant","reasoning_content":"a","reasoning":"b","content":"x"},{"role":"assistant","content":"so far","partial":true}]}"#,
    );
    assert_eq!(
        sent.body,
        r#"{"model":"openrouter/auto","messages":[{"role":"assistant","reasoning":"why","content":"x"},{"role":"assistant","reasoning_content":"a","reasoning":"b","content":"x"},{"role":"assistant","content":"so far"}]}"#
    );
    assert_eq!(sent.rules, ["partial", "reasoning_name"]);
}

#[test]
fn openrouter_usage_is_hidden_if_not_requested() {
    for (members, hidden) in [
        (r#""stream":true"#, true),
        (r#""stream":true,"stream_options":{"include_usage":true}"#, false),
        (r#""stream":true,"usage":{"include":true}"#, false),
        (r#""stream":true,"usage":{"include":false}"#, true),
        (r#""a":1"#, false),
    ] {
        let body = format!(r#"{{"model":"openrouter/auto",{members}}}"#);
        let sent = Case::openrouter().send(&body);
        assert_eq!(sent.body, body);
        assert_eq!(sent.answer.hides_usage, hidden, "{members}");
    }
}

#[test]
fn builtin_tools_are_removed_for_other_providers() {
    let web = r#"{"type":"builtin_function","function":{"name":"$web_search"}}"#;
    let read = r#"{"type":"function","function":{"name":"read"}}"#;
    let find = r#"{"type":"function","function":{"name":"find"}}"#;
    for case in [Case::openrouter(), Case::generic(Compat::default())] {
        for (tools, expected) in [
            (format!("{web}, {read},{find}"), format!("{read},{find}")),
            (format!("{read}, {web},{find}"), format!("{read},{find}")),
            (format!("{read},{web}, {web} ,{find},{web}"), format!("{read},{find}")),
            (format!("{web},{web},{read}"), read.to_owned()),
        ] {
            let (sent, rules) = case.members(&format!(r#""tools":[{tools}]"#));
            assert_eq!(sent, format!(r#""tools":[{expected}]"#));
            assert_eq!(rules, ["builtin_tools"]);
        }
        case.table(&[
            (&format!(r#""a":1,"tools":[{web}],"tool_choice":"auto","parallel_tool_calls":true"#), r#""a":1"#),
            (
                &format!(r#""tools":[{web},{read}],"tool_choice":{{"type":"builtin_function","function":{{"name":"$web_search"}}}}"#),
                &format!(r#""tools":[{read}],"tool_choice":"auto""#),
            ),
        ]);
        let only = case.send(&format!(r#"{{"model":"x","tools":[{web}]}}"#));
        assert!(!only.answer.offers_tools);
    }
}

#[test]
fn generic_request_without_flags_is_unchanged() {
    let body = r#"{"model":"m","messages":[{"role":"developer","content":[{"type":"text","text":"a"}]}],"temperature":0,"max_tokens":1,"stream":true,"store":true,"reasoning_effort":"low","thinking":{"type":"enabled"},"tools":[{"type":"function","function":{"name":"ls","strict":true}}],"tool_choice":"required"}"#;
    let sent = Case::generic(Compat::default()).send(body);
    assert_eq!(sent.body, body);
    assert!(sent.rules.is_empty() && sent.answer.offers_tools && !sent.answer.hides_usage);
}

#[test]
fn generic_request_follows_compat_flags() {
    let flag = |set: fn(&mut Compat)| {
        let mut compat = Compat::default();
        set(&mut compat);
        Case::generic(compat)
    };
    let tool = r#"{"type":"function","function":{"strict":true,"name":"read"}}"#;
    let lax = r#"{"type":"function","function":{"name":"read"}}"#;
    for (case, members, expected, rule) in [
        (flag(|c| c.supports_usage_in_streaming = Some(true)), r#""stream":true"#.into(), r#""stream":true,"stream_options":{"include_usage":true}"#.into(), "usage"),
        (flag(|c| c.supports_usage_in_streaming = Some(true)), r#""stream":true,"stream_options":1"#.into(), r#""stream":true,"stream_options":{"include_usage":true}"#.into(), "usage"),
        (flag(|c| c.supports_usage_in_streaming = Some(false)), r#""stream":true,"stream_options":{"include_usage":true}"#.into(), r#""stream":true"#.into(), "usage"),
        (flag(|c| c.max_tokens_field = Some(MaxTokensField::MaxTokens)), r#""max_completion_tokens":5"#.into(), r#""max_tokens":5"#.into(), "max_tokens"),
        (flag(|c| c.max_tokens_field = Some(MaxTokensField::MaxCompletionTokens)), r#""max_tokens":5"#.into(), r#""max_completion_tokens":5"#.into(), "max_tokens"),
        (flag(|c| c.supports_reasoning_effort = Some(false)), r#""reasoning_effort":"low","a":1"#.into(), r#""a":1"#.into(), "reasoning_effort"),
        (flag(|c| c.supports_reasoning_effort = Some(true)), r#""thinking":{"type":"disabled"}"#.into(), r#""reasoning_effort":"none""#.into(), "thinking"),
        (flag(|c| c.supports_store = Some(false)), r#""store":true,"a":1"#.into(), r#""a":1"#.into(), "store"),
        (flag(|c| c.supports_strict_mode = Some(false)), format!(r#""tools":[{tool},{tool}]"#), format!(r#""tools":[{lax},{lax}]"#), "strict"),
        (flag(|c| c.supports_tools = Some(false)), format!(r#""tools":[{tool}],"tool_choice":"auto","a":1"#), r#""a":1"#.into(), "tools"),
        (
            flag(|c| c.requires_string_content = Some(true)),
            r#""messages":[{"role":"user","content":[{"type":"text","text":"a\n"},{"type":"text","text":"é"}]},{"role":"user","content":[{"type":"image_url","image_url":"x"}]}]"#.into(),
            r#""messages":[{"role":"user","content":"a\n\né"},{"role":"user","content":[{"type":"image_url","image_url":"x"}]}]"#.into(),
            "string_content",
        ),
    ] as [(Case, String, String, &str); 11]
    {
        let (sent, rules) = case.members(&members);
        assert_eq!(sent, expected, "{rule}");
        assert_eq!(rules, [rule]);
    }
    let level = flag(|c| c.supports_reasoning_effort = Some(true)).level(ThinkingLevel::Max);
    assert_eq!(level.members(r#""a":1"#).0, r#""a":1,"reasoning_effort":"xhigh""#);
    let usage = flag(|c| c.supports_usage_in_streaming = Some(true));
    assert!(usage.send(r#"{"model":"m","stream":true}"#).answer.hides_usage);
}
