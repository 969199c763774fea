//! `failover`, `gateway` and `usage`.

use std::time::Duration;

use super::scope::Scope;
use crate::config::keypath::KeyPath;
use crate::config::keys::{
    AuthMode, Bounded, ClientAuth, Failover, Gateway, MidStream, ReturnToPrimary, SecretSetting, Usage,
    UsageBackend,
};
use crate::config::nearest::format_suggestion;
use crate::config::settings::{Bind, FailoverSettings, GatewaySettings, UsageSettings};
use crate::secret::Secret;

/// More workers than this only help a team; they can be configured.
const MAX_DEFAULT_WORKERS: usize = 4;

pub(super) fn resolve_failover(failover: &Failover, scope: &mut Scope) -> FailoverSettings {
    let settings = FailoverSettings::from(failover);
    if settings.initial_backoff > settings.max_backoff {
        let (first, longest) = (settings.initial_backoff.as_millis(), settings.max_backoff.as_millis());
        scope.error(
            &KeyPath::from_keys(&["failover", "backoff"]),
            format!("the first delay ({first} ms) is longer than the longest ({longest} ms)"),
        );
    }
    settings
}

impl From<&Failover> for FailoverSettings {
    fn from(file: &Failover) -> Self {
        let (cooldown, timeouts) = (&file.cooldown, &file.timeouts);
        let (seconds, milliseconds) = (Duration::from_secs, Duration::from_millis);
        Self {
            attempts_per_target: file.attempts_per_target.get(),
            initial_backoff: milliseconds(file.backoff.initial_ms.0),
            max_backoff: milliseconds(file.backoff.max_ms.0),
            cooldown_steps: cooldown.steps_seconds.iter().flatten().map(|step| seconds(step.0)).collect(),
            billing_cooldown: seconds(cooldown.billing_seconds.0),
            connect_timeout: seconds(timeouts.connect_seconds.0),
            response_header_timeout: seconds(timeouts.head_seconds.0),
            first_token_timeout: seconds(timeouts.first_byte_seconds.0),
            idle_timeout: seconds(timeouts.idle_seconds.0),
            total_timeout: timeouts.total_seconds.map(|limit| seconds(limit.0)),
            keeps_fallback_for_session: file.return_to_primary == ReturnToPrimary::Session,
            hedge_after: file.hedge_after_ms.map(|delay| milliseconds(delay.0)),
            continues_interrupted_streams: file.mid_stream == MidStream::Continue,
            keep_alive_interval: seconds(file.keep_alive_seconds.0),
        }
    }
}

impl Default for FailoverSettings {
    fn default() -> Self {
        Self::from(&Failover::default())
    }
}

pub(super) fn resolve_usage(usage: &Usage) -> UsageSettings {
    UsageSettings {
        is_enabled: usage.store == UsageBackend::Sqlite,
        retention_days: usage.retention_days.get(),
    }
}

impl Default for UsageSettings {
    fn default() -> Self {
        resolve_usage(&Usage::default())
    }
}

impl GatewaySettings {
    fn without_auth(file: &Gateway) -> Self {
        let cores = std::thread::available_parallelism();
        let default_workers = || cores.map_or(1, |cores| cores.get().min(MAX_DEFAULT_WORKERS));
        Self {
            port: file.port,
            bind: Bind::Loopback,
            tokens: Vec::new(),
            body_limit: file.body_limit_mib.get::<usize>() << 20,
            is_reload_enabled: file.reload,
            worker_threads: file.worker_threads.map_or_else(default_workers, Bounded::get),
            has_public_metrics: file.metrics.public,
            start_error: None,
        }
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self::without_auth(&Gateway::default())
    }
}

/// A bind that other machines can reach requires a token.
pub(super) fn resolve_gateway(file: &Gateway, scope: &mut Scope) -> GatewaySettings {
    let mut gateway = GatewaySettings::without_auth(file);
    let path = KeyPath::from_keys(&["gateway", "bind"]);
    match Bind::parse(&file.bind) {
        Some(bind) => gateway.bind = bind,
        None => {
            let hint = format_suggestion(&file.bind, ["loopback", "all"]);
            let message =
                format!("\"{}\" is not one of loopback, all, an IP address, unix:PATH{hint}", file.bind);
            scope.error(&path, message);
        }
    }
    resolve_auth(&file.auth, &mut gateway, scope);
    let has_token = !gateway.tokens.is_empty() || gateway.start_error.is_some();
    let auth_path = KeyPath::from_keys(&["gateway", "auth"]);
    if !gateway.bind.is_local_only() && !has_token && !scope.report.has_error_below(&auth_path) {
        let message = format!(
            "\"{}\" can be reached from other machines, and no token is required: set gateway.auth.token",
            gateway.bind
        );
        scope.error(&path, message);
    }
    gateway
}

fn resolve_auth(auth: &ClientAuth, gateway: &mut GatewaySettings, scope: &mut Scope) {
    if auth.mode == Some(AuthMode::None) {
        return;
    }
    let path = KeyPath::from_keys(&["gateway", "auth"]);
    let mut tokens: Vec<(&str, KeyPath, &SecretSetting)> = Vec::new();
    tokens.extend(auth.token.as_ref().map(|token| ("default", path.join_key("token"), token)));
    let named = auth.tokens.0.iter();
    tokens.extend(named.map(|(name, token)| (name.as_str(), path.join_key("tokens").join_key(name), token)));
    if tokens.is_empty() && auth.mode == Some(AuthMode::Token) && !scope.report.has_error_below(&path) {
        scope.error(&path, "mode is \"token\", but there is no token: set gateway.auth.token");
    }
    for (name, path, setting) in tokens {
        match scope.resolve_secret(setting) {
            Ok((token, _)) => add_token(name, token, &path, gateway, scope),
            Err(missing) => {
                gateway.start_error.get_or_insert(format!("{path}: {missing}"));
                let message = format!("{missing}, so the gateway does not start");
                scope.warn_other(&path, "missing_client_token", message);
            }
        }
    }
}

/// A token identifies the client, so no two clients can have the same one. A header carries no white space at the
/// ends of a token, and clients encode non-ASCII characters differently.
fn add_token(name: &str, token: Secret, path: &KeyPath, gateway: &mut GatewaySettings, scope: &mut Scope) {
    let text = token.expose();
    if text.trim() != text || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        let message = "no client can send this token: it has non-ASCII characters, or white space at an end";
        return scope.error(path, message);
    }
    match gateway.tokens.iter().find(|(_, known)| *known == token) {
        Some((other, _)) => {
            scope.error(path, format!("\"{other}\" has the same token: use another one for each client"));
        }
        None => gateway.tokens.push((name.to_owned(), token)),
    }
}
