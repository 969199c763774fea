//! Provider probes: one small GET request per key, concurrently. They generate no tokens.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use http::HeaderMap;
use http::header::DATE;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::provider_query::{api_base, build_call, has_misdirected_key, other_region_base_url};
use crate::catalog::AdapterId;
use crate::config::settings::{Auth, Provider, Settings};
use crate::credentials::LoginFile;
use crate::failure::{Failure, Reason};
use crate::upstream::Connector;
use crate::upstream::oauth::AuthenticatedConnector;

/// For the response head.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// For the second lookup or connection, which finds the failed stage.
const DIAGNOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A provider, probed with one of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProviderProbe {
    /// The provider's id.
    pub(super) provider: String,
    /// The masked key and its origin; `None` if the provider needs no key.
    pub(super) key: Option<String>,
    pub(super) url: String,
    pub(super) outcome: ProbeOutcome,
    /// If the provider uses a log-in: the command that logs in again.
    pub(super) login_command: Option<String>,
    /// If the key was rejected: the base URL of the other region, and the outcome there.
    pub(super) other_region: Option<(String, ProbeOutcome)>,
}

impl ProviderProbe {
    /// The base URL of the other region, if it accepts the key that this one rejects.
    pub(super) fn accepting_region(&self) -> Option<&str> {
        match &self.other_region {
            Some((base, ProbeOutcome::Response { status: 200..=299, .. })) => Some(base),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProbeOutcome {
    Response {
        status: u16,
        /// This machine's clock minus the response's `Date`, in seconds.
        clock_offset_seconds: Option<i64>,
    },
    Failed {
        stage: ProbeStage,
        why: String,
    },
}

/// Where a probe failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeStage {
    NameResolution,
    Connection,
    Tls,
    Proxy,
    /// Connected, without a response.
    Response,
    /// No request was sent: the log-in has no key.
    Login,
}

/// Probes each key of each provider in use.
pub(super) async fn probe_providers(
    settings: &Settings,
    connector: &Arc<dyn Connector>,
    progress: &(dyn Fn(&str) + Sync),
) -> Vec<ProviderProbe> {
    let in_use = settings.providers.values().filter(|provider| is_used(settings, provider));
    let keys = in_use.flat_map(|provider| {
        provider.keys.iter().map(|key| Provider { keys: vec![key.clone()], ..provider.as_ref().clone() })
    });
    let probes = keys.map(async |provider| {
        let probe = probe_provider(&Arc::new(provider), connector).await?;
        progress(&format!("probed {}", probe.provider));
        Some(probe)
    });
    join_all(probes).await.into_iter().flatten().collect()
}

/// Whether the gateway can send requests there.
fn is_used(settings: &Settings, provider: &Provider) -> bool {
    let chains = settings.routes.iter().map(|route| &route.chain).chain([&settings.default_chain]);
    let is_named = || chains.flat_map(|chain| &chain.references).any(|model| model.provider == provider.id);
    provider.disabled_reason.is_none() && (provider.is_configured || is_named())
}

/// `None` if no request is sent: without a base URL, or with the key of another product, which must not be sent to
/// this host. The check `products` reports it.
async fn probe_provider(provider: &Arc<Provider>, connector: &Arc<dyn Connector>) -> Option<ProviderProbe> {
    let (api, base) = api_base(provider)?;
    if has_misdirected_key(provider) {
        return None;
    }
    let key = provider.keys.first().filter(|_| provider.auth != Auth::None);
    let mut probe = ProviderProbe {
        provider: provider.id.clone(),
        key: key.map(|key| format!("{} ({})", provider.mask_key(key), key.origin)),
        url: format!("{base}{}", probe_route(provider.adapter)),
        outcome: ProbeOutcome::Failed { stage: ProbeStage::Login, why: String::new() },
        login_command: provider.login_file.as_ref().map(LoginFile::login_command),
        other_region: None,
    };
    let logins = AuthenticatedConnector::new(connector.clone());
    // Runs before the request, to separate log-in failures from provider failures.
    if let Err(failure) = logins.authorize(provider).await {
        // A new log-in fixes only an expired one.
        probe.login_command = probe.login_command.filter(|_| failure.reason == Reason::Auth);
        probe.outcome = ProbeOutcome::Failed { stage: ProbeStage::Login, why: failure.to_string() };
        return Some(probe);
    }
    probe.outcome = send_probe(provider, &logins).await;
    // A log-in belongs to the region of its OAuth server: its token is sent to no other region.
    let is_rejected = matches!(probe.outcome, ProbeOutcome::Response { status: 401, .. });
    let other = other_region_base_url(base).filter(|_| is_rejected && provider.login_file.is_none());
    if let Some(other) = other {
        // The configured headers are for the configured host only.
        let apis = vec![(api, other.clone())];
        let bare = Arc::new(Provider { headers: Vec::new(), apis, ..provider.as_ref().clone() });
        probe.other_region = Some((other, send_probe(&bare, &logins).await));
    }
    Some(probe)
}

/// A route that needs a valid key. OpenRouter's model list is public.
const fn probe_route(adapter: AdapterId) -> &'static str {
    match adapter {
        AdapterId::OpenRouter => "/key",
        _ => "/models",
    }
}

async fn send_probe(provider: &Arc<Provider>, logins: &AuthenticatedConnector) -> ProbeOutcome {
    let call = |called: &Arc<Provider>| build_call(called, probe_route(called.adapter));
    let started = SystemTime::now();
    let late = || {
        let message = format!("no response within {} s", RESPONSE_TIMEOUT.as_secs());
        Err(Failure::new(Reason::Timeout, message))
    };
    let result = timeout(RESPONSE_TIMEOUT, logins.send(provider, call)).await.unwrap_or_else(|_| late());
    let (stage, why) = match result {
        Ok(answer) => {
            let headers = &answer.response.headers;
            return ProbeOutcome::Response {
                status: answer.response.status.as_u16(),
                clock_offset_seconds: clock_offset_seconds(headers, started, SystemTime::now()),
            };
        }
        // The rejected token was refreshed, and the provider rejected the new one too.
        Err(failure) if provider.login_file.is_some() && failure.reason == Reason::Auth => {
            (ProbeStage::Login, failure.to_string())
        }
        Err(failure) if failure.reason == Reason::BadRequest => (ProbeStage::Response, failure.message),
        Err(failure) => diagnose(api_base(provider).map_or("", |(_, base)| base), failure).await,
    };
    ProbeOutcome::Failed { stage, why }
}

/// The response was created between the request and its arrival; `Date` has whole seconds.
pub(super) fn clock_offset_seconds(
    headers: &HeaderMap,
    started: SystemTime,
    ended: SystemTime,
) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds =
        |at: SystemTime| i64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok();
    let (date, started, ended) = (seconds(date)?, seconds(started)?, seconds(ended)?);
    Some(if date < started { started - date } else { ended.min(date) - date })
}

