//! `models status`: keys and their sources, why a provider is disabled, and active cooldowns. `--probe` sends one small
//! request to each target of the default chain.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, Semaphore};

use crate::catalog::AdapterId;
use crate::cli::command::{CommandContext, CommandError};
use crate::cli::config::warnings_json;
use crate::cli::output::{self, format_duration, json_list, json_text, render_table};
use crate::config::settings::{Auth, Provider, Reference, Settings};
use crate::failure::Reason;
use crate::protocol::api::Api;
use crate::record::{AttemptOutcome, RequestId};
use crate::routing::{Answer, ClientRequest, Engine, RequestError};
use crate::upstream::Connector;
use crate::upstream::gateway_client::GatewayAddress;
use crate::upstream::gateway_status::{Availability, GatewayStatus, STATUS_TIMEOUT};

/// For one target: a short answer of a model that may think first.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// Concurrent probes. More would make a slow connection look like slow targets.
const MAX_CONCURRENT: usize = 4;

/// Prints the status; with `probe`, exit 1 if no target answers.
pub(super) async fn execute(
    probe: bool,
    context: &mut CommandContext<'_>,
    connector: &Arc<dyn Connector>,
) -> Result<(), CommandError> {
    let settings = context.load_settings()?;
    let probes = if probe { Some(probe_chain(&settings, connector).await) } else { None };
    let address = GatewayAddress::from_bind(&settings.gateway.bind, settings.gateway.port);
    let status = address.status(&settings, connector.as_ref(), STATUS_TIMEOUT).await;
    let mut value = status_json(&settings, &address.to_string(), &status);
    if let Some(probes) = &probes {
        value["probes"] = json!(probes);
    }
    context.report(&value, || render(&value))?;
    match probes {
        Some(probes) if !probes.iter().any(|probe| probe["result"] == "ok") => Err(CommandError::silent()),
        _ => Ok(()),
    }
}

/// The settings, with the cooldowns of the running gateway.
fn status_json(settings: &Settings, address: &str, gateway: &Result<GatewayStatus, String>) -> Value {
    let mut chain = settings.default_chain.references.iter().map(ToString::to_string);
    let primary = chain.next();
    let providers = settings.providers.values().map(|provider| {
        let mut entries = gateway.iter().flat_map(|status| &status.providers);
        let entry = entries.find(|entry| entry.id == provider.id).map(|entry| &entry.availability);
        provider_json(provider, entry.filter(|availability| availability.cooldown_until.is_some()))
    });
    let aliases = settings.aliases.iter().map(|(alias, model)| (alias.clone(), json!(model.to_string())));
    let mut value = json!({
        "config": settings.path,
        "primary": primary,
        "fallbacks": chain.collect::<Vec<_>>(),
        "aliases": aliases.collect::<Map<_, _>>(),
        "gateway": { "running": gateway.is_ok(), "address": address },
        "providers": providers.collect::<Vec<_>>(),
        "warnings": warnings_json(settings),
    });
    if let Err(why) = gateway {
        value["gateway"]["reason"] = json!(why);
    }
    value
}

/// A provider with its masked keys.
fn provider_json(provider: &Provider, cooldown: Option<&Availability>) -> Value {
    let keys = provider.keys.iter().filter(|_| provider.auth != Auth::None);
    let keys = keys.map(|key| json!({ "key": provider.mask_key(key), "origin": key.origin.to_string() }));
    let mut value = json!({
        "id": provider.id,
        "state": if provider.disabled_reason.is_some() { "off" } else { "on" },
        "configured": provider.is_configured,
        "baseUrl": provider.apis.first().map(|(_, base)| base),
        "keys": keys.collect::<Vec<_>>(),
    });
    if let Some(login) = provider.login_file.as_ref().and_then(|file| file.read().ok()) {
        let expires = login.expires_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        value["login"] =
            json!({ "key": login.access_token.masked(), "expiresAt": u64::try_from(expires).ok() });
    }
    if let Some(why) = &provider.disabled_reason {
        value["reason"] = json!(why);
    } else if let Some(cooldown) = cooldown {
        value["state"] = json!("cooling_down");
        value["cooldownUntil"] = json!(cooldown.cooldown_until);
        value["reason"] = json!(cooldown.reason.as_deref().unwrap_or_default());
    }
    value
}

