//! Every client with every provider: the same API unchanged, other APIs translated, and failover between APIs.

use serde_json::{Value, json};

use crate::common::api::{Api, Heard};
use crate::common::{Answer, Gateway, Provider, Setup, Upstream};
use crate::failover::faults;

/// One of the providers, called over one API only.
fn only(upstream: &Upstream, provider: Provider, api: Api) -> Setup {
    let setup = Setup::chain(upstream, &[provider]);
    let path = match (provider, api) {
        (Provider::Moonshot, Api::Messages) => "/moonshot/anthropic/v1",
        _ => provider.path(),
    };
    let at = format!("models.providers.{}", provider.id());
    setup
        .set(&format!("{at}.baseUrl"), json!(format!("{}{path}", upstream.base())))
        .set(&format!("{at}.api"), json!(api.api()))
}

/// A text, then a call of the tool, then its result, each whole or streamed.
async fn converse(gateway: &Gateway, api: Api, model: &str, stream: bool) -> [Heard; 3] {
    let ask = async |body: &Value| api.heard(&gateway.ask(api, body).await);
    let text = ask(&api.prompt(model, "Say hello", stream)).await;
    let question = api.prompt(model, "Please call look at the file", stream);
    let called = ask(&question).await;
    let reported = ask(&api.answer_calls(&question, &called, "a wide sea")).await;
    [text, called, reported]
}

fn check([text, called, reported]: &[Heard; 3], api: Api, place: &str) {
    assert!(text.text.contains("Say hello"), "{place}: {text:?}");
    assert!(text.tokens.0 > 0 && text.tokens.1 > 0, "{place}: {text:?}");
    let [(_, name, arguments)] = called.calls.as_slice() else { panic!("{place}: {called:?}") };
    assert_eq!(name, "look", "{place}");
    let arguments: Value = serde_json::from_str(arguments).unwrap();
    assert!(arguments["path"].is_string(), "{place}: {arguments}");
    assert!(reported.text.contains("a wide sea"), "{place}: {reported:?}");
    let finishes = [text, called, reported].map(|heard| heard.finish.as_str());
    let expected = match api {
        Api::Chat => ["stop", "tool_calls", "stop"],
        Api::Messages => ["end_turn", "tool_use", "end_turn"],
        Api::Responses => ["completed"; 3],
    };
    assert_eq!(finishes, expected, "{place}");
}

