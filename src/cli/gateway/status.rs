//! `moonrelay gateway status`.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args as ClapArgs;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::ListenOptions;
use crate::cli::command::{self, CommandContext, CommandError};
use crate::cli::output::{format_count, format_duration, render_pairs, sanitize_line};
use crate::upstream::Client;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::gateway_status::{Availability, GatewayStatus};

/// A gateway on this machine responds within milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    listen: ListenOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> ExitCode {
    let Args { listen, json } = args;
    command::run(listen.config.clone(), json, async |context| print_status(&listen, context).await).await
}

async fn print_status(listen: &ListenOptions, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let bind = listen.bind()?.unwrap_or_else(|| settings.gateway.bind.clone());
    let address = GatewayAddress::from_bind(&bind, listen.port.unwrap_or(settings.gateway.port));
    let status = address.status(&settings, &Client::new(STATUS_TIMEOUT), STATUS_TIMEOUT).await;
    let status = status.map_err(|why| {
        let message =
            format!("no gateway responds on {address}: {why}. Start it with: moonrelay gateway run");
        CommandError::failure("gateway_down", message)
    })?;
    context.report(&status, || describe(&status, SystemTime::now(), &TimeZone::system()))
}

/// The chain, the providers, and problems.
fn describe(status: &GatewayStatus, now: SystemTime, zone: &TimeZone) -> String {
    let config = status.config.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    let mut parts = vec![format!(
        "moonrelay {} on {}\nup {}, {}\nconfiguration: {config}",
        status.version,
        status.address,
        format_duration(Duration::from_secs(status.uptime_seconds)),
        format_count(status.in_flight as u64, "active request"),
    )];
    if let Some(reload) = &status.reload
        && let Some(message) = reload.message.as_deref().filter(|message| !message.is_empty())
    {
        let problem = if reload.ok {
            "the last reload was applied only in part"
        } else {
            "the last reload was rejected; the previous settings are active"
        };
        parts.push(format!("{problem}: {message}"));
    }
    let lost = match status.ledger.dropped {
        0 => String::new(),
        lost => format!(" ({} lost)", format_count(lost, "record")),
    };
    match &status.ledger.trouble {
        Some(why) => parts.push(format!("cannot write the usage database{lost}: {why}")),
        None if !lost.is_empty() => parts.push(format!("the usage database is written again{lost}")),
        None => {}
    }
    let state = |availability: &Availability| describe_availability(availability, now, zone);
    let chain = status.chain.iter().map(|entry| (entry.target.as_str(), state(&entry.availability)));
    let providers = status.providers.iter().map(|entry| (entry.id.as_str(), state(&entry.availability)));
    for (title, entries) in [("chain", chain.collect::<Vec<_>>()), ("providers", providers.collect())] {
        if !entries.is_empty() {
            let lines = render_pairs(&entries).replace('\n', "\n  ");
            parts.push(format!("{title}:\n  {lines}"));
        }
    }
    parts.join("\n")
}

/// `in cooldown until 21:40:05 (42 s): rate_limit`.
fn describe_availability(availability: &Availability, now: SystemTime, zone: &TimeZone) -> String {
    let mut text = availability.state.replace('_', " ");
    if let Some(left) = availability.cooldown_left(now) {
        // The time of day is ambiguous if the end is far away.
        let format = if left < Duration::from_hours(20) { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
        let end = match Timestamp::try_from(now + left) {
            Ok(end) => end.to_zoned(zone.clone()).strftime(format).to_string(),
            Err(_) => "an unknown time".to_owned(),
        };
        text = format!("in cooldown until {end} ({})", format_duration(left));
    }
    match availability.reason.as_deref().unwrap_or_default() {
        "" => text,
        reason => format!("{text}: {}", sanitize_line(reason)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn status_text_has_reasons_and_times() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_296_000);
        let until = |seconds: u64| (1_795_296_000 + seconds) * 1000;
        let status = json!({
            "version": "1", "address": "http://127.0.0.1:1", "uptimeSeconds": 70, "inFlight": 1, "config": null,
            "chain": [
                { "target": "kimi/k3", "state": "cooling_down", "cooldownUntil": until(42), "reason": "rate_limit" },
                { "target": "moonshot/kimi-k3", "state": "off", "reason": "no key" },
                { "target": "openrouter/auto", "state": "answering" },
            ],
            "providers": [{ "id": "kimi", "state": "cooling_down", "cooldownUntil": until(90_000), "reason": "quota" }],
            "ledger": { "queued": 3, "written": 9, "dropped": 2, "trouble": "the disk is full" },
        });
        let expected = "moonrelay 1 on http://127.0.0.1:1\nup 1 min 10 s, 1 active request\nconfiguration: none\n\
            cannot write the usage database (2 records lost): the disk is full\nchain:\n  \
            kimi/k3           in cooldown until 21:20:42 (42 s): rate_limit\n  \
            moonshot/kimi-k3  off: no key\n  openrouter/auto   answering\nproviders:\n  \
            kimi  in cooldown until 2026-11-22 22:20 (1 d 1 h): quota";
        assert_eq!(describe(&serde_json::from_value(status).unwrap(), now, &TimeZone::UTC), expected);
    }
}
