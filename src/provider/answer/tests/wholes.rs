//! Whole answers.

use serde_json::{Value, json};

use super::*;

fn answer(message: &str, finish: &str) -> String {
    format!(
        "\n {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1784246400,\"model\":\"kimi-k3\",\"choices\":[{{\"index\":0,\"message\":{message},\"finish_reason\":{finish}}}],\"usage\":{{\"prompt_tokens\":100,\"completion_tokens\":40,\"total_tokens\":140,\"cached_tokens\":64}}}}"
    )
}

fn read_whole(plan: &AnswerPlan, text: &str) -> Result<(String, Meter), Failure> {
    let (segments, meter) = read_complete(
        &errors_of(AdapterId::Moonshot),
        Api::ChatCompletions,
        plan,
        Bytes::copy_from_slice(text.as_bytes()),
    )?;
    Ok((String::from_utf8(segments.to_bytes().to_vec()).unwrap(), meter))
}

#[test]
fn whole_response_passes_byte_for_byte() {
    let text =
        answer(r#"{"role":"assistant","content":"lone \ud83d","reasoning_content":"1e2"}"#, "\"stop\"");
    let (out, meter) = read_whole(&with_tools(), &text).unwrap();
    assert_eq!(out, text);
    let usage = TokenUsage { input: 36, output: 40, cache_read: 64, ..TokenUsage::default() };
    assert_eq!(
        meter,
        Meter {
            usage: Some(usage),
            finish_reason: Some("stop".into()),
            model: Some("kimi-k3".into()),
            provider: None
        }
    );
}

#[test]
fn invalid_whole_response_is_a_failure() {
    let empty = answer(r#"{"role":"assistant","content":""}"#, "\"stop\"");
    for (text, message) in [
        ("", "the response is empty"),
        (" \n", "the response is empty"),
        ("<html></html>", "the response is an HTML page"),
        ("nonsense", "the response is not JSON"),
        ("[]", "the response is not JSON"),
        (r#"{"choices":[{"message":{"content":"a"#, "the response is not JSON"),
        (r#"{"id":"x"}"#, "the response has no choices"),
        (r#"{"choices":[]}"#, "the response has no choices"),
        (empty.as_str(), "the response is empty"),
    ] {
        let failure = read_whole(&plain(), text).unwrap_err();
        assert_eq!((failure.reason, failure.message.as_str()), (Reason::Server, message), "{text}");
    }
    for text in [
        r#"{"error":{"code":502,"message":"boom"},"user_id":"u"}"#,
        r#"{"choices":[{"error":{"code":502,"message":"boom"},"message":{"content":"a"},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"message":{"content":"a"},"finish_reason":"error"}]}"#,
    ] {
        assert!(read_whole(&plain(), text).is_err(), "{text}");
    }
}

#[test]
fn empty_response_cut_by_its_length_passes() {
    let text = answer(r#"{"role":"assistant","content":""}"#, "\"length\"");
    assert_eq!(read_whole(&plain(), &text).unwrap().0, text);
}

#[test]
fn names_are_restored_and_leaked_calls_become_tool_calls() {
    let plan = AnswerPlan { tool_names: vec![("f_x".into(), "f.x".into())], ..with_tools() };
    let leak = r#"<|tool_calls_section_begin|>\n<|tool_call_begin|>functions.f_x:0<|tool_call_argument_begin|> {\"a\":1} <|tool_call_end|>\n<|tool_calls_section_end|>"#;
    let leaked = json!({"id": "functions.f_x:0", "type": "function", "function": {"name": "f.x", "arguments": "{\"a\":1}"}});
    for (message, finish, content, calls) in [
        (format!(r#"{{"role":"assistant","content":"a {leak} b"}}"#), "\"stop\"", "a  b", json!([leaked])),
        (
            format!(r#"{{"role":"assistant","content":"{leak}","tool_calls":null}}"#),
            "\"stop\"",
            "",
            json!([leaked]),
        ),
        (
            format!(
                r#"{{"role":"assistant","tool_calls":[{{"id":"r","function":{{"name":"f_x"}}}} ],"content":"{leak}"}}"#
            ),
            "\"tool_calls\"",
            "",
            json!([{"id": "r", "function": {"name": "f.x"}}, leaked]),
        ),
    ] {
        let (out, meter) = read_whole(&plan, &answer(&message, finish)).unwrap();
        let value: Value = serde_json::from_str(&out).unwrap();
        let choice = &value["choices"][0];
        assert_eq!(choice["message"]["content"], content);
        assert_eq!(choice["message"]["tool_calls"], calls);
        assert_eq!(choice["finish_reason"], "tool_calls");
        assert_eq!(meter.finish_reason.as_deref(), Some("tool_calls"));
    }
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = answer(r#"{"role":"assistant","content":"<|tool_calls_section_begin|>","tool_calls":[{"function":{"name":"f"}}]}"#, "\"stop\"").into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let plan = AnswerPlan { tool_names: vec![("f".into(), "g".into())], ..with_tools() };
        let length = bytes.len();
        if let Ok((segments, _)) = read_complete(&errors_of(AdapterId::Generic), Api::ChatCompletions, &plan, bytes.into()) {
            prop_assert!(segments.len() <= length + 1);
        }
    }
}
