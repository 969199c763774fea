//! Tokens and cost over time by model.

use maud::{Markup, PreEscaped, html};

use super::chart::Bars;
use super::clock::Clock;
use super::figures::{count, money, with_currency};
use super::palette::{SERIES, hex, of};
use super::range::Range;
use super::spent::{Spent, Used};
use crate::protocol::amount::Amount;
use crate::usage::{Ledger, Question, StoreError};

/// What there is to draw; `None` where the settings keep nothing.
pub(super) type Drawn = Result<Option<Spent>, StoreError>;

/// Asks the store; `kept` is whether the settings have one.
pub(super) async fn ask(ledger: &Ledger, kept: bool, range: Range, clock: &Clock) -> Drawn {
    let Some(store) = ledger.store() else { return if kept { Err(closed(ledger)) } else { Ok(None) } };
    let Some((since, bars)) = range.bars(clock) else { return Ok(Some(Spent::default())) };
    let by = vec![range.by(), crate::usage::By::Model];
    let question = Question { since, until: None, by, zone: clock.zone.clone() };
    let sums = store.sums(&question).await?;
    Ok(Some(Spent::of(bars, &sums)))
}

/// The settings have a store, and it is not open.
fn closed(ledger: &Ledger) -> StoreError {
    let problem = ledger.health().trouble.unwrap_or_else(|| "it is not open yet".to_owned());
    StoreError { place: "in the state directory".to_owned(), problem }
}

/// The section.
pub(super) fn section(drawn: &Drawn, range: Range) -> Markup {
    html! {
        h2 id="charts-title" { "Tokens and cost" }
        @match drawn {
            Ok(Some(spent)) => { (ranges(range)) (figures(spent, range)) }
            Ok(None) => p.muted {
                "Nothing is kept, so there is nothing to draw: usage.store is \"none\" in the configuration. \
                 With \"sqlite\" the gateway remembers tokens and cost of each request."
            },
            Err(trouble) => p.notice.bad { "The ledger cannot be read: " (trouble) },
        }
    }
}

fn ranges(chosen: Range) -> Markup {
    html! {
        nav.ranges aria-label="Time of the charts" {
            @for range in Range::ALL {
                a href={ "/?days=" (range.days()) "#charts" } aria-current=[(range == chosen).then_some("true")] {
                    (range.name())
                }
            }
        }
    }
}

fn figures(spent: &Spent, range: Range) -> Markup {
    html! {
        div.figures {
            (tokens(spent, range))
            @if spent.currencies.is_empty() { (cost(spent, range, None)) }
            @for currency in &spent.currencies { (cost(spent, range, Some(currency))) }
        }
        (legend(&spent.models))
    }
}

fn tokens(spent: &Spent, range: Range) -> Markup {
    let Spent { answered, lost, estimated, .. } = spent;
    let caption = html! {
        strong { (count(spent.tokens())) " tokens" } " in " (range.name())
        @if spent.tokens() > 0 {
            ": " (count(answered.input)) " in, " (count(answered.cache_read)) " from caches, "
            (count(answered.output)) " out"
            @if answered.cache_write > 0 { ", " (count(answered.cache_write)) " into caches" }
            @if *lost > 0 { "; " (count(*lost)) " in attempts that did not answer" }
            @if *estimated > 0 { "; estimated in " (attempts(*estimated)) }
        }
    };
    let about = format!("Tokens by model over {}: {} in all", range.name(), count(spent.tokens()));
    let table = table(spent, range, |used| count(used.tokens));
    figure("tokens", None, &caption, &drawing(spent, &about, |used| used.tokens as f64), &table)
}

fn cost(spent: &Spent, range: Range, currency: Option<&String>) -> Markup {
    let Some(currency) = currency else {
        let about = format!("Cost by model over {}: nothing with a known price", range.name());
        let caption = html! { strong { "No cost" } " in " (range.name()) (unpriced(spent)) };
        let table = table(spent, range, |_| "–".to_owned());
        return figure("cost", None, &caption, &drawing(spent, &about, |_| 0.0), &table);
    };
    let all = spent.cost(currency);
    let about = format!("Cost by model over {}: {} in all", range.name(), money(all, currency));
    let caption = html! {
        strong title={ (all) " " (currency) } { (money(all, currency)) } " in " (range.name()) (unpriced(spent))
    };
    let exact = |amount: Amount| with_currency(&amount.to_string(), currency);
    let table = table(spent, range, |used| exact(used.cost(currency)));
    let drawing = drawing(spent, &about, |used| used.cost(currency).as_f64());
    figure("cost", Some(currency), &caption, &drawing, &table)
}

fn unpriced(spent: &Spent) -> Markup {
    html! {
        @if spent.unpriced > 0 {
            "; " (attempts(spent.unpriced)) " without a price of " (if spent.unpriced == 1 { "its" } else { "their" })
            " own (a subscription, or none is known)"
        }
    }
}

fn attempts(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "attempt" } else { "attempts" })
}

fn figure(chart: &str, currency: Option<&str>, caption: &Markup, drawing: &Markup, table: &Markup) -> Markup {
    let id = format!("values-{chart}-{}", currency.unwrap_or("none"));
    html! {
        figure data-chart=(chart) data-currency=[currency] {
            figcaption { (caption) }
            (drawing)
            details id=(id) {
                summary { "Values" }
                div.scroll tabindex="0" role="region" aria-label={ "Values: " (chart) } { (table) }
            }
        }
    }
}

fn drawing(spent: &Spent, about: &str, value: impl Fn(&Used) -> f64) -> Markup {
    let labels = spent.bars.iter().map(|(bar, _)| bar.label.clone()).collect();
    let shown = spent.models.len().min(SERIES.len());
    let mut series: Vec<Vec<f64>> = (0..shown)
        .map(|place| spent.bars.iter().map(|(_, used)| used.get(place).map_or(0.0, &value)).collect())
        .collect();
    let rest = |used: &[Used]| used.iter().skip(SERIES.len()).map(&value).sum();
    if spent.models.len() > SERIES.len() {
        series.push(spent.bars.iter().map(|(_, used)| rest(used)).collect());
    }
    match (Bars { labels, series }).svg(about) {
        Ok(svg) => PreEscaped(svg),
        Err(why) => html! { p.notice.bad { "The chart cannot be drawn: " (why) } },
    }
}

/// The values, exactly.
fn table(spent: &Spent, range: Range, value: impl Fn(&Used) -> String) -> Markup {
    html! {
        table.values {
            thead {
                tr {
                    th scope="col" { @if range == Range::Day { "Hour" } @else { "Day" } }
                    @for model in &spent.models { th.number scope="col" { (model) } }
                }
            }
            tbody {
                @for (bar, used) in &spent.bars {
                    tr { th scope="row" { (bar.key) } @for used in used { td.number { (value(used)) } } }
                }
            }
        }
    }
}

fn legend(models: &[String]) -> Markup {
    let swatch = |place: usize| {
        let colour = hex(of(place));
        html! {
            svg.swatch viewBox="0 0 10 10" aria-hidden="true" { rect width="10" height="10" rx="2" fill=(colour) {} }
        }
    };
    html! {
        ul.legend {
            @for (place, model) in models.iter().enumerate().take(SERIES.len()) { li { (swatch(place)) (model) } }
            @if let Some(more) = models.len().checked_sub(SERIES.len()).filter(|more| *more > 0) {
                li { (swatch(SERIES.len())) (more) " others" }
            }
        }
    }
}
