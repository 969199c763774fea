//! `models status`: keys, where they came from, why a provider is off, and until when one rests.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::probe::Probed;
use super::rests::Gateway;
use crate::cli::console::{Console, table};
use crate::cli::exit::Ending;
use crate::config::settings::{Auth, Provider, Settings};

/// Prints it. Keys are masked.
///
/// # Errors
/// When probes were made and no target answered, or the output is gone.
pub(super) fn print(
    settings: &Settings,
    gateway: &Gateway,
    probed: Option<&[Probed]>,
    console: &mut Console<'_>,
) -> Result<(), Ending> {
    tell(settings, gateway, probed, console)?;
    match probed {
        Some(probed) if !probed.iter().any(Probed::is_ok) => Err(Ending::silent()),
        _ => Ok(()),
    }
}

fn tell(
    settings: &Settings,
    gateway: &Gateway,
    probed: Option<&[Probed]>,
    console: &mut Console<'_>,
) -> Result<(), Ending> {
    let mut chain = settings.default_chain.references.iter().map(ToString::to_string);
    let primary = chain.next();
    let fallbacks: Vec<String> = chain.collect();
    if console.json {
        let mut value = as_json(settings, gateway, primary, &fallbacks);
        if let (Some(probed), Some(object)) = (probed, value.as_object_mut()) {
            object.insert("probes".to_owned(), probed.iter().map(Probed::json).collect());
        }
        return console.print_json(&value);
    }
    match &settings.path {
        Some(path) => console.line(format_args!("configuration  {}", path.display()))?,
        None => console.line("configuration  none: the built-in catalog serves")?,
    }
    let none = "none: no provider has a key";
    console.line(format_args!("primary        {}", primary.as_deref().unwrap_or(none)))?;
    if !fallbacks.is_empty() {
        console.line(format_args!("fallbacks      {}", fallbacks.join(", ")))?;
    }
    console.line(format_args!("gateway        {}", gateway.describe()))?;
    console.line("")?;
    let rows: Vec<Vec<String>> =
        settings.providers.values().map(|provider| cells(provider, gateway)).collect();
    console.line(table(&["Provider", "State", "Address", "Keys"], &rows).trim_end())?;
    if let Some(probed) = probed {
        let rows: Vec<Vec<String>> = probed.iter().map(Probed::cells).collect();
        console.line("")?;
        console.line(table(&["Target", "Key", "Result", "Took", ""], &rows).trim_end())?;
    }
    for warning in &settings.warnings {
        console.line(format_args!("warning: {}: {}", warning.path, warning.message))?;
    }
    Ok(())
}

fn as_json(settings: &Settings, gateway: &Gateway, primary: Option<String>, fallbacks: &[String]) -> Value {
    let providers: Vec<Value> =
        settings.providers.values().map(|provider| provider_json(provider, gateway)).collect();
    let aliases: serde_json::Map<String, Value> =
        settings.aliases.iter().map(|(alias, meant)| (alias.clone(), json!(meant.to_string()))).collect();
    let warnings: Vec<Value> = settings
        .warnings
        .iter()
        .map(|warning| json!({ "path": warning.path, "kind": warning.kind.as_str(), "message": warning.message }))
        .collect();
    json!({
        "config": settings.path,
        "primary": primary,
        "fallbacks": fallbacks,
        "aliases": aliases,
        "gateway": gateway.json(),
        "providers": providers,
        "warnings": warnings,
    })
}

fn provider_json(provider: &Provider, gateway: &Gateway) -> Value {
    let keys: Vec<Value> =
        keys(provider).map(|(masked, origin)| json!({ "key": masked, "origin": origin })).collect();
    let mut value = json!({
        "id": provider.id,
        "state": state(provider),
        "configured": provider.configured,
        "baseUrl": provider.faces.first().map(|(_, base)| base),
        "keys": keys,
    });
    if let (Some((masked, expires)), Some(object)) = (login(provider), value.as_object_mut()) {
        let expires = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        object.insert("login".to_owned(), json!({ "key": masked, "expiresAt": u64::try_from(expires).ok() }));
    }
    match (&provider.off, gateway.rest(&provider.id), value.as_object_mut()) {
        (Some(why), _, Some(object)) => {
            object.insert("reason".to_owned(), json!(why));
        }
        // As `gateway status` tells it.
        (None, Some(rest), Some(object)) => {
            object.insert("state".to_owned(), json!("cooling_down"));
            object.insert("cooldownUntil".to_owned(), json!(rest.until));
            object.insert("reason".to_owned(), json!(rest.reason));
        }
        _ => {}
    }
    value
}

const fn state(provider: &Provider) -> &'static str {
    if provider.off.is_some() { "off" } else { "on" }
}

/// Masked, and where each came from.
fn keys(provider: &Provider) -> impl Iterator<Item = (String, String)> {
    let real = provider.keys.iter().filter(|_| provider.auth != Auth::None);
    real.map(|key| (provider.masked(key), key.origin.to_string()))
}

/// The key of now of a login, and when it ends.
fn login(provider: &Provider) -> Option<(String, SystemTime)> {
    let login = provider.login.as_ref()?.read().ok()?;
    Some((login.access.masked(), login.expires))
}

/// When a login's key ends, for people.
fn ends(expires: SystemTime, now: SystemTime) -> String {
    match expires.duration_since(now) {
        Ok(left) => format!("good for {} min", left.as_secs().div_ceil(60)),
        Err(_) => "refreshed at its next use".to_owned(),
    }
}

fn cells(provider: &Provider, gateway: &Gateway) -> Vec<String> {
    let mut keys: Vec<String> =
        keys(provider).map(|(masked, origin)| format!("{masked} ({origin})")).collect();
    if let Some((masked, expires)) = login(provider) {
        keys.push(format!("now {masked}, {}", ends(expires, SystemTime::now())));
    }
    let last = match (&provider.off, keys.is_empty()) {
        (Some(why), _) => why.clone(),
        (None, true) => "needs none".to_owned(),
        (None, false) => keys.join(", "),
    };
    let base = provider.faces.first().map_or("-", |(_, base)| base.as_str());
    let state = match gateway.rest(&provider.id).filter(|_| provider.off.is_none()) {
        Some(rest) => rest.describe(SystemTime::now()),
        None => state(provider).to_owned(),
    };
    vec![provider.id.clone(), state, base.to_owned(), last]
}
