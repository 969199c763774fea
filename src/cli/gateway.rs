//! `moonrelay gateway`: serve, and ask the one that serves.

mod inherited;
mod run;
pub(super) mod running;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};

use super::exit::Ending;
use crate::config::settings::{Bind, Settings};

/// The verbs of `gateway`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve in the foreground
    Run(run::Args),
    /// Ask the running gateway how it is; exit 1 when it is down
    Status(status::Args),
}

/// What both verbs take.
#[derive(Debug, ClapArgs)]
struct Place {
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The port; 0 picks a free one and says which
    #[arg(long)]
    port: Option<u16>,
    /// Where to listen: loopback, all, an IP address, or unix:PATH
    #[arg(long, value_name = "ADDR")]
    bind: Option<String>,
}

/// Reads `--bind`.
fn bind(text: &str) -> Result<Bind, Ending> {
    let refused =
        || Ending::usage(format!("--bind {text}: loopback, all, an IP address or unix:PATH is expected"));
    Bind::parse(text).ok_or_else(refused)
}

/// Nothing can be asked of anybody: exit 78.
pub(super) fn no_key(settings: &Settings) -> Ending {
    let mut message = "no provider has a key".to_owned();
    for warning in &settings.warnings {
        message.push_str(&format!("\n  {}: {}", warning.path, warning.message));
    }
    message.push_str(
        "\nSet KIMI_API_KEY, MOONSHOT_API_KEY or OPENROUTER_API_KEY, or apiKey in the configuration.",
    );
    Ending::configuration(message)
}

/// Runs one of the verbs.
pub async fn run(args: Args) -> ExitCode {
    match args.verb {
        Verb::Run(args) => run::run(args).await,
        Verb::Status(args) => status::run(args).await,
    }
}
