//! How commands print: tables, bars and colours, numbers, durations, money, and text of others made safe.

#[cfg(test)]
pub(super) mod tests;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::assistant::session::SessionUsage;
use crate::assistant::transcript::{AnswerCosts, AnswerUsage};
use crate::config::Environment;
use crate::protocol::amount::Amount;
use serde_json::Value;

/// Shown instead of an unknown cost.
pub(super) const NO_PRICE: &str = "no price";

/// Columns under headings, two spaces apart. On a terminal that is too narrow, cells are wrapped.
pub(super) fn render_table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.iter().copied());
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| sanitize_line(cell)).collect::<Vec<_>>()));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// Names and values in two columns without headings.
pub(super) fn render_pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let lines = rows.iter().map(|(name, value)| format!("{name:<width$}  {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A spinner on standard error; hidden if that is not a terminal.
pub(super) fn progress(text: impl Into<String>) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.set_message(text.into());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Replaces what a terminal would obey: control characters become visible symbols. Line ends and tabs stay, carriage
/// returns are removed.
pub(super) fn sanitize(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\t' => Some(c),
        '\r' => None,
        '\u{7f}' => Some('\u{2421}'),
        c if c < ' ' => char::from_u32(0x2400 + u32::from(c)),
        // Some terminals obey C1 controls, and Unicode has no symbols for them.
        '\u{80}'..='\u{9f}' => Some(char::REPLACEMENT_CHARACTER),
        c if is_bidi_control(c) => Some(char::REPLACEMENT_CHARACTER),
        c => Some(c),
    };
    text.chars().filter_map(visible).collect()
}

/// [`sanitize`] in one line.
pub(super) fn sanitize_line(text: &str) -> String {
    sanitize(text).replace(['\n', '\t'], " ")
}

/// Whether the character changes the direction of the text, also of what is printed after it.
pub(super) const fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1,234,567`.
pub(super) fn group_digits(number: u64) -> String {
    HumanCount(number).to_string()
}

/// `1 attempt`, `1,234 attempts`.
pub(super) fn format_count(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", group_digits(count), if count == 1 { "" } else { "s" })
}

/// Three digits and a unit: `999`, `1.23k`, `12.3M`.
pub(super) fn format_compact(number: u64) -> String {
    let (mut value, mut unit) = (number as f64, "");
    for larger in ["k", "M", "G", "T"] {
        // A value that would be rounded to 1000 gets the next unit.
        if value < if unit.is_empty() { 1000.0 } else { 999.5 } {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    match value {
        _ if unit.is_empty() => number.to_string(),
        ..9.995 => format!("{value:.2}{unit}"),
        ..99.95 => format!("{value:.1}{unit}"),
        _ => format!("{value:.0}{unit}"),
    }
}

/// How many decimals an amount of this size needs.
pub(super) fn cost_digits(largest: Amount) -> u32 {
    match largest.as_f64() {
        100.0.. => 2,
        1.0.. => 4,
        _ => 6,
    }
}

/// Rounded to so many decimals; `<0.01` where rounding would give zero.
pub(super) fn format_money(amount: Amount, digits: u32) -> String {
    /// Decimals of an [`Amount`].
    const AMOUNT_DECIMALS: u32 = 12;
    let scale = 10_u64.pow(AMOUNT_DECIMALS.saturating_sub(digits));
    let rounded = amount.as_picos() / scale + u64::from(amount.as_picos() % scale >= scale.div_ceil(2));
    let (mark, rounded) = if rounded == 0 && amount > Amount::ZERO { ("<", 1) } else { ("", rounded) };
    let unit = 10_u64.pow(digits);
    let width = digits as usize;
    format!("{mark}{}.{:0width$}", group_digits(rounded / unit), rounded % unit)
}

/// `0.001434 USD`.
pub(super) fn format_cost(amount: Amount, currency: &str) -> String {
    format!("{} {currency}", format_money(amount, cost_digits(amount)))
}

/// `0.001434 USD + 0.01 CNY`; empty where no cost is known.
pub(super) fn format_costs(costs: &[AnswerCosts]) -> String {
    list_costs(costs).join(" + ")
}

fn list_costs(costs: &[AnswerCosts]) -> Vec<String> {
    costs.iter().map(|cost| format_cost(cost.total, cost.currency.code())).collect()
}

/// A text of a JSON object; empty if there is none.
pub(super) fn json_text<'v>(object: &'v Value, key: &str) -> &'v str {
    object[key].as_str().unwrap_or_default()
}

/// The elements of a list of a JSON object.
pub(super) fn json_list<'v>(object: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    object[key].as_array().into_iter().flatten()
}

/// `600 in, 400 cached, 200 out`.
pub(super) fn format_tokens(usage: &AnswerUsage) -> String {
    let parts = [
        (usage.input, "in", true),
        (usage.cache_read, "cached", false),
        (usage.cache_write, "written to the cache", false),
        (usage.output, "out", true),
    ];
    let shown = parts.into_iter().filter(|(count, _, always)| *always || *count > 0);
    shown.map(|(count, what, _)| format!("{} {what}", format_compact(count))).collect::<Vec<_>>().join(", ")
}

/// `0.0123 USD, 3.20k tokens, no price for 2 answers`.
pub(super) fn format_total(costs: &[String], tokens: u64, unpriced: u64) -> String {
    let mut parts = vec![costs.join(" + ")];
    parts.retain(|costs| !costs.is_empty());
    parts.push(format!("{} tokens", format_compact(tokens)));
    if unpriced > 0 {
        parts.push(format!("{NO_PRICE} for {}", format_count(unpriced, "answer")));
    }
    parts.join(", ")
}

/// [`format_total`] of a session.
pub(super) fn format_session_total(total: &SessionUsage) -> String {
    format_total(&list_costs(&total.costs), total.tokens.total_tokens, total.unpriced_answers)
}

/// `42 ms`, `1.3 s`, `42 s`, `4 min 10 s`, `2 h 5 min`, `6 d 11 h`.
pub(super) fn format_duration(time: Duration) -> String {
    let seconds = (time.as_secs_f64().round()) as u64;
    let two = |large: u64, unit: &str, small: u64, smaller: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {smaller}"),
    };
    match seconds {
        _ if time.as_millis() < 1000 => format!("{} ms", time.as_millis()),
        _ if time.as_secs_f64() < 9.95 => format!("{:.1} s", time.as_secs_f64()),
        0..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// `2026-11-22 01:02:03` in local time; other text is only sanitized.
pub(super) fn format_time(at: &str) -> String {
    match at.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => sanitize_line(at),
    }
}

/// Colours for text on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Plain,
    Dim,
    Cyan,
    Green,
    Yellow,
    Red,
}

impl Colour {
    /// The SGR sequence (ECMA-48) that selects it.
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "\x1b[0m",
            Self::Dim => "\x1b[0;2m",
            Self::Red => "\x1b[0;31m",
            Self::Green => "\x1b[0;32m",
            Self::Yellow => "\x1b[0;33m",
            Self::Cyan => "\x1b[0;36m",
        }
    }
}

/// What standard output can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutputStyle {
    /// In characters.
    pub(super) width: usize,
    /// Whether block characters can be shown; else only ASCII.
    pub(super) use_blocks: bool,
    /// Only on a terminal, without `NO_COLOR` and `TERM=dumb`.
    pub(super) use_colour: bool,
}

impl OutputStyle {
    pub(super) fn from_environment(environment: &Environment) -> Self {
        /// Width of output that does not go to a terminal.
        const DEFAULT_WIDTH: usize = 100;
        /// A terminal that reports a smaller width is not believed.
        const MIN_WIDTH: usize = 24;
        let is_dumb = environment.get("TERM") == Some("dumb");
        let columns = || environment.get("COLUMNS").and_then(|columns| columns.trim().parse().ok());
        let width = Table::new().width().map(usize::from).or_else(columns).filter(|width| *width > 0);
        Self {
            width: width.unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH),
            use_blocks: is_utf8_locale(environment) && !is_dumb,
            use_colour: io::stdout().is_terminal() && !is_dumb && environment.get("NO_COLOR").is_none(),
        }
    }

    /// A bar of at most `width` characters for `part` of `whole`. A part over zero is always visible.
    pub(super) fn render_bar(self, part: u64, whole: u64, width: usize) -> String {
        /// The filled part of the last character, in eighths.
        const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        if part == 0 || whole == 0 {
            return String::new();
        }
        let cells = width as u128 * 8;
        let eighths = (cells * u128::from(part) / u128::from(whole)).clamp(1, cells);
        let eighths = usize::try_from(eighths).unwrap_or(width * 8);
        if self.use_blocks {
            let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
            return "█".repeat(eighths / 8) + rest;
        }
        "#".repeat(eighths.div_ceil(8))
    }

    /// A gauge of exactly `width` characters, filled to a share from 0 to 1.
    pub(super) fn render_gauge(self, share: f64, width: usize) -> String {
        let thousandths = (share.clamp(0.0, 1.0) * 1000.0) as u64;
        let filled = self.render_bar(thousandths, 1000, width);
        let empty = width.saturating_sub(filled.chars().count());
        filled + &if self.use_blocks { "░" } else { "." }.repeat(empty)
    }

    /// The text in a colour, if colours are used.
    pub(super) fn colourize(self, colour: Colour, text: &str) -> String {
        if self.use_colour && colour != Colour::Plain && !text.is_empty() {
            format!("{}{text}{}", colour.code(), Colour::Plain.code())
        } else {
            text.to_owned()
        }
    }
}

fn is_utf8_locale(environment: &Environment) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| environment.get(name));
    locale.is_some_and(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

/// Standard output for an answer that arrives in pieces, with whole lines between them.
pub(super) struct AnswerWriter {
    out: Box<dyn Write + Send>,
    pub(super) is_terminal: bool,
    pub(super) use_colour: bool,
    /// The cursor's line is empty.
    is_at_line_start: bool,
    /// The cursor's line shows a status, which the next output erases.
    has_status: bool,
    colour: Colour,
}

impl AnswerWriter {
    pub(super) fn from_environment(environment: &Environment) -> Self {
        let is_terminal =
            io::stdout().is_terminal() && environment.get("TERM").is_none_or(|term| term != "dumb");
        let use_colour = OutputStyle::from_environment(environment).use_colour;
        Self::new(Box::new(io::stdout()), is_terminal, use_colour)
    }

    fn new(out: Box<dyn Write + Send>, is_terminal: bool, use_colour: bool) -> Self {
        let colour = Colour::Plain;
        Self { out, is_terminal, use_colour, is_at_line_start: true, has_status: false, colour }
    }

    /// Writes a piece of text at once.
    pub(super) fn write_piece(&mut self, colour: Colour, text: &str) -> io::Result<()> {
        self.clear_status()?;
        let text = sanitize(text);
        if text.is_empty() {
            return Ok(());
        }
        self.set_colour(colour)?;
        self.out.write_all(text.as_bytes())?;
        self.is_at_line_start = text.ends_with('\n');
        self.out.flush()
    }

    /// Ends a line that was begun.
    pub(super) fn end_line(&mut self) -> io::Result<()> {
        self.clear_status()?;
        self.set_colour(Colour::Plain)?;
        if !self.is_at_line_start {
            self.out.write_all(b"\n")?;
            self.is_at_line_start = true;
        }
        self.out.flush()
    }

    pub(super) fn write_line(&mut self, colour: Colour, text: &str) -> io::Result<()> {
        self.end_line()?;
        // A colour ends with its line, so that scrolling or resizing does not spread it.
        for line in sanitize(text).split('\n') {
            self.set_colour(colour)?;
            self.out.write_all(line.as_bytes())?;
            self.set_colour(Colour::Plain)?;
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }

    /// On a terminal, shows what the command waits for until something is printed.
    pub(super) fn show_status(&mut self, text: &str) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        self.end_line()?;
        self.set_colour(Colour::Dim)?;
        self.out.write_all(text.as_bytes())?;
        self.set_colour(Colour::Plain)?;
        self.has_status = true;
        self.out.flush()
    }

    /// The user typed a line, and the terminal echoed it: the cursor is at the start of the next line. An unfinished
    /// line there is erased like a status; the prompt shows it again.
    pub(super) const fn record_typed_line(&mut self) {
        self.is_at_line_start = true;
        self.has_status = true;
    }

    fn clear_status(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.has_status) {
            self.out.write_all(b"\r\x1b[K")?;
        }
        Ok(())
    }

    fn set_colour(&mut self, colour: Colour) -> io::Result<()> {
        if !self.use_colour || self.colour == colour {
            return Ok(());
        }
        self.colour = colour;
        self.out.write_all(colour.code().as_bytes())
    }
}
