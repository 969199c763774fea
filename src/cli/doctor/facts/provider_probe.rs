//! Provider probes: one small request per key, concurrently and timed; no tokens are generated.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use http::header::DATE;
use http::{HeaderMap, Method};
use url::{Host, Url};

use crate::catalog::AdapterId;
use crate::cli::key_product::{has_misdirected_key, other_region_base_url};
use crate::cli::progress::Progress;
use crate::cli::provider_query;
use crate::config::settings::{Auth, Provider, Settings};
use crate::credentials::LoginFile;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::routing::headers;
use crate::upstream::oauth::{AuthenticatedConnector, AuthenticatedResponse};
use crate::upstream::{Connector, UpstreamRequest};

/// For the head of an answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of the second lookup or connection that finds the failed stage.
const DIAGNOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// One provider with one of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct ProviderProbe {
    /// Its id.
    pub(in crate::cli::doctor) provider: String,
    /// The key as it may be shown, with where it came from; `None` where it takes none.
    pub(in crate::cli::doctor) key: Option<String>,
    /// The request URL without its query.
    pub(in crate::cli::doctor) url: String,
    /// What came of it.
    pub(in crate::cli::doctor) outcome: ProbeOutcome,
    /// With a login instead of a key: the command that logs in again.
    pub(in crate::cli::doctor) login_command: Option<String>,
    /// Where the key was refused: the base URL of the other region, and what came of asking there.
    pub(in crate::cli::doctor) other_region: Option<(String, ProbeOutcome)>,
}

/// What came of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum ProbeOutcome {
    /// An answer.
    Answered {
        /// Its status.
        status: u16,
        /// How far this machine's clock is before the answer's `Date`, in seconds.
        clock_offset_seconds: Option<i64>,
    },
    /// None.
    Failed {
        /// Where it failed.
        stage: ProbeStage,
        /// Why.
        why: String,
    },
}

/// How far a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum ProbeStage {
    /// The name has no address.
    NameResolution,
    /// The address cannot be reached.
    Connection,
    /// The host is reachable, but the TLS handshake fails.
    Tls,
    /// A proxy.
    Proxy,
    /// Connected, and no answer.
    Response,
    /// No request was sent: the login has no key.
    Login,
}

