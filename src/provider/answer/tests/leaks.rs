//! Tool calls that leaked into text.

use serde_json::Value;

use super::*;

const SECTION: &str = r#"<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{\"city\":\"Paris\"}<|tool_call_end|><|tool_call_begin|>functions.get_time:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>"#;

/// A section that ends inside a call.
const BROKEN: &str = "<|tool_calls_section_begin|><|tool_call_begin|>f";

/// Puts a stream together as an SDK does.
#[derive(Debug, Default, PartialEq)]
struct Message {
    content: String,
    calls: Vec<(String, String, String)>,
    finish: String,
    roles: usize,
}

fn message(stream: &str) -> Message {
    let mut message = Message::default();
    for payload in stream.split("\n\n").filter_map(|frame| frame.strip_prefix("data: ")) {
        if payload == "[DONE]" {
            continue;
        }
        let value: Value = serde_json::from_str(payload).unwrap();
        let Some(choice) = value["choices"].get(0) else { continue };
        let delta = &choice["delta"];
        message.roles += usize::from(delta["role"].is_string());
        message.content += delta["content"].as_str().unwrap_or_default();
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            message.calls.resize(message.calls.len().max(index + 1), Default::default());
            let slot = &mut message.calls[index];
            slot.0 += call["id"].as_str().unwrap_or_default();
            slot.1 += call["function"]["name"].as_str().unwrap_or_default();
            slot.2 += call["function"]["arguments"].as_str().unwrap_or_default();
        }
        message.finish += choice["finish_reason"].as_str().unwrap_or_default();
    }
    message
}

