//! The totals of a range of days, and quotas, as JSON and as text.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

use super::DateRange;
use crate::cli::command::CommandError;
use crate::cli::output::{
    Colour, NO_PRICE, OutputStyle, cost_digits, format_compact, format_cost, format_count, format_duration,
    format_money, sanitize_line,
};
use crate::protocol::amount::Amount;
use crate::usage::{DatabaseError, GroupBy, TokenTotals, UsageDatabase, UsageQuery, UsageRow, UsageTotals};

/// A shorter bar compares nothing.
const MIN_BAR: usize = 8;
/// A longer bar shows no more.
const MAX_BAR: usize = 30;
/// Of a quota's gauge, in characters.
const GAUGE_WIDTH: usize = 20;

/// A row of the JSON.
#[derive(Serialize)]
pub(super) struct KeyedRow<'r> {
    key: &'r str,
    #[serde(flatten)]
    row: &'r UsageRow,
}

/// The totals of a range of days.
#[derive(Debug, Default)]
pub(super) struct UsageReport {
    /// One for each key, the most tokens first; days in order, including those without requests.
    pub(super) rows: Vec<(String, UsageRow)>,
    /// A request counts once here, and once in each row with one of its attempts.
    pub(super) total: UsageRow,
}

impl UsageReport {
    pub(super) async fn gather(
        database: &dyn UsageDatabase,
        range: &DateRange,
        by: GroupBy,
    ) -> Result<Self, CommandError> {
        let rows = query(database, range, vec![by]).await?;
        let total = query_total(database, range).await?;
        let rows = rows.into_iter().map(|row| (row.keys.first().cloned().unwrap_or_default(), row));
        let rows = if by == GroupBy::Day {
            let empty = range.dates().into_iter().map(|date| (date, UsageRow::default()));
            empty.chain(rows).collect::<BTreeMap<_, _>>().into_iter().collect()
        } else {
            let mut rows: Vec<(String, UsageRow)> = rows.collect();
            rows.sort_by_key(|(_, row)| Reverse((total_tokens(&row.answered.tokens), row.requests)));
            rows
        };
        Ok(Self { rows, total })
    }

