//! Clients of each API, targets of each API.

use std::time::Duration;

use serde_json::{Value, json};

use super::script::Reply;
use super::{Answer, ClientRequest, Fixture, RequestError, attempts, read, request};
use crate::protocol::api::Api;

/// One target for each API.
const ONE_API_EACH: &str = r#"{
    models: { providers: {
        chatty: { apiKey: "key-000000", baseUrl: "https://chat.example/v1", models: [{ id: "m", name: "M" }] },
        claudish: { apiKey: "key-000000", baseUrl: "https://messages.example/v1", api: "anthropic-messages",
                    models: [{ id: "m", name: "M" }] },
        codexish: { apiKey: "key-000000", baseUrl: "https://responses.example/v1", api: "openai-responses",
                    models: [{ id: "m", name: "M" }] },
    } },
    failover: { attemptsPerTarget: 1 },
    agents: { defaults: { model: { primary: "PRIMARY", fallbacks: ["FALLBACK"] } } },
}"#;

const CHAT_STREAM: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n\
data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":null}]}\n\n";
const CHAT_END: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n\
data: [DONE]\n\n";
const MESSAGES_STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}}\n\n";
const MESSAGES_END: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":3}}\n\n\
event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const RESPONSES_STREAM: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"in_progress\",\"model\":\"m\",\"output\":[]}}\n\n\
event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"i1\",\"type\":\"message\",\"role\":\"assistant\",\"status\":\"in_progress\",\"content\":[]}}\n\n\
event: response.content_part.added\ndata: {\"type\":\"response.content_part.added\",\"sequence_number\":2,\"item_id\":\"i1\",\"output_index\":0,\"content_index\":0,\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]}}\n\n\
event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":3,\"item_id\":\"i1\",\"output_index\":0,\"content_index\":0,\"delta\":\"hello\"}\n\n";
const RESPONSES_END: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":4,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"m\",\"output\":[{\"id\":\"i1\",\"type\":\"message\",\"role\":\"assistant\",\"status\":\"completed\",\"content\":[{\"type\":\"output_text\",\"text\":\"hello\",\"annotations\":[]}]}],\"usage\":{\"input_tokens\":7,\"output_tokens\":3,\"total_tokens\":10}}}\n\n";

const CHAT_WHOLE: &str = "{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hello\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}";
const MESSAGES_WHOLE: &str = "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"hello\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,\"output_tokens\":3}}";
const RESPONSES_WHOLE: &str = "{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1,\"status\":\"completed\",\"model\":\"m\",\"output\":[{\"id\":\"i1\",\"type\":\"message\",\"role\":\"assistant\",\"status\":\"completed\",\"content\":[{\"type\":\"output_text\",\"text\":\"hello\",\"annotations\":[]}]}],\"usage\":{\"input_tokens\":7,\"output_tokens\":3,\"total_tokens\":10}}";

const RESPONSES_CUT: &str = r#"{"id":"resp_1","object":"response","created_at":1,"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"model":"m","output":[{"id":"i1","type":"message","role":"assistant","status":"incomplete","content":[{"type":"output_text","text":"hel","annotations":[]}]}],"usage":{"input_tokens":7,"output_tokens":3,"total_tokens":10}}"#;

pub(super) const fn stream_start(api: Api) -> &'static str {
    match api {
        Api::ChatCompletions => CHAT_STREAM,
        Api::Messages => MESSAGES_STREAM,
        Api::Responses => RESPONSES_STREAM,
    }
}

pub(super) const fn end(api: Api) -> &'static str {
    match api {
        Api::ChatCompletions => CHAT_END,
        Api::Messages => MESSAGES_END,
        Api::Responses => RESPONSES_END,
    }
}

pub(super) const fn whole(api: Api) -> &'static str {
    match api {
        Api::ChatCompletions => CHAT_WHOLE,
        Api::Messages => MESSAGES_WHOLE,
        Api::Responses => RESPONSES_WHOLE,
    }
}

const fn target(api: Api) -> &'static str {
    match api {
        Api::ChatCompletions => "chatty/m",
        Api::Messages => "claudish/m",
        Api::Responses => "codexish/m",
    }
}

pub(super) fn chain(primary: Api, fallback: Api) -> Fixture {
    let text = ONE_API_EACH.replace("PRIMARY", target(primary)).replace("FALLBACK", target(fallback));
    Fixture::with(&text, &[])
}

