//! Pages show the current state, and text from other sources never becomes markup.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;
use maud::Markup;

use super::chart_data::{ChartData, TimeRange};
use super::format::{LocalTime, describe_outcome};
use super::{chain, charts, request, requests};
use crate::config::settings::Reference;
use crate::failure::Reason;
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{AttemptCost, AttemptOutcome, CostSource, RequestId, SkipReason};
use crate::routing::engine::ReloadOutcome;
use crate::routing::snapshot::Snapshot;
use crate::routing::snapshot::{ChainEntry, TargetStatus};
use crate::state::cooldown::{CooldownDurations, Cooldowns};
use crate::usage::{TokenTotals, UsageAttempt, UsageEntry, UsageRow, UsageStore, UsageTotals};

const EVIL: &str = "<script>alert('\"&')</script>";

/// 2026-11-21 12:00 UTC.
fn clock() -> LocalTime {
    let now: jiff::Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    LocalTime { now: now.into(), zone: TimeZone::UTC }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn attempt(reference: &str, outcome: &str, began: u64, took: u64) -> UsageAttempt {
    let (provider, model) = reference.split_once('/').unwrap();
    UsageAttempt {
        provider: provider.to_owned(),
        model: model.to_owned(),
        outcome: outcome.to_owned().into(),
        detail: String::new(),
        started_after: millis(began),
        duration: millis(took),
        usage: None,
        bill: None,
    }
}

/// Kimi rejected the request, `OpenRouter` answered.
fn failed_over() -> UsageEntry {
    let usage = TokenUsage { input: 600, output: 200, cache_read: 400, ..TokenUsage::default() };
    let bill = AttemptCost {
        amount: Amount::parse("0.001434").unwrap(),
        currency: "USD".to_owned(),
        source: CostSource::PriceTable,
    };
    UsageEntry {
        request_id: RequestId::from_time(clock().now - Duration::from_secs(5)),
        client: "laptop".to_owned(),
        requested: "default".to_owned(),
        api: "anthropic-messages".into(),
        target_api: Some("openai-completions".into()),
        answered_by: Some("openrouter/auto".to_owned()),
        is_streamed: true,
        thinking: Some("high".into()),
        outcome: "ok".into(),
        first_byte: Some(millis(900)),
        duration: millis(2_000),
        rules: vec!["one-rule".into()],
        losses: vec!["top_k".into()],
        attempts: vec![
            UsageAttempt { detail: EVIL.to_owned(), ..attempt("kimi/kimi-for-coding", "rate_limit", 0, 400) },
            attempt("moonshot/kimi-k3", "cooling_down", 400, 0),
            UsageAttempt {
                usage: Some(usage),
                bill: Some(bill),
                ..attempt("openrouter/auto", "ok", 400, 500)
            },
        ],
    }
}

/// Checks that the parts are there, and that foreign text is not markup.
fn assert_contains(markup: &Markup, parts: &[&str]) {
    let page = &markup.0;
    for part in parts {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("style="), "{page}");
}

fn snapshot(links: Vec<(&str, TargetStatus)>, reload: Option<ReloadOutcome>) -> Snapshot {
    let link = |(reference, standing)| ChainEntry {
        reference: Reference::parse(reference).unwrap(),
        status: standing,
    };
    Snapshot {
        at: Instant::now(),
        wall_time: clock().now,
        uptime: Duration::from_secs(60),
        config: None,
        chain_entries: links.into_iter().map(link).collect(),
        providers: vec![("own".to_owned(), TargetStatus::Disabled(EVIL.to_owned()))],
        in_flight: 0,
        reload: reload.map(Arc::new),
    }
}

fn in_cooldown(seconds: u64, reason: Reason) -> TargetStatus {
    let (now, steps) = (
        Instant::now(),
        CooldownDurations {
            steps: vec![Duration::from_secs(seconds)],
            billing: Duration::from_secs(seconds),
        },
    );
    let mut cooldowns = Cooldowns::default();
    cooldowns.record_failure("it", reason, None, &steps, now);
    TargetStatus::InCooldown(cooldowns.get_active(&"it", now).unwrap())
}

#[test]
fn chain_shows_the_active_target_and_why_others_are_unavailable() {
    let links = vec![
        ("kimi/kimi-for-coding", in_cooldown(42, Reason::RateLimit)),
        ("moonshot/kimi-k3", TargetStatus::Disabled(EVIL.to_owned())),
        ("openrouter/auto", TargetStatus::Ready),
        ("openrouter/other", TargetStatus::Ready),
    ];
    let mut snapshot = snapshot(links, None);
    // To the second.
    snapshot.at = snapshot.next_cooldown_expiry().unwrap() - Duration::from_secs(42);
    let rejected =
        ReloadOutcome { finished_at: clock().now, is_accepted: false, message: Some(EVIL.to_owned()) };
    snapshot.reload = Some(Arc::new(rejected));
    assert_contains(
        &chain::render_section(&snapshot, &clock()),
        &[
            "<strong>openrouter/auto</strong> answers instead of kimi/kimi-for-coding",
            "data-target=\"kimi/kimi-for-coding\" data-state=\"cooldown\"",
            ">12:00:42</time>",
            ">42 s</span>): rate limit reached",
            "data-target=\"moonshot/kimi-k3\" data-state=\"off\"",
            "data-target=\"openrouter/auto\" data-state=\"answering\"",
            "data-target=\"openrouter/other\" data-state=\"ready\"",
            ", the previous configuration stays active: &lt;script&gt;",
            "Providers outside the chain: 1",
        ],
    );
}

#[test]
fn key_in_cooldown_is_shown_when_another_key_is_used() {
    let links = vec![("kimi/k3", in_cooldown(42, Reason::Quota)), ("kimi/k3", TargetStatus::Ready)];
    let page = chain::render_section(&snapshot(links, None), &clock());
    assert_contains(&page, &["data-state=\"answering\"", "1 of 2 keys in cooldown"]);
    assert_eq!(page.0.matches("data-target=").count(), 1, "{}", page.0);
    let empty = chain::render_section(&snapshot(Vec::new(), None), &clock());
    assert_contains(&empty, &["No target is available", "no provider has a key"]);
}

#[test]
fn failover_is_shown_in_the_list() {
    let health = UsageStore::in_memory().health();
    let page =
        requests::RequestPage { entries: Vec::new(), is_newest: true, has_store: false, error: None, health };
    let empty = page.render(&clock());
    assert_contains(&empty, &["No requests yet.", "usage.store is &quot;none&quot;"]);
    let entry = failed_over();
    assert!(requests::used_fallback(&entry));
    assert_contains(
        &requests::render_attempt_chips(&entry),
        &["kimi/kimi-for-coding <span class=\"word\">rate_limit", "openrouter/auto"],
    );
    // A successful retry is not a fallback.
    let attempts = vec![attempt("kimi/k3", "network", 0, 1), attempt("kimi/k3", "ok", 1, 1)];
    assert!(!requests::used_fallback(&UsageEntry {
        answered_by: Some("kimi/k3".to_owned()),
        attempts,
        ..failed_over()
    }));
    assert!(!requests::used_fallback(&UsageEntry { answered_by: None, ..failed_over() }));
}

#[test]
fn request_page_has_time_tokens_and_cost_of_each_attempt() {
    assert_contains(
        &request::render_page(&failed_over(), &clock()),
        &[
            "data-request=\"330640caa9260000\" data-outcome=\"ok\"",
            "<strong>openrouter/auto</strong> answered after 2 other attempts",
            "anthropic-messages, translated to openai-completions, streamed",
            "<dd>one-rule</dd>",
            "<dd>top_k</dd>",
            "<svg class=\"timeline\" role=\"img\"",
            "data-attempt=\"kimi/kimi-for-coding\" data-result=\"rate_limit\"",
            "rate limit reached: &lt;script&gt;",
            "data-attempt=\"moonshot/kimi-k3\" data-result=\"cooling_down\"",
            "<td class=\"number\">600</td><td class=\"number\">400</td><td class=\"number\">200</td>",
            "title=\"0.001434 USD\">$0.001434</span>",
        ],
    );
    assert_contains(
        &request::render_attempts(&failed_over()),
        &["<span class=\"ms\">400 ms</span>", "data-result=\"ok\""],
    );
    assert_contains(&request::render_not_found(EVIL), &["&lt;script&gt;"]);
    let rejected = UsageEntry {
        attempts: Vec::new(),
        answered_by: None,
        outcome: "bad_request".into(),
        ..failed_over()
    };
    assert_contains(
        &request::render_page(&rejected, &clock()),
        &["No target was tried: the request is invalid"],
    );
}

#[test]
fn timeline_is_to_scale() {
    let timeline = request::render_timeline(&failed_over());
    // 440 wide for 2 s: Kimi from 0 for 400 ms, OpenRouter from 400 for 500 ms, and its answer to the end.
    assert_contains(
        &timeline,
        &[
            "<rect data-tone=\"bad\" x=\"0\" y=\"19\" width=\"88\"",
            "<rect data-tone=\"quiet\" x=\"88\" y=\"55\" width=\"2\"",
            "<rect data-tone=\"good\" x=\"88\" y=\"91\" width=\"110\"",
            "<rect class=\"rest\" x=\"198\" y=\"91\" width=\"242\"",
        ],
    );
    let instant =
        UsageEntry { duration: Duration::ZERO, attempts: vec![attempt("a/b", "ok", 0, 0)], ..failed_over() };
    assert_contains(&request::render_timeline(&instant), &["x=\"0\" y=\"19\" width=\"2\""]);
}

#[test]
fn active_requests_are_counted_and_none_is_shown_as_such() {
    assert_contains(
        &requests::render_active_requests(1_000, &[], &clock()),
        &[">1000</span>", "and 1000 more"],
    );
    assert_contains(
        &requests::render_active_requests(0, &[], &clock()),
        &["No active requests.", ">0</span>"],
    );
}

fn total(input: u64, output: u64, cost: &[(&str, &str)]) -> UsageTotals {
    let priced = |(currency, amount): &(&str, &str)| ((*currency).to_owned(), Amount::parse(amount).unwrap());
    let cost: BTreeMap<String, Amount> = cost.iter().map(priced).collect();
    let unpriced = u64::from(cost.is_empty());
    UsageTotals {
        attempts: 1,
        unpriced,
        tokens: TokenTotals { input, output, ..TokenTotals::default() },
        cost,
        ..UsageTotals::default()
    }
}

fn sum(day: &str, model: &str, answered: UsageTotals, lost: UsageTotals) -> UsageRow {
    UsageRow { keys: vec![day.to_owned(), model.to_owned()], requests: 1, failed: 0, answered, lost }
}

#[test]
fn charts_show_the_usage_database() {
    let (_, bars) = TimeRange::Week.build_bars(&clock()).unwrap();
    let sums = [
        sum("2026-11-20", "kimi/k3", total(1_000, 500, &[]), UsageTotals::default()),
        sum(
            "2026-11-21",
            "moonshot/k3",
            total(600, 200, &[("USD", "0.001434")]),
            total(50, 5, &[("USD", "0.000066")]),
        ),
        sum("2026-11-21", "moonshot-cn/k3", total(10, 1, &[("CNY", "0.3")]), UsageTotals::default()),
        // Older than the range: nothing of it is shown.
        sum("2026-11-01", "kimi/k3", UsageTotals::default(), UsageTotals::default()),
    ];
    let data = ChartData::from_rows(bars, &sums);
    assert_eq!(data.models, ["kimi/k3", "moonshot/k3", "moonshot-cn/k3"]);
    let page = charts::render_section(&Ok(Some(data)), TimeRange::Week);
    assert_contains(
        &page,
        &[
            "<strong>2,366 tokens</strong> in 7 days: 1,610 input, 0 cached, 701 output; 55 in failed attempts",
            "aria-current=\"true\">7 days</a>",
            "data-chart=\"cost\" data-currency=\"CNY\"",
            "data-chart=\"cost\" data-currency=\"USD\"",
            "<strong title=\"0.0015 USD\">$0.0015</strong>",
            "; 1 attempt without a price (",
            "<tr><th scope=\"row\">2026-11-21</th><td class=\"number\">0</td><td class=\"number\">855</td>\
             <td class=\"number\">11</td></tr>",
            "<td class=\"number\">$0</td><td class=\"number\">$0.0015</td><td class=\"number\">$0</td>",
        ],
    );
    assert_eq!(page.0.matches("<svg role=\"img\" aria-label=").count(), 3, "a chart for each currency");
}

#[test]
fn seventh_model_is_among_the_others() {
    let (_, bars) = TimeRange::Day.build_bars(&clock()).unwrap();
    let model =
        |at: u64| sum("2026-11-21T12", &format!("own/{at}"), total(100 - at, 0, &[]), UsageTotals::default());
    let sums: Vec<UsageRow> = (0..8).map(model).collect();
    let page = charts::render_section(&Ok(Some(ChartData::from_rows(bars, &sums))), TimeRange::Day);
    assert_contains(
        &page,
        &["2 others", "<th class=\"number\" scope=\"col\">own/7</th>", "<th scope=\"col\">Hour</th>"],
    );
}

#[test]
fn charts_without_data_show_the_reason() {
    assert_contains(
        &charts::render_section(&Ok(None), TimeRange::Week),
        &["usage.store is &quot;none&quot;"],
    );
    let (location, problem) = ("/x".to_owned(), EVIL.to_owned());
    let error = crate::usage::DatabaseError { location, problem };
    assert_contains(
        &charts::render_section(&Err(error), TimeRange::Week),
        &["Charts unavailable: usage database /x: &lt;script&gt;"],
    );
    let empty = ChartData::from_rows(TimeRange::Week.build_bars(&clock()).unwrap().1, &[]);
    assert_contains(
        &charts::render_section(&Ok(Some(empty)), TimeRange::Week),
        &["<strong>0 tokens</strong>", "data-chart=\"cost\"", "<strong>No cost</strong>"],
    );
}

#[test]
fn unix_epoch_is_rendered() {
    assert_contains(&clock().render_time(SystemTime::UNIX_EPOCH), &[">Jan 1, 00:00<"]);
}

#[test]
fn every_outcome_has_a_description() {
    let skips = [
        SkipReason::NoKey,
        SkipReason::ApiNotSupported,
        SkipReason::InCooldown(Reason::Quota),
        SkipReason::MediaNotAccepted,
        SkipReason::WindowTooSmall,
        SkipReason::MessagesTooLarge,
        SkipReason::ProviderRestricted,
    ];
    let outcomes =
        Reason::ALL.map(AttemptOutcome::Failed).into_iter().chain(skips.map(AttemptOutcome::Skipped));
    for outcome in outcomes.chain([AttemptOutcome::Ok, AttemptOutcome::Cancelled]) {
        assert_ne!(describe_outcome(outcome.as_str()), outcome.as_str(), "{outcome:?}");
    }
}