#[tokio::test]
async fn conversation_with_tools_works_in_the_same_api() {
    let upstream = Upstream::start().await;
    for provider in Provider::ALL {
        let gateway = Setup::chain(&upstream, &[provider]).start().await;
        for api in Api::ALL {
            for stream in [false, true] {
                upstream.forget().await;
                let heard = converse(&gateway, api, provider.reference(), stream).await;
                check(&heard, api, &format!("{api:?} with {provider:?}, streamed: {stream}"));
                for request in upstream.requests().await {
                    let path = request["path"].as_str().unwrap();
                    let own = api.path().strip_prefix("/v1").unwrap();
                    assert!(path.ends_with(own), "{api:?} is not translated without need: {path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn conversation_with_tools_works_across_apis() {
    let upstream = Upstream::start().await;
    for provider in Provider::ALL {
        for spoken in Api::ALL {
            let gateway = only(&upstream, provider, spoken).start().await;
            for api in Api::ALL.into_iter().filter(|api| *api != spoken) {
                for stream in [false, true] {
                    let heard = converse(&gateway, api, provider.reference(), stream).await;
                    let place = format!("{api:?} with {provider:?} over {spoken:?}, streamed: {stream}");
                    check(&heard, api, &place);
                    let thinks = provider != Provider::OpenRouter;
                    assert_eq!(
                        !heard[0].reasoning.is_empty(),
                        thinks,
                        "{place}: thinking is kept: {heard:?}"
                    );
                    let id = &heard[1].calls[0].0;
                    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    assert!(api != Api::Messages || id.chars().all(fits), "{place}: {id}");
                }
            }
        }
    }
}

#[tokio::test]
async fn same_api_passes_byte_for_byte() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::OpenRouter]).start().await;
    for api in [Api::Messages, Api::Responses] {
        let mut body = api.prompt("openrouter/auto", "Say hello \u{1f600}", true);
        body["metadata"] = json!({ "user_id": "a  b" });
        let text = body
            .to_string()
            .replace("\"metadata\":", "  \"x_unknown\" : 123456789012345678901234567890,\n\"metadata\" :");
        upstream.forget().await;
        let request = gateway.request(reqwest::Method::POST, api.path()).body(text.clone());
        let answer =
            Answer::read(request.header("content-type", "application/json").send().await.unwrap()).await;
        api.heard(&answer);
        let sent = upstream.requests().await[0]["body"].as_str().unwrap().to_owned();
        assert_eq!(sent, text, "{api:?}");
        // The answer is the simulator's, except for ids and times, which differ between requests.
        let direct = reqwest::Client::builder().no_proxy().build().unwrap();
        let direct = direct
            .post(format!(
                "{}{}{}",
                upstream.base(),
                Provider::OpenRouter.path(),
                api.path().strip_prefix("/v1").unwrap()
            ))
            .header("authorization", format!("Bearer {}", Provider::OpenRouter.key()))
            .header("x-api-key", Provider::OpenRouter.key())
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
            .body(text);
        let direct = Answer::read(direct.send().await.unwrap()).await;
        assert_eq!(direct.status, 200, "{}", direct.text());
        let theirs = without_ids(&direct.text());
        assert_eq!(without_ids(&answer.text()), theirs.strip_suffix("data: [DONE]\n\n").unwrap_or(&theirs));
    }
}

/// Long runs of digits, as ids and times have them, as one mark.
fn without_ids(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_digit) {
        let (before, run) = rest.split_at(start);
        let end = run.find(|c| !is_digit(c)).unwrap_or(run.len());
        out += before;
        out += if end < 10 { &run[..end] } else { "#" };
        rest = &run[end..];
    }
    out + rest
}

/// Kimi Code over all of its APIs, then OpenRouter over these.
fn falling(upstream: &Upstream, apis: &[Api]) -> Setup {
    let setup = Setup::chain(upstream, &[Provider::Kimi, Provider::OpenRouter]);
    match apis {
        [api] => setup.set("models.providers.openrouter.api", json!(api.api())),
        _ => setup,
    }
}

#[tokio::test]
async fn failover_to_another_api_is_invisible_to_the_client() {
    let upstream = Upstream::start().await;
    for failure in ["rate_limit", "server_error", "truncate=0", "reset_before", "reset_after=0"] {
        for client in Api::ALL {
            for apis in [&[Api::Chat][..], &[Api::Messages], &[Api::Responses], &Api::ALL] {
                upstream.no_faults().await;
                let spec = match failure.split_once('=') {
                    Some((kind, after)) => {
                        json!({ "provider": "kimi", "kind": kind, "value": after.parse::<u64>().unwrap() })
                    }
                    None => json!({ "provider": "kimi", "kind": failure }),
                };
                upstream.fault(spec).await;
                let gateway = falling(&upstream, apis).start().await;
                let answer = gateway.ask(client, &client.prompt("default", "Say hello", true)).await;
                let place = format!("{client:?}, {failure}, {apis:?}: {}", answer.attempts());
                let heard = client.heard(&answer);
                assert!(heard.text.contains("via openrouter: Say hello"), "{place}: {heard:?}");
                assert!(answer.attempts().ends_with(", openrouter/auto=ok"), "{place}");
            }
        }
    }
}

#[tokio::test]
async fn conversation_continues_with_another_provider_and_api() {
    let upstream = Upstream::start().await;
    for client in Api::ALL {
        upstream.no_faults().await;
        let gateway = falling(&upstream, &[Api::Chat]).start().await;
        let question = client.prompt("default", "Please call look at the file", true);
        let answer = gateway.ask(client, &question).await;
        assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "{}", answer.text());
        let called = client.heard(&answer);
        upstream.fault(faults::documented(Provider::Kimi, "server_error")).await;
        let answer = gateway.ask(client, &client.answer_calls(&question, &called, "a wide sea")).await;
        let reported = client.heard(&answer);
        assert!(
            reported.text.contains("via openrouter: the tool answered: a wide sea"),
            "{client:?}: {reported:?}"
        );
    }
}