pub(super) fn client_request(api: Api, is_streaming: bool) -> ClientRequest {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let mut body = json!({"model": "default", "stream": is_streaming});
    match api {
        Api::ChatCompletions => {
            body["messages"] = messages;
            body["stream_options"] = json!({"include_usage": true});
        }
        Api::Messages => {
            body["messages"] = messages;
            body["max_tokens"] = json!(99);
        }
        Api::Responses => body["input"] = json!("hi"),
    }
    ClientRequest { api, ..request(&body) }
}

/// The text of a stream, whether it is complete, and the output tokens that it reports.
fn read_answer(api: Api, stream: &str) -> (String, bool, Value) {
    let (mut text, mut complete, mut output) = (String::new(), false, Value::Null);
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if data == "[DONE]" {
            complete |= api == Api::ChatCompletions;
            continue;
        }
        let event: Value = serde_json::from_str(data).unwrap();
        match api {
            Api::ChatCompletions => {
                text += event["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
                output = event["usage"]["completion_tokens"].clone();
            }
            Api::Messages => {
                text += event["delta"]["text"].as_str().unwrap_or_default();
                complete |= event["type"] == "message_stop";
                if event["type"] == "message_delta" {
                    output = event["usage"]["output_tokens"].clone();
                }
            }
            Api::Responses => {
                text += event["delta"].as_str().unwrap_or_default();
                complete |= event["type"] == "response.completed";
                output = event["response"]["usage"]["output_tokens"].clone();
            }
        }
    }
    (text, complete, output)
}

#[tokio::test(start_paused = true)]
async fn streams_are_translated_between_all_apis() {
    for client in Api::ALL {
        for called in Api::ALL {
            let fixture = chain(called, called);
            fixture.script.then(Reply::Events(vec![(0, stream_start(called)), (0, end(called))]));
            let answer = fixture.engine.answer(client_request(client, true)).await.ok().unwrap();
            let (text, _) = read(answer).await;
            let expected = ("hello".to_owned(), true, json!(3));
            assert_eq!(read_answer(client, &text), expected, "{client:?} from {called:?}: {text}");
            if client == called {
                assert_eq!(text, [stream_start(called), end(called)].concat(), "untouched");
            }
            let record = fixture.records.lock().unwrap().pop().unwrap();
            assert_eq!(
                (record.api, record.upstream_api, record.failure_reason),
                (client, Some(called), None)
            );
            assert_eq!(record.usage.map(|usage| (usage.input, usage.output)), Some((7, 3)), "{called:?}");
            let url = fixture.script.calls.lock().unwrap()[0].url.clone();
            assert!(url.ends_with(&format!("/v1{}", called.path())), "{url}");
        }
    }
}

/// A Responses provider that answers Codex's patch tool as a function.
const PATCH_CALL: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"in_progress\",\"model\":\"m\",\"output\":[]}}\n\n\
event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"fc_1\",\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"apply_patch\",\"arguments\":\"\",\"status\":\"in_progress\"}}\n\n\
event: response.function_call_arguments.delta\ndata: {\"type\":\"response.function_call_arguments.delta\",\"sequence_number\":2,\"item_id\":\"fc_1\",\"output_index\":0,\"delta\":\"{\\\"input\\\":\\\"*** Begin Patch\\\"}\"}\n\n\
event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":3,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"m\",\"output\":[{\"id\":\"fc_1\",\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"apply_patch\",\"arguments\":\"{\\\"input\\\":\\\"*** Begin Patch\\\"}\",\"status\":\"completed\"}],\"usage\":{\"input_tokens\":7,\"output_tokens\":3,\"total_tokens\":10}}}\n\n";

#[tokio::test(start_paused = true)]
async fn provider_of_the_same_api_without_custom_tools_gets_functions() {
    let fixture = chain(Api::Responses, Api::Responses);
    fixture.script.then(Reply::Events(vec![(0, PATCH_CALL)]));
    let body = json!({
        "model": "default", "stream": true, "input": "hi",
        "tools": [{"type": "custom", "name": "apply_patch"}],
    });
    let request = ClientRequest { api: Api::Responses, ..request(&body) };
    let (text, _) = read(fixture.engine.answer(request).await.ok().unwrap()).await;
    let sent: Value = serde_json::from_slice(&fixture.script.calls.lock().unwrap()[0].body.concat()).unwrap();
    assert_eq!(
        (&sent["tools"][0]["type"], &sent["tools"][0]["name"]),
        (&json!("function"), &json!("apply_patch"))
    );
    let last = text.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let item = &serde_json::from_str::<Value>(last).unwrap()["response"]["output"][0];
    assert_eq!((&item["type"], &item["input"]), (&json!("custom_tool_call"), &json!("*** Begin Patch")));
}

