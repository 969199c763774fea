//! What a provider says of itself and of a key, asked as ourselves: its list of models, its account.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use serde::Deserialize;

use crate::config::settings::Provider;
use crate::failure::{Failure, Reason};
use crate::protocol::face::Face;
use crate::provider::classify::{Classifier, Refused};
use crate::routing::headers;
use crate::secret::Redactor;
use crate::upstream::oauth::{Logins, Sent};
use crate::upstream::{Call, Connector, Response, read_whole, retry_after};

/// For a whole list; OpenRouter's is half a megabyte.
const WHOLE: Duration = Duration::from_secs(30);

/// Twenty times OpenRouter's list.
const LARGEST: usize = 16 << 20;

/// The OpenAI shape; Anthropic's has the same outer members.
#[derive(Deserialize)]
pub(super) struct Listing {
    /// The models.
    pub(super) data: Vec<Listed>,
}

/// One model of a list.
#[derive(Deserialize)]
pub(super) struct Listed {
    /// As the provider calls it.
    pub(super) id: String,
    /// In tokens, where the list says so.
    pub(super) context_length: Option<u64>,
}

/// The face whose base such questions are put to, and the base: the OpenAI one where there is one.
pub(super) fn base(provider: &Provider) -> Option<(Face, &str)> {
    let chat = provider.faces.iter().find(|(face, _)| *face == Face::Chat).or_else(|| provider.faces.first());
    chat.map(|(face, base)| (*face, base.as_str()))
}

/// One GET with the provider's first key: the body, or why there is none. What was refused has its status.
///
/// # Errors
/// A failure of the provider's dialect.
pub(super) async fn get(
    provider: &Provider,
    route: &str,
    connector: &dyn Connector,
) -> Result<Bytes, Failure> {
    let asked = async { read(connector.send(call(provider, route)?).await?, provider).await };
    in_time(asked).await
}

/// The same with the key of now of a provider that may have a login. One that is refused before its time is refreshed.
/// The redactor has the secrets that were sent, for what is shown of the body.
///
/// # Errors
/// As [`get`], and when the login is over or cannot be refreshed.
pub(super) async fn get_called(
    provider: &Arc<Provider>,
    route: &str,
    logins: &Logins,
) -> Result<(Bytes, Redactor), Failure> {
    let asked = async {
        let Sent { response, provider } = logins.send(provider, |called| call(called, route)).await?;
        Ok((read(response, &provider).await?, provider.redactor()))
    };
    in_time(asked).await
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = || Failure::new(Reason::Timeout, format!("no answer within {} s", WHOLE.as_secs()));
    tokio::time::timeout(WHOLE, asked).await.unwrap_or_else(|_| Err(late()))
}

fn call(provider: &Provider, route: &str) -> Result<Call, Failure> {
    let wrong = |why: String| Failure::new(Reason::BadRequest, why);
    let (face, base) = base(provider).ok_or_else(|| wrong("it has no address".to_owned()))?;
    let headers = headers::of_our_own(provider, face).map_err(wrong)?;
    Ok(Call { method: Method::GET, url: format!("{base}{route}").into(), headers, body: Vec::new() })
}

async fn read(response: Response, provider: &Provider) -> Result<Bytes, Failure> {
    let (status, now) = (response.status, SystemTime::now());
    let kind = response.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let waits = retry_after(&response.headers, now);
    let body = read_whole(response.body, LARGEST).await?;
    if status.is_success() {
        return Ok(body);
    }
    let status = status.as_u16();
    let refused = Refused { status, content_type: kind.as_deref(), retry_after: waits, now, body: &body };
    Err(Classifier::new(provider.dialect, provider.redactor()).classify(&refused))
}
