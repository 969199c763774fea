//! Kimi Code's device login (RFC 8628) and the keys that come of it (kimi-code 2.1.0, `packages/oauth`, and a capture of
//! 2026-11-21).

mod authenticated;
mod device_flow;
mod issuer;
mod pending_refresh;
mod refresher;

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use crate::credentials::{LoginFile, LoginLock};
use crate::failure::{Failure, Reason};

pub use authenticated::{AuthenticatedConnector, AuthenticatedResponse};
pub use device_flow::{DeviceCode, DeviceFlowError, request_code, wait_for_login};
pub use issuer::Issuer;
pub use pending_refresh::wait_for_refreshes;

/// The public client id of Kimi Code's own command line. It is not a secret: a device login has none, and the
/// user who grants the login sees which client it is for (kimi-code 2.1.0).
pub const CLIENT_ID: &str = "17e5f671-d194-4dfb-9706-5516cb48c098";

/// The OAuth server for accounts of api.kimi.com.
pub const AUTH_HOST: &str = "https://auth.kimi.com";
/// The OAuth server for accounts of api.kimi.ai.
pub const AUTH_HOST_GLOBAL: &str = "https://auth.kimi.ai";

/// The current time. In tests it is fixed.
pub type Clock = std::sync::Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Another process that refreshes has its answer long before. A stuck process must not block this one.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// There is no notification when another process releases its lock. A refresh takes some tenths of a second.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits for leave to change a login.
///
/// # Errors
/// When another process does not give it up, or the state directory cannot be written.
pub async fn acquire_lock(place: &LoginFile) -> Result<LoginLock, Failure> {
    let end = Instant::now() + LOCK_TIMEOUT;
    loop {
        match place.try_lock() {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) if Instant::now() < end => sleep(LOCK_POLL_INTERVAL).await,
            Ok(None) => {
                let message = format!("another process holds {}", place.lock_path().display());
                return Err(Failure::new(Reason::Timeout, message));
            }
            Err(error) => {
                let message = format!("{} cannot be locked: {error}", place.lock_path().display());
                return Err(Failure::new(Reason::Server, message));
            }
        }
    }
}
