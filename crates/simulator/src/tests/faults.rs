//! Faults, on streamed and complete answers.

use std::io;
use std::io::Read as _;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use tokio::time::timeout;

use crate::FaultDescription;
use crate::list_faults;
use crate::tests::client::End;
use crate::tests::client::Reply;
use crate::tests::client::read_until;
use crate::tests::*;

/// Long enough not to pass for an answer, short enough to wait for.
const SILENCE: Duration = Duration::from_millis(100);

fn hello(stream: bool) -> Value {
    let body = ask("kimi-k2.6", "hello there, dear everyone");
    if stream { streaming(body) } else { body }
}

async fn faulty(spec: &str, stream: bool) -> Reply {
    Running::with(&[spec]).await.moonshot().chat(&hello(stream)).await
}

fn serves_chat(provider: Provider) -> bool {
    provider.apis().contains(&Api::ChatCompletions)
}

fn client(running: &Running, provider: Provider) -> (Client, &'static str) {
    match provider {
        Provider::Moonshot => (running.moonshot(), "kimi-k3"),
        Provider::Kimi => (running.kimi(), "kimi-for-coding"),
        Provider::OpenRouter => (running.openrouter(), "moonshotai/kimi-k3"),
        Provider::Anthropic => (running.prompting(provider), "claude-opus-5"),
        Provider::OpenAi => (running.prompting(provider), "gpt-5.4"),
    }
}

#[tokio::test]
async fn every_documented_error_comes_with_its_status_and_text_streamed_or_not() {
    let running = Running::new().await;
    let documented: Vec<FaultDescription> =
        list_faults().into_iter().filter(|kind| kind.provider.is_some_and(serves_chat)).collect();
    assert!(documented.len() > 60);
    for kind in documented {
        let provider = kind.provider.unwrap();
        let (client, model) = client(&running, provider);
        for stream in [false, true] {
            running.control.add_fault(format!("{provider}:{},times=1", kind.name).parse().unwrap());
            let body = if stream { streaming(ask(model, "x")) } else { ask(model, "x") };
            let reply = client.chat(&body).await;
            assert_eq!(Some(reply.status), kind.status, "{provider}:{}", kind.name);
            assert_eq!(reply.end, End::Clean);
            let error = &reply.json()["error"];
            let text = error["message"].as_str().unwrap();
            assert!(!text.is_empty() && !text.contains('{'), "{text}");
            if provider == Provider::OpenRouter {
                assert_eq!(error["code"], reply.status);
            } else {
                assert!(error["type"].is_string());
            }
        }
        let after = client.chat(&ask(model, "x")).await;
        assert_eq!(after.status, 200, "the fault is used up");
    }
}

#[tokio::test]
async fn metadata_of_every_openrouter_error_is_json() {
    let running = Running::with(&["openrouter:in_flight_budget"]).await;
    let reply = running.openrouter().chat(&ask("openrouter/auto", "x")).await;
    assert_eq!(reply.status, 402);
    assert_eq!(reply.header("retry-after"), Some("4"));
    assert_eq!(reply.json()["error"]["metadata"]["limit_source"], "openrouter_in_flight_budget");
    for kind in list_faults() {
        if kind.provider == Some(Provider::OpenRouter) && !kind.name.ends_with("_key") {
            running.control.clear_faults();
            running.control.add_fault(format!("openrouter:{}", kind.name).parse().unwrap());
            let reply = running.openrouter().chat(&ask("openrouter/auto", "x")).await;
            assert!(reply.json()["error"]["metadata"].is_object(), "{}", kind.name);
        }
    }
}

#[tokio::test]
async fn retry_after_joins_an_error() {
    let reply = faulty("moonshot:overloaded,retry_after=7", true).await;
    assert_eq!((reply.header("retry-after"), reply.header("x-retry-after")), (Some("7"), Some("7")));
    let reply = faulty("retry_after:9", false).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("9")));
    let reply = faulty("*:status:418", false).await;
    assert_eq!(reply.status, 418);
    let running = Running::with(&["openrouter:rate_limit"]).await;
    let reply = running.openrouter().chat(&ask("openrouter/auto", "x")).await;
    assert_eq!(reply.header("x-ratelimit-remaining"), Some("0"));
}

#[tokio::test]
async fn refused_and_reset_connections_end_with_a_reset_and_no_byte() {
    for spec in ["refuse", "reset_before", "moonshot/kimi-k2.6:refuse"] {
        for stream in [false, true] {
            let running = Running::with(&[spec]).await;
            let body = hello(stream).to_string();
            let (bytes, error) =
                running.moonshot().exchange("POST", "/chat/completions", body.as_bytes()).await;
            assert_eq!(bytes, b"", "{spec}");
            assert_eq!(error.map(|error| error.kind()), Some(io::ErrorKind::ConnectionReset), "{spec}");
            assert_eq!(running.moonshot().get("/models").await.status, 200, "only chat is hit");
        }
    }
}

