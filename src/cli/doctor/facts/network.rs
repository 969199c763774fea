//! What the providers answer: one small question a key, at once, each with its time; nothing is generated.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use http::header::DATE;
use http::{HeaderMap, Method};
use url::{Host, Url};

use crate::catalog::DialectId;
use crate::cli::listing;
use crate::cli::product::{is_misdirected, other_region};
use crate::cli::progress::Progress;
use crate::config::settings::{Auth, Provider, Settings};
use crate::credentials::Place;
use crate::failure::{Failure, Reason};
use crate::protocol::face::Face;
use crate::routing::headers;
use crate::upstream::oauth::{Logins, Sent};
use crate::upstream::{Call, Connector};

/// For the head of an answer.
const HEAD: Duration = Duration::from_secs(10);
/// To look a name up, or to reach an address, once more: only to tell what failed.
const AGAIN: Duration = Duration::from_secs(3);

/// One provider with one of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Asked {
    /// Its id.
    pub(in crate::cli::doctor) provider: String,
    /// The key as it may be shown, with where it came from; `None` where it takes none.
    pub(in crate::cli::doctor) key: Option<String>,
    /// What was asked, without its query.
    pub(in crate::cli::doctor) url: String,
    /// What came of it.
    pub(in crate::cli::doctor) outcome: Outcome,
    /// Where it has a login in the place of a key: the command that logs in again.
    pub(in crate::cli::doctor) login: Option<String>,
    /// Where the key was refused: the base URL of the other region, and what came of asking there.
    pub(in crate::cli::doctor) elsewhere: Option<(String, Outcome)>,
}

/// What came of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Outcome {
    /// An answer.
    Answered {
        /// Its status.
        status: u16,
        /// How far this machine's clock is before the answer's `Date`, in seconds.
        ahead: Option<i64>,
    },
    /// None.
    Failed {
        /// Where it failed.
        stage: Stage,
        /// Why.
        why: String,
    },
}

/// How far a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Stage {
    /// The name has no address.
    Name,
    /// The address cannot be reached.
    Connection,
    /// It is reached, and no safe connection comes of it.
    Tls,
    /// What stands in between.
    Proxy,
    /// Connected, and no answer.
    Answer,
    /// Nobody was asked: the login gives no key.
    Login,
}

