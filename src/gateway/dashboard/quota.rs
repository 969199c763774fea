//! What is left of each provider's quota, as the provider told it.

use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};

use super::clock::Clock;
use super::figures::money;
use crate::routing::Relay;
use crate::routing::quota::{Allowance, Balance, Quota};

/// A page waits so long for what providers tell; who is slower is told of with the next look.
const PATIENCE: Duration = Duration::from_secs(1);
/// Of this share and less people want to know.
const SCARCE: f64 = 0.2;

/// What the providers tell, without waiting long for it. They are asked once a minute at most, however many look.
pub(super) async fn ask(relay: &Arc<Relay>) -> Vec<Quota> {
    // By itself: what comes of a question shall be known later even if nobody waits for it now.
    let asking = relay.clone();
    let asked = tokio::spawn(async move { asking.quotas().refreshed(&asking.settings()).await });
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(told)) => told,
        _ => relay.quotas().known(),
    }
}

/// The section.
pub(super) fn section(quotas: &[Quota], clock: &Clock) -> Markup {
    html! {
        h2 id="quota-title" { "Quota left" }
        @if quotas.is_empty() {
            p.muted { "No provider of this gateway has told its quota." }
        }
        ul.quotas {
            @for quota in quotas { (provider(quota, clock)) }
        }
    }
}

fn provider(quota: &Quota, clock: &Clock) -> Markup {
    html! {
        li data-provider=(quota.provider) {
            span.name { (quota.provider) }
            @match &quota.told {
                Err(why) => span.why { "unknown: " (why) },
                Ok(allowances) if allowances.is_empty() => span.why { "no limit is told" },
                Ok(allowances) => ul { @for allowance in allowances { li { (told(allowance, clock)) } } },
            }
        }
    }
}

fn told(allowance: &Allowance, clock: &Clock) -> Markup {
    html! {
        span.what { (allowance.name) }
        @if let Some(used) = allowance.used {
            (meter(&allowance.name, 1.0 - used))
            span.left { (percent(1.0 - used)) " left" }
        }
        @if let Some(balance) = &allowance.left { span.left { (left(balance)) } }
        @if let Some(resets) = allowance.resets {
            span.why { "full again " (clock.moment(resets)) }
        }
    }
}

/// How much is left, as a bar.
fn meter(name: &str, left: f64) -> Markup {
    let left = left.clamp(0.0, 1.0);
    let tone = if left <= SCARCE { "bad" } else { "good" };
    html! {
        svg.meter role="img" aria-label={ (name) ": " (percent(left)) " left" } viewBox="0 0 100 8" preserveAspectRatio="none" {
            rect.ground width="100" height="8" {}
            rect data-tone=(tone) width=(format!("{:.1}", left * 100.0)) height="8" {}
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share.clamp(0.0, 1.0) * 100.0)
}

fn left(balance: &Balance) -> Markup {
    let sum = money(balance.amount, &balance.currency);
    html! { @if balance.negative { (sum) " owed" } @else { (sum) " left" } }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::protocol::amount::Amount;

    #[test]
    fn says_what_is_left_and_why_nothing_is_known() {
        let clock = Clock { now: SystemTime::UNIX_EPOCH, zone: jiff::tz::TimeZone::UTC };
        let quota = |provider: &str, told| Quota { provider: provider.to_owned(), at: clock.now, told };
        let week = Allowance {
            name: "week".to_owned(),
            used: Some(0.9),
            left: None,
            resets: Some(clock.now + Duration::from_secs(3_600)),
        };
        let balance = |negative| Balance {
            negative,
            amount: Amount::read("49.58894").unwrap(),
            currency: "CNY".to_owned(),
        };
        let money = |negative| Allowance {
            name: "balance".to_owned(),
            used: None,
            left: Some(balance(negative)),
            resets: None,
        };
        let all = [
            quota("kimi", Ok(vec![week])),
            quota("moonshot", Ok(vec![money(false), money(true)])),
            quota("openrouter", Err("auth: <no> such user".to_owned())),
        ];
        let page = section(&all, &clock).into_string();
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