#[tokio::test]
async fn reset_after_so_many_bytes_sends_exactly_those() {
    for stream in [false, true] {
        for bytes in [0, 1, 100, 250] {
            let reply = faulty(&format!("reset_after:{bytes}"), stream).await;
            assert_eq!((reply.status, reply.body.len(), reply.end), (200, bytes, End::Reset));
        }
    }
}

#[tokio::test]
async fn no_head_says_nothing_until_the_client_goes() {
    let running = Running::with(&["no_head"]).await;
    for stream in [false, true] {
        let mut socket = running.moonshot().open_chat(&hello(stream)).await;
        assert!(running.control.wait_for(Duration::from_secs(5), |stats| stats.total > 0).await);
        assert!(timeout(SILENCE, socket.read_u8()).await.is_err());
    }
    assert!(running.control.wait_for(Duration::from_secs(1), |stats| stats.cancelled == 2).await);
    assert_eq!(running.control.requests()[0].status, None);
}

#[tokio::test]
async fn stalls_keep_the_connection_and_stop_where_they_should() {
    for (spec, stream, mark, absent) in [
        ("no_first_byte", true, "\r\n\r\n", "data:"),
        ("no_first_byte", false, "\r\n\r\n", "{"),
        ("role_then_stall", true, "\"role\":\"assistant\"", "\"reasoning_content\""),
        ("role_then_stall", false, "{\"id\"", "message"),
        ("stall:2", true, "\"reasoning_content\"", "[DONE]"),
        ("stall:2", false, "{\"id\"", "usage"),
        ("stall:9999", true, "\"content\":\"everyone", "finish_reason\":\"stop"),
    ] {
        let running = Running::with(&[spec]).await;
        let mut socket = running.moonshot().open_chat(&hello(stream)).await;
        let mut seen = read_until(&mut socket, mark.split("everyone").next().unwrap()).await;
        let mut rest = Vec::new();
        let quiet = timeout(SILENCE, socket.read_to_end(&mut rest)).await;
        assert!(quiet.is_err(), "{spec} stays open");
        seen.push_str(&String::from_utf8_lossy(&rest));
        assert!(!seen.contains(absent), "{spec}: {absent} in {seen}");
        drop(socket);
        let gone = running.control.wait_for(Duration::from_secs(1), |stats| stats.cancelled == 1).await;
        assert!(gone, "{spec}: the client's going away is seen within a second");
    }
}

#[tokio::test]
async fn truncated_answers_end_cleanly_and_too_early() {
    let reply = faulty("truncate:2", true).await;
    assert_eq!(reply.end, End::Clean);
    let events = reply.events();
    assert_eq!(events.len(), 3, "the role and two chunks");
    assert!(!reply.text().contains("[DONE]"));
    let reply = faulty("truncate:2", false).await;
    assert_eq!((reply.end, reply.body.len()), (End::Clean, 64));
    assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
    let reply = faulty("truncate_no_done", true).await;
    assert!(!reply.text().contains("[DONE]"));
    assert!(reply.text().contains("\"finish_reason\":\"stop\""));
}

#[tokio::test]
async fn malformed_bodies_are_malformed_in_one_place() {
    for spec in ["malformed_json", "malformed_json:2", "malformed_sse", "malformed_sse:1"] {
        let whole = faulty(spec, false).await;
        assert_eq!((whole.status, whole.end), (200, End::Clean));
        assert!(serde_json::from_slice::<Value>(&whole.body).is_err(), "{spec}");
    }
    let reply = faulty("malformed_json:1", true).await;
    let text = reply.text();
    let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let broken: Vec<usize> =
        (0..data.len() - 1).filter(|index| serde_json::from_str::<Value>(data[*index]).is_err()).collect();
    assert_eq!(broken, [2], "behind the role and one chunk");
    assert!(text.ends_with("data: [DONE]\n\n"));
    let text = faulty("malformed_sse", true).await.text();
    assert!(text.contains("<<<this is not an event stream>>>") && !text.contains("[DONE]"));
}

#[tokio::test]
async fn errors_in_a_200_have_the_providers_shape() {
    let reply = faulty("error_chunk_first", true).await;
    assert_eq!(reply.events().len(), 1);
    assert_eq!(reply.events()[0]["error"]["type"], "server_error");
    let events = faulty("error_chunk_after:2", true).await.events();
    assert_eq!(events.len(), 4);
    assert!(events[3]["error"].is_object());

    let running = Running::with(&["openrouter:error_chunk_after=1"]).await;
    let events = running.openrouter().chat(&streaming(ask("openrouter/auto", "hi"))).await.events();
    let last = events.last().unwrap();
    assert_eq!(last["error"]["code"], 502);
    assert_eq!(last["choices"][0]["finish_reason"], "error");

    for (spec, stream) in [("error_in_200", false), ("error_in_200", true)] {
        let reply = faulty(spec, stream).await;
        assert_eq!(reply.status, 200);
        assert!(reply.json()["error"]["message"].is_string());
    }
}

