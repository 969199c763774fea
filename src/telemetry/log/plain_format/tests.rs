use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::catalog::ThinkingLevel;
use crate::failure::Reason;
use crate::protocol::api::Api;
use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, AttemptOutcome, Record, RequestId, SkipReason};
use crate::telemetry::log::{format_line, log_as_event};

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

/// The text behind the time.
fn line(format: impl FnOnce(Written) -> Box<dyn tracing::Subscriber + Send + Sync>, tell: fn()) -> String {
    let written = Written::default();
    tracing::subscriber::with_default(format(written.clone()), tell);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    text.split_once('Z').unwrap().1.to_owned()
}

fn ours(written: Written) -> Box<dyn tracing::Subscriber + Send + Sync> {
    let layer = fmt::layer().event_format(PlainFormat).with_writer(move || written.clone());
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
    let id = RequestId::from_time(UNIX_EPOCH + Duration::from_secs(1)).with_count(7);
    Record {
        client_disconnected: false,
        failure_reason: Some(Reason::Server),
        ..Record::new(id, "c".to_owned(), Api::ChatCompletions)
    }
}

fn answered() -> Record {
    let attempt = |reference: &str, outcome| Attempt {
        reference: reference.to_owned(),
        outcome,
        detail: String::new(),
        timeout: None,
        start_offset: Duration::ZERO,
        duration: Duration::from_millis(3),
        usage: None,
        cost: None,
    };
    Record {
        client: "a \u{1b}[2J\"é".to_owned(),
        requested_model: "a\nb".to_owned(),
        upstream_api: Some(Api::Messages),
        served_by: Some("own/é \"b\"".to_owned()),
        attempts: vec![
            attempt("kimi/k3", AttemptOutcome::Skipped(SkipReason::NoKey)),
            attempt("own/é \"b\"", AttemptOutcome::Ok),
        ],
        applied_rules: vec!["one", "two"],
        losses: vec!["top_k"],
        thinking: Some(ThinkingLevel::High),
        usage: Some(TokenUsage {
            input: 1,
            output: 2,
            cache_read: 3,
            is_estimated: true,
            ..TokenUsage::default()
        }),
        is_streaming: true,
        time_to_first_byte: Some(Duration::from_micros(12_999)),
        duration: Duration::from_secs(4),
        failure_reason: None,
        ..failed()
    }
}

#[test]
fn a_request_is_the_same_line_with_an_event_and_without() {
    let told = |record: &Record| format_line(record).split_once('Z').unwrap().1.to_owned();
    assert_eq!(told(&failed()), line(ours, || log_as_event(&failed())));
    assert_eq!(told(&answered()), line(ours, || log_as_event(&answered())));
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
