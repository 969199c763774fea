//! Clients and targets of every API format. Wherever a stream is cut, the client's stream is valid in its own
//! format, and the answer is complete or says that it is not.

use serde_json::{Value, json};

use super::model::{Break, Model, Sample};
use super::rules::PLAIN as LINES;
use super::table::{CALL, PLAIN, REASONING, TEXT_AND_CALLS, WAYS};
use super::{Fixture, Got, KIMI_THEN_OPENROUTER, TEXT, TWO_KIMI};
use crate::protocol::api::Api;

/// The number of random cuts of each kind of answer, case and kind of cut.
const RANDOM: usize = 25;

/// Two providers of one API format each, neither from the catalog.
const CHATTY_THEN_CLAUDISH: &str = r#"{ primary: "chatty/m", fallbacks: ["claudish/m"] }"#;
const CLAUDISH_THEN_CHATTY: &str = r#"{ primary: "claudish/m", fallbacks: ["chatty/m"] }"#;
const OPENROUTER_THEN_KIMI: &str = r#"{ primary: "openrouter/auto", fallbacks: ["moonshot/kimi-k3"] }"#;

/// The client's API format, a chain, and the API format of the first target.
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

/// The answer is whole and one.
fn assert_whole(face: Api, got: &Got, sample: &Sample, case: &str) {
    assert_eq!(got.text, sample.whole_text(), "{case}");
    assert_eq!(got.calls, sample.whole_calls(), "{case}");
    let finish = match (face, sample.calls.is_empty()) {
        (Api::ChatCompletions, true) => "stop",
        (Api::ChatCompletions, false) => "tool_calls",
        (Api::Messages, true) => "end_turn",
        (Api::Messages, false) => "tool_use",
        (Api::Responses, _) => "completed",
    };
    assert_eq!((&*got.finishes, got.done), (&[finish.to_owned()][..], 1), "{case}: {got:?}");
    assert_eq!((got.ids.len(), got.models.len(), got.roles), (1, 1, 1), "{case}: {got:?}");
    assert_eq!((got.usages.len(), got.errors.len()), (1, 0), "{case}: {got:?}");
    let output = got.usages[0].get("completion_tokens").or_else(|| got.usages[0].get("output_tokens"));
    assert!(output.and_then(Value::as_u64) >= Some(40), "{case}: {got:?}");
    assert!(sample.reasoning.concat().starts_with(&got.reasoning), "{case}: {got:?}");
}

fn assert_error(got: &Got, sample: &Sample, case: &str) {
    assert_eq!((got.errors.len(), got.done, got.finishes.len()), (1, 1, 0), "{case}: {got:?}");
    assert!(sample.whole_text().starts_with(&got.text), "{case}: {got:?}");
    assert!(got.calls.is_empty(), "{case}: {got:?}");
}

async fn play(client: Api, chain: &str, sample: &Sample, cut: usize, how: Break) -> (Fixture, Got, String) {
    let case = format!(
        "{client:?}, {:?} {:?} cut at {cut}, {how:?}, {chain}",
        sample.reasoning.first(),
        sample.text.first()
    );
    let fixture = Fixture::new(chain, Model::new(sample, cut, how));
    let stream = fixture.say(client, &json!({}), false).await;
    (fixture, Got::of(client, &stream), case)
}