#[tokio::test]
async fn error_chunks_become_error_objects_in_whole_answers() {
    for spec in ["error_chunk_first", "error_chunk_after:3"] {
        let reply = faulty(spec, false).await;
        assert_eq!(reply.status, 200);
        assert!(reply.json()["error"].is_object(), "{spec}");
    }
}

#[tokio::test]
async fn empty_answers_finish_and_say_nothing() {
    let reply = faulty("empty", true).await;
    assert_eq!(reply.delta("content") + &reply.delta("reasoning_content"), "");
    assert!(reply.text().contains("\"finish_reason\":\"stop\"") && reply.text().contains("[DONE]"));
    let answer = faulty("empty", false).await.json();
    assert_eq!(answer["choices"][0]["message"], json!({ "role": "assistant", "content": "" }));
    assert_eq!(answer["usage"]["completion_tokens"], 0);
}

#[tokio::test]
async fn pages_and_compressed_errors() {
    for stream in [false, true] {
        let page = faulty("html_504", stream).await;
        assert_eq!((page.status, page.header("content-type")), (504, Some("text/html; charset=utf-8")));
        assert!(page.text().starts_with("<html>"));
        assert_eq!(faulty("html_200", stream).await.status, 200);

        let packed = faulty("gzip_error:429", stream).await;
        assert_eq!((packed.status, packed.header("content-encoding")), (429, Some("gzip")));
        let mut text = String::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut text).unwrap();
        assert!(serde_json::from_str::<Value>(&text).unwrap()["error"]["message"].is_string());

        let false_pack = faulty("invalid_gzip", stream).await;
        assert_eq!((false_pack.status, false_pack.header("content-encoding")), (500, Some("gzip")));
        assert!(false_pack.json()["error"].is_object());
    }
}

#[tokio::test]
async fn leaked_markup_stands_in_the_text_and_nowhere_else() {
    let running = Running::with(&["leak_markup"]).await;
    let mut body = streaming(ask("kimi-k2.6", "call get_weather"));
    body["tools"] = weather();
    let reply = running.moonshot().chat(&body).await;
    assert_eq!(
        reply.delta("content"),
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>\
         {\"city\":\"Paris\"}<|tool_call_end|><|tool_calls_section_end|>"
    );
    assert!(!reply.text().contains("\"tool_calls\":"));
    assert!(reply.text().contains("\"finish_reason\":\"stop\""));
}

#[tokio::test]
async fn roles_can_be_left_out() {
    assert!(!faulty("no_role", true).await.text().contains("\"role\""));
    assert!(faulty("no_role", false).await.json()["choices"][0]["message"].get("role").is_none());
    let running = Running::with(&["openrouter:no_role"]).await;
    let reply = running.openrouter().chat(&streaming(ask("openrouter/auto", "hi"))).await;
    assert!(!reply.text().contains("\"role\""));
    assert_eq!(reply.delta("content"), "openai/gpt-5-mini via openrouter: hi");
}

#[tokio::test]
async fn cuts_fall_anywhere_and_lose_nothing() {
    let plain = faulty("moonshot/none:empty", true).await;
    for size in [1, 7, 1000] {
        let running = Running::with(&[&format!("split:{size}"), "crlf"]).await;
        let body = streaming(ask("kimi-k2.6", "reply with 20 words"));
        let reply = running.moonshot().chat(&body).await;
        assert!(reply.chunks.iter().rev().skip(1).all(|chunk| *chunk == size), "{:?}", reply.chunks);
        assert_eq!(reply.text().matches('\n').count(), reply.text().matches("\r\n").count());
        assert_eq!(reply.delta("content").split(' ').count(), 20);
        assert!(reply.text().ends_with("data: [DONE]\r\n\r\n"));
    }
    assert!(plain.text().contains("[DONE]"), "a fault for another model does not hit");
}

#[tokio::test]
async fn a_drip_pauses_before_every_chunk() {
    let running = Running::with(&["drip:20"]).await;
    let begun = Instant::now();
    let reply = running.moonshot().chat(&hello(true)).await;
    let chunks = u32::try_from(reply.chunks.len()).unwrap();
    assert!(chunks > 5);
    assert!(begun.elapsed() >= Duration::from_millis(20) * chunks);
    let reply = running.moonshot().chat(&hello(false)).await;
    assert_eq!(reply.end, End::Clean);
    assert!(reply.json()["choices"].is_array());
}

#[tokio::test]
async fn two_hundred_dripping_streams_end_together() {
    let running = Running::with(&["drip:10"]).await;
    let body = streaming(ask("kimi-k2.6", "reply with 600 bytes"));
    let client = running.moonshot();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let (client, body) = (client.clone(), body.clone());
            tokio::spawn(async move { client.chat(&body).await.delta("content").len() })
        })
        .collect();
    // One after another they would take two minutes, and the client loses patience long before.
    for task in tasks {
        assert_eq!(task.await.unwrap(), 600);
    }
    assert!(running.control.wait_for(Duration::from_secs(5), |stats| stats.in_flight == 0).await);
    assert_eq!(running.control.stats().cancelled, 0);
}
