//! The command line: one module per command; `command`, `output` and `prompt` are shared.

mod agent;
mod chat;
mod command;
pub mod config;
mod demo;
pub mod doctor;
mod drill;
pub mod explain;
pub mod gateway;
pub mod login;
pub mod models;
pub mod onboard;
mod output;
mod prompt;
pub mod service;
mod sessions;
mod simulate;
mod simulation;
mod systemd;
mod usage;
mod web_search;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tokio::runtime::Builder;

use self::command::{CommandError, into_exit_code};
use crate::upstream::oauth;

/// A local LLM gateway: it sends requests to Kimi and fails over to the next model of the chain
#[derive(Parser)]
#[command(name = "moonrelay", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Configure a provider or the web search
    Onboard(onboard::Args),
    /// Run and control the gateway
    Gateway(gateway::Args),
    /// List and choose models, aliases and fallbacks
    Models(models::Args),
    /// Show how a model is routed: targets, rewritten fields, and skipped targets with the reason
    Explain(explain::Args),
    /// Send one prompt to a model and save the session
    Agent(agent::Args),
    /// Chat with a model; sessions can be resumed
    Chat(chat::Args),
    /// Show usage and cost by model, provider, client or day, and the remaining provider quotas
    Usage(usage::Args),
    /// Search the web through Kimi, with sources
    WebSearch(web_search::Args),
    /// Validate, read, change or import the configuration
    Config(config::Args),
    /// List, show, export or delete sessions of `agent` and `chat`
    Sessions(sessions::Args),
    /// Log in to Kimi Code in a browser instead of using an API key
    Login(login::Args),
    /// Remove a login from this machine
    Logout(login::LogoutArgs),
    /// Print, install or uninstall the systemd user unit, for systems without Nix
    Service(service::Args),
    /// Run the upstream simulator: Kimi's hosts, Anthropic and OpenAI on one port
    Simulate(simulate::Args),
    /// Run a gateway with simulated upstreams and show a failover; needs no key and no network
    Demo(demo::Args),
    /// Test your chain against simulated failures
    Drill(drill::Args),
    /// Diagnose problems and suggest fixes
    Doctor(doctor::Args),
    /// Print shell completions
    Completions {
        /// Shell to print completions for
        shell: Shell,
    },
    /// Write man pages into a directory, for packages
    #[command(hide = true)]
    Man {
        /// An existing directory
        directory: PathBuf,
    },
}

/// Parses the command line and runs it.
#[must_use]
pub fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return report_usage_error(&error),
    };
    // The gateway starts more threads itself, after it has read how many.
    let mut builder = match &command {
        Command::Gateway(args) if args.is_run() => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = CommandError::failure("runtime_error", format!("cannot start: {error}"));
            return into_exit_code(Err(error), false);
        }
    };
    let code = runtime.block_on(async {
        let code = run(command).await;
        oauth::wait_for_refreshes().await;
        code
    });
    // A read that hangs (a FIFO, a lost mount) must not keep the process alive.
    runtime.shutdown_background();
    code
}

/// clap reports help and version as errors too; they go to standard output and are not failures.
fn report_usage_error(error: &clap::Error) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).take_while(|argument| argument != "--");
    if error.use_stderr() && arguments.any(|argument| argument == "--json") {
        return into_exit_code(Err(CommandError::usage(usage_error_summary(error))), true);
    }
    // A closed output stream leaves no place to report the error.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// The first paragraph of a usage error, in one line, without the usage text.
fn usage_error_summary(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let line = lines.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

async fn run(command: Command) -> ExitCode {
    match command {
        Command::Onboard(args) => Box::pin(onboard::run(args)).await,
        Command::Gateway(args) => gateway::run(args).await,
        Command::Models(args) => models::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Agent(args) => agent::run(args).await,
        Command::Chat(args) => Box::pin(chat::run(args)).await,
        Command::Usage(args) => usage::run(args).await,
        Command::WebSearch(args) => web_search::run(args).await,
        Command::Config(args) => config::run(args).await,
        Command::Sessions(args) => sessions::run(args).await,
        Command::Login(args) => login::run(args).await,
        Command::Logout(args) => login::run_logout(args).await,
        Command::Service(args) => service::run(args).await,
        Command::Simulate(args) => simulate::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Drill(args) => drill::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Completions { shell } => into_exit_code(print_completions(shell), false),
        Command::Man { directory } => into_exit_code(write_man_pages(directory), false),
    }
}

fn print_completions(shell: Shell) -> Result<(), CommandError> {
    // The generator panics when a write fails, and `| head` closes the pipe.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "moonrelay", &mut script);
    std::io::stdout().write_all(&script).map_err(CommandError::from_output_error)
}

/// Writes `moonrelay.1`, `moonrelay-gateway.1`, ….
fn write_man_pages(directory: PathBuf) -> Result<(), CommandError> {
    let pages = clap_mangen::generate_to(Cli::command(), &directory);
    pages.map_err(|error| CommandError::failure("io_error", format!("{}: {error}", directory.display())))
}
