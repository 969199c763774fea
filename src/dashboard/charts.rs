//! Tokens and cost over time by model.

use maud::{Markup, PreEscaped, html};

use super::bar_chart::{BarChart, SERIES_COLORS, format_hex, select_series_color};
use super::chart_data::{ChartData, ModelUsage, TimeRange};
use super::format::{format_count, format_money, format_with_currency};
use crate::usage::DatabaseError;

/// The data to draw; `None` if the settings disable the store.
pub(crate) type ChartResult = Result<Option<ChartData>, DatabaseError>;

/// The section.
pub(crate) fn render_section(result: &ChartResult, range: TimeRange) -> Markup {
    html! {
        h2 id="charts-title" { "Tokens and cost" }
        @match result {
            Ok(Some(data)) => { (render_range_links(range)) (render_figures(data, range)) }
            Ok(None) => p.muted {
                "No usage data: usage.store is \"none\". With \"sqlite\" the gateway stores the tokens and cost of each request."
            },
            Err(error) => p.notice.bad { "Charts unavailable: " (error) },
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

fn render_figures(data: &ChartData, range: TimeRange) -> Markup {
    html! {
        div.figures {
            (render_token_chart(data, range))
            @if data.currencies.is_empty() { (render_cost_chart(data, range, None)) }
            @for currency in &data.currencies { (render_cost_chart(data, range, Some(currency))) }
        }
        (render_legend(&data.models))
    }
}

fn render_token_chart(data: &ChartData, range: TimeRange) -> Markup {
    let ChartData { answered, unanswered: lost, estimated, .. } = data;
    let caption = html! {
        strong { (format_count(data.total_tokens())) " tokens" } " in " (range.label())
        @if data.total_tokens() > 0 {
            ": " (format_count(answered.input)) " input, " (format_count(answered.cache_read)) " cached, "
            (format_count(answered.output)) " output"
            @if answered.cache_write > 0 { ", " (format_count(answered.cache_write)) " written to caches" }
            @if *lost > 0 { "; " (format_count(*lost)) " in failed attempts" }
            @if *estimated > 0 { "; estimated in " (format_attempts(*estimated)) }
        }
    };
    let about =
        format!("Tokens by model over {}: {} in total", range.label(), format_count(data.total_tokens()));
    let table = render_table(data, range, |used| format_count(used.tokens));
    render_figure("tokens", None, &caption, &render_drawing(data, &about, |used| used.tokens as f64), &table)
}

fn render_cost_chart(data: &ChartData, range: TimeRange, currency: Option<&String>) -> Markup {
    let cost = |used: &ModelUsage| currency.map(|currency| used.cost(currency));
    let (sum, exact) = match currency {
        Some(currency) => {
            let all = data.total_cost(currency);
            (Some(format_money(all, currency)), Some(format!("{all} {currency}")))
        }
        None => (None, None),
    };
    let about = match &sum {
        Some(sum) => format!("Cost by model over {}: {sum} in total", range.label()),
        None => format!("Cost by model over {}: no known price", range.label()),
    };
    let caption = html! {
        strong title=[exact] { (sum.as_deref().unwrap_or("No cost")) } " in " (range.label())
        @if data.unpriced > 0 { "; " (format_attempts(data.unpriced)) " without a price (subscription or unknown)" }
    };
    let table = render_table(data, range, |used| match (cost(used), currency) {
        (Some(cost), Some(currency)) => format_with_currency(&cost.to_string(), currency),
        _ => "–".to_owned(),
    });
    let drawing = render_drawing(data, &about, |used| cost(used).unwrap_or_default().as_f64());
    render_figure("cost", currency.map(String::as_str), &caption, &drawing, &table)
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

fn render_drawing(data: &ChartData, about: &str, value: impl Fn(&ModelUsage) -> f64) -> Markup {
    let labels = data.bars.iter().map(|(bar, _)| bar.label.clone()).collect();
    let shown = data.models.len().min(SERIES_COLORS.len());
    let mut series: Vec<Vec<f64>> = (0..shown)
        .map(|place| data.bars.iter().map(|(_, used)| used.get(place).map_or(0.0, &value)).collect())
        .collect();
    let rest = |used: &[ModelUsage]| used.iter().skip(SERIES_COLORS.len()).map(&value).sum();
    if data.models.len() > SERIES_COLORS.len() {
        series.push(data.bars.iter().map(|(_, used)| rest(used)).collect());
    }
    match (BarChart { labels, series }).render_svg(about) {
        Ok(svg) => PreEscaped(svg),
        Err(why) => html! { p.notice.bad { "Cannot draw the chart: " (why) } },
    }
}

/// The values, exactly.
fn render_table(data: &ChartData, range: TimeRange, value: impl Fn(&ModelUsage) -> String) -> Markup {
    html! {
        table.values {
            thead {
                tr {
                    th scope="col" { @if range == TimeRange::Day { "Hour" } @else { "Day" } }
                    @for model in &data.models { th.number scope="col" { (model) } }
                }
            }
            tbody {
                @for (bar, used) in &data.bars {
                    tr { th scope="row" { (bar.key) } @for used in used { td.number { (value(used)) } } }
                }
            }
        }
    }
}

fn render_legend(models: &[String]) -> Markup {
    let swatch = |place: usize| {
        let color = format_hex(select_series_color(place));
        html! {
            svg.swatch viewBox="0 0 10 10" aria-hidden="true" { rect width="10" height="10" rx="2" fill=(color) {} }
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
