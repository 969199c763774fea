//! Cuts at every event boundary and at random bytes, of every kind of answer, on both chains, with every kind
//! of cut.

use serde_json::json;

use super::model::{Break, Model, Sample, TEXT};
use super::{Fixture, Got, KIMI_THEN_OPENROUTER, TWO_KIMI};

pub(super) const PLAIN: Sample = Sample { reasoning: &[], ..TEXT };
pub(super) const REASONING: Sample = Sample { reasoning: &["Hm, ", "let me ", "think ", "it over."], ..TEXT };
pub(super) const CALL: Sample =
    Sample { reasoning: &["I look."], text: &[], calls: &[("look", &["{\"at\":", "\"the moon\"", "}"])] };
pub(super) const TEXT_AND_CALLS: Sample = Sample {
    reasoning: &[],
    text: &["I look ", "twice. "],
    calls: &[("look", &["{\"at\":", "1}"]), ("look", &["{\"at\"", ":2}"])],
};

pub(super) const SERVER: &str =
    "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\"}}\n\n";
pub(super) const WAYS: [Break; 4] = [Break::Ends, Break::Resets, Break::Stalls, Break::Error(SERVER)];

/// Random cuts of each kind of answer, chain and kind of cut: a thousand of each kind of answer on each chain.
const RANDOM: usize = 250;

/// Where the text that came whole ends, and whether the finish did.
struct Came {
    text: bool,
    finish: bool,
}

fn came(events: &[String], cut: usize, how: Break) -> Came {
    let (mut end, mut begun) = (0, false);
    let mut came = Came { text: false, finish: false };
    for event in events {
        end += event.len();
        // At a clean end the empty line behind the last event may be missing, and elsewhere too once the answer has begun.
        let needed = match how {
            Break::Error(_) => end,
            Break::Resets | Break::Stalls if !begun => end,
            Break::Ends | Break::Resets | Break::Stalls => end - 2,
        };
        if cut >= needed {
            begun |= !event.contains("\"role\"");
            let says = event.contains("\"content\":\"") && !event.contains("\"role\"");
            came.text |= says && !event.contains("\"content\":\"\"");
            came.finish |= event.contains("\"finish_reason\":\"");
        }
    }
    came
}

/// The answer is whole and one.
fn assert_whole(got: &Got, sample: &Sample, case: &str) {
    assert_eq!(got.text, sample.whole_text(), "{case}");
    assert_eq!(got.calls, sample.whole_calls(), "{case}");
    let finish = if sample.calls.is_empty() { "stop" } else { "tool_calls" };
    assert_eq!((&*got.finishes, got.done), (&[finish.to_owned()][..], 1), "{case}: {got:?}");
    assert_eq!((got.ids.len(), got.models.len(), got.roles), (1, 1, 1), "{case}: {got:?}");
    assert_eq!((got.usages.len(), got.errors.len()), (1, 0), "{case}: {got:?}");
    assert!(sample.reasoning.concat().starts_with(&got.reasoning), "{case}: {got:?}");
}

/// It broke off, and says so.
fn assert_error(got: &Got, sample: &Sample, case: &str) {
    assert_eq!((got.errors.len(), got.done, got.finishes.len()), (1, 1, 0), "{case}: {got:?}");
    assert!(sample.whole_text().starts_with(&got.text), "{case}: {got:?}");
    assert!(got.calls.is_empty(), "{case}: {got:?}");
}

async fn play(sample: &Sample, chain: &str, cut: usize, how: Break) {
    let case = format!("{:?} cut at {cut}, {how:?}, {chain}", sample.reasoning.first());
    let events = sample.events("kimi-0", "");
    let came = came(&events, cut, how);
    let fixture = Fixture::new(chain, Model::new(sample, cut, how));
    let got = fixture.ask(&json!({})).await;
    let calls = fixture.calls().len();
    if came.finish {
        assert_whole(&got, sample, &case);
        assert_eq!(calls, 1, "{case}");
        return;
    }
    let same = matches!(how, Break::Ends | Break::Resets);
    if !came.text || same || chain == TWO_KIMI {
        assert_whole(&got, sample, &case);
        assert_eq!(calls, 2, "{case}: {got:?}");
        assert_eq!(fixture.record().failure_reason, None, "{case}");
    } else {
        assert_error(&got, sample, &case);
        assert_eq!(calls, 1, "{case}: {got:?}");
    }
}

async fn cut_everywhere(chain: &str) {
    let mut dice = fastrand::Rng::with_seed(7);
    for sample in [TEXT, PLAIN, REASONING, CALL, TEXT_AND_CALLS] {
        let events = sample.events("kimi-0", "");
        let length: usize = events.iter().map(String::len).sum();
        let done = events.last().unwrap().len();
        for how in WAYS {
            let mut boundary = 0;
            for event in &events[..events.len() - 1] {
                boundary += event.len();
                play(&sample, chain, boundary, how).await;
            }
            for _ in 0..RANDOM {
                play(&sample, chain, dice.usize(events[0].len()..length - done), how).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_cut_two_that_go_on_give_the_whole_answer() {
    cut_everywhere(TWO_KIMI).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_is_cut_the_answer_is_whole_or_says_that_it_is_not() {
    cut_everywhere(KIMI_THEN_OPENROUTER).await;
}
