//! The providers' own quotas beside the table: from the gateway that runs, else from the providers themselves.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::number_format::format_wait;
use super::output_style::{Colour, OutputStyle, plain_piece, sanitize_line};
use crate::cli::gateway::running_gateway::GatewayAddress;
use crate::config::settings::Settings;
use crate::gateway::quota::to_json;
use crate::routing::quota::QuotaCache;
use crate::upstream::Client;
use crate::upstream::oauth::AuthenticatedConnector;

/// The gateway waits at most 5 s for the providers, and so does this command if no gateway runs.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(6);
/// For both: a server that is not a gateway and never answers leaves less time for the providers.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(8);
/// To connect, on this machine and elsewhere.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Of provider and name, in characters.
const MAX_NAME_CHARS: usize = 24;
/// Of a gauge, in characters.
const GAUGE_CHARS: usize = 20;

/// The response of `/usage/quota`, or its equivalent. Never fails: a provider that reports nothing has an
/// `error` there.
pub(super) async fn fetch_quotas(settings: &Settings) -> Value {
    let end = Instant::now() + TOTAL_TIMEOUT;
    let client = Arc::new(Client::new(CONNECT_TIMEOUT));
    let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
    let mut answer = match address.get_json("/usage/quota", settings, client.as_ref(), GATEWAY_TIMEOUT).await
    {
        Ok(answer) if answer.get("providers").is_some_and(Value::is_array) => answer,
        _ => {
            let direct = QuotaCache::new(Arc::new(AuthenticatedConnector::new(client)));
            to_json(&timeout_at(end, direct.refresh(settings)).await.unwrap_or_default())
        }
    };
    answer.get_mut("providers").map(Value::take).unwrap_or_default()
}

/// For people.
pub(super) fn quota_lines(providers: &Value, screen: OutputStyle, now: SystemTime) -> Vec<String> {
    let text =
        |value: &Value, key: &str| sanitize_line(value.get(key).and_then(Value::as_str).unwrap_or_default());
    let mut lines = Vec::new();
    for provider in providers.as_array().into_iter().flatten() {
        let id = text(provider, "id");
        let error = text(provider, "error");
        if !error.is_empty() {
            lines.push(screen.wrap_text(&format!("{id}: {error}"), 2));
        }
        for allowance in provider.get("allowances").and_then(Value::as_array).into_iter().flatten() {
            let mut name = format!("  {id}, {}", text(allowance, "name"));
            if name.chars().count() > MAX_NAME_CHARS {
                lines.push(screen.wrap_text(&name, 2));
                name.clear();
            }
            lines.push(screen.wrap_pieces(&allowance_row(&name, allowance, screen, now), 4));
        }
    }
    lines
}

fn allowance_row(
    name: &str,
    allowance: &Value,
    screen: OutputStyle,
    now: SystemTime,
) -> Vec<(String, usize)> {
    let mut pieces = vec![plain_piece(format!("{name:<MAX_NAME_CHARS$}"))];
    let used = allowance.get("used").and_then(Value::as_f64);
    if let Some(used) = used {
        let colour = match used {
            0.9.. => Colour::Red,
            0.7.. => Colour::Yellow,
            _ => Colour::Green,
        };
        pieces.push((screen.colourize(colour, &screen.render_gauge(used, GAUGE_CHARS)), GAUGE_CHARS));
        pieces.push(plain_piece(format!("{:>3.0} % used", used * 100.0)));
    }
    let text = |key: &str| sanitize_line(allowance.get(key).and_then(Value::as_str).unwrap_or_default());
    let (left, currency) = (text("left"), text("currency"));
    if !left.is_empty() {
        let owed = left.strip_prefix('-');
        let words = if owed.is_some() { "owed" } else { "left" };
        pieces.push(plain_piece(format!("{} {currency} {words}", owed.unwrap_or(&left))));
    } else if used.is_none() {
        pieces.push(plain_piece("no limit".to_owned()));
    }
    let resets = allowance.get("resets").and_then(Value::as_u64);
    if let Some(at) = resets.map(|millis| UNIX_EPOCH + Duration::from_millis(millis)) {
        pieces.push(plain_piece(match at.duration_since(now) {
            Ok(left) => format!("resets in {}", format_wait(left)),
            Err(_) => "resets now".to_owned(),
        }));
    }
    pieces
}
