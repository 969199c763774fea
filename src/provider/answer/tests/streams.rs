//! Streams.

use super::*;
use crate::protocol::amount::Amount;

/// Moonshot's stream (platform docs, 2026-09-23; a live K3 stream of 2026-07-17).
fn moonshot(include_usage: bool) -> String {
    let mut text = chunk(r#"{"role":"assistant","content":""}"#)
        + &chunk(r#"{"reasoning_content":"Let me see."}"#)
        + &chunk(r#"{"content":"Hel"}"#)
        + &chunk(r#"{"content":"lo \ud83d"}"#)
        + &chunk(r#"{"content":"\ude00"}"#)
        + &event(
            r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"kimi-k3","choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"cached_tokens":64,"prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":30}}}],"system_fingerprint":"fpv0_1"}"#,
        );
    if include_usage {
        text += &event(USAGE_CHUNK);
    }
    text + DONE
}

const USAGE_CHUNK: &str = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"kimi-k3","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"cached_tokens":64,"prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":30}}}"#;

/// OpenRouter's: comments, role on every chunk, and a last chunk that repeats role and finish beside the usage.
fn openrouter() -> (String, String, String) {
    let delta = |delta: &str, finish: &str, rest: &str| {
        event(&format!(
            r#"{{"id":"gen-1","provider":"Moonshot AI","model":"moonshotai/kimi-k3","object":"chat.completion.chunk","created":1,"choices":[{{"index":0,"delta":{delta},"finish_reason":{finish},"native_finish_reason":{finish},"logprobs":null}}]{rest}}}"#
        ))
    };
    let body = ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n".to_owned()
        + &delta(r#"{"role":"assistant","content":""}"#, "null", "")
        + &delta(
            r#"{"role":"assistant","content":"","reasoning":"Hm.","reasoning_details":[{"type":"reasoning.text","text":"Hm."}]}"#,
            "null",
            "",
        )
        + ": OPENROUTER PROCESSING\n\n"
        + &delta(r#"{"role":"assistant","content":"Hi"}"#, "null", "")
        + &delta(r#"{"role":"assistant","content":""}"#, r#""stop""#, "");
    let usage = r#","usage":{"prompt_tokens":50,"completion_tokens":7,"total_tokens":57,"cost":0.000123,"is_byok":false,"prompt_tokens_details":{"cached_tokens":20,"cache_write_tokens":5},"completion_tokens_details":{"reasoning_tokens":3}}"#;
    let closing = delta(r#"{"role":"assistant","content":""}"#, r#""stop""#, usage);
    let shortened = event(&format!(
        r#"{{"id":"gen-1","provider":"Moonshot AI","model":"moonshotai/kimi-k3","object":"chat.completion.chunk","created":1,"choices":[]{usage}}}"#
    ));
    (body, closing, shortened)
}

#[test]
fn moonshot_stream_passes_byte_for_byte() {
    let text = moonshot(true);
    let seen = read(AdapterId::Moonshot, &with_tools(), &[text.as_bytes()]);
    assert_eq!(seen.text, text);
    assert!(seen.done && seen.meaningful && seen.failure.is_none());
    assert_eq!(
        seen.meter,
        Meter {
            usage: Some(USAGE),
            finish_reason: Some("stop".into()),
            model: Some("kimi-k3".into()),
            provider: None
        }
    );
}

#[test]
fn adjacent_frames_are_one_slice() {
    let text = moonshot(true);
    let mut reader = StreamReader::new(errors_of(AdapterId::Moonshot), Api::ChatCompletions, plain());
    let step = reader.read_chunk(Bytes::from(text.clone()));
    assert_eq!((step.output.parts().len(), step.event_count), (1, 8));
    assert_eq!(step.output.to_bytes(), text);
}

#[test]
fn hidden_usage_is_metered_and_not_sent() {
    let seen = read(AdapterId::Moonshot, &hiding(), &[moonshot(true).as_bytes()]);
    assert_eq!(seen.text, moonshot(false));
    assert_eq!(seen.meter.usage, Some(USAGE));
    let inside = read(AdapterId::Moonshot, &hiding(), &[moonshot(false).as_bytes()]);
    assert_eq!(inside.meter.usage, Some(USAGE), "read from the choice");
}

#[test]
fn role_and_comments_are_not_meaningful() {
    let mut reader = StreamReader::new(errors_of(AdapterId::OpenRouter), Api::ChatCompletions, plain());
    assert!(!reader.read_chunk(Bytes::from(": OPENROUTER PROCESSING\n\n")).has_content);
    assert!(!reader.read_chunk(Bytes::from(chunk(r#"{"role":"assistant","content":""}"#))).has_content);
    assert!(
        !reader
            .read_chunk(Bytes::from(chunk(r#"{"role":"assistant","content":null,"tool_calls":[]}"#)))
            .has_content
    );
    assert!(reader.read_chunk(Bytes::from(chunk(r#"{"reasoning_content":"a"}"#))).has_content);
}

#[test]
fn every_kind_of_content_is_meaningful() {
    for delta in [
        r#"{"content":"a"}"#,
        r#"{"content":[{"type":"text","text":"a"}]}"#,
        r#"{"reasoning":"a"}"#,
        r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}"#,
        r#"{"refusal":"no"}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":""}}]}"#,
        r#"{"conten\u0074":"a"}"#,
    ] {
        let mut reader = StreamReader::new(errors_of(AdapterId::Generic), Api::ChatCompletions, plain());
        assert!(reader.read_chunk(Bytes::from(chunk(delta))).has_content, "{delta}");
    }
}

#[test]
fn openrouters_last_chunk_keeps_only_its_usage() {
    let (body, closing, shortened) = openrouter();
    let stream = body.clone() + &closing + DONE;
    let seen = read(AdapterId::OpenRouter, &plain(), &[stream.as_bytes()]);
    assert_eq!(seen.text, body.clone() + &shortened + DONE);
    let usage = TokenUsage {
        input: 25,
        output: 7,
        cache_read: 20,
        cache_write: 5,
        cache_write_1h: 0,
        reasoning: 3,
        is_estimated: false,
        cost: Amount::parse("0.000123"),
    };
    assert_eq!(seen.meter.usage, Some(usage));
    let hidden = read(AdapterId::OpenRouter, &hiding(), &[stream.as_bytes()]);
    assert_eq!(hidden.text, body + DONE);
    assert_eq!(hidden.meter.usage, Some(usage));
}

#[test]
fn comments_after_the_finish_pass_and_nothing_passes_after_the_end() {
    let text =
        chunk(r#"{"content":"a"}"#) + &finish("stop") + ": still here\n\n" + &event(USAGE_CHUNK) + DONE;
    let mut reader = StreamReader::new(errors_of(AdapterId::OpenRouter), Api::ChatCompletions, plain());
    let step = reader.read_chunk(Bytes::from(text.clone() + ": bye\n\n" + &chunk(r#"{"content":"b"}"#)));
    assert_eq!((step.output.to_bytes(), step.is_complete), (Bytes::from(text), true));
    for after in [reader.read_chunk(Bytes::from(chunk(r#"{"content":"b"}"#))), reader.finish(None)] {
        assert!(
            after.output.is_empty() && after.is_complete && after.failure.is_none() && !after.has_content
        );
    }
}

#[test]
fn missing_done_after_a_finish_is_added() {
    let text = chunk(r#"{"content":"a"}"#) + &finish("stop");
    let seen = read(AdapterId::Generic, &plain(), &[text.as_bytes()]);
    assert_eq!(seen.text, text + DONE);
    assert!(seen.done);
}

#[test]
fn last_frame_gets_its_missing_empty_line() {
    let text = chunk(r#"{"content":"a"}"#) + &finish("stop");
    let seen = read(AdapterId::Generic, &plain(), &[text.trim_end().as_bytes()]);
    assert_eq!(seen.text, text.clone() + DONE);
    let seen = read(AdapterId::Generic, &plain(), &[(text.clone() + "data: [DONE]").as_bytes()]);
    assert_eq!(seen.text, text + DONE);
}

#[test]
fn end_without_finish_is_truncated() {
    let role = chunk(r#"{"role":"assistant","content":""}"#);
    let content = chunk(r#"{"content":"a"}"#);
    for tail in [
        "",
        DONE,
        ": bye\n\n",
        "data: {\"id\":\"chatcmpl-1\",\"choi",
        "data: {\"choices\":[{\"delta\":{\"content\":\"a",
    ] {
        let text = role.clone() + &content + tail;
        let seen = read(AdapterId::Moonshot, &plain(), &[text.as_bytes()]);
        assert_eq!(seen.failure.unwrap().reason, Reason::Truncated, "{tail:?}");
        assert!(seen.text.starts_with(&(role.clone() + &content)) && !seen.text.contains("[DONE]"));
        assert!(!seen.done);
    }
    let nothing = read(AdapterId::Moonshot, &plain(), &[]);
    assert_eq!(nothing.failure.unwrap().reason, Reason::Truncated);
}

#[test]
fn empty_response_is_a_failure_and_its_finish_is_withheld() {
    let role = chunk(r#"{"role":"assistant","content":""}"#);
    for reason in ["stop", "tool_calls"] {
        for tail in [DONE.to_owned(), event(USAGE_CHUNK) + DONE, String::new()] {
            let text = role.clone() + &finish(reason) + &tail;
            let seen = read(AdapterId::Moonshot, &plain(), &[text.as_bytes()]);
            let failure = seen.failure.unwrap();
            assert_eq!((failure.reason, &*failure.message), (Reason::Server, "the response is empty"));
            assert_eq!(seen.text, role);
            assert!(!seen.meaningful);
        }
    }
}

#[test]
fn empty_response_with_a_reason_passes() {
    for reason in ["length", "content_filter", "something_new"] {
        let text = chunk(r#"{"role":"assistant","content":""}"#) + &finish(reason) + DONE;
        let seen = read(AdapterId::Moonshot, &plain(), &[text.as_bytes()]);
        assert_eq!(seen.text, text);
        assert!(seen.failure.is_none() && seen.meaningful);
    }
}

#[test]
fn finish_and_content_may_share_a_chunk() {
    let text = event(
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#,
    ) + DONE;
    for adapter in [AdapterId::Generic, AdapterId::OpenRouter] {
        let seen = read(adapter, &plain(), &[text.as_bytes()]);
        assert_eq!((seen.text, seen.failure), (text.clone(), None));
        assert_eq!(seen.meter.usage.unwrap().input, 3);
    }
}

#[test]
fn content_after_an_empty_finish_releases_it() {
    let text = event(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#)
        + &event(r#"{"choices":[{"index":1,"delta":{"content":"a"},"finish_reason":null}]}"#)
        + &event(r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#)
        + DONE;
    let seen = read(AdapterId::Generic, &plain(), &[text.as_bytes()]);
    assert_eq!((seen.text, seen.failure), (text, None));
}

#[test]
fn errors_in_a_stream_are_failures() {
    let content = chunk(r#"{"content":"a"}"#);
    for error in [
        r#"{"error":{"message":"boom","type":"server_error"}}"#,
        r#"{"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"m","provider":"p","error":{"code":502,"message":"Provider returned error","metadata":{"error_type":"provider_unavailable"}},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"error":{"code":502,"message":"boom"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
        r#"{"error":"boom"}"#,
    ] {
        let text = content.clone() + &event(error) + DONE;
        let seen = read(AdapterId::OpenRouter, &plain(), &[text.as_bytes()]);
        assert!(seen.failure.is_some(), "{error}");
        assert_eq!((seen.text.as_str(), seen.done), (content.as_str(), false), "{error}");
    }
    let named = content.clone() + "event: error\ndata: {\"message\":\"boom\"}\n\n";
    assert!(read(AdapterId::Generic, &plain(), &[named.as_bytes()]).failure.is_some());
    let null =
        event(r#"{"error":null,"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#)
            + DONE;
    assert_eq!(read(AdapterId::Generic, &plain(), &[null.as_bytes()]).failure, None);
}

#[test]
fn body_other_than_an_event_stream_is_a_failure() {
    for body in ["<html><body>504</body></html>", " \n<!DOCTYPE html>", "\u{feff}<html>"] {
        let seen = read(AdapterId::Moonshot, &plain(), &[body.as_bytes()]);
        let failure = seen.failure.unwrap();
        assert_eq!((failure.reason, &*failure.message), (Reason::Server, "the response is an HTML page"));
    }
    for body in
        [r#"{"error":{"message":"boom"}}"#, r#"{"choices":[{"message":{"content":"a"}}]}"#, r#"{"choices"#]
    {
        let bytewise: Vec<_> = body.as_bytes().chunks(1).collect();
        for pieces in [vec![body.as_bytes()], bytewise] {
            let seen = read(AdapterId::Moonshot, &plain(), &pieces);
            assert!(seen.failure.is_some() && seen.text.is_empty(), "{body}");
        }
    }
}

#[test]
fn malformed_json_is_a_failure() {
    let content = chunk(r#"{"content":"a"}"#);
    for payload in ["{\"choices\":[{", "nonsense", "[]", "{} {}", "{\"id\":nul}", "{\"id\":[1 2]}"] {
        let seen = read(AdapterId::Moonshot, &plain(), &[(content.clone() + &event(payload)).as_bytes()]);
        let failure = seen.failure.unwrap();
        assert_eq!((failure.reason, &*failure.message), (Reason::Server, "the response is not JSON"));
        assert_eq!(seen.text, content);
    }
}

#[test]
fn endless_frame_is_a_failure() {
    let mut reader = StreamReader::new(errors_of(AdapterId::Generic), Api::ChatCompletions, plain());
    let piece = Bytes::from(vec![b'a'; 1 << 20]);
    assert!(reader.read_chunk(Bytes::from_static(b"data: ")).failure.is_none());
    let failure = (0..33).find_map(|_| reader.read_chunk(piece.clone()).failure).unwrap();
    assert_eq!(failure.reason, Reason::Server);
}

#[test]
fn data_lines_without_a_value_are_dropped() {
    let text = chunk(r#"{"content":"a"}"#) + &finish("stop");
    let seen = read(AdapterId::Generic, &plain(), &[("data:\n\n".to_owned() + &text + DONE).as_bytes()]);
    assert_eq!((seen.text, seen.failure), (text + DONE, None));
}

#[test]
fn tool_names_are_restored() {
    let plan = AnswerPlan { tool_names: vec![("t_a_b".into(), "a.b \"c\"".into())], ..with_tools() };
    let call = |name: &str| {
        chunk(&format!(
            r#"{{"tool_calls":[{{"index":0,"id":"x","type":"function","function":{{"name":"{name}","arguments":""}}}},{{"index":1,"function":{{"name":"other"}}}}]}}"#
        ))
    };
    let rest =
        chunk(r#"{"tool_calls":[{"index":0,"function":{"name":null,"arguments":"{\"name\":\"t_a_b\"}"}}]}"#)
            + &finish("tool_calls")
            + DONE;
    let seen = read(AdapterId::Moonshot, &plan, &[(call("t_a_b") + &rest).as_bytes()]);
    assert_eq!(seen.text, call(r#"a.b \"c\""#) + &rest);
}

#[test]
fn changed_frames_keep_their_line_ends_and_comments() {
    let plan = AnswerPlan { tool_names: vec![("sent".into(), "known".into())], ..plain() };
    let frame = |name: &str| {
        format!(
            ": hi\r\nid: 7\r\ndata: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"function\":{{\"name\":\"{name}\"}}}}]}}}}]}}\r\n\r\n"
        )
    };
    let mut reader = StreamReader::new(errors_of(AdapterId::Generic), Api::ChatCompletions, plan.clone());
    assert_eq!(reader.read_chunk(Bytes::from(frame("sent"))).output.to_bytes(), frame("known"));
    let parted =
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":\ndata: [{\"function\":{\"name\":\"sent\"}}]}}]}\n\n";
    let mut reader = StreamReader::new(errors_of(AdapterId::Generic), Api::ChatCompletions, plan);
    assert_eq!(
        reader.read_chunk(Bytes::from(parted)).output.to_bytes(),
        event("{\"choices\":[{\"delta\":{\"tool_calls\": [{\"function\":{\"name\":\"known\"}}]}}]}")
    );
}

/// Without it a client takes what is added behind for a line of the same event.
#[test]
fn last_event_gets_its_missing_empty_line() {
    for line_end in ["", "\n", "\r", "\r\n"] {
        let last = chunk(r#"{"content":"hi"}"#) + finish("stop").trim_end() + line_end;
        let seen = read(AdapterId::Generic, &plain(), &[last.as_bytes()]);
        assert!(seen.done && seen.failure.is_none(), "{line_end:?}: {seen:?}");
        let mut frames = crate::protocol::sse::FrameReader::new();
        frames.feed(Bytes::from(seen.text.clone()));
        let mut payloads = Vec::new();
        while let Some(frame) = frames.next_frame().unwrap() {
            payloads.extend(frame.data());
        }
        assert_eq!(payloads.last().map(|last| &last[..]), Some(&b"[DONE]"[..]), "{line_end:?}: {seen:?}");
        assert_eq!(payloads.len(), 3, "{line_end:?}: {seen:?}");
    }
}

fn streams() -> impl Strategy<Value = (AdapterId, AnswerPlan, String)> {
    let (body, closing, _) = openrouter();
    let names = AnswerPlan { tool_names: vec![("f_x".into(), "f.x".into())], ..with_tools() };
    let leaky = chunk(r#"{"role":"assistant","content":""}"#)
        + &chunk(r#"{"content":"a < b, <|tool"}"#)
        + &chunk(
            r#"{"content":"_calls_section_begin|> <|tool_call_begin|>functions.f_x:0<|tool_call_argument_begin|>{\"q\":"}"#,
        )
        + &chunk(r#"{"content":"\"\ud83d\"}<|tool_call_end|><|tool_calls_section_end|>é"}"#)
        + &finish("stop")
        + &event(USAGE_CHUNK)
        + DONE;
    prop_oneof![
        Just((AdapterId::Moonshot, hiding(), moonshot(true))),
        Just((AdapterId::Moonshot, with_tools(), moonshot(true).replace('\n', "\r\n"))),
        Just((AdapterId::OpenRouter, plain(), body.clone() + &closing + DONE)),
        Just((AdapterId::OpenRouter, hiding(), body + &closing)),
        Just((AdapterId::KimiCode, names, leaky)),
        Just((AdapterId::Moonshot, plain(), moonshot(true).replace("\"stop\"", "null"))),
        Just((AdapterId::Moonshot, plain(), chunk(r#"{"role":"assistant"}"#) + &finish("stop") + DONE)),
        Just((
            AdapterId::Generic,
            plain(),
            chunk(r#"{"content":"a"}"#) + &event(r#"{"error":{"message":"x"}}"#)
        )),
    ]
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_change_the_response((adapter, plan, text) in streams(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut at = 0;
        for cut in cuts {
            pieces.push(&text.as_bytes()[at..cut]);
            at = cut;
        }
        pieces.push(&text.as_bytes()[at..]);
        let one = read(adapter, &plan, &[text.as_bytes()]);
        let cut = read(adapter, &plan, &pieces);
        prop_assert_eq!(cut.text, one.text);
        prop_assert_eq!((cut.meter, cut.meaningful, cut.done), (one.meter, one.meaningful, one.done));
        prop_assert_eq!(cut.failure, one.failure);
    }

    #[test]
    fn damaged_bytes_never_panic((adapter, plan, text) in streams(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let mut bytes = text.into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let cut = cut.index(bytes.len());
        let mut reader = StreamReader::new(errors_of(adapter), Api::ChatCompletions, plan);
        let steps = [reader.read_chunk(Bytes::copy_from_slice(&bytes[..cut])), reader.read_chunk(Bytes::copy_from_slice(&bytes[cut..])), reader.finish(None)];
        prop_assert!(steps.iter().any(|step| step.is_complete || step.failure.is_some()));
    }
}

#[test]
fn response_ends_when_each_choice_has_finished() {
    let choice = |index: u8, delta: &str, finish: &str| {
        event(&format!(
            r#"{{"id":"a","choices":[{{"index":{index},"delta":{delta},"finish_reason":{finish}}}]}}"#
        ))
    };
    let one = choice(0, r#"{"content":"a"}"#, "null")
        + &choice(1, r#"{"content":"b"}"#, "null")
        + &choice(0, "{}", r#""stop""#);
    for rest in ["", DONE] {
        let mut reader = StreamReader::new(errors_of(AdapterId::Generic), Api::ChatCompletions, plain());
        let step = reader.read_chunk((one.clone() + rest).into());
        assert!(reader.render_missing_end(None).is_none(), "nothing hides that the other one broke off");
        let failure = step.failure.or(reader.finish(None).failure).unwrap();
        assert_eq!(failure.reason, Reason::Truncated, "{rest:?}");
    }
    let mut reader = StreamReader::new(errors_of(AdapterId::Generic), Api::ChatCompletions, plain());
    let both = one + &choice(1, "{}", r#""stop""#);
    assert!(reader.read_chunk(both.into()).failure.is_none() && reader.render_missing_end(None).is_some());
    assert!(reader.finish(None).is_complete);
}

#[test]
fn content_bytes_count_decoded_text() {
    let content_bytes = |content: &str| {
        let mut reader = StreamReader::new(errors_of(AdapterId::Generic), Api::ChatCompletions, plain());
        reader.read_chunk(chunk(&format!(r#"{{"content":"{content}","reasoning":"{content}"}}"#)).into());
        (reader.content_bytes().text, reader.content_bytes().reasoning)
    };
    assert_eq!(content_bytes("\u{6708}\u{5149}"), (6, 6));
    assert_eq!(content_bytes("\\u6708\\u5149"), (6, 6));
    assert_eq!(content_bytes("a\\n\\\"b\\\""), (5, 5));
}
