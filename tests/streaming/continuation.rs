//! Streams that break after their head: cut at every event boundary and at random bytes, over real sockets, the client
//! has the whole answer or an error event. (A thousand more cuts, without processes: `src/routing/tests/continuation`.)

use serde_json::{Value, json};

use crate::common::api::{Api, Heard};
use crate::common::reply::typed_events;
use crate::common::{Answer, Gateway, Provider, Said, Setup, Upstream, prompt};

const TWO_KIMI: [Provider; 2] = [Provider::Kimi, Provider::Moonshot];
const KIMI_THEN_OPENROUTER: [Provider; 2] = [Provider::Kimi, Provider::OpenRouter];

/// Random cuts of each answer on each chain.
const RANDOM: usize = 12;

/// More than 64 characters, so that a restart from the beginning is recognised.
const WORDS: &str = "reply with 30 words";

fn calling(text: &str) -> Value {
    let tool = |name: &str| {
        let parameters =
            json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
        json!({ "type": "function", "function": { "name": name, "parameters": parameters } })
    };
    let mut body = prompt("default", text, true);
    body["tools"] = json!([tool("get_weather"), tool("get_time")]);
    body
}

/// Reasoning and text; a tool call; two tool calls. Cuts fall between finish and usage in each of them.
fn requests() -> [Value; 3] {
    [
        prompt("default", WORDS, true),
        calling("Please call get_weather for Paris"),
        calling("Please call get_weather and then call get_time"),
    ]
}

/// Prefill at Kimi Code is undocumented; this configuration declares it.
fn setup(upstream: &Upstream, chain: [Provider; 2]) -> Setup {
    let model = json!({ "id": "kimi-for-coding", "compat": { "supportsPrefill": true } });
    Setup::chain(upstream, &chain).set("models.providers.kimi.models", json!([model]))
}

async fn serving(upstream: &Upstream, chain: [Provider; 2]) -> Gateway {
    upstream.no_faults().await;
    upstream.forget().await;
    setup(upstream, chain).start().await
}

/// What a cut leaves of the whole answer.
fn came(whole: &[u8], cut: usize) -> Said {
    let text = &whole[..cut];
    let end = text.windows(2).rposition(|pair| pair == b"\n\n").map_or(0, |at| at + 2);
    crate::common::Frames::parse(&text[..end]).said()
}

/// Nothing is missing and nothing came twice.
fn assert_whole(answer: &Answer, whole: &Said, case: &str) {
    let said = answer.said();
    let text = answer.text();
    assert!(said.errors.is_empty() && !answer.broken, "{case}: {text}");
    assert_eq!((&said.content, &said.calls), (&whole.content, &whole.calls), "{case}: {text}");
    assert_eq!((&said.finishes, said.done, said.roles), (&whole.finishes, 1, 1), "{case}: {text}");
    assert_eq!(said.usages.len(), 1, "{case}: {text}");
    assert!(whole.reasoning.starts_with(&said.reasoning), "{case}: {text}");
    for key in ["id", "model"] {
        let chunks = answer.frames().chunks();
        assert!(chunks.iter().all(|chunk| chunk[key] == chunks[0][key]), "{case}: {text}");
    }
}

fn assert_error(answer: &Answer, sent: &str, case: &str) {
    let said = answer.said();
    assert_eq!((said.errors.len(), said.done), (1, 1), "{case}: {}", answer.text());
    assert_eq!((&*said.content, said.finishes.len(), said.calls.len()), (sent, 0, 0), "{case}");
    assert!(answer.frames().complete && !answer.broken, "{case}: {}", answer.text());
}

/// Cuts one answer at one byte.
async fn cut(
    upstream: &Upstream,
    gateway: &mut Gateway,
    chain: [Provider; 2],
    body: &Value,
    at: usize,
    whole: &Answer,
) {
    let case = format!("{} cut at {at}, {chain:?}", body["messages"][0]["content"]);
    upstream.fault(json!({ "provider": "kimi", "kind": "end_after", "value": at, "times": 1 })).await;
    let answer = gateway.chat(body).await;
    assert_whole(&answer, &whole.said(), &case);
    let requests = upstream.requests().await;
    let sent = came(&whole.body, at);
    let again = sent.finishes.is_empty();
    assert_eq!(requests.len(), 1 + usize::from(again), "{case}: {}", answer.text());
    if again && sent.content.is_empty() {
        // Another target answered, and the first one is in cooldown.
        *gateway = serving(upstream, chain).await;
    }
    upstream.forget().await;
}

