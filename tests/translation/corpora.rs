//! Replays every input of `fuzz/corpus` through the function that the fuzz target checks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "for the fuzz targets it is a library")]
pub(crate) mod judges;

/// Judges every input of a target.
fn replay(target: &str, judge: impl Fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs = std::fs::read_dir(&folder).unwrap();
    let mut count = 0;
    let mut wrong = Vec::new();
    for entry in inputs {
        let path = entry.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        if catch_unwind(AssertUnwindSafe(|| judge(&input))).is_err() {
            wrong.push(path);
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "what must hold does not for {wrong:?}; the messages stand above");
    assert!(count >= 10, "{count} inputs in {}", folder.display());
}

#[test]
fn corpus_of_request_bodies_is_handled() {
    replay("request", judges::request::judge);
}

#[test]
fn corpus_of_stream_events_is_handled() {
    replay("events", judges::events::judge);
}

#[test]
fn corpus_of_translated_answers_is_handled() {
    replay("answers", judges::answers::judge);
}

#[test]
fn corpus_of_configurations_is_handled() {
    replay("config", judges::config::judge);
}

#[test]
fn corpus_of_headers_is_handled() {
    replay("headers", judges::headers::judge);
}

#[test]
fn corpus_of_valid_requests_is_accepted_by_every_strict_provider() {
    let accepted = AtomicUsize::new(0);
    replay("strict", |data| _ = accepted.fetch_add(judges::strict::judge(data), Ordering::Relaxed));
    assert!(accepted.into_inner() > 900, "too few requests are valid");
}

#[test]
fn corpus_of_translated_requests_is_handled() {
    replay("translate", judges::translate::judge);
}
