//! The rules of stream continuation.

use futures_util::StreamExt;
use serde_json::json;

use super::model::{Interruption, Model, Sample, Second, TEXT};
use super::{Answer, Fixture, KIMI_THEN_OPENROUTER, Received, TWO_KIMI};
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

/// The bytes of this many events of a sample.
fn length_of(sample: &Sample, events: usize) -> usize {
    sample.events("kimi-0", "").iter().take(events).map(String::len).sum()
}

fn interrupted_model(sample: &Sample, events: usize) -> Model {
    Model::new(sample, length_of(sample, events), Interruption::Reset)
}

/// A second stream with this text.
fn second_stream(text: &str) -> Second {
    let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
    let pieces: &'static [&'static str] = Box::leak(Box::new([text]));
    Second::Sends(Sample { text: pieces, ..PLAIN }.events("kimi-1", "").concat())
}

fn assert_first_failure(received: &Received) {
    assert_eq!(received.errors.len(), 1, "{received:?}");
    assert!(received.errors[0].starts_with("moonshot/kimi-k3 was interrupted: "), "{received:?}");
    assert_eq!((received.done, received.finishes.len()), (1, 0), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn continuation_request_ends_with_the_text_and_the_remaining_limit() {
    let fixture = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 3));
    let received = fixture.ask(&json!({"max_tokens": 100})).await;
    assert_eq!(received.text, PLAIN.whole_text());
    let calls = fixture.calls();
    let sent = "The moon relays every word in order, and never twice. It takes a while,";
    let last = json!({"role": "assistant", "content": sent, "partial": true});
    assert_eq!(calls[1]["messages"].as_array().unwrap().last(), Some(&last));
    assert_eq!(calls[1]["model"], "kimi-k3", "the network path failed, so the same target is called");
    assert_eq!(calls[0]["max_completion_tokens"], 100);
    assert_eq!(calls[1]["max_completion_tokens"], 100 - 72 / 4);
    let record = fixture.record();
    assert_eq!(render_attempts_header(&record.attempts), "moonshot/kimi-k3=network, moonshot/kimi-k3=ok");
    assert!(received.comments.ends_with(
        "x-moonrelay-model: moonshot/kimi-k3\nx-moonrelay-attempts: moonshot/kimi-k3=network, moonshot/kimi-k3=ok\n"
    ));
}

#[tokio::test(start_paused = true)]
async fn continued_usage_is_first_prompt_and_both_outputs() {
    let fixture = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 3));
    let received = fixture.ask(&json!({})).await;
    // 72 bytes were sent, 71 of them in the second prompt of 100 tokens. 40 tokens followed.
    let (prompt, output) = (100 - 18, 18 + 40);
    let usage = &received.usages[0];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(prompt), &json!(output)));
    assert_eq!((&usage["total_tokens"], &usage["estimated"]), (&json!(prompt + output), &json!(true)));
    let record = fixture.record();
    let recorded = record.usage.unwrap();
    assert_eq!((recorded.prompt_tokens(), recorded.output, recorded.is_estimated), (82, 58, true));
    let own: Vec<_> = record.attempts.iter().map(|attempt| attempt.usage.unwrap()).collect();
    assert_eq!((own[0].prompt_tokens(), own[0].output, own[0].is_estimated), (82, 18, true));
    assert_eq!((own[1].prompt_tokens(), own[1].output, own[1].is_estimated), (100, 40, false));
}

#[tokio::test(start_paused = true)]
async fn unreported_usage_is_estimated_from_the_clients_request() {
    let alone = Sample { text: &["a"], ..PLAIN }.events("kimi-1", "");
    let without = alone.iter().filter(|event| !event.contains("\"usage\"")).cloned();
    let finish =
        "data: {\"id\":\"b\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let second =
        Second::Sends(without.collect::<String>().replace("data: [DONE]", finish.trim_end()) + finish);
    let fixture = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 3).then(second));
    let received = fixture.ask(&json!({})).await;
    let record = fixture.record();
    let [first, second] = [0, 1].map(|place| record.attempts[place].usage.unwrap());
    assert!(first.is_estimated && second.is_estimated, "{record:?}");
    let recorded = record.usage.unwrap();
    assert_eq!((recorded.prompt_tokens(), recorded.output), (first.prompt_tokens(), 18 + 1), "{record:?}");
    assert_eq!(first.prompt_tokens(), second.prompt_tokens(), "the same bytes were estimated");
    assert_eq!(received.usages[0]["prompt_tokens"], json!(recorded.prompt_tokens()), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn restarted_response_is_skipped_up_to_the_first_difference() {
    let whole = PLAIN.whole_text();
    let fixture = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 3).then(second_stream(&whole)));
    let received = fixture.ask(&json!({})).await;
    assert_eq!((received.text, received.errors.len()), (whole.clone(), 0));
    let other = whole.replace("a while", "an hour");
    let fixture = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 3).then(second_stream(&other)));
    let received = fixture.ask(&json!({})).await;
    assert_eq!(received.text, "The moon relays every word in order, and never twice. It takes a while, ");
    assert_eq!(received.finishes.len(), 0);
    assert_eq!(
        received.errors,
        ["moonshot/kimi-k3 was interrupted: it restarted the response with different content"]
    );
    // The text is too short to distinguish a restart from a continuation.
    let fixture = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 2).then(second_stream(&whole)));
    let received = fixture.ask(&json!({})).await;
    assert_eq!((received.errors.len(), received.finishes.len()), (1, 0));
    assert_eq!(received.text, "The moon relays every word in order, and never twice. ");
}

