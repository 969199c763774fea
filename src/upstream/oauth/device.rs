//! The device login: a code for the person, and the wait until it is entered elsewhere (RFC 8628).

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, sleep_until};

use super::super::Connector;
use super::endpoint::{Grant, Issuer, Told, harmless, seconds};
use crate::credentials::{Login, random};
use crate::failure::{Failure, Reason};
use crate::secret::Secret;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Where the server does not say how long to wait between two questions (RFC 8628, 3.2).
const INTERVAL: Duration = Duration::from_secs(5);
/// Whatever the server says: no loop without a pause.
const SHORTEST: Duration = Duration::from_millis(100);
/// What `slow_down` adds, from then on (RFC 8628, 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// After a question without an answer the next wait is this much longer, then twice as much, and so on (RFC 8628, 3.5).
const HICCUP: Duration = Duration::from_secs(1);
/// No further than that.
const LONGEST_HICCUP: Duration = Duration::from_secs(30);
/// Of a code whose answer does not say how long it is good.
const GOOD_FOR: Duration = Duration::from_mins(15);

/// What the person must know, and how to ask whether it was used.
pub struct Code {
    /// To be entered, or compared.
    pub user_code: String,
    /// Where.
    pub uri: String,
    /// The same with the code in it.
    pub complete: Option<String>,
    /// From now on.
    pub good_for: Duration,
    interval: Duration,
    device_code: Secret,
}

/// Why there is no login.
#[derive(Debug)]
pub enum NoLogin {
    /// The code was not entered in time.
    Expired,
    /// The person said no.
    Denied,
    /// Something else.
    Failed(Failure),
}

impl From<Failure> for NoLogin {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Asks for a code.
///
/// # Errors
/// When the server gives none.
pub async fn ask(connector: &dyn Connector, issuer: &Issuer) -> Result<Code, Failure> {
    let members = match issuer.post(connector, "device_authorization", &[]).await? {
        Told::Granted(members) => members,
        Told::Refused { error, description, .. } => return Err(refused(&error, &description)),
    };
    let raw = |key: &str| members.get(key)?.as_str().filter(|text| !text.is_empty());
    let (Some(device_code), Some(user_code), Some(uri)) =
        (raw("device_code"), raw("user_code"), raw("verification_uri"))
    else {
        return Err(Failure::new(Reason::Server, "the authorization server gave no code"));
    };
    Ok(Code {
        user_code: harmless(user_code),
        uri: harmless(uri),
        complete: raw("verification_uri_complete").map(harmless),
        good_for: seconds(&members, "expires_in").unwrap_or(GOOD_FOR),
        interval: seconds(&members, "interval").unwrap_or(INTERVAL).max(SHORTEST),
        device_code: Secret::new(device_code.to_owned()),
    })
}

/// Waits until the code was entered. Dropping the future gives up, and nothing is kept anywhere.
///
/// # Errors
/// Why there is no login.
pub async fn wait(
    connector: &dyn Connector,
    issuer: &Issuer,
    code: &Code,
    now: impl Fn() -> SystemTime,
) -> Result<Login, NoLogin> {
    let end = Instant::now() + code.good_for;
    let (mut interval, mut hiccup) = (code.interval, Duration::ZERO);
    loop {
        let next = Instant::now() + interval + hiccup;
        if next >= end {
            sleep_until(end).await;
            return Err(NoLogin::Expired);
        }
        sleep(interval + hiccup).await;
        let fields = [("device_code", code.device_code.expose()), ("grant_type", GRANT)];
        match issuer.post(connector, "token", &fields).await {
            Ok(Told::Granted(members)) => return Ok(login(issuer, Grant::read(&members)?, now())),
            Ok(Told::Refused { error, description, .. }) => match error.as_str() {
                "authorization_pending" => hiccup = Duration::ZERO,
                "slow_down" => (interval, hiccup) = (interval + SLOWER, Duration::ZERO),
                "expired_token" => return Err(NoLogin::Expired),
                "access_denied" => return Err(NoLogin::Denied),
                _ => return Err(refused(&error, &description).into()),
            },
            Err(failure) => {
                tracing::debug!("no answer yet: {failure}");
                hiccup = (2 * hiccup).clamp(HICCUP, LONGEST_HICCUP);
            }
        }
    }
}

fn login(issuer: &Issuer, grant: Grant, now: SystemTime) -> Login {
    Login {
        id: random(),
        host: issuer.host().to_owned(),
        client_id: issuer.client_id().to_owned(),
        access: grant.access,
        refresh: grant.refresh,
        expires: now + grant.life,
        life: grant.life,
    }
}

fn refused(error: &str, description: &str) -> Failure {
    let colon = if description.is_empty() { "" } else { ": " };
    Failure::new(Reason::Auth, format!("the authorization server refuses: {error}{colon}{description}"))
}
