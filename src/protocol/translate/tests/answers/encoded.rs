//! Encoded responses for clients.

use serde_json::{Value, json};

use super::{echo, payloads};
use crate::protocol::api::Api;
use crate::protocol::error::{AttemptSummary, ErrorBody};
use crate::protocol::model::answer::RequestEcho;
use crate::protocol::model::answer::{FinishReason, ResponseEvent};
use crate::protocol::model::client_tools::ClientTool;
use crate::protocol::model::tools::ToolForm;
use crate::protocol::request::RequestBody;
use crate::protocol::translate;
use crate::protocol::translate::Encoder;
use crate::protocol::usage::TokenUsage;

fn start() -> ResponseEvent {
    ResponseEvent::Start { id: "chatcmpl-1".to_owned(), model: "kimi-k3".to_owned() }
}

fn values(stream: &[u8]) -> Vec<Value> {
    payloads(stream).iter().map(|payload| serde_json::from_slice(payload).unwrap_or_default()).collect()
}

#[test]
fn each_event_is_written_at_once() {
    for api in Api::ALL {
        let mut encoder = Encoder::new(api, echo(api));
        let events = [
            start(),
            ResponseEvent::Reasoning("r".to_owned()),
            ResponseEvent::Text("t".to_owned()),
            ResponseEvent::ToolCallStart { call: 0, id: "a".to_owned(), name: "f".to_owned() },
            ResponseEvent::ToolCallArguments { call: 0, delta: "{".to_owned() },
            ResponseEvent::ToolCallArguments { call: 0, delta: "}".to_owned() },
            ResponseEvent::ToolCallStart { call: 1, id: "b".to_owned(), name: "f".to_owned() },
        ];
        for event in events {
            let mut out = Vec::new();
            encoder.write(&event, &mut out);
            assert!(out.ends_with(b"\n\n"), "{api:?} waits with {event:?}");
        }
    }
}

#[test]
fn only_repeated_content_is_buffered() {
    let kept = |api: Api| {
        let mut encoder = Encoder::new(api, echo(api));
        let call =
            |call: usize| ResponseEvent::ToolCallStart { call, id: "a".to_owned(), name: "f".to_owned() };
        let piece = |piece: &str| ResponseEvent::ToolCallArguments { call: 0, delta: piece.to_owned() };
        let text = ResponseEvent::Text("t".repeat(100_000));
        for event in [start(), text, call(0), piece("{"), call(1), piece("}")] {
            encoder.write(&event, &mut Vec::new());
        }
        encoder.buffered_bytes()
    };
    assert_eq!((kept(Api::ChatCompletions), kept(Api::Messages)), (0, 0));
    assert!((100_000..101_000).contains(&kept(Api::Responses)), "the last event has it again");
    let mut encoder = Encoder::new(Api::Messages, echo(Api::Messages));
    for event in [
        ResponseEvent::ToolCallStart { call: 0, id: "a".to_owned(), name: "f".to_owned() },
        ResponseEvent::ToolCallStart { call: 1, id: "b".to_owned(), name: "f".to_owned() },
        ResponseEvent::ToolCallArguments { call: 1, delta: " ".repeat(1000) },
    ] {
        encoder.write(&event, &mut Vec::new());
    }
    assert!(encoder.buffered_bytes() > 1000, "the second call waits for the first");
}

#[test]
fn error_ends_the_stream_in_each_format() {
    let attempts = [AttemptSummary { model: "kimi/k3", result: "truncated", message: "" }];
    let error = ErrorBody {
        message: "cut",
        kind: "rate_limit",
        code: Some("rate_limit"),
        param: None,
        attempts: &attempts,
        request_id: None,
        is_retryable: false,
    };
    let attempts = json!([{"model": "kimi/k3", "result": "truncated"}]);
    let last = |api: Api| {
        let (mut encoder, mut out) = (Encoder::new(api, echo(api)), Vec::new());
        encoder.write(&start(), &mut out);
        encoder.write(&ResponseEvent::Text("half".to_owned()), &mut out);
        encoder.fail(&error, &mut out);
        let mut values = values(&out);
        if api == Api::ChatCompletions {
            assert_eq!(values.pop(), Some(Value::Null), "[DONE]");
        }
        values.pop().unwrap()
    };
    let chat = last(Api::ChatCompletions);
    assert_eq!((&chat["error"]["type"], &chat["error"]["attempts"]), (&json!("rate_limit"), &attempts));
    let messages = last(Api::Messages);
    assert_eq!(
        (&messages["type"], &messages["error"]["type"]),
        (&json!("error"), &json!("rate_limit_error"))
    );
    assert_eq!(messages["error"]["attempts"], attempts);
    let responses = last(Api::Responses);
    let response = &responses["response"];
    assert_eq!((&responses["type"], &response["status"]), (&json!("response.failed"), &json!("failed")));
    assert_eq!(
        response["error"],
        json!({"message": "cut", "code": "rate_limit_exceeded", "attempts": attempts})
    );
    assert_eq!(response["output"][0]["status"], "incomplete");
    assert_eq!(response["output"][0]["content"][0]["text"], "half", "what was said is there");
}

