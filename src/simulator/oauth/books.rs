//! Codes and tokens that were given out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::request::Parts;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Told;
use super::orders::Orders;

/// The server's memory.
#[derive(Default)]
pub(in crate::simulator) struct Office {
    books: Mutex<Books>,
    /// Counts changes.
    version: watch::Sender<u64>,
}

/// What was given out, and what is ordered.
#[derive(Default)]
pub(super) struct Books {
    pub(super) orders: Orders,
    pub(super) tally: Tally,
    codes: BTreeSet<String>,
    /// Keys, and when each ends.
    access: BTreeMap<String, Instant>,
    refresh: BTreeSet<String>,
    /// Who asked last: the client id, and what the headers say of it.
    asked: Map<String, Value>,
}

/// How often what happened.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    codes: u64,
    polls: u64,
    logins: u64,
    /// Questions for another key, be they answered or not.
    pub(super) refreshes: u64,
    /// Those that got one.
    refreshed: u64,
}

impl Office {
    /// Whether a key opens Kimi Code now.
    pub(in crate::simulator) fn knows(&self, token: &str) -> bool {
        self.books().access.get(token).is_some_and(|end| Instant::now() < *end)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        let changed = change(&mut self.books());
        self.version.send_modify(|version| *version = version.wrapping_add(1));
        changed
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Books) -> T) -> T {
        look(&self.books())
    }

    /// Waits until refreshes are not held.
    pub(super) async fn until_released(&self) {
        self.until(|books| !books.orders.hold).await;
    }

    /// False when it is not so within `limit`.
    pub(super) async fn wait(&self, limit: Duration, reached: impl Fn(&Books) -> bool) -> bool {
        timeout(limit, self.until(reached)).await.is_ok()
    }

    async fn until(&self, reached: impl Fn(&Books) -> bool) {
        // It fails when the sender is gone, and that is here.
        let _ = self.version.subscribe().wait_for(|_| reached(&self.books())).await;
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// A code for a device.
    pub(super) fn authorize(&mut self, parts: &Parts, client: &str) -> Told {
        let header = |name: &&str| {
            let text = parts.headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), json!(text)))
        };
        let names = ["user-agent", "x-msh-platform", "x-msh-version", "x-msh-device-id", "x-msh-device-name"];
        self.asked = names.iter().filter_map(header).collect();
        self.asked.insert("client_id".to_owned(), json!(client));
        self.tally.codes += 1;
        let device = random();
        let user = format!("ABCD-{:04}", self.tally.codes);
        self.codes.insert(device.clone());
        Told::Granted(json!({
            "device_code": device,
            "user_code": user,
            "verification_uri": "https://www.kimi.com/device",
            "verification_uri_complete": format!("https://www.kimi.com/device?user_code={user}"),
            "expires_in": self.orders.expires_in,
            "interval": self.orders.interval,
        }))
    }

    /// Was the code entered?
    pub(super) fn poll(&mut self, code: &str) -> Told {
        self.tally.polls += 1;
        if !self.codes.contains(code) {
            return Told::Refused("invalid_grant".to_owned());
        }
        if let Some(word) = self.orders.polls.pop_front() {
            return Told::Refused(word);
        }
        self.codes.remove(code);
        self.tally.logins += 1;
        Told::Granted(self.grant(None))
    }

    /// Somebody asks for another key.
    pub(super) fn came(&mut self) {
        self.tally.refreshes += 1;
    }

    /// Another key, for a refresh token that is good once.
    pub(super) fn refresh(&mut self, token: &str) -> Told {
        if let Some(word) = self.orders.refreshes.pop_front() {
            return Told::Refused(word);
        }
        if !self.refresh.contains(token) {
            return Told::Refused("invalid_grant".to_owned());
        }
        self.tally.refreshed += 1;
        let same = (!self.orders.rotate).then(|| token.to_owned());
        if self.orders.rotate {
            self.refresh.remove(token);
        }
        Told::Granted(self.grant(same))
    }

    fn grant(&mut self, same: Option<String>) -> Value {
        // A JWT by its looks.
        let access = format!("eyJhbGciOiJub25lIn0.{}.simulated", random());
        let refresh = same.unwrap_or_else(|| format!("eyJyZWZyZXNoIjoxfQ.{}.simulated", random()));
        let seconds = self.orders.token_seconds;
        self.access.insert(access.clone(), Instant::now() + Duration::from_secs(seconds));
        self.refresh.insert(refresh.clone());
        json!({
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": seconds,
            "scope": "kimi-code",
            "token_type": "Bearer",
        })
    }

    /// Carries an order out.
    pub(super) fn order(&mut self, order: &Value) -> Result<(), String> {
        if self.orders.take(order)? {
            self.access.clear();
        }
        Ok(())
    }

    /// For tests. No token stands in it.
    pub(super) fn to_json(&self) -> Value {
        let Tally { codes, polls, logins, refreshes, refreshed } = self.tally;
        json!({
            "codes": codes, "polls": polls, "logins": logins, "refreshes": refreshes, "refreshed": refreshed,
            "asked": self.asked,
        })
    }
}

fn random() -> String {
    format!("{:032x}", fastrand::u128(..))
}
