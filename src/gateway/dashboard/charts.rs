//! Tokens and cost over time by model.

use maud::{Markup, PreEscaped, html};

use super::chart::BarChart;
use super::chart_data::{ChartData, ModelUsage};
use super::format::{format_count, format_money, format_with_currency};
use super::local_time::LocalTime;
use super::palette::{SERIES_COLORS, format_hex, select_series_color};
use super::time_range::TimeRange;
use crate::protocol::amount::Amount;
use crate::usage::{DatabaseError, UsageQuery, UsageStore};

/// The data to draw; `None` if the settings disable the store.
pub(super) type ChartResult = Result<Option<ChartData>, DatabaseError>;

/// Queries the store. `kept` is whether the settings have one.
pub(super) async fn load_chart(
    ledger: &UsageStore,
    kept: bool,
    range: TimeRange,
    clock: &LocalTime,
) -> ChartResult {
    let Some(store) = ledger.database() else {
        return if kept { Err(build_unavailable_error(ledger)) } else { Ok(None) };
    };
    let Some((since, bars)) = range.build_bars(clock) else { return Ok(Some(ChartData::default())) };
    let by = vec![range.group_by(), crate::usage::GroupBy::Model];
    let question = UsageQuery { since, until: None, group_by: by, zone: clock.zone.clone() };
    let sums = store.query(&question).await?;
    Ok(Some(ChartData::from_rows(bars, &sums)))
}

/// A store is configured but not open.
fn build_unavailable_error(ledger: &UsageStore) -> DatabaseError {
    let problem = ledger.health().last_error.unwrap_or_else(|| "it is not open yet".to_owned());
    DatabaseError { location: "in the state directory".to_owned(), problem }
}

/// The section.
pub(super) fn render_section(drawn: &ChartResult, range: TimeRange) -> Markup {
    html! {
        h2 id="charts-title" { "Tokens and cost" }
        @match drawn {
            Ok(Some(spent)) => { (render_range_links(range)) (render_figures(spent, range)) }
            Ok(None) => p.muted {
                "Nothing is kept, so there is nothing to draw: usage.store is \"none\" in the configuration. \
                 With \"sqlite\" the gateway remembers tokens and cost of each request."
            },
            Err(trouble) => p.notice.bad { "The ledger cannot be read: " (trouble) },
        }
    }
}

fn render_range_links(chosen: TimeRange) -> Markup {
    html! {
        nav.ranges aria-label="Time of the charts" {
            @for range in TimeRange::ALL {
                a href={ "/?days=" (range.days()) "#charts" } aria-current=[(range == chosen).then_some("true")] {
                    (range.label())
                }
            }
        }
    }
}

fn render_figures(spent: &ChartData, range: TimeRange) -> Markup {
    html! {
        div.figures {
            (render_token_chart(spent, range))
            @if spent.currencies.is_empty() { (render_cost_chart(spent, range, None)) }
            @for currency in &spent.currencies { (render_cost_chart(spent, range, Some(currency))) }
        }
        (render_legend(&spent.models))
    }
}

fn render_token_chart(spent: &ChartData, range: TimeRange) -> Markup {
    let ChartData { answered, unanswered: lost, estimated, .. } = spent;
    let caption = html! {
        strong { (format_count(spent.total_tokens())) " tokens" } " in " (range.label())
        @if spent.total_tokens() > 0 {
            ": " (format_count(answered.input)) " in, " (format_count(answered.cache_read)) " from caches, "
            (format_count(answered.output)) " out"
            @if answered.cache_write > 0 { ", " (format_count(answered.cache_write)) " into caches" }
            @if *lost > 0 { "; " (format_count(*lost)) " in attempts that did not answer" }
            @if *estimated > 0 { "; estimated in " (format_attempts(*estimated)) }
        }
    };
    let about =
        format!("Tokens by model over {}: {} in all", range.label(), format_count(spent.total_tokens()));
    let table = render_table(spent, range, |used| format_count(used.tokens));
    render_figure("tokens", None, &caption, &render_drawing(spent, &about, |used| used.tokens as f64), &table)
}