#[test]
fn chat_client_receives_usage_on_request() {
    let stream = |include: bool| {
        let body = json!({"model": "m", "stream_options": {"include_usage": include}}).to_string();
        let body = RequestBody::parse(Api::ChatCompletions, body.into()).unwrap();
        let (mut encoder, mut out) =
            (Encoder::new(Api::ChatCompletions, RequestEcho::from_request(&body)), Vec::new());
        for event in [
            start(),
            ResponseEvent::Finish(FinishReason::Stop),
            ResponseEvent::Usage(TokenUsage { output: 7, ..TokenUsage::default() }),
        ] {
            encoder.write(&event, &mut out);
        }
        encoder.finish(&mut out);
        values(&out).into_iter().filter(|value| value["usage"]["completion_tokens"] == 7).count()
    };
    assert_eq!((stream(true), stream(false)), (1, 0));
}

#[test]
fn response_repeats_the_request_and_restores_namespaces() {
    let body = json!({
        "model": "m", "instructions": "be brief", "tools": [{"type": "function", "name": "f"}],
        "reasoning": {"summary": "auto"}, "metadata": {"k": "v"}, "store": null,
    });
    let body = RequestBody::parse(Api::Responses, body.to_string().into()).unwrap();
    let mut echo = RequestEcho::from_request(&body);
    let own = |text: &str| text.to_owned();
    let tool = ClientTool { namespace: Some(own("mcp")), name: own("f"), form: ToolForm::Function };
    echo.client_tools = [(own("mcp__f"), tool)].into();
    let events = [
        start(),
        ResponseEvent::Reasoning("why".to_owned()),
        ResponseEvent::ReasoningSignature("s".to_owned()),
        ResponseEvent::ToolCallStart { call: 0, id: "a".to_owned(), name: "mcp__f".to_owned() },
        ResponseEvent::ToolCallArguments { call: 0, delta: "{}".to_owned() },
        ResponseEvent::Finish(FinishReason::MaxTokens),
    ];
    let response: Value =
        serde_json::from_slice(&translate::encode_response(&events, Api::Responses, &echo)).unwrap();
    let expected = json!({
        "instructions": "be brief", "store": false, "metadata": {"k": "v"}, "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"}, "model": "kimi-k3",
        "tools": [{"type": "function", "name": "f"}],
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&response[key], value, "{key}");
    }
    let thought = &response["output"][0];
    assert_eq!(
        thought["summary"],
        json!([{"type": "summary_text", "text": "why"}]),
        "a summary was asked for"
    );
    assert_eq!(thought["encrypted_content"], Value::Null, "and no encrypted content");
    let call = &response["output"][1];
    assert_eq!((&call["name"], &call["namespace"]), (&json!("f"), &json!("mcp")));
}

#[test]
fn truncated_arguments_are_wrapped_in_a_whole_message() {
    let events = [
        start(),
        ResponseEvent::ToolCallStart { call: 0, id: "a.b".to_owned(), name: "f".to_owned() },
        ResponseEvent::ToolCallArguments { call: 0, delta: "{\"path\":\"/\"".to_owned() },
    ];
    let message = translate::encode_response(&events, Api::Messages, &echo(Api::Messages));
    let message: Value = serde_json::from_slice(&message).unwrap();
    let call = json!({"type": "tool_use", "id": "mrl_a-2eb", "name": "f", "input": {"moonrelay_raw_arguments": "{\"path\":\"/\""}});
    assert_eq!(message["content"], json!([call]));
}

/// The events of a response with one call.
fn call_events(name: &str, arguments: &str) -> Vec<ResponseEvent> {
    let piece = |delta: &str| ResponseEvent::ToolCallArguments { call: 0, delta: delta.to_owned() };
    let (first, second) = arguments.split_at(arguments.len() / 2);
    let call = ResponseEvent::ToolCallStart { call: 0, id: "c1".to_owned(), name: name.to_owned() };
    vec![start(), call, piece(first), piece(second), ResponseEvent::Finish(FinishReason::ToolCalls)]
}

fn tool_echo(api: Api) -> RequestEcho {
    let tool =
        |name: &str, form| (name.to_owned(), ClientTool { namespace: None, name: name.to_owned(), form });
    let tools = [tool("apply_patch", ToolForm::FreeText), tool("local_shell", ToolForm::LocalShell)];
    let mut echo = echo(api);
    echo.client_tools = tools.into();
    echo
}

fn stream_of(api: Api, events: &[ResponseEvent]) -> Vec<Value> {
    let (mut encoder, mut out) = (Encoder::new(api, tool_echo(api)), Vec::new());
    for event in events {
        encoder.write(event, &mut out);
    }
    encoder.finish(&mut out);
    values(&out)
}

