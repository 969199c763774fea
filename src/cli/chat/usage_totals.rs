//! Usage totals: of the session from its transcript; of today and of thirty days from the usage database.

use std::sync::Arc;

use jiff::Zoned;

use super::footer;
use crate::assistant::session::SessionUsage;
use crate::cli::exit::CommandError;
use crate::cli::usage::date_range::DateRange;
use crate::cli::usage::number_format::format_compact;
use crate::cli::usage::report::total_tokens;
use crate::config::Environment;
use crate::usage::{self, UsageDatabase, UsageQuery, UsageRow};

/// Three lines; if the usage database has none, the reason.
pub(super) async fn usage_totals(session: &SessionUsage, environment: &Environment) -> Vec<String> {
    let mut lines = vec![format!("session   {}", footer::format_total(session))];
    match load_usage(environment).await {
        Ok(Some((today, month))) => {
            lines.push(format!("today     {}", format_sum(&today)));
            lines.push(format!("30 days   {}", format_sum(&month)));
        }
        Ok(None) => lines.push("today     unknown: there is no ledger (the gateway keeps one)".to_owned()),
        Err(why) => lines.push(format!("today     unknown: {}", why.message())),
    }
    lines
}

async fn load_usage(environment: &Environment) -> Result<Option<(UsageRow, UsageRow)>, CommandError> {
    let Some(directory) = environment.state_directory() else { return Ok(None) };
    let opened = tokio::task::spawn_blocking(move || usage::open_read_only(&directory)).await;
    let store = opened.map_err(|error| usage_error(&error))?.map_err(|error| usage_error(&error))?;
    let Some(store) = store else { return Ok(None) };
    let now = Zoned::now();
    let today = sum_since(&store, DateRange::last_days(1, now.clone())?).await?;
    Ok(Some((today, sum_since(&store, DateRange::last_days(30, now)?).await?)))
}

async fn sum_since(store: &Arc<dyn UsageDatabase>, span: DateRange) -> Result<UsageRow, CommandError> {
    let zone = span.now.time_zone().clone();
    let question =
        UsageQuery { since: span.since.timestamp().into(), until: None, group_by: Vec::new(), zone };
    let sums = store.query(&question).await.map_err(|error| usage_error(&error))?;
    Ok(sums.into_iter().next().unwrap_or_default())
}

fn usage_error(error: &dyn std::fmt::Display) -> CommandError {
    CommandError::failure("ledger_error", error.to_string())
}

/// Of every client, not of chats alone.
fn format_sum(sum: &UsageRow) -> String {
    let answered = &sum.answered;
    let mut parts: Vec<String> =
        answered.cost.iter().map(|(currency, cost)| footer::format_amount(*cost, currency)).collect();
    parts.push(format!("{} tokens", format_compact(total_tokens(&answered.tokens))));
    if answered.unpriced > 0 {
        parts.push(format!("{} answers without a price", answered.unpriced));
    }
    parts.join(", ")
}