#[tokio::test(start_paused = true)]
async fn conversation_is_compacted_by_the_provider_or_by_a_summary() {
    let text = |provider: &str| {
        format!(
            r#"{{ models: {{ providers: {{ {provider}: {{ apiKey: "key-000000", baseUrl: "https://api.example/v1",
                api: "openai-responses", models: [{{ id: "m", name: "M" }}] }} }} }},
                failover: {{ attemptsPerTarget: 1 }}, agents: {{ defaults: {{ model: "{provider}/m" }} }} }}"#
        )
    };
    let body =
        json!({"model": "default", "input": [{"type": "message", "role": "user", "content": "build it"}]});
    let ask = || ClientRequest { api: Api::Responses, ..request(&body) };
    let compacted = async |fixture: &Fixture| -> Value {
        let Ok(Answer::Complete { body, .. }) = fixture.engine.compact(ask()).await else {
            panic!("no answer")
        };
        serde_json::from_slice(&body.to_bytes()).unwrap()
    };
    let own = r#"{"id":"resp_2","object":"response.compaction","created_at":1,"output":[{"type":"compaction","id":"cmp_1","encrypted_content":"gAAA"}],"usage":{"input_tokens":7,"output_tokens":3,"total_tokens":10}}"#;
    let native = Fixture::with(&text("openai"), &[]);
    native.script.then(Reply::Body(200, own));
    assert_eq!(compacted(&native).await["output"][0]["type"], "compaction");
    assert!(native.script.calls.lock().unwrap()[0].url.ends_with("/v1/responses/compact"));
    assert_eq!(native.records.lock().unwrap()[0].usage.map(|usage| usage.input), Some(7));

    let cut = Fixture::with(&text("other"), &[]);
    cut.script.then(Reply::Body(200, RESPONSES_CUT));
    let error = cut.engine.compact(ask()).await.err().unwrap();
    assert!(error.to_string().contains("incomplete"), "{error}");

    let gone = Reply::Body(404, r#"{"error":{"message":"no route","type":"not_found_error"}}"#);
    for (provider, replies) in [("other", vec![]), ("openai", vec![gone])] {
        let fixture = Fixture::with(&text(provider), &[]);
        replies.into_iter().for_each(|reply| _ = fixture.script.then(reply));
        fixture.script.then(Reply::Body(200, RESPONSES_WHOLE));
        let value = compacted(&fixture).await;
        assert_eq!(
            (&value["object"], &value["usage"]["input_tokens"]),
            (&json!("response.compaction"), &json!(7))
        );
        assert_eq!(value["output"][0], body["input"][0]);
        let summary = &value["output"][1];
        assert_eq!(
            (&summary["role"], &summary["content"][0]["text"]),
            (&json!("assistant"), &json!("Summary of the conversation so far:\n\nhello"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whole_answers_are_translated_between_all_apis() {
    for client in Api::ALL {
        for called in Api::ALL {
            let fixture = chain(called, called);
            fixture.script.then(Reply::Body(200, whole(called)));
            let answer = fixture.engine.answer(client_request(client, false)).await;
            let Ok(Answer::Complete { body, .. }) = answer else { panic!("{}", attempts(&answer)) };
            let body = body.to_bytes();
            if client == called {
                assert_eq!(body, whole(called));
            }
            let value: Value = serde_json::from_slice(&body).unwrap();
            let (text, output) = match client {
                Api::ChatCompletions => {
                    (&value["choices"][0]["message"]["content"], &value["usage"]["completion_tokens"])
                }
                Api::Messages => (&value["content"][0]["text"], &value["usage"]["output_tokens"]),
                Api::Responses => {
                    (&value["output"][0]["content"][0]["text"], &value["usage"]["output_tokens"])
                }
            };
            assert_eq!((text, output), (&json!("hello"), &json!(3)), "{client:?} from {called:?}: {value}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whole_answer_without_usage_is_estimated_like_a_stream() {
    for client in Api::ALL {
        for called in Api::ALL {
            let fixture = chain(called, called);
            let recorded = whole(called);
            let (before, _) = recorded.split_once(",\"usage\"").unwrap();
            let silent: &'static str = Box::leak(format!("{before}}}").into_boxed_str());
            fixture.script.then(Reply::Body(200, silent));
            let answer = fixture.engine.answer(client_request(client, false)).await;
            let Ok(Answer::Complete { body, .. }) = answer else { panic!("{}", attempts(&answer)) };
            let body = body.to_bytes();
            let record = fixture.records.lock().unwrap().pop().unwrap();
            let usage = record.usage.unwrap();
            assert_eq!((usage.is_estimated, usage.output), (true, 2), "{client:?} from {called:?}");
            assert!(usage.input > 0, "{usage:?}");
            if client == called {
                assert_eq!(body, silent, "a pass-through body is unchanged");
            } else {
                let value: Value = serde_json::from_slice(&body).unwrap();
                let output =
                    if client == Api::ChatCompletions { "completion_tokens" } else { "output_tokens" };
                assert_eq!(value["usage"][output], 2, "{client:?} from {called:?}: {value}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failover_to_another_api_is_invisible_to_the_client() {
    let refused = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}";
    for client in Api::ALL {
        for (first, second) in [
            (Api::Messages, Api::ChatCompletions),
            (Api::ChatCompletions, Api::Messages),
            (Api::Responses, Api::ChatCompletions),
        ] {
            let failures = [
                Reply::Body(529, refused),
                Reply::Body(500, refused),
                Reply::Refused,
                Reply::Cut(vec![]),
                Reply::Cut(vec![(0, ": waiting\n\n")]),
            ];
            for failure in failures {
                let fixture = chain(first, second);
                fixture.script.then(failure.clone());
                fixture.script.then(Reply::Events(vec![(0, stream_start(second)), (0, end(second))]));
                let (text, tried) =
                    read(fixture.engine.answer(client_request(client, true)).await.ok().unwrap()).await;
                assert!(tried.ends_with(&format!(", {}=ok", target(second))), "{failure:?}: {tried}");
                let (text_of_client, complete, _) = read_answer(client, &text);
                assert_eq!(
                    (text_of_client.as_str(), complete),
                    ("hello", true),
                    "{client:?}, {failure:?}: {text}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn interrupted_stream_ends_with_an_error_of_the_clients_api() {
    for (client, marks) in [
        (Api::Messages, ["event: error\ndata: {\"type\":\"error\"", "claudish/m was interrupted"]),
        (Api::Responses, ["event: response.failed\n", "codexish/m was interrupted"]),
    ] {
        for called in [client, Api::ChatCompletions] {
            let fixture = chain(called, called);
            fixture.script.then(Reply::Cut(vec![(0, stream_start(called))]));
            let (text, _) =
                read(fixture.engine.answer(client_request(client, true)).await.ok().unwrap()).await;
            let marks = marks.map(|mark| mark.replace(target(client), target(called)));
            assert!(marks.iter().all(|mark| text.contains(mark)), "{called:?}: {text}");
            assert_eq!(read_answer(client, &text).0, "hello", "{text}");
            assert!(!read_answer(client, &text).1, "no success: {text}");
            assert_eq!(fixture.records.lock().unwrap()[0].failure_reason.unwrap().as_str(), "truncated");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn chat_stream_of_another_api_is_continued() {
    let thinking = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n\
        event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n";
    for second in [Api::ChatCompletions, Api::Responses] {
        let fixture = chain(Api::Messages, second);
        fixture.script.then(Reply::Cut(vec![(0, thinking)]));
        fixture.script.then(Reply::Events(vec![(0, stream_start(second)), (0, end(second))]));
        let (text, _) =
            read(fixture.engine.answer(client_request(Api::ChatCompletions, true)).await.ok().unwrap()).await;
        let (text_of_client, complete, _) = read_answer(Api::ChatCompletions, &text);
        assert_eq!((text_of_client.as_str(), complete), ("hello", true), "{second:?}: {text}");
        assert!(text.contains("\"reasoning_content\":\"hm\"") && !text.contains("\"error\""), "{text}");
        let ids: std::collections::BTreeSet<_> =
            text.split("{\"id\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(ids.len(), 1, "one answer has one id: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn keep_alives_have_the_form_of_the_clients_api() {
    for (client, ping) in
        [(Api::Messages, "event: ping\ndata: {\"type\":\"ping\"}\n\n"), (Api::Responses, ": keep-alive\n\n")]
    {
        for called in [client, Api::ChatCompletions] {
            let fixture = chain(called, called);
            fixture.script.then(Reply::Events(vec![(20, stream_start(called)), (20, end(called))]));
            let (text, _) =
                read(fixture.engine.answer(client_request(client, true)).await.ok().unwrap()).await;
            assert!(text.starts_with(ping), "{text}");
            assert!(text.matches(ping).count() >= 2, "{text}");
            assert!(read_answer(client, &text).1, "{text}");
            let last = format!("\n: x-moonrelay-attempts: {}=ok\n\n", target(called));
            assert!(text.ends_with(&last), "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failure_after_the_head_is_an_error_event_of_the_clients_api() {
    for (client, mark) in
        [(Api::Messages, "event: error\n"), (Api::Responses, "\"type\":\"response.failed\"")]
    {
        let fixture = chain(Api::ChatCompletions, Api::ChatCompletions);
        fixture.script.then(Reply::Silent);
        let (text, attempts) =
            read(fixture.engine.answer(client_request(client, true)).await.ok().unwrap()).await;
        assert_eq!(attempts, "");
        assert!(text.contains(mark) && text.contains("failover.timeouts.headSeconds"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn untranslatable_request_is_rejected_unless_a_target_serves_the_api() {
    let mut odd = client_request(Api::Messages, false);
    odd.body = json!({"model": "default", "max_tokens": 9, "messages": [{"role": "user", "content": 7}]})
        .to_string()
        .into();
    let fixture = chain(Api::ChatCompletions, Api::Responses);
    let Err(RequestError::AttemptsFailed { failure, .. }) = fixture.engine.answer(odd.clone()).await else {
        panic!("answered")
    };
    assert_eq!(failure.reason.as_str(), "bad_request");
    assert!(failure.message.contains("messages[0].content"), "{}", failure.message);
    let fixture = chain(Api::ChatCompletions, Api::Messages);
    fixture.script.then(Reply::Body(200, MESSAGES_WHOLE));
    assert_eq!(attempts(&fixture.engine.answer(odd).await), "chatty/m=bad_request, claudish/m=ok");
}

#[tokio::test(start_paused = true)]
async fn rejected_chat_client_does_not_block_messages_clients() {
    let text = r#"{ agents: { defaults: { model: "kimi/kimi-for-coding" } },
                    models: { providers: { kimi: { apiKey: "sk-kimi-000000" } } }, failover: { attemptsPerTarget: 1 } }"#;
    let fixture = Fixture::with(text, &[]);
    let gate = "{\"error\":{\"message\":\"Kimi For Coding is currently only available for Coding Agents such as Kimi CLI, Claude Code, Roo Code, Kilo Code, etc.\",\"type\":\"access_terminated_error\"}}";
    fixture.script.then(Reply::Body(403, gate));
    let refused = fixture.engine.answer(client_request(Api::ChatCompletions, false)).await;
    assert_eq!(attempts(&refused), "kimi/kimi-for-coding=forbidden_client");
    fixture.script.then(Reply::Body(200, MESSAGES_WHOLE));
    assert_eq!(
        attempts(&fixture.engine.answer(client_request(Api::Messages, false)).await),
        "kimi/kimi-for-coding=ok"
    );
    tokio::time::advance(Duration::from_secs(1)).await;
    let state = fixture.engine.state();
    assert!(state.find_provider_cooldown("kimi").is_none(), "no provider is in cooldown");
}

#[tokio::test(start_paused = true)]
async fn failed_token_count_is_estimated_without_cooldown() {
    let text = r#"{ agents: { defaults: { model: "kimi/kimi-for-coding" } },
                    models: { providers: { kimi: { apiKey: "sk-kimi-000000" } } } }"#;
    let fixture = Fixture::with(text, &[]);
    let ask = || fixture.engine.count_tokens(client_request(Api::Messages, false));
    fixture.script.then(Reply::Body(200, "{\"input_tokens\":42}"));
    let count = ask().await.ok().unwrap();
    assert_eq!((count.tokens, count.counted_by.as_deref()), (42, Some("kimi/kimi-for-coding")));
    let url = fixture.script.calls.lock().unwrap()[0].url.clone();
    assert_eq!(url, "https://api.kimi.com/coding/v1/messages/count_tokens");
    for reply in [Reply::Silent, Reply::Refused, Reply::Body(404, "{}"), Reply::Body(200, "<html>")] {
        let started = tokio::time::Instant::now();
        fixture.script.then(reply);
        let count = ask().await.ok().unwrap();
        assert_eq!(count.counted_by, None);
        assert!((5..20).contains(&count.tokens) && started.elapsed().as_secs() <= 3, "{count:?}");
    }
    assert!(fixture.engine.state().find_provider_cooldown("kimi").is_none());
    assert!(fixture.records.lock().unwrap().is_empty(), "a count has no record");
}

#[tokio::test(start_paused = true)]
async fn translated_message_starts_with_estimated_and_ends_with_reported_usage() {
    let fixture = chain(Api::ChatCompletions, Api::ChatCompletions);
    fixture.script.then(Reply::Events(vec![(0, CHAT_STREAM), (0, CHAT_END)]));
    let (text, _) =
        read(fixture.engine.answer(client_request(Api::Messages, true)).await.ok().unwrap()).await;
    let events: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    let usage = &events[0]["message"]["usage"];
    assert!(usage["input_tokens"].as_u64().unwrap() > 7 && usage["estimated"] == true, "{usage}");
    let last = &events[events.len() - 2]["usage"];
    assert_eq!((&last["input_tokens"], last.get("estimated")), (&json!(7), None), "{last}");
}

/// Claude's thinking with a tool call, whole and streamed.
const THINKING_CALL: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"Hm.","signature":"sig=="},{"type":"text","text":"I look."},{"type":"tool_use","id":"toolu_1","name":"look","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":7,"output_tokens":3}}"#;
const THINKING_STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n\
event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Hm.\"}}\n\n\
event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"sig==\"}}\n\n\
event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"I look.\"}}\n\n\
event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"look\",\"input\":{}}}\n\n\
event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n\
event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":3}}\n\n\
event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[tokio::test(start_paused = true)]
async fn chat_client_keeps_its_signed_thinking_and_another_client_gets_none() {
    for (is_streaming, reply) in
        [(false, Reply::Body(200, THINKING_CALL)), (true, Reply::Events(vec![(0, THINKING_STREAM)]))]
    {
        let fixture = chain(Api::Messages, Api::Messages);
        let ask = async |client: Option<&str>, text: &str, reply: Reply| -> Value {
            fixture.script.then(reply);
            let call =
                json!({"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": "{}"}});
            let messages = json!([
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": text, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "toolu_1", "content": "seen"},
            ]);
            let body = json!({"model": "default", "stream": is_streaming, "messages": messages});
            let asked = ClientRequest { client: client.map(str::to_owned), ..request(&body) };
            if let answer @ Answer::Stream { .. } = fixture.engine.answer(asked).await.ok().unwrap() {
                read(answer).await;
            }
            let calls = fixture.script.calls.lock().unwrap();
            let sent: Value = serde_json::from_slice(&calls.last().unwrap().body.concat()).unwrap();
            sent["messages"][1]["content"].clone()
        };
        let kinds = |content: &Value| -> Vec<String> {
            content
                .as_array()
                .unwrap()
                .iter()
                .map(|block| block["type"].as_str().unwrap().to_owned())
                .collect()
        };
        let bare = ask(Some("one"), "I look.", reply.clone()).await;
        assert_eq!(kinds(&bare), ["text", "tool_use"], "nothing is known before the first answer");
        let own = ask(Some("one"), "I look.", reply.clone()).await;
        assert_eq!(kinds(&own), ["thinking", "text", "tool_use"], "streamed: {is_streaming}");
        assert_eq!((&own[0]["thinking"], &own[0]["signature"]), (&json!("Hm."), &json!("sig==")));
        assert_eq!(kinds(&ask(Some("one"), "I lied.", reply.clone()).await), ["text", "tool_use"]);
        assert_eq!(kinds(&ask(None, "I look.", reply.clone()).await), ["text", "tool_use"]);
        let second = ask(Some("two"), "I look.", reply).await;
        assert_eq!(kinds(&second), ["text", "tool_use"], "another client's calls have the same ids");
    }
}
