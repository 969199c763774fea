use std::time::{Duration, SystemTime};

use super::standing::{Ledger, Standing, Target};
use super::{CONTENT_TYPE, Metrics, family};
use crate::failure::Reason;
use crate::protocol::amount::Amount;
use crate::protocol::face::Face;
use crate::protocol::usage::Usage;
use crate::record::{Attempt, Bill, Outcome, Pricing, Record, RequestId, Skip};

fn attempt(reference: &str, outcome: Outcome) -> Attempt {
    Attempt {
        reference: reference.to_owned(),
        outcome,
        detail: String::new(),
        timeout: None,
        began: Duration::ZERO,
        took: Duration::ZERO,
        usage: None,
        bill: None,
    }
}

fn paid(reference: &str, outcome: Outcome, usage: Usage, picos: u64) -> Attempt {
    let amount = Amount::from_picos(picos);
    let bill = Some(Bill { amount, currency: "USD".to_owned(), pricing: Pricing::Price });
    Attempt { usage: Some(usage), bill, ..attempt(reference, outcome) }
}

fn record(attempts: Vec<Attempt>) -> Record {
    let last = attempts.last().filter(|last| last.outcome == Outcome::Ok);
    Record {
        request_id: RequestId::now(),
        at: SystemTime::UNIX_EPOCH,
        trace_parent: None,
        client: "somebody".to_owned(),
        requested: "default".to_owned(),
        face: Face::Chat,
        called: None,
        answered: last.map(|last| last.reference.clone()),
        failed: if last.is_none() { Some(Reason::Server) } else { None },
        attempts,
        rules: Vec::new(),
        dropped: Vec::new(),
        thinking: None,
        usage: None,
        streamed: true,
        first_byte: Some(Duration::from_millis(30)),
        took: Duration::from_secs(3),
        abandoned: false,
    }
}

fn standing() -> Standing {
    Standing {
        targets: vec![
            Target {
                provider: "kimi".to_owned(),
                reference: "kimi/k3".to_owned(),
                state: "cooling_down",
                rest: Some(("quota", SystemTime::UNIX_EPOCH + Duration::from_millis(1500))),
            },
            Target {
                provider: "openrouter".to_owned(),
                reference: "openrouter/auto".to_owned(),
                state: "answering",
                rest: None,
            },
        ],
        providers: vec![("kimi".to_owned(), "cooling_down"), ("openrouter".to_owned(), "ready")],
        in_flight: 2,
        reloaded: true,
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(9),
        ledger: Ledger { queued: 1, written: 5, dropped: 3, failing: true },
        traces_dropped: 4,
    }
}

/// Fails on a sample that is not there, with all that are.
fn has(text: &str, samples: &[&str]) {
    for sample in samples {
        assert!(text.lines().any(|line| line == *sample), "{sample} is not in\n{text}");
    }
}

#[test]
fn a_request_is_counted_where_it_belongs() {
    let metrics = Metrics::default();
    metrics.configured(["kimi/k3", "openrouter/auto"]);
    let usage = Usage { input: 10, output: 7, cache_read: 5, reasoning: 4, ..Usage::default() };
    let guess = Usage { input: 12, estimated: true, ..Usage::default() };
    metrics.note(&record(vec![
        attempt("kimi/k3", Outcome::Skipped(Skip::CoolingDown(Reason::Quota))),
        paid("kimi/k3", Outcome::Failed(Reason::Truncated), guess, 1),
        paid("openrouter/auto", Outcome::Ok, usage, 1_500_000_000_000),
    ]));
    metrics.note(&record(vec![attempt("openrouter/auto", Outcome::Failed(Reason::Server))]));
    metrics.refused("no_route");
    let text = metrics.text(&standing()).unwrap();
    has(
        &text,
        &[
            r#"moonrelay_requests_total{face="openai-completions",model="openrouter/auto",outcome="ok"} 1"#,
            r#"moonrelay_requests_total{face="openai-completions",model="none",outcome="server"} 1"#,
            r#"moonrelay_request_duration_seconds_bucket{model="openrouter/auto",stream="true",le="2.5"} 0"#,
            r#"moonrelay_request_duration_seconds_bucket{model="openrouter/auto",stream="true",le="5"} 1"#,
            r#"moonrelay_time_to_first_byte_seconds_sum{model="openrouter/auto",stream="true"} 0.03"#,
            r#"moonrelay_attempts_total{model="kimi/k3",provider="kimi",result="cooling_down"} 1"#,
            r#"moonrelay_attempts_total{model="openrouter/auto",provider="openrouter",result="ok"} 1"#,
            r#"moonrelay_fallbacks_total{from="kimi/k3",reason="cooling_down",to="openrouter/auto"} 1"#,
            r#"moonrelay_tokens_total{kind="input",model="kimi/k3",part="lost"} 12"#,
            r#"moonrelay_tokens_total{kind="cache_read",model="openrouter/auto",part="answered"} 5"#,
            r#"moonrelay_tokens_total{kind="output",model="openrouter/auto",part="answered"} 7"#,
            r#"moonrelay_reasoning_tokens_total{model="openrouter/auto",part="answered"} 4"#,
            r#"moonrelay_estimated_tokens_total{kind="input",model="kimi/k3"} 12"#,
            r#"moonrelay_cost_total{currency="USD",model="kimi/k3",part="lost"} 0.000000000001"#,
            r#"moonrelay_cost_total{currency="USD",model="openrouter/auto",part="answered"} 1.5"#,
            r#"moonrelay_refused_total{reason="no_route"} 1"#,
        ],
    );
}

