//! Configures a provider with a key or a login. Nothing is written before everything is checked.

use std::path::PathBuf;

use serde_json::json;

use super::choice::Choice;
use super::key_check::{KeyVerdict, check_key};
use super::provider_config::{CustomProvider, ProviderSetup};
use super::report::{SetupReport, UnitOutcome};
use super::{Args, CustomApi, ask_key, prompt_key};
use crate::catalog::builtin_catalog;
use crate::cli::command::{CommandContext, CommandError};
use crate::cli::login::{ConfigChange, LoginOptions, run_device_login};
use crate::cli::models::chain::defaults_path;
use crate::cli::prompt;
use crate::config::edit::{Document, EditError, ManagedFile, find_manager, set_secret};
use crate::config::settings::{Auth, Settings};
use crate::secret::Secret;
use crate::upstream::Connector;

/// A key that was written.
pub(super) struct SecretWrite {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) is_changed: bool,
}

/// Configures a provider, with a login for Kimi Code if that was chosen, else with a key.
pub(super) async fn set_up(
    choice: Choice,
    args: &Args,
    context: &mut CommandContext<'_>,
    connector: &dyn Connector,
) -> Result<(), CommandError> {
    let mut setup = ask_setup(choice, args).await?;
    let (key, check_text, check_json) = if choice == Choice::KimiCodeOauth {
        let (provider, oauth_host) = (setup.id.clone(), args.oauth_host.clone());
        let options = LoginOptions { provider, oauth_host, client_id: None };
        let mut outcome = run_device_login(&options, context, connector).await?;
        if let ConfigChange::Managed(lines) = &mut outcome.config_change {
            *lines = setup.draft(None, context)?.0.nix_lines();
            return outcome.print(context);
        }
        let (host, file) = (&outcome.login.host, &outcome.token_file);
        let text = format!("logged in at {host}; the tokens are in {}", file.display());
        (None, text, json!({ "login": { "host": host, "store": file } }))
    } else {
        refuse_if_managed(&setup, context)?;
        let (key, verdict) = ask_and_check_key(&mut setup, args, context, connector).await?;
        let (document, settings) = setup.draft(key.as_ref(), context)?;
        document.check(&context.environment)?;
        if !args.non_interactive && !args.primary {
            setup.is_primary = ask_primary(&setup, &settings, context).await?;
        }
        (key, verdict.to_text(setup.choice, setup.display_name()), verdict.to_json())
    };
    // The key first: a gateway that reads the new configuration finds it.
    let (mut secrets, mut warnings) = (None, Vec::new());
    if let Some(key) = &key {
        let before = context.read_document()?;
        let written = write_key(&setup.key_variable(&before).name, key, context)?;
        if setup.replaces_key(&before) {
            let (id, name) = (&setup.id, &written.name);
            warnings.push(format!("apiKey of provider {id} had another value; it is ${{{name}}} now"));
        }
        warnings.extend(shell_override_warning(&written, key, context));
        secrets = Some(written);
    }
    let mut document = context.open_document()?;
    setup.apply_with_chain(key.as_ref(), &mut document, context)?;
    let save_result = context.save(&document)?;
    drop(document);
    let (subject, provider) = (setup.choice.word(), setup.id);
    let report = SetupReport { subject, provider, check_text, check_json, secrets, save_result, warnings };
    let unit = UnitOutcome::offer(args, context).await;
    report.print(unit, context, connector).await
}

/// Takes the settings from the options, and prompts for missing ones.
async fn ask_setup(choice: Choice, args: &Args) -> Result<ProviderSetup, CommandError> {
    let (base_url, model, is_primary) = (args.base_url.clone(), args.model.clone(), args.primary);
    if let Some(id) = choice.info().provider {
        return Ok(ProviderSetup { choice, id: id.to_owned(), base_url, custom: None, model, is_primary });
    }
    let missing = |option: &str| CommandError::usage(format!("--auth-choice custom requires {option}"));
    let ask = async |given: Option<String>, option: &str, question: &str, default: Option<&str>| match given {
        Some(given) => Ok(given),
        None if args.non_interactive => Err(missing(option)),
        None => prompt::read_text(question, default.map(str::to_owned)).await,
    };
    let base_url = ask(base_url, "--base-url", "Base URL, including /v1:", None).await?;
    let api = match args.face {
        Some(api) => api,
        None if args.non_interactive => return Err(missing("--face")),
        None => {
            let apis = [
                (CustomApi::Chat, "OpenAI Chat Completions"),
                (CustomApi::Responses, "OpenAI Responses"),
                (CustomApi::Messages, "Anthropic Messages"),
            ];
            let names = apis.iter().map(|(_, name)| (*name).to_owned()).collect();
            let index = prompt::select("Which API format?", names).await?;
            apis.get(index).map(|(api, _)| *api).ok_or_else(prompt::cancelled_error)?
        }
    };
    let model = ask(model, "--model", "Model ID, as the server names it:", None).await?;
    let id = args.provider.clone();
    let id = ask(id, "--provider", "Provider ID, for references:", Some("custom")).await?.to_lowercase();
    if builtin_catalog().providers.iter().any(|known| known.id == id || known.aliases.contains(&id)) {
        let why =
            format!("--provider {id}: the catalog already has a provider with this ID. Choose another.");
        return Err(CommandError::usage(why));
    }
    let is_keyless = match args.non_interactive || args.no_key {
        true => args.no_key,
        false => !prompt::confirm("Does the server require a key?", true).await?,
    };
    let custom = Some(CustomProvider { api: api.as_config_value(), is_keyless });
    Ok(ProviderSetup { choice, id, base_url: Some(base_url), custom, model: Some(model), is_primary })
}

