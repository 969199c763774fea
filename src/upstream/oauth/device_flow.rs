//! The device login: a code for the person, and the wait until it is entered elsewhere (RFC 8628).

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, sleep_until};

use super::super::Connector;
use super::issuer::{Issuer, OAuthResponse, TokenGrant, parse_seconds, sanitize};
use crate::credentials::{Login, generate_id};
use crate::failure::{Failure, Reason};
use crate::secret::Secret;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Where the server does not say how long to wait between two questions (RFC 8628, 3.2).
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// Whatever the server says: no loop without a pause.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// What `slow_down` adds, from then on (RFC 8628, 3.5).
const SLOW_DOWN_STEP: Duration = Duration::from_secs(5);
/// After a question without an answer the next wait is this much longer, then twice as much, and so on (RFC 8628, 3.5).
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// No further than that.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);
/// Of a code whose answer does not say how long it is good.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(15);

/// What the person must know, and how to ask whether it was used.
pub struct DeviceCode {
    /// To be entered, or compared.
    pub user_code: String,
    /// Where.
    pub uri: String,
    /// The same with the code in it.
    pub complete_uri: Option<String>,
    /// From now on.
    pub lifetime: Duration,
    interval: Duration,
    device_code: Secret,
}

/// Why the login failed.
#[derive(Debug)]
pub enum DeviceFlowError {
    /// The code was not entered in time.
    Expired,
    /// The person said no.
    Denied,
    /// Something else.
    Failed(Failure),
}

impl From<Failure> for DeviceFlowError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Requests a code.
///
/// # Errors
/// When the server gives none.
pub async fn request_code(connector: &dyn Connector, issuer: &Issuer) -> Result<DeviceCode, Failure> {
    let members = match issuer.post(connector, "device_authorization", &[]).await? {
        OAuthResponse::Success(members) => members,
        OAuthResponse::Error { error, description, .. } => {
            return Err(build_auth_failure(&error, &description));
        }
    };
    let raw = |key: &str| members.get(key)?.as_str().filter(|text| !text.is_empty());
    let (Some(device_code), Some(user_code), Some(uri)) =
        (raw("device_code"), raw("user_code"), raw("verification_uri"))
    else {
        return Err(Failure::new(Reason::Server, "the authorization server gave no code"));
    };
    Ok(DeviceCode {
        user_code: sanitize(user_code),
        uri: sanitize(uri),
        complete_uri: raw("verification_uri_complete").map(sanitize),
        lifetime: parse_seconds(&members, "expires_in").unwrap_or(DEFAULT_LIFETIME),
        interval: parse_seconds(&members, "interval").unwrap_or(DEFAULT_INTERVAL).max(MIN_INTERVAL),
        device_code: Secret::new(device_code.to_owned()),
    })
}

/// Waits until the user has entered the code. Dropping the future cancels the login, and nothing is stored.
///
/// # Errors
/// Why the login failed.
pub async fn wait_for_login(
    connector: &dyn Connector,
    issuer: &Issuer,
    code: &DeviceCode,
    now: impl Fn() -> SystemTime,
) -> Result<Login, DeviceFlowError> {
    let end = Instant::now() + code.lifetime;
    let (mut interval, mut hiccup) = (code.interval, Duration::ZERO);
    loop {
        let next = Instant::now() + interval + hiccup;
        if next >= end {
            sleep_until(end).await;
            return Err(DeviceFlowError::Expired);
        }
        sleep(interval + hiccup).await;
        let fields = [("device_code", code.device_code.expose()), ("grant_type", GRANT_TYPE)];
        match issuer.post(connector, "token", &fields).await {
            Ok(OAuthResponse::Success(members)) => {
                return Ok(build_login(issuer, TokenGrant::from_members(&members)?, now()));
            }
            Ok(OAuthResponse::Error { error, description, .. }) => match error.as_str() {
                "authorization_pending" => hiccup = Duration::ZERO,
                "slow_down" => (interval, hiccup) = (interval + SLOW_DOWN_STEP, Duration::ZERO),
                "expired_token" => return Err(DeviceFlowError::Expired),
                "access_denied" => return Err(DeviceFlowError::Denied),
                _ => return Err(build_auth_failure(&error, &description).into()),
            },
            Err(failure) => {
                tracing::debug!("no answer yet: {failure}");
                hiccup = (2 * hiccup).clamp(RETRY_DELAY, MAX_RETRY_DELAY);
            }
        }
    }
}

fn build_login(issuer: &Issuer, grant: TokenGrant, now: SystemTime) -> Login {
    Login {
        id: generate_id(),
        host: issuer.host().to_owned(),
        client_id: issuer.client_id().to_owned(),
        access_token: grant.access_token,
        refresh_token: grant.refresh_token,
        expires_at: now + grant.lifetime,
        lifetime: grant.lifetime,
    }
}

fn build_auth_failure(error: &str, description: &str) -> Failure {
    let colon = if description.is_empty() { "" } else { ": " };
    Failure::new(Reason::Auth, format!("the authorization server refuses: {error}{colon}{description}"))
}