#[tokio::test(start_paused = true)]
async fn additional_text_of_the_second_stream_is_kept() {
    let fixture = Fixture::new(
        TWO_KIMI,
        interrupted_model(&PLAIN, 3).then(second_stream("Sure: but nothing is lost.")),
    );
    let received = fixture.ask(&json!({})).await;
    let sent = "The moon relays every word in order, and never twice. It takes a while, ";
    assert_eq!(received.text, format!("{sent}Sure: but nothing is lost."));
    // White space is dropped only as far as it repeats what was trimmed.
    for (rest, joined) in
        [(" \\nbut", "\nbut"), ("\\n but", "\n but"), ("  but", " but"), ("but", "but"), ("", "")]
    {
        let fixture = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 3).then(second_stream(rest)));
        let received = fixture.ask(&json!({})).await;
        assert_eq!((received.text, received.errors.len()), (format!("{sent}{joined}"), 0), "{rest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reasoning_of_the_second_stream_is_dropped() {
    let beside = r#"{"role":"assistant","content":"but nothing is lost.","reasoning_content":"Hm","reasoning":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm"}]}"#;
    let events = Sample { text: &["X"], ..PLAIN }.events("kimi-1", "").concat();
    let events = events.replace(r#"{"content":"X"}"#, beside);
    let fixture = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 3).then(Second::Sends(events)));
    let stream = fixture.stream(&json!({})).await;
    assert!(stream.contains("but nothing is lost.") && !stream.contains("Hm"), "{stream}");
    assert_eq!(stream.matches("\"role\"").count(), 1, "{stream}");
}

#[tokio::test(start_paused = true)]
async fn rejected_prefill_reports_the_original_failure() {
    let error = Second::Rejects(400, r#"{"error":{"message":"no partial","type":"invalid_request_error"}}"#);
    let fixture = Fixture::new(KIMI_THEN_OPENROUTER, interrupted_model(&PLAIN, 3).then(error));
    let received = fixture.ask(&json!({})).await;
    assert_first_failure(&received);
    assert!(received.errors[0].contains("the connection broke"), "{received:?}");
    let record = fixture.record();
    assert_eq!(
        render_attempts_header(&record.attempts),
        "moonshot/kimi-k3=network, moonshot/kimi-k3=bad_request"
    );
    assert_eq!(record.failure_reason.unwrap().as_str(), "network");
}

#[tokio::test(start_paused = true)]
async fn response_is_continued_once() {
    let second = Second::Interrupted(length_of(&PLAIN, 2));
    let fixture = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 2).then(second));
    let received = fixture.ask(&json!({})).await;
    assert_eq!(
        (received.errors.len(), received.finishes.len(), fixture.calls().len()),
        (1, 0, 2),
        "{received:?}"
    );
    let record = fixture.record();
    assert_eq!(
        render_attempts_header(&record.attempts),
        "moonshot/kimi-k3=network, moonshot/kimi-k3=network"
    );
}

