//! The sums as a table with bars, as wide as the screen allows.

use super::figure::{compact, counted, digits_beside, grouped, money};
use super::report::{Report, all};
use super::screen::{Colour, Screen, harmless, piece};
use crate::protocol::amount::Amount;
use crate::usage::{Sum, Tokens, Total};

/// Between columns.
const GAP: usize = 2;
/// A shorter bar compares nothing.
const SHORTEST_BAR: usize = 8;
/// A longer one says no more.
const LONGEST_BAR: usize = 30;

/// What stands in the place of a cost that nobody knows.
const NO_PRICE: &str = "no price";

/// How much of the figures there is room for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Each kind of tokens, to the token.
    Exact,
    /// Each kind of tokens, in three digits.
    Short,
    /// All tokens in one.
    Least,
}

/// One column: its heading, and a cell for each row and the total.
type Column = (String, Vec<String>);

/// The table, the total as its last line.
pub(super) fn table(report: &Report, key: &str, screen: Screen) -> String {
    for detail in [Detail::Exact, Detail::Short, Detail::Least] {
        let columns = columns(report, key, detail);
        let width: usize = columns.iter().map(|column| width(column) + GAP).sum();
        if width + SHORTEST_BAR <= screen.width {
            return grid(report, &columns, screen, (screen.width - width).min(LONGEST_BAR));
        }
    }
    stacked(report, screen)
}

/// The rows, and the total behind them.
fn sums(report: &Report) -> impl Iterator<Item = (String, &Sum)> {
    let rows = report.rows.iter().map(|(key, sum)| (label(key), sum));
    rows.chain([("total".to_owned(), &report.total)])
}

fn label(key: &str) -> String {
    if key.is_empty() { "(none)".to_owned() } else { harmless(key) }
}

fn columns(report: &Report, key: &str, detail: Detail) -> Vec<Column> {
    let column = |heading: &str, cell: &dyn Fn(&Sum) -> String| -> Column {
        (heading.to_owned(), sums(report).map(|(_, sum)| cell(sum)).collect())
    };
    let figure = |number: u64| if detail == Detail::Exact { grouped(number) } else { compact(number) };
    let tokens = |heading: &str, of: &dyn Fn(&Tokens) -> u64| {
        column(heading, &|sum| match of(&sum.answered.tokens) {
            0 => "0".to_owned(),
            tokens => told(&sum.answered, &figure(tokens)),
        })
    };
    let mut columns = vec![
        (key.to_owned(), sums(report).map(|(label, _)| label).collect()),
        column("Requests", &|sum| figure(sum.requests)),
    ];
    if detail == Detail::Least {
        columns.push(tokens("Tokens", &all));
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
    columns.extend(costs(report));
    columns
}

/// One column a currency; amounts of two are never added.
fn costs(report: &Report) -> Vec<Column> {
    let currencies = report.currencies();
    if currencies.is_empty() {
        let cell = |(_, sum): (String, &Sum)| without_price(sum);
        let priceless = report.total.answered.unpriced > 0;
        return priceless
            .then(|| ("Cost".to_owned(), sums(report).map(cell).collect()))
            .into_iter()
            .collect();
    }
    let column = |(place, currency): (usize, &str)| {
        let amounts = sums(report).filter_map(|(_, sum)| sum.answered.cost.get(currency)).copied();
        let digits = digits_beside(amounts.max().unwrap_or(Amount::ZERO));
        let cell = |(_, sum): (String, &Sum)| match sum.answered.cost.get(currency) {
            Some(amount) => told(&sum.answered, &money(*amount, digits)),
            None if place == 0 && sum.answered.cost.is_empty() => without_price(sum),
            None => String::new(),
        };
        (format!("Cost {currency}"), sums(report).map(cell).collect())
    };
    currencies.into_iter().enumerate().map(column).collect()
}

fn without_price(sum: &Sum) -> String {
    if sum.answered.unpriced > 0 { NO_PRICE } else { "" }.to_owned()
}

/// With a mark where some of it is our own estimate.
fn told(total: &Total, figure: &str) -> String {
    format!("{}{figure}", if total.estimated > 0 { "~" } else { "" })
}

fn width((heading, cells): &Column) -> usize {
    cells.iter().chain([heading]).map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn grid(report: &Report, columns: &[Column], screen: Screen, room: usize) -> String {
    let line = |cells: &mut dyn Iterator<Item = &String>, bar: &str| {
        let mut out = String::new();
        for (place, (cell, column)) in cells.zip(columns).enumerate() {
            let width = width(column);
            // Names begin at the left, figures end at the right.
            out += &if place == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        if bar.is_empty() { out.trim_end().to_owned() } else { format!("{out}  {bar}") }
    };
    let mut lines = vec![line(&mut columns.iter().map(|(heading, _)| heading), "")];
    for (place, bar) in bars(report, screen, room).iter().map(String::as_str).chain([""]).enumerate() {
        lines.push(line(&mut columns.iter().filter_map(|(_, cells)| cells.get(place)), bar));
    }
    let above = lines.iter().take(lines.len() - 1).map(|line| line.chars().count()).max().unwrap_or(0);
    let total = lines.pop().unwrap_or_default();
    lines.push("-".repeat(above.min(columns.iter().map(|column| width(column) + GAP).sum::<usize>() - GAP)));
    lines.push(total);
    lines.join("\n")
}

/// One a row: its tokens beside those of the largest row.
fn bars(report: &Report, screen: Screen, room: usize) -> Vec<String> {
    let tokens = |sum: &Sum| all(&sum.answered.tokens);
    let largest = report.rows.iter().map(|(_, sum)| tokens(sum)).max().unwrap_or(0);
    let bar = |(_, sum): &(String, Sum)| screen.bar(tokens(sum), largest, room);
    report.rows.iter().map(bar).map(|bar| screen.in_colour(Colour::Cyan, &bar)).collect()
}

/// Each row on lines of its own, where columns have no room.
fn stacked(report: &Report, screen: Screen) -> String {
    let bars = bars(report, screen, screen.width.saturating_sub(GAP).min(LONGEST_BAR));
    let mut lines = Vec::new();
    for ((label, sum), bar) in sums(report).zip(bars.iter().map(String::as_str).chain([""])) {
        let tokens = told(&sum.answered, &compact(all(&sum.answered.tokens)));
        let mut pieces = vec![format!("  {}", counted(sum.requests, "request")), format!("{tokens} tokens")];
        pieces.extend(paid(&sum.answered));
        if sum.answered.cost.is_empty() {
            pieces.push(without_price(sum));
        }
        lines.push(screen.wrapped(&label, 0));
        lines.push(screen.flow(&pieces.into_iter().map(piece).collect::<Vec<_>>(), GAP));
        lines.extend((!bar.is_empty()).then(|| format!("  {bar}")));
    }
    lines.join("\n")
}

/// `0.001434 USD` of each currency.
pub(super) fn paid(total: &Total) -> Vec<String> {
    let one = |(currency, amount): (&String, &Amount)| {
        told(total, &format!("{} {currency}", money(*amount, digits_beside(*amount))))
    };
    total.cost.iter().map(one).collect()
}
