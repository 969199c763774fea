//! Pages say what is so, and nothing that somebody else wrote becomes markup.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;
use maud::Markup;

use super::clock::Clock;
use super::range::Range;
use super::spent::Spent;
use super::{chain, charts, live, request, requests, timeline};
use crate::config::settings::Reference;
use crate::failure::Reason;
use crate::policy::cooldown::{Cooldowns, Steps};
use crate::protocol::amount::Amount;
use crate::protocol::usage::Usage;
use crate::record::{Bill, Pricing, RequestId};
use crate::routing::plan::{Link, Standing};
use crate::routing::reload::Reload;
use crate::routing::snapshot::Snapshot;
use crate::usage::{Entry, Ledger, Sum, Tokens, Total, Try};

const EVIL: &str = "<script>alert('\"&')</script>";

/// 2026-11-21 12:00 UTC.
fn clock() -> Clock {
    let now: jiff::Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    Clock { now: now.into(), zone: TimeZone::UTC }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn attempt(reference: &str, outcome: &str, began: u64, took: u64) -> Try {
    let (provider, model) = reference.split_once('/').unwrap();
    Try {
        provider: provider.to_owned(),
        model: model.to_owned(),
        outcome: outcome.to_owned().into(),
        detail: String::new(),
        began: millis(began),
        took: millis(took),
        usage: None,
        bill: None,
    }
}

/// Kimi refused, `OpenRouter` answered.
fn fallen() -> Entry {
    let usage = Usage { input: 600, output: 200, cache_read: 400, ..Usage::default() };
    let bill = Bill {
        amount: Amount::read("0.001434").unwrap(),
        currency: "USD".to_owned(),
        pricing: Pricing::Price,
    };
    Entry {
        request_id: RequestId::first(clock().now - Duration::from_secs(5)),
        client: "laptop".to_owned(),
        requested: "default".to_owned(),
        face: "anthropic-messages".into(),
        called: Some("openai-completions".into()),
        answered: Some("openrouter/auto".to_owned()),
        streamed: true,
        thinking: Some("high".into()),
        outcome: "ok".into(),
        first_byte: Some(millis(900)),
        took: millis(2_000),
        rules: vec!["one-rule".into()],
        dropped: vec!["top_k".into()],
        attempts: vec![
            Try { detail: EVIL.to_owned(), ..attempt("kimi/kimi-for-coding", "rate_limit", 0, 400) },
            attempt("moonshot/kimi-k3", "cooling_down", 400, 0),
            Try { usage: Some(usage), bill: Some(bill), ..attempt("openrouter/auto", "ok", 400, 500) },
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

fn snapshot(links: Vec<(&str, Standing)>, reload: Option<Reload>) -> Snapshot {
    let link = |(reference, standing)| Link { reference: Reference::parse(reference).unwrap(), standing };
    Snapshot {
        at: Instant::now(),
        wall: clock().now,
        uptime: Duration::from_secs(60),
        config: None,
        links: links.into_iter().map(link).collect(),
        providers: vec![("own".to_owned(), Standing::Off(EVIL.to_owned()))],
        in_flight: 0,
        reload: reload.map(Arc::new),
    }
}

fn resting(seconds: u64, reason: Reason) -> Standing {
    let (now, steps) = (
        Instant::now(),
        Steps { steps: vec![Duration::from_secs(seconds)], billing: Duration::from_secs(seconds) },
    );
    let mut rests = Cooldowns::default();
    rests.failed("it", reason, None, &steps, now);
    Standing::Resting(rests.peek(&"it", now).unwrap())
}

#[test]
fn the_chain_says_who_answers_and_until_when_and_why_others_do_not() {
    let links = vec![
        ("kimi/kimi-for-coding", resting(42, Reason::RateLimit)),
        ("moonshot/kimi-k3", Standing::Off(EVIL.to_owned())),
        ("openrouter/auto", Standing::Usable),
        ("openrouter/other", Standing::Usable),
    ];
    let mut snapshot = snapshot(links, None);
    // To the second.
    snapshot.at = snapshot.holds_until().unwrap() - Duration::from_secs(42);
    let refused = Reload { at: clock().now, ok: false, message: Some(EVIL.to_owned()) };
    snapshot.reload = Some(Arc::new(refused));
    assert_says(
        &chain::section(&snapshot, &clock()),
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
    let links = vec![("kimi/k3", resting(42, Reason::Quota)), ("kimi/k3", Standing::Usable)];
    let page = chain::section(&snapshot(links, None), &clock());
    assert_says(&page, &["data-state=\"answering\"", "1 of its 2 keys rest"]);
    assert_eq!(page.0.matches("data-target=").count(), 1, "{}", page.0);
    let nobody = chain::section(&snapshot(Vec::new(), None), &clock());
    assert_says(&nobody, &["Nobody can answer", "no provider has a key"]);
}

#[tokio::test]
async fn a_request_that_fell_back_is_seen_at_a_glance() {
    let ledger = Ledger::forgetful();
    let empty = requests::Page::of(&ledger, false, None).await.section(&clock());
    assert_says(&empty, &["None yet.", "usage.store is &quot;none&quot;"]);
    let entry = fallen();
    assert!(requests::fell_back(&entry));
    assert_says(
        &requests::way(&entry),
        &["kimi/kimi-for-coding <span class=\"word\">rate_limit", "openrouter/auto"],
    );
    // Tried again and well is no fallback.
    let attempts = vec![attempt("kimi/k3", "network", 0, 1), attempt("kimi/k3", "ok", 1, 1)];
    assert!(!requests::fell_back(&Entry { answered: Some("kimi/k3".to_owned()), attempts, ..fallen() }));
    assert!(!requests::fell_back(&Entry { answered: None, ..fallen() }));
}

#[test]
fn the_page_of_a_request_has_each_attempt_with_time_tokens_and_cost() {
    assert_says(
        &request::page(&fallen(), &clock()),
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
    assert_says(&request::attempts(&fallen()), &["<span class=\"ms\">400 ms</span>", "data-result=\"ok\""]);
    assert_says(&request::unknown(EVIL), &["&lt;script&gt;"]);
    let nobody = Entry { attempts: Vec::new(), answered: None, outcome: "bad_request".into(), ..fallen() };
    assert_says(&request::page(&nobody, &clock()), &["Nobody was asked: the request is wrong"]);
}

#[test]
fn a_timeline_is_to_scale() {
    let drawn = timeline::timeline(&fallen());
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
    let instant = Entry { took: Duration::ZERO, attempts: vec![attempt("a/b", "ok", 0, 0)], ..fallen() };
    assert_says(&timeline::timeline(&instant), &["x=\"0\" y=\"19\" width=\"2\""]);
}

#[test]
fn nothing_under_way_is_said_so_and_a_crowd_is_counted() {
    assert_says(&live::section(1_000, &[], &clock()), &[">1000</span>", "and 1000 more"]);
    assert_says(&live::section(0, &[], &clock()), &["Nothing is asked at this moment", ">0</span>"]);
}

fn total(input: u64, output: u64, cost: &[(&str, &str)]) -> Total {
    let priced = |(currency, amount): &(&str, &str)| ((*currency).to_owned(), Amount::read(amount).unwrap());
    let cost: BTreeMap<String, Amount> = cost.iter().map(priced).collect();
    let unpriced = u64::from(cost.is_empty());
    Total {
        attempts: 1,
        unpriced,
        tokens: Tokens { input, output, ..Tokens::default() },
        cost,
        ..Total::default()
    }
}

fn sum(day: &str, model: &str, answered: Total, lost: Total) -> Sum {
    Sum { keys: vec![day.to_owned(), model.to_owned()], requests: 1, failed: 0, answered, lost }
}

#[test]
fn the_charts_have_what_the_ledger_has() {
    let (_, bars) = Range::Week.bars(&clock()).unwrap();
    let sums = [
        sum("2026-11-20", "kimi/k3", total(1_000, 500, &[]), Total::default()),
        sum(
            "2026-11-21",
            "moonshot/k3",
            total(600, 200, &[("USD", "0.001434")]),
            total(50, 5, &[("USD", "0.000066")]),
        ),
        sum("2026-11-21", "moonshot-cn/k3", total(10, 1, &[("CNY", "0.3")]), Total::default()),
        // Older than the range: nothing of it is shown.
        sum("2026-11-01", "kimi/k3", Total::default(), Total::default()),
    ];
    let spent = Spent::of(bars, &sums);
    assert_eq!(spent.models, ["kimi/k3", "moonshot/k3", "moonshot-cn/k3"]);
    let page = charts::section(&Ok(Some(spent)), Range::Week);
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
    let (_, bars) = Range::Day.bars(&clock()).unwrap();
    let model =
        |at: u64| sum("2026-11-21T12", &format!("own/{at}"), total(100 - at, 0, &[]), Total::default());
    let sums: Vec<Sum> = (0..8).map(model).collect();
    let page = charts::section(&Ok(Some(Spent::of(bars, &sums))), Range::Day);
    assert_says(
        &page,
        &["2 others", "<th class=\"number\" scope=\"col\">own/7</th>", "<th scope=\"col\">Hour</th>"],
    );
}

#[tokio::test]
async fn where_nothing_is_kept_or_can_be_read_the_charts_say_so() {
    let ledger = Ledger::forgetful();
    for (kept, words) in [(false, "usage.store is &quot;none&quot;"), (true, "it is not open yet")] {
        let drawn = charts::ask(&ledger, kept, Range::Week, &clock()).await;
        assert_says(&charts::section(&drawn, Range::Week), &[words]);
    }
    let (place, problem) = ("/x".to_owned(), EVIL.to_owned());
    let trouble = crate::usage::StoreError { place, problem };
    assert_says(
        &charts::section(&Err(trouble), Range::Week),
        &["cannot be read: the ledger /x: &lt;script&gt;"],
    );
    let empty = Spent::of(Range::Week.bars(&clock()).unwrap().1, &[]);
    assert_says(
        &charts::section(&Ok(Some(empty)), Range::Week),
        &["<strong>0 tokens</strong>", "data-chart=\"cost\"", "<strong>No cost</strong>"],
    );
}

#[test]
fn a_time_before_all_others_is_a_time() {
    assert_says(&clock().moment(SystemTime::UNIX_EPOCH), &[">Jan 1, 00:00<"]);
}
