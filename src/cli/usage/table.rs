//! The sums as a table with bars, as wide as the screen allows.

use super::number_format::{cost_digits, format_compact, format_count, format_money, group_digits};
use super::output_style::{Colour, OutputStyle, plain_piece, sanitize_line};
use super::report::{UsageReport, total_tokens};
use crate::protocol::amount::Amount;
use crate::usage::{TokenTotals, UsageRow, UsageTotals};

/// Between columns.
const COLUMN_GAP: usize = 2;
/// A shorter bar compares nothing.
const MIN_BAR: usize = 8;
/// A longer one says no more.
const MAX_BAR: usize = 30;

/// Shown instead of an unknown cost.
const NO_PRICE: &str = "no price";

/// How much detail of the figures fits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Each kind of tokens, to the token.
    Exact,
    /// Each kind of tokens, in three digits.
    Short,
    /// All tokens in one.
    Minimal,
}

/// One column: its heading, and a cell for each row and the total.
type Column = (String, Vec<String>);

/// The table, the total as its last line.
pub(super) fn render_table(report: &UsageReport, key: &str, screen: OutputStyle) -> String {
    for detail in [Detail::Exact, Detail::Short, Detail::Minimal] {
        let columns = build_columns(report, key, detail);
        let width: usize = columns.iter().map(|column| column_width(column) + COLUMN_GAP).sum();
        if width + MIN_BAR <= screen.width {
            return render_grid(report, &columns, screen, (screen.width - width).min(MAX_BAR));
        }
    }
    render_stacked(report, screen)
}

/// The rows, and the total behind them.
fn rows_with_total(report: &UsageReport) -> impl Iterator<Item = (String, &UsageRow)> {
    let rows = report.rows.iter().map(|(key, sum)| (row_label(key), sum));
    rows.chain([("total".to_owned(), &report.total)])
}

fn row_label(key: &str) -> String {
    if key.is_empty() { "(none)".to_owned() } else { sanitize_line(key) }
}

fn build_columns(report: &UsageReport, key: &str, detail: Detail) -> Vec<Column> {
    let column = |heading: &str, cell: &dyn Fn(&UsageRow) -> String| -> Column {
        (heading.to_owned(), rows_with_total(report).map(|(_, sum)| cell(sum)).collect())
    };
    let figure =
        |number: u64| if detail == Detail::Exact { group_digits(number) } else { format_compact(number) };
    let tokens = |heading: &str, of: &dyn Fn(&TokenTotals) -> u64| {
        column(heading, &|sum| match of(&sum.answered.tokens) {
            0 => "0".to_owned(),
            tokens => mark_estimate(&sum.answered, &figure(tokens)),
        })
    };
    let mut columns = vec![
        (key.to_owned(), rows_with_total(report).map(|(label, _)| label).collect()),
        column("Requests", &|sum| figure(sum.requests)),
    ];
    if detail == Detail::Minimal {
        columns.push(tokens("Tokens", &total_tokens));
    } else {
        if report.total.failed > 0 {
            columns.push(column("Failed", &|sum| figure(sum.failed)));
        }
        columns.push(tokens("Input", &|tokens| tokens.input));
        columns.push(tokens("Cached", &|tokens| tokens.cache_read));
        if report.total.answered.tokens.cache_write > 0 {
            columns.push(tokens("Written", &|tokens| tokens.cache_write));
        }
        columns.push(tokens("Output", &|tokens| tokens.output));
        if report.total.answered.tokens.reasoning > 0 {
            columns.push(tokens("Reasoning", &|tokens| tokens.reasoning));
        }
    }
    columns.extend(cost_columns(report));
    columns
}

/// One column a currency; amounts of two are never added.
fn cost_columns(report: &UsageReport) -> Vec<Column> {
    let currencies = report.currencies();
    if currencies.is_empty() {
        let cell = |(_, sum): (String, &UsageRow)| missing_price_text(sum);
        let priceless = report.total.answered.unpriced > 0;
        return priceless
            .then(|| ("Cost".to_owned(), rows_with_total(report).map(cell).collect()))
            .into_iter()
            .collect();
    }
    let column = |(place, currency): (usize, &str)| {
        let amounts = rows_with_total(report).filter_map(|(_, sum)| sum.answered.cost.get(currency)).copied();
        let digits = cost_digits(amounts.max().unwrap_or(Amount::ZERO));
        let cell = |(_, sum): (String, &UsageRow)| match sum.answered.cost.get(currency) {
            Some(amount) => mark_estimate(&sum.answered, &format_money(*amount, digits)),
            None if place == 0 && sum.answered.cost.is_empty() => missing_price_text(sum),
            None => String::new(),
        };
        (format!("Cost {currency}"), rows_with_total(report).map(cell).collect())
    };
    currencies.into_iter().enumerate().map(column).collect()
}

