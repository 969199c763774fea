use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use super::*;
use crate::cli::command::tests::{TestHome, error_text};
use crate::protocol::amount::Amount;
use crate::usage::{TokenTotals, UsageRow, UsageTotals};

const PIPED: OutputStyle = OutputStyle { width: 100, use_blocks: false, use_colour: false };

fn total(attempts: u64, tokens: [u64; 5], cost: &[(&str, &str)]) -> UsageTotals {
    let [input, cache_read, cache_write, output, reasoning] = tokens;
    let cost = cost.iter().map(|(currency, amount)| ((*currency).to_owned(), Amount::parse(amount).unwrap()));
    UsageTotals {
        attempts,
        estimated: 0,
        unpriced: 0,
        tokens: TokenTotals { input, output, cache_read, cache_write, reasoning },
        cost: cost.collect::<BTreeMap<_, _>>(),
    }
}

/// A subscription, a provider in dollars with an estimate, one in yuan, and interrupted attempts.
fn sample() -> UsageReport {
    let kimi = UsageTotals { unpriced: 9, ..total(9, [120_000, 1_200_000, 0, 34_567, 9_000], &[]) };
    let moonshot = UsageTotals { estimated: 1, ..total(3, [600, 400, 0, 200, 0], &[("USD", "0.001434")]) };
    let cn = total(1, [1_000, 0, 0, 50, 0], &[("CNY", "12.5")]);
    let mut all = total(13, [121_600, 1_200_400, 0, 34_817, 9_000], &[("CNY", "12.5"), ("USD", "0.001434")]);
    (all.estimated, all.unpriced) = (1, 9);
    let lost = total(2, [700, 0, 0, 12, 0], &[("USD", "0.0000665")]);
    let sum = |requests, failed, answered| UsageRow { requests, failed, answered, ..UsageRow::default() };
    let row = |key: &str, sum| (key.to_owned(), sum);
    UsageReport {
        rows: vec![
            row("kimi/kimi-for-coding", sum(12, 3, kimi)),
            row("moonshot/kimi-k2.6", sum(4, 1, moonshot)),
            row("moonshot-cn/kimi-k3", sum(1, 0, cn)),
        ],
        total: UsageRow { keys: Vec::new(), requests: 13, failed: 4, answered: all, lost },
    }
}

fn view(report: UsageReport, quotas: Option<Value>) -> UsageView {
    let now = jiff::civil::date(2026, 11, 21).at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    UsageView { range: DateRange::last_days(7, now).unwrap(), heading: "Model", report, note: None, quotas }
}

fn text(width: usize) -> String {
    let quotas = json!([
        {"id": "kimi", "at": 0, "allowances": [
            {"name": "5 hours", "used": 0.07, "left": null, "currency": null, "resets": 10_740_000},
            {"name": "week", "used": 0.47, "left": null, "currency": null, "resets": 561_600_000},
        ]},
        {"id": "moonshot", "at": 0, "allowances": [
            {"name": "balance", "used": null, "left": "49.58894", "currency": "USD", "resets": null},
            {"name": "cash", "used": null, "left": "-3.5", "currency": "USD", "resets": null},
        ]},
        {"id": "openrouter", "at": 0, "allowances": [
            {"name": "key", "used": null, "left": null, "currency": null, "resets": null}]},
        {"id": "other", "at": 0, "allowances": [], "error": "auth: \u{1b}[31mthe key is wrong"},
    ]);
    view(sample(), Some(quotas)).to_text(OutputStyle { width, ..PIPED }, UNIX_EPOCH)
}

/// In 110 columns.
const WIDE: &str = "\
The last 7 days by model, since 2026-11-15 (UTC)

Model                 Requests  Failed  Input  Cached  Output  Reasoning  Cost CNY   Cost USD
kimi/kimi-for-coding        12       3   120k   1.20M   34.6k      9.00k  no price             ###############
moonshot/kimi-k2.6           4       1   ~600    ~400    ~200          0            ~0.001434  #
moonshot-cn/kimi-k3          1       0  1.00k       0      50          0   12.5000             #
---------------------------------------------------------------------------------------------
total                       13       4  ~122k  ~1.20M  ~34.8k     ~9.00k  ~12.5000  ~0.001434

4 attempts failed.
Not included: 2 interrupted attempts (700 input, 0 cached and 12 output tokens, 0.000067 USD).
Input excludes cached tokens.
Output includes reasoning tokens.
~ includes estimates: the provider reported no tokens for 1 answer.
The price of 9 answers is unknown: a subscription, or a model without a price.

