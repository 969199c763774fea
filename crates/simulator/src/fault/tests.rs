//! Faults as text.

use crate::fault::queue::FaultQueue;
use crate::fault::*;
use crate::provider::{Api, Provider};

#[test]
fn specs_are_read_and_written() {
    for (spec, canonical) in [
        ("kimi:rate_limit,retry_after=2,times=1", "kimi:rate_limit,retry_after=2,times=1"),
        ("*:stall:3", "*:stall=3"),
        ("stall=3", "*:stall=3"),
        ("empty", "*:empty"),
        ("moonshot:overloaded, times=2", "moonshot:overloaded,times=2"),
        ("openrouter/moonshotai/kimi-k3:drip:50", "openrouter/moonshotai/kimi-k3:drip=50"),
        ("openrouter/deepseek/v3:free:empty", "openrouter/deepseek/v3:free:empty"),
        ("*/kimi-k3:refuse", "*/kimi-k3:refuse"),
        ("gzip_error", "*:gzip_error=500"),
        ("retry_after:30", "*:rate_limit,retry_after=30"),
        ("error_chunk_after,after=2", "*:error_chunk_after=2"),
        ("openrouter:in_flight_budget", "openrouter:in_flight_budget"),
    ] {
        let fault: Fault = spec.parse().unwrap_or_else(|problem| panic!("{spec}: {problem}"));
        assert_eq!(fault.to_string(), canonical);
        assert_eq!(canonical.parse::<Fault>().unwrap(), fault);
    }
}

#[test]
fn a_spec_that_means_nothing_says_what_is_wrong() {
    for (spec, part) in [
        ("", "unknown fault ``"),
        ("nope", "unknown fault `nope`"),
        ("mars:empty", "`mars`"),
        ("stall", "needs a number"),
        ("kimi:stall:x", "\"x\""),
        ("kimi:stall:-1", "\"-1\""),
        ("status:99", "200 to 599"),
        ("empty,often", "not key=value"),
        ("empty,color=1", "unknown field `color`"),
        ("kimi:insufficient_balance", "moonshot, openrouter"),
        ("moonshot/kimi-k3", "no kind"),
    ] {
        let problem = spec.parse::<Fault>().unwrap_err().to_string();
        assert!(problem.contains(part), "{spec}: {problem}");
    }
}

#[test]
fn a_fault_hits_as_often_as_it_says_and_shapes_add_up() {
    let parse = |spec: &str| spec.parse::<Fault>().unwrap();
    let board = FaultQueue::new(vec![
        parse("drip:5"),
        parse("kimi:rate_limit,times=1"),
        parse("kimi/k3:empty"),
        parse("split:3,times=1"),
    ]);
    let words =
        |model: &str| board.take_effects(Provider::Kimi, Api::ChatCompletions, model, false).names().unwrap();
    assert_eq!(words("k3"), "rate_limit+drip+split");
    assert_eq!(words("k3"), "empty+drip");
    assert_eq!(words("kimi-for-coding"), "drip");
    assert_eq!(
        board.take_effects(Provider::Moonshot, Api::ChatCompletions, "k3", false).names().unwrap(),
        "empty+drip".replace("empty+", "")
    );
    board.clear();
    assert_eq!(board.take_effects(Provider::Kimi, Api::ChatCompletions, "k3", false).names(), None);
}

#[test]
fn an_early_refusal_waits_for_faults_that_come_before_it() {
    let parse = |spec: &str| spec.parse::<Fault>().unwrap();
    let board = FaultQueue::new(vec![parse("kimi/k3:empty,times=1"), parse("refuse,times=1")]);
    assert!(!board.take_refuse(Provider::Kimi, Api::ChatCompletions), "the model decides first");
    assert!(board.take_refuse(Provider::Moonshot, Api::ChatCompletions));
    assert_eq!(
        board.take_effects(Provider::Kimi, Api::ChatCompletions, "k3", false).names().unwrap(),
        "empty"
    );
    assert!(!board.take_refuse(Provider::Kimi, Api::ChatCompletions), "it was used up on Moonshot");
}

#[test]
fn a_name_that_a_provider_lacks_passes_it_by() {
    let board = FaultQueue::new(vec!["insufficient_balance".parse().unwrap()]);
    assert!(board.take_effects(Provider::Kimi, Api::ChatCompletions, "k3", false).kind().is_none());
    assert!(
        board
            .take_effects(Provider::OpenRouter, Api::ChatCompletions, "openrouter/auto", false)
            .kind()
            .is_some()
    );
}
