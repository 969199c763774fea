//! Answers keep their content when translated to another API, however they are split and wherever another
//! target continues.

use moonrelay::protocol::model::answer::{FinishReason, ResponseEvent};
use moonrelay::protocol::usage::TokenUsage;
use proptest::prelude::*;

use crate::translation::corpora::judges::answers::judge_events;

/// The next part of an answer.
#[derive(Clone, Debug)]
enum Part {
    Reasoning(Vec<String>, Option<String>),
    Redacted(String),
    Text(Vec<String>),
    Refusal(String),
    /// Parallel calls: id, name, arguments in pieces; the flag interleaves the pieces.
    Calls(Vec<(String, String, Vec<String>)>, bool),
}

fn pieces() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[a-z \n\"\\\\é😀\u{2028}]{1,8}", 1..4)
}

/// JSON text, sometimes half of it, cut anywhere.
fn arguments() -> impl Strategy<Value = Vec<String>> {
    let value = prop_oneof![
        Just("{}".to_owned()),
        "[a-z\\\\\"}\\]é]{0,9}"
            .prop_map(|text| serde_json::json!({"path": text, "n": [1, {"a": "{"}]}).to_string()),
        "[a-z{\"\\[]{0,6}",
    ];
    (value, proptest::collection::vec(1_usize..6, 1..6)).prop_map(|(text, sizes)| {
        let mut characters = text.chars().peekable();
        let mut cut = Vec::new();
        for size in sizes.into_iter().cycle() {
            if characters.peek().is_none() {
                break;
            }
            cut.push(characters.by_ref().take(size).collect());
        }
        cut
    })
}

fn part() -> impl Strategy<Value = Part> {
    let call = ("(functions\\.)?[A-Za-z_]{1,9}(:[0-9])?|x{70}|", "[a-zA-Z_]{1,12}", arguments());
    prop_oneof![
        (pieces(), proptest::option::of("[A-Za-z0-9+/=]{1,20}"))
            .prop_map(|(text, seal)| Part::Reasoning(text, seal)),
        "[a-z]{1,9}".prop_map(Part::Redacted),
        pieces().prop_map(Part::Text),
        "[a-z ]{1,9}".prop_map(Part::Refusal),
        (proptest::collection::vec(call, 1..4), any::<bool>())
            .prop_map(|(calls, turns)| Part::Calls(calls, turns)),
    ]
}

fn finish() -> impl Strategy<Value = Option<FinishReason>> {
    prop_oneof![
        Just(None),
        Just(Some(FinishReason::Stop)),
        proptest::option::of("[a-z\n]{1,5}").prop_map(|said| Some(FinishReason::StopSequence(said))),
        Just(Some(FinishReason::MaxTokens)),
        Just(Some(FinishReason::ContextWindow)),
        Just(Some(FinishReason::ToolCalls)),
        Just(Some(FinishReason::ContentFilter)),
        Just(Some(FinishReason::Pause)),
    ]
}

fn usage() -> impl Strategy<Value = TokenUsage> {
    (any::<[u32; 4]>(), any::<bool>()).prop_map(|([input, output, cache_read, cache_write], estimated)| {
        TokenUsage {
            input: input.into(),
            output: output.into(),
            cache_read: cache_read.into(),
            cache_write: cache_write.into(),
            cache_write_1h: 0,
            reasoning: u64::from(output / 2),
            is_estimated: estimated,
            cost: None,
        }
    })
}

fn add(part: Part, calls: &mut usize, events: &mut Vec<ResponseEvent>) {
    match part {
        Part::Reasoning(text, seal) => {
            events.extend(text.into_iter().map(ResponseEvent::Reasoning));
            events.extend(seal.map(ResponseEvent::ReasoningSignature));
        }
        Part::Redacted(data) => events.push(ResponseEvent::RedactedReasoning(data)),
        Part::Text(text) => events.extend(text.into_iter().map(ResponseEvent::Text)),
        Part::Refusal(text) => events.push(ResponseEvent::Refusal(text)),
        Part::Calls(new, by_turns) => {
            let mut waiting = Vec::new();
            for (id, name, cut) in new {
                let id = if id.is_empty() { format!("call_{calls}") } else { id };
                let mut rest: Vec<ResponseEvent> =
                    vec![ResponseEvent::ToolCallStart { call: *calls, id, name }];
                rest.extend(
                    cut.into_iter()
                        .map(|piece| ResponseEvent::ToolCallArguments { call: *calls, delta: piece }),
                );
                waiting.push(rest.into_iter());
                *calls += 1;
            }
            if by_turns {
                let mut left = true;
                while left {
                    let step: Vec<ResponseEvent> = waiting.iter_mut().filter_map(Iterator::next).collect();
                    left = !step.is_empty();
                    events.extend(step);
                }
            } else {
                events.extend(waiting.into_iter().flatten());
            }
        }
    }
}

prop_compose! {
    fn answer()(
        model in "[a-z0-9-]{0,8}",
        early in proptest::option::of(usage()),
        parts in proptest::collection::vec(part(), 0..6),
        usage in proptest::option::of(usage()),
        finish in finish(),
        after in any::<bool>(),
    ) -> Vec<ResponseEvent> {
        let mut events = vec![ResponseEvent::Start { id: "chatcmpl-1".to_owned(), model }];
        events.extend(early.map(ResponseEvent::Usage));
        let mut calls = 0;
        for part in parts {
            add(part, &mut calls, &mut events);
        }
        // A call without arguments has `{}`: decoders never leave it empty.
        for call in 0..calls {
            let has = |event: &ResponseEvent| matches!(event, ResponseEvent::ToolCallArguments { call: of, .. } if *of == call);
            if !events.iter().any(has) {
                events.push(ResponseEvent::ToolCallArguments { call, delta: "{}".to_owned() });
            }
        }
        let usage = usage.map(ResponseEvent::Usage);
        let finish = finish.map(ResponseEvent::Finish);
        events.extend(if after { [finish, usage] } else { [usage, finish] }.into_iter().flatten());
        events
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn translated_answers_agree_in_every_api(events in answer(), place in 0_usize..60) {
        judge_events(&events, place);
    }
}