#[tokio::test]
async fn stream_cut_at_any_point_is_completed() {
    let upstream = Upstream::start().await;
    let mut dice = fastrand::Rng::with_seed(3);
    for chain in [TWO_KIMI, KIMI_THEN_OPENROUTER] {
        for body in requests() {
            let mut gateway = serving(&upstream, chain).await;
            let whole = gateway.chat(&body).await;
            assert_whole(&whole, &whole.said(), "uncut");
            upstream.forget().await;
            let ends: Vec<usize> =
                (0..whole.body.len()).filter(|at| whole.body[..*at].ends_with(b"\n\n")).collect();
            // Before the first event nothing has begun, and that is failover's table.
            let random = (0..RANDOM).map(|_| dice.usize(ends[1]..whole.body.len()));
            for at in ends[1..].iter().copied().chain(random) {
                cut(&upstream, &mut gateway, chain, &body, at, &whole).await;
            }
        }
    }
}

#[tokio::test]
async fn stream_reset_at_any_point_is_completed() {
    let upstream = Upstream::start().await;
    let mut dice = fastrand::Rng::with_seed(5);
    for (chain, body) in [TWO_KIMI, KIMI_THEN_OPENROUTER].into_iter().zip(requests()) {
        let whole = serving(&upstream, chain).await.chat(&body).await;
        for _ in 0..RANDOM {
            let gateway = serving(&upstream, chain).await;
            let at = dice.usize(1..whole.body.len());
            // A reset discards unread bytes; a pause before each chunk lets them be read.
            upstream.fault(json!({ "provider": "kimi", "kind": "drip", "value": 1 })).await;
            upstream
                .fault(json!({ "provider": "kimi", "kind": "reset_after", "value": at, "times": 1 }))
                .await;
            let answer = gateway.chat(&body).await;
            assert_whole(&answer, &whole.said(), &format!("reset at {at}, {chain:?}"));
        }
    }
}

#[tokio::test]
async fn stream_without_a_continuation_target_ends_with_an_error_event() {
    let upstream = Upstream::start().await;
    let body = prompt("default", WORDS, true);
    for (kind, chain, goes_on) in [
        ("error_chunk_after", TWO_KIMI, true),
        ("error_chunk_after", KIMI_THEN_OPENROUTER, false),
        ("stall", TWO_KIMI, true),
        ("stall", KIMI_THEN_OPENROUTER, false),
    ] {
        let gateway =
            setup(&upstream, chain).set("failover.timeouts", json!({ "idleSeconds": 1 })).start().await;
        let whole = gateway.chat(&body).await;
        upstream.forget().await;
        upstream.fault(json!({ "provider": "kimi", "kind": kind, "value": 5, "times": 1 })).await;
        let answer = gateway.chat(&body).await;
        let case = format!("{kind}, {chain:?}");
        if goes_on {
            assert_whole(&answer, &whole.said(), &case);
            let last = answer.frames().comments.pop().unwrap();
            assert!(last.ends_with("moonshot/kimi-k3=ok"), "{case}: {last}");
        } else {
            let sent = answer.said().content;
            assert!(!sent.is_empty() && whole.said().content.starts_with(&sent), "{case}: {sent}");
            assert_error(&answer, &sent, &case);
        }
        assert_eq!(upstream.requests().await.len(), 1 + usize::from(goes_on), "{case}");
        upstream.no_faults().await;
    }
}

