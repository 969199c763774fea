//! The remaining quota of each provider, as the provider reported it.

use maud::{Markup, html};

use super::format::{LocalTime, format_money};
use crate::routing::quota::{Allowance, Balance, ProviderQuota};

/// The remaining share at or below which people want to know.
const LOW_SHARE: f64 = 0.2;

/// The section.
pub(crate) fn render_section(quotas: &[ProviderQuota], clock: &LocalTime) -> Markup {
    html! {
        h2 id="quota-title" { "Remaining quota" }
        @if quotas.is_empty() {
            p.muted { "No provider reports a quota." }
        }
        ul.quotas {
            @for quota in quotas { (render_provider(quota, clock)) }
        }
    }
}

fn render_provider(quota: &ProviderQuota, clock: &LocalTime) -> Markup {
    html! {
        li data-provider=(quota.provider) {
            span.name { (quota.provider) }
            @match &quota.limits {
                Err(why) => span.why { "unknown: " (why) },
                Ok(allowances) if allowances.is_empty() => span.why { "no limit" },
                Ok(allowances) => ul { @for allowance in allowances { li { (render_allowance(allowance, clock)) } } },
            }
        }
    }
}

fn render_allowance(allowance: &Allowance, clock: &LocalTime) -> Markup {
    html! {
        span.what { (allowance.name) }
        @if let Some(used) = allowance.used_share {
            (render_meter(&allowance.name, 1.0 - used))
            span.left { (format_percent(1.0 - used)) " left" }
        }
        @if let Some(balance) = &allowance.remaining { span.left { (render_balance(balance)) } }
        @if let Some(resets) = allowance.resets_at {
            span.why { "resets " (clock.render_time(resets)) }
        }
    }
}

/// The remaining share, as a bar.
fn render_meter(name: &str, left: f64) -> Markup {
    let left = left.clamp(0.0, 1.0);
    let tone = if left <= LOW_SHARE { "bad" } else { "good" };
    html! {
        svg.meter role="img" aria-label={ (name) ": " (format_percent(left)) " left" } viewBox="0 0 100 8" preserveAspectRatio="none" {
            rect.ground width="100" height="8" {}
            rect data-tone=(tone) width=(format!("{:.1}", left * 100.0)) height="8" {}
        }
    }
}

fn format_percent(share: f64) -> String {
    format!("{:.0} %", share.clamp(0.0, 1.0) * 100.0)
}

fn render_balance(balance: &Balance) -> Markup {
    let sum = format_money(balance.amount, &balance.currency);
    html! { @if balance.is_negative { (sum) " owed" } @else { (sum) " left" } }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::protocol::amount::Amount;

    #[test]
    fn remaining_quota_and_errors_are_shown() {
        let clock = LocalTime { now: SystemTime::UNIX_EPOCH, zone: jiff::tz::TimeZone::UTC };
        let quota = |provider: &str, limits| ProviderQuota {
            provider: provider.to_owned(),
            fetched_at: clock.now,
            limits,
        };
        let week = Allowance {
            name: "week".to_owned(),
            used_share: Some(0.9),
            remaining: None,
            resets_at: Some(clock.now + Duration::from_secs(3_600)),
        };
        let balance = |negative| Balance {
            is_negative: negative,
            amount: Amount::parse("49.58894").unwrap(),
            currency: "CNY".to_owned(),
        };
        let money = |negative| Allowance {
            name: "balance".to_owned(),
            used_share: None,
            remaining: Some(balance(negative)),
            resets_at: None,
        };
        let all = [
            quota("kimi", Ok(vec![week])),
            quota("moonshot", Ok(vec![money(false), money(true)])),
            quota("openrouter", Err("auth: <no> such user".to_owned())),
        ];
        let page = render_section(&all, &clock).into_string();
        for part in [
            "10 % left",
            "aria-label=\"week: 10 % left\"",
            "data-tone=\"bad\" width=\"10.0\"",
            ">01:00:00</time>",
            "CN¥49.58894 left",
            "CN¥49.58894 owed",
            "unknown: auth: &lt;no&gt; such user",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }
}
