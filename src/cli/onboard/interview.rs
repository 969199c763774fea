//! What is wanted: from the flags, else by asking, where there is somebody to ask.

use super::choice::{Choice, Region};
use super::setup::{Custom, Setup};
use super::{Args, Protocol, key, prompt};
use crate::catalog::builtin;
use crate::cli::exit::Ending;
use crate::config::settings::Key;
use crate::secret::Secret;

/// Flags that mean nothing for what is set up (no choice: the web search) are a mistake, not to be passed over.
///
/// # Errors
/// Names the first of them: exit 2.
pub(super) fn fitting(args: &Args, choice: Option<Choice>) -> Result<(), Ending> {
    let is_custom = choice == Some(Choice::Custom);
    let has_sites = choice.is_none_or(|choice| choice.region().is_some());
    let rules = [
        ("--provider", args.provider.is_some(), is_custom, "--auth-choice custom"),
        ("--face", args.face.is_some(), is_custom, "--auth-choice custom"),
        ("--no-key", args.no_key, is_custom, "--auth-choice custom"),
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
        Some((flag, _, _, whose)) => Err(Ending::usage(format!("{flag} belongs to {whose}"))),
        None => Ok(()),
    }
}

/// Which account.
///
/// # Errors
/// When nobody can be asked.
pub(super) async fn choice(args: &Args) -> Result<Choice, Ending> {
    if let Some(choice) = args.auth_choice {
        return Ok(choice);
    }
    if args.non_interactive {
        let words = Choice::ALL.map(Choice::word).join(", ");
        return Err(Ending::usage(format!("--auth-choice is needed: {words}; or --section web-search")));
    }
    let labels = Choice::ALL.iter().map(|choice| choice.label().to_owned()).collect();
    let chosen = prompt::select("Who shall answer?", labels).await?;
    Choice::ALL.get(chosen).copied().ok_or_else(prompt::cancelled)
}

/// What the configuration shall say of it.
///
/// # Errors
/// When something of a custom provider is missing and nobody can be asked, or the id is the catalog's.
pub(super) async fn setup(choice: Choice, args: &Args) -> Result<Setup, Ending> {
    let (base_url, model, primary) = (args.base_url.clone(), args.model.clone(), args.primary);
    if let Some(id) = choice.provider() {
        let (id, region) = (id.to_owned(), choice.region());
        return Ok(Setup { id, base_url, region, custom: None, model, primary });
    }
    let url = wanted(args, base_url, "--base-url", "Base URL, up to and with /v1", None).await?;
    let face = match args.face {
        Some(face) => face,
        None if args.non_interactive => return Err(missing("--face")),
        None => face().await?,
    };
    let model = wanted(args, model, "--model", "Model id, as the server calls it", None).await?;
    let id = wanted(args, args.provider.clone(), "--provider", "Provider id, for references", Some("custom"))
        .await?;
    let id = id.to_lowercase();
    if builtin().providers.iter().any(|known| known.id == id || known.aliases.contains(&id)) {
        let why = format!("--provider {id}: the catalog has a provider of this name; choose another id");
        return Err(Ending::usage(why));
    }
    let keyless = match args.non_interactive || args.no_key {
        true => args.no_key,
        false => !prompt::confirm("Does the server ask for a key?", true).await?,
    };
    let custom = Some(Custom { api: face.api(), keyless });
    Ok(Setup { id, base_url: Some(url), region: None, custom, model: Some(model), primary })
}

async fn wanted(
    args: &Args,
    given: Option<String>,
    flag: &str,
    question: &str,
    default: Option<&str>,
) -> Result<String, Ending> {
    match given {
        Some(given) => Ok(given),
        None if args.non_interactive => Err(missing(flag)),
        None => prompt::text(question, default.map(str::to_owned)).await,
    }
}

fn missing(flag: &str) -> Ending {
    Ending::usage(format!("--auth-choice custom needs {flag}"))
}

async fn face() -> Result<Protocol, Ending> {
    let faces = [
        (Protocol::Chat, "OpenAI Chat Completions"),
        (Protocol::Responses, "OpenAI Responses"),
        (Protocol::Messages, "Anthropic Messages"),
    ];
    let names = faces.iter().map(|(_, name)| (*name).to_owned()).collect();
    let chosen = prompt::select("Which protocol does it speak?", names).await?;
    faces.get(chosen).map(|(face, _)| *face).ok_or_else(prompt::cancelled)
}

/// The key: of standard input, one that is there, or the one that is typed. `None` leaves the one that is there.
///
/// # Errors
/// When there is none.
pub(super) async fn key(args: &Args, whose: &str, there: Option<&Key>) -> Result<Option<Secret>, Ending> {
    if args.api_key_stdin {
        return key::from_stdin().map(Some);
    }
    if args.non_interactive {
        return match there {
            Some(_) => Ok(None),
            None => Err(Ending::usage(format!(
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
    typed(whose).await.map(Some)
}

/// A key that is typed, or pasted.
///
/// # Errors
/// When nothing is.
pub(super) async fn typed(whose: &str) -> Result<Secret, Ending> {
    let mut question = format!("Key of {whose} (it is not shown)");
    loop {
        let text = prompt::secret(&question).await?;
        match key::checked(&text) {
            Ok(key) => return Ok(key),
            Err(why) => question = format!("{why}. Key of {whose}"),
        }
    }
}

/// Which site of Moonshot's platform searches.
///
/// # Errors
/// When nobody can be asked.
pub(super) async fn region(args: &Args) -> Result<Region, Ending> {
    if let Some(region) = args.region {
        return Ok(region);
    }
    if args.non_interactive {
        return Err(Ending::usage("--section web-search needs --region ai or --region cn"));
    }
    let names = [Region::Ai, Region::Cn].map(|region| format!("{} ({})", region.name(), region.host()));
    let chosen = prompt::select("Whose search?", names.to_vec()).await?;
    Ok(if chosen == 0 { Region::Ai } else { Region::Cn })
}
