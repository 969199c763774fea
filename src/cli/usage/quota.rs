//! The providers' own quotas beside the table: from the gateway that runs, else from the providers themselves.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::figure::wait;
use super::screen::{Colour, Screen, harmless, piece};
use crate::cli::gateway::running::Address;
use crate::config::settings::Settings;
use crate::gateway::quota::as_json;
use crate::routing::quota::Quotas;
use crate::upstream::Client;
use crate::upstream::oauth::Logins;

/// The gateway asks the providers for 5 s at most, and so does this command where no gateway runs.
const PATIENCE: Duration = Duration::from_secs(6);
/// For both: something that is no gateway, and never answers, leaves less for the providers.
const ALL: Duration = Duration::from_secs(8);
/// To connect, on this machine and elsewhere.
const CONNECT: Duration = Duration::from_secs(3);
/// Of provider and name, in characters.
const NAME: usize = 24;
/// Of a gauge, in characters.
const GAUGE: usize = 20;

/// What `/usage/quota` says, or would say. It never fails: who tells nothing has an `error` there.
pub(super) async fn told(settings: &Settings) -> Value {
    let end = Instant::now() + ALL;
    let client = Arc::new(Client::new(CONNECT));
    let address = Address::of(&settings.gateway.bind, settings.gateway.port);
    let mut answer = match address.ask("/usage/quota", settings, client.as_ref(), PATIENCE).await {
        Ok(answer) if answer.get("providers").is_some_and(Value::is_array) => answer,
        _ => {
            let direct = Quotas::new(Arc::new(Logins::new(client)));
            as_json(&timeout_at(end, direct.refreshed(settings)).await.unwrap_or_default())
        }
    };
    answer.get_mut("providers").map(Value::take).unwrap_or_default()
}

/// For people.
pub(super) fn lines(providers: &Value, screen: Screen, now: SystemTime) -> Vec<String> {
    let text =
        |value: &Value, key: &str| harmless(value.get(key).and_then(Value::as_str).unwrap_or_default());
    let mut lines = Vec::new();
    for provider in providers.as_array().into_iter().flatten() {
        let id = text(provider, "id");
        let error = text(provider, "error");
        if !error.is_empty() {
            lines.push(screen.wrapped(&format!("{id}: {error}"), 2));
        }
        for allowance in provider.get("allowances").and_then(Value::as_array).into_iter().flatten() {
            let mut name = format!("  {id}, {}", text(allowance, "name"));
            if name.chars().count() > NAME {
                lines.push(screen.wrapped(&name, 2));
                name.clear();
            }
            lines.push(screen.flow(&row(&name, allowance, screen, now), 4));
        }
    }
    lines
}

fn row(name: &str, allowance: &Value, screen: Screen, now: SystemTime) -> Vec<(String, usize)> {
    let mut pieces = vec![piece(format!("{name:<NAME$}"))];
    let used = allowance.get("used").and_then(Value::as_f64);
    if let Some(used) = used {
        let colour = match used {
            0.9.. => Colour::Red,
            0.7.. => Colour::Yellow,
            _ => Colour::Green,
        };
        pieces.push((screen.in_colour(colour, &screen.gauge(used, GAUGE)), GAUGE));
        pieces.push(piece(format!("{:>3.0} % used", used * 100.0)));
    }
    let text = |key: &str| harmless(allowance.get(key).and_then(Value::as_str).unwrap_or_default());
    let (left, currency) = (text("left"), text("currency"));
    if !left.is_empty() {
        let owed = left.strip_prefix('-');
        let words = if owed.is_some() { "owed" } else { "left" };
        pieces.push(piece(format!("{} {currency} {words}", owed.unwrap_or(&left))));
    } else if used.is_none() {
        pieces.push(piece("no limit".to_owned()));
    }
    let resets = allowance.get("resets").and_then(Value::as_u64);
    if let Some(at) = resets.map(|millis| UNIX_EPOCH + Duration::from_millis(millis)) {
        pieces.push(piece(match at.duration_since(now) {
            Ok(left) => format!("resets in {}", wait(left)),
            Err(_) => "resets now".to_owned(),
        }));
    }
    pieces
}
