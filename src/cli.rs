//! The commands, one file a verb.

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

/// A personal LLM gateway: Kimi answers first, and when it cannot, the next model of the chain does.
#[derive(Parser)]
#[command(name = "moonrelay", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set a provider up: ask for its key, check it, write it down; or the web search
    Onboard(onboard::Args),
    /// Serve; ask the one that serves; start, stop and reload its systemd unit
    Gateway(gateway::Args),
    /// Models: list, choose, name, chain
    Models(models::Args),
    /// The plan for a requested model: which targets, what is rewritten, what is skipped and why
    Explain(explain::Args),
    /// One turn of a conversation: ask a model from the shell, and keep what was said
    Agent(agent::Args),
    /// A conversation: ask, see the answer come, choose models, go on another day
    Chat(chat::Args),
    /// What requests used and cost, by model, provider, client or day; what is left of the providers' quotas
    Usage(usage::Args),
    /// An answer from the web through Kimi, with the pages that it rests on
    WebSearch(web_search::Args),
    /// The configuration: check, read, change, import
    Config(config::Args),
    /// What `agent` and `chat` keep of their conversations: list, show, export, delete
    Sessions(sessions::Args),
    /// Log in to Kimi Code with a code that you enter in a browser, in the place of a key
    Login(login::Args),
    /// Remove a login from this machine
    Logout(login::LogoutArgs),
    /// The systemd user unit, for people without Nix: print, install, uninstall
    Service(service::Args),
    /// The upstream simulator: Moonshot, Kimi Code and OpenRouter on one port
    Simulate(simulate::Args),
    /// A gateway with simulated upstreams: an answer, a failing Kimi, the fallback. Needs no key and no network
    Demo(demo::Args),
    /// Every fault against your own chain, with simulated upstreams: what a client would have seen, and when
    Drill(drill::Args),
    /// What is wrong, how that was found, and the one command or Nix line that mends it
    Doctor(doctor::Args),
    /// Completions for a shell, on standard output
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Man pages into a directory; for packages
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
    // A read that hangs (a FIFO, a mount that is gone) shall not keep the process.
    runtime.shutdown_background();
    code
}

/// Who serves does it on one thread: that costs a quarter less for each request, also where there are more cores
/// (docs/explanation/performance.md). Files are read and written on others. A command may wait at a prompt.
fn runtime_builder(verb: &Command) -> Builder {
    match verb {
        Command::Gateway(args) if args.is_run() => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    }
}

/// Help and version too come as errors; those are for standard output and are none.
fn report_usage_error(error: &clap::Error) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).take_while(|argument| argument != "--");
    if error.use_stderr() && arguments.any(|argument| argument == "--json") {
        return exit::into_exit_code(Err(exit::CommandError::usage(usage_error_summary(error))), true);
    }
    // Nobody is left to tell when the stream is gone.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// The first paragraph, in one line: what is wrong, without the usage that follows.
fn usage_error_summary(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let line = lines.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

fn print_completions(shell: Shell) -> Result<(), exit::CommandError> {
    // The generator panics where a write fails, and `| head` closes the pipe.
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
