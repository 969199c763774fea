//! `/status`: the card.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::chat_loop::Chat;
use super::footer::{format_tokens, format_total};
use super::model_commands::{CommandOutcome, context_window, describe_model};
use super::session_commands::context_tokens;
use crate::assistant::session::SessionUsage;
use crate::cli::models::cooldowns::{ProviderCooldown, parse_cooldowns};
use crate::cli::usage::number_format::{format_compact, format_wait};
use crate::config::settings::{Auth, Reference};

impl Chat {
    /// `/status`.
    pub(super) async fn show_status(&mut self) -> CommandOutcome {
        let (spent, context) = match self.lock_session().await {
            Ok(session) => (session.usage(), context_tokens(&session)),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let gateway = self.gateway_context.fetch_status(&self.settings).await;
        let mut rows = vec![("moonrelay", self.gateway_text(gateway.as_ref()))];
        let chain = self.active_chain().references;
        if let Some((first, fallbacks)) = chain.split_first() {
            let rests = |reference: &Reference| cooldown_text(gateway.as_ref(), reference);
            rows.push(("model", format!("{}{}", describe_model(&self.settings, first), rests(first))));
            rows.push(("key", self.key_text(first)));
            let fallbacks: Vec<String> = fallbacks.iter().map(|one| format!("{one}{}", rests(one))).collect();
            let fallbacks = if fallbacks.is_empty() { "none".to_owned() } else { fallbacks.join(", ") };
            rows.push(("fallbacks", fallbacks));
        }
        rows.push(("thinking", self.thinking_text()));
        rows.push(("tokens", format!("{}{}", format_tokens(&spent.tokens), cache_share_text(&spent))));
        rows.push(("cost", format_total(&spent)));
        rows.push((
            "context",
            context_share_text(
                context,
                chain.first().and_then(|first| context_window(&self.settings, first)),
            ),
        ));
        rows.push(("session", self.id.clone()));
        let lines: Vec<String> = rows.iter().map(|(name, text)| format!("{name:<10} {text}")).collect();
        Ok(Ok(self.print_reply(&lines.join("\n"))?))
    }

    fn gateway_text(&self, gateway: Option<&Result<Value, String>>) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match (&self.gateway_context.address, gateway) {
            (Some(address), Some(Ok(status))) => {
                let up = status.get("uptimeSeconds").and_then(Value::as_u64).unwrap_or_default();
                let its = status.get("version").and_then(Value::as_str).unwrap_or("?");
                let its = if its == version { String::new() } else { format!(" (version {its})") };
                format!("{version}, gateway {address}{its} up {}", format_wait(Duration::from_secs(up)))
            }
            (Some(address), Some(Err(why))) => format!("{version}, no gateway answers on {address}: {why}"),
            _ => format!("{version}, providers are called from here (--local)"),
        }
    }

    /// The first key of a provider, masked, and where it came from.
    fn key_text(&self, reference: &Reference) -> String {
        let there =
            if self.gateway_context.address.is_some() { " here; the gateway may have its own" } else { "" };
        let Some(provider) = self.settings.providers.get(&reference.provider) else {
            return format!("unknown{there}");
        };
        match provider.keys.first() {
            _ if provider.auth == Auth::None => "none is needed".to_owned(),
            Some(key) => format!("{} ({})", key.secret.masked(), key.origin),
            None => format!("none{there}"),
        }
    }

    fn thinking_text(&self) -> String {
        match (self.thinking, self.settings.default_thinking) {
            (Some(level), _) => self.thinking_level_name(level).to_owned(),
            (None, Some(level)) => format!("{} (default)", self.thinking_level_name(level)),
            (None, None) => "default".to_owned(),
        }
    }
}

/// The cooldown suffix, or an empty string.
fn cooldown_text(gateway: Option<&Result<Value, String>>, reference: &Reference) -> String {
    let Some(Ok(status)) = gateway else { return String::new() };
    let told = |rest: &ProviderCooldown| format!(", {}", rest.describe(SystemTime::now()));
    parse_cooldowns(status).get(&reference.provider).map(told).unwrap_or_default()
}

/// Which part of the input a provider's cache gave.
fn cache_share_text(spent: &SessionUsage) -> String {
    let of = spent.tokens;
    let input = of.input.saturating_add(of.cache_read).saturating_add(of.cache_write);
    match of.cache_read.saturating_mul(100).checked_div(input) {
        Some(percent) if of.cache_read > 0 => format!("; {percent} % of the input from the cache"),
        _ => String::new(),
    }
}

/// `12.0k of 262k (4 %)`.
fn context_share_text(used: u64, window: Option<u64>) -> String {
    match window.map(|window| (window, used.saturating_mul(100).checked_div(window).unwrap_or_default())) {
        Some((window, percent)) => {
            format!("{} of {} ({percent} %)", format_compact(used), format_compact(window))
        }
        None => format_compact(used),
    }
}