#[test]
fn function_calls_become_calls_of_the_clients_tools() {
    let patch = "*** Begin Patch\n\"é\"\n*** End Patch";
    let patch_events = call_events("apply_patch", &json!({ "input": patch }).to_string());
    let custom = json!({ "type": "custom_tool_call", "id": "ctc_1_0", "call_id": "c1", "name": "apply_patch", "input": patch });
    let shell_events = call_events("local_shell", r#"{"command":["make"],"timeout_ms":9}"#);
    let action = json!({ "type": "exec", "command": ["make"], "env": {}, "timeout_ms": 9 });
    let shell = json!({ "type": "local_shell_call", "id": "lsh_1_0", "call_id": "c1", "status": "completed", "action": action });
    let deltas = |stream: &[Value], kind: &str| -> String {
        stream
            .iter()
            .filter(|event| event["type"] == kind)
            .filter_map(|event| event["delta"].as_str())
            .collect()
    };
    for (events, item) in [(&patch_events, &custom), (&shell_events, &shell)] {
        let whole = translate::encode_response(events, Api::Responses, &tool_echo(Api::Responses));
        assert_eq!(serde_json::from_slice::<Value>(&whole).unwrap()["output"], json!([item]));
        let stream = stream_of(Api::Responses, events);
        assert_eq!(stream.last().unwrap()["response"]["output"], json!([item]));
        let of = |kind: &str| stream.iter().find(|event| event["type"] == kind).unwrap()["item"].clone();
        assert_eq!((of("response.output_item.added")["type"]).clone(), item["type"]);
        assert_eq!(of("response.output_item.done"), *item);
        assert_eq!(deltas(&stream, "response.function_call_arguments.delta"), "");
    }
    let stream = stream_of(Api::Responses, &patch_events);
    assert_eq!(deltas(&stream, "response.custom_tool_call_input.delta"), patch);
    assert!(
        stream
            .iter()
            .any(|event| event["type"] == "response.custom_tool_call_input.done" && event["input"] == patch)
    );

    let call = json!({ "index": 0, "id": "c1", "type": "custom", "custom": { "name": "apply_patch", "input": patch } });
    let whole =
        translate::encode_response(&patch_events, Api::ChatCompletions, &tool_echo(Api::ChatCompletions));
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(whole["choices"][0]["message"]["tool_calls"], json!([call]));
    let stream = stream_of(Api::ChatCompletions, &patch_events);
    let mut calls = stream
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"])
        .filter(|calls| !calls.is_null());
    assert_eq!((calls.next(), calls.next()), (Some(&json!([call])), None));
}

#[test]
fn cut_call_of_a_clients_tool_stays_a_function_call() {
    for (tool, cut) in [("apply_patch", r#"{"input":"*** Beg"#), ("local_shell", r#"{"command":["rm","-r"#)] {
        let mut events = call_events(tool, cut);
        *events.last_mut().unwrap() = ResponseEvent::Finish(FinishReason::MaxTokens);
        let stream = stream_of(Api::Responses, &events);
        let response = &stream.last().unwrap()["response"];
        assert_eq!(response["status"], "incomplete");
        let item = &response["output"][0];
        assert_eq!((&item["type"], &item["arguments"]), (&json!("function_call"), &json!(cut)));
        assert!(item["id"].as_str().unwrap().starts_with("fc_"), "{item}");
    }
}

#[test]
fn continuation_writes_to_the_open_block() {
    let from = |payloads: &[Value], api: Api, events: &[ResponseEvent]| {
        let (mut encoder, mut out) = (Encoder::new(api, echo(api)), Vec::new());
        for payload in payloads {
            encoder.observe_payload(payload.to_string().as_bytes());
        }
        for event in events {
            encoder.write(event, &mut out);
        }
        encoder.finish(&mut out);
        values(&out)
    };
    let more = [start(), ResponseEvent::Text("lo".to_owned())];
    let partial = [
        json!({"type": "message_start", "message": {"id": "msg_9", "usage": {"input_tokens": 4, "output_tokens": 0}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}}),
    ];
    let events = from(&partial, Api::Messages, &more);
    let kinds: Vec<&str> = events.iter().filter_map(|value| value["type"].as_str()).collect();
    assert_eq!(kinds, ["content_block_delta", "content_block_stop", "message_delta", "message_stop"]);
    assert_eq!((&events[0]["index"], &events[2]["usage"]["input_tokens"]), (&json!(0), &json!(4)));

    let partial = [
        json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_9", "model": "own", "created_at": 5}}),
        json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": {"id": "msg_9", "type": "message"}}),
        json!({"type": "response.content_part.added", "sequence_number": 2, "output_index": 0, "content_index": 0, "item_id": "msg_9",
            "part": {"type": "output_text", "text": ""}}),
        json!({"type": "response.output_text.delta", "sequence_number": 3, "output_index": 0, "content_index": 0, "item_id": "msg_9", "delta": "Hel"}),
    ];
    let events = from(&partial, Api::Responses, &more);
    assert_eq!((&events[0]["sequence_number"], &events[0]["item_id"]), (&json!(4), &json!("msg_9")));
    let response = &events.last().unwrap()["response"];
    assert_eq!(
        (&response["id"], &response["model"], &response["created_at"]),
        (&json!("resp_9"), &json!("own"), &json!(5))
    );
    assert_eq!(response["output"][0]["content"][0]["text"], "Hello");
}
