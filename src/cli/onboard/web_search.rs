//! `--section web-search`: the region and the model of Kimi's web search, and a key of its own.

use serde_json::json;

use super::Args;
use super::choice::{Region, option_word};
use super::key_check::{KeyCheck, KeyVerdict, prompt_key, read_key_from_stdin};
use super::report::{SecretWrite, SetupReport, UnitReport, managed_error};
use crate::catalog::builtin_catalog;
use crate::cli::command::{CommandContext, CommandError};
use crate::cli::prompt;
use crate::config::edit::{Document, EditError, find_manager};
use crate::config::keypath::KeyPath;
use crate::config::settings::{Provider, ProviderKey, Settings};
use crate::config::{Environment, from_text};
use crate::secret::Secret;
use crate::upstream::Connector;

/// The variable of the search's own key.
const KEY_VARIABLE: &str = "MOONSHOT_SEARCH_API_KEY";

/// The settings to write.
struct SearchSetup {
    base_url: String,
    /// `None` keeps that of the file; without one, the gateway replaces a retired default.
    model: Option<String>,
    /// Whether the search gets a key of its own.
    has_own_key: bool,
}

/// Configures the web search.
pub(super) async fn set_up(
    args: &Args,
    context: &mut CommandContext<'_>,
    connector: &dyn Connector,
) -> Result<(), CommandError> {
    let region = ask_region(args).await?;
    let base_url = args.base_url.clone().unwrap_or_else(|| region.info().base_url.to_owned());
    let mut search = SearchSetup { base_url, model: args.model.clone(), has_own_key: false };
    if let Some(managed) = find_manager(&context.locate_config()?.path, &context.environment) {
        let mut document = context.read_document()?;
        search.apply(&mut document)?;
        return Err(managed_error(managed, Some("MOONSHOT_API_KEY"), &document));
    }
    let settings = search.resolve(None, context)?;
    let key = ask_own_key(args, &settings).await?;
    search.has_own_key = key.is_some();
    let used = search.resolve(key.as_ref(), context)?.web_search.keys.into_iter().next();
    let verdict = match used.as_ref().filter(|_| !args.skip_check) {
        Some(key) => {
            let provider = moonshot_provider(&search.base_url, key)?;
            let other_base_url = args.other_base_url.as_deref();
            let (choice, name) = (region.info().choice, region.info().name);
            KeyCheck { choice, name, other_base_url }.run(&provider, connector).await
        }
        None => KeyVerdict::skipped(),
    };
    if !verdict.is_usable {
        let right = verdict.correct_choice.and_then(|right| right.info().region);
        let command = right
            .map(|right| format!("moonrelay onboard --section web-search --region {}", option_word(right)));
        return Err(verdict.to_error(command));
    }
    if !args.non_interactive && search.model.is_none() {
        search.model = ask_model(&verdict, &settings).await?;
    }
    let mut warnings = warnings(search.model.as_deref(), &verdict, used.as_ref());
    // An invalid result is reported before a file is written.
    search.resolve(key.as_ref(), context)?;
    let secrets = match &key {
        Some(key) => Some(SecretWrite::store(KEY_VARIABLE, key, context, &mut warnings)?),
        None => None,
    };
    let mut document = context.open_document()?;
    search.apply(&mut document)?;
    let save_result = context.save(&document)?;
    drop(document);
    let report = SetupReport {
        subject: "web-search".to_owned(),
        provider: "web search".to_owned(),
        check_json: verdict.to_json(),
        check_text: verdict.text,
        secrets,
        save_result,
        warnings,
    };
    report.print(UnitReport::default(), context, connector).await
}

async fn ask_region(args: &Args) -> Result<Region, CommandError> {
    if let Some(region) = args.region {
        return Ok(region);
    }
    if args.non_interactive {
        return Err(CommandError::usage("--section web-search requires --region ai or --region cn"));
    }
    prompt::select_value("Which region?").await
}