fn render_cost_chart(spent: &ChartData, range: TimeRange, currency: Option<&String>) -> Markup {
    let Some(currency) = currency else {
        let about = format!("Cost by model over {}: nothing with a known price", range.label());
        let caption = html! { strong { "No cost" } " in " (range.label()) (render_unpriced_note(spent)) };
        let table = render_table(spent, range, |_| "–".to_owned());
        return render_figure("cost", None, &caption, &render_drawing(spent, &about, |_| 0.0), &table);
    };
    let all = spent.total_cost(currency);
    let about = format!("Cost by model over {}: {} in all", range.label(), format_money(all, currency));
    let caption = html! {
        strong title={ (all) " " (currency) } { (format_money(all, currency)) } " in " (range.label()) (render_unpriced_note(spent))
    };
    let exact = |amount: Amount| format_with_currency(&amount.to_string(), currency);
    let table = render_table(spent, range, |used| exact(used.cost(currency)));
    let drawing = render_drawing(spent, &about, |used| used.cost(currency).as_f64());
    render_figure("cost", Some(currency), &caption, &drawing, &table)
}

fn render_unpriced_note(spent: &ChartData) -> Markup {
    html! {
        @if spent.unpriced > 0 {
            "; " (format_attempts(spent.unpriced)) " without a price of " (if spent.unpriced == 1 { "its" } else { "their" })
            " own (a subscription, or none is known)"
        }
    }
}

fn format_attempts(number: u64) -> String {
    format!("{} {}", format_count(number), if number == 1 { "attempt" } else { "attempts" })
}

fn render_figure(
    chart: &str,
    currency: Option<&str>,
    caption: &Markup,
    drawing: &Markup,
    table: &Markup,
) -> Markup {
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

fn render_drawing(spent: &ChartData, about: &str, value: impl Fn(&ModelUsage) -> f64) -> Markup {
    let labels = spent.bars.iter().map(|(bar, _)| bar.label.clone()).collect();
    let shown = spent.models.len().min(SERIES_COLORS.len());
    let mut series: Vec<Vec<f64>> = (0..shown)
        .map(|place| spent.bars.iter().map(|(_, used)| used.get(place).map_or(0.0, &value)).collect())
        .collect();
    let rest = |used: &[ModelUsage]| used.iter().skip(SERIES_COLORS.len()).map(&value).sum();
    if spent.models.len() > SERIES_COLORS.len() {
        series.push(spent.bars.iter().map(|(_, used)| rest(used)).collect());
    }
    match (BarChart { labels, series }).render_svg(about) {
        Ok(svg) => PreEscaped(svg),
        Err(why) => html! { p.notice.bad { "The chart cannot be drawn: " (why) } },
    }
}

/// The values, exactly.
fn render_table(spent: &ChartData, range: TimeRange, value: impl Fn(&ModelUsage) -> String) -> Markup {
    html! {
        table.values {
            thead {
                tr {
                    th scope="col" { @if range == TimeRange::Day { "Hour" } @else { "Day" } }
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

fn render_legend(models: &[String]) -> Markup {
    let swatch = |place: usize| {
        let colour = format_hex(select_series_color(place));
        html! {
            svg.swatch viewBox="0 0 10 10" aria-hidden="true" { rect width="10" height="10" rx="2" fill=(colour) {} }
        }
    };
    html! {
        ul.legend {
            @for (place, model) in models.iter().enumerate().take(SERIES_COLORS.len()) { li { (swatch(place)) (model) } }
            @if let Some(more) = models.len().checked_sub(SERIES_COLORS.len()).filter(|more| *more > 0) {
                li { (swatch(SERIES_COLORS.len())) (more) " others" }
            }
        }
    }
}
