use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use super::*;
use crate::cli::console::tests::{Desk, told};
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

/// A subscription, a provider in dollars that was estimated once, one in yuan, and something that was lost.
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

fn shown(report: UsageReport, quotas: Option<Value>) -> UsageView {
    let now = jiff::civil::date(2026, 11, 21).at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    UsageView {
        span: DateRange::last_days(7, now).unwrap(),
        by: GroupByArg::Model,
        report,
        note: None,
        quotas,
    }
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
    shown(sample(), Some(quotas)).to_text(OutputStyle { width, ..PIPED }, UNIX_EPOCH)
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
Not in the table: 2 attempts that did not answer to the end used 700 input, 0 cached and 12 output tokens and
cost 0.000067 USD.
Input is what no cache gave. Reasoning is part of the output.
~ holds estimates: of 1 answer the provider told no tokens.
No price is known of 9 answers: a subscription, or a model without a price.

Quotas
  kimi, 5 hours           ##..................    7 % used  resets in 2 h 59 min
  kimi, week              ##########..........   47 % used  resets in 6 d 12 h
  moonshot, balance       49.58894 USD left
  moonshot, cash          3.5 USD owed
  openrouter, key         no limit
  other: auth: ?[31mthe key is wrong";

/// In 40 columns.
const NARROW: &str = "\
The last 7 days by model, since
2026-11-15 (UTC)

kimi/kimi-for-coding
  12 requests  1.35M tokens  no price
  ##############################
moonshot/kimi-k2.6
  4 requests  ~1.20k tokens
  ~0.001434 USD
  #
moonshot-cn/kimi-k3
  1 request  1.05k tokens  12.5000 CNY
  #
total
  13 requests  ~1.36M tokens
  ~12.5000 CNY  ~0.001434 USD

4 attempts failed.
Not in the table: 2 attempts that did
not answer to the end used 700 input, 0
cached and 12 output tokens and cost
0.000067 USD.
Input is what no cache gave. Reasoning
is part of the output.
~ holds estimates: of 1 answer the
provider told no tokens.
No price is known of 9 answers: a
subscription, or a model without a
price.

Quotas
  kimi, 5 hours
    ##..................    7 % used
    resets in 2 h 59 min
  kimi, week
    ##########..........   47 % used
    resets in 6 d 12 h
  moonshot, balance
    49.58894 USD left
  moonshot, cash          3.5 USD owed
  openrouter, key         no limit
  other: auth: ?[31mthe key is wrong";

#[test]
fn a_wide_screen_shows_every_figure_and_a_narrow_one_less() {
    assert_eq!(text(110), WIDE);
    assert_eq!(text(40), NARROW);
}

#[test]
fn nothing_is_wider_than_the_screen() {
    for width in 24..130 {
        let text = text(width);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{width}: {widest}\n{text}");
        for needed in ["kimi/kimi-for-coding", "no price", "0.001434", "12.5000", "3.5 USD owed"] {
            assert!(text.contains(needed), "{width}: {needed}\n{text}");
        }
    }
}

#[test]
fn colours_add_nothing_to_the_width_and_take_nothing_from_the_text() {
    let quotas = json!([{"id": "kimi", "allowances": [{"name": "week", "used": 0.95, "resets": 60_000}]}]);
    let shown = shown(sample(), Some(quotas));
    let plain = shown.to_text(OutputStyle { width: 40, ..PIPED }, UNIX_EPOCH);
    let mut coloured = shown.to_text(OutputStyle { width: 40, use_colour: true, ..PIPED }, UNIX_EPOCH);
    assert!(coloured.contains("\u{1b}[31m###################.\u{1b}[0m"), "{coloured}");
    for code in ["\u{1b}[0m", "\u{1b}[31m", "\u{1b}[36m"] {
        coloured = coloured.replace(code, "");
    }
    assert_eq!(coloured, plain);
}

#[test]
fn json_has_whole_tokens_and_exact_amounts() {
    let value = shown(sample(), None).to_json();
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

/// The command's output with this configuration, without any requests.
async fn said(desk: &mut Desk, json: bool) -> Result<(), CommandError> {
    let args = Args { days: 7, by: GroupByArg::Day, no_quota: true, config: None, json };
    execute(&args, &mut desk.console(json)).await
}

#[tokio::test]
async fn where_nothing_is_recorded_it_says_so() {
    let mut desk = Desk::with("{}");
    said(&mut desk, false).await.unwrap();
    let printed = desk.printed();
    assert!(printed.starts_with("nothing recorded yet: there is no ledger in /"), "{printed}");
    assert!(printed.contains(".local/state/moonrelay;"), "{printed}");
    said(&mut desk, true).await.unwrap();
    let value = desk.printed_json();
    assert_eq!((value["rows"].clone(), value["total"]["requests"].clone()), (json!([]), json!(0)));
    assert!(value["note"].as_str().unwrap().starts_with("nothing recorded yet"), "{value}");

    let mut desk = Desk::with(r#"{ usage: { store: "none" } }"#);
    said(&mut desk, false).await.unwrap();
    assert_eq!(desk.printed(), "nothing is recorded: usage.store is \"none\"\n");
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_is_named() {
    let mut desk = Desk::with("{}");
    let state = desk.home.path().join(".local/state/moonrelay");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("ledger.sqlite"), "no database, but long enough to be looked at".repeat(100))
        .unwrap();
    let why = told(said(&mut desk, false).await);
    assert!(why.contains("ledger_error") && why.contains("ledger.sqlite"), "{why}");

    let mut desk = Desk { variables: Vec::new(), ..Desk::empty() };
    let why = told(said(&mut desk, false).await);
    assert!(why.contains("no_state") && why.contains("STATE_DIRECTORY"), "{why}");
}