/// Repeats the connection step by step to find the failed stage.
pub(super) async fn diagnose(url: &str, failure: Failure) -> (ProbeStage, String) {
    let parsed = Url::parse(url).ok();
    let Some((url, host)) = parsed.as_ref().and_then(|url| Some((url, url.host_str()?))) else {
        return (ProbeStage::Response, failure.message);
    };
    let host = host.trim_matches(['[', ']']);
    let is_local = host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if let Some(proxy) = proxy_variable(url.scheme()).filter(|_| !is_local) {
        return (ProbeStage::Proxy, format!("{} (through the proxy of {proxy})", failure.message));
    }
    let late = |what: &str| format!("{what} within {} s", DIAGNOSE_TIMEOUT.as_secs());
    let lookup = tokio::net::lookup_host((host, url.port_or_known_default().unwrap_or(443)));
    let addresses: Vec<_> = match timeout(DIAGNOSE_TIMEOUT, lookup).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return (ProbeStage::NameResolution, error.to_string()),
        Err(_) => return (ProbeStage::NameResolution, late("no name server responded")),
    };
    match timeout(DIAGNOSE_TIMEOUT, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) if url.scheme() == "https" && failure.reason == Reason::Network => {
            (ProbeStage::Tls, failure.message)
        }
        Ok(Ok(_)) => (ProbeStage::Response, failure.message),
        Ok(Err(error)) => (ProbeStage::Connection, error.to_string()),
        Err(_) => (ProbeStage::Connection, late("no connection")),
    }
}

/// The variable that names the proxy of this scheme.
fn proxy_variable(scheme: &str) -> Option<&'static str> {
    let names = match scheme {
        "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    names.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