/// Refuses, with the lines for Nix, if the configuration is managed.
fn refuse_if_managed(setup: &ProviderSetup, context: &CommandContext<'_>) -> Result<(), CommandError> {
    let path = context.locate_config()?.path;
    let Some(managed) = find_manager(&path, &context.environment) else { return Ok(()) };
    let before = context.read_document()?;
    let name = (!setup.is_keyless()).then(|| setup.key_variable(&before).name);
    let placeholder = Secret::new("placeholder".to_owned());
    let (document, _) = setup.draft(Some(&placeholder), context)?;
    Err(managed_error(managed, name.as_deref(), &document))
}

/// The Nix lines for a change, and how to store the key. `LoadCredential=` passes the file to the gateway
/// (nix/modules/unit.nix). home-manager's sandbox leaves `~/.config/moonrelay` visible, so a key in its `env` file is
/// found too (nix/modules/sandbox.nix).
pub(super) fn managed_error(managed: ManagedFile, name: Option<&str>, document: &Document) -> CommandError {
    let mut nix_lines = document.nix_lines();
    let Some(name) = name else {
        return EditError::Managed(ManagedFile { nix_lines, ..managed }).into();
    };
    let lower = name.to_lowercase();
    // There may be a line with a placeholder already.
    nix_lines.retain(|line| !line.starts_with(&format!("services.moonrelay.credentials.{name} ")));
    let file = json!(format!("%h/.secrets/{lower}"));
    nix_lines.push(format!("services.moonrelay.credentials.{name} = {file};"));
    let error = EditError::Managed(ManagedFile { nix_lines, ..managed });
    CommandError::failure(
        "managed_config",
        format!(
            "{error}\nStore the key alone in that file, then switch:\n  \
             (umask 077; mkdir -p ~/.secrets; cat >~/.secrets/{lower})   # paste it, Enter, Ctrl-D\n\
             For home-manager's service and for commands, a line {name}=… in ~/.config/moonrelay/env (mode 0600) works \
             too; Nix does not manage that file. Nothing was changed."
        ),
    )
}

/// Asks for the key and checks it, until it is accepted or the user gives up.
async fn ask_and_check_key(
    setup: &mut ProviderSetup,
    args: &Args,
    context: &CommandContext<'_>,
    connector: &dyn Connector,
) -> Result<(Option<Secret>, KeyVerdict), CommandError> {
    let current = setup.resolve(None, context)?;
    let has_key = current.auth != Auth::None && current.disabled_reason.is_none();
    let existing = current.keys.first().filter(|_| has_key);
    let mut key = match setup.is_keyless() {
        true => None,
        false => ask_key(args, setup.display_name(), existing).await?,
    };
    loop {
        let verdict = if args.skip_check {
            KeyVerdict::Skipped
        } else {
            let provider = setup.resolve(key.as_ref(), context)?;
            let region = setup.choice.info().region;
            check_key(&provider, region, args.other_base_url.as_deref(), connector).await
        };
        if verdict.is_usable() {
            return Ok((key, verdict));
        }
        if args.non_interactive {
            let right = verdict.correct_choice();
            let command = right.map(|right| format!("moonrelay onboard --auth-choice {}", right.word()));
            return Err(verdict.to_error(setup.choice, setup.display_name(), command));
        }
        // The other region of a proxy is at an unknown URL.
        let other = match verdict {
            KeyVerdict::OtherRegion { right } if setup.base_url.is_none() => Some(right.choice()),
            _ => None,
        };
        let text = verdict.to_text(setup.choice, setup.display_name());
        prompt::print_line(&text);
        let mut answers = vec!["Enter another key".to_owned(), "Save it anyway".to_owned()];
        if let Some(other) = other {
            answers.insert(0, format!("Configure {} instead", other.word()));
        }
        let index = prompt::select("What next?", answers).await? + usize::from(other.is_none());
        match (index, other) {
            (0, Some(other)) => *setup = ask_setup(other, args).await?,
            (1, _) => key = Some(prompt_key(setup.display_name()).await?),
            _ => return Ok((key, KeyVerdict::Unverified { why: text })),
        }
    }
}

/// Asks whether the provider becomes the primary, if another enabled one is.
async fn ask_primary(
    setup: &ProviderSetup,
    settings: &Settings,
    context: &CommandContext<'_>,
) -> Result<bool, CommandError> {
    let Some(first) = settings.default_chain.references.first() else { return Ok(false) };
    // Without a configured chain it becomes the primary anyway.
    let has_chain = context.read_document()?.get(&defaults_path("model")).is_some();
    let is_enabled =
        settings.providers.get(&first.provider).is_some_and(|other| other.disabled_reason.is_none());
    if !has_chain || !is_enabled || first.provider == setup.id {
        return Ok(false);
    }
    prompt::confirm(&format!("The primary is {first}. Make {} the primary?", setup.id), false).await
}

/// Writes a key into the secrets file.
pub(super) fn write_key(
    name: &str,
    key: &Secret,
    context: &CommandContext<'_>,
) -> Result<SecretWrite, CommandError> {
    let path = context.environment.secrets_file();
    let path = path.ok_or_else(|| CommandError::failure("no_home", "no directory for the key: set HOME"))?;
    let is_changed = set_secret(&path, name, key, &context.environment)?;
    Ok(SecretWrite { path, name: name.to_owned(), is_changed })
}

/// A variable of the shell wins over the secrets file.
pub(super) fn shell_override_warning(
    secrets: &SecretWrite,
    key: &Secret,
    context: &CommandContext<'_>,
) -> Option<String> {
    let name = &secrets.name;
    let is_other = context.environment.get(name)?.trim() != key.expose();
    is_other.then(|| {
        format!("{name} has another value in this shell, which overrides the file. Run: unset {name}")
    })
}
