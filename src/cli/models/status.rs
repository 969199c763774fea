//! `models status`: keys and their sources, why a provider is disabled, and active cooldowns.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::cooldowns::GatewayCooldowns;
use super::probe::ProbeResult;
use crate::cli::console::{Console, render_table};
use crate::cli::exit::CommandError;
use crate::config::settings::{Auth, Provider, Settings};

/// Prints it. Keys are masked.
///
/// # Errors
/// When probes were made and no target answered, or the output is gone.
pub(super) fn print(
    settings: &Settings,
    gateway: &GatewayCooldowns,
    probed: Option<&[ProbeResult]>,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    print_text(settings, gateway, probed, console)?;
    match probed {
        Some(probed) if !probed.iter().any(ProbeResult::is_ok) => Err(CommandError::silent()),
        _ => Ok(()),
    }
}

fn print_text(
    settings: &Settings,
    gateway: &GatewayCooldowns,
    probed: Option<&[ProbeResult]>,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let mut chain = settings.default_chain.references.iter().map(ToString::to_string);
    let primary = chain.next();
    let fallbacks: Vec<String> = chain.collect();
    if console.json {
        let mut value = as_json(settings, gateway, primary, &fallbacks);
        if let (Some(probed), Some(object)) = (probed, value.as_object_mut()) {
            object.insert("probes".to_owned(), probed.iter().map(ProbeResult::to_json).collect());
        }
        return console.print_json(&value);
    }
    match &settings.path {
        Some(path) => console.print_line(format_args!("configuration  {}", path.display()))?,
        None => console.print_line("configuration  none: the built-in catalog serves")?,
    }
    let none = "none: no provider has a key";
    console.print_line(format_args!("primary        {}", primary.as_deref().unwrap_or(none)))?;
    if !fallbacks.is_empty() {
        console.print_line(format_args!("fallbacks      {}", fallbacks.join(", ")))?;
    }
    console.print_line(format_args!("gateway        {}", gateway.describe()))?;
    console.print_line("")?;
    let rows: Vec<Vec<String>> =
        settings.providers.values().map(|provider| provider_cells(provider, gateway)).collect();
    console.print_line(render_table(&["Provider", "State", "Address", "Keys"], &rows).trim_end())?;
    if let Some(probed) = probed {
        let rows: Vec<Vec<String>> = probed.iter().map(ProbeResult::to_cells).collect();
        console.print_line("")?;
        console.print_line(render_table(&["Target", "Key", "Result", "Took", ""], &rows).trim_end())?;
    }
    for warning in &settings.warnings {
        console.print_line(format_args!("warning: {}: {}", warning.path, warning.message))?;
    }
    Ok(())
}

fn as_json(
    settings: &Settings,
    gateway: &GatewayCooldowns,
    primary: Option<String>,
    fallbacks: &[String],
) -> Value {
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
        "gateway": gateway.to_json(),
        "providers": providers,
        "warnings": warnings,
    })
}

fn provider_json(provider: &Provider, gateway: &GatewayCooldowns) -> Value {
    let keys: Vec<Value> =
        masked_keys(provider).map(|(masked, origin)| json!({ "key": masked, "origin": origin })).collect();
    let mut value = json!({
        "id": provider.id,
        "state": provider_state(provider),
        "configured": provider.is_configured,
        "baseUrl": provider.apis.first().map(|(_, base)| base),
        "keys": keys,
    });
    if let (Some((masked, expires)), Some(object)) = (login_key(provider), value.as_object_mut()) {
        let expires = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        object.insert("login".to_owned(), json!({ "key": masked, "expiresAt": u64::try_from(expires).ok() }));
    }
    match (&provider.disabled_reason, gateway.cooldown(&provider.id), value.as_object_mut()) {
        (Some(why), _, Some(object)) => {
            object.insert("reason".to_owned(), json!(why));
        }
        // Same text as `gateway status`.
        (None, Some(rest), Some(object)) => {
            object.insert("state".to_owned(), json!("cooling_down"));
            object.insert("cooldownUntil".to_owned(), json!(rest.until));
            object.insert("reason".to_owned(), json!(rest.reason));
        }
        _ => {}
    }
    value
}

const fn provider_state(provider: &Provider) -> &'static str {
    if provider.disabled_reason.is_some() { "off" } else { "on" }
}

/// Masked, and where each came from.
fn masked_keys(provider: &Provider) -> impl Iterator<Item = (String, String)> {
    let real = provider.keys.iter().filter(|_| provider.auth != Auth::None);
    real.map(|key| (provider.mask_key(key), key.origin.to_string()))
}

/// The key of now of a login, and when it ends.
fn login_key(provider: &Provider) -> Option<(String, SystemTime)> {
    let login = provider.login_file.as_ref()?.read().ok()?;
    Some((login.access_token.masked(), login.expires_at))
}

/// When a login's key ends, for people.
fn format_expiry(expires: SystemTime, now: SystemTime) -> String {
    match expires.duration_since(now) {
        Ok(left) => format!("good for {} min", left.as_secs().div_ceil(60)),
        Err(_) => "refreshed at its next use".to_owned(),
    }
}

fn provider_cells(provider: &Provider, gateway: &GatewayCooldowns) -> Vec<String> {
    let mut keys: Vec<String> =
        masked_keys(provider).map(|(masked, origin)| format!("{masked} ({origin})")).collect();
    if let Some((masked, expires)) = login_key(provider) {
        keys.push(format!("now {masked}, {}", format_expiry(expires, SystemTime::now())));
    }
    let last = match (&provider.disabled_reason, keys.is_empty()) {
        (Some(why), _) => why.clone(),
        (None, true) => "needs none".to_owned(),
        (None, false) => keys.join(", "),
    };
    let base = provider.apis.first().map_or("-", |(_, base)| base.as_str());
    let state = match gateway.cooldown(&provider.id).filter(|_| provider.disabled_reason.is_none()) {
        Some(rest) => rest.describe(SystemTime::now()),
        None => provider_state(provider).to_owned(),
    };
    vec![provider.id.clone(), state, base.to_owned(), last]
}
