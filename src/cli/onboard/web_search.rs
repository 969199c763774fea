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

/// What searches unless somebody says otherwise, in this order: the cheapest first. The platform is said to end K2.6
/// with the year 2026, and to hide it from accounts opened since November (wire.md 1.2), so the account's own list
/// decides where it was asked.
const MODELS: [&str; 2] = ["kimi-k2.6", "kimi-k3"];

/// What the configuration shall say.
struct Search {
    base_url: String,
    model: String,
    /// `None`: it is looked for as `plugins.entries.moonshot.config.webSearch.apiKey` tells.
    api_key: Option<String>,
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
    refuse_managed(&base_url, args, console)?;
    let settings =
        from_text(&console.reading()?.text(), Some(&console.location()?.path), &console.environment)?;
    let key = own_key(args, &settings).await?;
    let (there, api_key) = match &key {
        Some(key) => {
            let origin = "standard input".to_owned();
            (Some(Key { secret: key.clone(), origin }), Some(format!("${{{VARIABLE}}}")))
        }
        None => found(&settings),
    };
    let verdict = judge(region, &base_url, there.as_ref(), args, connector).await?;
    if !verdict.is_good() {
        let instead = match &verdict {
            Verdict::OtherRegion { right } => {
                Some(format!("moonrelay onboard --section web-search --region {}", right.word()))
            }
            _ => None,
        };
        return Err(verdict.ending(region.choice(), region.name(), instead));
    }
    let model = model(args, &verdict).await?;
    let warnings = doubts(&model, &verdict, there.as_ref());
    let search = Search { base_url, model, api_key };
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
fn refuse_managed(base_url: &str, args: &Args, console: &Console<'_>) -> Result<(), Ending> {
    let Some(managed) = is_managed(&console.location()?.path, &console.environment) else { return Ok(()) };
    let model = args.model.clone().unwrap_or_else(|| MODELS[0].to_owned());
    let mut document = console.reading()?;
    Search { base_url: base_url.to_owned(), model, api_key: None }.apply(&mut document)?;
    Err(managed::told(managed, Some("MOONSHOT_API_KEY"), &document))
}

/// What is wrong is told before the first file is written; then the key, then the configuration.
fn write(
    search: &Search,
    key: Option<&Secret>,
    console: &Console<'_>,
) -> Result<(Option<Secrets>, Saved, Option<String>), Ending> {
    let mut document = console.reading()?;
    search.apply(&mut document)?;
    document.verify(&console.environment).map_err(|error| refused(&error))?;
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
    if args.non_interactive || found(settings).0.is_some() {
        return Ok(None);
    }
    match prompt::confirm("There is no key of Moonshot's platform. Enter one?", true).await? {
        true => interview::typed("Moonshot's platform").await.map(Some),
        false => Ok(None),
    }
}

/// The key that is there, and what `apiKey` has to say for it. One of Kimi Code is none of the platform's (wire.md 2.1):
/// then it is the provider's.
fn found(settings: &Settings) -> (Option<Key>, Option<String>) {
    let is_platform = |key: &&Key| !key.secret.expose().starts_with("sk-kimi-");
    if let Some(key) = settings.web_search.keys.first().filter(is_platform) {
        return (Some(key.clone()), None);
    }
    let own = settings.providers.get("moonshot").and_then(|provider| provider.keys.first());
    match own.filter(is_platform) {
        // Named, so that Kimi Code's is not taken before it.
        Some(key) if key.origin.ends_with("MOONSHOT_API_KEY") => (
            Some(key.clone()),
            (!settings.web_search.keys.is_empty()).then(|| "${MOONSHOT_API_KEY}".to_owned()),
        ),
        _ => (None, None),
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
    let settings = from_text(&text.to_string(), None, &environment).map_err(|invalid| {
        let why = invalid.issues.first().map(|issue| issue.message.clone()).unwrap_or_default();
        Ending::usage(format!("--base-url: {why}"))
    })?;
    let provider = settings.providers.get("moonshot").map(|provider| provider.as_ref().clone());
    provider.ok_or_else(|| Ending::failure("unknown_provider", "the catalog has no provider moonshot"))
}

async fn model(args: &Args, verdict: &Verdict) -> Result<String, Ending> {
    if let Some(model) = &args.model {
        return Ok(model.clone());
    }
    let usual = match verdict {
        Verdict::Taken { models: Some(listed), .. } => {
            MODELS.into_iter().find(|model| listed.iter().any(|id| id == model)).unwrap_or(MODELS[0])
        }
        _ => MODELS[0],
    };
    match args.non_interactive {
        true => Ok(usual.to_owned()),
        false => prompt::text("Model that searches", Some(usual.to_owned())).await,
    }
}

/// What may be wrong with it all the same.
fn doubts(model: &str, verdict: &Verdict, key: Option<&Key>) -> Vec<String> {
    let mut doubts = Vec::new();
    if key.is_none() {
        doubts.push(
            "there is no key yet: moonrelay onboard --auth-choice moonshot-api-key, or --api-key-stdin here"
                .to_owned(),
        );
    }
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
    fn apply(&self, document: &mut Document) -> Result<(), Ending> {
        let place = ["plugins", "entries", "moonshot", "config", "webSearch"]
            .iter()
            .fold(KeyPath::default(), |path, key| path.key(key));
        let provider = KeyPath::default().key("tools").key("web").key("search").key("provider");
        let mut set =
            |path: &KeyPath, value: &str| document.set(path, &json!(value)).map_err(|error| refused(&error));
        if let Some(key) = &self.api_key {
            set(&place.key("apiKey"), key)?;
        }
        set(&place.key("baseUrl"), &self.base_url)?;
        set(&place.key("model"), &self.model)?;
        set(&provider, "kimi")
    }
}