#[tokio::test]
async fn diverging_continuation_does_not_corrupt_the_answer() {
    let upstream = Upstream::start().await;
    let body = prompt("default", WORDS, true);
    let mut gateway = serving(&upstream, KIMI_THEN_OPENROUTER).await;
    let whole = gateway.chat(&body).await.said();
    let ask = async |gateway: &Gateway, kind: &str, chunks: usize| {
        upstream.no_faults().await;
        for (kind, value) in [("truncate", Some(chunks)), (kind, None)] {
            upstream.fault(json!({ "provider": "kimi", "kind": kind, "value": value, "times": 1 })).await;
        }
        gateway.chat(&body).await
    };
    for chunks in 3..12 {
        let reference = ask(&gateway, "prefill_thinks", chunks).await;
        assert_whole(&reference, &whole, "it thinks first");
        let said = reference.said();
        assert!(!said.reasoning.contains("I go on where it ends"), "{}", reference.text());

        let anew = ask(&gateway, "prefill_restart", chunks).await;
        let sent = anew.said().content;
        if anew.said().errors.is_empty() {
            assert_whole(&anew, &whole, "it begins anew");
        } else {
            assert!(whole.content.starts_with(&sent) && sent.chars().count() < 64, "{sent}");
            assert_error(&anew, &sent, "too little was said to tell");
        }

        let talks = ask(&gateway, "prefill_preamble", chunks).await.said();
        let (before, after) = talks.content.split_once("Sure, here is the rest: ").unwrap();
        assert_eq!(format!("{}{after}", before.trim_end()), whole.content, "{talks:?}");
        assert_eq!((talks.finishes.len(), talks.errors.len()), (1, 0));

        let refused = ask(&gateway, "prefill_refused", chunks).await;
        assert_error(&refused, &refused.said().content, "it refuses");
        let error = &refused.said().errors[0];
        assert_eq!(error["type"], "truncated", "the original failure: {error}");
        assert!(
            error["message"].as_str().unwrap().starts_with("kimi/kimi-for-coding was interrupted: "),
            "{error}"
        );
        let tried: Vec<_> =
            error["attempts"].as_array().unwrap().iter().map(|a| a["result"].clone()).collect();
        assert_eq!(tried, ["truncated", "bad_request"]);
        // The first target is in cooldown now.
        gateway = serving(&upstream, KIMI_THEN_OPENROUTER).await;
    }
}

#[tokio::test]
async fn interrupted_complete_answer_comes_from_the_next_target() {
    let upstream = Upstream::start().await;
    for kind in ["end_after", "reset_after"] {
        let gateway = serving(&upstream, KIMI_THEN_OPENROUTER).await;
        upstream.fault(json!({ "provider": "kimi", "kind": kind, "value": 300, "times": 1 })).await;
        let body = prompt("default", WORDS, false);
        let answer = gateway.chat(&body).await;
        assert!(answer.attempts().ends_with(", openrouter/auto=ok"), "{kind}: {}", answer.attempts());
        assert_eq!(upstream.requests().await.len(), 2, "{kind}");
        let uncut = serving(&upstream, KIMI_THEN_OPENROUTER).await.chat(&body).await;
        assert_eq!(answer.said().content, uncut.said().content, "{kind}");
    }
}

#[tokio::test]
async fn continuation_can_be_disabled() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, TWO_KIMI).set("failover.midStream", json!("error")).start().await;
    upstream.fault(json!({ "provider": "kimi", "kind": "truncate", "value": 6, "times": 1 })).await;
    let answer = gateway.chat(&prompt("default", WORDS, true)).await;
    assert_error(&answer, &answer.said().content, "switched off");
    assert_eq!(upstream.requests().await.len(), 1);
}

/// Cuts of each answer of an API other than Chat Completions.
const CUTS: usize = 9;

/// Nothing is missing and nothing is repeated; the reader fails where the API's SDKs would.
fn assert_heard(heard: &Heard, whole: &Heard, case: &str) {
    assert_eq!((&heard.text, &heard.finish), (&whole.text, &whole.finish), "{case}: {heard:?}");
    let named = |heard: &Heard| -> Vec<_> {
        heard.calls.iter().map(|(_, name, arguments)| (name.clone(), arguments.clone())).collect()
    };
    assert_eq!(named(heard), named(whole), "{case}: {heard:?}");
    assert!(whole.reasoning.starts_with(&heard.reasoning), "{case}: {heard:?}");
}

