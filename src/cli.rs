//! Commands, one module per command.

pub mod agent;
pub mod chat;
pub mod config;
pub mod console;
pub mod demo;
pub mod doctor;
pub mod drill;
pub mod exit;
pub mod explain;
pub mod gateway;
mod key_product;
pub mod login;
pub mod man;
pub mod models;
pub mod onboard;
mod progress;
mod provider_query;
pub mod service;
pub mod sessions;
pub mod simulate;
mod simulation;
mod systemd_units;
pub mod usage;
pub mod web_search;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tokio::runtime::Builder;

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
    /// Run the upstream simulator: Moonshot, Kimi Code and OpenRouter on one port
    Simulate(simulate::Args),
    /// Run a gateway with simulated upstreams and show a failover; needs no key and no network
    Demo(demo::Args),
    /// Test your chain against simulated failures
    Drill(drill::Args),
    /// Diagnose problems and suggest fixes
    Doctor(doctor::Args),
    /// Print shell completions
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write man pages into a directory, for packages
    #[command(hide = true)]
    Man(man::Args),
}

/// Parses the command line and runs it.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report_usage_error(&error),
    };
    let runtime = match runtime_builder(&cli.command).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = format!("cannot start: {error}");
            return exit::into_exit_code(Err(exit::CommandError::failure("runtime_error", why)), false);
        }
    };
    let code = runtime.block_on(async {
        let code = run(cli.command).await;
        oauth::wait_for_refreshes().await;
        code
    });
    // A read that hangs (a FIFO, a lost mount) must not keep the process alive.
    runtime.shutdown_background();
    code
}

/// The gateway runs on one thread: this costs a quarter less per request, also on several cores
/// (benches/README.md). Files are read and written on other threads. A command may wait at a
/// prompt.
fn runtime_builder(verb: &Command) -> Builder {
    match verb {
        Command::Gateway(args) if args.is_run() => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    }
}

/// clap reports help and version as errors too; they go to standard output and are not failures.
fn report_usage_error(error: &clap::Error) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).take_while(|argument| argument != "--");
    if error.use_stderr() && arguments.any(|argument| argument == "--json") {
        return exit::into_exit_code(Err(exit::CommandError::usage(usage_error_summary(error))), true);
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

fn print_completions(shell: Shell) -> Result<(), exit::CommandError> {
    // The generator panics when a write fails, and `| head` closes the pipe.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "moonrelay", &mut script);
    std::io::stdout().write_all(&script).map_err(exit::CommandError::from_output_error)
}

async fn run(verb: Command) -> ExitCode {
    match verb {
        Command::Onboard(args) => Box::pin(onboard::run(args)).await,
        Command::Gateway(args) => gateway::run(args).await,
        Command::Models(args) => models::run(args).await,
        Command::Explain(args) => explain::run(&args),
        Command::Agent(args) => agent::run(args).await,
        Command::Chat(args) => Box::pin(chat::run(args)).await,
        Command::Usage(args) => usage::run(args).await,
        Command::WebSearch(args) => web_search::run(args).await,
        Command::Config(args) => config::run(args).await,
        Command::Sessions(args) => sessions::run(args).await,
        Command::Login(args) => login::run(args).await,
        Command::Logout(args) => login::run_logout(args).await,
        Command::Service(args) => service::run(args),
        Command::Simulate(args) => simulate::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Drill(args) => drill::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Completions { shell } => exit::into_exit_code(print_completions(shell), false),
        Command::Man(args) => exit::into_exit_code(man::run(&args), false),
    }
}
