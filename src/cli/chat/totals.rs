//! What was spent: by the session, as its transcript has it, and today and in thirty days, as the ledger has it.

use std::sync::Arc;

use jiff::Zoned;

use super::footer;
use crate::assistant::session::Total;
use crate::cli::exit::Ending;
use crate::cli::usage::figure::compact;
use crate::cli::usage::report::all;
use crate::cli::usage::span::Span;
use crate::config::Environment;
use crate::usage::{self, Question, Store, Sum};

/// Three lines; of the ledger's why there are none, where that is so.
pub(super) async fn totals(session: &Total, environment: &Environment) -> Vec<String> {
    let mut lines = vec![format!("session   {}", footer::costs(session))];
    match spent(environment).await {
        Ok(Some((today, month))) => {
            lines.push(format!("today     {}", told(&today)));
            lines.push(format!("30 days   {}", told(&month)));
        }
        Ok(None) => lines.push("today     unknown: there is no ledger (the gateway keeps one)".to_owned()),
        Err(why) => lines.push(format!("today     unknown: {}", why.message())),
    }
    lines
}

async fn spent(environment: &Environment) -> Result<Option<(Sum, Sum)>, Ending> {
    let Some(directory) = environment.state_directory() else { return Ok(None) };
    let opened = tokio::task::spawn_blocking(move || usage::read_only(&directory)).await;
    let store = opened.map_err(|error| broken(&error))?.map_err(|error| broken(&error))?;
    let Some(store) = store else { return Ok(None) };
    let now = Zoned::now();
    let today = since(&store, Span::of(1, now.clone())?).await?;
    Ok(Some((today, since(&store, Span::of(30, now)?).await?)))
}

async fn since(store: &Arc<dyn Store>, span: Span) -> Result<Sum, Ending> {
    let zone = span.now.time_zone().clone();
    let question = Question { since: span.since.timestamp().into(), until: None, by: Vec::new(), zone };
    let sums = store.sums(&question).await.map_err(|error| broken(&error))?;
    Ok(sums.into_iter().next().unwrap_or_default())
}

fn broken(error: &dyn std::fmt::Display) -> Ending {
    Ending::failure("ledger_error", error.to_string())
}

/// Of every client, not of chats alone.
fn told(sum: &Sum) -> String {
    let answered = &sum.answered;
    let mut parts: Vec<String> =
        answered.cost.iter().map(|(currency, cost)| footer::amount(*cost, currency)).collect();
    parts.push(format!("{} tokens", compact(all(&answered.tokens))));
    if answered.unpriced > 0 {
        parts.push(format!("{} answers without a price", answered.unpriced));
    }
    parts.join(", ")
}
