//! Chat Completions.

use serde_json::{Value, json};

use super::{Call, Event, Finish, Reply, Tokens, list, named, number, text};

/// Chunks with one id, one finish with nothing behind it but usage, `[DONE]` at the very end.
pub(super) fn stream(events: &[Event]) -> Reply {
    let mut reply = Reply::default();
    let mut id = None;
    let mut thinks_as = "reasoning_content";
    let (last, events) = events.split_last().expect("an empty stream");
    assert!(last.is_done(), "no [DONE] at the end: {}", last.data);
    for event in events {
        assert!(!event.is_done(), "[DONE] before the end");
        assert_eq!(event.name, None, "chat has no names of events");
        assert!(reply.error.is_none(), "something behind the error: {}", event.data);
        let chunk = event.json();
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            reply.error = Some(named(error, "message"));
            continue;
        }
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        assert!(chunk["created"].is_u64(), "{chunk}");
        named(&chunk, "model");
        let own = named(&chunk, "id");
        assert_eq!(id.get_or_insert_with(|| own.clone()), &own, "the id changed: {chunk}");
        reply.usages += usize::from(chunk["usage"].is_object());
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            reply.tokens = Some(tokens(usage));
        }
        for choice in list(&chunk["choices"]) {
            assert_eq!(choice["index"], 0, "{chunk}");
            add(&mut reply, choice, &mut thinks_as);
        }
    }
    close(&mut reply, thinks_as);
    reply
}

fn add(reply: &mut Reply, choice: &Value, thinks_as: &mut &'static str) {
    let delta = &choice["delta"];
    assert!(delta["role"].is_null() || delta["role"] == "assistant", "{choice}");
    let before = (reply.text.len(), reply.reasoning.len());
    reply.text.push_str(delta["content"].as_str().unwrap_or_default());
    for key in ["reasoning_content", "reasoning"] {
        if let Some(piece) = delta[key].as_str() {
            *thinks_as = key;
            reply.reasoning.push_str(piece);
        }
    }
    for piece in list(&delta["tool_calls"]) {
        let index = usize::try_from(number(&piece["index"])).unwrap();
        assert!(index <= reply.calls.len(), "call {index} of {}: {choice}", reply.calls.len());
        if index == reply.calls.len() {
            assert_eq!(piece["type"], "function", "{choice}");
            let (id, name) = (named(piece, "id"), named(&piece["function"], "name"));
            reply.calls.push(Call { id, name, arguments: String::new() });
        }
        assert_eq!(index + 1, reply.calls.len(), "a call that was over goes on: {choice}");
        let arguments = piece["function"]["arguments"].as_str().unwrap_or_default();
        reply.calls[index].arguments.push_str(arguments);
    }
    let says = before != (reply.text.len(), reply.reasoning.len()) || !list(&delta["tool_calls"]).is_empty();
    assert!(!says || reply.finish.is_none(), "said behind the finish: {choice}");
    if let Some(finish) = choice["finish_reason"].as_str() {
        assert!(reply.finish.is_none(), "a second finish: {choice}");
        reply.finish = Some(self::finish(finish));
        finish.clone_into(&mut reply.finish_word);
    }
}

/// One choice, its message, its usage.
pub(super) fn whole(body: &Value) -> Reply {
    let mut reply = Reply::default();
    assert_eq!(body["object"], "chat.completion", "{body}");
    named(body, "id");
    named(body, "model");
    let [choice] = list(&body["choices"]) else { panic!("not one choice: {body}") };
    let message = &choice["message"];
    assert_eq!(message["role"], "assistant", "{body}");
    reply.text = message["content"].as_str().unwrap_or_default().to_owned();
    let mut thinks_as = "reasoning_content";
    for key in ["reasoning_content", "reasoning"] {
        if let Some(said) = message[key].as_str() {
            thinks_as = key;
            said.clone_into(&mut reply.reasoning);
        }
    }
    for call in list(&message["tool_calls"]) {
        assert_eq!(call["type"], "function", "{body}");
        let function = &call["function"];
        let arguments = text(&function["arguments"]);
        reply.calls.push(Call { id: named(call, "id"), name: named(function, "name"), arguments });
    }
    reply.finish_word = text(&choice["finish_reason"]);
    reply.finish = Some(finish(&reply.finish_word));
    reply.tokens = Some(tokens(&body["usage"]));
    reply.usages = 1;
    close(&mut reply, thinks_as);
    reply
}

fn finish(reason: &str) -> Finish {
    match reason {
        "stop" => Finish::Stop,
        "length" => Finish::Length,
        "tool_calls" => Finish::Calls,
        _ => Finish::Other,
    }
}

fn tokens(usage: &Value) -> Tokens {
    let (input, output) = (number(&usage["prompt_tokens"]), number(&usage["completion_tokens"]));
    assert_eq!(number(&usage["total_tokens"]), input + output, "{usage}");
    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or_default();
    assert!(cached <= input, "{usage}");
    Tokens { input, cached, output }
}

fn close(reply: &mut Reply, thinks_as: &str) {
    assert!(reply.finish.is_some() || reply.error.is_some(), "it ends without a finish: {reply:?}");
    if let Some(finish) = reply.finish {
        assert_eq!(finish == Finish::Calls, !reply.calls.is_empty(), "{reply:?}");
    }
    let mut message = json!({ "role": "assistant", "content": reply.text });
    if !reply.reasoning.is_empty() {
        message[thinks_as] = json!(reply.reasoning);
    }
    if !reply.calls.is_empty() {
        let function = |call: &Call| json!({ "name": call.name, "arguments": call.arguments });
        let call = |call: &Call| json!({ "id": call.id, "type": "function", "function": function(call) });
        message["tool_calls"] = reply.calls.iter().map(call).collect();
    }
    reply.turn = vec![message];
}