/// Every event boundary but the last, and random bytes behind the first.
fn cuts(events: &[String], dice: &mut fastrand::Rng) -> Vec<usize> {
    let ends = events.iter().scan(0, |end, event| {
        *end += event.len();
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    let random = (0..RANDOM).map(|_| dice.usize(ends[0]..ends[ends.len() - 2]));
    ends[..ends.len() - 1].iter().copied().chain(random).collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_is_cut_a_client_of_any_face_has_the_whole_answer() {
    let mut dice = fastrand::Rng::with_seed(11);
    for (client, chain, called) in CASES {
        for sample in [TEXT, PLAIN, REASONING, CALL, TEXT_AND_CALLS] {
            let id = if chain == OPENROUTER_THEN_KIMI { "or-0" } else { "kimi-0" };
            let cuts = cuts(&sample.in_face(called, id, ""), &mut dice);
            for (cut, how) in cuts.into_iter().flat_map(|cut| WAYS.map(|how| (cut, how))) {
                let (fixture, got, case) = play(client, chain, &sample, cut, how).await;
                assert_whole(client, &got, &sample, &case);
                assert!(fixture.calls().len() <= 2, "{case}");
                assert_eq!(fixture.record().failure_reason, None, "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_goes_on_from_text_the_answer_is_whole_or_says_that_it_is_not() {
    let mut dice = fastrand::Rng::with_seed(13);
    let mut errors = 0;
    for sample in [TEXT, PLAIN, REASONING, CALL, TEXT_AND_CALLS] {
        for cut in cuts(&sample.messages("kimi-0", ""), &mut dice) {
            for how in WAYS {
                let (fixture, got, case) = play(Api::Messages, KIMI_THEN_OPENROUTER, &sample, cut, how).await;
                let same = matches!(how, Break::Ends | Break::Resets);
                if got.errors.is_empty() {
                    assert_whole(Api::Messages, &got, &sample, &case);
                    continue;
                }
                errors += 1;
                assert!(!same && !got.text.trim_end().is_empty(), "{case}: {got:?}");
                assert_error(&got, &sample, &case);
                assert_eq!(fixture.calls().len(), 1, "{case}");
            }
        }
    }
    assert!(errors > 50, "{errors}");
}

/// Behind so many events.
fn behind(events: &[String], count: usize) -> usize {
    events.iter().take(count).map(String::len).sum()
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_messages_answer_is_asked_over_the_face_that_is_known_to_go_on() {
    // message_start, ping, the block's start, two pieces.
    let cut = behind(&LINES.messages("kimi-0", ""), 5);
    let fixture = Fixture::new(TWO_KIMI, Model::new(&LINES, cut, Break::Resets));
    let got = Got::of(Api::Messages, &fixture.say(Api::Messages, &json!({"max_tokens": 100}), false).await);
    assert_whole(Api::Messages, &got, &LINES, "two streams");
    let urls = fixture.model.urls.lock().unwrap().clone();
    assert!(urls[0].ends_with("/messages") && urls[1].ends_with("/chat/completions"), "{urls:?}");
    let calls = fixture.calls();
    let said = "The moon relays every word in order, and never twice. It takes a while,";
    let last = json!({"role": "assistant", "content": said, "partial": true});
    assert_eq!(calls[1]["messages"].as_array().unwrap().last(), Some(&last), "{}", calls[1]);
    assert_eq!(calls[1]["max_completion_tokens"], 100 - 72 / 4, "{}", calls[1]);
    assert_eq!(calls[1]["tools"][0]["function"]["name"], "look", "{}", calls[1]);
    assert_eq!(got.usages[0]["output_tokens"], 18 + 40, "{got:?}");
    assert_eq!(got.usages[0]["estimated"], true, "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_used_up_ends_the_answer_in_the_clients_words() {
    for (client, member, finish, events) in [
        (Api::Messages, "max_tokens", "max_tokens", LINES.messages("or-0", "")),
        (Api::Responses, "max_output_tokens", "incomplete", LINES.responses("or-0", "")),
    ] {
        // To the second piece of text.
        let at = events.iter().position(|event| event.contains("It takes")).unwrap();
        let model = Model::new(&LINES, behind(&events, at + 1), Break::Resets);
        let fixture = Fixture::new(OPENROUTER_THEN_KIMI, model);
        let got = Got::of(client, &fixture.say(client, &json!({member: 18}), false).await);
        assert_eq!((&*got.finishes, got.errors.len()), (&[finish.to_owned()][..], 0), "{got:?}");
        assert_eq!(got.usages[0]["output_tokens"], 18, "{got:?}");
        assert_eq!(fixture.calls().len(), 1);
        assert_eq!(fixture.record().failure_reason, None);
    }
}

#[tokio::test(start_paused = true)]
async fn some_requests_of_other_faces_are_not_joined_of_two() {
    let rows = [
        (Api::Messages, json!({"tool_choice": {"type": "any"}})),
        (Api::Messages, json!({"tool_choice": {"type": "tool", "name": "look"}})),
        (Api::Messages, json!({"stop_sequences": ["while, but"]})),
        (Api::Messages, json!({"output_config": {"format": {"type": "json_schema", "schema": {}}}})),
        (Api::Responses, json!({"tool_choice": "required"})),
        (Api::Responses, json!({"text": {"format": {"type": "json_object"}}})),
    ];
    for (client, more) in rows {
        let events = LINES.in_face(client, "or-0", "");
        let at = events.iter().position(|event| event.contains("It takes")).unwrap();
        let model = || Model::new(&LINES, behind(&events, at + 1), Break::Resets);
        let fixture = Fixture::new(OPENROUTER_THEN_KIMI, model());
        let got = Got::of(client, &fixture.say(client, &more, false).await);
        assert_error(&got, &LINES, &more.to_string());
        assert_eq!(fixture.calls().len(), 1, "{more}");
    }
    for (client, more) in [
        (Api::Messages, json!({"tool_choice": {"type": "auto"}, "stop_sequences": ["twice at"]})),
        (
            Api::Responses,
            json!({"tool_choice": "auto", "text": {"format": {"type": "text"}, "verbosity": "low"}}),
        ),
    ] {
        let events = LINES.in_face(client, "or-0", "");
        let model = Model::new(&LINES, behind(&events, events.len() / 2), Break::Resets);
        let got = Got::of(client, &Fixture::new(OPENROUTER_THEN_KIMI, model).say(client, &more, false).await);
        assert_whole(client, &got, &LINES, &more.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn work_on_the_providers_side_is_nobody_elses_and_signed_thinking_stays_the_clients() {
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
        (signed, Some("\"signature\":\"abc\"}}")),
    ];
    for (said, goes_on) in rows {
        let first = start.clone() + &said;
        let mut model = Model::new(&LINES, first.len(), Break::Resets);
        model.first = Some(first);
        let fixture = Fixture::new(OPENROUTER_THEN_KIMI, model);
        let stream = fixture.say(Api::Messages, &json!({}), false).await;
        assert_eq!(fixture.calls().len(), 1 + usize::from(goes_on.is_some()), "{said}: {stream}");
        let Some(signature) = goes_on else {
            assert!(stream.contains("event: error\n") && !stream.contains("message_stop"), "{stream}");
            continue;
        };
        let got = Got::of(Api::Messages, &stream);
        assert_eq!((got.text, got.reasoning.as_str()), (LINES.whole_text(), "Hm"), "{stream}");
        let signatures: Vec<&str> = stream.lines().filter(|line| line.contains("signature_delta")).collect();
        assert!(signatures.len() == 1 && signatures[0].ends_with(signature), "one, as it is: {stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_second_stream_bear_the_names_that_the_client_knows() {
    // Both targets get plain functions: the first in the client's API format, the one that continues from the
    // text as chat.
    let look = json!({"type": "function", "name": "look", "parameters": {"type": "object"}});
    let tools = json!([{"type": "namespace", "name": "mcp__files", "description": "Files", "tools": [look]}]);
    let calls: &[(&str, &[&str])] = &[("mcp__files__look", &["{\"at\":", "1}"])];
    let sample = Sample { calls, text: &["I look ", "for it."], reasoning: &[] };
    let events = sample.responses("or-0", "");
    let called = events.iter().position(|event| event.contains("function_call")).unwrap();
    let model = Model::new(&sample, behind(&events, called + 1), Break::Resets);
    let fixture = Fixture::new(OPENROUTER_THEN_KIMI, model);
    let stream = fixture.say(Api::Responses, &json!({"tools": tools}), false).await;
    let calls = fixture.calls();
    assert_eq!(calls[0]["tools"][0]["name"], "mcp__files__look", "{}", calls[0]);
    assert_eq!(calls[1]["tools"][0]["function"]["name"], "mcp__files__look", "{}", calls[1]);
    let got = Got::of(Api::Responses, &stream);
    assert_eq!(got.calls, [("look".to_owned(), "{\"at\":1}".to_owned())], "{stream}");
    assert!(stream.contains("\"namespace\":\"mcp__files\""), "{stream}");
}
