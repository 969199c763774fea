//! Requests of Moonrelay itself to a provider: its model list, its account. And what is known before a key is sent: the
//! product that it belongs to, and the other region that may accept it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use url::Url;

use crate::catalog::{AdapterId, builtin_catalog};
use crate::config::settings::{Auth, Provider};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::provider::classify::{Classifier, ProviderError};
use crate::routing::headers;
use crate::secret::{Redactor, Secret};
use crate::upstream::oauth::{AuthenticatedConnector, AuthenticatedResponse};
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse, parse_retry_after, read_body};

/// For a whole model list; OpenRouter's has half a megabyte.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// Twenty times OpenRouter's list.
const MAX_LIST_BYTES: usize = 16 << 20;

/// OpenAI's shape; Anthropic's has the same outer fields.
#[derive(Deserialize)]
pub(crate) struct ModelList {
    pub(crate) data: Vec<ListedModel>,
}

#[derive(Deserialize)]
pub(crate) struct ListedModel {
    pub(crate) id: String,
    /// In tokens, if the list has it.
    pub(crate) context_length: Option<u64>,
}

/// The API and the base URL of such requests: Chat Completions if the provider has it.
pub(crate) fn api_base(provider: &Provider) -> Option<(Api, &str)> {
    let chat = provider.apis.iter().find(|(api, _)| *api == Api::ChatCompletions);
    chat.or_else(|| provider.apis.first()).map(|(api, base)| (*api, base.as_str()))
}

/// Sends a GET request with the provider's first key and returns the body.
pub(crate) async fn fetch(
    provider: &Provider,
    route: &str,
    connector: &dyn Connector,
) -> Result<Bytes, Failure> {
    let call = async { read_list(connector.send(build_call(provider, route)?).await?, provider).await };
    with_timeout(call).await
}

/// The same for a provider that may use a log-in, whose token is refreshed if it is rejected. The redactor has the
/// secrets that were sent.
pub(crate) async fn fetch_with_login(
    provider: &Arc<Provider>,
    route: &str,
    logins: &AuthenticatedConnector,
) -> Result<(Bytes, Redactor), Failure> {
    let call = async {
        let AuthenticatedResponse { response, provider } =
            logins.send(provider, |called| build_call(called, route)).await?;
        Ok((read_list(response, &provider).await?, provider.redactor()))
    };
    with_timeout(call).await
}

async fn with_timeout<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = || Failure::new(Reason::Timeout, format!("no response within {} s", LIST_TIMEOUT.as_secs()));
    tokio::time::timeout(LIST_TIMEOUT, call).await.unwrap_or_else(|_| Err(late()))
}

pub(super) fn build_call(provider: &Provider, route: &str) -> Result<UpstreamRequest, Failure> {
    let invalid = |why: String| Failure::new(Reason::BadRequest, why);
    let (api, base) = api_base(provider).ok_or_else(|| invalid("it has no base URL".to_owned()))?;
    let headers = headers::build_gateway_headers(provider, api).map_err(invalid)?;
    Ok(UpstreamRequest {
        method: Method::GET,
        url: format!("{base}{route}").into(),
        headers,
        body: Vec::new(),
    })
}

async fn read_list(response: UpstreamResponse, provider: &Provider) -> Result<Bytes, Failure> {
    let (status, received_at) = (response.status, SystemTime::now());
    let content_type = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    let retry_after = parse_retry_after(&response.headers, received_at);
    let body = read_body(response.body, MAX_LIST_BYTES).await?;
    if status.is_success() {
        return Ok(body);
    }
    let error = ProviderError {
        status: status.as_u16(),
        content_type: content_type.as_deref(),
        retry_after,
        received_at,
        body: &body,
    };
    Err(Classifier::new(provider.adapter, provider.redactor()).classify(&error))
}

/// The product of a key, if it is not the adapter's. Kimi Code's keys start with `sk-kimi-` and are rejected by
/// Moonshot's platform, and the other way round (wire.md 2.1, from kimi-code 2.1.0). OpenRouter's start with `sk-or-`
/// (its documentation). A plain `sk-…` is ambiguous: many servers use it.
pub(crate) fn detect_other_product(adapter: AdapterId, key: &Secret) -> Option<AdapterId> {
    let product = match key.expose() {
        key if key.starts_with("sk-kimi-") => AdapterId::KimiCode,
        key if key.starts_with("sk-or-") => AdapterId::OpenRouter,
        _ => return None,
    };
    // A proxy may accept any key.
    (adapter != AdapterId::Generic && product != adapter).then_some(product)
}

/// Whether its base URL has a host of the catalog, and not of a proxy.
pub(crate) fn uses_catalog_host(provider: &Provider) -> bool {
    let url = api_base(provider).and_then(|(_, base)| Url::parse(base).ok());
    url.is_some_and(|url| url.host_str().is_some_and(|host| builtin_catalog().find_by_host(host).is_some()))
}

/// Whether its first key belongs to another product than its host. Such a key must not be sent.
pub(crate) fn has_misdirected_key(provider: &Provider) -> bool {
    let key = provider.keys.first().filter(|_| !matches!(provider.auth, Auth::None | Auth::Login));
    key.is_some_and(|key| detect_other_product(provider.adapter, &key.secret).is_some())
        && uses_catalog_host(provider)
}

/// The same base URL on the product's other host. A key is valid on one of them only (wire.md 1.1: keys, balances and
/// accounts are per region).
pub(crate) fn other_region_base_url(base: &str) -> Option<String> {
    let url = Url::parse(base).ok()?;
    let host = url.host_str()?;
    let adapter = builtin_catalog().find_by_host(host)?.adapter;
    let same = builtin_catalog().providers.iter().filter(|known| known.adapter == adapter);
    let other = same.flat_map(|known| &known.hosts).find(|known| *known != host)?;
    Some(base.replacen(&format!("//{host}"), &format!("//{other}"), 1))
}