    pub(super) fn keyed_rows(&self) -> Vec<KeyedRow<'_>> {
        self.rows.iter().map(|(key, row)| KeyedRow { key, row }).collect()
    }

    /// The table with bars, with the total as its last line. It has fewer columns if the terminal is narrow.
    pub(super) fn to_table(&self, heading: &str, style: OutputStyle) -> String {
        for is_detailed in [true, false] {
            let lines = self.table_lines(heading, is_detailed, None);
            let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
            if width + 2 + MIN_BAR <= style.width {
                let bars = self.render_bars(style, (style.width - width - 2).min(MAX_BAR));
                // The heading and the lines of the total have no bar.
                let bars = std::iter::once(String::new()).chain(bars).chain([String::new(), String::new()]);
                let with_bar = |(line, bar): (&String, String)| match bar.as_str() {
                    "" => line.trim_end().to_owned(),
                    bar => format!("{line:<width$}  {bar}"),
                };
                return lines.iter().zip(bars).map(with_bar).collect::<Vec<_>>().join("\n");
            }
        }
        let lines = self.table_lines(heading, false, Some(style.width));
        lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
    }

    /// Cells are wrapped to fit a width, if one is given.
    fn table_lines(&self, heading: &str, is_detailed: bool, width: Option<usize>) -> Vec<String> {
        let columns = self.build_columns(heading, is_detailed);
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if let Some(width) = width.and_then(|width| u16::try_from(width).ok()) {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        table.set_header(columns.iter().map(|(heading, _)| heading));
        for index in 0..=self.rows.len() {
            table.add_row(columns.iter().filter_map(|(_, cells)| cells.get(index)));
        }
        let last = columns.len().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index == last { 0 } else { 2 }));
            column.set_cell_alignment(if index == 0 { CellAlignment::Left } else { CellAlignment::Right });
        }
        let mut lines: Vec<String> = table.lines().collect();
        if width.is_none() {
            let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
            lines.insert(lines.len().saturating_sub(1), "-".repeat(width));
        }
        lines
    }

    /// The rows, followed by the total.
    fn rows_with_total(&self) -> impl Iterator<Item = (String, &UsageRow)> {
        let label = |key: &str| if key.is_empty() { "(none)".to_owned() } else { sanitize_line(key) };
        let rows = self.rows.iter().map(move |(key, row)| (label(key), row));
        rows.chain([("total".to_owned(), &self.total)])
    }

    /// Each column's heading, and its cells for each row and the total.
    fn build_columns(&self, heading: &str, is_detailed: bool) -> Vec<(String, Vec<String>)> {
        let column = |heading: &str, cell: &dyn Fn(&UsageRow) -> String| {
            (heading.to_owned(), self.rows_with_total().map(|(_, row)| cell(row)).collect())
        };
        let tokens = |heading: &str, count: &dyn Fn(&TokenTotals) -> u64| {
            column(heading, &|row| match count(&row.answered.tokens) {
                0 => "0".to_owned(),
                tokens => mark_estimate(&row.answered, &format_compact(tokens)),
            })
        };
        let mut columns = vec![
            (heading.to_owned(), self.rows_with_total().map(|(label, _)| label).collect()),
            column("Requests", &|row| format_compact(row.requests)),
        ];
        if is_detailed {
            let total = &self.total.answered.tokens;
            if self.total.failed > 0 {
                columns.push(column("Failed", &|row| format_compact(row.failed)));
            }
            columns.push(tokens("Input", &|tokens| tokens.input));
            columns.push(tokens("Cached", &|tokens| tokens.cache_read));
            if total.cache_write > 0 {
                columns.push(tokens("Written", &|tokens| tokens.cache_write));
            }
            columns.push(tokens("Output", &|tokens| tokens.output));
            if total.reasoning > 0 {
                columns.push(tokens("Reasoning", &|tokens| tokens.reasoning));
            }
        } else {
            columns.push(tokens("Tokens", &total_tokens));
        }
        columns.extend(self.cost_columns());
        columns
    }

    /// One column for each currency; amounts of different currencies are never added.
    fn cost_columns(&self) -> Vec<(String, Vec<String>)> {
        let no_price = |row: &UsageRow| if row.answered.unpriced > 0 { NO_PRICE } else { "" }.to_owned();
        let rows = || self.rows_with_total().map(|(_, row)| row);
        let currencies: BTreeSet<&String> = rows().flat_map(|row| row.answered.cost.keys()).collect();
        if currencies.is_empty() {
            let has_unpriced = self.total.answered.unpriced > 0;
            return has_unpriced
                .then(|| ("Cost".to_owned(), rows().map(no_price).collect()))
                .into_iter()
                .collect();
        }
        let column = |(index, currency): (usize, &String)| {
            let amounts = rows().filter_map(|row| row.answered.cost.get(currency)).copied();
            let digits = cost_digits(amounts.max().unwrap_or(Amount::ZERO));
            let cell = |row: &UsageRow| match row.answered.cost.get(currency) {
                Some(amount) => mark_estimate(&row.answered, &format_money(*amount, digits)),
                None if index == 0 && row.answered.cost.is_empty() => no_price(row),
                None => String::new(),
            };
            (format!("Cost {currency}"), rows().map(cell).collect())
        };
        currencies.into_iter().enumerate().map(column).collect()
    }

    /// For each row, its tokens compared with those of the largest row.
    fn render_bars(&self, style: OutputStyle, width: usize) -> impl Iterator<Item = String> {
        let tokens = |row: &UsageRow| total_tokens(&row.answered.tokens);
        let largest = self.rows.iter().map(|(_, row)| tokens(row)).max().unwrap_or(0);
        self.rows.iter().map(move |(_, row)| {
            style.colourize(Colour::Cyan, &style.render_bar(tokens(row), largest, width))
        })
    }

    /// Sentences below the table.
    pub(super) fn notes(&self) -> Vec<String> {
        let (lost, answered) = (&self.total.lost, &self.total.answered);
        let mut notes = Vec::new();
        if self.total.failed > 0 {
            notes.push(format!("{} failed.", format_count(self.total.failed, "attempt")));
        }
        if lost.attempts > 0 {
            let about = if lost.estimated > 0 { "about " } else { "" };
            let input = lost.tokens.input.saturating_add(lost.tokens.cache_write);
            let mut details = vec![format!(
                "{about}{} input, {} cached and {} output tokens",
                format_compact(input),
                format_compact(lost.tokens.cache_read),
                format_compact(lost.tokens.output)
            )];
            let costs = lost.cost.iter().map(|(currency, amount)| format_cost(*amount, currency));
            details.extend(costs);
            if lost.unpriced > 0 {
                details.push(format!("price of {} unknown", format_count(lost.unpriced, "attempt")));
            }
            let attempts = format_count(lost.attempts, "interrupted attempt");
            notes.push(format!("Not included: {attempts} ({}).", details.join(", ")));
        }
        if answered.tokens.cache_read > 0 {
            notes.push("Input excludes cached tokens.".to_owned());
        }
        if answered.tokens.reasoning > 0 {
            notes.push("Output includes reasoning tokens.".to_owned());
        }
        if answered.estimated > 0 {
            let answers = format_count(answered.estimated, "answer");
            notes.push(format!("~ includes estimates: the provider reported no tokens for {answers}."));
        }
        if answered.unpriced > 0 {
            let answers = format_count(answered.unpriced, "answer");
            notes.push(format!(
                "The price of {answers} is unknown: a subscription, or a model without a price."
            ));
        }
        notes
    }
}

