//! A provider from the first question to the last word: everything is looked at before anything is written.

use super::check::{Question, Verdict, check};
use super::choice::Choice;
use super::report::{Report, Secrets};
use super::setup::Setup;
use super::{Args, chain, interview, managed, prompt, report, unit};
use crate::cli::console::{Console, refused};
use crate::cli::exit::Ending;
use crate::config::edit::{Document, EditError, set_secret};
use crate::config::from_text;
use crate::config::settings::{Auth, Provider, Settings};
use crate::secret::Secret;
use crate::upstream::Connector;

/// What is known when nothing was written yet.
struct Ready {
    choice: Choice,
    setup: Setup,
    /// `None`: the one that is there stays.
    key: Option<Secret>,
    verdict: Verdict,
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
) -> Result<(), Ending> {
    let setup = interview::setup(choice, args).await?;
    managed::refuse(&setup, console)?;
    let mut ready = prepare(choice, setup, args, console, connector).await?;
    // What would be wrong is told before the first file is written.
    let (document, settings) = planned(&ready, console)?;
    document.verify(&console.environment).map_err(|error| refused(&error))?;
    if !args.non_interactive && !args.primary {
        ready.setup.primary = ask_first(&ready.setup, &settings, console).await?;
    }
    let report = write(&ready, console)?;
    let unit = unit::offer(args, console).await;
    report::tell(report, unit, console, connector).await
}

/// Asks for the key, and the provider whether it takes it, until it does or somebody gives up.
async fn prepare(
    choice: Choice,
    setup: Setup,
    args: &Args,
    console: &Console<'_>,
    connector: &dyn Connector,
) -> Result<Ready, Ending> {
    let (mut choice, mut setup) = (choice, setup);
    let there = provider(&setup, None, console)?;
    let there = there.keys.first().filter(|_| there.auth != Auth::None && there.off.is_none());
    let mut key = match setup.keyless() {
        true => None,
        false => interview::key(args, name(choice, &setup), there).await?,
    };
    loop {
        let verdict = judge(choice, &setup, key.as_ref(), args, console, connector).await?;
        if verdict.is_good() {
            return Ok(Ready { choice, setup, key, verdict });
        }
        if args.non_interactive {
            let instead =
                verdict.right().map(|right| format!("moonrelay onboard --auth-choice {}", right.word()));
            return Err(verdict.ending(choice, name(choice, &setup), instead));
        }
        match remedy(&verdict, choice, &setup).await? {
            Remedy::Another => key = Some(interview::typed(name(choice, &setup)).await?),
            Remedy::AllTheSame => {
                let why = verdict.words(choice, name(choice, &setup));
                return Ok(Ready { choice, setup, key, verdict: Verdict::Unjudged { why } });
            }
            Remedy::As(other) => {
                choice = other;
                setup = interview::setup(other, args).await?;
            }
        }
    }
}

async fn judge(
    choice: Choice,
    setup: &Setup,
    key: Option<&Secret>,
    args: &Args,
    console: &Console<'_>,
    connector: &dyn Connector,
) -> Result<Verdict, Ending> {
    if args.skip_check {
        return Ok(Verdict::Skipped);
    }
    let provider = provider(setup, key, console)?;
    let question =
        Question { provider: &provider, region: choice.region(), other_base: args.other_base_url.as_deref() };
    Ok(check(&question, connector).await)
}

/// What to do about a key that is not taken.
enum Remedy {
    Another,
    AllTheSame,
    As(Choice),
}

async fn remedy(verdict: &Verdict, choice: Choice, setup: &Setup) -> Result<Remedy, Ending> {
    let mut remedies = Vec::new();
    let right = match verdict {
        // Behind a proxy the other site is not where this one is.
        Verdict::OtherRegion { right } if setup.base_url.is_none() => Some(right.choice()),
        _ => None,
    };
    if let Some(right) = right {
        remedies.push((format!("Set it up as {}", right.word()), Remedy::As(right)));
    }
    remedies.push(("Enter another key".to_owned(), Remedy::Another));
    remedies.push(("Write it all the same".to_owned(), Remedy::AllTheSame));
    let question = verdict.words(choice, name(choice, setup));
    let chosen = prompt::select(&question, remedies.iter().map(|(words, _)| words.clone()).collect()).await?;
    remedies.into_iter().nth(chosen).map(|(_, remedy)| remedy).ok_or_else(prompt::cancelled)
}

/// How messages call it.
fn name(choice: Choice, setup: &Setup) -> &str {
    match choice {
        Choice::KimiCodeApiKey => "Kimi Code",
        Choice::MoonshotApiKey => "Moonshot's international platform",
        Choice::MoonshotApiKeyCn => "Moonshot's China platform",
        Choice::OpenrouterApiKey => "OpenRouter",
        Choice::Custom => &setup.id,
    }
}

