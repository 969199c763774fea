//! What a provider says of itself and of a key, asked as ourselves: its list of models, its account.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use serde::Deserialize;

use crate::config::settings::Provider;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::provider::classify::{Classifier, ProviderError};
use crate::routing::headers;
use crate::secret::Redactor;
use crate::upstream::oauth::{AuthenticatedConnector, AuthenticatedResponse};
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse, parse_retry_after, read_body};

/// For a whole list; OpenRouter's is half a megabyte.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// Twenty times OpenRouter's list.
const MAX_LIST_BYTES: usize = 16 << 20;

/// The OpenAI shape; Anthropic's has the same outer members.
#[derive(Deserialize)]
pub(super) struct ModelList {
    /// The models.
    pub(super) data: Vec<ListedModel>,
}

/// One model of a list.
#[derive(Deserialize)]
pub(super) struct ListedModel {
    /// As the provider calls it.
    pub(super) id: String,
    /// In tokens, where the list says so.
    pub(super) context_length: Option<u64>,
}

/// The face whose base such questions are put to, and the base: the OpenAI one where there is one.
pub(super) fn api_base(provider: &Provider) -> Option<(Api, &str)> {
    let chat = provider
        .apis
        .iter()
        .find(|(face, _)| *face == Api::ChatCompletions)
        .or_else(|| provider.apis.first());
    chat.map(|(face, base)| (*face, base.as_str()))
}

/// One GET with the provider's first key: the body, or why there is none. What was refused has its status.
///
/// # Errors
/// A failure of the provider's dialect.
pub(super) async fn fetch(
    provider: &Provider,
    route: &str,
    connector: &dyn Connector,
) -> Result<Bytes, Failure> {
    let asked = async { read_list(connector.send(build_call(provider, route)?).await?, provider).await };
    with_timeout(asked).await
}

/// The same with the key of now of a provider that may have a login. One that is refused before its time is refreshed.
/// The redactor has the secrets that were sent, for what is shown of the body.
///
/// # Errors
/// As [`get`], and when the login is over or cannot be refreshed.
pub(super) async fn fetch_with_login(
    provider: &Arc<Provider>,
    route: &str,
    logins: &AuthenticatedConnector,
) -> Result<(Bytes, Redactor), Failure> {
    let asked = async {
        let AuthenticatedResponse { response, provider } =
            logins.send(provider, |called| build_call(called, route)).await?;
        Ok((read_list(response, &provider).await?, provider.redactor()))
    };
    with_timeout(asked).await
}

async fn with_timeout<T>(asked: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = || Failure::new(Reason::Timeout, format!("no answer within {} s", LIST_TIMEOUT.as_secs()));
    tokio::time::timeout(LIST_TIMEOUT, asked).await.unwrap_or_else(|_| Err(late()))
}

fn build_call(provider: &Provider, route: &str) -> Result<UpstreamRequest, Failure> {
    let wrong = |why: String| Failure::new(Reason::BadRequest, why);
    let (face, base) = api_base(provider).ok_or_else(|| wrong("it has no address".to_owned()))?;
    let headers = headers::build_gateway_headers(provider, face).map_err(wrong)?;
    Ok(UpstreamRequest {
        method: Method::GET,
        url: format!("{base}{route}").into(),
        headers,
        body: Vec::new(),
    })
}

async fn read_list(response: UpstreamResponse, provider: &Provider) -> Result<Bytes, Failure> {
    let (status, now) = (response.status, SystemTime::now());
    let kind = response.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let waits = parse_retry_after(&response.headers, now);
    let body = read_body(response.body, MAX_LIST_BYTES).await?;
    if status.is_success() {
        return Ok(body);
    }
    let status = status.as_u16();
    let refused = ProviderError {
        status,
        content_type: kind.as_deref(),
        retry_after: waits,
        received_at: now,
        body: &body,
    };
    Err(Classifier::new(provider.adapter, provider.redactor()).classify(&refused))
}
