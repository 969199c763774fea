//! Known peculiarities of provider responses and their expected decoding.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::protocol::api::Api;
use crate::protocol::model::answer::{FinishReason, ResponseEvent};
use crate::protocol::model::losses::LOSSES;
use crate::protocol::translate;
use crate::protocol::translate::Decoder;
use crate::protocol::usage::TokenUsage;

/// The events of these payloads, but for the start.
fn read(api: Api, payloads: &[Value]) -> Vec<ResponseEvent> {
    let texts: Vec<String> = payloads.iter().map(Value::to_string).collect();
    read_texts(api, &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn read_texts(api: Api, payloads: &[&str]) -> Vec<ResponseEvent> {
    let (mut decoder, mut events) = (Decoder::new(api), Vec::new());
    for payload in payloads {
        decoder.read_payload(payload.as_bytes(), &mut events);
    }
    decoder.end(&mut events);
    assert!(matches!(events.first(), Some(ResponseEvent::Start { .. })), "{events:?}");
    events.split_off(1)
}

fn chunk(delta: &Value) -> Value {
    json!({"id": "1", "choices": [{"index": 0, "delta": delta}]})
}

fn fragment(call: &Value) -> Value {
    chunk(&json!({"tool_calls": [call]}))
}

fn text(text: &str) -> ResponseEvent {
    ResponseEvent::Text(text.to_owned())
}

fn reasoning(text: &str) -> ResponseEvent {
    ResponseEvent::Reasoning(text.to_owned())
}

fn call(call: usize, id: &str, name: &str) -> ResponseEvent {
    ResponseEvent::ToolCallStart { call, id: id.to_owned(), name: name.to_owned() }
}

fn arguments(call: usize, piece: &str) -> ResponseEvent {
    ResponseEvent::ToolCallArguments { call, delta: piece.to_owned() }
}

#[test]
fn fragments_of_chat_calls_find_their_call() {
    // Id and name repeated, null or empty; arguments null; two calls by turns.
    let by_index = [
        fragment(&json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}})),
        fragment(&json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}})),
        fragment(&json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": null}})),
        fragment(&json!({"index": 0, "id": null, "function": {"name": "", "arguments": "}"}})),
        fragment(&json!({"index": 1, "function": {"arguments": "{}"}})),
    ];
    let expected =
        [call(0, "a", "f"), arguments(0, "{"), call(1, "b", "g"), arguments(0, "}"), arguments(1, "{}")];
    assert_eq!(read(Api::ChatCompletions, &by_index), expected);
    // No index: by id, else the last one.
    let by_id = [
        fragment(&json!({"id": "a", "function": {"name": "f", "arguments": "{"}})),
        fragment(&json!({"id": "b", "function": {"name": "g", "arguments": "["}})),
        fragment(&json!({"id": "a", "function": {"arguments": "}"}})),
        fragment(&json!({"function": {"arguments": "]"}})),
    ];
    let expected = [
        call(0, "a", "f"),
        arguments(0, "{"),
        call(1, "b", "g"),
        arguments(1, "["),
        arguments(0, "}"),
        arguments(1, "]"),
    ];
    assert_eq!(read(Api::ChatCompletions, &by_id), expected);
    // Whole calls, all under the index 0, in one chunk.
    let whole_calls = [chunk(&json!({"tool_calls": [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
        {"index": 0, "id": "b", "function": {"name": "f", "arguments": {"k": 1}}},
    ]}))];
    let expected = [call(0, "a", "f"), arguments(0, "{}"), call(1, "b", "f"), arguments(1, "{\"k\":1}")];
    assert_eq!(read(Api::ChatCompletions, &whole_calls), expected);
}

#[test]
fn chat_calls_with_late_or_missing_members_are_decoded() {
    let late = [
        fragment(&json!({"index": 0, "id": "a", "function": {"arguments": "{\"k\""}})),
        fragment(&json!({"index": 0, "function": {"name": "f", "arguments": ":1}"}})),
    ];
    assert_eq!(
        read(Api::ChatCompletions, &late),
        [call(0, "a", "f"), arguments(0, "{\"k\""), arguments(0, ":1}")]
    );
    let bare = [fragment(&json!({"index": 0, "function": {"name": "f"}}))];
    assert_eq!(read(Api::ChatCompletions, &bare), [call(0, "call_1_0", "f"), arguments(0, "{}")]);
    let stop = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
    let events = read(Api::ChatCompletions, &[bare[0].clone(), stop]);
    assert_eq!(
        events.last(),
        Some(&ResponseEvent::Finish(FinishReason::ToolCalls)),
        "it stopped with a call"
    );
}

