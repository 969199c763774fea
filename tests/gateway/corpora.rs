//! What fuzzing found, replayed: every input of `fuzz/corpus` through the function that judges it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "for the fuzz targets it is a library")]
pub(crate) mod judges;

/// Judges every input of a target.
fn replay(target: &str, judge: fn(&[u8])) {
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
fn request_bodies() {
    replay("request", judges::request::judge);
}

#[test]
fn events_of_streams() {
    replay("events", judges::events::judge);
}

#[test]
fn answers_in_other_faces() {
    replay("answers", judges::answers::judge);
}

#[test]
fn configurations() {
    replay("config", judges::config::judge);
}

#[test]
fn headers_both_ways() {
    replay("headers", judges::headers::judge);
}

#[test]
fn requests_in_another_face() {
    replay("translate", judges::translate::judge);
}
