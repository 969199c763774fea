//! Kimi Code's device login (RFC 8628) and its tokens (kimi-code 2.1.0, `packages/oauth`, and a capture of 2026-11-21).

mod authenticated;
mod device_flow;
mod issuer;
mod refresher;

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::credentials::{LoginFile, LoginLock};
use crate::failure::{Failure, Reason};

pub use authenticated::{AuthenticatedConnector, AuthenticatedResponse};
pub use device_flow::{DeviceCode, DeviceFlowError, request_code, wait_for_login};
pub use issuer::Issuer;
pub use refresher::wait_for_refreshes;

/// The public client id of Kimi Code's own command line. It is not a secret: a device login has none, and the
/// user who grants the login sees which client it is for (kimi-code 2.1.0).
pub const CLIENT_ID: &str = "17e5f671-d194-4dfb-9706-5516cb48c098";

/// The OAuth server for accounts of api.kimi.com.
pub const AUTH_HOST: &str = "https://auth.kimi.com";
/// The OAuth server for accounts of api.kimi.ai.
pub const AUTH_HOST_GLOBAL: &str = "https://auth.kimi.ai";

/// The current time. In tests it is fixed.
pub type Clock = std::sync::Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Much longer than a refresh by another process. A stuck process must not block this one.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// There is no notification when another process releases its lock. A refresh takes some tenths of a second.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits for the lock on changes to a login.
///
/// # Errors
/// When another process does not release it, or the state directory cannot be written.
pub async fn acquire_lock(file: &LoginFile) -> Result<LoginLock, Failure> {
    let end = Instant::now() + LOCK_TIMEOUT;
    loop {
        let locking = file.clone();
        match run_blocking(move || locking.try_lock()).await? {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) if Instant::now() < end => sleep(LOCK_POLL_INTERVAL).await,
            Ok(None) => {
                let message = format!("another process holds {}", file.lock_path().display());
                return Err(Failure::new(Reason::Timeout, message));
            }
            Err(error) => {
                let message = format!("cannot lock {}: {error}", file.lock_path().display());
                return Err(Failure::new(Reason::Server, message));
            }
        }
    }
}

/// Runs file operations outside the async workers. Fails only when the runtime shuts down.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    spawn_blocking(work).await.map_err(|error| Failure::new(Reason::Server, error.to_string()))
}