fn stream(pieces: &[&str], reason: &str) -> String {
    let content: String = pieces.iter().map(|piece| chunk(&format!(r#"{{"content":"{piece}"}}"#))).collect();
    chunk(r#"{"role":"assistant","content":""}"#) + &content + &finish(reason) + DONE
}

fn two_calls() -> Vec<(String, String, String)> {
    [
        ("functions.get_weather:0", "get_weather", r#"{"city":"Paris"}"#),
        ("functions.get_time:1", "get_time", "{}"),
    ]
    .map(|(id, name, arguments)| (id.to_owned(), name.to_owned(), arguments.to_owned()))
    .to_vec()
}

#[test]
fn leaked_section_becomes_tool_calls() {
    let text = stream(&["I look. ", SECTION, " Wait."], "stop");
    let seen = read(AdapterId::Moonshot, &with_tools(), &[text.as_bytes()]);
    let message = message(&seen.text);
    assert_eq!(message.content, "I look.  Wait.");
    assert_eq!(message.calls, two_calls());
    assert_eq!((message.finish.as_str(), message.roles), ("tool_calls", 1));
    assert_eq!(seen.meter.finish_reason.as_deref(), Some("tool_calls"));
    assert!(!seen.text.contains("<|"));
}

#[test]
fn leaked_calls_between_texts_in_one_chunk_are_found() {
    let text = stream(&[&format!("before{SECTION}after")], "stop");
    let seen = read(AdapterId::KimiCode, &with_tools(), &[text.as_bytes()]);
    let message = message(&seen.text);
    assert_eq!((message.content.as_str(), message.calls), ("beforeafter", two_calls()));
    let order: Vec<_> =
        ["before", "get_weather", "after"].iter().map(|word| seen.text.find(word).unwrap()).collect();
    assert!(order.is_sorted());
}

#[test]
fn escaped_markers_are_recognised() {
    let escaped = SECTION.replace('<', r"\u003c").replace('>', r"\u003E");
    let seen = read(AdapterId::Moonshot, &with_tools(), &[stream(&[&escaped], "stop").as_bytes()]);
    assert_eq!(message(&seen.text).calls, two_calls());
}

#[test]
fn leaked_calls_are_numbered_after_earlier_real_calls() {
    let real = chunk(
        r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
    );
    let text = real + &stream(&[SECTION], "tool_calls");
    let calls = message(&read(AdapterId::Moonshot, &with_tools(), &[text.as_bytes()]).text).calls;
    assert_eq!(calls[0].0, "a");
    assert_eq!(calls[1..], two_calls());
}

#[test]
fn later_real_calls_are_numbered_after_leaked_calls() {
    let real = |arguments: &str| {
        chunk(&format!(
            r#"{{"tool_calls":[{{"index":0,"id":"{}","function":{{"name":"{}","arguments":"{arguments}"}}}}]}}"#,
            if arguments == "{" { "a" } else { "" },
            if arguments == "{" { "f" } else { "" },
        ))
    };
    let content = chunk(&format!(r#"{{"content":"{SECTION}"}}"#));
    let text = content + &real("{") + &real("}") + &finish("tool_calls") + DONE;
    let calls = message(&read(AdapterId::Moonshot, &with_tools(), &[text.as_bytes()]).text).calls;
    assert_eq!(calls[..2], two_calls());
    assert_eq!(calls[2], ("a".to_owned(), "f".to_owned(), "{}".to_owned()));
}

#[test]
fn text_full_of_markers_costs_linear_time() {
    // Were it the square of it, this would take minutes.
    let begin = "<|tool_calls_section_begin|>";
    for marker in [begin.to_owned(), format!("{begin}<|tool_call_begin|>f:0<|tool_call_argument_begin|>")] {
        let content = format!("x{}", marker.repeat(3_000_000 / marker.len()));
        let text = stream(&[&content], "stop");
        let seen = read(AdapterId::Moonshot, &with_tools(), &[text.as_bytes()]);
        assert_eq!(message(&seen.text).content, content);
    }
}

#[test]
fn withheld_text_is_limited() {
    let begin = "x<|tool_calls_section_begin|><|tool_call_begin|>f:0<|tool_call_argument_begin|>";
    let mut reader = StreamReader::new(errors_of(AdapterId::Moonshot), Api::ChatCompletions, with_tools());
    let first = reader.read_chunk(Bytes::from(chunk(&format!(r#"{{"content":"{begin}"}}"#)))).output;
    assert_eq!(message(std::str::from_utf8(&first.to_bytes()).unwrap()).content, "x");
    let piece = chunk(&format!(r#"{{"content":"{}"}}"#, "x".repeat(1 << 18)));
    let sent: Vec<_> = (0..5).map(|_| reader.read_chunk(Bytes::from(piece.clone())).output.len()).collect();
    assert_eq!(sent[..3], [0, 0, 0]);
    assert!(sent[3] > 1 << 20);
}

#[test]
fn markup_without_offered_tools_is_text() {
    let text = stream(&[SECTION], "stop");
    assert_eq!(read(AdapterId::Moonshot, &plain(), &[text.as_bytes()]).text, text);
}

#[test]
fn malformed_markup_after_text_is_sent_as_text() {
    for broken in [
        "a <|tool_calls_section_begin|>",
        "a <|tool_calls_section_begin|><|tool_calls_section_end|>",
        "the marker <|tool_calls_section_begin|> opens it, <|tool_call_begin|> a call",
        r#"a <|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\":<|tool_call_end|><|tool_calls_section_end|>"#,
        "a <|tool_calls_section_begin|><|tool_call_begin|>functions.f<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
        "a <|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>[]<|tool_call_end|><|tool_calls_section_end|>",
        "a <|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|>",
        "a <|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}",
        "a <|tool_calls_sect",
        "<",
        "a <| b <<|",
    ] {
        for cut in 0..=broken.len() {
            if broken[..cut].ends_with('\\') {
                continue;
            }
            let text = stream(&[&broken[..cut], &broken[cut..]], "stop");
            let seen = read(AdapterId::Moonshot, &with_tools(), &[text.as_bytes()]);
            let message = message(&seen.text);
            assert_eq!(message.content, broken.replace(r#"\""#, "\""));
            assert_eq!((message.calls.len(), message.finish.as_str()), (0, "stop"));
        }
    }
}

#[test]
fn answer_that_begins_with_malformed_markup_is_a_failure() {
    let begin = "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>";
    for broken in [format!("{begin}[]<|tool_call_end|>"), format!("{begin}{{}}"), begin.to_owned()] {
        for key in ["content", "reasoning_content", "reasoning"] {
            let piece = chunk(&format!(r#"{{"{key}":"{broken}"}}"#));
            let text = chunk(r#"{"role":"assistant"}"#) + &piece + &finish("stop") + DONE;
            let seen = read(AdapterId::OpenRouter, &with_tools(), &[text.as_bytes()]);
            assert_eq!(seen.failure.unwrap().reason, Reason::Server, "{key}: {broken}");
        }
    }
}

#[test]
fn section_leaked_into_reasoning_becomes_tool_calls() {
    for cut in [0, 10, SECTION.len() / 2, SECTION.len() - 3] {
        let cut = (cut..).find(|cut| !SECTION[..*cut].ends_with('\\')).unwrap();
        let (first, second) = SECTION.split_at(cut);
        let piece = |text: &str| {
            let details = format!(r#"[{{"type":"reasoning.text","text":"{text}"}}]"#);
            chunk(&format!(
                r#"{{"reasoning":"{text}","reasoning_content":"{text}","reasoning_details":{details}}}"#
            ))
        };
        let head = chunk(r#"{"role":"assistant","content":""}"#);
        let text = head + &piece("I look. ") + &piece(first) + &piece(second) + &finish("stop") + DONE;
        let seen = read(AdapterId::OpenRouter, &with_tools(), &[text.as_bytes()]);
        let message = message(&seen.text);
        assert_eq!((message.calls, &*message.finish), (two_calls(), "tool_calls"), "{cut}: {}", seen.text);
        assert!(!seen.text.contains("tool_call_begin") && seen.text.contains("I look. "), "{}", seen.text);
    }
}

#[test]
fn mentioned_marker_keeps_the_details_of_the_reasoning() {
    let details = r#"[{"type":"reasoning.encrypted","data":"x"}]"#;
    let piece = chunk(&format!(r#"{{"reasoning":"if a < b","reasoning_details":{details}}}"#));
    let text = chunk(r#"{"role":"assistant"}"#) + &piece + &stream(&["ok"], "stop");
    let seen = read(AdapterId::OpenRouter, &with_tools(), &[text.as_bytes()]);
    assert!(seen.text.contains("reasoning.encrypted"), "{}", seen.text);
    let start = chunk(&format!(r#"{{"reasoning":"<","reasoning_details":{details}}}"#));
    let rest = chunk(r#"{"reasoning":" b"}"#) + &stream(&["ok"], "stop");
    let seen = read(AdapterId::OpenRouter, &with_tools(), &[(start + &rest).as_bytes()]);
    assert!(seen.text.contains("reasoning.encrypted"), "{}", seen.text);
    let both = chunk(r#"{"reasoning_content":"x <","content":"a < b"}"#);
    let seen = read(AdapterId::Moonshot, &with_tools(), &[both.as_bytes()]);
    assert!(!seen.text.contains("data: \n") && seen.text.contains(r#""<""#), "{}", seen.text);
}

#[test]
fn mentioned_marker_does_not_hide_a_real_section() {
    let text = stream(&["<|tool_calls_section_begin|>", SECTION], "stop");
    let message = message(&read(AdapterId::Moonshot, &with_tools(), &[text.as_bytes()]).text);
    assert_eq!((message.content.as_str(), message.calls), ("<|tool_calls_section_begin|>", two_calls()));
}

#[test]
fn text_that_cannot_become_a_marker_is_not_withheld() {
    let mut reader = StreamReader::new(errors_of(AdapterId::Moonshot), Api::ChatCompletions, with_tools());
    let text = chunk(r#"{"content":"if a < b { <div>"}"#);
    assert_eq!(reader.read_chunk(Bytes::from(text.clone())).output.to_bytes(), text);
    let held = reader.read_chunk(Bytes::from(chunk(r#"{"content":"x <|tool_"}"#)));
    assert_eq!(message(std::str::from_utf8(&held.output.to_bytes()).unwrap()).content, "x ");
    let released = reader.read_chunk(Bytes::from(chunk(r#"{"content":"box|>"}"#)));
    assert_eq!(message(std::str::from_utf8(&released.output.to_bytes()).unwrap()).content, "<|tool_box|>");
}

#[test]
fn withheld_text_is_returned_before_a_failure() {
    let text = chunk(r#"{"content":"a <|tool_calls"}"#);
    let seen = read(AdapterId::Moonshot, &with_tools(), &[text.as_bytes()]);
    assert_eq!(message(&seen.text).content, "a <|tool_calls");
    assert_eq!(seen.failure.unwrap().reason, Reason::Truncated);
}

#[test]
fn lone_surrogates_in_arguments_survive() {
    let section = SECTION.replace("Paris", r"\\ud83d \ud83d");
    let seen = read(AdapterId::Moonshot, &with_tools(), &[stream(&[&section], "stop").as_bytes()]);
    assert!(seen.text.contains(r#""arguments":"{\"city\":\"\\ud83d \ud83d\"}""#), "{}", seen.text);
}

#[test]
fn names_in_markup_are_restored() {
    let plan = AnswerPlan { tool_names: vec![("get_weather".into(), "get.weather".into())], ..with_tools() };
    let seen = read(AdapterId::Moonshot, &plan, &[stream(&[SECTION], "stop").as_bytes()]);
    assert_eq!(message(&seen.text).calls[0].1, "get.weather");
}

proptest! {
    #[test]
    fn markers_split_between_chunks_are_recognised(cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..20), escape in any::<bool>()) {
        let section = if escape { SECTION.replace('<', r"\u003c") } else { SECTION.to_owned() };
        let content = format!("a <b>{section}é");
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(content.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut at = 0;
        for mut cut in cuts {
            // A literal ends neither inside a character nor inside an escape.
            while !content.is_char_boundary(cut) || (cut.saturating_sub(5)..cut).any(|start| {
                content.as_bytes()[start] == b'\\' && cut - start < if content.as_bytes()[start + 1] == b'u' { 6 } else { 2 }
            }) {
                cut += 1;
            }
            if cut >= at && cut <= content.len() {
                pieces.push(&content[at..cut]);
                at = cut;
            }
        }
        pieces.push(&content[at..]);
        let seen = read(AdapterId::Moonshot, &with_tools(), &[stream(&pieces, "stop").as_bytes()]);
        let message = message(&seen.text);
        prop_assert_eq!(message.content, "a <b>é");
        prop_assert_eq!(message.calls, two_calls());
        prop_assert_eq!(message.finish, "tool_calls");
    }
}

#[test]
fn stream_of_messages_or_responses_that_begins_with_markup_is_a_failure() {
    let messages = |delta: &str| {
        format!(
            "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"m\",\"content\":[]}}}}\n\n\
             event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\n\
             event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\n\
             event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":0}}\n\n"
        )
    };
    let responses = |kind: &str, text: &str| {
        format!(
            "data: {{\"type\":\"{kind}\",\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"delta\":\"{text}\"}}\n\n"
        )
    };
    let (text, reasoning) = ("response.output_text.delta", "response.reasoning_text.delta");
    for (api, events) in [
        (Api::Messages, messages(&format!(r#"{{"type":"text_delta","text":"{BROKEN}"}}"#))),
        (Api::Messages, messages(&format!(r#"{{"type":"thinking_delta","thinking":"{BROKEN}"}}"#))),
        (Api::Responses, responses(text, BROKEN)),
        (Api::Responses, responses(reasoning, SECTION)),
    ] {
        let mut reader = StreamReader::new(errors_of(AdapterId::Moonshot), api, with_tools());
        let failure = reader.read_chunk(Bytes::from(events.clone())).failure;
        assert!(failure.unwrap().message.contains("tool-call markup"), "{events}");
    }
    let mut reader = StreamReader::new(errors_of(AdapterId::Moonshot), Api::Responses, with_tools());
    let mentions = responses(text, "The marker ") + &responses(text, BROKEN);
    assert!(reader.read_chunk(Bytes::from(mentions)).failure.is_none(), "a text about it");
}

#[test]
fn whole_answer_is_repaired_or_a_failure() {
    let whole = |api, body: String| {
        read_complete(&errors_of(AdapterId::Moonshot), api, &with_tools(), Bytes::from(body)).err()
    };
    for (api, body) in [
        (
            Api::ChatCompletions,
            format!(r#"{{"choices":[{{"message":{{"content":"{BROKEN}"}},"finish_reason":"stop"}}]}}"#),
        ),
        (
            Api::Messages,
            format!(
                r#"{{"type":"message","content":[{{"type":"text","text":"{BROKEN}"}}],"stop_reason":"end_turn"}}"#
            ),
        ),
        (
            Api::Responses,
            format!(
                r#"{{"status":"completed","output":[{{"type":"message","content":[{{"type":"output_text","text":"{SECTION}"}}]}}]}}"#
            ),
        ),
    ] {
        assert!(whole(api, body.clone()).is_some_and(|failure| failure.message.contains("markup")), "{body}");
    }
    let in_reasoning = format!(
        r#"{{"choices":[{{"message":{{"content":"","reasoning":"Hm. {SECTION}"}},"finish_reason":"stop"}}]}}"#
    );
    let (repaired, meter) = read_complete(
        &errors_of(AdapterId::OpenRouter),
        Api::ChatCompletions,
        &with_tools(),
        Bytes::from(in_reasoning),
    )
    .unwrap();
    let repaired: Value = serde_json::from_slice(&repaired.to_bytes()).unwrap();
    let message = &repaired["choices"][0]["message"];
    assert_eq!(
        (message["reasoning"].as_str(), message["tool_calls"].as_array().map(Vec::len)),
        (Some("Hm. "), Some(2))
    );
    assert_eq!(meter.finish_reason.as_deref(), Some("tool_calls"));
}