#[tokio::test(start_paused = true)]
async fn interrupted_continuation_sends_no_partial_call_or_foreign_id() {
    let calling = Sample { calls: &[("look", &["{\"at\":", "1}"])], ..PLAIN };
    let rest = Sample { text: &["but nothing is lost."], ..calling }.events("kimi-1", "");
    for (kept, events) in [(3, 3), (5, 3), (rest.len(), 3)] {
        let mut text = rest[..kept].concat();
        if kept < rest.len() {
            // Then the beginning of leaked markup, and an end that is none.
            text += &Sample { text: &["<|tool_calls_sec"], ..PLAIN }.events("kimi-1", "")[1];
        }
        let fixture = Fixture::new(TWO_KIMI, interrupted_model(&calling, events).then(Second::Sends(text)));
        let received = fixture.ask(&json!({})).await;
        let whole = kept == rest.len();
        assert_eq!(
            (received.calls.len(), received.errors.len()),
            (usize::from(whole), usize::from(!whole)),
            "{received:?}"
        );
        assert_eq!((received.ids.len(), received.models.len(), received.roles), (1, 1, 1), "{received:?}");
        if whole {
            assert_eq!(received.calls, calling.whole_calls());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn first_target_continues_when_fallback_is_off() {
    for (interruption, is_continued) in [(Interruption::End, true), (Interruption::Stall, false)] {
        let fixture = Fixture::new(TWO_KIMI, Model { interruption, ..interrupted_model(&PLAIN, 3) });
        let received = Received::read(&fixture.send(&json!({}), true).await);
        assert_eq!(received.errors.is_empty(), is_continued, "{interruption:?}: {received:?}");
        assert!(fixture.calls().iter().all(|call| call["model"] == "kimi-k3"), "{interruption:?}");
        assert_eq!(fixture.calls().len(), 1 + usize::from(is_continued), "{interruption:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn used_up_limit_ends_with_length() {
    let fixture = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 3));
    let received = fixture.ask(&json!({"max_completion_tokens": 18})).await;
    assert_eq!(
        (&*received.finishes, received.done, received.errors.len()),
        (&["length".to_owned()][..], 1, 0),
        "{received:?}"
    );
    assert_eq!((received.ids.len(), received.usages.len(), fixture.calls().len()), (1, 1, 1), "{received:?}");
    assert_eq!(received.usages[0]["completion_tokens"], 18);
    assert_eq!(fixture.record().failure_reason, None);
}

#[tokio::test(start_paused = true)]
async fn constrained_requests_are_not_continued() {
    let requests = [
        json!({"response_format": {"type": "json_object"}}),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}}),
        json!({"logprobs": true}),
        json!({"tool_choice": "required"}),
        json!({"tool_choice": {"type": "function", "function": {"name": "look"}}}),
        json!({"stop": "while, but"}),
        json!({"stop": ["\n", ", b"]}),
        json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "The"}]}),
    ];
    for more in requests {
        let mut model = interrupted_model(&PLAIN, 3);
        model.lenient = true;
        let fixture = Fixture::new(TWO_KIMI, model);
        let received = fixture.ask(&more).await;
        assert_first_failure(&received);
        assert_eq!(fixture.calls().len(), 1, "{more}");
    }
    let free = json!({"response_format": {"type": "text"}, "n": 1, "logprobs": false, "tool_choice": "auto",
        "stop": ["twice at", "\n\n"]});
    let received = Fixture::new(TWO_KIMI, interrupted_model(&PLAIN, 3)).ask(&free).await;
    assert_eq!((received.text, received.errors.len()), (PLAIN.whole_text(), 0));
}