pub(super) fn database_error(error: DatabaseError) -> CommandError {
    CommandError::failure("ledger_error", error.to_string())
}

async fn query(
    database: &dyn UsageDatabase,
    range: &DateRange,
    group_by: Vec<GroupBy>,
) -> Result<Vec<UsageRow>, CommandError> {
    let (since, zone) = (range.since.timestamp().into(), range.now.time_zone().clone());
    database.query(&UsageQuery { since, until: None, group_by, zone }).await.map_err(database_error)
}

/// The usage of all requests of these days.
pub(in crate::cli) async fn query_total(
    database: &dyn UsageDatabase,
    range: &DateRange,
) -> Result<UsageRow, CommandError> {
    Ok(query(database, range, Vec::new()).await?.pop().unwrap_or_default())
}

/// All tokens together.
pub(in crate::cli) const fn total_tokens(tokens: &TokenTotals) -> u64 {
    let input = tokens.input.saturating_add(tokens.cache_read).saturating_add(tokens.cache_write);
    input.saturating_add(tokens.output)
}

/// With a mark if a part of it is an estimate.
fn mark_estimate(total: &UsageTotals, figure: &str) -> String {
    format!("{}{figure}", if total.estimated > 0 { "~" } else { "" })
}

/// One line for each quota, or for a provider's error.
pub(super) fn render_quotas(providers: &Value, style: OutputStyle, now: SystemTime) -> String {
    let text = |value: &Value, key: &str| sanitize_line(value[key].as_str().unwrap_or_default());
    let mut rows = Vec::new();
    for provider in providers.as_array().into_iter().flatten() {
        let id = text(provider, "id");
        if provider["error"].is_string() {
            rows.push((format!("{id}:"), text(provider, "error")));
        }
        for quota in provider["allowances"].as_array().into_iter().flatten() {
            rows.push((format!("{id}, {}", text(quota, "name")), describe_quota(quota, style, now)));
        }
    }
    if rows.is_empty() {
        return "  no quota information available".to_owned();
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let lines = rows.iter().map(|(name, value)| format!("  {name:<width$}  {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn describe_quota(quota: &Value, style: OutputStyle, now: SystemTime) -> String {
    let mut parts = Vec::new();
    if let Some(used) = quota["used"].as_f64() {
        let colour = match used {
            0.9.. => Colour::Red,
            0.7.. => Colour::Yellow,
            _ => Colour::Green,
        };
        parts.push(style.colourize(colour, &style.render_gauge(used, GAUGE_WIDTH)));
        parts.push(format!("{:>3.0} % used", used * 100.0));
    }
    let text = |key: &str| sanitize_line(quota[key].as_str().unwrap_or_default());
    let (left, currency) = (text("left"), text("currency"));
    if let Some(owed) = left.strip_prefix('-') {
        parts.push(format!("{owed} {currency} owed"));
    } else if !left.is_empty() {
        parts.push(format!("{left} {currency} left"));
    } else if parts.is_empty() {
        parts.push("no limit".to_owned());
    }
    if let Some(at) = quota["resets"].as_u64() {
        parts.push(match (UNIX_EPOCH + Duration::from_millis(at)).duration_since(now) {
            Ok(left) => format!("resets in {}", format_duration(left)),
            Err(_) => "resets now".to_owned(),
        });
    }
    parts.join("  ")
}