/// A key for the search alone, if it is passed, or if there is no key and the user wants to enter one.
async fn ask_own_key(args: &Args, settings: &Settings) -> Result<Option<Secret>, CommandError> {
    if args.api_key_stdin {
        return read_key_from_stdin().map(Some);
    }
    if args.non_interactive || !settings.web_search.keys.is_empty() {
        return Ok(None);
    }
    match prompt::confirm("There is no key for Moonshot's platform yet. Enter one?", true).await? {
        true => prompt_key("Moonshot's platform").await.map(Some),
        false => Ok(None),
    }
}

/// Moonshot's platform at this base URL, with this key.
fn moonshot_provider(base_url: &str, key: &ProviderKey) -> Result<Provider, CommandError> {
    let text =
        json!({ "models": { "providers": { "moonshot": { "baseUrl": base_url, "apiKey": "${K}" } } } });
    let environment: Environment = [("K", key.secret.expose())].into_iter().collect();
    let settings = from_text(&text.to_string(), None, &environment)?;
    let provider = settings.providers.get("moonshot").map(|provider| provider.as_ref().clone());
    provider.ok_or_else(|| CommandError::failure("unknown_provider", "the catalog has no provider moonshot"))
}

/// Selects the model from the account's list if it was requested, else from the catalog. `None` keeps the default.
async fn ask_model(verdict: &KeyVerdict, settings: &Settings) -> Result<Option<String>, CommandError> {
    let models = match &verdict.models {
        Some(listed) => listed.clone(),
        None => {
            let known = builtin_catalog().provider("moonshot").into_iter().flat_map(|known| &known.models);
            known.filter(|model| model.retirement.is_none()).map(|model| model.id.clone()).collect()
        }
    };
    let current = &settings.web_search.model;
    let current = match settings.web_search.is_model_configured {
        true => format!("{current} (as configured)"),
        false => format!("the default ({current}, until it is retired)"),
    };
    let answers = std::iter::once(current).chain(models.iter().cloned()).collect();
    let index = prompt::select("Which model?", answers).await?;
    Ok(index.checked_sub(1).and_then(|index| models.into_iter().nth(index)))
}

fn warnings(model: Option<&str>, verdict: &KeyVerdict, key: Option<&ProviderKey>) -> Vec<String> {
    let mut warnings = Vec::new();
    if key.is_none() {
        let why = "there is no key for Moonshot's platform yet: use moonrelay onboard --auth-choice moonshot-api-key, or \
                   --api-key-stdin here";
        warnings.push(why.to_owned());
    }
    let Some(model) = model else { return warnings };
    if verdict.models.as_ref().is_some_and(|listed| !listed.iter().any(|id| id == model)) {
        warnings.push(format!("the account's list does not contain {model}"));
    }
    let known = builtin_catalog().provider("moonshot").and_then(|known| known.model(model));
    let retirement = known.and_then(|known| known.retirement.as_ref());
    warnings.extend(retirement.map(|end| end.render_notice(&format!("moonshot/{model}"))));
    warnings
}

impl SearchSetup {
    /// The settings of the changed and validated configuration, with this key of its own.
    fn resolve(&self, key: Option<&Secret>, context: &CommandContext<'_>) -> Result<Settings, CommandError> {
        let mut document = context.read_document()?;
        self.apply(&mut document)?;
        document.check(&context.environment)?;
        let environment = match key {
            Some(key) => context.environment.with_variable(KEY_VARIABLE, key.expose()),
            None => context.environment.clone(),
        };
        Ok(from_text(&document.text(), Some(&context.locate_config()?.path), &environment)?)
    }

    fn apply(&self, document: &mut Document) -> Result<(), EditError> {
        let path = |keys: &[&str]| keys.iter().fold(KeyPath::default(), |path, key| path.join_key(key));
        let search = path(&["plugins", "entries", "moonshot", "config", "webSearch"]);
        if self.has_own_key {
            document.set(&search.join_key("apiKey"), &json!(format!("${{{KEY_VARIABLE}}}")))?;
        }
        document.set(&search.join_key("baseUrl"), &json!(self.base_url))?;
        if let Some(model) = &self.model {
            document.set(&search.join_key("model"), &json!(model))?;
        }
        document.set(&path(&["tools", "web", "search", "provider"]), &json!("kimi"))
    }
}
