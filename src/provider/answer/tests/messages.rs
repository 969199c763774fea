//! The Messages API.

use super::*;

fn event(kind: &str, rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{comma}{rest}}}\n\n")
}

fn start() -> String {
    event(
        "message_start",
        r#""message":{"id":"msg_1","type":"message","role":"assistant","model":"kimi-for-coding","content":[],"stop_reason":null,"usage":{"input_tokens":36,"cache_read_input_tokens":64,"output_tokens":1}}"#,
    )
}

fn block(index: usize, begins: &str, deltas: &[&str]) -> String {
    let mut text = event("content_block_start", &format!(r#""index":{index},"content_block":{begins}"#));
    for delta in deltas {
        text += &event("content_block_delta", &format!(r#""index":{index},"delta":{delta}"#));
    }
    text + &event("content_block_stop", &format!(r#""index":{index}"#))
}

fn finish(reason: &str) -> String {
    event(
        "message_delta",
        &format!(
            r#""delta":{{"stop_reason":"{reason}","stop_sequence":null}},"usage":{{"output_tokens":40,"output_tokens_details":{{"thinking_tokens":30}}}}"#
        ),
    )
}

fn text_block(index: usize) -> String {
    block(
        index,
        r#"{"type":"text","text":""}"#,
        &[r#"{"type":"text_delta","text":"Hel"}"#, r#"{"type":"text_delta","text":"lo \ud83d"}"#],
    )
}

fn stop() -> String {
    event("message_stop", "")
}

/// Kimi Code's stream: thinking with a signature, text, a call.
fn kimi() -> String {
    let thinking = block(
        0,
        r#"{"type":"thinking","thinking":"","signature":""}"#,
        &[r#"{"type":"thinking_delta","thinking":"Hm."}"#, r#"{"type":"signature_delta","signature":"s"}"#],
    );
    let call = block(
        2,
        r#"{"type":"tool_use","id":"ls:0","name":"ls_tool","input":{}}"#,
        &[
            r#"{"type":"input_json_delta","partial_json":""}"#,
            r#"{"type":"input_json_delta","partial_json":"{\"ls_tool\":1}"}"#,
        ],
    );
    start() + &event("ping", "") + &thinking + &text_block(1) + &call + &finish("tool_use") + &stop()
}

fn seen(adapter: AdapterId, text: &str) -> Seen {
    read_over(Api::Messages, adapter, &plain(), &[text.as_bytes()])
}

fn failed(adapter: AdapterId, text: &str) -> Failure {
    let seen = seen(adapter, text);
    assert!(!seen.done, "{text}");
    seen.failure.unwrap_or_else(|| panic!("it passed: {text}"))
}

#[test]
fn stream_passes_byte_for_byte_and_is_metered() {
    let text = kimi();
    let seen = seen(AdapterId::KimiCode, &text);
    assert_eq!(seen.text, text);
    assert!(seen.done && seen.meaningful && seen.failure.is_none(), "{seen:?}");
    let meter = Meter {
        usage: Some(USAGE),
        finish_reason: Some("tool_use".to_owned()),
        model: Some("kimi-for-coding".to_owned()),
        provider: None,
    };
    assert_eq!(seen.meter, meter);
    let mut reader = StreamReader::new(errors_of(AdapterId::KimiCode), Api::Messages, plain());
    reader.read_chunk(Bytes::from(text));
    assert_eq!(
        reader.content_bytes(),
        super::super::ContentBytes { reasoning: 3, text: 9, tool_calls: 7 + 13 }
    );
}

#[test]
fn tool_names_are_restored() {
    let text = kimi();
    let seen = read_over(Api::Messages, AdapterId::KimiCode, &renaming(), &[text.as_bytes()]);
    assert_eq!(seen.text, text.replace(r#""name":"ls_tool""#, r#""name":"ls""#));
}

#[test]
fn events_that_break_sdks_are_removed() {
    let (body, end) = (start() + &text_block(0) + &finish("end_turn"), stop());
    let noise = body.clone() + "data:\n\n" + "event: ping\n\n" + &end + "data: [DONE]\n\n";
    let seen = seen(AdapterId::OpenRouter, &noise);
    assert_eq!((seen.text.as_str(), seen.done), (format!("{body}{end}").as_str(), true));
    let done_alone = super::messages::seen(AdapterId::OpenRouter, &(body.clone() + "data: [DONE]\n\n"));
    assert_eq!((done_alone.text, done_alone.done), (format!("{body}{end}"), true));
    let comments = ": OPENROUTER PROCESSING\n\n".to_owned() + &body + ": x\n\n" + &end;
    assert_eq!(super::messages::seen(AdapterId::OpenRouter, &comments).text, comments);
    // The SDKs go by the name of an event.
    let unnamed: String =
        body.lines().filter(|line| !line.starts_with("event:")).map(|line| format!("{line}\n")).collect();
    assert_eq!(super::messages::seen(AdapterId::Generic, &(unnamed + &end)).text, body + &end);
}

#[test]
fn pings_and_comments_do_not_count_as_events() {
    let mut reader = StreamReader::new(errors_of(AdapterId::Generic), Api::Messages, plain());
    let step = reader.read_chunk(Bytes::from(": x\n\n".to_owned() + &event("ping", "") + &start()));
    assert_eq!((step.event_count, step.has_content), (1, false));
    let step = reader.read_chunk(Bytes::from(block(0, r#"{"type":"text","text":""}"#, &[])));
    assert_eq!((step.event_count, step.has_content), (2, false));
    assert!(reader.read_chunk(Bytes::from(text_block(1))).has_content);
}

#[test]
fn missing_end_after_a_finish_is_added() {
    let body = start() + &text_block(0) + &finish("max_tokens");
    let seen = seen(AdapterId::Moonshot, &body);
    assert_eq!((seen.text, seen.done), (body.clone() + &stop(), true));
    let mut reader = StreamReader::new(errors_of(AdapterId::Moonshot), Api::Messages, plain());
    assert!(reader.render_missing_end(None).is_none());
    reader.read_chunk(Bytes::from(start() + &text_block(0)));
    assert!(reader.render_missing_end(None).is_none());
    reader.read_chunk(Bytes::from(finish("end_turn")));
    assert_eq!(reader.render_missing_end(None).unwrap().to_bytes(), stop());
}

#[test]
fn stream_without_finish_is_truncated() {
    let body = start() + &text_block(0);
    for cut in [body.len(), start().len() + 30, start().len(), body.len() - 1] {
        let seen = seen(AdapterId::KimiCode, &body[..cut]);
        let failure = seen.failure.unwrap();
        assert_eq!((failure.reason, seen.done), (Reason::Truncated, false), "{cut}");
        assert_eq!(seen.meter.usage, None, "the beginning's output is no figure");
    }
    assert_eq!(failed(AdapterId::Generic, &(body + &stop())).reason, Reason::Truncated);
}

#[test]
fn errors_instead_of_a_response_are_failures() {
    let error = |kind: &str, message: &str| {
        event("error", &format!(r#""error":{{"type":"{kind}","message":"{message}"}}"#))
    };
    let openai = "data: {\"error\":{\"message\":\"The engine is currently overloaded, please try again later\",\"type\":\"engine_overloaded_error\"}}\n\n";
    let body = start() + &text_block(0);
    for (text, reason) in [
        (error("overloaded_error", "Overloaded"), Reason::Overloaded),
        (error("rate_limit_error", "slow"), Reason::RateLimit),
        (error("api_error", "Internal server error"), Reason::Server),
        (error("<nil>", "context canceled"), Reason::Server),
        (error("overloaded_error", "x").replace("event: error\n", ""), Reason::Overloaded),
        (openai.to_owned(), Reason::Overloaded),
        ("<html>busy</html>".to_owned(), Reason::Server),
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#.to_owned(),
            Reason::Overloaded,
        ),
        (r#"{"type":"message","content":[{"type":"text","text":"hi"}]}"#.to_owned(), Reason::Server),
        ("data: {\"type\":\"content\n\n".to_owned(), Reason::Server),
    ] {
        let is_event = text.starts_with("event") || text.starts_with("data");
        for before in if is_event { vec!["", body.as_str()] } else { vec![""] } {
            assert_eq!(failed(AdapterId::KimiCode, &format!("{before}{text}")).reason, reason, "{text}");
        }
    }
}

#[test]
fn empty_response_with_a_stop_is_a_failure() {
    let empty = block(0, r#"{"type":"text","text":""}"#, &[r#"{"type":"text_delta","text":""}"#]);
    for body in [start(), start() + &empty] {
        for reason in ["end_turn", "tool_use"] {
            let text = body.clone() + &finish(reason) + &stop();
            let seen = seen(AdapterId::KimiCode, &text);
            assert_eq!(seen.failure.map(|failure| failure.message).as_deref(), Some("the response is empty"));
            assert_eq!(
                (seen.text.as_str(), seen.meaningful),
                (body.as_str(), false),
                "the finish was not read"
            );
        }
        let text = body.clone() + &finish("max_tokens") + &stop();
        assert_eq!(seen(AdapterId::KimiCode, &text).text, text);
        let rest = AnswerPlan { is_continuation: true, ..AnswerPlan::default() };
        let text = body + &finish("end_turn") + &stop();
        assert!(read_over(Api::Messages, AdapterId::Generic, &rest, &[text.as_bytes()]).done);
    }
}

#[test]
fn whole_responses_are_read() {
    let api = Api::Messages;
    let body = r#"{"id":"m","type":"message","model":"k3","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"a","name":"ls_tool","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":36,"cache_read_input_tokens":64,"cache_creation_input_tokens":5,"output_tokens":40}}"#;
    let (segments, meter) =
        read_complete(&errors_of(AdapterId::Moonshot), api, &renaming(), body.into()).unwrap();
    assert_eq!(segments.to_bytes(), body.replace("ls_tool", "ls"));
    assert_eq!(meter.usage, Some(TokenUsage { cache_write: 5, reasoning: 0, ..USAGE }));
    assert_eq!((meter.finish_reason.as_deref(), meter.model.as_deref()), (Some("tool_use"), Some("k3")));
    for (body, reason) in [
        (r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#, Reason::Overloaded),
        (r#"{"error":{"type":"rate_limit_reached_error","message":"x"}}"#, Reason::RateLimit),
        (r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#, Reason::Server),
        (
            r#"{"type":"message","content":[{"type":"text","text":""}],"stop_reason":"end_turn"}"#,
            Reason::Server,
        ),
        (r#"{"type":"message"}"#, Reason::Server),
        ("<html>", Reason::Server),
        ("", Reason::Server),
        ("[]", Reason::Server),
    ] {
        let failure = read_complete(&errors_of(AdapterId::Moonshot), api, &plain(), body.into()).unwrap_err();
        assert_eq!(failure.reason, reason, "{body}");
    }
    let cut = r#"{"type":"message","content":[],"stop_reason":"max_tokens"}"#;
    assert!(read_complete(&errors_of(AdapterId::Moonshot), api, &plain(), cut.into()).is_ok());
}

/// Text with calls in it, as Go back ends write it: `<` is an escape.
const LEAK: &str = r#"Look: \u003c|tool_calls_section_begin|\u003e<|tool_call_begin|>functions.ls_tool:0<|tool_call_argument_begin|>{\"a\":1}<|tool_call_end|><|tool_call_begin|>functions.read:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>"#;

/// A stream whose text block comes in these pieces, a real block behind it.
fn leaking(pieces: &[&str]) -> String {
    let deltas: Vec<String> =
        pieces.iter().map(|piece| format!(r#"{{"type":"text_delta","text":"{piece}"}}"#)).collect();
    let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
    let real = block(1, r#"{"type":"tool_use","id":"real","name":"read","input":{}}"#, &[]);
    start() + &block(0, r#"{"type":"text","text":""}"#, &deltas) + &real + &finish("end_turn") + &stop()
}

/// The blocks of a stream, as an SDK puts them together.
fn assembled(text: &str) -> Vec<serde_json::Value> {
    let mut blocks: Vec<serde_json::Value> = Vec::new();
    let mut open = None;
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: serde_json::Value = serde_json::from_str(data).unwrap();
        let index = event["index"].as_u64().map(|index| usize::try_from(index).unwrap());
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(blocks.len())), "{text}");
                open = index;
                blocks.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                assert_eq!(open, index, "{text}");
                let block = blocks.last_mut().unwrap();
                let (key, from) = match event["delta"]["type"].as_str().unwrap() {
                    "text_delta" => ("text", "text"),
                    _ => ("json", "partial_json"),
                };
                let before = block[key].as_str().unwrap_or_default().to_owned();
                block[key] = (before + event["delta"][from].as_str().unwrap()).into();
            }
            "content_block_stop" => {
                assert_eq!(open.take(), index, "{text}");
            }
            "message_delta" => blocks.push(event["delta"]["stop_reason"].clone()),
            _ => {}
        }
    }
    assert_eq!(open, None, "{text}");
    blocks
}

fn offering() -> AnswerPlan {
    AnswerPlan { offers_tools: true, ..renaming() }
}

#[test]
fn leaked_calls_in_text_become_tool_calls() {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let behind = r" and \u003c now";
    let expected = [
        json(r#"{"type":"text","text":"Look: "}"#),
        json(r#"{"type":"tool_use","id":"functions_ls_tool_0","name":"ls","input":{},"json":"{\"a\":1}"}"#),
        json(r#"{"type":"tool_use","id":"functions_read_1","name":"read","input":{},"json":"{}"}"#),
        json(r#"{"type":"text","text":" and < now"}"#),
        json(r#"{"type":"tool_use","id":"real","name":"read","input":{}}"#),
        json(r#""tool_use""#),
    ];
    let read = |text: &str, plan: &AnswerPlan| {
        read_over(Api::Messages, AdapterId::KimiCode, plan, &[text.as_bytes()])
    };
    let whole_text = format!("{LEAK}{behind}");
    let is_cut = |at: usize| whole_text.is_char_boundary(at) && !whole_text[..at].ends_with('\\');
    for cut in (0..whole_text.len()).filter(|cut| is_cut(*cut)) {
        // An escape is not cut in two by any provider: every delta is JSON.
        if whole_text[..cut].rfind('\\').is_some_and(|at| whole_text[at..].starts_with("\\u") && cut - at < 6)
        {
            continue;
        }
        let seen = read(&leaking(&[&whole_text[..cut], &whole_text[cut..]]), &offering());
        assert!(seen.done, "{cut} {:?}", seen.failure);
        assert_eq!(assembled(&seen.text), expected, "{cut}");
        assert_eq!(seen.meter.finish_reason.as_deref(), Some("tool_use"));
    }
    let text = leaking(&[LEAK]);
    assert_eq!(read(&text, &plain()).text, text, "no tools were offered");
    let partial = leaking(&["a <|tool_calls_section_begin|> b", " c"]);
    let kept = assembled(&read(&partial, &offering()).text);
    assert_eq!(kept[0]["text"], "a <|tool_calls_section_begin|> b c", "what is none stays text");
    let plain_text = leaking(&["a ", "b"]);
    assert_eq!(read(&plain_text, &offering()).text, plain_text);
    let cut = partial.find("content_block_stop").unwrap() - "event: ".len();
    let broken = read(&partial[..cut], &offering());
    assert_eq!(broken.failure.unwrap().reason, Reason::Truncated);
    assert!(broken.text.contains("b c") || broken.text.ends_with(" c\"}}\n\n"), "{}", broken.text);
}

#[test]
fn leaked_calls_in_a_whole_response_become_tool_calls() {
    let body = format!(
        r#"{{"type":"message","content":[{{"type":"text","text":"{LEAK}"}}],"stop_reason":"end_turn"}}"#
    );
    let (segments, meter) =
        read_complete(&errors_of(AdapterId::KimiCode), Api::Messages, &offering(), body.clone().into())
            .unwrap();
    let expected = r#"{"type":"message","content":[{"type":"text","text":"Look: "},{"type":"tool_use","id":"functions_ls_tool_0","name":"ls","input":{"a":1}},{"type":"tool_use","id":"functions_read_1","name":"read","input":{}}],"stop_reason":"tool_use"}"#;
    assert_eq!(segments.to_bytes(), expected);
    assert_eq!(meter.finish_reason.as_deref(), Some("tool_use"));
    let (segments, _) =
        read_complete(&errors_of(AdapterId::KimiCode), Api::Messages, &plain(), body.clone().into()).unwrap();
    assert_eq!(segments.to_bytes(), body);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunk_boundaries_change_nothing(mut cuts in proptest::collection::vec(0_usize..3000, 0..12), rename in any::<bool>()) {
        let text = kimi();
        cuts.retain(|cut| *cut < text.len());
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&text.as_bytes()[from..cut]);
            from = cut;
        }
        pieces.push(&text.as_bytes()[from..]);
        let plan = if rename { renaming() } else { plain() };
        let seen = read_over(Api::Messages, AdapterId::KimiCode, &plan, &pieces);
        let once = read_over(Api::Messages, AdapterId::KimiCode, &plan, &[text.as_bytes()]);
        prop_assert_eq!((seen.text, seen.done, seen.meter), (once.text, true, once.meter));
    }
}
