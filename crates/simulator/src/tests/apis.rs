//! Every fault on every API.

use crate::FaultDescription;
use crate::list_faults;
use crate::tests::client::End;
use crate::tests::client::Reply;
use crate::tests::*;

const TEXT: &str = "reply with 60 words";

/// What one fault makes of one request.
async fn faulty(running: &Running, provider: Provider, api: Api, spec: &str, stream: bool) -> Reply {
    running.control.clear_faults();
    running.control.add_fault(format!("{provider}:{spec},face={api},times=1").parse().unwrap());
    let (client, model) = running.api(provider, api);
    let body = prompt(api, model, TEXT);
    client.post(api.route(), &if stream { streaming(body) } else { body }).await
}

fn each() -> impl Iterator<Item = (Provider, Api)> {
    KIMI_HOSTS.into_iter().flat_map(|provider| Api::ALL.map(|api| (provider, api)))
}

/// The visible text of a stream, on any API.
fn text(reply: &Reply, api: Api) -> String {
    let said = |event: &Value| match api {
        Api::ChatCompletions => event.pointer("/choices/0/delta/content").cloned(),
        Api::Messages => event.pointer("/delta/text").cloned(),
        Api::Responses => {
            event.get("delta").filter(|_| event["type"] == "response.output_text.delta").cloned()
        }
    };
    reply.events().iter().filter_map(|event| said(event)?.as_str().map(str::to_owned)).collect()
}

/// Whether a stream has the reason why the answer is finished.
fn finished(reply: &Reply, api: Api) -> bool {
    reply.events().iter().any(|event| match api {
        Api::ChatCompletions => event["choices"][0]["finish_reason"].is_string(),
        Api::Messages => event["delta"]["stop_reason"].is_string(),
        Api::Responses => event["response"]["status"] == "completed",
    })
}

