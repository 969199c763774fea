//! `moonrelay onboard`: a provider, its key, its place in the chain; or the web search.

mod chain;
mod choice;
mod key;
mod key_check;
mod managed_config;
mod oauth;
mod prompt;
mod provider_config;
mod provider_setup;
mod questions;
mod report;
mod saved_terminal;
mod service_unit;
mod web_search;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use self::choice::{Choice, Region};
use self::saved_terminal::SavedTerminal;
use super::console::Console;
use super::exit::{self, CommandError};
use crate::config::Environment;
use crate::upstream::{Client, Connector};

/// Connect timeout; short, because a user waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// `onboard`.
#[derive(Debug, Default, ClapArgs)]
pub struct Args {
    /// Provider to configure; prompts when omitted
    #[arg(long, value_enum, value_name = "CHOICE")]
    auth_choice: Option<Choice>,
    /// Configure this section instead of a provider
    #[arg(long, value_enum, value_name = "SECTION", conflicts_with = "auth_choice")]
    section: Option<Section>,
    /// Do not prompt; take all settings from flags
    #[arg(long)]
    non_interactive: bool,
    /// Read the key from standard input instead of using an existing one
    #[arg(long, requires = "non_interactive")]
    api_key_stdin: bool,
    /// Base URL of the provider, including /v1: a proxy or your own server
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Base URL of Moonshot's other region, tried when this one rejects the key; for a proxy of both
    #[arg(long, value_name = "URL", requires = "base_url")]
    other_base_url: Option<String>,
    /// With kimi-code-oauth: OAuth server [default: as for `moonrelay login`]
    #[arg(long, value_name = "URL")]
    oauth_host: Option<String>,
    /// With custom: provider ID, used in references
    #[arg(long, value_name = "ID")]
    provider: Option<String>,
    /// With custom: API format of the server
    #[arg(long, value_enum, value_name = "FACE")]
    face: Option<CustomApi>,
    /// With custom: the server needs no key
    #[arg(long, conflicts_with = "api_key_stdin")]
    no_key: bool,
    /// Model to use [default: the provider's default model]
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// Make this provider primary, even if another one is
    #[arg(long)]
    primary: bool,
    /// With --section web-search: Moonshot region, international or China
    #[arg(long, value_enum, value_name = "REGION", requires = "section")]
    region: Option<Region>,
    /// Save the key without checking it with the provider
    #[arg(long)]
    skip_check: bool,
    /// Also install and start the systemd user unit
    #[arg(long, conflicts_with = "no_install_service")]
    install_service: bool,
    /// Do not prompt for the systemd user unit
    #[arg(long)]
    no_install_service: bool,
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Kimi's web search
    WebSearch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CustomApi {
    /// OpenAI Chat Completions
    Chat,
    /// OpenAI Responses
    Responses,
    /// Anthropic Messages
    Messages,
}

impl CustomApi {
    /// The value of the configuration key `api`.
    const fn as_config_value(self) -> &'static str {
        match self {
            Self::Chat => "openai-completions",
            Self::Responses => "openai-responses",
            Self::Messages => "anthropic-messages",
        }
    }
}

/// Writes the configuration from flags and answers.
pub async fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let console = Console {
        environment: Environment::from_process(),
        config: args.config.clone(),
        json,
        out: &mut out,
    };
    exit::into_exit_code(run_with_terminal(args, console).await, json)
}

/// Restores the terminal on every exit path.
async fn run_with_terminal(args: Args, mut console: Console<'_>) -> Result<(), CommandError> {
    let client = Client::new(CONNECT_TIMEOUT);
    if args.non_interactive {
        return execute(&args, &mut console, &client).await;
    }
    if !SavedTerminal::is_available() {
        return Err(CommandError::usage(
            "there is no terminal to ask on: give --non-interactive, --auth-choice CHOICE (or --section web-search) and, \
             with the key on standard input, --api-key-stdin",
        ));
    }
    let terminal = SavedTerminal::save();
    let outcome = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(prompt::cancelled_error()),
        outcome = execute(&args, &mut console, &client) => outcome,
    };
    if outcome.is_err() {
        terminal.restore();
    }
    outcome
}

async fn execute(
    args: &Args,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<(), CommandError> {
    match args.section {
        Some(Section::WebSearch) => {
            questions::validate_flags(args, None)?;
            Box::pin(web_search::set_up(args, console, connector)).await
        }
        None => {
            let choice = questions::ask_choice(args).await?;
            questions::validate_flags(args, Some(choice))?;
            match choice {
                Choice::KimiCodeOauth => Box::pin(oauth::set_up(args, console, connector)).await,
                _ => Box::pin(provider_setup::set_up(choice, args, console, connector)).await,
            }
        }
    }
}