fn render(status: &Value) -> String {
    let gateway = &status["gateway"];
    let address = json_text(gateway, "address");
    let gateway = match gateway["reason"].as_str() {
        None => format!("running on {address}"),
        Some(why) => format!("not running on {address} ({why}); cooldown state unavailable"),
    };
    let config = status["config"].as_str().unwrap_or("none; the built-in catalog is used");
    let primary = status["primary"].as_str().unwrap_or("none: no provider has a key");
    let fallbacks = json_list(status, "fallbacks").filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let mut pairs = vec![("configuration", config.to_owned()), ("primary", primary.to_owned())];
    pairs.extend((!fallbacks.is_empty()).then_some(("fallbacks", fallbacks)));
    pairs.push(("gateway", gateway));
    let rows: Vec<_> = json_list(status, "providers").map(provider_cells).collect();
    let table = render_table(&["Provider", "State", "Base URL", "Keys"], &rows);
    let mut out = format!("{}\n\n{table}", output::render_pairs(&pairs));
    if status.get("probes").is_some() {
        let rows: Vec<_> = json_list(status, "probes").map(probe_cells).collect();
        out += &format!("\n{}", render_table(&["Target", "Key", "Result", "Time", ""], &rows));
    }
    for warning in json_list(status, "warnings") {
        out += &format!("warning: {}: {}\n", json_text(warning, "path"), json_text(warning, "message"));
    }
    out
}

fn provider_cells(provider: &Value) -> Vec<String> {
    let left = |millis: &Value| {
        let end = UNIX_EPOCH + Duration::from_millis(millis.as_u64().unwrap_or_default());
        end.duration_since(SystemTime::now()).ok().map(format_duration)
    };
    let (id, state, reason) =
        (json_text(provider, "id"), json_text(provider, "state"), json_text(provider, "reason"));
    let keys = json_list(provider, "keys");
    let mut keys: Vec<String> =
        keys.map(|key| format!("{} ({})", json_text(key, "key"), json_text(key, "origin"))).collect();
    if let Some(login) = provider.get("login") {
        let validity = match left(&login["expiresAt"]) {
            Some(left) => format!("valid for {left}"),
            None => "refreshed at its next use".to_owned(),
        };
        keys.push(format!("token {}, {validity}", json_text(login, "key")));
    }
    let details = match (state, keys.is_empty()) {
        ("off", _) => reason.to_owned(),
        (_, true) => "no key needed".to_owned(),
        (_, false) => keys.join(", "),
    };
    let state = match state {
        "cooling_down" => {
            let left = left(&provider["cooldownUntil"]).unwrap_or_else(|| "0 s".to_owned());
            format!("in cooldown for {left} ({reason})")
        }
        state => state.to_owned(),
    };
    vec![id.to_owned(), state, provider["baseUrl"].as_str().unwrap_or("-").to_owned(), details]
}

fn probe_cells(probe: &Value) -> Vec<String> {
    let [model, key, result, detail] = ["model", "key", "result", "detail"].map(|key| json_text(probe, key));
    let time = format_duration(Duration::from_millis(probe["ms"].as_u64().unwrap_or_default()));
    vec![model.to_owned(), key.to_owned(), result.to_owned(), time, detail.to_owned()]
}

