//! `moonrelay gateway`: serve, ask the one that serves, and the unit that makes it serve.

mod control;
mod inherited;
mod logs;
mod reload;
mod run;
pub(super) mod running;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};

use super::console::Console;
use super::exit::{self, Ending};
use crate::config::Environment;
use crate::config::settings::{Bind, Settings};

/// The verbs of `gateway`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

impl Args {
    /// Whether this is the process that serves.
    pub(super) const fn serves(&self) -> bool {
        matches!(self.verb, Verb::Run(_))
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve in the foreground
    Run(run::Args),
    /// Ask the running gateway how it is; exit 1 when it is down
    Status(status::Args),
    /// Start the systemd unit, and wait until it is ready
    Start(control::Args),
    /// Stop the systemd unit; answers under way run to their end
    Stop(control::Args),
    /// Restart the systemd unit
    Restart(control::Args),
    /// Read the configuration again; one with errors is refused, and the old one serves on
    Reload(reload::Args),
    /// The systemd unit's journal
    Logs(logs::Args),
}

/// What `run` and `status` take.
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
        Verb::Start(args) => at_console(None, args.json, control::start),
        Verb::Stop(args) => at_console(None, args.json, control::stop),
        Verb::Restart(args) => at_console(None, args.json, control::restart),
        Verb::Reload(args) => at_console(args.config, args.json, reload::reload),
        Verb::Logs(args) => exit::code(logs::logs(&args), false),
    }
}

fn at_console(
    config: Option<PathBuf>,
    json: bool,
    verb: impl FnOnce(&mut Console<'_>) -> Result<(), Ending>,
) -> ExitCode {
    let mut out = std::io::stdout();
    let mut console = Console { environment: Environment::process(), config, json, out: &mut out };
    exit::code(verb(&mut console), json)
}
