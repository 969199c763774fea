//! `moonrelay onboard`: configures a provider with its key and its position in the chain, or the web search.

mod choice;
mod key_check;
mod report;
mod provider_config;
mod provider;
mod web_search;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use self::choice::{Choice, Region, option_word};
use super::command::{self, CommandContext, CommandError};
use super::explain::ClientApi;
use super::prompt;
use crate::upstream::{Client, Connector};

/// Connect timeout; short, because a user waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `onboard`.
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
    face: Option<ClientApi>,
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
    /// Configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
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

/// Writes the configuration from options and answers.
pub async fn run(args: Args) -> ExitCode {
    command::run(args.config.clone(), args.json, async |context| {
        let client = Client::new(CONNECT_TIMEOUT);
        if !args.non_interactive && !prompt::is_available() {
            return Err(CommandError::usage(
                "cannot prompt without a terminal: use --non-interactive, --auth-choice CHOICE (or --section \
                 web-search), and --api-key-stdin with the key on standard input",
            ));
        }
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c(), if !args.non_interactive => Err(prompt::cancelled_error()),
            outcome = execute(&args, context, &client) => outcome,
        }
    })
    .await
}

async fn execute(
    args: &Args,
    context: &mut CommandContext<'_>,
    connector: &dyn Connector,
) -> Result<(), CommandError> {
    if args.section == Some(Section::WebSearch) {
        reject_misplaced_options(args, None)?;
        return Box::pin(web_search::set_up(args, context, connector)).await;
    }
    let choice = ask_choice(args).await?;
    reject_misplaced_options(args, Some(choice))?;
    Box::pin(provider::set_up(choice, args, context, connector)).await
}

/// Rejects options that have no effect for this choice; `None` is the web search.
fn reject_misplaced_options(args: &Args, choice: Option<Choice>) -> Result<(), CommandError> {
    let is_custom = choice == Some(Choice::Custom);
    let has_login = choice == Some(Choice::KimiCodeOauth);
    let has_regions = choice.is_none_or(|choice| choice.info().region.is_some());
    let rules = [
        ("--provider", args.provider.is_some(), is_custom, "--auth-choice custom"),
        ("--face", args.face.is_some(), is_custom, "--auth-choice custom"),
        ("--no-key", args.no_key, is_custom, "--auth-choice custom"),
        ("--oauth-host", args.oauth_host.is_some(), has_login, "--auth-choice kimi-code-oauth"),
        ("--api-key-stdin", args.api_key_stdin, !has_login, "a choice with a key"),
        ("--primary", args.primary, choice.is_some(), "a provider"),
        ("--install-service", args.install_service, choice.is_some(), "a provider"),
        (
            "--other-base-url",
            args.other_base_url.is_some(),
            has_regions,
            "Moonshot's platform, which has two regions",
        ),
    ];
    match rules.into_iter().find(|(_, is_given, is_valid, _)| *is_given && !is_valid) {
        Some((option, _, _, owner)) => {
            Err(CommandError::usage(format!("{option} can only be used with {owner}")))
        }
        None => Ok(()),
    }
}

async fn ask_choice(args: &Args) -> Result<Choice, CommandError> {
    match args.auth_choice {
        Some(choice) => Ok(choice),
        None if args.non_interactive => {
            let words: Vec<String> = Choice::value_variants().iter().copied().map(option_word).collect();
            Err(CommandError::usage(format!(
                "--auth-choice is required: {}; or --section web-search",
                words.join(", ")
            )))
        }
        None => prompt::select_value("Which provider?").await,
    }
}
