//! `moonrelay gateway status`.

mod text;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args as ClapArgs;
use jiff::tz::TimeZone;

use super::ListenOptions;
use super::running_gateway::GatewayAddress;
use crate::cli::exit::{self, CommandError};
use crate::config::{self, Environment};
use crate::upstream::Client;

/// A gateway on this machine answers in milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// `gateway status`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    listen: ListenOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> ExitCode {
    let json = args.json;
    exit::into_exit_code(print_status(args).await, json)
}

async fn print_status(args: Args) -> Result<(), CommandError> {
    let settings = config::load(args.listen.config.as_deref(), &Environment::from_process())?;
    let bind = args.listen.bind.as_deref().map(super::parse_bind).transpose()?;
    let bind = bind.as_ref().unwrap_or(&settings.gateway.bind);
    let address = GatewayAddress::from_bind(bind, args.listen.port.unwrap_or(settings.gateway.port));
    let status = address.fetch_status(&settings, &Client::new(STATUS_TIMEOUT), STATUS_TIMEOUT).await;
    let status = status.map_err(|why| not_running_error(&address, &why))?;
    let mut out = std::io::stdout().lock();
    let text = if args.json {
        status.to_string()
    } else {
        text::describe(&status, SystemTime::now(), &TimeZone::system())
    };
    writeln!(out, "{text}").map_err(CommandError::from_output_error)
}

fn not_running_error(address: &GatewayAddress, why: &str) -> CommandError {
    CommandError::failure(
        "gateway_down",
        format!("no gateway answers on {address}: {why}; start it with: moonrelay gateway run"),
    )
}
