//! What stands below an answer.

use std::time::Duration;

use crate::assistant::command::Footer;
use crate::assistant::session::Total;
use crate::assistant::transcript::Spent;
use crate::assistant::turn::Turned;
use crate::cli::usage::figure::{compact, digits_beside, money};
use crate::protocol::amount::Amount;

/// The line for a turn; `None` where none is wanted. `session` is what its session used until now.
pub(super) fn footer(wanted: Footer, turned: &Turned, session: &Total) -> Option<String> {
    let told =
        |of: &dyn Fn(&Spent) -> String| turned.spent.as_ref().map_or_else(|| "usage not told".to_owned(), of);
    let cost = |spent: &Spent| cost(spent, turned);
    Some(match wanted {
        Footer::Off => return None,
        Footer::Tokens => told(&tokens),
        Footer::Cost => format!("{} · session {}", told(&cost), costs(session)),
        Footer::Full => {
            let who = turned.answered.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
            let used = told(&|spent| format!("{} · {}", tokens(spent), cost(spent)));
            format!("{who} · {used} · {}", seconds(turned.took))
        }
    })
}

/// `600 in, 200 out, 400 cached`.
pub(super) fn tokens(spent: &Spent) -> String {
    let written =
        |count: u64| if count > 0 { format!(", {} into the cache", compact(count)) } else { String::new() };
    let cached = |count: u64| if count > 0 { format!(", {} cached", compact(count)) } else { String::new() };
    format!(
        "{} in, {} out{}{}",
        compact(spent.input),
        compact(spent.output),
        cached(spent.cache_read),
        written(spent.cache_write)
    )
}

fn cost(spent: &Spent, turned: &Turned) -> String {
    let currency = turned.currency.as_deref().unwrap_or("USD");
    spent.cost.map_or_else(|| "no price".to_owned(), |cost| amount(cost.total, currency))
}

/// `0.0123 USD`.
pub(super) fn amount(amount: Amount, currency: &str) -> String {
    format!("{} {currency}", money(amount, digits_beside(amount)))
}

/// Of several answers: `0.0123 USD, 3.2k tokens, 2 answers without a price`.
pub(super) fn costs(total: &Total) -> String {
    let mut parts: Vec<String> =
        total.costs.iter().map(|cost| amount(cost.total, cost.currency.code())).collect();
    parts.push(format!("{} tokens", compact(total.tokens.total_tokens)));
    if total.unpriced > 0 {
        let s = if total.unpriced == 1 { "" } else { "s" };
        parts.push(format!("{} answer{s} without a price", total.unpriced));
    }
    parts.join(", ")
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
