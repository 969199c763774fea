//! A provider from the first question to the last word: everything is looked at before anything is written.

use super::choice::Choice;
use super::key_check::{KeyCheck, KeyVerdict, check_key};
use super::provider_config::ProviderSetup;
use super::report::{SecretWrite, SetupReport};
use super::{Args, chain, managed_config, prompt, questions, report, service_unit};
use crate::cli::console::{Console, edit_error};
use crate::cli::exit::CommandError;
use crate::config::edit::{Document, EditError, set_secret};
use crate::config::from_text;
use crate::config::settings::{Auth, Provider, Settings};
use crate::secret::Secret;
use crate::upstream::Connector;

/// What is known when nothing was written yet.
struct PlannedSetup {
    choice: Choice,
    setup: ProviderSetup,
    /// `None`: the one that is there stays.
    key: Option<Secret>,
    verdict: KeyVerdict,
}

/// Sets it up.
///
/// # Errors
/// When the key is not taken, or something cannot be written; then nothing was, unless it says so.
pub(super) async fn set_up(
    choice: Choice,
    args: &Args,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<(), CommandError> {
    let setup = questions::ask_setup(choice, args).await?;
    managed_config::refuse_if_managed(&setup, console)?;
    let mut ready = prepare(choice, setup, args, console, connector).await?;
    // Errors are reported before the first file is written.
    let (document, settings) = plan_change(&ready, console)?;
    document.check(&console.environment).map_err(|error| edit_error(&error))?;
    if !args.non_interactive && !args.primary {
        ready.setup.is_primary = ask_primary(&ready.setup, &settings, console).await?;
    }
    let report = write(&ready, console)?;
    let unit = service_unit::offer_unit(args, console).await;
    report::print_report(report, unit, console, connector).await
}

/// Prompts for the key and checks it with the provider, until it is accepted or the user gives up.
async fn prepare(
    choice: Choice,
    setup: ProviderSetup,
    args: &Args,
    console: &Console<'_>,
    connector: &dyn Connector,
) -> Result<PlannedSetup, CommandError> {
    let (mut choice, mut setup) = (choice, setup);
    let there = resolve_provider(&setup, None, console)?;
    let there = there.keys.first().filter(|_| there.auth != Auth::None && there.disabled_reason.is_none());
    let mut key = match setup.is_keyless() {
        true => None,
        false => questions::ask_key(args, display_name(choice, &setup), there).await?,
    };
    loop {
        let verdict = check_provider_key(choice, &setup, key.as_ref(), args, console, connector).await?;
        if verdict.is_usable() {
            return Ok(PlannedSetup { choice, setup, key, verdict });
        }
        if args.non_interactive {
            let instead = verdict
                .correct_choice()
                .map(|right| format!("moonrelay onboard --auth-choice {}", right.as_str()));
            return Err(verdict.to_error(choice, display_name(choice, &setup), instead));
        }
        match ask_remedy(&verdict, choice, &setup).await? {
            KeyRemedy::EnterAnotherKey => {
                key = Some(questions::prompt_key(display_name(choice, &setup)).await?)
            }
            KeyRemedy::WriteAnyway => {
                let why = verdict.to_text(choice, display_name(choice, &setup));
                return Ok(PlannedSetup { choice, setup, key, verdict: KeyVerdict::Unverified { why } });
            }
            KeyRemedy::SwitchChoice(other) => {
                choice = other;
                setup = questions::ask_setup(other, args).await?;
            }
        }
    }
}

async fn check_provider_key(
    choice: Choice,
    setup: &ProviderSetup,
    key: Option<&Secret>,
    args: &Args,
    console: &Console<'_>,
    connector: &dyn Connector,
) -> Result<KeyVerdict, CommandError> {
    if args.skip_check {
        return Ok(KeyVerdict::Skipped);
    }
    let provider = resolve_provider(setup, key, console)?;
    let question = KeyCheck {
        provider: &provider,
        region: choice.region(),
        other_base_url: args.other_base_url.as_deref(),
    };
    Ok(check_key(&question, connector).await)
}

/// What to do about a key that is not taken.
enum KeyRemedy {
    EnterAnotherKey,
    WriteAnyway,
    SwitchChoice(Choice),
}

async fn ask_remedy(
    verdict: &KeyVerdict,
    choice: Choice,
    setup: &ProviderSetup,
) -> Result<KeyRemedy, CommandError> {
    let mut remedies = Vec::new();
    let right = match verdict {
        // Behind a proxy the other site is not where this one is.
        KeyVerdict::OtherRegion { right } if setup.base_url.is_none() => Some(right.choice()),
        _ => None,
    };
    if let Some(right) = right {
        remedies.push((format!("Set it up as {}", right.as_str()), KeyRemedy::SwitchChoice(right)));
    }
    remedies.push(("Enter another key".to_owned(), KeyRemedy::EnterAnotherKey));
    remedies.push(("Write it all the same".to_owned(), KeyRemedy::WriteAnyway));
    prompt::print_line(&verdict.to_text(choice, display_name(choice, setup)));
    let chosen =
        prompt::select("What now?", remedies.iter().map(|(words, _)| words.clone()).collect()).await?;
    remedies.into_iter().nth(chosen).map(|(_, remedy)| remedy).ok_or_else(prompt::cancelled_error)
}

/// How messages call it.
fn display_name(choice: Choice, setup: &ProviderSetup) -> &str {
    match choice {
        Choice::KimiCodeApiKey | Choice::KimiCodeOauth => "Kimi Code",
        Choice::MoonshotApiKey => "Moonshot's international platform",
        Choice::MoonshotApiKeyCn => "Moonshot's China platform",
        Choice::OpenrouterApiKey => "OpenRouter",
        Choice::Custom => &setup.id,
    }
}

/// The file as it would be, with the provider in it and nothing else changed.
fn draft_document(
    setup: &ProviderSetup,
    new_key: bool,
    console: &Console<'_>,
) -> Result<Document, CommandError> {
    let mut document = console.read_document()?;
    setup.apply_to_document(new_key, &mut document).map_err(|error| edit_error(&error))?;
    match document.check(&console.environment) {
        // A configuration managed by Nix is reported elsewhere, in more detail.
        Ok(()) | Err(EditError::Managed(_)) => Ok(document),
        Err(error) => Err(edit_error(&error)),
    }
}

/// What a file would come to, were this the key.
pub(super) fn resolve_settings(
    setup: &ProviderSetup,
    key: Option<&Secret>,
    document: &Document,
    console: &Console<'_>,
) -> Result<Settings, CommandError> {
    let environment = match key {
        Some(key) => console.environment.with_variable(&setup.key_variable(document).name, key.expose()),
        None => console.environment.clone(),
    };
    Ok(from_text(&document.text(), Some(&console.locate_config()?.path), &environment)?)
}

/// The provider as it would be called.
fn resolve_provider(
    setup: &ProviderSetup,
    key: Option<&Secret>,
    console: &Console<'_>,
) -> Result<Provider, CommandError> {
    let document = draft_document(setup, key.is_some(), console)?;
    let settings = resolve_settings(setup, key, &document, console)?;
    let provider = settings.providers.get(&setup.id).map(|provider| provider.as_ref().clone());
    let mut provider = provider.ok_or_else(|| {
        CommandError::failure("unknown_provider", format!("there is no provider {}", setup.id))
    })?;
    // If there are several keys, check the new one.
    if let Some(key) = key {
        provider.keys.retain(|known| known.secret == *key);
    }
    Ok(provider)
}

/// The whole change, not written yet.
fn plan_change(ready: &PlannedSetup, console: &Console<'_>) -> Result<(Document, Settings), CommandError> {
    let mut document = console.read_document()?;
    let settings = apply_plan(ready, &mut document, console)?;
    Ok((document, settings))
}

fn apply_plan(
    ready: &PlannedSetup,
    document: &mut Document,
    console: &Console<'_>,
) -> Result<Settings, CommandError> {
    ready.setup.apply_to_document(ready.key.is_some(), document).map_err(|error| edit_error(&error))?;
    let settings = resolve_settings(&ready.setup, ready.key.as_ref(), document, console)?;
    let chosen = chain::chosen_model(&ready.setup, &settings)?;
    chain::add_to_chain(&ready.setup, &chosen, &settings, document)?;
    Ok(settings)
}

/// Whether the provider becomes the primary, if another one is the primary now.
async fn ask_primary(
    setup: &ProviderSetup,
    settings: &Settings,
    console: &Console<'_>,
) -> Result<bool, CommandError> {
    let Some(first) = settings.default_chain.references.first() else { return Ok(false) };
    // Without a chain it becomes the primary anyway.
    if !chain::has_chain(&console.read_document()?) {
        return Ok(false);
    }
    if first.provider == setup.id
        || settings.providers.get(&first.provider).is_none_or(|other| other.disabled_reason.is_some())
    {
        return Ok(false);
    }
    prompt::confirm(&format!("{first} is asked first. Ask {} before it?", setup.id), false).await
}

/// The key first: a gateway that sees the new configuration finds it.
fn write(ready: &PlannedSetup, console: &Console<'_>) -> Result<SetupReport, CommandError> {
    let (setup, mut warnings) = (&ready.setup, Vec::new());
    let mut secrets = None;
    if let Some(key) = &ready.key {
        let before = console.read_document()?;
        let written = write_key(&setup.key_variable(&before).name, key, console)?;
        if setup.replaces_key(&before) {
            let (id, name) = (&setup.id, &written.name);
            warnings.push(format!("apiKey of provider {id} was something else; it is ${{{name}}} now"));
        }
        warnings.extend(shell_override_warning(&written, key, console));
        secrets = Some(written);
    }
    let mut document = console.open_document()?;
    apply_plan(ready, &mut document, console)?;
    let saved = console.save(&document)?;
    drop(document);
    Ok(SetupReport {
        subject: ready.choice.as_str(),
        provider: setup.id.clone(),
        check_text: ready.verdict.to_text(ready.choice, display_name(ready.choice, setup)),
        check_json: ready.verdict.to_json(),
        secrets,
        save_result: saved,
        warnings,
    })
}

/// Writes a key into the file with secrets.
pub(super) fn write_key(
    name: &str,
    key: &Secret,
    console: &Console<'_>,
) -> Result<SecretWrite, CommandError> {
    let path = console.environment.secrets_file();
    let path = path.ok_or_else(|| CommandError::failure("no_home", "no place for the key: set HOME"))?;
    let changed = set_secret(&path, name, key, &console.environment).map_err(|error| edit_error(&error))?;
    Ok(SecretWrite { path, name: name.to_owned(), is_changed: changed })
}

/// A variable of this shell wins over the file.
pub(super) fn shell_override_warning(
    secrets: &SecretWrite,
    key: &Secret,
    console: &Console<'_>,
) -> Option<String> {
    let name = &secrets.name;
    let is_other = console.environment.get(name)?.trim() != key.expose();
    is_other.then(|| {
        format!("{name} is set to something else in this shell, which wins over the file: unset {name}")
    })
}
