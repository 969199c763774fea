//! `moonrelay models`: models, aliases, and the default chain.

pub(in crate::cli) mod chain;
mod list;
mod status;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use super::command::{self, CommandContext, CommandError};
use crate::config::settings::{Reference, Settings};
use crate::upstream::{Client, Connector};

/// For a connection to a provider.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `moonrelay models`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: ModelsCommand,
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// List models with input types, context, price, availability and position in the chain
    List {
        /// Show only models of this provider
        #[arg(long, value_name = "ID")]
        provider: Option<String>,
        /// Fetch each provider's model list and show differences from the catalog
        #[arg(long)]
        live: bool,
    },
    /// Set the primary model; the former primary becomes the first fallback
    Set {
        /// provider/model, or an alias
        #[arg(value_name = "REF|ALIAS")]
        name: String,
    },
    /// Manage model aliases
    #[command(subcommand)]
    Aliases(chain::AliasesCommand),
    /// Manage fallback models
    #[command(subcommand)]
    Fallbacks(chain::FallbacksCommand),
    /// Show providers: keys (masked) and their sources, why one is disabled, and active cooldowns
    Status {
        /// Send a minimal request to each target of the default chain; exit 1 when none succeeds
        #[arg(long)]
        probe: bool,
    },
}

/// Runs a command of `models`.
pub async fn run(args: Args) -> ExitCode {
    let Args { command, config, json } = args;
    let client: Arc<dyn Connector> = Arc::new(Client::new(CONNECT_TIMEOUT));
    command::run(config, json, async |context| execute(command, context, &client).await).await
}

async fn execute(
    command: ModelsCommand,
    context: &mut CommandContext<'_>,
    connector: &Arc<dyn Connector>,
) -> Result<(), CommandError> {
    match command {
        ModelsCommand::List { provider, live } => {
            list::execute(provider.as_deref(), live, context, connector).await
        }
        ModelsCommand::Set { name } => chain::set_primary(&name, context),
        ModelsCommand::Aliases(command) => command.execute(context),
        ModelsCommand::Fallbacks(command) => command.execute(context),
        ModelsCommand::Status { probe } => status::execute(probe, context, connector).await,
    }
}

/// Resolves a model name from the command line: an alias, a reference, or a unique model id.
fn resolve_model(settings: &Settings, name: &str) -> Result<Reference, CommandError> {
    settings.find_model(name).map_err(|why| CommandError::failure("unknown_model", why))
}
