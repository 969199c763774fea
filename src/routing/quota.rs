//! Owns the quota that providers report. Providers are called on demand only. Such a call causes no cooldown
//! and does not count as a request.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method};
use tokio::time::{Instant, timeout};

use super::headers;
use crate::config::settings::{Provider, Settings};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::provider::classify::{Classifier, ProviderError};
use crate::provider::quota;
use crate::upstream::oauth::{AuthenticatedConnector, AuthenticatedResponse};
use crate::upstream::{UpstreamRequest, read_capped_body};

pub use crate::provider::quota::{Allowance, Balance};

const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The lifetime of a report, also of a failed one: the figures change slowly, and a dashboard polls often.
const MAX_AGE: Duration = Duration::from_secs(60);
/// In bytes; real responses have one or two thousand.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The report of one provider.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderQuota {
    /// The provider's id.
    pub provider: String,
    /// The time of the call.
    pub fetched_at: SystemTime,
    /// The quota, or the reason why there is none, without secrets.
    pub limits: Result<Vec<Allowance>, String>,
}

/// The last report of every provider.
pub struct QuotaCache {
    logins: Arc<AuthenticatedConnector>,
    fingerprints: RandomState,
    entries: Mutex<BTreeMap<String, CachedQuota>>,
    /// Held during a call; concurrent callers wait for its result.
    refresh_lock: tokio::sync::Mutex<()>,
}

struct CachedQuota {
    quota: ProviderQuota,
    fetched_at: Instant,
    /// The fingerprint of the call: another key or address is another account.
    fingerprint: u64,
}

pub(super) struct QuotaRequest {
    provider: Arc<Provider>,
    url: String,
    fingerprint: u64,
}

impl QuotaCache {
    /// Creates an empty cache; calls no provider.
    pub fn new(logins: Arc<AuthenticatedConnector>) -> Self {
        let (fingerprints, entries) = (RandomState::new(), Mutex::default());
        Self { logins, fingerprints, entries, refresh_lock: tokio::sync::Mutex::default() }
    }

    /// The last reports, in the order of the providers' ids. Calls no provider.
    pub fn cached(&self) -> Vec<ProviderQuota> {
        self.lock_entries().values().map(|known| known.quota.clone()).collect()
    }

    /// The reports of every usable provider that has a quota API. Providers whose last report is older than 60
    /// s are called concurrently, for at most 5 s, with the first key.
    pub async fn refresh(&self, settings: &Settings) -> Vec<ProviderQuota> {
        let _guard = self.refresh_lock.lock().await;
        let mut requests = self.retain_configured(settings);
        let is_old = |known: &CachedQuota| known.fetched_at.elapsed() >= MAX_AGE;
        requests.retain(|request| self.lock_entries().get(&request.provider.id).is_none_or(is_old));
        let fetched = join_all(requests.iter().map(|request| self.fetch_entry(request))).await;
        self.lock_entries().extend(fetched);
        self.cached()
    }

    /// Removes reports that do not belong to these settings. Returns the quota calls of these settings.
    pub(super) fn retain_configured(&self, settings: &Settings) -> Vec<QuotaRequest> {
        let requests = self.build_requests(settings);
        self.lock_entries().retain(|id, known| {
            requests.iter().any(|each| each.provider.id == *id && each.fingerprint == known.fingerprint)
        });
        requests
    }

    fn build_requests(&self, settings: &Settings) -> Vec<QuotaRequest> {
        let callable = settings.providers.values().filter(|provider| provider.disabled_reason.is_none());
        let request = |provider: &Arc<Provider>| {
            let url = quota::quota_url(provider.adapter, &provider.apis)?;
            let headers = provider.headers.iter().map(|header| (header.name.as_str(), header.value.expose()));
            let key = provider.keys.first().map(|key| key.secret.expose());
            let fingerprint = self.fingerprints.hash_one((&url, key, headers.collect::<Vec<_>>()));
            Some(QuotaRequest { provider: provider.clone(), url, fingerprint })
        };
        callable.filter_map(request).collect()
    }

    async fn fetch_entry(&self, request: &QuotaRequest) -> (String, CachedQuota) {
        let id = request.provider.id.clone();
        let expired = || format!("no answer within {} s", FETCH_TIMEOUT.as_secs());
        let limits = timeout(FETCH_TIMEOUT, self.fetch_limits(request)).await;
        let limits = limits.unwrap_or_else(|_| Err(Failure::new(Reason::Timeout, expired())));
        let limits = limits.map_err(|failure| failure.to_string());
        if let Err(error) = &limits {
            tracing::debug!("no quota of {id}: {error}");
        }
        let quota = ProviderQuota { provider: id.clone(), fetched_at: SystemTime::now(), limits };
        (id, CachedQuota { quota, fetched_at: Instant::now(), fingerprint: request.fingerprint })
    }

    async fn fetch_limits(&self, request: &QuotaRequest) -> Result<Vec<Allowance>, Failure> {
        let failed = |message: String| Failure::new(Reason::Server, message);
        let call = |provider: &Arc<Provider>| {
            // All three accept Bearer for it, also Kimi Code, whose Messages API has its own header.
            let mut headers =
                headers::build_gateway_headers(provider, Api::ChatCompletions).map_err(failed)?;
            headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
            let url = request.url.clone().into();
            Ok(UpstreamRequest { method: Method::GET, url, headers, body: Vec::new() })
        };
        let AuthenticatedResponse { response, provider: called } =
            self.logins.send(&request.provider, call).await?;
        // The caller's timeout expires before this one.
        let body =
            read_capped_body(&response.headers, response.body, MAX_BODY_BYTES, 2 * FETCH_TIMEOUT).await;
        // With the key that was sent, also that of a login.
        let (redactor, now) = (called.redactor(), SystemTime::now());
        if response.status.is_success() {
            return quota::parse_response(called.adapter, &body, &called.currency, now, &redactor)
                .map_err(failed);
        }
        let kind = response.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let status = response.status.as_u16();
        let error =
            ProviderError { status, content_type: kind, retry_after: None, received_at: now, body: &body };
        Err(Classifier::new(called.adapter, redactor).classify(&error))
    }

    fn lock_entries(&self) -> MutexGuard<'_, BTreeMap<String, CachedQuota>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
