//! `moonrelay web-search`: searches the web and prints an answer with its sources.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;

use super::command::{self, CommandContext, CommandError};
use super::output::{format_cost, format_duration, progress, sanitize, sanitize_line};
use crate::assistant::search::{SearchResult, Searcher};
use crate::config::settings::Settings;
use crate::upstream::Client;
use crate::upstream::gateway_client::GatewayAddress;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Question; several words form one question
    #[arg(required = true, value_name = "QUERY")]
    query: Vec<String>,
    /// Search from this process even if a gateway runs, without its cache and usage database
    #[arg(long)]
    local: bool,
    /// Configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> ExitCode {
    command::run(args.config.clone(), args.json, async |context| execute(&args, context).await).await
}

async fn execute(args: &Args, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let spinner = progress("searching the web…");
    let found = search(&args.query.join(" "), args.local, &settings).await;
    spinner.finish_and_clear();
    let found = found?;
    context.report(&found.to_json(), || render_answer(&found))
}

/// Searches through the gateway if one runs, else from this process.
async fn search(query: &str, local: bool, settings: &Settings) -> Result<SearchResult, CommandError> {
    let connector = Arc::new(Client::new(settings.failover.connect_timeout));
    let mut searcher = Searcher::new(connector, settings);
    if !local {
        let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
        searcher = searcher.with_gateway(address, settings);
    }
    let found = Box::pin(searcher.search(query)).await;
    found.map_err(|failure| CommandError::failure(failure.kind.as_str(), failure.message))
}

/// The answer, its numbered sources, and its cost.
fn render_answer(found: &SearchResult) -> String {
    let mut text = sanitize(&found.content).trim().to_owned();
    if !found.citations.is_empty() {
        text.push_str("\n\nSources:");
        for (index, url) in found.citations.iter().enumerate() {
            text.push_str(&format!("\n  {}. {}", index + 1, sanitize_line(url)));
        }
    }
    let duration = format_duration(found.duration);
    let cost = match found.usage.bill() {
        _ if found.is_cached => "cached".to_owned(),
        None => duration,
        Some(bill) => format!("{duration} · {}", format_cost(bill.amount, &sanitize_line(&bill.currency))),
    };
    text + &format!("\n\n{} · {cost}", sanitize_line(found.model()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::render_answer;
    use crate::assistant::search::{SearchCosts, SearchResult, SearchUsage};
    use crate::protocol::amount::Amount;

    #[test]
    fn answer_is_printed_with_sources_and_cost() {
        let searches = Amount::parse("0.00698").unwrap();
        let costs = SearchCosts { searches, currency: "USD".to_owned(), ..SearchCosts::default() };
        let mut found = SearchResult {
            query: "q".to_owned(),
            reference: "moonshot/kimi-k2.6".to_owned(),
            content: "So \u{1b}]0;title\u{7}it \u{202e}is.\r\n".to_owned(),
            citations: vec!["https://a.example".to_owned(), "https://b.example".to_owned()],
            duration: Duration::from_millis(1280),
            is_cached: false,
            usage: SearchUsage { costs: Some(costs), ..SearchUsage::default() },
        };
        let expected = "So ␛]0;title␇it \u{fffd}is.\n\nSources:\n  1. https://a.example\n  2. https://b.example\n\n\
                        kimi-k2.6 · 1.3 s · 0.006980 USD";
        assert_eq!(render_answer(&found), expected);
        (found.is_cached, found.citations) = (true, Vec::new());
        assert_eq!(render_answer(&found), "So ␛]0;title␇it \u{fffd}is.\n\nkimi-k2.6 · cached");
    }
}
