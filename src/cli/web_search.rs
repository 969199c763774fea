//! `moonrelay web-search`: searches the web and prints an answer with its sources.

mod text;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;

use super::console::Console;
use super::exit::{self, CommandError};
use crate::assistant::search::{SearchResult, Searcher};
use crate::config::Environment;
use crate::config::settings::Settings;
use crate::upstream::Client;
use crate::upstream::gateway_client::GatewayAddress;

/// Arguments of `moonrelay web-search`.
#[derive(Debug, ClapArgs)]
pub struct Args {
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

/// Searches, and prints the answer.
pub async fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let (environment, config, json) = (Environment::from_process(), args.config.clone(), args.json);
    let mut console = Console { environment, config, json, out: &mut out };
    exit::into_exit_code(execute(&args, &mut console).await, json)
}

async fn execute(args: &Args, console: &mut Console<'_>) -> Result<(), CommandError> {
    let settings = console.load_settings()?;
    let query = args.query.join(" ");
    let note = SearchNote::show();
    let found = search(&query, args.local, &settings).await;
    drop(note);
    let found = found?;
    if console.json {
        return console.print_json(&found.to_json());
    }
    console.print_line(text::render_answer(&found))
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

/// A progress line on the terminal during the search, which takes seconds. Dropping it erases the line.
struct SearchNote(bool);

impl SearchNote {
    fn show() -> Self {
        let mut stderr = std::io::stderr();
        let shown = stderr.is_terminal() && write!(stderr, "searching the web…").is_ok();
        let _ = stderr.flush();
        Self(shown)
    }
}

impl Drop for SearchNote {
    fn drop(&mut self) {
        if self.0 {
            // Return to the start of the line and erase it (ECMA-48).
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
