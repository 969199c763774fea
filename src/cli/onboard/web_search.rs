//! `--section web-search`: Kimi's search, on which site and with which model.

use serde_json::json;

use super::choice::Region;
use super::key_check::{KeyCheck, KeyVerdict, check_key};
use super::report::{self, SecretWrite, SetupReport};
use super::service_unit::UnitOutcome;
use super::{Args, managed_config, prompt, provider_setup, questions};
use crate::catalog::builtin_catalog;
use crate::cli::console::{Console, edit_error};
use crate::cli::exit::CommandError;
use crate::config::edit::{Document, SaveOutcome, find_manager as is_managed};
use crate::config::keypath::KeyPath;
use crate::config::settings::{Provider, ProviderKey, Settings};
use crate::config::{Environment, from_text};
use crate::secret::Secret;
use crate::upstream::Connector;

/// The name that a key of its own gets.
const SEARCH_KEY_VARIABLE: &str = "MOONSHOT_SEARCH_API_KEY";

/// The configuration to write.
struct SearchSetup {
    base_url: String,
    /// `None` leaves what the file says: where it says nothing another model takes the place of one that is gone.
    model: Option<String>,
    /// Whether search gets its own key; else the key is found as configured.
    has_own_key: bool,
}

/// Sets it up.
///
/// # Errors
/// When the key is not taken, or something cannot be written.
pub(super) async fn set_up(
    args: &Args,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<(), CommandError> {
    let region = questions::ask_region(args).await?;
    let base_url = args.base_url.clone().unwrap_or_else(|| region.base_url().to_owned());
    let mut search = SearchSetup { base_url, model: args.model.clone(), has_own_key: false };
    refuse_if_managed(&search, console)?;
    let settings = search.resolve_settings(None, console)?;
    let key = ask_own_key(args, &settings).await?;
    search.has_own_key = key.is_some();
    let there = search.resolve_settings(key.as_ref(), console)?.web_search.keys.into_iter().next();
    let verdict = check_search_key(region, &search.base_url, there.as_ref(), args, connector).await?;
    if !verdict.is_usable() {
        let instead = match &verdict {
            KeyVerdict::OtherRegion { right } => {
                Some(format!("moonrelay onboard --section web-search --region {}", right.as_str()))
            }
            _ => None,
        };
        return Err(verdict.to_error(region.choice(), region.name(), instead));
    }
    if !args.non_interactive && search.model.is_none() {
        search.model = ask_model(&verdict, &settings).await?;
    }
    let warnings = collect_warnings(search.model.as_deref(), &verdict, there.as_ref());
    let (secrets, saved, overridden) = write(&search, key.as_ref(), console)?;
    let report = SetupReport {
        subject: "web-search",
        provider: "web search".to_owned(),
        check_text: verdict.to_text(region.choice(), region.name()),
        check_json: verdict.to_json(),
        secrets,
        save_result: saved,
        warnings: warnings.into_iter().chain(overridden).collect(),
    };
    report::print_report(report, UnitOutcome::NotInstalled, console, connector).await
}

/// Refuses, with the lines for Nix, if the file is managed externally.
fn refuse_if_managed(search: &SearchSetup, console: &Console<'_>) -> Result<(), CommandError> {
    let Some(managed) = is_managed(&console.locate_config()?.path, &console.environment) else {
        return Ok(());
    };
    let mut document = console.read_document()?;
    search.apply_to_document(&mut document)?;
    Err(managed_config::managed_error(managed, Some("MOONSHOT_API_KEY"), &document))
}

/// Reports errors before the first file is written; then writes the key, then the configuration.
fn write(
    search: &SearchSetup,
    key: Option<&Secret>,
    console: &Console<'_>,
) -> Result<(Option<SecretWrite>, SaveOutcome, Option<String>), CommandError> {
    search.draft_document(console)?;
    let secrets = key.map(|key| provider_setup::write_key(SEARCH_KEY_VARIABLE, key, console)).transpose()?;
    let both = secrets.as_ref().zip(key);
    let overridden =
        both.and_then(|(secrets, key)| provider_setup::shell_override_warning(secrets, key, console));
    let mut document = console.open_document()?;
    search.apply_to_document(&mut document)?;
    let saved = console.save(&document)?;
    Ok((secrets, saved, overridden))
}

/// A key for searching alone: only where it is given, or wanted because there is none.
async fn ask_own_key(args: &Args, settings: &Settings) -> Result<Option<Secret>, CommandError> {
    if args.api_key_stdin {
        return super::key::read_key_from_stdin().map(Some);
    }
    if args.non_interactive || !settings.web_search.keys.is_empty() {
        return Ok(None);
    }
    match prompt::confirm("There is no key of Moonshot's platform yet. Enter one?", true).await? {
        true => questions::prompt_key("Moonshot's platform").await.map(Some),
        false => Ok(None),
    }
}

async fn check_search_key(
    region: Region,
    base_url: &str,
    key: Option<&ProviderKey>,
    args: &Args,
    connector: &dyn Connector,
) -> Result<KeyVerdict, CommandError> {
    let Some(key) = key.filter(|_| !args.skip_check) else { return Ok(KeyVerdict::Skipped) };
    let provider = moonshot_provider(base_url, key)?;
    let other_base = args.other_base_url.as_deref();
    let question = KeyCheck { provider: &provider, region: Some(region), other_base_url: other_base };
    Ok(check_key(&question, connector).await)
}

/// Moonshot's platform at this address, with this key.
fn moonshot_provider(base_url: &str, key: &ProviderKey) -> Result<Provider, CommandError> {
    let text =
        json!({ "models": { "providers": { "moonshot": { "baseUrl": base_url, "apiKey": "${K}" } } } });
    let environment: Environment = [("K", key.secret.expose())].into_iter().collect();
    let settings = from_text(&text.to_string(), None, &environment)?;
    let provider = settings.providers.get("moonshot").map(|provider| provider.as_ref().clone());
    provider.ok_or_else(|| CommandError::failure("unknown_provider", "the catalog has no provider moonshot"))
}

/// Selects the search model: from the account's list if it was requested, else from the catalog.
async fn ask_model(verdict: &KeyVerdict, settings: &Settings) -> Result<Option<String>, CommandError> {
    let models = match verdict {
        KeyVerdict::Accepted { models: Some(listed), .. } => listed.clone(),
        _ => {
            let known = builtin_catalog()
                .provider("moonshot")
                .map(|known| known.models.as_slice())
                .unwrap_or_default();
            known.iter().filter(|model| model.retirement.is_none()).map(|model| model.id.clone()).collect()
        }
    };
    let usual = match settings.web_search.is_model_configured {
        true => format!("{}, as the configuration says", settings.web_search.model),
        false => format!("The usual one ({}, while it is served)", settings.web_search.model),
    };
    let answers = std::iter::once(usual).chain(models.iter().cloned()).collect();
    let chosen = prompt::select("Which model searches?", answers).await?;
    Ok(chosen.checked_sub(1).and_then(|chosen| models.into_iter().nth(chosen)))
}

/// What may be wrong with it all the same.
fn collect_warnings(model: Option<&str>, verdict: &KeyVerdict, key: Option<&ProviderKey>) -> Vec<String> {
    let mut doubts = Vec::new();
    if key.is_none() {
        let how = "moonrelay onboard --auth-choice moonshot-api-key, or --api-key-stdin here";
        doubts.push(format!("there is no key of Moonshot's platform yet: {how}"));
    }
    let Some(model) = model else { return doubts };
    if let KeyVerdict::Accepted { models: Some(listed), .. } = verdict
        && !listed.iter().any(|id| id == model)
    {
        doubts.push(format!("the account's list has no {model}"));
    }
    let known = builtin_catalog().provider("moonshot").and_then(|known| known.model(model));
    if let Some(retired) = known.and_then(|known| known.retirement.as_ref()) {
        doubts.push(retired.render_notice(&format!("moonshot/{model}")));
    }
    doubts
}

impl SearchSetup {
    /// The file as it would be.
    fn draft_document(&self, console: &Console<'_>) -> Result<Document, CommandError> {
        let mut document = console.read_document()?;
        self.apply_to_document(&mut document)?;
        document.check(&console.environment).map_err(|error| edit_error(&error))?;
        Ok(document)
    }

    /// What the file would come to, were this its own key.
    fn resolve_settings(
        &self,
        key: Option<&Secret>,
        console: &Console<'_>,
    ) -> Result<Settings, CommandError> {
        let document = self.draft_document(console)?;
        let environment = match key {
            Some(key) => console.environment.with_variable(SEARCH_KEY_VARIABLE, key.expose()),
            None => console.environment.clone(),
        };
        Ok(from_text(&document.text(), Some(&console.locate_config()?.path), &environment)?)
    }

    fn apply_to_document(&self, document: &mut Document) -> Result<(), CommandError> {
        let place = ["plugins", "entries", "moonshot", "config", "webSearch"]
            .iter()
            .fold(KeyPath::default(), |path, key| path.join_key(key));
        let provider =
            KeyPath::default().join_key("tools").join_key("web").join_key("search").join_key("provider");
        let mut set = |path: &KeyPath, value: &str| {
            document.set(path, &json!(value)).map_err(|error| edit_error(&error))
        };
        if self.has_own_key {
            set(&place.join_key("apiKey"), &format!("${{{SEARCH_KEY_VARIABLE}}}"))?;
        }
        set(&place.join_key("baseUrl"), &self.base_url)?;
        if let Some(model) = &self.model {
            set(&place.join_key("model"), model)?;
        }
        set(&provider, "kimi")
    }
}
