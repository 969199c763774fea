//! The device login (RFC 8628): a code for the user, and polling until the user has entered it in a browser.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, sleep_until};

use super::super::Connector;
use super::issuer::{Issuer, OAuthResponse, TokenGrant, parse_seconds, sanitize};
use crate::credentials::{Login, generate_id};
use crate::failure::{Failure, Reason};
use crate::secret::Secret;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The polling interval if the server names none (RFC 8628, 3.2).
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// A server cannot make the client poll faster.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// `slow_down` increases the interval by this (RFC 8628, 3.5).
const SLOW_DOWN_STEP: Duration = Duration::from_secs(5);
/// Added to the interval after a request without a response, doubled each time (RFC 8628, 3.5).
const RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);
/// The lifetime of a code if the server names none.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(15);

/// The code for the user, and the state that polling needs.
pub struct DeviceCode {
    /// The code that the user enters or compares.
    pub user_code: String,
    /// The page where the user enters it.
    pub uri: String,
    /// The same page with the code filled in.
    pub complete_uri: Option<String>,
    /// Counted from the response.
    pub lifetime: Duration,
    interval: Duration,
    device_code: Secret,
}

/// Why the login failed.
#[derive(Debug)]
pub enum DeviceFlowError {
    /// The user did not enter the code in time.
    Expired,
    /// The user refused.
    Denied,
    /// Any other reason.
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
/// When the server sends none.
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
        return Err(Failure::new(Reason::Server, "the OAuth server sent no code"));
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
    let (mut interval, mut retry_delay) = (code.interval, Duration::ZERO);
    loop {
        let next = Instant::now() + interval + retry_delay;
        if next >= end {
            sleep_until(end).await;
            return Err(DeviceFlowError::Expired);
        }
        sleep(interval + retry_delay).await;
        let fields = [("device_code", code.device_code.expose()), ("grant_type", GRANT_TYPE)];
        match issuer.post(connector, "token", &fields).await {
            Ok(OAuthResponse::Success(members)) => {
                return Ok(build_login(issuer, TokenGrant::from_members(&members)?, now()));
            }
            Ok(OAuthResponse::Error { error, description, .. }) => match error.as_str() {
                "authorization_pending" => retry_delay = Duration::ZERO,
                "slow_down" => (interval, retry_delay) = (interval + SLOW_DOWN_STEP, Duration::ZERO),
                "expired_token" => return Err(DeviceFlowError::Expired),
                "access_denied" => return Err(DeviceFlowError::Denied),
                _ => return Err(build_auth_failure(&error, &description).into()),
            },
            Err(failure) => {
                tracing::debug!("no response to the login request: {failure}");
                retry_delay = (2 * retry_delay).clamp(RETRY_DELAY, MAX_RETRY_DELAY);
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
    Failure::new(Reason::Auth, format!("the OAuth server refused: {error}{colon}{description}"))
}
