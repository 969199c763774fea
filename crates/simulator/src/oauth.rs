//! Kimi Code's authorization server: the device login and the refresh of its keys (kimi-code 2.1.0,
//! `packages/oauth`, and a capture of 2026-11-21; RFC 8628 where those are silent). Besides a key, the
//! simulated Kimi Code accepts only the tokens that this server issues.
//!
//! `POST /_oauth` sets the next answers. `polls` and `refreshes` are lists of answers (an error's name, `503`,
//! or `reset`) that come before a grant. `interval`, `expiresIn` and `tokenSeconds` apply to what it issues.
//! `rotate: false` keeps refresh tokens valid for ever; `hold: true` lets refreshes wait; `endTokens: true`
//! ends all keys. `GET /_oauth` (`?waitRefreshes=N`) returns the counts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::request::Parts;
use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::SimulatorState;
use crate::response::{Query, json_response};
use crate::response::{ResetFlag, ScriptedBody};

/// The paths of the real one, below a prefix of ours.
const BASE_PATH: &str = "/oauth/api/oauth";
const DEVICE_GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Whether this path is one of the server's.
pub(super) fn is_oauth_path(path: &str) -> bool {
    path.starts_with("/oauth/")
}

/// Answers one request. An error closes the connection without an answer.
pub(super) async fn handle_request(
    state: &Arc<SimulatorState>,
    reset: ResetFlag,
    request: http::Request<Incoming>,
) -> Result<Response<ScriptedBody>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| {
        form.iter().find(|(key, _)| key == name).map_or_else(String::new, |(_, value)| value.clone())
    };
    let auth_server = &state.auth_server;
    if parts.method != Method::POST {
        return Ok(json_response(405, &json!({ "error": "invalid_request" })));
    }
    if field("client_id").is_empty() {
        return Ok(error_response(400, "invalid_client"));
    }
    let reported = match (parts.uri.path().strip_prefix(BASE_PATH), field("grant_type").as_str()) {
        (Some("/device_authorization"), _) => {
            auth_server.change(|auth| auth.authorize(&parts, &field("client_id")))
        }
        (Some("/token"), DEVICE_GRANT_TYPE) => auth_server.change(|auth| auth.poll(&field("device_code"))),
        (Some("/token"), "refresh_token") => {
            auth_server.change(|auth| auth.count_refresh());
            auth_server.wait_until_released().await;
            auth_server.change(|auth| auth.refresh(&field("refresh_token")))
        }
        (Some("/token"), _) => TokenOutcome::Refused("unsupported_grant_type".to_owned()),
        _ => return Ok(json_response(404, &json!({ "error": "not_found" }))),
    };
    Ok(match reported {
        TokenOutcome::Granted(value) => json_response(200, &value),
        TokenOutcome::Refused(word) if word == "reset" => {
            reset.set();
            return Err(io::Error::other("an order resets the connection here"));
        }
        TokenOutcome::Refused(word) => match word.parse() {
            Ok(status) => json_response(status, &json!({})),
            Err(_) => error_response(400, &word),
        },
    })
}

/// `/_oauth`.
pub(super) async fn handle_control(
    state: &Arc<SimulatorState>,
    parts: &Parts,
    query: &Query<'_>,
    body: &[u8],
) -> Response<ScriptedBody> {
    let auth_server = &state.auth_server;
    match parts.method {
        Method::GET => {
            let wanted = query.number("waitRefreshes").unwrap_or(0);
            let limit = Duration::from_millis(query.number("timeoutMs").unwrap_or(10_000));
            let reached = auth_server.wait(limit, |auth| auth.counters.refreshes >= wanted).await;
            let mut value = auth_server.read(AuthState::to_json);
            if let Some(members) = value.as_object_mut() {
                members.insert("timedOut".into(), (!reached).into());
            }
            json_response(200, &value)
        }
        Method::POST => match serde_json::from_slice::<Value>(body) {
            Ok(order) => match auth_server.change(|auth| auth.configure(&order)) {
                Ok(()) => json_response(200, &auth_server.read(AuthState::to_json)),
                Err(problem) => json_response(400, &json!({ "error": problem })),
            },
            Err(problem) => json_response(400, &json!({ "error": format!("not JSON: {problem}") })),
        },
        _ => json_response(405, &json!({ "error": "GET or POST" })),
    }
}

/// What comes of a question.
enum TokenOutcome {
    Granted(Value),
    /// An error's name, a bare status, or `reset`.
    Refused(String),
}

fn error_response(status: u16, error: &str) -> Response<ScriptedBody> {
    json_response(status, &json!({ "error": error, "error_description": format!("simulated: {error}") }))
}

/// The server's memory.
#[derive(Default)]
pub(crate) struct AuthServer {
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
    pub(crate) fn is_valid_token(&self, token: &str) -> bool {
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
        self.wait_until(|auth| !auth.script.holds_refreshes).await;
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
    fn authorize(&mut self, parts: &Parts, client: &str) -> TokenOutcome {
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
    fn poll(&mut self, code: &str) -> TokenOutcome {
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
    fn refresh(&mut self, token: &str) -> TokenOutcome {
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

/// See the module above.
pub(super) struct OAuthScript {
    /// Answers to polls before the login is granted.
    pub(super) polls: VecDeque<String>,
    /// Answers to refreshes before one is granted.
    pub(super) refreshes: VecDeque<String>,
    /// Seconds between polls.
    pub(super) interval: u64,
    /// Validity of a code, in seconds.
    pub(super) expires_in: u64,
    /// Validity of a key, in seconds.
    pub(super) token_seconds: u64,
    /// Whether a refresh token is valid only once.
    pub(super) rotates_refresh_tokens: bool,
    /// Whether refreshes wait.
    pub(super) holds_refreshes: bool,
}

impl Default for OAuthScript {
    fn default() -> Self {
        let (polls, refreshes) = Default::default();
        Self {
            polls,
            refreshes,
            interval: 5,
            expires_in: 900,
            token_seconds: 900,
            rotates_refresh_tokens: true,
            holds_refreshes: false,
        }
    }
}

impl OAuthScript {
    /// Takes the members of an order over; true when all keys are to end.
    ///
    /// # Errors
    /// The first member that is unknown, or no value of its kind.
    pub(super) fn apply(&mut self, order: &Value) -> Result<bool, String> {
        let members = order.as_object().ok_or("an object is wanted")?;
        let mut ends = false;
        for (name, value) in members {
            let wrong = || format!("{name}: {value} is not what it takes");
            let words = || -> Result<VecDeque<String>, String> {
                let words = value.as_array().ok_or_else(wrong)?;
                words.iter().map(|word| word.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            };
            let number = || value.as_u64().ok_or_else(wrong);
            let flag = || value.as_bool().ok_or_else(wrong);
            match name.as_str() {
                "polls" => self.polls = words()?,
                "refreshes" => self.refreshes = words()?,
                "interval" => self.interval = number()?,
                "expiresIn" => self.expires_in = number()?,
                "tokenSeconds" => self.token_seconds = number()?,
                "rotate" => self.rotates_refresh_tokens = flag()?,
                "hold" => self.holds_refreshes = flag()?,
                "endTokens" => ends = flag()?,
                _ => return Err(format!("{name} cannot be ordered")),
            }
        }
        Ok(ends)
    }
}
