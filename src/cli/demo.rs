//! `moonrelay demo`: a gateway and simulated upstreams on this machine, without keys or network access.

mod conversation;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use serde_json::json;

use self::conversation::{DemoAnswer, stream_answer};
use super::exit::{self, CommandError};
use super::simulation;
use crate::config::{self, Environment};
use crate::service::signals::TerminationSignals;
use crate::simulator::{self, Control};
use crate::telemetry::log;
use crate::upstream::Client;

const PRIMARY: &str = "moonshot/kimi-k3";
const FALLBACK: &str = "openrouter/auto";

/// Arguments of `demo`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Keep serving afterwards, until Ctrl-C (default on a terminal)
    #[arg(long)]
    serve: bool,
}

/// Runs the demonstration.
pub async fn run(args: Args) -> ExitCode {
    exit::into_exit_code(run_demo(args).await, false)
}

async fn run_demo(args: Args) -> Result<(), CommandError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        CommandError::failure("demo_error", format!("{what}: {error}"))
    };
    let mut termination =
        TerminationSignals::install().map_err(|error| failed("cannot catch signals", &error))?;
    let upstreams = simulation::start_upstreams(simulator::SimulatorOptions::default())
        .await
        .map_err(|error| failed("cannot start the simulated upstreams", &error))?;
    // Slow enough that streaming is visible.
    inject_fault(&upstreams.control, "drip:40")?;
    let settings = config::from_text(&demo_config(&upstreams.address), None, &Environment::default())?;
    let gateway = simulation::start_gateway(settings, Arc::new(|record| log::log_request(&record)))
        .await
        .map_err(|error| failed("cannot listen", &error))?;
    run_conversation(&gateway.address, &upstreams.address, &upstreams.control).await?;
    if args.serve || (std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        print_line("\nServing until Ctrl-C.")?;
        termination.recv().await;
    } else {
        print_line("\nWith `demo --serve` it keeps running for the curl line.")?;
    }
    gateway.stop().await;
    Ok(())
}

/// The configuration that a user would write, except for the base URLs.
fn demo_config(simulated: &str) -> String {
    json!({
        "agents": {"defaults": {"model": {"primary": PRIMARY, "fallbacks": [FALLBACK]}}},
        "models": {"providers": {
            "moonshot": {"baseUrl": format!("{simulated}/moonshot/v1"), "apiKey": "sk-demo-moonshot-key"},
            "openrouter": {"baseUrl": format!("{simulated}/openrouter/api/v1"), "apiKey": "sk-or-v1-demo-key"},
        }},
    })
    .to_string()
}

async fn run_conversation(gateway: &str, simulated: &str, control: &Control) -> Result<(), CommandError> {
    let client = Client::new(simulation::CONNECT_TIMEOUT);
    print_line(&format!(
        "gateway    {gateway}/v1\nupstreams  {simulated} (simulated)\nchain      {PRIMARY} → {FALLBACK}\n"
    ))?;
    print_line("1. Kimi is well.")?;
    print_outcome(&stream_answer(&client, gateway, "What is the moon made of?").await?)?;
    print_line("\n2. Kimi fails: every call gets a 429, engine overloaded.")?;
    inject_fault(control, "moonshot:overloaded")?;
    print_outcome(&stream_answer(&client, gateway, "And what is it made of now?").await?)?;
    print_line("\n3. The same again: Kimi rests, the fallback is asked at once.")?;
    print_outcome(&stream_answer(&client, gateway, "Once more, please.").await?)?;
    let body = json!({"model": PRIMARY, "stream": true, "messages": [{"role": "user", "content": "Hello"}]});
    print_line(&format!(
        "\nTry it:\n  curl -N {gateway}/v1/chat/completions -H 'content-type: application/json' \\\n    -d '{body}'"
    ))
}

fn inject_fault(control: &Control, fault: &str) -> Result<(), CommandError> {
    let fault =
        fault.parse().map_err(|error| CommandError::failure("demo_error", format!("{fault}: {error}")))?;
    control.add_fault(fault);
    Ok(())
}

/// The headers that name the model and the attempts.
fn print_outcome(asked: &DemoAnswer) -> Result<(), CommandError> {
    print_line(&format!(
        "   x-moonrelay-model: {}\n   x-moonrelay-attempts: {}\n   first byte {:.1} ms, whole answer {:.1} ms",
        asked.model,
        asked.attempts,
        asked.first_byte.as_secs_f64() * 1e3,
        asked.elapsed.as_secs_f64() * 1e3,
    ))
}

fn print_line(line: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout(), "{line}").map_err(CommandError::from_output_error)
}
