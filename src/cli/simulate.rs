//! `moonrelay simulate`: the simulated providers on one port.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use super::command::{CommandError, into_exit_code};
use crate::service::signals::TerminationSignals;
use moonrelay_simulator::{Api, Fault, Provider, Simulator, SimulatorOptions};

/// The routes of the simulator, with the providers' own paths.
const ROUTES: &str = "\
Routes (chat stands for POST /chat/completions):
  /moonshot/v1         chat, POST /responses, GET /models, GET /users/me/balance
  /moonshot/anthropic  POST /v1/messages
  /kimi/coding/v1      chat, POST /responses, POST /messages, POST /messages/count_tokens,
                       GET /models, GET /usages
  /openrouter/api/v1   chat, POST /responses, POST /messages, GET /models, GET /key
  /_faults             the injected failures; GET /_faults/kinds lists the kinds
  /_requests           the received requests, with their API
  /_stats              counters
  /_tally              tokens and cost of the answers
  /oauth               Kimi Code's device login: moonrelay login --oauth-host http://ADDR/oauth
  /_oauth              the issued tokens; POST sets the next responses";

/// Simulate Moonshot, Kimi Code, OpenRouter, Anthropic and OpenAI on one port, with failures on request.
#[derive(Clone, clap::Args)]
#[command(after_help = ROUTES)]
pub(super) struct Args {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1970")]
    listen: SocketAddr,
    /// The only accepted key; without it, Kimi Code accepts sk-kimi-… and the others accept any other sk-…
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Failure to inject, for example kimi:rate_limit,retry_after=2,times=1; GET /_faults/kinds lists the kinds
    #[arg(long = "fault", value_name = "SPEC")]
    faults: Vec<Fault>,
}

/// Serves until SIGINT or SIGTERM.
pub(super) async fn run(args: Args) -> ExitCode {
    let failed = |error: io::Error| CommandError::failure("simulate_error", error.to_string());
    into_exit_code(serve(args).await.map_err(failed), false)
}

async fn serve(args: Args) -> io::Result<()> {
    let Args { listen, key, faults } = args;
    let simulator = Simulator::bind(listen, SimulatorOptions { key, faults, ..SimulatorOptions::default() })
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}")))?;
    // Install the handlers before the ready line, so that a signal right after that line ends the process
    // properly.
    let mut termination = TerminationSignals::install()?;
    print_addresses(&simulator)?;
    simulator.run(termination.recv()).await;
    Ok(())
}

fn print_addresses(simulator: &Simulator) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "simulating on http://{}", simulator.address())?;
    for provider in Provider::ALL {
        writeln!(out, "{:<11} {}", provider.as_str(), simulator.base_url(provider))?;
        let messages = provider.base_path_for(Api::Messages);
        if messages != provider.base_path() {
            writeln!(out, "{:<11} http://{}{messages} (Messages)", "", simulator.address())?;
        }
    }
    out.flush()
}
