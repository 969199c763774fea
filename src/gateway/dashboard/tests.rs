//! Pages show the current state, and text from other sources never becomes markup.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;
use maud::Markup;

use super::chart_data::ChartData;
use super::local_time::LocalTime;
use super::time_range::TimeRange;
use super::{active_requests, chain, charts, request, requests, timeline};
use crate::config::settings::Reference;
use crate::failure::Reason;
use crate::policy::cooldown::{CooldownDurations, Cooldowns};
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{AttemptCost, CostSource, RequestId};
use crate::routing::plan::{ChainEntry, TargetStatus};
use crate::routing::reload::ReloadOutcome;
use crate::routing::snapshot::Snapshot;
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
fn fallen() -> UsageEntry {
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

/// Whether all of it is there, and no word of others is markup.
fn assert_says(markup: &Markup, parts: &[&str]) {
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

fn resting(seconds: u64, reason: Reason) -> TargetStatus {
    let (now, steps) = (
        Instant::now(),
        CooldownDurations {
            steps: vec![Duration::from_secs(seconds)],
            billing: Duration::from_secs(seconds),
        },
    );
    let mut rests = Cooldowns::default();
    rests.record_failure("it", reason, None, &steps, now);
    TargetStatus::InCooldown(rests.get_active(&"it", now).unwrap())
}

#[test]
fn the_chain_says_who_answers_and_until_when_and_why_others_do_not() {
    let links = vec![
        ("kimi/kimi-for-coding", resting(42, Reason::RateLimit)),
        ("moonshot/kimi-k3", TargetStatus::Disabled(EVIL.to_owned())),
        ("openrouter/auto", TargetStatus::Ready),
        ("openrouter/other", TargetStatus::Ready),
    ];
    let mut snapshot = snapshot(links, None);
    // To the second.
    snapshot.at = snapshot.next_cooldown_expiry().unwrap() - Duration::from_secs(42);
    let refused =
        ReloadOutcome { finished_at: clock().now, is_accepted: false, message: Some(EVIL.to_owned()) };
    snapshot.reload = Some(Arc::new(refused));
    assert_says(
        &chain::render_section(&snapshot, &clock()),
        &[
            "<strong>openrouter/auto</strong> answers in place of kimi/kimi-for-coding",
            "data-target=\"kimi/kimi-for-coding\" data-state=\"resting\"",
            ">12:00:42</time>",
            ">42 s</span>): too many requests for now",
            "data-target=\"moonshot/kimi-k3\" data-state=\"off\"",
            "data-target=\"openrouter/auto\" data-state=\"answering\"",
            "data-target=\"openrouter/other\" data-state=\"ready\"",
            "was refused, the settings before it serve on: &lt;script&gt;",
            "Providers beside the chain: 1",
        ],
    );
}

#[test]
fn a_key_that_rests_is_told_where_another_one_answers() {
    let links = vec![("kimi/k3", resting(42, Reason::Quota)), ("kimi/k3", TargetStatus::Ready)];
    let page = chain::render_section(&snapshot(links, None), &clock());
    assert_says(&page, &["data-state=\"answering\"", "1 of its 2 keys rest"]);
    assert_eq!(page.0.matches("data-target=").count(), 1, "{}", page.0);
    let nobody = chain::render_section(&snapshot(Vec::new(), None), &clock());
    assert_says(&nobody, &["Nobody can answer", "no provider has a key"]);
}

#[tokio::test]
async fn a_request_that_fell_back_is_seen_at_a_glance() {
    let ledger = UsageStore::in_memory();
    let empty = requests::RequestPage::load(&ledger, false, None).await.render(&clock());
    assert_says(&empty, &["None yet.", "usage.store is &quot;none&quot;"]);
    let entry = fallen();
    assert!(requests::used_fallback(&entry));
    assert_says(
        &requests::render_attempt_chips(&entry),
        &["kimi/kimi-for-coding <span class=\"word\">rate_limit", "openrouter/auto"],
    );
    // A successful retry is not a fallback.
    let attempts = vec![attempt("kimi/k3", "network", 0, 1), attempt("kimi/k3", "ok", 1, 1)];
    assert!(!requests::used_fallback(&UsageEntry {
        answered_by: Some("kimi/k3".to_owned()),
        attempts,
        ..fallen()
    }));
    assert!(!requests::used_fallback(&UsageEntry { answered_by: None, ..fallen() }));
}

#[test]
fn the_page_of_a_request_has_each_attempt_with_time_tokens_and_cost() {
    assert_says(
        &request::render_page(&fallen(), &clock()),
        &[
            "data-request=\"330640caa9260000\" data-outcome=\"ok\"",
            "<strong>openrouter/auto</strong> answered, after 2 attempts that did not",
            "anthropic-messages, translated to openai-completions, streamed",
            "<dd>one-rule</dd>",
            "<dd>top_k</dd>",
            "<svg class=\"timeline\" role=\"img\"",
            "data-attempt=\"kimi/kimi-for-coding\" data-result=\"rate_limit\"",
            "too many requests for now: &lt;script&gt;",
            "data-attempt=\"moonshot/kimi-k3\" data-result=\"cooling_down\"",
            "<td class=\"number\">600</td><td class=\"number\">400</td><td class=\"number\">200</td>",
            "title=\"0.001434 USD\">$0.001434</span>",
        ],
    );
    assert_says(
        &request::render_attempts(&fallen()),
        &["<span class=\"ms\">400 ms</span>", "data-result=\"ok\""],
    );
    assert_says(&request::render_not_found(EVIL), &["&lt;script&gt;"]);
    let nobody =
        UsageEntry { attempts: Vec::new(), answered_by: None, outcome: "bad_request".into(), ..fallen() };
    assert_says(&request::render_page(&nobody, &clock()), &["Nobody was asked: the request is wrong"]);
}

#[test]
fn a_timeline_is_to_scale() {
    let drawn = timeline::render_timeline(&fallen());
    // 440 wide for 2 s: Kimi from 0 for 400 ms, OpenRouter from 400 for 500 ms, and its answer to the end.
    assert_says(
        &drawn,
        &[
            "<rect data-tone=\"bad\" x=\"0\" y=\"19\" width=\"88\"",
            "<rect data-tone=\"quiet\" x=\"88\" y=\"55\" width=\"2\"",
            "<rect data-tone=\"good\" x=\"88\" y=\"91\" width=\"110\"",
            "<rect class=\"rest\" x=\"198\" y=\"91\" width=\"242\"",
        ],
    );
    let instant =
        UsageEntry { duration: Duration::ZERO, attempts: vec![attempt("a/b", "ok", 0, 0)], ..fallen() };
    assert_says(&timeline::render_timeline(&instant), &["x=\"0\" y=\"19\" width=\"2\""]);
}

#[test]
fn nothing_under_way_is_said_so_and_a_crowd_is_counted() {
    assert_says(&active_requests::render_section(1_000, &[], &clock()), &[">1000</span>", "and 1000 more"]);
    assert_says(
        &active_requests::render_section(0, &[], &clock()),
        &["Nothing is asked at this moment", ">0</span>"],
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
fn the_charts_have_what_the_ledger_has() {
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
    let spent = ChartData::from_rows(bars, &sums);
    assert_eq!(spent.models, ["kimi/k3", "moonshot/k3", "moonshot-cn/k3"]);
    let page = charts::render_section(&Ok(Some(spent)), TimeRange::Week);
    assert_says(
        &page,
        &[
            "<strong>2,366 tokens</strong> in 7 days: 1,610 in, 0 from caches, 701 out; 55 in attempts that did not",
            "aria-current=\"true\">7 days</a>",
            "data-chart=\"cost\" data-currency=\"CNY\"",
            "data-chart=\"cost\" data-currency=\"USD\"",
            "<strong title=\"0.0015 USD\">$0.0015</strong>",
            "; 1 attempt without a price of its own (",
            "<tr><th scope=\"row\">2026-11-21</th><td class=\"number\">0</td><td class=\"number\">855</td>\
             <td class=\"number\">11</td></tr>",
            "<td class=\"number\">$0</td><td class=\"number\">$0.0015</td><td class=\"number\">$0</td>",
        ],
    );
    assert_eq!(page.0.matches("<svg role=\"img\" aria-label=").count(), 3, "a chart for each currency");
}

#[test]
fn a_seventh_model_is_among_the_others() {
    let (_, bars) = TimeRange::Day.build_bars(&clock()).unwrap();
    let model =
        |at: u64| sum("2026-11-21T12", &format!("own/{at}"), total(100 - at, 0, &[]), UsageTotals::default());
    let sums: Vec<UsageRow> = (0..8).map(model).collect();
    let page = charts::render_section(&Ok(Some(ChartData::from_rows(bars, &sums))), TimeRange::Day);
    assert_says(
        &page,
        &["2 others", "<th class=\"number\" scope=\"col\">own/7</th>", "<th scope=\"col\">Hour</th>"],
    );
}

#[tokio::test]
async fn where_nothing_is_kept_or_can_be_read_the_charts_say_so() {
    let ledger = UsageStore::in_memory();
    for (kept, words) in [(false, "usage.store is &quot;none&quot;"), (true, "it is not open yet")] {
        let drawn = charts::load_chart(&ledger, kept, TimeRange::Week, &clock()).await;
        assert_says(&charts::render_section(&drawn, TimeRange::Week), &[words]);
    }
    let (place, problem) = ("/x".to_owned(), EVIL.to_owned());
    let trouble = crate::usage::DatabaseError { location: place, problem };
    assert_says(
        &charts::render_section(&Err(trouble), TimeRange::Week),
        &["cannot be read: usage database /x: &lt;script&gt;"],
    );
    let empty = ChartData::from_rows(TimeRange::Week.build_bars(&clock()).unwrap().1, &[]);
    assert_says(
        &charts::render_section(&Ok(Some(empty)), TimeRange::Week),
        &["<strong>0 tokens</strong>", "data-chart=\"cost\"", "<strong>No cost</strong>"],
    );
}

#[test]
fn a_time_before_all_others_is_a_time() {
    assert_says(&clock().render_time(SystemTime::UNIX_EPOCH), &[">Jan 1, 00:00<"]);
}
