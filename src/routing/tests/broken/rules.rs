//! The rules of going on, one by one.

use futures_util::StreamExt;
use serde_json::json;

use super::model::{Break, Model, Sample, Second, TEXT};
use super::{Answer, Fixture, Got, KIMI_THEN_OPENROUTER, TWO_KIMI};
use crate::record::{RequestId, render_attempts_header};

/// More than 64 characters, without reasoning, in events of one line.
pub(super) const PLAIN: Sample = Sample {
    reasoning: &[],
    text: &[
        "The moon relays every word in order, and never twice. ",
        "It takes a while, ",
        "but nothing is lost on the way.",
    ],
    calls: &[],
};

/// Behind so many events of a sample.
fn behind(sample: &Sample, events: usize) -> usize {
    sample.events("kimi-0", "").iter().take(events).map(String::len).sum()
}

fn broken(sample: &Sample, events: usize) -> Model {
    Model::new(sample, behind(sample, events), Break::Resets)
}

/// A second stream that says this.
fn saying(text: &str) -> Second {
    let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
    let pieces: &'static [&'static str] = Box::leak(Box::new([text]));
    Second::Says(Sample { text: pieces, ..PLAIN }.events("kimi-1", "").concat())
}

fn assert_first_failure(got: &Got) {
    assert_eq!(got.errors.len(), 1, "{got:?}");
    assert!(got.errors[0].starts_with("moonshot/kimi-k3 broke off: "), "{got:?}");
    assert_eq!((got.done, got.finishes.len()), (1, 0), "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn the_request_for_the_rest_ends_with_the_text_and_asks_for_what_is_left() {
    let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 3));
    let got = fixture.ask(&json!({"max_tokens": 100})).await;
    assert_eq!(got.text, PLAIN.whole_text());
    let calls = fixture.calls();
    let said = "The moon relays every word in order, and never twice. It takes a while,";
    let last = json!({"role": "assistant", "content": said, "partial": true});
    assert_eq!(calls[1]["messages"].as_array().unwrap().last(), Some(&last));
    assert_eq!(calls[1]["model"], "kimi-k3", "the way to it failed, so the same target is asked");
    assert_eq!(calls[0]["max_completion_tokens"], 100);
    assert_eq!(calls[1]["max_completion_tokens"], 100 - 72 / 4);
    let record = fixture.record();
    assert_eq!(render_attempts_header(&record.attempts), "moonshot/kimi-k3=network, moonshot/kimi-k3=ok");
    assert!(got.comments.ends_with(
        "x-moonrelay-model: moonshot/kimi-k3\nx-moonrelay-attempts: moonshot/kimi-k3=network, moonshot/kimi-k3=ok\n"
    ));
}

#[tokio::test(start_paused = true)]
async fn the_client_is_told_the_first_prompt_and_all_of_the_output() {
    let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 3));
    let got = fixture.ask(&json!({})).await;
    // 72 bytes were said, of which 71 stood in the second prompt of 100 tokens; 40 tokens came then.
    let (prompt, output) = (100 - 18, 18 + 40);
    let usage = &got.usages[0];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(prompt), &json!(output)));
    assert_eq!((&usage["total_tokens"], &usage["estimated"]), (&json!(prompt + output), &json!(true)));
    let record = fixture.record();
    let told = record.usage.unwrap();
    assert_eq!((told.prompt_tokens(), told.output, told.is_estimated), (82, 58, true));
    let own: Vec<_> = record.attempts.iter().map(|attempt| attempt.usage.unwrap()).collect();
    assert_eq!((own[0].prompt_tokens(), own[0].output, own[0].is_estimated), (82, 18, true));
    assert_eq!((own[1].prompt_tokens(), own[1].output, own[1].is_estimated), (100, 40, false));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_tells_the_usage_the_prompt_is_the_clients_request() {
    let alone = Sample { text: &["a"], ..PLAIN }.events("kimi-1", "");
    let without = alone.iter().filter(|event| !event.contains("\"usage\"")).cloned();
    let finish =
        "data: {\"id\":\"b\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let second =
        Second::Says(without.collect::<String>().replace("data: [DONE]", finish.trim_end()) + finish);
    let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 3).then(second));
    let got = fixture.ask(&json!({})).await;
    let record = fixture.record();
    let [first, second] = [0, 1].map(|place| record.attempts[place].usage.unwrap());
    assert!(first.is_estimated && second.is_estimated, "{record:?}");
    let told = record.usage.unwrap();
    assert_eq!((told.prompt_tokens(), told.output), (first.prompt_tokens(), 18 + 1), "{record:?}");
    assert_eq!(first.prompt_tokens(), second.prompt_tokens(), "the same bytes were estimated");
    assert_eq!(got.usages[0]["prompt_tokens"], json!(told.prompt_tokens()), "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_begins_anew_is_skipped_as_far_as_it_is_the_same() {
    let whole = PLAIN.whole_text();
    let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 3).then(saying(&whole)));
    let got = fixture.ask(&json!({})).await;
    assert_eq!((got.text, got.errors.len()), (whole.clone(), 0));
    let other = whole.replace("a while", "an hour");
    let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 3).then(saying(&other)));
    let got = fixture.ask(&json!({})).await;
    assert_eq!(got.text, "The moon relays every word in order, and never twice. It takes a while, ");
    assert_eq!(got.finishes.len(), 0);
    assert_eq!(
        got.errors,
        ["moonshot/kimi-k3 broke off: it began the answer anew and then said something else"]
    );
    // The text is too short to distinguish a restart from a continuation.
    let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 2).then(saying(&whole)));
    let got = fixture.ask(&json!({})).await;
    assert_eq!((got.errors.len(), got.finishes.len()), (1, 0));
    assert_eq!(got.text, "The moon relays every word in order, and never twice. ");
}

