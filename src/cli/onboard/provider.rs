//! Configures a provider with a key or a login. Nothing is written before everything is checked.

use serde_json::json;

use super::Args;
use super::choice::{Choice, option_word};
use super::key_check::{KeyCheck, KeyVerdict, prompt_key, read_key_from_stdin};
use super::provider_config::{CustomProvider, ProviderSetup};
use super::report::{SecretWrite, SetupReport, UnitReport, managed_error};
use crate::catalog::builtin_catalog;
use crate::cli::command::{CommandContext, CommandError};
use crate::cli::login::{LoginOptions, run_device_login};
use crate::cli::models::chain::defaults_path;
use crate::cli::prompt;
use crate::config::edit::find_manager;
use crate::config::settings::{Auth, ProviderKey, Settings};
use crate::secret::Secret;
use crate::upstream::Connector;

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
        if let Some(lines) = &mut outcome.nix_lines {
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
        (key, verdict.text.clone(), verdict.to_json())
    };
    // The key first: a gateway that reads the new configuration finds it.
    let (mut secrets, mut warnings) = (None, Vec::new());
    if let Some(key) = &key {
        let before = context.read_document()?;
        let name = setup.key_variable(&before).name;
        if setup.replaces_key(&before) {
            warnings
                .push(format!("apiKey of provider {} had another value; it is ${{{name}}} now", setup.id));
        }
        secrets = Some(SecretWrite::store(&name, key, context, &mut warnings)?);
    }
    let mut document = context.open_document()?;
    setup.apply_with_chain(key.as_ref(), &mut document, context)?;
    let save_result = context.save(&document)?;
    drop(document);
    let (subject, provider) = (option_word(setup.choice), setup.id);
    let report = SetupReport { subject, provider, check_text, check_json, secrets, save_result, warnings };
    let unit = UnitReport::offer(args, context).await;
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
        None => prompt::select_value("Which API format?").await?,
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
    let custom = Some(CustomProvider { api: api.api().as_str(), is_keyless });
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
        if args.skip_check {
            return Ok((key, KeyVerdict::skipped()));
        }
        let (choice, name) = (setup.choice, setup.display_name());
        let check = KeyCheck { choice, name, other_base_url: args.other_base_url.as_deref() };
        let verdict = check.run(&setup.resolve(key.as_ref(), context)?, connector).await;
        if verdict.is_usable {
            return Ok((key, verdict));
        }
        if args.non_interactive {
            return Err(verdict.to_error(verdict.correct_command()));
        }
        // The other region of a proxy is at an unknown URL.
        let is_region = verdict.kind == "wrong_region" && setup.base_url.is_none();
        let other = verdict.correct_choice.filter(|_| is_region);
        prompt::print_line(&verdict.text);
        let mut answers = vec!["Enter another key".to_owned(), "Save it anyway".to_owned()];
        if let Some(other) = other {
            answers.insert(0, format!("Configure {} instead", option_word(other)));
        }
        let index = prompt::select("What next?", answers).await? + usize::from(other.is_none());
        match (index, other) {
            (0, Some(other)) => *setup = ask_setup(other, args).await?,
            (1, _) => key = Some(prompt_key(setup.display_name()).await?),
            _ => return Ok((key, check.unverified(verdict.text))),
        }
    }
}

/// The key: from standard input, the existing one (`None`), or typed by the user.
async fn ask_key(
    args: &Args,
    provider: &str,
    existing: Option<&ProviderKey>,
) -> Result<Option<Secret>, CommandError> {
    if args.api_key_stdin {
        return read_key_from_stdin().map(Some);
    }
    match existing {
        Some(_) if args.non_interactive => return Ok(None),
        None if args.non_interactive => {
            return Err(CommandError::usage(format!(
                "there is no key for {provider} yet: pass it on standard input with --api-key-stdin"
            )));
        }
        Some(key) => {
            let (masked, origin) = (key.secret.masked(), &key.origin);
            let question = format!("Keep the existing key for {provider} ({masked}, {origin})?");
            if prompt::confirm(&question, true).await? {
                return Ok(None);
            }
        }
        None => {}
    }
    prompt_key(provider).await.map(Some)
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
