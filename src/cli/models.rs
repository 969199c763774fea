//! `moonrelay models`: list, choose, name, chain.

pub(in crate::cli) mod aliases;
mod chain;
mod list;
mod live;
mod probe;
pub(in crate::cli) mod rests;
mod status;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args as ClapArgs, Subcommand};

use super::console::{Console, saved_json, saved_words};
use super::exit::{self, Ending};
use super::progress::Progress;
use crate::config::Environment;
use crate::config::edit::Document;
use crate::config::keypath::KeyPath;
use crate::config::settings::{Reference, Settings};
use crate::upstream::{Client, Connector};
use live::Live;

/// The verbs of `models`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every model: input, context, price, whether it can be called, and its place in the chain
    List {
        /// Only those of one provider
        #[arg(long, value_name = "ID")]
        provider: Option<String>,
        /// Ask each provider's own list, and show what differs from the catalog
        #[arg(long)]
        live: bool,
    },
    /// Make a model the primary; the former primary becomes the first fallback
    Set {
        /// provider/model, or an alias
        #[arg(value_name = "REF|ALIAS")]
        name: String,
    },
    /// Other names for models
    #[command(subcommand)]
    Aliases(aliases::Verb),
    /// The models that are asked when the primary cannot answer
    #[command(subcommand)]
    Fallbacks(chain::Verb),
    /// Providers: which keys they have (masked), where each came from, why one is off, and until when one rests
    Status {
        /// Make one tiny call a target of the default chain; exit 1 when none answers
        #[arg(long)]
        probe: bool,
    },
}

/// Runs one of the verbs.
pub async fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let mut console =
        Console { environment: Environment::process(), config: args.config, json, out: &mut out };
    // The limit to connect is that of the default settings: a list is not worth more patience.
    let client: Arc<dyn Connector> = Arc::new(Client::new(live::CONNECT));
    exit::code(execute(args.verb, &mut console, &client, &Progress::on_terminal()).await, json)
}

async fn execute(
    verb: Verb,
    console: &mut Console<'_>,
    connector: &Arc<dyn Connector>,
    progress: &Progress,
) -> Result<(), Ending> {
    match verb {
        Verb::List { provider, live } => {
            let settings = console.settings()?;
            let provider = provider.map(|id| list::provider(&settings, &id)).transpose()?;
            let live = match live {
                true => Some(live::ask(&settings, provider.as_deref(), connector).await),
                false => None,
            };
            list::print(&settings, provider.as_deref(), live.as_deref(), console)?;
            match live {
                Some(live) if !live.is_empty() && !live.iter().any(Live::is_ok) => Err(Ending::silent()),
                _ => Ok(()),
            }
        }
        Verb::Set { name } => chain::set(&name, console),
        Verb::Aliases(verb) => aliases::execute(verb, console),
        Verb::Fallbacks(verb) => chain::execute(verb, console),
        Verb::Status { probe } => {
            let settings = console.settings()?;
            let probed = match probe {
                true => Some(probe::probe(&settings, connector, progress).await),
                false => None,
            };
            let gateway = rests::Gateway::ask(&settings, connector.as_ref()).await;
            status::print(&settings, &gateway, probed.as_deref(), console)
        }
    }
}

/// The model that a name on the command line means: an alias, a reference, or the only model of that id.
fn named(settings: &Settings, name: &str) -> Result<Reference, Ending> {
    settings.model_named(name).map_err(|why| Ending::failure("unknown_model", why))
}

/// A path of keys.
fn path(keys: &[&str]) -> KeyPath {
    keys.iter().fold(KeyPath::default(), |path, key| path.key(key))
}

/// Saves, and says what became of it.
fn finish(document: &Document, done: &str, console: &mut Console<'_>) -> Result<(), Ending> {
    let saved = console.save(document)?;
    let file = console.location()?.path;
    if console.json {
        return console.print_json(&saved_json(&saved, &file));
    }
    console.line(saved_words(&saved, done, &file))
}

/// A warning where a model is gone.
fn warn_retired(settings: &Settings, reference: &Reference, console: &mut Console<'_>) -> Result<(), Ending> {
    let provider = settings.providers.get(&reference.provider);
    let retired = provider.and_then(|p| p.model(&reference.model)).and_then(|m| m.facts.retired.clone());
    match retired {
        Some(gone) if !console.json => {
            console.line(format_args!("warning: {}", gone.notice(&reference.to_string())))
        }
        _ => Ok(()),
    }
}
