//! Reads the choices from the flags, else prompts for them if the session is interactive.

use super::choice::{Choice, Region};
use super::provider_config::{CustomProvider, ProviderSetup};
use super::{Args, CustomApi, key, prompt};
use crate::catalog::builtin_catalog;
use crate::cli::exit::CommandError;
use crate::config::settings::ProviderKey;
use crate::secret::Secret;

/// Flags that mean nothing for what is set up (no choice: the web search) are a mistake, not to be passed over.
///
/// # Errors
/// Names the first of them: exit 2.
pub(super) fn validate_flags(args: &Args, choice: Option<Choice>) -> Result<(), CommandError> {
    let is_custom = choice == Some(Choice::Custom);
    let has_login = choice == Some(Choice::KimiCodeOauth);
    let has_sites = choice.is_none_or(|choice| choice.region().is_some());
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
            has_sites,
            "Moonshot's platform, which has two sites",
        ),
    ];
    match rules.into_iter().find(|(_, given, fits, _)| *given && !fits) {
        Some((flag, _, _, whose)) => Err(CommandError::usage(format!("{flag} belongs to {whose}"))),
        None => Ok(()),
    }
}

/// Selects the account.
///
/// # Errors
/// When prompting is not possible.
pub(super) async fn ask_choice(args: &Args) -> Result<Choice, CommandError> {
    if let Some(choice) = args.auth_choice {
        return Ok(choice);
    }
    if args.non_interactive {
        let words = Choice::ALL.map(Choice::as_str).join(", ");
        return Err(CommandError::usage(format!(
            "--auth-choice is needed: {words}; or --section web-search"
        )));
    }
    let labels = Choice::ALL.iter().map(|choice| choice.label().to_owned()).collect();
    let chosen = prompt::select("Who shall answer?", labels).await?;
    Choice::ALL.get(chosen).copied().ok_or_else(prompt::cancelled_error)
}

/// Determines the provider's configuration.
///
/// # Errors
/// When a setting of a custom provider is missing and prompting is not possible, or the id is in the catalog.
pub(super) async fn ask_setup(choice: Choice, args: &Args) -> Result<ProviderSetup, CommandError> {
    let (base_url, model, primary) = (args.base_url.clone(), args.model.clone(), args.primary);
    if let Some(id) = choice.provider() {
        let (id, region) = (id.to_owned(), choice.region());
        return Ok(ProviderSetup { id, base_url, region, custom: None, model, is_primary: primary });
    }
    let url = flag_or_ask(args, base_url, "--base-url", "Base URL, up to and with /v1", None).await?;
    let face = match args.face {
        Some(face) => face,
        None if args.non_interactive => return Err(missing_flag("--face")),
        None => ask_api().await?,
    };
    let model = flag_or_ask(args, model, "--model", "Model id, as the server calls it", None).await?;
    let id =
        flag_or_ask(args, args.provider.clone(), "--provider", "Provider id, for references", Some("custom"))
            .await?;
    let id = id.to_lowercase();
    if builtin_catalog().providers.iter().any(|known| known.id == id || known.aliases.contains(&id)) {
        let why = format!("--provider {id}: the catalog has a provider of this name; choose another id");
        return Err(CommandError::usage(why));
    }
    let keyless = match args.non_interactive || args.no_key {
        true => args.no_key,
        false => !prompt::confirm("Does the server ask for a key?", true).await?,
    };
    let custom = Some(CustomProvider { api: face.as_config_value(), is_keyless: keyless });
    Ok(ProviderSetup {
        id,
        base_url: Some(url),
        region: None,
        custom,
        model: Some(model),
        is_primary: primary,
    })
}

async fn flag_or_ask(
    args: &Args,
    given: Option<String>,
    flag: &str,
    question: &str,
    default: Option<&str>,
) -> Result<String, CommandError> {
    match given {
        Some(given) => Ok(given),
        None if args.non_interactive => Err(missing_flag(flag)),
        None => prompt::read_text(question, default.map(str::to_owned)).await,
    }
}

fn missing_flag(flag: &str) -> CommandError {
    CommandError::usage(format!("--auth-choice custom needs {flag}"))
}

async fn ask_api() -> Result<CustomApi, CommandError> {
    let faces = [
        (CustomApi::Chat, "OpenAI Chat Completions"),
        (CustomApi::Responses, "OpenAI Responses"),
        (CustomApi::Messages, "Anthropic Messages"),
    ];
    let names = faces.iter().map(|(_, name)| (*name).to_owned()).collect();
    let chosen = prompt::select("Which protocol does it speak?", names).await?;
    faces.get(chosen).map(|(face, _)| *face).ok_or_else(prompt::cancelled_error)
}

/// The key: of standard input, one that is there, or the one that is typed. `None` leaves the one that is there.
///
/// # Errors
/// When there is none.
pub(super) async fn ask_key(
    args: &Args,
    whose: &str,
    there: Option<&ProviderKey>,
) -> Result<Option<Secret>, CommandError> {
    if args.api_key_stdin {
        return key::read_key_from_stdin().map(Some);
    }
    if args.non_interactive {
        return match there {
            Some(_) => Ok(None),
            None => Err(CommandError::usage(format!(
                "there is no key of {whose} yet: give it on standard input with --api-key-stdin"
            ))),
        };
    }
    if let Some(there) = there {
        let question =
            format!("Keep the key of {whose} that is there ({}, {})?", there.secret.masked(), there.origin);
        if prompt::confirm(&question, true).await? {
            return Ok(None);
        }
    }
    prompt_key(whose).await.map(Some)
}

/// A key that is typed, or pasted.
///
/// # Errors
/// When nothing is.
pub(super) async fn prompt_key(whose: &str) -> Result<Secret, CommandError> {
    let mut question = format!("Key of {whose} (it is not shown)");
    loop {
        let text = prompt::read_secret(&question).await?;
        match key::parse_key(&text) {
            Ok(key) => return Ok(key),
            Err(why) => question = format!("{why}. Key of {whose}"),
        }
    }
}

/// Selects the site of Moonshot's platform for searches.
///
/// # Errors
/// When prompting is not possible.
pub(super) async fn ask_region(args: &Args) -> Result<Region, CommandError> {
    if let Some(region) = args.region {
        return Ok(region);
    }
    if args.non_interactive {
        return Err(CommandError::usage("--section web-search needs --region ai or --region cn"));
    }
    let names = [Region::Ai, Region::Cn].map(|region| format!("{} ({})", region.name(), region.host()));
    let chosen = prompt::select("Whose search?", names.to_vec()).await?;
    Ok(if chosen == 0 { Region::Ai } else { Region::Cn })
}
