use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::catalog::ThinkingLevel;
use crate::failure::Reason;
use crate::protocol::face::Face;
use crate::protocol::usage::Usage;
use crate::record::{Attempt, Outcome, Record, RequestId, Skip};
use crate::telemetry::log::{as_event, as_line};

/// Everything that was written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What stands behind the time.
fn line(format: impl FnOnce(Written) -> Box<dyn tracing::Subscriber + Send + Sync>, tell: fn()) -> String {
    let written = Written::default();
    tracing::subscriber::with_default(format(written.clone()), tell);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    text.split_once('Z').unwrap().1.to_owned()
}

fn ours(written: Written) -> Box<dyn tracing::Subscriber + Send + Sync> {
    let layer = fmt::layer().event_format(Line).with_writer(move || written.clone());
    Box::new(tracing_subscriber::registry().with(layer))
}

fn the_crates(written: Written) -> Box<dyn tracing::Subscriber + Send + Sync> {
    let layer = fmt::layer().with_target(false).with_ansi(false).with_writer(move || written.clone());
    Box::new(tracing_subscriber::registry().with(layer))
}

#[test]
fn a_line_is_that_of_the_crate() {
    let tellings: [fn(); 3] = [
        || {
            tracing::info!(
                request_id = %"4e21", model = "a \"b\" \\ é\n", none = None::<&str>, some = Some("x"), count = 7_u64,
                ms = 12_u128, yes = true, less = -1_i64, ratio = 0.5, r#type = "t", "kimi/k3 answered {:?}", "x y"
            );
        },
        || tracing::warn!("only words"),
        || tracing::error!(why = ?io::ErrorKind::Other, "kept"),
    ];
    for tell in tellings {
        assert_eq!(line(ours, tell), line(the_crates, tell));
    }
}

fn failed() -> Record {
    let id = RequestId::first(UNIX_EPOCH + Duration::from_secs(1)).plus(7);
    Record { abandoned: false, failed: Some(Reason::Server), ..Record::begun(id, "c".to_owned(), Face::Chat) }
}

fn answered() -> Record {
    let attempt = |reference: &str, outcome| Attempt {
        reference: reference.to_owned(),
        outcome,
        detail: String::new(),
        timeout: None,
        began: Duration::ZERO,
        took: Duration::from_millis(3),
        usage: None,
        bill: None,
    };
    Record {
        client: "a \u{1b}[2J\"é".to_owned(),
        requested: "a\nb".to_owned(),
        called: Some(Face::Messages),
        answered: Some("own/é \"b\"".to_owned()),
        attempts: vec![
            attempt("kimi/k3", Outcome::Skipped(Skip::NoKey)),
            attempt("own/é \"b\"", Outcome::Ok),
        ],
        rules: vec!["one", "two"],
        dropped: vec!["top_k"],
        thinking: Some(ThinkingLevel::High),
        usage: Some(Usage { input: 1, output: 2, cache_read: 3, estimated: true, ..Usage::default() }),
        streamed: true,
        first_byte: Some(Duration::from_micros(12_999)),
        took: Duration::from_secs(4),
        failed: None,
        ..failed()
    }
}

#[test]
fn a_request_is_the_same_line_with_an_event_and_without() {
    let told = |record: &Record| as_line(record).split_once('Z').unwrap().1.to_owned();
    assert_eq!(told(&failed()), line(ours, || as_event(&failed())));
    assert_eq!(told(&answered()), line(ours, || as_event(&answered())));
}

#[test]
fn times_are_in_words_to_the_microsecond() {
    let told = |micros| {
        let mut words = String::new();
        time(&mut words, UNIX_EPOCH + Duration::from_micros(micros));
        words
    };
    for (micros, words) in [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_795_348_800_000_007, "2026-11-22T12:00:00.000007Z"),
        (1_795_348_800_999_999, "2026-11-22T12:00:00.999999Z"),
        (1_795_348_801_000_000, "2026-11-22T12:00:01.000000Z"),
    ] {
        assert_eq!(told(micros), words);
    }
}

#[test]
fn what_a_terminal_would_obey_is_escaped() {
    let told = line(ours, || tracing::info!(said = %"\u{1b}[2J\u{9b}2J", "\u{7}bell é"));
    assert_eq!(told, "  INFO \\u{7}bell é said=\\u{1b}[2J\\u{9b}2J\n");
}
