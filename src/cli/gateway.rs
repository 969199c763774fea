//! `moonrelay gateway`: runs the gateway, shows its status, and controls its unit.

mod run;
mod status;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::command::{self, CommandContext, CommandError};
use super::systemd::{self, UnitStates};
use crate::config;
use crate::config::settings::{Bind, Settings};
use crate::service::notify::RELOAD_REJECTED;
use crate::service::unit::SERVICE_NAME;

/// Arguments of `moonrelay gateway`.
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
    Run(ListenOptions),
    /// Show the status of the running gateway; exit 1 when it is down
    Status(status::Args),
    /// Start the systemd unit and wait until it is ready
    Start(UnitArgs),
    /// Stop the systemd unit after active requests have finished
    Stop(UnitArgs),
    /// Restart the systemd unit
    Restart(UnitArgs),
    /// Reload the configuration; an invalid one is rejected, and the current one stays active
    Reload(ReloadArgs),
    /// Show the journal of the systemd unit
    Logs(LogsArgs),
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

impl ListenOptions {
    fn bind(&self) -> Result<Option<Bind>, CommandError> {
        let parse = |text: &String| {
            let why = || format!("--bind {text}: expected loopback, all, an IP address or unix:PATH");
            Bind::parse(text).ok_or_else(|| CommandError::usage(why()))
        };
        self.bind.as_ref().map(parse).transpose()
    }
}

#[derive(Debug, ClapArgs)]
struct UnitArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, ClapArgs)]
struct ReloadArgs {
    /// The configuration file [default: that of the running gateway]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, ClapArgs)]
struct LogsArgs {
    /// Follow new entries
    #[arg(short, long)]
    follow: bool,
    /// Number of most recent entries to show
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u32>,
    /// Show only entries since this time, for example "1 hour ago"
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

/// Runs a command of `gateway`.
pub async fn run(args: Args) -> ExitCode {
    match args.command {
        GatewayCommand::Run(options) => command::into_exit_code(run::run(options).await, false),
        GatewayCommand::Status(args) => status::run(args).await,
        GatewayCommand::Start(args) => control(None, args.json, start).await,
        GatewayCommand::Stop(args) => control(None, args.json, stop).await,
        GatewayCommand::Restart(args) => control(None, args.json, restart).await,
        GatewayCommand::Reload(args) => control(args.config, args.json, reload).await,
        GatewayCommand::Logs(args) => command::into_exit_code(print_logs(&args), false),
    }
}

async fn control(
    config: Option<PathBuf>,
    json: bool,
    action: fn(&mut CommandContext<'_>) -> Result<(), CommandError>,
) -> ExitCode {
    command::run(config, json, async |context| action(context)).await
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

const RUN_HINT: &str = "run: moonrelay gateway run";
const STOP_HINT: &str = "stop the gateway in your terminal with Ctrl-C, or with kill and its process id";
const RELOAD_HINT: &str = "send the running gateway SIGHUP: kill -HUP and its process id";
const LOGS_HINT: &str = "the gateway in your terminal logs to its standard error";

/// Starts the socket unit, if there is one, and the service; waits until it is ready.
fn start(context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let names = UnitStates::query_installed(RUN_HINT)?.unit_names();
    systemd::reset_failed(&names);
    systemd::run_systemctl("start", &names)?;
    print_state(context)
}

/// Stops both units after active requests have finished.
fn stop(context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let names = UnitStates::query_installed(STOP_HINT)?.unit_names();
    systemd::run_systemctl("stop", &names)?;
    print_state(context)
}

/// Restarts the service. The socket unit stays active: clients that connect meanwhile wait.
fn restart(context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let units = UnitStates::query_installed(RUN_HINT)?;
    systemd::reset_failed(&units.unit_names());
    // The service alone does not restart a socket that failed with it.
    if units.socket.exists() && units.socket.active_state() != "active" {
        systemd::run_systemctl("stop", &[SERVICE_NAME])?;
        return start(context);
    }
    systemd::run_systemctl("restart", &[SERVICE_NAME])?;
    print_state(context)
}

/// Reloads the running gateway; a rejected configuration is an error with its reasons.
fn reload(context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let service = UnitStates::query_installed(RELOAD_HINT)?.service;
    let Some(pid) = service.pid().filter(|_| !matches!(service.active_state(), "inactive" | "failed")) else {
        let message = format!("{SERVICE_NAME} is not running. Start it with: moonrelay gateway start");
        return Err(CommandError::failure("gateway_down", message));
    };
    let rejected = |why: &str| CommandError::failure("reload_refused", format!("{RELOAD_REJECTED}{why}"));
    let file = context.config.clone().or_else(|| config_of_process(pid));
    if let Err(invalid) = config::load(file.as_deref(), &context.environment) {
        return Err(rejected(&invalid.to_string()));
    }
    systemd::run_systemctl("reload", &[SERVICE_NAME])?;
    // Only the gateway knows its options and the keys that are credentials.
    let after = UnitStates::query(RELOAD_HINT)?.service;
    match after.status().split_once(RELOAD_REJECTED) {
        Some((_, why)) => Err(rejected(why)),
        None => print_state(context),
    }
}

/// The file that the gateway was started with, which may be relative to its directory; `None` for the default
/// file.
fn config_of_process(pid: u32) -> Option<PathBuf> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let directory = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    loop {
        let word = words.next()?;
        let path = match word.strip_prefix(b"--config") {
            Some([]) => words.next()?,
            Some([b'=', path @ ..]) => path,
            _ => continue,
        };
        return Some(directory.join(OsStr::from_bytes(path)));
    }
}

fn print_state(context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let service = UnitStates::query(RUN_HINT)?.service;
    let (state, status) = (service.active_state(), service.status());
    let value = json!({ "ok": true, "unit": SERVICE_NAME, "state": state, "status": status });
    context.report(&value, || match status {
        "" => format!("{SERVICE_NAME}: {state}"),
        status => format!("{SERVICE_NAME}: {state}, {status}"),
    })
}

fn print_logs(args: &LogsArgs) -> Result<(), CommandError> {
    UnitStates::query_installed(LOGS_HINT)?;
    let mut journalctl = Command::new("journalctl");
    journalctl.args(["--user", "-u", "moonrelay"]);
    journalctl.args(args.follow.then_some("-f"));
    journalctl.args(args.lines.iter().flat_map(|lines| ["-n".to_owned(), lines.to_string()]));
    journalctl.args(args.since.iter().flat_map(|since| ["--since", since]));
    match journalctl.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(CommandError::silent()),
        Err(error) => Err(CommandError::failure("no_systemd", format!("journalctl: {error}"))),
    }
}