/// Probes every key of every available model of the default chain. The results are in the order of the chain.
async fn probe_chain(settings: &Settings, connector: &Arc<dyn Connector>) -> Vec<Value> {
    let mut targets = Vec::new();
    for reference in &settings.default_chain.references {
        let provider = settings.providers.get(&reference.provider);
        if let Some(provider) = provider.filter(|provider| provider.disabled_reason.is_none()) {
            let keys = provider.keys.iter();
            targets.extend(
                keys.map(|key| {
                    (reference, Provider { keys: vec![key.clone()], ..provider.as_ref().clone() })
                }),
            );
        }
    }
    let (total, done) = (targets.len(), Cell::new(0_usize));
    let progress = output::progress(format!("probing {total} targets"));
    // A Moonshot account of the lowest tier allows one request at a time (platform.kimi.ai, limits, 2026-09): concurrent
    // probes would be rate-limited.
    let (moonshot, slots) = (Mutex::new(()), Semaphore::new(MAX_CONCURRENT));
    let probes = targets.into_iter().map(async |(reference, provider)| {
        let is_moonshot = provider.adapter == AdapterId::Moonshot;
        let _turn = if is_moonshot { Some(moonshot.lock().await) } else { None };
        let _slot = slots.acquire().await;
        let result = probe_target(settings, provider, reference, connector).await;
        done.set(done.get() + 1);
        progress.set_message(format!(
            "{} of {total}: {reference} {}",
            done.get(),
            json_text(&result, "result")
        ));
        result
    });
    let results = join_all(probes).await;
    progress.finish_and_clear();
    results
}

async fn probe_target(
    settings: &Settings,
    provider: Provider,
    reference: &Reference,
    connector: &Arc<dyn Connector>,
) -> Value {
    let key = match (provider.auth, provider.keys.first()) {
        (Auth::None, _) | (_, None) => "none".to_owned(),
        (_, Some(key)) => provider.mask_key(key),
    };
    let started = Instant::now();
    let call = send_request(settings, provider, reference, connector);
    // The result is `ok`, or the reason as in `x-moonrelay-attempts`.
    let (result, detail) = tokio::time::timeout(PROBE_TIMEOUT, call).await.unwrap_or_else(|_| {
        (Reason::Timeout.as_str(), format!("no response within {} s", PROBE_TIMEOUT.as_secs()))
    });
    json!({
        "model": reference.to_string(),
        "key": key,
        "result": result,
        "detail": detail,
        "ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Sends one request with one key and returns its result and the detail of an error.
async fn send_request(
    settings: &Settings,
    provider: Provider,
    reference: &Reference,
    connector: &Arc<dyn Connector>,
) -> (&'static str, String) {
    // Kimi Code's Chat Completions API accepts known coding agents only; its Messages API accepts every client.
    let has_messages = provider.apis.iter().any(|(api, _)| *api == Api::Messages);
    let is_messages = has_messages && provider.adapter == AdapterId::KimiCode;
    let mut settings = settings.clone();
    settings.providers = BTreeMap::from([(provider.id.clone(), Arc::new(provider))]);
    settings.failover.attempts_per_target = 1;
    let engine = Engine::new(Arc::new(settings), connector.clone(), Arc::new(|_| {}));
    let user_agent = HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION")));
    let body = json!({
        "model": reference.to_string(),
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "ping"}],
    });
    let request = ClientRequest {
        id: RequestId::now(),
        api: if is_messages { Api::Messages } else { Api::ChatCompletions },
        client: None,
        headers: HeaderMap::from_iter([(USER_AGENT, user_agent)]),
        body: Bytes::from(body.to_string()),
        is_fallback_disabled: true,
        is_compaction: false,
    };
    let attempts = match engine.answer(request).await {
        Ok(Answer::Complete { attempts, .. } | Answer::Stream { attempts, .. })
        | Err(RequestError::AttemptsFailed { attempts, .. } | RequestError::NoUsableTarget { attempts }) => {
            attempts
        }
        Err(error) => return (Reason::BadRequest.as_str(), error.to_string()),
    };
    match attempts.last() {
        Some(last) if last.outcome == AttemptOutcome::Ok => (last.outcome.as_str(), String::new()),
        Some(last) => (last.outcome.as_str(), last.detail.clone()),
        None => ("none", String::new()),
    }
}