#[tokio::test(start_paused = true)]
async fn what_the_second_one_adds_is_not_taken_away() {
    let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 3).then(saying("Sure: but nothing is lost.")));
    let got = fixture.ask(&json!({})).await;
    let sent = "The moon relays every word in order, and never twice. It takes a while, ";
    assert_eq!(got.text, format!("{sent}Sure: but nothing is lost."));
    // White space goes only as far as it repeats what was trimmed.
    for (rest, joined) in
        [(" \\nbut", "\nbut"), ("\\n but", "\n but"), ("  but", " but"), ("but", "but"), ("", "")]
    {
        let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 3).then(saying(rest)));
        let got = fixture.ask(&json!({})).await;
        assert_eq!((got.text, got.errors.len()), (format!("{sent}{joined}"), 0), "{rest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_ones_reasoning_is_not_shown_wherever_it_stands() {
    let beside = r#"{"role":"assistant","content":"but nothing is lost.","reasoning_content":"Hm","reasoning":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm"}]}"#;
    let events = Sample { text: &["X"], ..PLAIN }.events("kimi-1", "").concat();
    let events = events.replace(r#"{"content":"X"}"#, beside);
    let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 3).then(Second::Says(events)));
    let stream = fixture.stream(&json!({})).await;
    assert!(stream.contains("but nothing is lost.") && !stream.contains("Hm"), "{stream}");
    assert_eq!(stream.matches("\"role\"").count(), 1, "{stream}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_prefill_reports_the_original_failure() {
    let refusal =
        Second::Refuses(400, r#"{"error":{"message":"no partial","type":"invalid_request_error"}}"#);
    let fixture = Fixture::new(KIMI_THEN_OPENROUTER, broken(&PLAIN, 3).then(refusal));
    let got = fixture.ask(&json!({})).await;
    assert_first_failure(&got);
    assert!(got.errors[0].contains("the connection broke"), "{got:?}");
    let record = fixture.record();
    assert_eq!(
        render_attempts_header(&record.attempts),
        "moonshot/kimi-k3=network, moonshot/kimi-k3=bad_request"
    );
    assert_eq!(record.failure_reason.unwrap().as_str(), "network");
}

#[tokio::test(start_paused = true)]
async fn there_is_one_continuation_a_request() {
    let second = Second::Breaks(behind(&PLAIN, 2));
    let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 2).then(second));
    let got = fixture.ask(&json!({})).await;
    assert_eq!((got.errors.len(), got.finishes.len(), fixture.calls().len()), (1, 0, 2), "{got:?}");
    let record = fixture.record();
    assert_eq!(
        render_attempts_header(&record.attempts),
        "moonshot/kimi-k3=network, moonshot/kimi-k3=network"
    );
}

