//! Clients and targets of every API. Wherever a stream is cut, the client's stream is valid in its own
//! format, and the answer is complete or ends with an error.

use serde_json::{Value, json};

use super::every_cut::{CALL, INTERRUPTIONS, PLAIN, REASONING, TEXT_AND_CALLS};
use super::model::{Interruption, Model, Sample};
use super::rules::PLAIN as LINES;
use super::{Fixture, KIMI_THEN_OPENROUTER, Received, TEXT, TWO_INSTRUCTED, TWO_KIMI};
use crate::protocol::api::Api;

/// The number of random cuts of each kind of answer, case and kind of cut.
const RANDOM: usize = 25;

/// Two providers of one API each, neither from the catalog.
const CHATTY_THEN_CLAUDISH: &str = r#"{ primary: "chatty/m", fallbacks: ["claudish/m"] }"#;
const CLAUDISH_THEN_CHATTY: &str = r#"{ primary: "claudish/m", fallbacks: ["chatty/m"] }"#;
const OPENROUTER_THEN_KIMI: &str = r#"{ primary: "openrouter/auto", fallbacks: ["moonshot/kimi-k3"] }"#;

/// The client's API, a chain, and the API of the first target.
const CASES: [(Api, &str, Api); 8] = [
    (Api::Messages, TWO_KIMI, Api::Messages),
    (Api::Messages, OPENROUTER_THEN_KIMI, Api::Messages),
    (Api::Messages, CHATTY_THEN_CLAUDISH, Api::ChatCompletions),
    (Api::Messages, CLAUDISH_THEN_CHATTY, Api::Messages),
    (Api::Responses, OPENROUTER_THEN_KIMI, Api::Responses),
    (Api::Responses, CHATTY_THEN_CLAUDISH, Api::ChatCompletions),
    (Api::Responses, CLAUDISH_THEN_CHATTY, Api::Messages),
    (Api::ChatCompletions, CLAUDISH_THEN_CHATTY, Api::Messages),
];

/// The answer is complete, and one response.
fn assert_whole(api: Api, received: &Received, sample: &Sample, case: &str) {
    assert_eq!(received.text, sample.whole_text(), "{case}");
    assert_eq!(received.calls, sample.whole_calls(), "{case}");
    let finish = match (api, sample.calls.is_empty()) {
        (Api::ChatCompletions, true) => "stop",
        (Api::ChatCompletions, false) => "tool_calls",
        (Api::Messages, true) => "end_turn",
        (Api::Messages, false) => "tool_use",
        (Api::Responses, _) => "completed",
    };
    assert_eq!((&*received.finishes, received.done), (&[finish.to_owned()][..], 1), "{case}: {received:?}");
    assert_eq!(
        (received.ids.len(), received.models.len(), received.roles),
        (1, 1, 1),
        "{case}: {received:?}"
    );
    assert_eq!((received.usages.len(), received.errors.len()), (1, 0), "{case}: {received:?}");
    let output =
        received.usages[0].get("completion_tokens").or_else(|| received.usages[0].get("output_tokens"));
    assert!(output.and_then(Value::as_u64) >= Some(40), "{case}: {received:?}");
    assert!(sample.reasoning.concat().starts_with(&received.reasoning), "{case}: {received:?}");
}

fn assert_error(received: &Received, sample: &Sample, case: &str) {
    assert_eq!(
        (received.errors.len(), received.done, received.finishes.len()),
        (1, 1, 0),
        "{case}: {received:?}"
    );
    assert!(sample.whole_text().starts_with(&received.text), "{case}: {received:?}");
    assert!(received.calls.is_empty(), "{case}: {received:?}");
}

async fn run_case(
    client: Api,
    chain: &str,
    sample: &Sample,
    cut: usize,
    interruption: Interruption,
) -> (Fixture, Received, String) {
    let case = format!(
        "{client:?}, {:?} {:?} cut at {cut}, {interruption:?}, {chain}",
        sample.reasoning.first(),
        sample.text.first()
    );
    let fixture = Fixture::new(chain, Model::new(sample, cut, interruption));
    let stream = fixture.send_as(client, &json!({}), false).await;
    (fixture, Received::of(client, &stream), case)
}

