//! Every fault on every API.

use super::client::{End, Reply};
use super::*;
use crate::simulator::{FaultDescription, list_faults};

const TEXT: &str = "reply with 60 words";

/// What one fault makes of one request.
async fn faulty(running: &Running, provider: Provider, face: Api, spec: &str, stream: bool) -> Reply {
    running.control.clear_faults();
    running.control.add_fault(format!("{provider}:{spec},face={face},times=1").parse().unwrap());
    let (client, model) = running.face(provider, face);
    let body = prompt(face, model, TEXT);
    client.post(face.route(), &if stream { streaming(body) } else { body }).await
}

fn each() -> impl Iterator<Item = (Provider, Api)> {
    Provider::ALL.into_iter().flat_map(|provider| Api::ALL.map(|face| (provider, face)))
}

/// The visible text of a stream, on any API.
fn text(reply: &Reply, face: Api) -> String {
    let said = |event: &Value| match face {
        Api::ChatCompletions => event.pointer("/choices/0/delta/content").cloned(),
        Api::Messages => event.pointer("/delta/text").cloned(),
        Api::Responses => {
            event.get("delta").filter(|_| event["type"] == "response.output_text.delta").cloned()
        }
    };
    reply.events().iter().filter_map(|event| said(event)?.as_str().map(str::to_owned)).collect()
}

/// Whether a stream has the reason why the answer is finished.
fn finished(reply: &Reply, face: Api) -> bool {
    reply.events().iter().any(|event| match face {
        Api::ChatCompletions => event["choices"][0]["finish_reason"].is_string(),
        Api::Messages => event["delta"]["stop_reason"].is_string(),
        Api::Responses => event["response"]["status"] == "completed",
    })
}

#[tokio::test]
async fn every_documented_error_has_its_status_and_a_message_on_every_face() {
    let running = Running::new().await;
    let documented: Vec<FaultDescription> =
        list_faults().into_iter().filter(|kind| kind.provider.is_some()).collect();
    for kind in documented {
        let provider = kind.provider.unwrap();
        for face in [Api::Messages, Api::Responses] {
            let reply = faulty(&running, provider, face, kind.name, true).await;
            assert_eq!(Some(reply.status), kind.status, "{provider}:{}", kind.name);
            let body = reply.json();
            assert!(body["error"]["message"].as_str().is_some_and(|text| text.len() > 5), "{body}");
            let bare = provider == Provider::Moonshot && [401, 429].contains(&reply.status);
            assert_eq!(body["type"] == "error", face == Api::Messages && !bare, "{body}");
            assert_eq!(
                reply.header("retry-after").is_some(),
                body_waits(provider, kind.name),
                "{}",
                kind.name
            );
        }
    }
}

/// Whether the provider sends Retry-After with this error, the same on all APIs.
fn body_waits(provider: Provider, word: &str) -> bool {
    match provider {
        Provider::Moonshot => {
            ["overloaded", "rate_limit", "concurrency", "tokens_per_minute"].contains(&word)
        }
        Provider::Kimi => false,
        Provider::OpenRouter => ["in_flight_budget", "rate_limit"].contains(&word),
    }
}

