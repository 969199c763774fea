//! `moonrelay demo`: a gateway and simulated upstreams on this machine, without keys or network access.

use std::fmt::Display;
use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args as ClapArgs;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::command::{self, CommandContext, CommandError};
use super::output::format_duration;
use super::simulation;
use crate::config::{self, Environment};
use crate::protocol::sse::FrameReader;
use crate::service::signals::TerminationSignals;
use crate::telemetry::request_log;
use crate::upstream::Client;
use moonrelay_simulator::{Control, SimulatorOptions};

const PRIMARY: &str = "moonshot/kimi-k3.1-pro";
const FALLBACK: &str = "openrouter/auto";

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Keep serving afterwards, until Ctrl-C (default on a terminal)
    #[arg(long)]
    serve: bool,
}

pub(super) async fn run(args: Args) -> ExitCode {
    command::run(None, false, async |context| run_demo(&args, context).await).await
}

async fn run_demo(args: &Args, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let mut termination =
        TerminationSignals::install().map_err(|error| demo_error("cannot catch signals", error))?;
    let upstreams = simulation::start_upstreams(SimulatorOptions::default())
        .await
        .map_err(|error| demo_error("cannot start the simulated upstreams", error))?;
    // Slow enough that streaming is visible.
    inject_fault(&upstreams.control, "drip:40")?;
    let settings = config::from_text(&demo_config(&upstreams.address), None, &Environment::default())?;
    let gateway = simulation::start_gateway(settings, Arc::new(|record| request_log::log_request(&record)))
        .await
        .map_err(|error| demo_error("cannot start the gateway", error))?;
    run_conversation(&gateway.address, &upstreams.address, &upstreams.control, context).await?;
    if args.serve || (stdin().is_terminal() && stdout().is_terminal()) {
        context.print_line("\nServing until Ctrl-C.")?;
        termination.recv().await;
    } else {
        context.print_line("\nUse `demo --serve` to keep it running for the curl command.")?;
    }
    gateway.stop().await;
    Ok(())
}

fn demo_error(what: &str, error: impl Display) -> CommandError {
    CommandError::failure("demo_error", format!("{what}: {error}"))
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

async fn run_conversation(
    gateway: &str,
    simulated: &str,
    control: &Control,
    context: &mut CommandContext<'_>,
) -> Result<(), CommandError> {
    let client = Client::new(simulation::CONNECT_TIMEOUT);
    context.print_line(format_args!(
        "gateway    {gateway}/v1\nupstreams  {simulated} (simulated)\nchain      {PRIMARY} → {FALLBACK}\n"
    ))?;
    context.print_line("1. Kimi answers.")?;
    stream_answer(&client, gateway, "What is the moon made of?", context).await?;
    context.print_line("\n2. Kimi fails: every call gets a 429, engine overloaded.")?;
    inject_fault(control, "moonshot:overloaded")?;
    stream_answer(&client, gateway, "And what is it made of now?", context).await?;
    context.print_line("\n3. Kimi is in cooldown: the fallback answers at once.")?;
    stream_answer(&client, gateway, "Once more, please.", context).await?;
    let body = request_body("Hello");
    context.print_line(format_args!(
        "\nTry it:\n  curl -N {gateway}/v1/chat/completions -H 'content-type: application/json' \\\n    -d '{body}'"
    ))
}

fn inject_fault(control: &Control, fault: &str) -> Result<(), CommandError> {
    control.add_fault(fault.parse().map_err(|error| demo_error(fault, error))?);
    Ok(())
}

fn request_body(question: &str) -> Value {
    json!({"model": PRIMARY, "stream": true, "messages": [{"role": "user", "content": question}]})
}

/// Sends a question, prints the answer as it arrives, then the headers that name the model and the attempts.
async fn stream_answer(
    client: &Client,
    gateway: &str,
    question: &str,
    context: &mut CommandContext<'_>,
) -> Result<(), CommandError> {
    let started = Instant::now();
    let mut response = simulation::send_chat(client, gateway, &request_body(question), None)
        .await
        .map_err(|failure| demo_error("the gateway did not respond", failure))?;
    if !response.status.is_success() {
        return Err(demo_error("the gateway responded", response.status));
    }
    let header = |name: &str| {
        response.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("none").to_owned()
    };
    let (model, attempts) = (header("x-moonrelay-model"), header("x-moonrelay-attempts"));
    let mut reader = FrameReader::new();
    let mut first_byte = None;
    print_text(context, "   > ")?;
    while let Some(chunk) = response.body.next().await {
        first_byte.get_or_insert_with(|| started.elapsed());
        reader.feed(chunk.map_err(|failure| demo_error("the answer was interrupted", failure))?);
        while let Ok(Some(frame)) = reader.next_frame() {
            if let Some(text) = frame.data().as_deref().and_then(chunk_text) {
                print_text(context, &text)?;
            }
        }
    }
    let total = started.elapsed();
    context.print_line(format_args!(
        "\n   x-moonrelay-model: {model}\n   x-moonrelay-attempts: {attempts}\n   first byte {}, whole answer {}",
        format_duration(first_byte.unwrap_or(total)),
        format_duration(total),
    ))
}

fn chunk_text(data: &[u8]) -> Option<String> {
    let chunk: Value = serde_json::from_slice(data).ok()?;
    chunk.pointer("/choices/0/delta/content")?.as_str().map(str::to_owned)
}

fn print_text(context: &mut CommandContext<'_>, text: &str) -> Result<(), CommandError> {
    let written = context.out.write_all(text.as_bytes()).and_then(|()| context.out.flush());
    written.map_err(CommandError::from_output_error)
}
