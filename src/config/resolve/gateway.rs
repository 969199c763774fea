//! `gateway`: listen address and client tokens.

use super::Scope;
use crate::config::file::Cursor;
use crate::config::interpolate::SecretLookup;
use crate::config::nearest::format_suggestion;
use crate::config::settings::{Bind, GatewaySettings, WarningKind};
use crate::secret::Secret;

/// Reads it. A bind that others can reach needs a token.
pub(super) fn read(root: &Cursor<'_>, scope: &mut Scope<'_, '_, '_>) -> GatewaySettings {
    let mut gateway = GatewaySettings::default();
    let Some(at) = root.get("gateway") else { return gateway };
    if let Some(port) = at.get("port").and_then(|at| at.as_u64()) {
        gateway.port = u16::try_from(port).unwrap_or(gateway.port);
    }
    if let Some(limit) = at.get("bodyLimitMiB").and_then(|at| at.as_u64()) {
        gateway.body_limit = usize::try_from(limit << 20).unwrap_or(usize::MAX);
    }
    if let Some(reload) = at.get("reload").and_then(|at| at.as_bool()) {
        gateway.is_reload_enabled = reload;
    }
    if let Some(public) = at.get_path(&["metrics", "public"]).and_then(|at| at.as_bool()) {
        gateway.has_public_metrics = public;
    }
    let bind = at.get("bind");
    if let Some(text) = bind.as_ref().and_then(Cursor::as_str).filter(|text| !text.trim().is_empty()) {
        match (Bind::parse(text), &bind) {
            (Some(parsed), _) => gateway.bind = parsed,
            (None, Some(place)) => {
                let hint = format_suggestion(text, ["loopback", "all"]);
                let message =
                    format!("\"{text}\" is not one of loopback, all, an IP address, unix:PATH{hint}");
                scope.wrong(place, message);
            }
            (None, None) => {}
        }
    }
    auth(&at, &mut gateway, scope);
    if !gateway.bind.is_local_only() && gateway.tokens.is_empty() && gateway.start_error.is_none() {
        let place = bind.as_ref().unwrap_or(&at);
        let message = format!(
            "\"{}\" can be reached from elsewhere, and no token is asked for: set gateway.auth.token",
            gateway.bind
        );
        scope.wrong(place, message);
    }
    gateway
}

fn auth(gateway_at: &Cursor<'_>, gateway: &mut GatewaySettings, scope: &mut Scope<'_, '_, '_>) {
    let Some(at) = gateway_at.get("auth") else { return };
    let mode = at.get("mode").and_then(|at| at.as_str());
    if mode == Some("none") {
        return;
    }
    let mut places: Vec<(String, Cursor<'_>)> = Vec::new();
    places.extend(at.get("token").map(|at| ("default".to_owned(), at)));
    let named = at.get("tokens").map(|at| at.members()).unwrap_or_default();
    places.extend(named.into_iter().map(|(name, at)| (name.to_owned(), at)));
    if places.is_empty() && mode == Some("token") {
        scope.wrong(&at, "mode is \"token\", but there is no token: set gateway.auth.token");
    }
    for (name, place) in places {
        match scope.variables.resolve_secret(&place) {
            Some(SecretLookup::Resolved(token, _)) => add(name, token, &place, gateway, scope),
            Some(SecretLookup::Missing(missing)) => {
                gateway.start_error.get_or_insert(format!("{}: {missing}", place.path));
                scope.warn(&place, WarningKind::MissingClientToken(missing));
            }
            None => {}
        }
    }
}

/// A token identifies the client, so no two clients can have the same one. No header carries white space at the
/// ends of a token, and each client encodes non-ASCII characters differently.
fn add(
    name: String,
    token: Secret,
    at: &Cursor<'_>,
    gateway: &mut GatewaySettings,
    scope: &mut Scope<'_, '_, '_>,
) {
    let text = token.expose();
    if text.trim() != text || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return scope.wrong(
            at,
            "no client can send this token: it has characters other than ASCII's, or white space at an end",
        );
    }
    match gateway.tokens.iter().find(|(_, known)| *known == token) {
        Some((other, _)) => {
            scope.wrong(at, format!("the token is also that of \"{other}\": give each its own"))
        }
        None => gateway.tokens.push((name, token)),
    }
}