#[tokio::test]
async fn streams_are_cut_and_spoilt_on_every_face() {
    let running = Running::new().await;
    for (provider, face) in each() {
        let place = format!("{provider} {face}");
        let (client, model) = running.face(provider, face);
        let whole = client.post(face.route(), &streaming(prompt(face, model, TEXT))).await;
        let answer = text(&whole, face);
        assert!(finished(&whole, face) && answer.split(' ').count() == 60, "{place}: {answer}");

        let cut = faulty(&running, provider, face, "truncate=6", true).await;
        assert_eq!((cut.end, finished(&cut, face)), (End::Clean, false), "{place}");
        let half = text(&cut, face);
        assert!(
            !half.is_empty() && half.len() < answer.len() && answer.starts_with(&half),
            "{place}: {half}"
        );

        let endless = faulty(&running, provider, face, "truncate_no_done", true).await;
        assert_eq!(text(&endless, face), answer, "{place}");
        for end in ["[DONE]", "message_stop", "response.completed"] {
            assert!(!endless.text().contains(end), "{place}: {end}");
        }

        let reset = faulty(&running, provider, face, "reset_after=700", true).await;
        assert_eq!((reset.body.len(), reset.end), (700, End::Reset), "{place}");

        let broken = faulty(&running, provider, face, "malformed_json=2", true).await;
        let data: Vec<_> = broken
            .text()
            .lines()
            .filter_map(|line| Some(line.strip_prefix("data: ")?.to_owned()))
            .filter(|data| data != "[DONE]" && serde_json::from_str::<Value>(data).is_err())
            .collect();
        assert_eq!(data.len(), 1, "{place}");

        let foreign = faulty(&running, provider, face, "malformed_sse=2", true).await;
        assert!(foreign.text().contains("<<<this is not an event stream>>>"), "{place}");

        let split = faulty(&running, provider, face, "split=1", true).await;
        assert_eq!(text(&split, face), answer, "{place}");
        let crlf = faulty(&running, provider, face, "crlf", true).await;
        assert!(crlf.text().contains("\r\n\r\n") && text(&crlf, face) == answer, "{place}");
        let nobody = faulty(&running, provider, face, "no_role", true).await;
        assert!(!nobody.text().contains(r#""role":"assistant""#) && text(&nobody, face) == answer, "{place}");
        let empty = faulty(&running, provider, face, "empty", true).await;
        assert!(finished(&empty, face) && text(&empty, face).is_empty(), "{place}");
        let leak = faulty(&running, provider, face, "leak_markup", true).await;
        assert!(text(&leak, face).starts_with("<|tool_calls_section_begin|>"), "{place}");
    }
}

#[tokio::test]
async fn errors_come_in_a_stream_as_the_face_has_them() {
    let running = Running::new().await;
    for (provider, face) in each() {
        for (spec, begun) in [("error_chunk_first", false), ("error_chunk_after=3", true)] {
            let reply = faulty(&running, provider, face, spec, true).await;
            // OpenRouter's chunk on the Chat Completions API has `finish_reason: "error"`.
            assert!(face == Api::ChatCompletions || !finished(&reply, face), "{provider} {face}");
            let events = reply.events();
            assert_eq!(events.len() > 1, begun, "{provider} {face}");
            let last = events.last().unwrap();
            let expected = match face {
                Api::Responses if begun => json!("response.failed"),
                Api::Messages if provider == Provider::Moonshot => Value::Null,
                Api::ChatCompletions => Value::Null,
                _ => json!("error"),
            };
            assert_eq!(last["type"], expected, "{provider} {face}");
            let message = match face {
                Api::Responses if begun => &last["response"]["error"]["message"],
                Api::Responses => &last["message"],
                _ => &last["error"]["message"],
            };
            assert!(message.is_string(), "{provider} {face}: {last}");
            if face == Api::Responses {
                assert_eq!(last["sequence_number"], events.len() - 1);
            }
            let whole = faulty(&running, provider, face, spec, false).await;
            assert_eq!((whole.status, whole.json()["error"].is_object()), (200, true), "{provider} {face}");
        }
    }
}

#[tokio::test]
async fn whole_answers_are_spoilt_on_every_face() {
    let running = Running::new().await;
    for (provider, face) in each() {
        let place = format!("{provider} {face}");
        let cut = faulty(&running, provider, face, "truncate=2", false).await;
        assert_eq!((cut.status, cut.body.len(), cut.end), (200, 64, End::Clean), "{place}");
        for spec in ["malformed_json", "malformed_sse", "html_200"] {
            let reply = faulty(&running, provider, face, spec, false).await;
            assert!(reply.status == 200 && serde_json::from_slice::<Value>(&reply.body).is_err(), "{place}");
        }
        let page = faulty(&running, provider, face, "html_504", false).await;
        assert!(page.status == 504 && page.text().starts_with("<html>"), "{place}");
        let error = faulty(&running, provider, face, "error_in_200", true).await;
        assert!(error.status == 200 && error.json()["error"]["message"].is_string(), "{place}");
        let zipped = faulty(&running, provider, face, "gzip_error=503", false).await;
        assert_eq!((zipped.status, zipped.header("content-encoding")), (503, Some("gzip")), "{place}");
        let nobody = faulty(&running, provider, face, "no_role", false).await;
        assert!(!nobody.text().contains(r#""role":"assistant""#), "{place}");
        let empty = faulty(&running, provider, face, "empty", false).await.json();
        match face {
            Api::ChatCompletions => assert_eq!(empty["choices"][0]["message"]["content"], "", "{place}"),
            Api::Messages => assert_eq!(empty["content"], json!([]), "{place}"),
            Api::Responses => assert_eq!(empty["output"], json!([]), "{place}"),
        }
    }
}

#[tokio::test]
async fn a_fault_of_one_face_leaves_the_others_alone() {
    let running = Running::with(&["kimi:overloaded,face=messages"]).await;
    let mut statuses = Vec::new();
    for face in Api::ALL {
        let (client, model) = running.face(Provider::Kimi, face);
        statuses.push(client.post(face.route(), &prompt(face, model, "x")).await.status);
    }
    assert_eq!(statuses, [200, 429, 200]);
    let record = running.own().get("/_requests").await.json();
    let faces: Vec<_> =
        record["requests"].as_array().unwrap().iter().map(|request| &request["face"]).collect();
    assert_eq!(faces, ["chat", "messages", "responses"]);
    let wrong = "kimi:overloaded,face=soap".parse::<Fault>().unwrap_err().to_string();
    assert_eq!(wrong, "`soap` is not chat, messages, responses or *");
}
