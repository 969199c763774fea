//! Notes below the table: usage of attempts that did not answer, and the meaning of the marks.

use super::number_format::{format_count, group_digits};
use super::report::UsageReport;
use super::table::paid_amounts;

/// One sentence each.
pub(super) fn table_notes(report: &UsageReport) -> Vec<String> {
    let total = &report.total;
    let mut notes = Vec::new();
    if total.failed > 0 {
        notes.push(format!("{} failed.", format_count(total.failed, "attempt")));
    }
    let lost = &total.lost;
    if lost.attempts > 0 {
        let about = if lost.estimated > 0 { "about " } else { "" };
        let tokens = lost.tokens;
        let mut note = format!(
            "Not in the table: {} that did not answer to the end used {about}{} input, {} cached and {} output tokens",
            format_count(lost.attempts, "attempt"),
            group_digits(tokens.input.saturating_add(tokens.cache_write)),
            group_digits(tokens.cache_read),
            group_digits(tokens.output),
        );
        if !lost.cost.is_empty() {
            note += &format!(" and cost {}", paid_amounts(lost).join(" and "));
        }
        if lost.unpriced > 0 {
            note += &format!("; of {} no price is known", group_digits(lost.unpriced));
        }
        notes.push(note + ".");
    }
    let answered = &total.answered;
    let words = [
        (answered.tokens.cache_read > 0, "Input is what no cache gave."),
        (answered.tokens.reasoning > 0, "Reasoning is part of the output."),
    ];
    let words: Vec<&str> = words.into_iter().filter_map(|(says, what)| says.then_some(what)).collect();
    if !words.is_empty() {
        notes.push(words.join(" "));
    }
    if answered.estimated > 0 {
        let count = format_count(answered.estimated, "answer");
        notes.push(format!("~ holds estimates: of {count} the provider told no tokens."));
    }
    if answered.unpriced > 0 {
        let count = format_count(answered.unpriced, "answer");
        notes.push(format!("No price is known of {count}: a subscription, or a model without a price."));
    }
    notes
}
