//! `--section web-search`: Kimi's search, on which site and with which model.

use serde_json::json;

use super::check::{Question, Verdict, check};
use super::choice::Region;
use super::report::{self, Report, Secrets};
use super::unit::Unit;
use super::{Args, interview, managed, prompt, provider};
use crate::catalog::builtin;
use crate::cli::console::{Console, refused};
use crate::cli::exit::Ending;
use crate::config::edit::{Document, Saved, managed as is_managed};
use crate::config::keypath::KeyPath;
use crate::config::settings::{Key, Provider, Settings};
use crate::config::{Environment, from_text};
use crate::secret::Secret;
use crate::upstream::Connector;

/// The name that a key of its own gets.
const VARIABLE: &str = "MOONSHOT_SEARCH_API_KEY";

/// What the configuration shall say.
struct Search {
    base_url: String,
    /// `None` leaves what the file says: where it says nothing another model takes the place of one that is gone.
    model: Option<String>,
    /// Whether it gets a key of its own; else it is found as the configuration tells.
    own_key: bool,
}

/// Sets it up.
///
/// # Errors
/// When the key is not taken, or something cannot be written.
pub(super) async fn set_up(
    args: &Args,
    console: &mut Console<'_>,
    connector: &dyn Connector,
) -> Result<(), Ending> {
    let region = interview::region(args).await?;
    let base_url = args.base_url.clone().unwrap_or_else(|| region.base().to_owned());
    let mut search = Search { base_url, model: args.model.clone(), own_key: false };
    refuse_managed(&search, console)?;
    let settings = search.settings(None, console)?;
    let key = own_key(args, &settings).await?;
    search.own_key = key.is_some();
    let there = search.settings(key.as_ref(), console)?.web_search.keys.into_iter().next();
    let verdict = judge(region, &search.base_url, there.as_ref(), args, connector).await?;
    if !verdict.is_good() {
        let instead = match &verdict {
            Verdict::OtherRegion { right } => {
                Some(format!("moonrelay onboard --section web-search --region {}", right.word()))
            }
            _ => None,
        };
        return Err(verdict.ending(region.choice(), region.name(), instead));
    }
    if !args.non_interactive && search.model.is_none() {
        search.model = model(&verdict, &settings).await?;
    }
    let warnings = doubts(search.model.as_deref(), &verdict, there.as_ref());
    let (secrets, saved, overridden) = write(&search, key.as_ref(), console)?;
    let report = Report {
        what: "web-search",
        provider: "web search".to_owned(),
        said: verdict.words(region.choice(), region.name()),
        check: verdict.json(),
        secrets,
        saved,
        warnings: warnings.into_iter().chain(overridden).collect(),
    };
    report::tell(report, Unit::Left, console, connector).await
}

/// The lines for Nix, where somebody else manages the file.
fn refuse_managed(search: &Search, console: &Console<'_>) -> Result<(), Ending> {
    let Some(managed) = is_managed(&console.location()?.path, &console.environment) else { return Ok(()) };
    let mut document = console.reading()?;
    search.apply(&mut document)?;
    Err(managed::told(managed, Some("MOONSHOT_API_KEY"), &document))
}

/// What is wrong is told before the first file is written; then the key, then the configuration.
fn write(
    search: &Search,
    key: Option<&Secret>,
    console: &Console<'_>,
) -> Result<(Option<Secrets>, Saved, Option<String>), Ending> {
    search.planned(console)?;
    let secrets = key.map(|key| provider::write_key(VARIABLE, key, console)).transpose()?;
    let both = secrets.as_ref().zip(key);
    let overridden = both.and_then(|(secrets, key)| provider::overridden(secrets, key, console));
    let mut document = console.document()?;
    search.apply(&mut document)?;
    let saved = console.save(&document)?;
    Ok((secrets, saved, overridden))
}

/// A key for searching alone: only where it is given, or wanted because there is none.
async fn own_key(args: &Args, settings: &Settings) -> Result<Option<Secret>, Ending> {
    if args.api_key_stdin {
        return super::key::from_stdin().map(Some);
    }
    if args.non_interactive || !settings.web_search.keys.is_empty() {
        return Ok(None);
    }
    match prompt::confirm("There is no key of Moonshot's platform yet. Enter one?", true).await? {
        true => interview::typed("Moonshot's platform").await.map(Some),
        false => Ok(None),
    }
}

