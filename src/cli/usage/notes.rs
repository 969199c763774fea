//! What stands below the table: what did not answer and was used all the same, and what the marks mean.

use super::figure::{counted, grouped};
use super::report::Report;
use super::table::paid;

/// One sentence each.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let total = &report.total;
    let mut notes = Vec::new();
    if total.failed > 0 {
        notes.push(format!("{} failed.", counted(total.failed, "attempt")));
    }
    let lost = &total.lost;
    if lost.attempts > 0 {
        let about = if lost.estimated > 0 { "about " } else { "" };
        let tokens = lost.tokens;
        let mut note = format!(
            "Not in the table: {} that did not answer to the end used {about}{} input, {} cached and {} output tokens",
            counted(lost.attempts, "attempt"),
            grouped(tokens.input.saturating_add(tokens.cache_write)),
            grouped(tokens.cache_read),
            grouped(tokens.output),
        );
        if !lost.cost.is_empty() {
            note += &format!(" and cost {}", paid(lost).join(" and "));
        }
        if lost.unpriced > 0 {
            note += &format!("; of {} no price is known", grouped(lost.unpriced));
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
        let count = counted(answered.estimated, "answer");
        notes.push(format!("~ holds estimates: of {count} the provider told no tokens."));
    }
    if answered.unpriced > 0 {
        let count = counted(answered.unpriced, "answer");
        notes.push(format!("No price is known of {count}: a subscription, or a model without a price."));
    }
    notes
}