/// Asks for each key of each provider in use.
pub(super) async fn ask(
    settings: &Settings,
    connector: &Arc<dyn Connector>,
    progress: &Progress,
) -> Vec<Asked> {
    let in_use = settings.providers.values().filter(|provider| is_used(settings, provider));
    let keys = in_use.flat_map(|provider| {
        provider.keys.iter().map(|key| Provider { keys: vec![key.clone()], ..provider.as_ref().clone() })
    });
    let asked = keys.map(async |provider| {
        let asked = one(&Arc::new(provider), connector).await?;
        progress.show(&format!("{} answered, or did not", asked.provider));
        Some(asked)
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Whether requests can go there.
pub(in crate::cli::doctor) fn is_used(settings: &Settings, provider: &Provider) -> bool {
    let chains = settings.routes.iter().map(|route| &route.chain).chain([&settings.default_chain]);
    let named = || chains.flat_map(|chain| &chain.references).any(|model| model.provider == provider.id);
    provider.off.is_none() && (provider.configured || named())
}

/// `None` where nothing is asked: without an address, or with a key whose beginning says that it is another product's. Such
/// a key is sent to no host of the catalog; the check of the products tells of it.
async fn one(provider: &Arc<Provider>, connector: &Arc<dyn Connector>) -> Option<Asked> {
    let (face, base) = listing::base(provider)?;
    if is_misdirected(provider) {
        return None;
    }
    let key = provider.keys.first().filter(|_| provider.auth != Auth::None);
    let key = key.map(|key| format!("{} ({})", provider.masked(key), key.origin));
    let login = provider.login.as_ref().map(Place::command);
    let asked = |outcome, login, elsewhere| {
        let url = format!("{base}{}", question(provider.dialect));
        Some(Asked { provider: provider.id.clone(), key, url, outcome, login, elsewhere })
    };
    let logins = Logins::new(connector.clone());
    // Ahead of the question, so that what is wrong with the login is told apart from what is with the provider.
    if let Err(failure) = logins.called(provider).await {
        // Only a login that is over is mended by another one.
        let login = login.filter(|_| failure.reason == Reason::Auth);
        let outcome = Outcome::Failed { stage: Stage::Login, why: failure.to_string() };
        return asked(outcome, login, None);
    }
    let outcome = get(provider, face, base, &logins).await;
    let refused = matches!(outcome, Outcome::Answered { status: 401, .. });
    // A login is of the region of who gave it: its key goes nowhere else.
    let elsewhere = match other_region(base).filter(|_| refused && provider.login.is_none()) {
        Some(other) => {
            // Headers of the user's are for the host that they were written for.
            let bare = Arc::new(Provider { headers: Vec::new(), ..provider.as_ref().clone() });
            let outcome = get(&bare, face, &other, &logins).await;
            Some((other, outcome))
        }
        None => None,
    };
    asked(outcome, login, elsewhere)
}

/// What only a good key is told. OpenRouter tells its models to everybody.
const fn question(dialect: DialectId) -> &'static str {
    match dialect {
        DialectId::OpenRouter => "/key",
        _ => "/models",
    }
}

async fn get(provider: &Arc<Provider>, face: Face, base: &str, logins: &Logins) -> Outcome {
    let url = format!("{base}{}", question(provider.dialect));
    let call = |called: &Arc<Provider>| {
        let headers =
            headers::of_our_own(called, face).map_err(|why| Failure::new(Reason::BadRequest, why))?;
        Ok(Call { method: Method::GET, url: url.clone().into(), headers, body: Vec::new() })
    };
    let began = SystemTime::now();
    let late = || Failure::new(Reason::Timeout, format!("no answer within {} s", HEAD.as_secs()));
    match tokio::time::timeout(HEAD, logins.send(provider, call)).await.unwrap_or_else(|_| Err(late())) {
        Ok(Sent { response, .. }) => {
            let status = response.status.as_u16();
            Outcome::Answered { status, ahead: ahead(&response.headers, began, SystemTime::now()) }
        }
        // What it refused was refreshed, and there was no other.
        Err(failure) if provider.login.is_some() && failure.reason == Reason::Auth => {
            Outcome::Failed { stage: Stage::Login, why: failure.to_string() }
        }
        Err(failure) if failure.reason == Reason::BadRequest => {
            Outcome::Failed { stage: Stage::Answer, why: failure.message }
        }
        Err(failure) => {
            let (stage, why) = diagnose(&url, failure).await;
            Outcome::Failed { stage, why }
        }
    }
}

/// The answer was made somewhere between the question and its arrival; `Date` has whole seconds.
fn ahead(headers: &HeaderMap, began: SystemTime, ended: SystemTime) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds = |at: SystemTime| {
        at.duration_since(SystemTime::UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok())
    };
    let (date, began, ended) = (seconds(date)?, seconds(began)?, seconds(ended)?);
    // Nothing, where the moment lies between the two.
    Some(if date < began { began - date } else { ended.min(date) - date })
}

/// Goes the way once more, step by step.
async fn diagnose(url: &str, failure: Failure) -> (Stage, String) {
    let Some((url, host)) = Url::parse(url).ok().and_then(|url| Some((url.clone(), url.host()?.to_owned())))
    else {
        return (Stage::Answer, failure.message);
    };
    let is_local = match &host {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    };
    if let Some(proxy) = proxy(url.scheme()).filter(|_| !is_local) {
        return (Stage::Proxy, format!("{} (through the proxy of {proxy})", failure.message));
    }
    let (name, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    let name = name.trim_matches(['[', ']']).to_owned();
    let found = tokio::time::timeout(AGAIN, tokio::net::lookup_host((name, port))).await;
    let addresses: Vec<_> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return (Stage::Name, error.to_string()),
        Err(_) => return (Stage::Name, format!("no name server answered within {} s", AGAIN.as_secs())),
    };
    match tokio::time::timeout(AGAIN, tokio::net::TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) if url.scheme() == "https" && failure.reason == Reason::Network => {
            (Stage::Tls, failure.message)
        }
        Ok(Ok(_)) => (Stage::Answer, failure.message),
        Ok(Err(error)) => (Stage::Connection, error.to_string()),
        Err(_) => (Stage::Connection, format!("nobody answered within {} s", AGAIN.as_secs())),
    }
}

/// The variable that names a proxy, where one does.
fn proxy(scheme: &str) -> Option<&'static str> {
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
            ahead(&HeaderMap::from_iter([(DATE, value)]), at(began), at(ended))
        };
        assert_eq!(told(1000, 998, 1003), Some(0), "it lies between question and answer");
        assert_eq!(told(1000, 1400, 1401), Some(400));
        assert_eq!(told(1000, 690, 700), Some(-300));
        assert_eq!(ahead(&HeaderMap::new(), at(1), at(1)), None);
    }

    #[tokio::test]
    async fn what_failed_is_told_apart() {
        let failed = || Failure::new(Reason::Network, "it broke");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stage = async |url: String| diagnose(&url, failed()).await.0;
        assert_eq!(stage(format!("https://127.0.0.1:{port}/v1")).await, Stage::Tls);
        assert_eq!(stage(format!("http://127.0.0.1:{port}/v1")).await, Stage::Answer);
        drop(listener);
        assert_eq!(stage(format!("http://127.0.0.1:{port}/v1")).await, Stage::Connection);
    }
}