#[tokio::test(start_paused = true)]
async fn only_interruptions_are_continued() {
    let error = |kind: &str, message: &str| {
        let event = json!({"error": {"message": message, "type": kind}});
        let event: &'static str = Box::leak(format!("data: {event}\n\n").into_boxed_str());
        Interruption::Error(event)
    };
    let rows = [
        (error("content_filter", "The request was rejected because it was considered high risk"), false),
        (error("rate_limit_reached_error", "Your account reached max RPM"), false),
        (error("engine_overloaded_error", "The engine is currently overloaded"), true),
        (error("server_error", "The server had an error"), true),
        (Interruption::Stall, true),
    ];
    for (interruption, is_continued) in rows {
        let fixture = Fixture::new(TWO_KIMI, Model { interruption, ..interrupted_model(&PLAIN, 3) });
        let received = fixture.ask(&json!({})).await;
        assert_eq!(received.errors.is_empty(), is_continued, "{interruption:?}: {received:?}");
        assert_eq!(fixture.calls().len(), 1 + usize::from(is_continued), "{interruption:?}");
        if is_continued {
            assert_eq!(
                fixture.calls()[1]["model"],
                "kimi-k2.6",
                "the same target failed itself: {interruption:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn missing_end_after_the_finish_is_added() {
    let events = PLAIN.events("kimi-0", "").len();
    for interruption in [
        Interruption::End,
        Interruption::Reset,
        Interruption::Stall,
        Interruption::Error("data: {\"error\":{\"message\":\"no\"}}\n\n"),
    ] {
        let fixture = Fixture::new(TWO_KIMI, Model { interruption, ..interrupted_model(&PLAIN, events - 2) });
        let received = fixture.ask(&json!({})).await;
        assert_eq!(
            (received.errors.len(), received.done, received.usages.len()),
            (0, 1, 1),
            "{interruption:?}: {received:?}"
        );
        // Moonshot also reports its usage beside the finish.
        assert_eq!(
            (&received.usages[0]["completion_tokens"], received.usages[0].get("estimated")),
            (&json!(40), None)
        );
        let chain = r#"{ primary: "openrouter/auto", fallbacks: ["moonshot/kimi-k3"] }"#;
        let cut = PLAIN.events("or-0", "").iter().take(events - 2).map(String::len).sum();
        let fixture = Fixture::new(chain, Model::new(&PLAIN, cut, interruption));
        let received = fixture.ask(&json!({})).await;
        assert_eq!(
            (received.errors.len(), received.done, received.finishes.len()),
            (0, 1, 1),
            "{interruption:?}: {received:?}"
        );
        assert_eq!(received.usages[0]["estimated"], true, "{interruption:?}: {received:?}");
        assert!(fixture.record().usage.unwrap().is_estimated);
    }
}

#[tokio::test(start_paused = true)]
async fn continuation_can_be_disabled() {
    let fixture = Fixture::with(TWO_KIMI, r#"{ midStream: "error" }"#, interrupted_model(&PLAIN, 3));
    assert_first_failure(&fixture.ask(&json!({})).await);
    assert_eq!(fixture.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn tool_call_is_held_only_if_a_target_can_repeat_it() {
    let call = Sample { text: &[], calls: &[("look", &["{\"at\":", "1}"])], ..TEXT };
    let alone = r#"{ primary: "moonshot/kimi-k3", fallbacks: [] }"#;
    for (chain, pieces) in [(alone, 1), (TWO_KIMI, 0)] {
        let mut model = interrupted_model(&call, 5);
        model.interruption =
            Interruption::Error("data: {\"error\":{\"message\":\"no\",\"type\":\"content_filter\"}}\n\n");
        let received = Fixture::new(chain, model).ask(&json!({})).await;
        assert_eq!((received.calls.len(), received.errors.len()), (pieces, 1), "{chain}: {received:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn signed_thinking_is_not_continued() {
    let details = r#""reasoning_details":[{"type":"reasoning.text","text":"Hm","signature":"abc"}]"#;
    let event = format!("data: {{\"id\":\"a\",\"choices\":[{{\"index\":0,\"delta\":{{{details}}}}}]}}\n\n");
    for (event, calls) in [(event.clone(), 1), (event.replace("\"abc\"", "null"), 2)] {
        let mut model = Model::new(&PLAIN, event.len(), Interruption::Reset);
        model.first = Some(event);
        let fixture = Fixture::new(TWO_KIMI, model);
        let received = fixture.ask(&json!({})).await;
        assert_eq!((fixture.calls().len(), received.errors.len()), (calls, 2 - calls), "{received:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_and_second_choices_are_not_continued() {
    for choice in [
        r#"{"index":0,"delta":{"refusal":"I cannot"}}"#,
        r#"{"index":1,"delta":{"content":"two"}}"#,
        r#"{"index":0,"delta":{"content":[{"type":"text","text":"a"}]}}"#,
    ] {
        let event = format!("data: {{\"id\":\"a\",\"choices\":[{choice}]}}\n\n");
        let mut model = Model::new(&PLAIN, event.len(), Interruption::End);
        model.first = Some(event.clone());
        let fixture = Fixture::new(TWO_KIMI, model);
        let answer = fixture.stream(&json!({})).await;
        assert!(answer.starts_with(&event) && answer.contains("was interrupted"), "{answer}");
        assert_eq!(fixture.calls().len(), 1, "{choice}");
    }
}

#[tokio::test(start_paused = true)]
async fn partial_leaked_markup_is_dropped_when_continued() {
    let leak =
        Sample { reasoning: &[], text: &["I look: ", "<|tool_calls_section_begin|><|tool_call"], calls: &[] };
    let mut model = interrupted_model(&leak, 3);
    model.second = second_stream("it is there.");
    let fixture = Fixture::new(TWO_KIMI, model);
    let received = fixture.ask(&json!({})).await;
    assert_eq!((&*received.text, received.errors.len()), ("I look: it is there.", 0), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn disconnected_client_ends_the_second_stream() {
    let fixture =
        Fixture::new(TWO_KIMI, Model { interruption: Interruption::Stall, ..interrupted_model(&PLAIN, 3) });
    let request = super::ClientRequest {
        id: RequestId::now(),
        api: crate::protocol::api::Api::ChatCompletions,
        client: None,
        headers: http::HeaderMap::new(),
        body: json!({"model": "default", "stream": true, "messages": [{"role": "user", "content": "hi"}]})
            .to_string()
            .into(),
        is_fallback_disabled: false,
        is_compaction: false,
    };
    let Ok(Answer::Stream { mut body, .. }) = fixture.engine.answer(request).await else {
        panic!("no stream")
    };
    while fixture.calls().len() < 2 {
        body.next().await.expect("a continuation");
    }
    assert_eq!(fixture.engine.state().in_flight(), 1);
    drop(body);
    assert_eq!(fixture.engine.state().in_flight(), 0);
    assert!(fixture.record().client_disconnected);
}