#[tokio::test]
async fn every_documented_error_has_its_status_and_a_message_on_every_api() {
    let running = Running::new().await;
    let documented: Vec<FaultDescription> =
        list_faults().into_iter().filter(|kind| kind.provider.is_some()).collect();
    for kind in documented {
        let provider = kind.provider.unwrap();
        for &api in provider.apis().iter().filter(|api| **api != Api::ChatCompletions) {
            let reply = faulty(&running, provider, api, kind.name, true).await;
            assert_eq!(Some(reply.status), kind.status, "{provider}:{}", kind.name);
            let body = reply.json();
            assert!(body["error"]["message"].as_str().is_some_and(|text| text.len() > 5), "{body}");
            let bare = provider == Provider::Moonshot && [401, 429].contains(&reply.status);
            assert_eq!(body["type"] == "error", api == Api::Messages && !bare, "{body}");
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
        Provider::Anthropic | Provider::OpenAi => word == "rate_limit",
    }
}

#[tokio::test]
async fn streams_are_cut_and_spoilt_on_every_api() {
    let running = Running::new().await;
    for (provider, api) in each() {
        let place = format!("{provider} {api}");
        let (client, model) = running.api(provider, api);
        let whole = client.post(api.route(), &streaming(prompt(api, model, TEXT))).await;
        let answer = text(&whole, api);
        assert!(finished(&whole, api) && answer.split(' ').count() == 60, "{place}: {answer}");

        let cut = faulty(&running, provider, api, "truncate=6", true).await;
        assert_eq!((cut.end, finished(&cut, api)), (End::Clean, false), "{place}");
        let half = text(&cut, api);
        assert!(
            !half.is_empty() && half.len() < answer.len() && answer.starts_with(&half),
            "{place}: {half}"
        );

        let endless = faulty(&running, provider, api, "truncate_no_done", true).await;
        assert_eq!(text(&endless, api), answer, "{place}");
        for end in ["[DONE]", "message_stop", "response.completed"] {
            assert!(!endless.text().contains(end), "{place}: {end}");
        }

        let reset = faulty(&running, provider, api, "reset_after=700", true).await;
        assert_eq!((reset.body.len(), reset.end), (700, End::Reset), "{place}");

        let broken = faulty(&running, provider, api, "malformed_json=2", true).await;
        let data: Vec<_> = broken
            .text()
            .lines()
            .filter_map(|line| Some(line.strip_prefix("data: ")?.to_owned()))
            .filter(|data| data != "[DONE]" && serde_json::from_str::<Value>(data).is_err())
            .collect();
        assert_eq!(data.len(), 1, "{place}");

        let foreign = faulty(&running, provider, api, "malformed_sse=2", true).await;
        assert!(foreign.text().contains("<<<this is not an event stream>>>"), "{place}");

        let split = faulty(&running, provider, api, "split=1", true).await;
        assert_eq!(text(&split, api), answer, "{place}");
        let crlf = faulty(&running, provider, api, "crlf", true).await;
        assert!(crlf.text().contains("\r\n\r\n") && text(&crlf, api) == answer, "{place}");
        let without_role = faulty(&running, provider, api, "no_role", true).await;
        assert!(
            !without_role.text().contains(r#""role":"assistant""#) && text(&without_role, api) == answer,
            "{place}"
        );
        let empty = faulty(&running, provider, api, "empty", true).await;
        assert!(finished(&empty, api) && text(&empty, api).is_empty(), "{place}");
        let leak = faulty(&running, provider, api, "leak_markup", true).await;
        assert!(text(&leak, api).starts_with("<|tool_calls_section_begin|>"), "{place}");
    }
}

#[tokio::test]
async fn errors_come_in_a_stream_as_the_api_has_them() {
    let running = Running::new().await;
    for (provider, api) in each() {
        for (spec, begun) in [("error_chunk_first", false), ("error_chunk_after=3", true)] {
            let reply = faulty(&running, provider, api, spec, true).await;
            // OpenRouter's chunk on the Chat Completions API has `finish_reason: "error"`.
            assert!(api == Api::ChatCompletions || !finished(&reply, api), "{provider} {api}");
            let events = reply.events();
            assert_eq!(events.len() > 1, begun, "{provider} {api}");
            let last = events.last().unwrap();
            let expected = match api {
                Api::Responses if begun => json!("response.failed"),
                Api::Messages if provider == Provider::Moonshot => Value::Null,
                Api::ChatCompletions => Value::Null,
                _ => json!("error"),
            };
            assert_eq!(last["type"], expected, "{provider} {api}");
            let message = match api {
                Api::Responses if begun => &last["response"]["error"]["message"],
                Api::Responses => &last["message"],
                _ => &last["error"]["message"],
            };
            assert!(message.is_string(), "{provider} {api}: {last}");
            if api == Api::Responses {
                assert_eq!(last["sequence_number"], events.len() - 1);
            }
            let whole = faulty(&running, provider, api, spec, false).await;
            assert_eq!((whole.status, whole.json()["error"].is_object()), (200, true), "{provider} {api}");
        }
    }
}

#[tokio::test]
async fn whole_answers_are_spoilt_on_every_api() {
    let running = Running::new().await;
    for (provider, api) in each() {
        let place = format!("{provider} {api}");
        let cut = faulty(&running, provider, api, "truncate=2", false).await;
        assert_eq!((cut.status, cut.body.len(), cut.end), (200, 64, End::Clean), "{place}");
        for spec in ["malformed_json", "malformed_sse", "html_200"] {
            let reply = faulty(&running, provider, api, spec, false).await;
            assert!(reply.status == 200 && serde_json::from_slice::<Value>(&reply.body).is_err(), "{place}");
        }
        let page = faulty(&running, provider, api, "html_504", false).await;
        assert!(page.status == 504 && page.text().starts_with("<html>"), "{place}");
        let error = faulty(&running, provider, api, "error_in_200", true).await;
        assert!(error.status == 200 && error.json()["error"]["message"].is_string(), "{place}");
        let zipped = faulty(&running, provider, api, "gzip_error=503", false).await;
        assert_eq!((zipped.status, zipped.header("content-encoding")), (503, Some("gzip")), "{place}");
        let without_role = faulty(&running, provider, api, "no_role", false).await;
        assert!(!without_role.text().contains(r#""role":"assistant""#), "{place}");
        let empty = faulty(&running, provider, api, "empty", false).await.json();
        match api {
            Api::ChatCompletions => assert_eq!(empty["choices"][0]["message"]["content"], "", "{place}"),
            Api::Messages => assert_eq!(empty["content"], json!([]), "{place}"),
            Api::Responses => assert_eq!(empty["output"], json!([]), "{place}"),
        }
    }
}

#[tokio::test]
async fn a_fault_of_one_api_leaves_the_others_alone() {
    let running = Running::with(&["kimi:overloaded,face=messages"]).await;
    let mut statuses = Vec::new();
    for api in Api::ALL {
        let (client, model) = running.api(Provider::Kimi, api);
        statuses.push(client.post(api.route(), &prompt(api, model, "x")).await.status);
    }
    assert_eq!(statuses, [200, 429, 200]);
    let record = running.own().get("/_requests").await.json();
    let apis: Vec<_> =
        record["requests"].as_array().unwrap().iter().map(|request| &request["face"]).collect();
    assert_eq!(apis, ["chat", "messages", "responses"]);
    let wrong = "kimi:overloaded,face=soap".parse::<Fault>().unwrap_err().to_string();
    assert!(
        wrong.contains("unknown variant `soap`, expected one of `chat`, `messages`, `responses`"),
        "{wrong}"
    );
}