Quotas
  kimi, 5 hours      ##..................    7 % used  resets in 2 h 59 min
  kimi, week         ##########..........   47 % used  resets in 6 d 12 h
  moonshot, balance  49.58894 USD left
  moonshot, cash     3.5 USD owed
  openrouter, key    no limit
  other:             auth: ␛[31mthe key is wrong";

/// The table in 80 columns.
const NARROW: &str = "\
Model                 Requests  Tokens  Cost CNY   Cost USD
kimi/kimi-for-coding        12   1.35M  no price             ###################
moonshot/kimi-k2.6           4  ~1.20k            ~0.001434  #
moonshot-cn/kimi-k3          1   1.05k   12.5000             #
-----------------------------------------------------------
total                       13  ~1.36M  ~12.5000  ~0.001434";

#[test]
fn wide_terminal_shows_every_column_and_a_narrow_one_fewer() {
    assert_eq!(text(110), WIDE);
    assert_eq!(sample().to_table("Model", OutputStyle { width: 80, ..PIPED }), NARROW);
}

#[test]
fn table_is_not_wider_than_the_terminal() {
    let report = sample();
    for width in 24..130 {
        let table = report.to_table("Model", OutputStyle { width, ..PIPED });
        let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{width}: {widest}\n{table}");
        for needed in ["kimi/kimi-for-coding", "no price", "0.001434", "12.5000"] {
            assert!(width < 70 || table.contains(needed), "{width}: {needed}\n{table}");
        }
    }
}

#[test]
fn colours_do_not_change_the_text() {
    let quotas = json!([{"id": "kimi", "allowances": [{"name": "week", "used": 0.95, "resets": 60_000}]}]);
    let view = view(sample(), Some(quotas));
    let style = OutputStyle { width: 110, ..PIPED };
    let plain = view.to_text(style, UNIX_EPOCH);
    let mut coloured = view.to_text(OutputStyle { use_colour: true, ..style }, UNIX_EPOCH);
    for code in ["\u{1b}[0;31m", "\u{1b}[0;36m", "\u{1b}[0m"] {
        assert!(coloured.contains(code), "{coloured}");
        coloured = coloured.replace(code, "");
    }
    assert_eq!(coloured, plain);
}

#[test]
fn days_start_at_local_midnight_across_clock_changes() {
    // Central Europe, where summer time ended on 2026-10-25.
    let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let now = jiff::civil::date(2026, 10, 26).at(9, 0, 0, 0).to_zoned(zone).unwrap();
    let range = DateRange::last_days(3, now.clone()).unwrap();
    assert_eq!(range.since.timestamp().to_string(), "2026-10-23T22:00:00Z");
    assert_eq!(range.dates(), ["2026-10-24", "2026-10-25", "2026-10-26"]);
    assert_eq!(range.zone_name(), "+01");
    assert_eq!(DateRange::last_days(1, now.clone()).unwrap().dates(), ["2026-10-26"]);
    assert!(DateRange::last_days(u32::MAX, now).is_err());
    let unknown = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::unknown());
    assert_eq!(DateRange::last_days(1, unknown).unwrap().zone_name(), "UTC");
}

#[test]
fn json_has_whole_tokens_and_exact_amounts() {
    let value = view(sample(), None).to_json();
    assert_eq!(value["since"], "2026-11-15T00:00:00Z");
    assert_eq!(
        [&value["days"], &value["by"], &value["timeZone"]],
        [&json!(7), &json!("model"), &json!("UTC")]
    );
    assert_eq!(
        value["rows"][1],
        json!({
            "key": "moonshot/kimi-k2.6", "requests": 4, "failed": 1,
            "answered": {
                "attempts": 3, "estimated": 1, "unpriced": 0,
                "tokens": {"input": 600, "cacheRead": 400, "cacheWrite": 0, "output": 200, "reasoning": 0},
                "cost": {"USD": "0.001434"},
            },
            "lost": {
                "attempts": 0, "estimated": 0, "unpriced": 0,
                "tokens": {"input": 0, "cacheRead": 0, "cacheWrite": 0, "output": 0, "reasoning": 0},
                "cost": {},
            },
        })
    );
    assert_eq!(value["total"]["lost"]["cost"], json!({"USD": "0.0000665"}));
    assert!(value.get("quotas").is_none() && value.get("note").is_none());
}

/// Runs the command without a usage database.
async fn run_without_requests(home: &mut TestHome, json: bool) -> Result<(), CommandError> {
    let args = Args { days: 7, by: GroupByArg::Day, no_quota: true, config: None, json };
    execute(&args, &mut home.context(json)).await
}

#[tokio::test]
async fn missing_database_is_explained() {
    let mut home = TestHome::with("{}");
    run_without_requests(&mut home, false).await.unwrap();
    let printed = home.printed();
    assert!(printed.starts_with("Nothing is recorded yet: /"), "{printed}");
    assert!(printed.contains(".local/state/moonrelay has no usage database"), "{printed}");
    run_without_requests(&mut home, true).await.unwrap();
    let value = home.printed_json();
    assert_eq!((value["rows"].clone(), value["total"]["requests"].clone()), (json!([]), json!(0)));
    assert!(value["note"].as_str().unwrap().starts_with("Nothing is recorded yet"), "{value}");

    let mut home = TestHome::with(r#"{ usage: { store: "none" } }"#);
    run_without_requests(&mut home, false).await.unwrap();
    assert_eq!(home.printed(), "Nothing is recorded: usage.store is \"none\".\n");
}

#[tokio::test]
async fn unreadable_database_is_an_error() {
    let mut home = TestHome::with("{}");
    let state = home.home.path().join(".local/state/moonrelay");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("ledger.sqlite"), "not a database, but long enough to be read".repeat(100))
        .unwrap();
    let why = error_text(run_without_requests(&mut home, false).await);
    assert!(why.contains("ledger_error") && why.contains("ledger.sqlite"), "{why}");

    let mut home = TestHome { variables: Vec::new(), ..TestHome::empty() };
    let why = error_text(run_without_requests(&mut home, false).await);
    assert!(why.contains("no_state") && why.contains("STATE_DIRECTORY"), "{why}");
}
