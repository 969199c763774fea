//! Cooldowns of the running gateway: `models status` itself calls no provider, so only the gateway has them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::cli::gateway::running_gateway::GatewayAddress;
use crate::config::settings::Settings;
use crate::upstream::Connector;

/// The list must not wait for a gateway; one on this machine answers in milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

/// A provider's cooldown.
#[derive(Debug, PartialEq)]
pub(in crate::cli) struct ProviderCooldown {
    /// Milliseconds since 1970.
    pub(super) until: u64,
    /// As in `x-moonrelay-attempts`.
    pub(super) reason: String,
}

impl ProviderCooldown {
    /// For people.
    pub(in crate::cli) fn describe(&self, now: SystemTime) -> String {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let left = u128::from(self.until).saturating_sub(now).div_ceil(1000);
        format!("rests for {left} s ({})", self.reason)
    }
}

/// The running gateway of a configuration, and the cooldowns that it reports.
#[derive(Debug)]
pub(super) struct GatewayCooldowns {
    address: String,
    cooldowns: Result<BTreeMap<String, ProviderCooldown>, String>,
}

impl GatewayCooldowns {
    /// Requests the status of the running gateway, if there is one.
    pub(super) async fn fetch(settings: &Settings, connector: &dyn Connector) -> Self {
        let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
        let status = address.fetch_status(settings, connector, STATUS_TIMEOUT).await;
        Self { address: address.to_string(), cooldowns: status.map(|status| parse_cooldowns(&status)) }
    }

    /// The cooldown of one provider.
    pub(super) fn cooldown(&self, provider: &str) -> Option<&ProviderCooldown> {
        self.cooldowns.as_ref().ok()?.get(provider)
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match &self.cooldowns {
            Ok(_) => format!("{} runs", self.address),
            Err(why) => format!("no gateway runs on {} ({why}): rests are not known", self.address),
        }
    }

    /// For `--json`.
    pub(super) fn to_json(&self) -> Value {
        match &self.cooldowns {
            Ok(_) => json!({ "running": true, "address": self.address }),
            Err(why) => json!({ "running": false, "address": self.address, "reason": why }),
        }
    }
}

/// Cooldowns in the gateway's status, by provider.
pub(in crate::cli) fn parse_cooldowns(status: &Value) -> BTreeMap<String, ProviderCooldown> {
    let rest = |provider: &Value| {
        let text = |key: &str| provider.get(key)?.as_str().map(str::to_owned);
        let until = provider.get("cooldownUntil")?.as_u64()?;
        Some((text("id")?, ProviderCooldown { until, reason: text("reason").unwrap_or_default() }))
    };
    let providers = status.get("providers").and_then(Value::as_array).into_iter().flatten();
    providers.filter_map(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_is_told_in_seconds_that_are_left() {
        let status = json!({ "providers": [
            { "id": "kimi", "state": "cooling_down", "cooldownUntil": 61_500, "reason": "quota" },
            { "id": "moonshot", "state": "ready" },
        ] });
        let rests = parse_cooldowns(&status);
        assert_eq!(rests.keys().collect::<Vec<_>>(), ["kimi"]);
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(rests["kimi"].describe(at(60)), "rests for 2 s (quota)");
        assert_eq!(rests["kimi"].describe(at(99)), "rests for 0 s (quota)");
    }
}