#[test]
fn chat_text_and_reasoning_variants_are_decoded() {
    let plain = [
        chunk(&json!({"role": "assistant", "content": null})),
        chunk(&json!({"content": "", "reasoning_content": "why", "reasoning": "why"})),
        chunk(&json!({"content": [{"type": "text", "text": "a"}, {"type": "image", "text": "no"}]})),
        chunk(&json!({"content": "b", "refusal": "c"})),
        json!({"choices": [{"index": 1, "delta": {"content": "another choice"}}]}),
    ];
    let expected = [reasoning("why"), text("a"), text("b"), ResponseEvent::Refusal("c".to_owned())];
    assert_eq!(read(Api::ChatCompletions, &plain), expected);
    let detailed = [
        chunk(
            &json!({"reasoning": "x", "reasoning_details": [{"type": "reasoning.text", "text": "x", "index": 0}]}),
        ),
        chunk(&json!({"reasoning_details": [{"type": "reasoning.text", "signature": "s", "index": 0}]})),
        chunk(&json!({"reasoning": "y", "reasoning_details": [
            {"type": "reasoning.summary", "summary": "y"}, {"type": "reasoning.encrypted", "data": "e"}]})),
    ];
    let expected = [
        reasoning("x"),
        ResponseEvent::ReasoningSignature("s".to_owned()),
        reasoning("y"),
        ResponseEvent::RedactedReasoning("e".to_owned()),
    ];
    assert_eq!(read(Api::ChatCompletions, &detailed), expected);
}

#[test]
fn usage_in_a_choice_and_at_the_top_is_one_usage() {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 4});
    let payloads = [
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "length", "usage": usage}]}),
        json!({"choices": [], "usage": usage}),
    ];
    let usage =
        ResponseEvent::Usage(TokenUsage { input: 5, cache_read: 4, output: 2, ..TokenUsage::default() });
    let expected = [usage.clone(), usage, ResponseEvent::Finish(FinishReason::MaxTokens)];
    assert_eq!(read(Api::ChatCompletions, &payloads), expected);
}