#[tokio::test(start_paused = true)]
async fn the_second_stream_leaves_no_part_of_a_call_and_no_other_id_when_it_breaks() {
    let calling = Sample { calls: &[("look", &["{\"at\":", "1}"])], ..PLAIN };
    let rest = Sample { text: &["but nothing is lost."], ..calling }.events("kimi-1", "");
    for (kept, events) in [(3, 3), (5, 3), (rest.len(), 3)] {
        let mut text = rest[..kept].concat();
        if kept < rest.len() {
            // Then the beginning of leaked markup, and an end that is none.
            text += &Sample { text: &["<|tool_calls_sec"], ..PLAIN }.events("kimi-1", "")[1];
        }
        let fixture = Fixture::new(TWO_KIMI, broken(&calling, events).then(Second::Says(text)));
        let got = fixture.ask(&json!({})).await;
        let whole = kept == rest.len();
        assert_eq!((got.calls.len(), got.errors.len()), (usize::from(whole), usize::from(!whole)), "{got:?}");
        assert_eq!((got.ids.len(), got.models.len(), got.roles), (1, 1, 1), "{got:?}");
        if whole {
            assert_eq!(got.calls, calling.whole_calls());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_fallback_the_first_target_alone_goes_on() {
    for (how, goes_on) in [(Break::Ends, true), (Break::Stalls, false)] {
        let fixture = Fixture::new(TWO_KIMI, Model { how, ..broken(&PLAIN, 3) });
        let got = Got::read(&fixture.send(&json!({}), true).await);
        assert_eq!(got.errors.is_empty(), goes_on, "{how:?}: {got:?}");
        assert!(fixture.calls().iter().all(|call| call["model"] == "kimi-k3"), "{how:?}");
        assert_eq!(fixture.calls().len(), 1 + usize::from(goes_on), "{how:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_used_up_ends_the_answer_with_length() {
    let fixture = Fixture::new(TWO_KIMI, broken(&PLAIN, 3));
    let got = fixture.ask(&json!({"max_completion_tokens": 18})).await;
    assert_eq!((&*got.finishes, got.done, got.errors.len()), (&["length".to_owned()][..], 1, 0), "{got:?}");
    assert_eq!((got.ids.len(), got.usages.len(), fixture.calls().len()), (1, 1, 1), "{got:?}");
    assert_eq!(got.usages[0]["completion_tokens"], 18);
    assert_eq!(fixture.record().failure_reason, None);
}

#[tokio::test(start_paused = true)]
async fn some_requests_are_not_joined_of_two() {
    let requests = [
        json!({"response_format": {"type": "json_object"}}),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}}),
        json!({"n": 2}),
        json!({"logprobs": true}),
        json!({"tool_choice": "required"}),
        json!({"tool_choice": {"type": "function", "function": {"name": "look"}}}),
        json!({"stop": "while, but"}),
        json!({"stop": ["\n", ", b"]}),
        json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "The"}]}),
    ];
    for more in requests {
        let mut model = broken(&PLAIN, 3);
        model.lenient = true;
        let fixture = Fixture::new(TWO_KIMI, model);
        let got = fixture.ask(&more).await;
        assert_first_failure(&got);
        assert_eq!(fixture.calls().len(), 1, "{more}");
    }
    let free = json!({"response_format": {"type": "text"}, "n": 1, "logprobs": false, "tool_choice": "auto",
        "stop": ["twice at", "\n\n"]});
    let got = Fixture::new(TWO_KIMI, broken(&PLAIN, 3)).ask(&free).await;
    assert_eq!((got.text, got.errors.len()), (PLAIN.whole_text(), 0));
}

