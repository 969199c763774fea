//! `/status`: the card.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::footer::{costs, tokens};
use super::model::{Told, named, window};
use super::past::used;
use super::talk::Talk;
use crate::assistant::session::Total;
use crate::cli::models::rests::{Rest, rests};
use crate::cli::usage::figure::{compact, wait};
use crate::config::settings::{Auth, Reference};

impl Talk {
    /// `/status`.
    pub(super) async fn status(&mut self) -> Told {
        let (spent, context) = match self.hold().await {
            Ok(session) => (session.spent(), used(&session)),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let gateway = self.world.asked(&self.settings).await;
        let mut rows = vec![("moonrelay", self.running(gateway.as_ref()))];
        let chain = self.chain().references;
        if let Some((first, fallbacks)) = chain.split_first() {
            let rests = |reference: &Reference| rest(gateway.as_ref(), reference);
            rows.push(("model", format!("{}{}", named(&self.settings, first), rests(first))));
            rows.push(("key", self.key(first)));
            let fallbacks: Vec<String> = fallbacks.iter().map(|one| format!("{one}{}", rests(one))).collect();
            let fallbacks = if fallbacks.is_empty() { "none".to_owned() } else { fallbacks.join(", ") };
            rows.push(("fallbacks", fallbacks));
        }
        rows.push(("thinking", self.thinks()));
        rows.push(("tokens", format!("{}{}", tokens(&spent.tokens), cached(&spent))));
        rows.push(("cost", costs(&spent)));
        rows.push(("context", share(context, chain.first().and_then(|first| window(&self.settings, first)))));
        rows.push(("session", self.id.clone()));
        let lines: Vec<String> = rows.iter().map(|(name, text)| format!("{name:<10} {text}")).collect();
        Ok(Ok(self.say(&lines.join("\n"))?))
    }

    fn running(&self, gateway: Option<&Result<Value, String>>) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match (&self.world.gateway, gateway) {
            (Some(address), Some(Ok(status))) => {
                let up = status.get("uptimeSeconds").and_then(Value::as_u64).unwrap_or_default();
                let its = status.get("version").and_then(Value::as_str).unwrap_or("?");
                let its = if its == version { String::new() } else { format!(" (version {its})") };
                format!("{version}, gateway {address}{its} up {}", wait(Duration::from_secs(up)))
            }
            (Some(address), Some(Err(why))) => format!("{version}, no gateway answers on {address}: {why}"),
            _ => format!("{version}, providers are called from here (--local)"),
        }
    }

    /// The first key of a provider, masked, and where it came from.
    fn key(&self, reference: &Reference) -> String {
        let there = if self.world.gateway.is_some() { " here; the gateway may have its own" } else { "" };
        let Some(provider) = self.settings.providers.get(&reference.provider) else {
            return format!("unknown{there}");
        };
        match provider.keys.first() {
            _ if provider.auth == Auth::None => "none is needed".to_owned(),
            Some(key) => format!("{} ({})", key.secret.masked(), key.origin),
            None => format!("none{there}"),
        }
    }

    fn thinks(&self) -> String {
        match (self.thinking, self.settings.thinking_default) {
            (Some(level), _) => self.word(level).to_owned(),
            (None, Some(level)) => format!("{} (default)", self.word(level)),
            (None, None) => "default".to_owned(),
        }
    }
}

/// ` (rests for 42 s (rate_limit))`, or nothing.
fn rest(gateway: Option<&Result<Value, String>>, reference: &Reference) -> String {
    let Some(Ok(status)) = gateway else { return String::new() };
    let told = |rest: &Rest| format!(", {}", rest.describe(SystemTime::now()));
    rests(status).get(&reference.provider).map(told).unwrap_or_default()
}

/// Which part of the input a provider's cache gave.
fn cached(spent: &Total) -> String {
    let of = spent.tokens;
    let input = of.input.saturating_add(of.cache_read).saturating_add(of.cache_write);
    match of.cache_read.saturating_mul(100).checked_div(input) {
        Some(percent) if of.cache_read > 0 => format!("; {percent} % of the input from the cache"),
        _ => String::new(),
    }
}

/// `12.0k of 262k (4 %)`.
fn share(used: u64, window: Option<u64>) -> String {
    match window.map(|window| (window, used.saturating_mul(100).checked_div(window).unwrap_or_default())) {
        Some((window, percent)) => format!("{} of {} ({percent} %)", compact(used), compact(window)),
        None => compact(used),
    }
}