/// The file as it would be, with the provider in it and nothing else changed.
fn with_provider(setup: &Setup, new_key: bool, console: &Console<'_>) -> Result<Document, Ending> {
    let mut document = console.reading()?;
    setup.apply(new_key, &mut document).map_err(|error| refused(&error))?;
    match document.verify(&console.environment) {
        // What Nix would have to say is told elsewhere, with more of it.
        Ok(()) | Err(EditError::Managed(_)) => Ok(document),
        Err(error) => Err(refused(&error)),
    }
}

/// What a file would come to, were this the key.
pub(super) fn settings_of(
    setup: &Setup,
    key: Option<&Secret>,
    document: &Document,
    console: &Console<'_>,
) -> Result<Settings, Ending> {
    let environment = match key {
        Some(key) => console.environment.with(&setup.variable(document).name, key.expose()),
        None => console.environment.clone(),
    };
    Ok(from_text(&document.text(), Some(&console.location()?.path), &environment)?)
}

/// The provider as it would be called.
fn provider(setup: &Setup, key: Option<&Secret>, console: &Console<'_>) -> Result<Provider, Ending> {
    let document = with_provider(setup, key.is_some(), console)?;
    let settings = settings_of(setup, key, &document, console)?;
    let provider = settings.providers.get(&setup.id).map(|provider| provider.as_ref().clone());
    let mut provider = provider
        .ok_or_else(|| Ending::failure("unknown_provider", format!("there is no provider {}", setup.id)))?;
    // Of several keys it is the new one that is asked about.
    if let Some(key) = key {
        provider.keys.retain(|known| known.secret == *key);
    }
    Ok(provider)
}

/// The whole change, not written yet.
fn planned(ready: &Ready, console: &Console<'_>) -> Result<(Document, Settings), Ending> {
    let mut document = console.reading()?;
    let settings = plan(ready, &mut document, console)?;
    Ok((document, settings))
}

fn plan(ready: &Ready, document: &mut Document, console: &Console<'_>) -> Result<Settings, Ending> {
    ready.setup.apply(ready.key.is_some(), document).map_err(|error| refused(&error))?;
    let settings = settings_of(&ready.setup, ready.key.as_ref(), document, console)?;
    let chosen = chain::reference(&ready.setup, &settings)?;
    chain::apply(&ready.setup, &chosen, &settings, document)?;
    Ok(settings)
}

/// Whether it shall be asked first, where another one is.
async fn ask_first(setup: &Setup, settings: &Settings, console: &Console<'_>) -> Result<bool, Ending> {
    let Some(first) = settings.default_chain.references.first() else { return Ok(false) };
    // Where there is no chain yet it is asked first anyway.
    if !chain::is_written(&console.reading()?) {
        return Ok(false);
    }
    if first.provider == setup.id
        || settings.providers.get(&first.provider).is_none_or(|other| other.off.is_some())
    {
        return Ok(false);
    }
    prompt::confirm(&format!("{first} is asked first. Ask {} before it?", setup.id), false).await
}

/// The key first: a gateway that sees the new configuration finds it.
fn write(ready: &Ready, console: &Console<'_>) -> Result<Report, Ending> {
    let (setup, mut warnings) = (&ready.setup, Vec::new());
    let mut secrets = None;
    if let Some(key) = &ready.key {
        let before = console.reading()?;
        let written = write_key(&setup.variable(&before).name, key, console)?;
        if setup.replaces_key(&before) {
            let (id, name) = (&setup.id, &written.name);
            warnings.push(format!("apiKey of provider {id} was something else; it is ${{{name}}} now"));
        }
        warnings.extend(overridden(&written, key, console));
        secrets = Some(written);
    }
    let mut document = console.document()?;
    plan(ready, &mut document, console)?;
    let saved = console.save(&document)?;
    drop(document);
    Ok(Report {
        what: ready.choice.word(),
        provider: setup.id.clone(),
        said: ready.verdict.words(ready.choice, name(ready.choice, setup)),
        check: ready.verdict.json(),
        secrets,
        saved,
        warnings,
    })
}

/// Writes a key into the file with secrets.
pub(super) fn write_key(name: &str, key: &Secret, console: &Console<'_>) -> Result<Secrets, Ending> {
    let path = console.environment.secrets_file();
    let path = path.ok_or_else(|| Ending::failure("no_home", "no place for the key: set HOME"))?;
    let changed = set_secret(&path, name, key, &console.environment).map_err(|error| refused(&error))?;
    Ok(Secrets { path, name: name.to_owned(), changed })
}

/// A variable of this shell wins over the file.
pub(super) fn overridden(secrets: &Secrets, key: &Secret, console: &Console<'_>) -> Option<String> {
    let name = &secrets.name;
    let is_other = console.environment.get(name)?.trim() != key.expose();
    is_other.then(|| {
        format!("{name} is set to something else in this shell, which wins over the file: unset {name}")
    })
}
