//! Limits on concurrency and requests per minute, off unless they are set.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error_response::{ACCOUNT_IDS, ErrorResponse};
use crate::provider::Provider;

/// The limits of an account. Moonshot's tiers differ between dates of its docs, so none are built in.
#[derive(Clone, Debug)]
pub struct RateLimits {
    /// Requests at the same time, per provider.
    pub concurrency: Option<u32>,
    /// Requests in a minute, per provider.
    pub requests_per_minute: Option<u32>,
    /// Bytes of `messages` on Kimi Code.
    pub kimi_message_bytes: usize,
}

impl Default for RateLimits {
    /// No rate limits; 2 MiB of messages, as in Kimi Code's 400.
    fn default() -> Self {
        Self { concurrency: None, requests_per_minute: None, kimi_message_bytes: 2_097_152 }
    }
}

/// The counters of one provider.
#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    active: Arc<AtomicU32>,
    window: Mutex<Option<(Instant, u32)>>,
}

/// A running request's share of the concurrency.
#[derive(Debug)]
pub(super) struct ConcurrencyPermit(Arc<AtomicU32>);

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RateLimiter {
    /// Counts a request in.
    ///
    /// # Errors
    /// The provider's refusal when a limit is passed.
    pub(super) fn admit(
        &self,
        provider: Provider,
        limits: &RateLimits,
    ) -> Result<ConcurrencyPermit, ErrorResponse> {
        let permit = ConcurrencyPermit(self.active.clone());
        let running = self.active.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(most) = limits.concurrency.filter(|most| running > *most) {
            return Err(concurrency_error(provider, most));
        }
        if let Some(most) = limits.requests_per_minute {
            self.count_request(most).map_err(|seconds| rate_limit_error(provider, most, seconds))?;
        }
        Ok(permit)
    }

    /// # Errors
    /// Seconds until the minute is over.
    fn count_request(&self, most: u32) -> Result<(), u64> {
        let minute = Duration::from_secs(60);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (start, count) = window.filter(|(start, _)| now - *start < minute).unwrap_or((now, 0));
        if count >= most {
            return Err((minute - (now - start)).as_secs().max(1));
        }
        *window = Some((start, count + 1));
        Ok(())
    }
}

fn concurrency_error(provider: Provider, most: u32) -> ErrorResponse {
    match provider {
        Provider::Moonshot => ErrorResponse::new(
            429,
            "rate_limit_reached_error",
            format!("Your account {ACCOUNT_IDS} request reached organization max concurrency: {most}, please try again after 1 seconds"),
        )
        .with_retry_after(1),
        Provider::Kimi => ErrorResponse::documented(provider, "concurrency", ""),
        Provider::Anthropic | Provider::OpenAi => ErrorResponse::documented(provider, "rate_limit", ""),
        Provider::OpenRouter => ErrorResponse::new(429, "", "Rate limit exceeded: concurrent requests.").with_retry_after(1),
    }
}

fn rate_limit_error(provider: Provider, most: u32, seconds: u64) -> ErrorResponse {
    match provider {
        Provider::Moonshot => ErrorResponse::new(
            429,
            "rate_limit_reached_error",
            format!("Your account {ACCOUNT_IDS} request reached organization max RPM: {most}, please try again after {seconds} seconds"),
        ),
        Provider::Kimi | Provider::Anthropic | Provider::OpenAi => {
            ErrorResponse::documented(provider, "rate_limit", "")
        }
        Provider::OpenRouter => ErrorResponse::new(429, "", "Rate limit exceeded: free-models-per-min. "),
    }
    .with_retry_after(seconds)
}