async fn judge(
    region: Region,
    base_url: &str,
    key: Option<&Key>,
    args: &Args,
    connector: &dyn Connector,
) -> Result<Verdict, Ending> {
    let Some(key) = key.filter(|_| !args.skip_check) else { return Ok(Verdict::Skipped) };
    let provider = platform(base_url, key)?;
    let other_base = args.other_base_url.as_deref();
    let question = Question { provider: &provider, region: Some(region), other_base };
    Ok(check(&question, connector).await)
}

/// Moonshot's platform at this address, with this key.
fn platform(base_url: &str, key: &Key) -> Result<Provider, Ending> {
    let text =
        json!({ "models": { "providers": { "moonshot": { "baseUrl": base_url, "apiKey": "${K}" } } } });
    let environment: Environment = [("K", key.secret.expose())].into_iter().collect();
    let settings = from_text(&text.to_string(), None, &environment)?;
    let provider = settings.providers.get("moonshot").map(|provider| provider.as_ref().clone());
    provider.ok_or_else(|| Ending::failure("unknown_provider", "the catalog has no provider moonshot"))
}

/// Which model searches: those of the account's list where it was asked, else those of the catalog.
async fn model(verdict: &Verdict, settings: &Settings) -> Result<Option<String>, Ending> {
    let models = match verdict {
        Verdict::Taken { models: Some(listed), .. } => listed.clone(),
        _ => {
            let known =
                builtin().provider("moonshot").map(|known| known.models.as_slice()).unwrap_or_default();
            known.iter().filter(|model| model.retired.is_none()).map(|model| model.id.clone()).collect()
        }
    };
    let usual = match settings.web_search.model_is_chosen {
        true => format!("{}, as the configuration says", settings.web_search.model),
        false => format!("The usual one ({}, while it is served)", settings.web_search.model),
    };
    let answers = std::iter::once(usual).chain(models.iter().cloned()).collect();
    let chosen = prompt::select("Which model searches?", answers).await?;
    Ok(chosen.checked_sub(1).and_then(|chosen| models.into_iter().nth(chosen)))
}

/// What may be wrong with it all the same.
fn doubts(model: Option<&str>, verdict: &Verdict, key: Option<&Key>) -> Vec<String> {
    let mut doubts = Vec::new();
    if key.is_none() {
        let how = "moonrelay onboard --auth-choice moonshot-api-key, or --api-key-stdin here";
        doubts.push(format!("there is no key of Moonshot's platform yet: {how}"));
    }
    let Some(model) = model else { return doubts };
    if let Verdict::Taken { models: Some(listed), .. } = verdict
        && !listed.iter().any(|id| id == model)
    {
        doubts.push(format!("the account's list has no {model}"));
    }
    let known = builtin().provider("moonshot").and_then(|known| known.model(model));
    if let Some(retired) = known.and_then(|known| known.retired.as_ref()) {
        doubts.push(retired.notice(&format!("moonshot/{model}")));
    }
    doubts
}

impl Search {
    /// The file as it would be.
    fn planned(&self, console: &Console<'_>) -> Result<Document, Ending> {
        let mut document = console.reading()?;
        self.apply(&mut document)?;
        document.verify(&console.environment).map_err(|error| refused(&error))?;
        Ok(document)
    }

    /// What the file would come to, were this its own key.
    fn settings(&self, key: Option<&Secret>, console: &Console<'_>) -> Result<Settings, Ending> {
        let document = self.planned(console)?;
        let environment = match key {
            Some(key) => console.environment.with(VARIABLE, key.expose()),
            None => console.environment.clone(),
        };
        Ok(from_text(&document.text(), Some(&console.location()?.path), &environment)?)
    }

    fn apply(&self, document: &mut Document) -> Result<(), Ending> {
        let place = ["plugins", "entries", "moonshot", "config", "webSearch"]
            .iter()
            .fold(KeyPath::default(), |path, key| path.key(key));
        let provider = KeyPath::default().key("tools").key("web").key("search").key("provider");
        let mut set =
            |path: &KeyPath, value: &str| document.set(path, &json!(value)).map_err(|error| refused(&error));
        if self.own_key {
            set(&place.key("apiKey"), &format!("${{{VARIABLE}}}"))?;
        }
        set(&place.key("baseUrl"), &self.base_url)?;
        if let Some(model) = &self.model {
            set(&place.key("model"), model)?;
        }
        set(&provider, "kimi")
    }
}
