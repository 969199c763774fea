use std::time::{Duration, SystemTime};

use super::{Metrics, REQUEST_FAMILIES, Registry, family};
use crate::failure::Reason;
use crate::protocol::amount::Amount;
use crate::protocol::api::Api;
use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, AttemptCost, AttemptOutcome, CostSource, Record, RequestId, SkipReason};

fn attempt(reference: &str, outcome: AttemptOutcome) -> Attempt {
    Attempt {
        reference: reference.to_owned(),
        outcome,
        detail: String::new(),
        timeout: None,
        start_offset: Duration::ZERO,
        duration: Duration::ZERO,
        usage: None,
        cost: None,
    }
}

fn paid(reference: &str, outcome: AttemptOutcome, usage: TokenUsage, picos: u64) -> Attempt {
    let amount = Amount::from_picos(picos);
    let bill = Some(AttemptCost { amount, currency: "USD".to_owned(), source: CostSource::PriceTable });
    Attempt { usage: Some(usage), cost: bill, ..attempt(reference, outcome) }
}

fn record(attempts: Vec<Attempt>) -> Record {
    let last = attempts.last().filter(|last| last.outcome == AttemptOutcome::Ok);
    Record {
        request_id: RequestId::now(),
        received_at: SystemTime::UNIX_EPOCH,
        trace_parent: None,
        client: "a client".to_owned(),
        requested_model: "default".to_owned(),
        api: Api::ChatCompletions,
        upstream_api: None,
        served_by: last.map(|last| last.reference.clone()),
        failure_reason: if last.is_none() { Some(Reason::Server) } else { None },
        attempts,
        applied_rules: Vec::new(),
        losses: Vec::new(),
        thinking: None,
        usage: None,
        is_streaming: true,
        time_to_first_byte: Some(Duration::from_millis(30)),
        duration: Duration::from_secs(3),
        client_disconnected: false,
    }
}

/// Fails for a missing sample and prints all samples.
fn assert_samples(text: &str, samples: &[&str]) {
    for sample in samples {
        assert!(text.lines().any(|line| line == *sample), "{sample} is not in\n{text}");
    }
}

#[test]
fn request_changes_its_counters() {
    let metrics = Metrics::default();
    metrics.register_models(["kimi/k3", "openrouter/auto"]);
    let usage = TokenUsage { input: 10, output: 7, cache_read: 5, reasoning: 4, ..TokenUsage::default() };
    let guess = TokenUsage { input: 12, is_estimated: true, ..TokenUsage::default() };
    metrics.record(&record(vec![
        attempt("kimi/k3", AttemptOutcome::Skipped(SkipReason::InCooldown(Reason::Quota))),
        paid("kimi/k3", AttemptOutcome::Failed(Reason::Truncated), guess, 1),
        paid("openrouter/auto", AttemptOutcome::Ok, usage, 1_500_000_000_000),
    ]));
    metrics.record(&record(vec![attempt("openrouter/auto", AttemptOutcome::Failed(Reason::Server))]));
    metrics.record_rejection("no_route");
    let text = metrics.encode(&Registry::new()).unwrap();
    assert_samples(
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
fn labels_stay_few_whatever_clients_request() {
    let metrics = Metrics::default();
    metrics.register_models(["openrouter/auto"]);
    for number in 0..500 {
        let invented = format!("openrouter/made-up-{number}");
        metrics.record(&record(vec![attempt(&invented, AttemptOutcome::Failed(Reason::ModelNotFound))]));
    }
    let models = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("moonrelay_attempts_total"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let other =
        r#"moonrelay_attempts_total{model="other",provider="openrouter",result="model_not_found"} 500"#;
    assert_eq!(
        models(&metrics.encode(&Registry::new()).unwrap()),
        [other],
        "a reference that never answered has no label"
    );
    for number in 0..500 {
        metrics.record(&record(vec![attempt(&format!("openrouter/real-{number}"), AttemptOutcome::Ok)]));
    }
    metrics.record(&record(vec![attempt("openrouter/auto", AttemptOutcome::Ok)]));
    let text = metrics.encode(&Registry::new()).unwrap();
    assert_eq!(models(&text).len(), 103, "a hundred, the configured one, and `other` with two results");
    assert!(text.contains(r#"moonrelay_attempts_total{model="openrouter/auto","#));
}

#[test]
fn every_request_metric_is_exported_with_its_labels() {
    let metrics = Metrics::default();
    metrics.register_models(["kimi/k3", "openrouter/auto"]);
    let usage = TokenUsage { input: 1, is_estimated: true, ..TokenUsage::default() };
    metrics.record(&record(vec![
        attempt("kimi/k3", AttemptOutcome::Failed(Reason::Server)),
        paid("openrouter/auto", AttemptOutcome::Ok, usage, 1),
    ]));
    metrics.record_rejection("no_route");
    let text = metrics.encode(&Registry::new()).unwrap();
    let exported = |family: &&family::MetricDefinition| text.contains(&format!("# HELP {} ", family.name));
    for family in family::ALL.iter().filter(exported) {
        assert!(text.contains(&format!("# HELP {} {}\n", family.name, family.help)), "{}", family.name);
        assert!(text.contains(&format!("# TYPE {} {}\n", family.name, family.kind.as_str())), "{text}");
        let labelled = |line: &&str| line.starts_with(&format!("{}{{", family.name));
        let sample = text.lines().find(labelled).unwrap_or_default();
        let histogram = matches!(family.kind, family::MetricKind::Histogram(_));
        assert!(
            histogram || family.labels.iter().all(|label| sample.contains(&format!("{label}=\""))),
            "{sample}"
        );
    }
    let count = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(count, REQUEST_FAMILIES, "each is exported once, and no other: {text}");
}
