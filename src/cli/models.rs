//! `moonrelay models`: list, choose, name, chain.

pub(in crate::cli) mod aliases;
pub(in crate::cli) mod cooldowns;
mod fallbacks;
mod list;
mod probe;
mod provider_lists;
mod status;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args as ClapArgs, Subcommand};

use super::console::{Console, save_result_json, save_result_text};
use super::exit::{self, CommandError};
use super::progress::Progress;
use crate::config::Environment;
use crate::config::edit::Document;
use crate::config::keypath::KeyPath;
use crate::config::settings::{Reference, Settings};
use crate::upstream::{Client, Connector};
use provider_lists::ProviderListing;

/// The verbs of `models`.
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
    Aliases(aliases::AliasesCommand),
    /// Manage fallback models
    #[command(subcommand)]
    Fallbacks(fallbacks::FallbacksCommand),
    /// Show providers: keys (masked) and their sources, why one is disabled, and active cooldowns
    Status {
        /// Send a minimal request to each target of the default chain; exit 1 when none succeeds
        #[arg(long)]
        probe: bool,
    },
}

/// Runs one of the verbs.
pub async fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let mut console =
        Console { environment: Environment::from_process(), config: args.config, json, out: &mut out };
    // The limit to connect is that of the default settings: a list is not worth more patience.
    let client: Arc<dyn Connector> = Arc::new(Client::new(provider_lists::CONNECT_TIMEOUT));
    exit::into_exit_code(execute(args.command, &mut console, &client, &Progress::on_terminal()).await, json)
}

async fn execute(
    verb: ModelsCommand,
    console: &mut Console<'_>,
    connector: &Arc<dyn Connector>,
    progress: &Progress,
) -> Result<(), CommandError> {
    match verb {
        ModelsCommand::List { provider, live } => {
            let settings = console.load_settings()?;
            let provider = provider.map(|id| list::resolve_provider(&settings, &id)).transpose()?;
            let live = match live {
                true => Some(provider_lists::fetch_lists(&settings, provider.as_deref(), connector).await),
                false => None,
            };
            list::print(&settings, provider.as_deref(), live.as_deref(), console)?;
            match live {
                Some(live) if !live.is_empty() && !live.iter().any(ProviderListing::is_ok) => {
                    Err(CommandError::silent())
                }
                _ => Ok(()),
            }
        }
        ModelsCommand::Set { name } => fallbacks::set_primary(&name, console),
        ModelsCommand::Aliases(verb) => aliases::execute(verb, console),
        ModelsCommand::Fallbacks(verb) => fallbacks::execute(verb, console),
        ModelsCommand::Status { probe } => {
            let settings = console.load_settings()?;
            let probed = match probe {
                true => Some(probe::probe_chain(&settings, connector, progress).await),
                false => None,
            };
            let gateway = cooldowns::GatewayCooldowns::fetch(&settings, connector.as_ref()).await;
            status::print(&settings, &gateway, probed.as_deref(), console)
        }
    }
}

/// Resolves a model name from the command line: an alias, a reference, or a unique model ID.
fn resolve_model(settings: &Settings, name: &str) -> Result<Reference, CommandError> {
    settings.find_model(name).map_err(|why| CommandError::failure("unknown_model", why))
}

/// A path of keys.
fn key_path(keys: &[&str]) -> KeyPath {
    keys.iter().fold(KeyPath::default(), |path, key| path.join_key(key))
}

/// Saves the change and reports the result.
fn save_and_report(document: &Document, done: &str, console: &mut Console<'_>) -> Result<(), CommandError> {
    let saved = console.save(document)?;
    let file = console.locate_config()?.path;
    if console.json {
        return console.print_json(&save_result_json(&saved, &file));
    }
    console.print_line(save_result_text(&saved, done, &file))
}

/// Warns about a retired model.
fn warn_retired(
    settings: &Settings,
    reference: &Reference,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let provider = settings.providers.get(&reference.provider);
    let retired =
        provider.and_then(|p| p.find_model(&reference.model)).and_then(|m| m.model.retirement.clone());
    match retired {
        Some(gone) if !console.json => {
            console.print_line(format_args!("warning: {}", gone.render_notice(&reference.to_string())))
        }
        _ => Ok(()),
    }
}