#[tokio::test(start_paused = true)]
async fn only_some_failures_lead_on() {
    let error = |kind: &str, message: &str| {
        let event = json!({"error": {"message": message, "type": kind}});
        let event: &'static str = Box::leak(format!("data: {event}\n\n").into_boxed_str());
        Break::Error(event)
    };
    let rows = [
        (error("content_filter", "The request was rejected because it was considered high risk"), false),
        (error("rate_limit_reached_error", "Your account reached max RPM"), false),
        (error("engine_overloaded_error", "The engine is currently overloaded"), true),
        (error("server_error", "The server had an error"), true),
        (Break::Stalls, true),
    ];
    for (how, goes_on) in rows {
        let fixture = Fixture::new(TWO_KIMI, Model { how, ..broken(&PLAIN, 3) });
        let got = fixture.ask(&json!({})).await;
        assert_eq!(got.errors.is_empty(), goes_on, "{how:?}: {got:?}");
        assert_eq!(fixture.calls().len(), 1 + usize::from(goes_on), "{how:?}");
        if goes_on {
            assert_eq!(fixture.calls()[1]["model"], "kimi-k2.6", "the same target failed itself: {how:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn behind_the_finish_nothing_is_missing_but_form() {
    let events = PLAIN.events("kimi-0", "").len();
    for how in [
        Break::Ends,
        Break::Resets,
        Break::Stalls,
        Break::Error("data: {\"error\":{\"message\":\"no\"}}\n\n"),
    ] {
        let fixture = Fixture::new(TWO_KIMI, Model { how, ..broken(&PLAIN, events - 2) });
        let got = fixture.ask(&json!({})).await;
        assert_eq!((got.errors.len(), got.done, got.usages.len()), (0, 1, 1), "{how:?}: {got:?}");
        // Moonshot also reports its usage beside the finish.
        assert_eq!((&got.usages[0]["completion_tokens"], got.usages[0].get("estimated")), (&json!(40), None));
        let chain = r#"{ primary: "openrouter/auto", fallbacks: ["moonshot/kimi-k3"] }"#;
        let cut = PLAIN.events("or-0", "").iter().take(events - 2).map(String::len).sum();
        let fixture = Fixture::new(chain, Model::new(&PLAIN, cut, how));
        let got = fixture.ask(&json!({})).await;
        assert_eq!((got.errors.len(), got.done, got.finishes.len()), (0, 1, 1), "{how:?}: {got:?}");
        assert_eq!(got.usages[0]["estimated"], true, "{how:?}: {got:?}");
        assert!(fixture.record().usage.unwrap().is_estimated);
    }
}

#[tokio::test(start_paused = true)]
async fn it_can_be_switched_off() {
    let fixture = Fixture::with(TWO_KIMI, r#"{ midStream: "error" }"#, broken(&PLAIN, 3));
    assert_first_failure(&fixture.ask(&json!({})).await);
    assert_eq!(fixture.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tool_call_is_held_only_where_somebody_could_make_it_again() {
    let call = Sample { text: &[], calls: &[("look", &["{\"at\":", "1}"])], ..TEXT };
    let alone = r#"{ primary: "moonshot/kimi-k3", fallbacks: [] }"#;
    for (chain, pieces) in [(alone, 1), (TWO_KIMI, 0)] {
        let mut model = broken(&call, 5);
        model.how = Break::Error("data: {\"error\":{\"message\":\"no\",\"type\":\"content_filter\"}}\n\n");
        let got = Fixture::new(chain, model).ask(&json!({})).await;
        assert_eq!((got.calls.len(), got.errors.len()), (pieces, 1), "{chain}: {got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn signed_thinking_is_nobody_elses() {
    let details = r#""reasoning_details":[{"type":"reasoning.text","text":"Hm","signature":"abc"}]"#;
    let event = format!("data: {{\"id\":\"a\",\"choices\":[{{\"index\":0,\"delta\":{{{details}}}}}]}}\n\n");
    for (event, calls) in [(event.clone(), 1), (event.replace("\"abc\"", "null"), 2)] {
        let mut model = Model::new(&PLAIN, event.len(), Break::Resets);
        model.first = Some(event);
        let fixture = Fixture::new(TWO_KIMI, model);
        let got = fixture.ask(&json!({})).await;
        assert_eq!((fixture.calls().len(), got.errors.len()), (calls, 2 - calls), "{got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_another_choice_are_not_gone_on_with() {
    for choice in [
        r#"{"index":0,"delta":{"refusal":"I cannot"}}"#,
        r#"{"index":1,"delta":{"content":"two"}}"#,
        r#"{"index":0,"delta":{"content":[{"type":"text","text":"a"}]}}"#,
    ] {
        let event = format!("data: {{\"id\":\"a\",\"choices\":[{choice}]}}\n\n");
        let mut model = Model::new(&PLAIN, event.len(), Break::Ends);
        model.first = Some(event.clone());
        let fixture = Fixture::new(TWO_KIMI, model);
        let answer = fixture.stream(&json!({})).await;
        assert!(answer.starts_with(&event) && answer.contains("broke off"), "{answer}");
        assert_eq!(fixture.calls().len(), 1, "{choice}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_of_leaked_markup_is_dropped_where_the_answer_goes_on() {
    let leak =
        Sample { reasoning: &[], text: &["I look: ", "<|tool_calls_section_begin|><|tool_call"], calls: &[] };
    let mut model = broken(&leak, 3);
    model.second = saying("it is there.");
    let fixture = Fixture::new(TWO_KIMI, model);
    let got = fixture.ask(&json!({})).await;
    assert_eq!((&*got.text, got.errors.len()), ("I look: it is there.", 0), "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_ends_the_second_stream_too() {
    let fixture = Fixture::new(TWO_KIMI, Model { how: Break::Stalls, ..broken(&PLAIN, 3) });
    let request = super::ClientRequest {
        id: RequestId::now(),
        api: crate::protocol::api::Api::ChatCompletions,
        client: None,
        headers: http::HeaderMap::new(),
        body: json!({"model": "default", "stream": true, "messages": [{"role": "user", "content": "hi"}]})
            .to_string()
            .into(),
        is_fallback_disabled: false,
    };
    let Ok(Answer::Stream { mut body, .. }) = fixture.relay.answer(request).await else {
        panic!("no stream")
    };
    while fixture.calls().len() < 2 {
        body.next().await.expect("it goes on");
    }
    assert_eq!(fixture.relay.state().in_flight(), 1);
    drop(body);
    assert_eq!(fixture.relay.state().in_flight(), 0);
    assert!(fixture.record().client_disconnected);
}