#[test]
fn halves_of_a_character_are_joined_and_lone_ones_replaced() {
    let content = |escaped: &str| format!(r#"{{"choices":[{{"delta":{{"content":"{escaped}"}}}}]}}"#);
    let read = |payloads: &[String]| {
        read_texts(Api::ChatCompletions, &payloads.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(read(&[content(r"a\ud83d"), content(""), content(r"\ude00b")]), [text("a"), text("😀b")]);
    assert_eq!(read(&[content(r"a\ud83d"), content("b")]), [text("a"), text("\u{fffd}b")]);
    assert_eq!(read(&[content(r"a\ud83d")]), [text("a"), text("\u{fffd}")]);
    let call = r#"{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f"}}]}}]}"#.to_owned();
    let events = read(&[content(r"\ud83d"), call]);
    assert_eq!(events.first(), Some(&text("\u{fffd}")), "the text has ended");
}

#[test]
fn messages_server_blocks_are_ignored() {
    let block = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta =
        |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let payloads = [
        json!({"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "ping"}),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "why"})),
        delta(0, json!({"type": "signature_delta", "signature": "si"})),
        delta(0, json!({"type": "signature_delta", "signature": "gn"})),
        stop(0),
        block(1, json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "{}"})),
        stop(1),
        block(2, json!({"type": "redacted_thinking", "data": "d"})),
        stop(2),
        block(3, json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})),
        stop(3),
        block(
            4,
            json!({"type": "tool_use", "id": "u", "name": "f", "input": {"b": 1, "a": 123456789012345678901234567890_f64}}),
        ),
        stop(4),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop"}),
    ];
    let mut events = read_texts(
        Api::Messages,
        &payloads
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .chain(["[DONE]"])
            .collect::<Vec<_>>(),
    );
    let usage = |output| ResponseEvent::Usage(TokenUsage { input: 3, output, ..TokenUsage::default() });
    assert_eq!(events.remove(0), usage(1));
    let input = payloads[14]["content_block"]["input"].to_string();
    let expected = [
        reasoning("why"),
        ResponseEvent::ReasoningSignature("sign".to_owned()),
        ResponseEvent::RedactedReasoning("d".to_owned()),
        call(0, "t", "f"),
        arguments(0, "{}"),
        call(1, "u", "f"),
        arguments(1, &input),
        usage(7),
        ResponseEvent::Finish(FinishReason::ToolCalls),
    ];
    assert_eq!(events, expected);
}

#[test]
fn messages_stop_reasons_are_mapped() {
    let table = [
        ("end_turn", FinishReason::Stop),
        ("max_tokens", FinishReason::MaxTokens),
        ("stop_sequence", FinishReason::StopSequence(Some("END".to_owned()))),
        ("tool_use", FinishReason::ToolCalls),
        ("pause_turn", FinishReason::Pause),
        ("refusal", FinishReason::ContentFilter),
        ("model_context_window_exceeded", FinishReason::ContextWindow),
        ("never_heard_of", FinishReason::Stop),
    ];
    for (reason, finish) in table {
        let body = json!({"type": "message", "content": [], "stop_reason": reason, "stop_sequence": "END"})
            .to_string();
        assert_eq!(
            translate::decode_response(Api::Messages, body.as_bytes()).last(),
            Some(&ResponseEvent::Finish(finish))
        );
    }
}

/// An event of a responses stream.
fn of(kind: &str, rest: &Value) -> Value {
    let mut event = json!({"type": format!("response.{kind}")});
    event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    event
}

/// Reasoning, text, a call, and a call of a custom tool.
fn output() -> [Value; 4] {
    [
        json!({"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "why"}],
            "encrypted_content": "e"}),
        json!({"type": "message", "id": "m", "content": [{"type": "output_text", "text": "hello"}]}),
        json!({"type": "function_call", "id": "f", "call_id": "c", "name": "g", "arguments": "{\"a\":1}"}),
        json!({"type": "custom_tool_call", "id": "x", "call_id": "d", "name": "patch", "input": "a\"b"}),
    ]
}

/// The item of the output as it is done.
fn done(index: usize) -> Value {
    of("output_item.done", &json!({"output_index": index, "item": output()[index]}))
}

/// The output item at its start.
fn added(index: usize) -> Value {
    let mut item = output()[index].clone();
    item.as_object_mut().unwrap().retain(|key, _| ["type", "id", "call_id", "name"].contains(&key.as_str()));
    of("output_item.added", &json!({"output_index": index, "item": item}))
}

/// The output with all of its pieces, but for the end.
fn pieces() -> Vec<Value> {
    let text = json!({"output_index": 0, "summary_index": 0, "text": "why", "delta": "why"});
    let hello = json!({"item_id": "m", "output_index": 1, "content_index": 0, "text": "hello", "delta": "hello",
        "part": output()[1]["content"][0]});
    vec![
        of("created", &json!({"response": {"id": "resp_1", "model": "m"}})),
        added(0),
        of("reasoning_summary_text.delta", &text),
        of("reasoning_summary_text.done", &text),
        done(0),
        added(1),
        of("output_text.delta", &hello),
        of("output_text.done", &hello),
        of("content_part.done", &hello),
        done(1),
        added(2),
        of("function_call_arguments.done", &json!({"item_id": "f", "arguments": "{\"a\":1}"})),
        done(2),
        added(3),
        of("custom_tool_call_input.delta", &json!({"output_index": 3, "delta": "a\""})),
        of("custom_tool_call_input.delta", &json!({"output_index": 3, "delta": "b"})),
        of("custom_tool_call_input.done", &json!({"output_index": 3, "input": "a\"b"})),
        done(3),
    ]
}

/// The events with the pieces of the custom call's input joined.
fn joined(mut events: Vec<ResponseEvent>) -> Vec<ResponseEvent> {
    let mut input = String::new();
    events.retain(|event| match event {
        ResponseEvent::ToolCallArguments { call: 1, delta: piece } => {
            input.push_str(piece);
            false
        }
        _ => true,
    });
    assert_eq!(input, r#"{"input":"a\"b"}"#);
    events
}

#[test]
fn repeated_responses_items_are_emitted_once() {
    let end =
        of("completed", &json!({"response": {"id": "resp_1", "status": "completed", "output": output()}}));
    let expected = [
        reasoning("why"),
        ResponseEvent::ReasoningSignature("e".to_owned()),
        text("hello"),
        call(0, "c", "g"),
        arguments(0, "{\"a\":1}"),
        call(1, "d", "patch"),
        ResponseEvent::Finish(FinishReason::ToolCalls),
    ];
    let read = |payloads: Vec<Value>| joined(read(Api::Responses, &payloads));
    let dones = (0..4).map(done);
    assert_eq!(read(dones.chain([end.clone()]).collect()), expected, "item by item");
    assert_eq!(read(pieces().into_iter().chain([end.clone()]).collect()), expected, "piece by piece");
    assert_eq!(read(vec![end]), expected, "only at the end");
}

#[test]
fn incomplete_response_has_a_reason() {
    for (reason, finish) in
        [("max_output_tokens", FinishReason::MaxTokens), ("content_filter", FinishReason::ContentFilter)]
    {
        let body = json!({"status": "incomplete", "incomplete_details": {"reason": reason}, "output": []});
        let events = translate::decode_response(Api::Responses, body.to_string().as_bytes());
        assert_eq!(events.last(), Some(&ResponseEvent::Finish(finish)));
    }
}

/// A choice of a whole chat response, with these members.
fn chat_choice(more: Value) -> Value {
    let mut choice = json!({"message": {"content": "a"}, "finish_reason": "stop"});
    choice.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    choice
}

#[test]
fn answer_without_a_part_of_the_providers_reports_the_loss() {
    let chat = |message: Value| json!({"choices": [{"message": message, "finish_reason": "stop"}]});
    let block = |block: Value| json!({"type": "message", "content": [block], "stop_reason": "end_turn"});
    let item = |item: Value| json!({"status": "completed", "output": [item]});
    let text = |more: Value| {
        let mut part = json!({"type": "output_text", "text": "a"});
        part.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item(json!({"type": "message", "content": [part]}))
    };
    let cases = [
        (
            "answer_images",
            Api::ChatCompletions,
            chat(json!({"content": "", "images": [{"type": "image_url"}]})),
        ),
        ("answer_images", Api::Responses, item(json!({"type": "image_generation_call", "result": "AA=="}))),
        (
            "answer_tools",
            Api::Messages,
            block(json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        ),
        ("answer_tools", Api::Responses, item(json!({"type": "web_search_call", "id": "ws_1"}))),
        (
            "answer_citations",
            Api::ChatCompletions,
            chat(json!({"content": "a", "annotations": [{"type": "url_citation"}]})),
        ),
        (
            "answer_citations",
            Api::Messages,
            block(json!({"type": "text", "text": "a", "citations": [{"url": "https://a"}]})),
        ),
        ("answer_citations", Api::Responses, text(json!({"annotations": [{"type": "url_citation"}]}))),
        (
            "answer_logprobs",
            Api::ChatCompletions,
            json!({"choices": [chat_choice(json!({"logprobs": {"content": []}}))]}),
        ),
        ("answer_logprobs", Api::Responses, text(json!({"logprobs": [{"token": "a"}]}))),
        (
            "answer_choices",
            Api::ChatCompletions,
            json!({"choices": [chat_choice(json!({"index": 0})), chat_choice(json!({"index": 1}))]}),
        ),
        (
            "answer_cost",
            Api::ChatCompletions,
            json!({"choices": [chat_choice(json!({}))], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.5}}),
        ),
    ];
    for (name, api, body) in &cases {
        let (events, losses) = translate::decode_response_with_losses(*api, body.to_string().as_bytes());
        assert_eq!(losses, [*name], "{body}");
        let is_noted = events.contains(&ResponseEvent::Text("[image removed]".to_owned()));
        assert_eq!(is_noted, *name == "answer_images", "{body}");
    }
    let tried: BTreeSet<&str> = cases.iter().map(|(name, ..)| *name).collect();
    let known = LOSSES.iter().map(|loss| loss.name).filter(|name| name.starts_with("answer_"));
    assert_eq!(tried, known.collect());
}
