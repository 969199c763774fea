//! Interruptions at every event boundary and at random bytes, of every kind of answer, on both chains, of every
//! kind.

use serde_json::json;

use super::model::{Interruption, Model, Sample, TEXT};
use super::{Fixture, KIMI_THEN_OPENROUTER, Received, TWO_KIMI};

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
pub(super) const INTERRUPTIONS: [Interruption; 4] =
    [Interruption::End, Interruption::Reset, Interruption::Stall, Interruption::Error(SERVER)];

/// Random positions for each kind of answer, chain and interruption: a thousand for each answer and chain.
const RANDOM: usize = 250;

/// How much of an answer was sent completely.
struct SentPart {
    text: bool,
    finish: bool,
}

fn sent_part(events: &[String], cut: usize, interruption: Interruption) -> SentPart {
    let (mut end, mut has_begun) = (0, false);
    let mut came = SentPart { text: false, finish: false };
    for event in events {
        end += event.len();
        // At a clean end the empty line after the last event may be missing, and elsewhere too once the answer has begun.
        let needed = match interruption {
            Interruption::Error(_) => end,
            Interruption::Reset | Interruption::Stall if !has_begun => end,
            Interruption::End | Interruption::Reset | Interruption::Stall => end - 2,
        };
        if cut >= needed {
            has_begun |= !event.contains("\"role\"");
            let says = event.contains("\"content\":\"") && !event.contains("\"role\"");
            came.text |= says && !event.contains("\"content\":\"\"");
            came.finish |= event.contains("\"finish_reason\":\"");
        }
    }
    came
}

/// The answer is complete, and one response.
fn assert_whole(received: &Received, sample: &Sample, case: &str) {
    assert_eq!(received.text, sample.whole_text(), "{case}");
    assert_eq!(received.calls, sample.whole_calls(), "{case}");
    let finish = if sample.calls.is_empty() { "stop" } else { "tool_calls" };
    assert_eq!((&*received.finishes, received.done), (&[finish.to_owned()][..], 1), "{case}: {received:?}");
    assert_eq!(
        (received.ids.len(), received.models.len(), received.roles),
        (1, 1, 1),
        "{case}: {received:?}"
    );
    assert_eq!((received.usages.len(), received.errors.len()), (1, 0), "{case}: {received:?}");
    assert!(sample.reasoning.concat().starts_with(&received.reasoning), "{case}: {received:?}");
}

/// The answer ends with an error.
fn assert_error(received: &Received, sample: &Sample, case: &str) {
    assert_eq!(
        (received.errors.len(), received.done, received.finishes.len()),
        (1, 1, 0),
        "{case}: {received:?}"
    );
    assert!(sample.whole_text().starts_with(&received.text), "{case}: {received:?}");
    assert!(received.calls.is_empty(), "{case}: {received:?}");
}

async fn run_case(sample: &Sample, chain: &str, cut: usize, interruption: Interruption) {
    let case = format!("{:?} cut at {cut}, {interruption:?}, {chain}", sample.reasoning.first());
    let events = sample.events("kimi-0", "");
    let came = sent_part(&events, cut, interruption);
    let fixture = Fixture::new(chain, Model::new(sample, cut, interruption));
    let received = fixture.ask(&json!({})).await;
    let calls = fixture.calls().len();
    if came.finish {
        assert_whole(&received, sample, &case);
        assert_eq!(calls, 1, "{case}");
        return;
    }
    let same = matches!(interruption, Interruption::End | Interruption::Reset);
    if !came.text || same || chain == TWO_KIMI {
        assert_whole(&received, sample, &case);
        assert_eq!(calls, 2, "{case}: {received:?}");
        assert_eq!(fixture.record().failure_reason, None, "{case}");
    } else {
        assert_error(&received, sample, &case);
        assert_eq!(calls, 1, "{case}: {received:?}");
    }
}

async fn cut_everywhere(chain: &str) {
    let mut random = fastrand::Rng::with_seed(7);
    for sample in [TEXT, PLAIN, REASONING, CALL, TEXT_AND_CALLS] {
        let events = sample.events("kimi-0", "");
        let length: usize = events.iter().map(String::len).sum();
        let done = events.last().unwrap().len();
        for interruption in INTERRUPTIONS {
            let mut boundary = 0;
            for event in &events[..events.len() - 1] {
                boundary += event.len();
                run_case(&sample, chain, boundary, interruption).await;
            }
            for _ in 0..RANDOM {
                run_case(&sample, chain, random.usize(events[0].len()..length - done), interruption).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_interruption_gives_a_whole_answer() {
    cut_everywhere(TWO_KIMI).await;
}

#[tokio::test(start_paused = true)]
async fn any_interruption_gives_a_whole_answer_or_an_error() {
    cut_everywhere(KIMI_THEN_OPENROUTER).await;
}