#[test]
fn how_it_stands_is_told_as_of_the_scrape() {
    let metrics = Metrics::default();
    let text = metrics.text(&standing()).unwrap();
    has(
        &text,
        &[
            r#"moonrelay_target_state{model="kimi/k3",provider="kimi",state="cooling_down"} 1"#,
            r#"moonrelay_target_state{model="kimi/k3",provider="kimi",state="answering"} 0"#,
            r#"moonrelay_target_state{model="openrouter/auto",provider="openrouter",state="answering"} 1"#,
            r#"moonrelay_target_cooldown_end_timestamp_seconds{model="kimi/k3",provider="kimi",reason="quota"} 1.5"#,
            r#"moonrelay_provider_state{provider="openrouter",state="ready"} 1"#,
            "moonrelay_requests_in_flight 2",
            "moonrelay_ledger_queue_length 1",
            "moonrelay_ledger_written_total 5",
            "moonrelay_ledger_dropped_total 3",
            "moonrelay_ledger_failing 1",
            "moonrelay_traces_dropped_total 4",
            "moonrelay_config_last_reload_successful 1",
            "process_start_time_seconds 9",
        ],
    );
    let rested = metrics.text(&Standing { targets: Vec::new(), ..standing() }).unwrap();
    assert!(!rested.contains("kimi/k3"), "nothing of the last scrape stays: {rested}");
    assert_eq!(CONTENT_TYPE, "text/plain; version=0.0.4");
}

#[test]
fn whatever_clients_ask_for_the_labels_stay_few() {
    let metrics = Metrics::default();
    metrics.configured(["openrouter/auto"]);
    for number in 0..500 {
        let invented = format!("openrouter/made-up-{number}");
        metrics.note(&record(vec![attempt(&invented, Outcome::Failed(Reason::ModelNotFound))]));
    }
    let models = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("moonrelay_attempts_total"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let other =
        r#"moonrelay_attempts_total{model="other",provider="openrouter",result="model_not_found"} 500"#;
    assert_eq!(models(&metrics.text(&standing()).unwrap()), [other], "what never answered is no model");
    for number in 0..500 {
        metrics.note(&record(vec![attempt(&format!("openrouter/real-{number}"), Outcome::Ok)]));
    }
    metrics.note(&record(vec![attempt("openrouter/auto", Outcome::Ok)]));
    let text = metrics.text(&standing()).unwrap();
    assert_eq!(models(&text).len(), 103, "a hundred, the configured one, and the rest in one, well and not");
    assert!(text.contains(r#"moonrelay_attempts_total{model="openrouter/auto","#));
}

#[test]
fn every_family_is_told_with_its_labels() {
    let metrics = Metrics::default();
    metrics.configured(["kimi/k3", "openrouter/auto"]);
    let usage = Usage { input: 1, estimated: true, ..Usage::default() };
    metrics.note(&record(vec![
        attempt("kimi/k3", Outcome::Failed(Reason::Server)),
        paid("openrouter/auto", Outcome::Ok, usage, 1),
    ]));
    metrics.refused("no_route");
    let text = metrics.text(&standing()).unwrap();
    for family in family::ALL {
        assert!(text.contains(&format!("# HELP {} {}\n", family.name, family.help)), "{}", family.name);
        assert!(text.contains(&format!("# TYPE {} {}\n", family.name, family.kind.as_str())), "{text}");
        let labelled = |line: &&str| line.starts_with(&format!("{}{{", family.name));
        let sample = text.lines().find(labelled).unwrap_or_default();
        let histogram = matches!(family.kind, family::Kind::Histogram(_));
        assert!(
            histogram || family.labels.iter().all(|label| sample.contains(&format!("{label}=\""))),
            "{sample}"
        );
    }
    let told = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(told, family::ALL.len(), "each once, and no other: {text}");
}