#[tokio::test]
async fn clients_of_other_apis_get_the_whole_answer() {
    let upstream = Upstream::start().await;
    let mut dice = fastrand::Rng::with_seed(17);
    for api in [Api::Messages, Api::Responses] {
        for chain in [TWO_KIMI, KIMI_THEN_OPENROUTER] {
            for text in [WORDS, "Please call look at the file"] {
                let body = api.prompt("default", text, true);
                let uncut = serving(&upstream, chain).await.ask(api, &body).await;
                let whole = api.heard(&uncut);
                let begun = uncut.body.windows(2).position(|pair| pair == b"\n\n").unwrap() + 2;
                for _ in 0..CUTS {
                    let gateway = serving(&upstream, chain).await;
                    let at = dice.usize(begun..uncut.body.len());
                    let fault = json!({ "provider": "kimi", "kind": "end_after", "value": at, "times": 1 });
                    upstream.fault(fault).await;
                    let answer = gateway.ask(api, &body).await;
                    let case = format!("{api:?} {text} cut at {at}, {chain:?}: {}", answer.text());
                    assert_heard(&api.heard(&answer), &whole, &case);
                    assert!(!answer.broken, "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn continuation_uses_an_api_with_prefill() {
    let upstream = Upstream::start().await;
    for api in [Api::Messages, Api::Responses] {
        for (kind, chain, paths) in [
            ("truncate", TWO_KIMI, ["/kimi/coding/v1", "/kimi/coding/v1"]),
            ("stall", TWO_KIMI, ["/kimi/coding/v1", "/moonshot/v1"]),
        ] {
            upstream.no_faults().await;
            let gateway =
                setup(&upstream, chain).set("failover.timeouts", json!({ "idleSeconds": 1 })).start().await;
            let body = api.prompt("default", WORDS, true);
            let uncut = gateway.ask(api, &body).await;
            // To the middle of the text.
            let reported = typed_events(&uncut.text());
            let says = |event: &Value| event["delta"]["text"].is_string() || event["delta"].is_string();
            let first = reported.iter().position(|(kind, event)| says(event) && !kind.contains("reasoning"));
            let count = first.unwrap() + 4;
            upstream.forget().await;
            upstream.fault(json!({ "provider": "kimi", "kind": kind, "value": count, "times": 1 })).await;
            let answer = gateway.ask(api, &body).await;
            let case = format!("{api:?}, {kind}: {}", answer.text());
            assert_heard(&api.heard(&answer), &api.heard(&uncut), &case);
            let asked: Vec<_> =
                upstream.requests().await.iter().map(|request| request["path"].clone()).collect();
            let expected =
                [format!("{}{}", paths[0], &api.path()[3..]), format!("{}/chat/completions", paths[1])];
            assert_eq!(asked, expected, "{case}");
            assert!(answer.text().contains("x-moonrelay-attempts: kimi/kimi-for-coding="), "{case}");
        }
    }
}

#[tokio::test]
async fn stream_without_a_continuation_target_ends_with_an_error_of_its_api() {
    let upstream = Upstream::start().await;
    for (api, error, end) in
        [(Api::Messages, "error", "message_stop"), (Api::Responses, "response.failed", "response.completed")]
    {
        upstream.no_faults().await;
        let gateway =
            setup(&upstream, KIMI_THEN_OPENROUTER).set("failover.midStream", json!("error")).start().await;
        let body = api.prompt("default", WORDS, true);
        let whole = api.heard(&gateway.ask(api, &body).await).text;
        upstream.fault(json!({ "provider": "kimi", "kind": "truncate", "value": 14, "times": 1 })).await;
        let answer = gateway.ask(api, &body).await;
        let text = answer.text();
        let reported = typed_events(&text);
        assert_eq!(reported.iter().filter(|(kind, _)| kind == error || kind == end).count(), 1, "{text}");
        assert_eq!(reported.last().unwrap().0, error, "{text}");
        assert!(text.contains("kimi/kimi-for-coding was interrupted") && !answer.broken, "{text}");
        let said =
            reported.iter().filter(|(kind, _)| !kind.contains("reasoning")).filter_map(|(_, event)| {
                event["delta"]["text"].as_str().or_else(|| event["delta"].as_str()).map(str::to_owned)
            });
        let said: String = said.collect();
        assert!(!said.is_empty() && whole.starts_with(&said), "{said}: {text}");
    }
}