fn missing_price_text(sum: &UsageRow) -> String {
    if sum.answered.unpriced > 0 { NO_PRICE } else { "" }.to_owned()
}

/// With a mark where some of it is our own estimate.
fn mark_estimate(total: &UsageTotals, figure: &str) -> String {
    format!("{}{figure}", if total.estimated > 0 { "~" } else { "" })
}

fn column_width((heading, cells): &Column) -> usize {
    cells.iter().chain([heading]).map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn render_grid(report: &UsageReport, columns: &[Column], screen: OutputStyle, room: usize) -> String {
    let line = |cells: &mut dyn Iterator<Item = &String>, bar: &str| {
        let mut out = String::new();
        for (place, (cell, column)) in cells.zip(columns).enumerate() {
            let width = column_width(column);
            // Names begin at the left, figures end at the right.
            out += &if place == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        if bar.is_empty() { out.trim_end().to_owned() } else { format!("{out}  {bar}") }
    };
    let mut lines = vec![line(&mut columns.iter().map(|(heading, _)| heading), "")];
    for (place, bar) in render_bars(report, screen, room).iter().map(String::as_str).chain([""]).enumerate() {
        lines.push(line(&mut columns.iter().filter_map(|(_, cells)| cells.get(place)), bar));
    }
    let above = lines.iter().take(lines.len() - 1).map(|line| line.chars().count()).max().unwrap_or(0);
    let total = lines.pop().unwrap_or_default();
    lines.push("-".repeat(
        above.min(columns.iter().map(|column| column_width(column) + COLUMN_GAP).sum::<usize>() - COLUMN_GAP),
    ));
    lines.push(total);
    lines.join("\n")
}

/// One a row: its tokens beside those of the largest row.
fn render_bars(report: &UsageReport, screen: OutputStyle, room: usize) -> Vec<String> {
    let tokens = |sum: &UsageRow| total_tokens(&sum.answered.tokens);
    let largest = report.rows.iter().map(|(_, sum)| tokens(sum)).max().unwrap_or(0);
    let bar = |(_, sum): &(String, UsageRow)| screen.render_bar(tokens(sum), largest, room);
    report.rows.iter().map(bar).map(|bar| screen.colourize(Colour::Cyan, &bar)).collect()
}

/// Each row on separate lines, if columns do not fit.
fn render_stacked(report: &UsageReport, screen: OutputStyle) -> String {
    let bars = render_bars(report, screen, screen.width.saturating_sub(COLUMN_GAP).min(MAX_BAR));
    let mut lines = Vec::new();
    for ((label, sum), bar) in rows_with_total(report).zip(bars.iter().map(String::as_str).chain([""])) {
        let tokens = mark_estimate(&sum.answered, &format_compact(total_tokens(&sum.answered.tokens)));
        let mut pieces =
            vec![format!("  {}", format_count(sum.requests, "request")), format!("{tokens} tokens")];
        pieces.extend(paid_amounts(&sum.answered));
        if sum.answered.cost.is_empty() {
            pieces.push(missing_price_text(sum));
        }
        lines.push(screen.wrap_text(&label, 0));
        lines.push(screen.wrap_pieces(&pieces.into_iter().map(plain_piece).collect::<Vec<_>>(), COLUMN_GAP));
        lines.extend((!bar.is_empty()).then(|| format!("  {bar}")));
    }
    lines.join("\n")
}

/// `0.001434 USD` of each currency.
pub(super) fn paid_amounts(total: &UsageTotals) -> Vec<String> {
    let one = |(currency, amount): (&String, &Amount)| {
        mark_estimate(total, &format!("{} {currency}", format_money(*amount, cost_digits(*amount))))
    };
    total.cost.iter().map(one).collect()
}
