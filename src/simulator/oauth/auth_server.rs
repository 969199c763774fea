//! Codes and tokens that were given out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::request::Parts;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::TokenOutcome;
use super::scripted_answers::OAuthScript;

/// The server's memory.
#[derive(Default)]
pub(in crate::simulator) struct AuthServer {
    state: Mutex<AuthState>,
    /// Counts changes.
    version: watch::Sender<u64>,
}

/// What was given out, and what is ordered.
#[derive(Default)]
pub(super) struct AuthState {
    pub(super) script: OAuthScript,
    pub(super) counters: AuthCounters,
    device_codes: BTreeSet<String>,
    /// Keys, and when each ends.
    access_tokens: BTreeMap<String, Instant>,
    refresh_tokens: BTreeSet<String>,
    /// The client of the last request: its id, and its description in the headers.
    last_client: Map<String, Value>,
}

/// How often what happened.
#[derive(Clone, Copy, Default)]
pub(super) struct AuthCounters {
    codes: u64,
    polls: u64,
    logins: u64,
    /// Questions for another key, be they answered or not.
    pub(super) refreshes: u64,
    /// Those that got one.
    refreshed: u64,
}

impl AuthServer {
    /// Whether a key opens Kimi Code now.
    pub(in crate::simulator) fn is_valid_token(&self, token: &str) -> bool {
        self.lock_state().access_tokens.get(token).is_some_and(|end| Instant::now() < *end)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut AuthState) -> T) -> T {
        let changed = change(&mut self.lock_state());
        self.version.send_modify(|version| *version = version.wrapping_add(1));
        changed
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&AuthState) -> T) -> T {
        look(&self.lock_state())
    }

    /// Waits until refreshes are not held.
    pub(super) async fn wait_until_released(&self) {
        self.wait_until(|books| !books.script.holds_refreshes).await;
    }

    /// False when it is not so within `limit`.
    pub(super) async fn wait(&self, limit: Duration, reached: impl Fn(&AuthState) -> bool) -> bool {
        timeout(limit, self.wait_until(reached)).await.is_ok()
    }

    async fn wait_until(&self, reached: impl Fn(&AuthState) -> bool) {
        // It fails when the sender is gone, and that is here.
        let _ = self.version.subscribe().wait_for(|_| reached(&self.lock_state())).await;
    }

    fn lock_state(&self) -> MutexGuard<'_, AuthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuthState {
    /// A code for a device.
    pub(super) fn authorize(&mut self, parts: &Parts, client: &str) -> TokenOutcome {
        let header = |name: &&str| {
            let text = parts.headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), json!(text)))
        };
        let names = ["user-agent", "x-msh-platform", "x-msh-version", "x-msh-device-id", "x-msh-device-name"];
        self.last_client = names.iter().filter_map(header).collect();
        self.last_client.insert("client_id".to_owned(), json!(client));
        self.counters.codes += 1;
        let device = random_token();
        let user = format!("ABCD-{:04}", self.counters.codes);
        self.device_codes.insert(device.clone());
        TokenOutcome::Granted(json!({
            "device_code": device,
            "user_code": user,
            "verification_uri": "https://www.kimi.com/device",
            "verification_uri_complete": format!("https://www.kimi.com/device?user_code={user}"),
            "expires_in": self.script.expires_in,
            "interval": self.script.interval,
        }))
    }

    /// Was the code entered?
    pub(super) fn poll(&mut self, code: &str) -> TokenOutcome {
        self.counters.polls += 1;
        if !self.device_codes.contains(code) {
            return TokenOutcome::Refused("invalid_grant".to_owned());
        }
        if let Some(word) = self.script.polls.pop_front() {
            return TokenOutcome::Refused(word);
        }
        self.device_codes.remove(code);
        self.counters.logins += 1;
        TokenOutcome::Granted(self.issue_tokens(None))
    }

    /// Counts a request for another key.
    pub(super) fn count_refresh(&mut self) {
        self.counters.refreshes += 1;
    }

    /// Another key, for a refresh token that is valid once.
    pub(super) fn refresh(&mut self, token: &str) -> TokenOutcome {
        if let Some(word) = self.script.refreshes.pop_front() {
            return TokenOutcome::Refused(word);
        }
        if !self.refresh_tokens.contains(token) {
            return TokenOutcome::Refused("invalid_grant".to_owned());
        }
        self.counters.refreshed += 1;
        let same = (!self.script.rotates_refresh_tokens).then(|| token.to_owned());
        if self.script.rotates_refresh_tokens {
            self.refresh_tokens.remove(token);
        }
        TokenOutcome::Granted(self.issue_tokens(same))
    }

    fn issue_tokens(&mut self, same: Option<String>) -> Value {
        // A JWT by its looks.
        let access = format!("eyJhbGciOiJub25lIn0.{}.simulated", random_token());
        let refresh = same.unwrap_or_else(|| format!("eyJyZWZyZXNoIjoxfQ.{}.simulated", random_token()));
        let seconds = self.script.token_seconds;
        self.access_tokens.insert(access.clone(), Instant::now() + Duration::from_secs(seconds));
        self.refresh_tokens.insert(refresh.clone());
        json!({
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": seconds,
            "scope": "kimi-code",
            "token_type": "Bearer",
        })
    }

    /// Carries an order out.
    pub(super) fn configure(&mut self, order: &Value) -> Result<(), String> {
        if self.script.apply(order)? {
            self.access_tokens.clear();
        }
        Ok(())
    }

    /// The state for tests, without tokens.
    pub(super) fn to_json(&self) -> Value {
        let AuthCounters { codes, polls, logins, refreshes, refreshed } = self.counters;
        json!({
            "codes": codes, "polls": polls, "logins": logins, "refreshes": refreshes, "refreshed": refreshed,
            "asked": self.last_client,
        })
    }
}

fn random_token() -> String {
    format!("{:032x}", fastrand::u128(..))
}
