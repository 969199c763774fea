//! `moonrelay gateway`: serve, ask the one that serves, and the unit that makes it serve.

mod control;
mod inherited_sockets;
mod logs;
mod reload;
mod run;
pub(super) mod running_gateway;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};

use super::console::Console;
use super::exit::{self, CommandError};
use crate::config::Environment;
use crate::config::settings::{Bind, Settings};

/// The verbs of `gateway`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: GatewayCommand,
}

impl Args {
    /// Whether this process runs the gateway.
    pub(super) const fn is_run(&self) -> bool {
        matches!(self.command, GatewayCommand::Run(_))
    }
}

#[derive(Debug, Subcommand)]
enum GatewayCommand {
    /// Run the gateway in the foreground
    Run(run::Args),
    /// Show the status of the running gateway; exit 1 when it is down
    Status(status::Args),
    /// Start the systemd unit and wait until it is ready
    Start(control::Args),
    /// Stop the systemd unit after active requests have finished
    Stop(control::Args),
    /// Restart the systemd unit
    Restart(control::Args),
    /// Reload the configuration; an invalid one is rejected, and the current one stays active
    Reload(reload::Args),
    /// Show the journal of the systemd unit
    Logs(logs::Args),
}

/// Arguments of `run` and `status`.
#[derive(Debug, ClapArgs)]
struct ListenOptions {
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Port to listen on; 0 picks a free port and prints it
    #[arg(long)]
    port: Option<u16>,
    /// Address to listen on: loopback, all, an IP address, or unix:PATH
    #[arg(long, value_name = "ADDR")]
    bind: Option<String>,
}

/// Parses `--bind`.
fn parse_bind(text: &str) -> Result<Bind, CommandError> {
    let refused = || {
        CommandError::usage(format!("--bind {text}: loopback, all, an IP address or unix:PATH is expected"))
    };
    Bind::parse(text).ok_or_else(refused)
}

/// No target can be called: exit 78.
pub(super) fn no_key_error(settings: &Settings) -> CommandError {
    let mut message = "no provider has a key".to_owned();
    for warning in &settings.warnings {
        message.push_str(&format!("\n  {}: {}", warning.path, warning.message));
    }
    message.push_str(
        "\nSet KIMI_API_KEY, MOONSHOT_API_KEY or OPENROUTER_API_KEY, or apiKey in the configuration.",
    );
    CommandError::configuration(message)
}

/// Runs one of the verbs.
pub async fn run(args: Args) -> ExitCode {
    match args.command {
        GatewayCommand::Run(args) => run::run(args).await,
        GatewayCommand::Status(args) => status::run(args).await,
        GatewayCommand::Start(args) => run_with_console(None, args.json, control::start),
        GatewayCommand::Stop(args) => run_with_console(None, args.json, control::stop),
        GatewayCommand::Restart(args) => run_with_console(None, args.json, control::restart),
        GatewayCommand::Reload(args) => run_with_console(args.config, args.json, reload::reload),
        GatewayCommand::Logs(args) => exit::into_exit_code(logs::print_logs(&args), false),
    }
}

fn run_with_console(
    config: Option<PathBuf>,
    json: bool,
    verb: impl FnOnce(&mut Console<'_>) -> Result<(), CommandError>,
) -> ExitCode {
    let mut out = std::io::stdout();
    let mut console = Console { environment: Environment::from_process(), config, json, out: &mut out };
    exit::into_exit_code(verb(&mut console), json)
}
