//! The footer below an answer.

use std::time::Duration;

use crate::assistant::command::UsageFooter;
use crate::assistant::session::SessionUsage;
use crate::assistant::transcript::AnswerUsage;
use crate::assistant::turn::TurnResult;
use crate::cli::usage::number_format::{cost_digits, format_compact, format_money};
use crate::protocol::amount::Amount;

/// The line for a turn; `None` where none is wanted. `session` is what its session used until now.
pub(super) fn render_footer(
    wanted: UsageFooter,
    turned: &TurnResult,
    session: &SessionUsage,
) -> Option<String> {
    let told = |of: &dyn Fn(&AnswerUsage) -> String| {
        turned.usage.as_ref().map_or_else(|| "usage not told".to_owned(), of)
    };
    let cost = |spent: &AnswerUsage| format_turn_cost(spent, turned);
    Some(match wanted {
        UsageFooter::Off => return None,
        UsageFooter::Tokens => told(&format_tokens),
        UsageFooter::Cost => format!("{} · session {}", told(&cost), format_total(session)),
        UsageFooter::Full => {
            let who = turned.answered_by.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
            let used = told(&|spent| format!("{} · {}", format_tokens(spent), cost(spent)));
            format!("{who} · {used} · {}", format_seconds(turned.duration))
        }
    })
}

/// `600 in, 200 out, 400 cached`.
pub(super) fn format_tokens(spent: &AnswerUsage) -> String {
    let written = |count: u64| {
        if count > 0 { format!(", {} into the cache", format_compact(count)) } else { String::new() }
    };
    let cached =
        |count: u64| if count > 0 { format!(", {} cached", format_compact(count)) } else { String::new() };
    format!(
        "{} in, {} out{}{}",
        format_compact(spent.input),
        format_compact(spent.output),
        cached(spent.cache_read),
        written(spent.cache_write)
    )
}

fn format_turn_cost(spent: &AnswerUsage, turned: &TurnResult) -> String {
    let currency = turned.currency.as_deref().unwrap_or("USD");
    spent.cost.map_or_else(|| "no price".to_owned(), |cost| format_amount(cost.total, currency))
}

/// `0.0123 USD`.
pub(super) fn format_amount(amount: Amount, currency: &str) -> String {
    format!("{} {currency}", format_money(amount, cost_digits(amount)))
}

/// Of several answers: `0.0123 USD, 3.2k tokens, 2 answers without a price`.
pub(super) fn format_total(total: &SessionUsage) -> String {
    let mut parts: Vec<String> =
        total.costs.iter().map(|cost| format_amount(cost.total, cost.currency.code())).collect();
    parts.push(format!("{} tokens", format_compact(total.tokens.total_tokens)));
    if total.unpriced_answers > 0 {
        let s = if total.unpriced_answers == 1 { "" } else { "s" };
        parts.push(format!("{} answer{s} without a price", total.unpriced_answers));
    }
    parts.join(", ")
}

fn format_seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