/// Probes each key of each provider in use.
pub(super) async fn probe_providers(
    settings: &Settings,
    connector: &Arc<dyn Connector>,
    progress: &Progress,
) -> Vec<ProviderProbe> {
    let in_use = settings.providers.values().filter(|provider| is_used(settings, provider));
    let keys = in_use.flat_map(|provider| {
        provider.keys.iter().map(|key| Provider { keys: vec![key.clone()], ..provider.as_ref().clone() })
    });
    let asked = keys.map(async |provider| {
        let asked = probe_provider(&Arc::new(provider), connector).await?;
        progress.show(&format!("{} answered, or did not", asked.provider));
        Some(asked)
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Whether requests can go there.
pub(in crate::cli::doctor) fn is_used(settings: &Settings, provider: &Provider) -> bool {
    let chains = settings.routes.iter().map(|route| &route.chain).chain([&settings.default_chain]);
    let named = || chains.flat_map(|chain| &chain.references).any(|model| model.provider == provider.id);
    provider.disabled_reason.is_none() && (provider.is_configured || named())
}

/// `None` if no request is sent: without an address, or with a key whose prefix belongs to another product.
/// Such a key is sent to no host of the catalog; the key product check reports it.
async fn probe_provider(provider: &Arc<Provider>, connector: &Arc<dyn Connector>) -> Option<ProviderProbe> {
    let (face, base) = provider_query::api_base(provider)?;
    if has_misdirected_key(provider) {
        return None;
    }
    let key = provider.keys.first().filter(|_| provider.auth != Auth::None);
    let key = key.map(|key| format!("{} ({})", provider.mask_key(key), key.origin));
    let login = provider.login_file.as_ref().map(LoginFile::login_command);
    let asked = |outcome, login, elsewhere| {
        let url = format!("{base}{}", probe_route(provider.adapter));
        Some(ProviderProbe {
            provider: provider.id.clone(),
            key,
            url,
            outcome,
            login_command: login,
            other_region: elsewhere,
        })
    };
    let logins = AuthenticatedConnector::new(connector.clone());
    // Runs before the request, to separate login failures from provider failures.
    if let Err(failure) = logins.authorize(provider).await {
        // Only an expired login is fixed by a new one.
        let login = login.filter(|_| failure.reason == Reason::Auth);
        let outcome = ProbeOutcome::Failed { stage: ProbeStage::Login, why: failure.to_string() };
        return asked(outcome, login, None);
    }
    let outcome = send_probe(provider, face, base, &logins).await;
    let refused = matches!(outcome, ProbeOutcome::Answered { status: 401, .. });
    // A login belongs to the region of its OAuth server: its key is sent to no other region.
    let elsewhere = match other_region_base_url(base).filter(|_| refused && provider.login_file.is_none()) {
        Some(other) => {
            // Headers of the user's are for the host that they were written for.
            let bare = Arc::new(Provider { headers: Vec::new(), ..provider.as_ref().clone() });
            let outcome = send_probe(&bare, face, &other, &logins).await;
            Some((other, outcome))
        }
        None => None,
    };
    asked(outcome, login, elsewhere)
}

/// A route that needs a valid key. OpenRouter's model list is public.
const fn probe_route(dialect: AdapterId) -> &'static str {
    match dialect {
        AdapterId::OpenRouter => "/key",
        _ => "/models",
    }
}

async fn send_probe(
    provider: &Arc<Provider>,
    face: Api,
    base: &str,
    logins: &AuthenticatedConnector,
) -> ProbeOutcome {
    let url = format!("{base}{}", probe_route(provider.adapter));
    let call = |called: &Arc<Provider>| {
        let headers = headers::build_gateway_headers(called, face)
            .map_err(|why| Failure::new(Reason::BadRequest, why))?;
        Ok(UpstreamRequest { method: Method::GET, url: url.clone().into(), headers, body: Vec::new() })
    };
    let began = SystemTime::now();
    let late = || Failure::new(Reason::Timeout, format!("no answer within {} s", RESPONSE_TIMEOUT.as_secs()));
    match tokio::time::timeout(RESPONSE_TIMEOUT, logins.send(provider, call))
        .await
        .unwrap_or_else(|_| Err(late()))
    {
        Ok(AuthenticatedResponse { response, .. }) => {
            let status = response.status.as_u16();
            ProbeOutcome::Answered {
                status,
                clock_offset_seconds: clock_offset_seconds(&response.headers, began, SystemTime::now()),
            }
        }
        // What it refused was refreshed, and there was no other.
        Err(failure) if provider.login_file.is_some() && failure.reason == Reason::Auth => {
            ProbeOutcome::Failed { stage: ProbeStage::Login, why: failure.to_string() }
        }
        Err(failure) if failure.reason == Reason::BadRequest => {
            ProbeOutcome::Failed { stage: ProbeStage::Response, why: failure.message }
        }
        Err(failure) => {
            let (stage, why) = diagnose(&url, failure).await;
            ProbeOutcome::Failed { stage, why }
        }
    }
}

/// The answer was made somewhere between the question and its arrival; `Date` has whole seconds.
fn clock_offset_seconds(headers: &HeaderMap, began: SystemTime, ended: SystemTime) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds = |at: SystemTime| {
        at.duration_since(SystemTime::UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok())
    };
    let (date, began, ended) = (seconds(date)?, seconds(began)?, seconds(ended)?);
    // Nothing, where the moment lies between the two.
    Some(if date < began { began - date } else { ended.min(date) - date })
}

/// Repeats the connection step by step to find the failed stage.
async fn diagnose(url: &str, failure: Failure) -> (ProbeStage, String) {
    let Some((url, host)) = Url::parse(url).ok().and_then(|url| Some((url.clone(), url.host()?.to_owned())))
    else {
        return (ProbeStage::Response, failure.message);
    };
    let is_local = match &host {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    };
    if let Some(proxy) = proxy_variable(url.scheme()).filter(|_| !is_local) {
        return (ProbeStage::Proxy, format!("{} (through the proxy of {proxy})", failure.message));
    }
    let (name, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    let name = name.trim_matches(['[', ']']).to_owned();
    let found = tokio::time::timeout(DIAGNOSE_TIMEOUT, tokio::net::lookup_host((name, port))).await;
    let addresses: Vec<_> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return (ProbeStage::NameResolution, error.to_string()),
        Err(_) => {
            return (
                ProbeStage::NameResolution,
                format!("no name server answered within {} s", DIAGNOSE_TIMEOUT.as_secs()),
            );
        }
    };
    match tokio::time::timeout(DIAGNOSE_TIMEOUT, tokio::net::TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) if url.scheme() == "https" && failure.reason == Reason::Network => {
            (ProbeStage::Tls, failure.message)
        }
        Ok(Ok(_)) => (ProbeStage::Response, failure.message),
        Ok(Err(error)) => (ProbeStage::Connection, error.to_string()),
        Err(_) => {
            (ProbeStage::Connection, format!("nobody answered within {} s", DIAGNOSE_TIMEOUT.as_secs()))
        }
    }
}

/// The variable that names a proxy, where one does.
fn proxy_variable(scheme: &str) -> Option<&'static str> {
    let names: &[&str] = match scheme {
        "https" => &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    names.iter().copied().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_compared_with_the_time_of_the_answer() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let told = |date: u64, began: u64, ended: u64| {
            let value = httpdate::fmt_http_date(at(date)).parse().unwrap();
            clock_offset_seconds(&HeaderMap::from_iter([(DATE, value)]), at(began), at(ended))
        };
        assert_eq!(told(1000, 998, 1003), Some(0), "it lies between question and answer");
        assert_eq!(told(1000, 1400, 1401), Some(400));
        assert_eq!(told(1000, 690, 700), Some(-300));
        assert_eq!(clock_offset_seconds(&HeaderMap::new(), at(1), at(1)), None);
    }

    #[tokio::test]
    async fn what_failed_is_told_apart() {
        let failed = || Failure::new(Reason::Network, "it broke");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stage = async |url: String| diagnose(&url, failed()).await.0;
        assert_eq!(stage(format!("https://127.0.0.1:{port}/v1")).await, ProbeStage::Tls);
        assert_eq!(stage(format!("http://127.0.0.1:{port}/v1")).await, ProbeStage::Response);
        drop(listener);
        assert_eq!(stage(format!("http://127.0.0.1:{port}/v1")).await, ProbeStage::Connection);
    }
}