/// Every event boundary but the last, and random bytes after the first.
fn cuts(events: &[String], random: &mut fastrand::Rng) -> Vec<usize> {
    let ends = events.iter().scan(0, |end, event| {
        *end += event.len();
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    let random = (0..RANDOM).map(|_| random.usize(ends[0]..ends[ends.len() - 2]));
    ends[..ends.len() - 1].iter().copied().chain(random).collect()
}

#[tokio::test(start_paused = true)]
async fn any_interruption_gives_a_whole_answer_in_every_api() {
    let mut random = fastrand::Rng::with_seed(11);
    for (client, chain, called) in CASES {
        for sample in [TEXT, PLAIN, REASONING, CALL, TEXT_AND_CALLS] {
            let id = if chain == OPENROUTER_THEN_KIMI { "or-0" } else { "kimi-0" };
            let cuts = cuts(&sample.in_api(called, id, ""), &mut random);
            for (cut, interruption) in
                cuts.into_iter().flat_map(|cut| INTERRUPTIONS.map(|interruption| (cut, interruption)))
            {
                let (fixture, received, case) = run_case(client, chain, &sample, cut, interruption).await;
                assert_whole(client, &received, &sample, &case);
                assert!(fixture.calls().len() <= 2, "{case}");
                assert_eq!(fixture.record().failure_reason, None, "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn interruption_without_prefill_support_gives_a_whole_answer_or_an_error() {
    let mut random = fastrand::Rng::with_seed(13);
    let mut errors = 0;
    for sample in [TEXT, PLAIN, REASONING, CALL, TEXT_AND_CALLS] {
        for cut in cuts(&sample.messages("kimi-0", ""), &mut random) {
            for interruption in INTERRUPTIONS {
                let (fixture, received, case) =
                    run_case(Api::Messages, KIMI_THEN_OPENROUTER, &sample, cut, interruption).await;
                let same = matches!(interruption, Interruption::End | Interruption::Reset);
                if received.errors.is_empty() {
                    assert_whole(Api::Messages, &received, &sample, &case);
                    continue;
                }
                errors += 1;
                assert!(!same && !received.text.trim_end().is_empty(), "{case}: {received:?}");
                assert_error(&received, &sample, &case);
                assert_eq!(fixture.calls().len(), 1, "{case}");
            }
        }
    }
    assert!(errors > 50, "{errors}");
}

#[tokio::test(start_paused = true)]
async fn text_is_continued_on_instruction_over_the_clients_api() {
    let mut random = fastrand::Rng::with_seed(17);
    for api in Api::ALL {
        for sample in [PLAIN, TEXT_AND_CALLS] {
            for cut in cuts(&sample.in_api(api, "kimi-0", ""), &mut random) {
                for interruption in INTERRUPTIONS {
                    let (fixture, received, case) =
                        run_case(api, TWO_INSTRUCTED, &sample, cut, interruption).await;
                    assert_whole(api, &received, &sample, &case);
                    let urls = fixture.model.urls.lock().unwrap().clone();
                    assert!(urls.len() <= 2 && urls.iter().all(|url| url.ends_with(api.path())), "{urls:?}");
                }
            }
        }
    }
}

/// The bytes of this many events.
fn length_of(events: &[String], count: usize) -> usize {
    events.iter().take(count).map(String::len).sum()
}

#[tokio::test(start_paused = true)]
async fn messages_answer_is_continued_over_an_api_with_prefill() {
    // message_start, ping, the block's start, two pieces.
    let cut = length_of(&LINES.messages("kimi-0", ""), 5);
    let fixture = Fixture::new(TWO_KIMI, Model::new(&LINES, cut, Interruption::Reset));
    let received = Received::of(
        Api::Messages,
        &fixture.send_as(Api::Messages, &json!({"max_tokens": 100}), false).await,
    );
    assert_whole(Api::Messages, &received, &LINES, "two streams");
    let urls = fixture.model.urls.lock().unwrap().clone();
    assert!(urls[0].ends_with("/messages") && urls[1].ends_with("/chat/completions"), "{urls:?}");
    let calls = fixture.calls();
    let sent = "The moon relays every word in order, and never twice. It takes a while,";
    let last = json!({"role": "assistant", "content": sent, "partial": true});
    assert_eq!(calls[1]["messages"].as_array().unwrap().last(), Some(&last), "{}", calls[1]);
    assert_eq!(calls[1]["max_completion_tokens"], 100 - 72 / 4, "{}", calls[1]);
    assert_eq!(calls[1]["tools"][0]["function"]["name"], "look", "{}", calls[1]);
    assert_eq!(received.usages[0]["output_tokens"], 18 + 40, "{received:?}");
    assert_eq!(received.usages[0]["estimated"], true, "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn tools_of_the_client_are_functions_in_a_continuation() {
    let events = PLAIN.responses("kimi-0", "");
    let at = events.iter().position(|event| event.contains("output_text.delta")).unwrap();
    let model = Model::new(&PLAIN, length_of(&events, at + 1), Interruption::Reset);
    let chain = r#"{ primary: "responder/gpt-5.2", fallbacks: ["responder/gpt-5.2"] }"#;
    let fixture = Fixture::new(chain, model);
    let tools = json!([{"type": "custom", "name": "apply_patch"}]);
    let received = fixture.send_as(Api::Responses, &json!({"tools": tools}), false).await;
    assert_whole(Api::Responses, &Received::of(Api::Responses, &received), &PLAIN, &received);
    let calls = fixture.calls();
    assert_eq!((&calls[0]["tools"], &calls[1]["tools"][0]["type"]), (&tools, &json!("function")));
}

#[tokio::test(start_paused = true)]
async fn used_up_limit_ends_in_the_clients_api() {
    for (client, member, finish, events) in [
        (Api::Messages, "max_tokens", "max_tokens", LINES.messages("or-0", "")),
        (Api::Responses, "max_output_tokens", "incomplete", LINES.responses("or-0", "")),
    ] {
        // To the second piece of text.
        let at = events.iter().position(|event| event.contains("It takes")).unwrap();
        let model = Model::new(&LINES, length_of(&events, at + 1), Interruption::Reset);
        let fixture = Fixture::new(OPENROUTER_THEN_KIMI, model);
        let received = Received::of(client, &fixture.send_as(client, &json!({member: 18}), false).await);
        assert_eq!(
            (&*received.finishes, received.errors.len()),
            (&[finish.to_owned()][..], 0),
            "{received:?}"
        );
        assert_eq!(received.usages[0]["output_tokens"], 18, "{received:?}");
        assert_eq!(fixture.calls().len(), 1);
        assert_eq!(fixture.record().failure_reason, None);
    }
}

#[tokio::test(start_paused = true)]
async fn constrained_requests_of_other_apis_are_not_continued() {
    let rows = [
        (Api::Messages, json!({"tool_choice": {"type": "any"}})),
        (Api::Messages, json!({"tool_choice": {"type": "tool", "name": "look"}})),
        (Api::Messages, json!({"stop_sequences": ["while, but"]})),
        (Api::Messages, json!({"output_config": {"format": {"type": "json_schema", "schema": {}}}})),
        (Api::Responses, json!({"tool_choice": "required"})),
        (Api::Responses, json!({"text": {"format": {"type": "json_object"}}})),
    ];
    for (client, more) in rows {
        let events = LINES.in_api(client, "or-0", "");
        let at = events.iter().position(|event| event.contains("It takes")).unwrap();
        let model = || Model::new(&LINES, length_of(&events, at + 1), Interruption::Reset);
        let fixture = Fixture::new(OPENROUTER_THEN_KIMI, model());
        let received = Received::of(client, &fixture.send_as(client, &more, false).await);
        assert_error(&received, &LINES, &more.to_string());
        assert_eq!(fixture.calls().len(), 1, "{more}");
    }
    for (client, more) in [
        (Api::Messages, json!({"tool_choice": {"type": "auto"}, "stop_sequences": ["twice at"]})),
        (
            Api::Responses,
            json!({"tool_choice": "auto", "text": {"format": {"type": "text"}, "verbosity": "low"}}),
        ),
    ] {
        let events = LINES.in_api(client, "or-0", "");
        let model = Model::new(&LINES, length_of(&events, events.len() / 2), Interruption::Reset);
        let received = Received::of(
            client,
            &Fixture::new(OPENROUTER_THEN_KIMI, model).send_as(client, &more, false).await,
        );
        assert_whole(client, &received, &LINES, &more.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn server_tools_are_not_continued_and_signed_thinking_is_kept() {
    let start = LINES.messages("or-0", "")[0].clone();
    let event = |kind: &str, key: &str, value: &str| {
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"index\":0,\"{key}\":{value}}}\n\n")
    };
    let block = |value: &str| event("content_block_start", "content_block", value);
    let delta = |value: &str| event("content_block_delta", "delta", value);
    let thinking = block(r#"{"type":"thinking","thinking":"","signature":""}"#)
        + &delta(r#"{"type":"thinking_delta","thinking":"Hm"}"#);
    let signed = thinking.clone() + &delta(r#"{"type":"signature_delta","signature":"abc"}"#);
    let rows = [
        (block(r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#), None),
        (thinking, Some("\"signature\":\"\"}}")),
        (signed, Some(":anthropic-messages:::abc\"}}")),
    ];
    for (events, continued) in rows {
        let first = start.clone() + &events;
        let mut model = Model::new(&LINES, first.len(), Interruption::Reset);
        model.first = Some(first);
        let fixture = Fixture::new(OPENROUTER_THEN_KIMI, model);
        let stream = fixture.send_as(Api::Messages, &json!({}), false).await;
        assert_eq!(fixture.calls().len(), 1 + usize::from(continued.is_some()), "{events}: {stream}");
        let Some(signature) = continued else {
            assert!(stream.contains("event: error\n") && !stream.contains("message_stop"), "{stream}");
            continue;
        };
        let received = Received::of(Api::Messages, &stream);
        assert_eq!((received.text, received.reasoning.as_str()), (LINES.whole_text(), "Hm"), "{stream}");
        let signatures: Vec<&str> = stream.lines().filter(|line| line.contains("signature_delta")).collect();
        assert!(
            signatures.len() == 1 && signatures[0].ends_with(signature),
            "one, with its origin: {stream}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_second_stream_have_the_clients_tool_names() {
    // Both targets get plain functions: the first in the client's API, the one that continues from the
    // text as chat.
    let look = json!({"type": "function", "name": "look", "parameters": {"type": "object"}});
    let tools = json!([{"type": "namespace", "name": "mcp__files", "description": "Files", "tools": [look]}]);
    let calls: &[(&str, &[&str])] = &[("mcp__files__look", &["{\"at\":", "1}"])];
    let sample = Sample { calls, text: &["I look ", "for it."], reasoning: &[] };
    let events = sample.responses("or-0", "");
    let called = events.iter().position(|event| event.contains("function_call")).unwrap();
    let model = Model::new(&sample, length_of(&events, called + 1), Interruption::Reset);
    let fixture = Fixture::new(OPENROUTER_THEN_KIMI, model);
    let stream = fixture.send_as(Api::Responses, &json!({"tools": tools}), false).await;
    let calls = fixture.calls();
    assert_eq!(calls[0]["tools"][0]["name"], "mcp__files__look", "{}", calls[0]);
    assert_eq!(calls[1]["tools"][0]["function"]["name"], "mcp__files__look", "{}", calls[1]);
    let received = Received::of(Api::Responses, &stream);
    assert_eq!(received.calls, [("look".to_owned(), "{\"at\":1}".to_owned())], "{stream}");
    assert!(stream.contains("\"namespace\":\"mcp__files\""), "{stream}");
}
