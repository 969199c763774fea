//! A login's key over its life.

use super::*;
use crate::config::settings::{Auth, Provider};
use crate::config::{self, Environment};
use crate::credentials::LoginFile;
use crate::secret::Secret;
use crate::upstream::oauth::AuthenticatedConnector;

/// A machine with a logged-in user.
struct Machine {
    state: tempfile::TempDir,
    place: LoginFile,
    clock: Clock,
    server: Arc<Server>,
}

impl Machine {
    /// A key of a quarter of an hour, from now on.
    fn new(says: impl IntoIterator<Item = Says>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let (place, clock) = (LoginFile::new(state.path(), "kimi"), clock());
        let lock = place.try_lock().unwrap().unwrap();
        let life = Duration::from_mins(15);
        let login = Login {
            id: "one".to_owned(),
            host: "https://auth.example".to_owned(),
            client_id: "client".to_owned(),
            access_token: Secret::new("eyJ-0".to_owned()),
            refresh_token: Some(Secret::new("eyJ-r0".to_owned())),
            expires_at: clock() + life,
            lifetime: life,
        };
        place.start_login(&lock, &login).unwrap();
        Self { state, place, clock, server: Server::saying(says) }
    }

    fn provider(&self) -> Arc<Provider> {
        let state = self.state.path().to_str().unwrap();
        let environment: Environment = [("STATE_DIRECTORY", state)].into_iter().collect();
        let text = "{ models: { providers: { kimi: { auth: 'oauth' } } } }";
        config::from_text(text, None, &environment).unwrap_or_else(|bad| panic!("{bad}")).providers["kimi"]
            .clone()
    }

    /// As another process has them.
    fn logins(&self) -> AuthenticatedConnector {
        AuthenticatedConnector::with_clock(self.server.clone(), self.clock.clone())
    }

    fn stored(&self) -> Login {
        self.place.read().unwrap()
    }
}

fn key(provider: &Provider) -> &str {
    assert_eq!((provider.auth, provider.keys.len()), (Auth::Bearer, 1));
    provider.keys[0].secret.expose()
}

/// Lets background tasks finish; the clock is stopped.
async fn idle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    // With a timeout, the stopped clock would jump to it while another test's refresh is in progress.
    while !super::super::pending_refresh::is_idle() {
        tokio::task::yield_now().await;
    }
}

async fn after(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_is_refreshed_ahead_while_the_old_one_serves() {
    let machine = Machine::new([granted("eyJ-1", Some("eyJ-r1")), granted("eyJ-2", None)]);
    let (provider, logins) = (machine.provider(), machine.logins());
    after(11).await;
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-0");
    assert_eq!(machine.server.count(), 0, "more than three minutes are left");
    after(1).await;
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-0", "nobody waits");
    idle().await;
    assert_eq!(machine.server.form(0), "client_id=client&grant_type=refresh_token&refresh_token=eyJ-r0");
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-1");
    assert_eq!(machine.stored().access_token.expose(), "eyJ-1");
    after(20).await;
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-2", "an old one is not used");
    assert!(machine.server.form(1).ends_with("refresh_token=eyJ-r1"), "the token of the last answer");
    let stored = machine.stored();
    assert_eq!(
        stored.refresh_token.unwrap().expose(),
        "eyJ-r1",
        "an answer without one keeps the one before"
    );
    assert_eq!((stored.id.as_str(), machine.server.count()), ("one", 2));
}

#[tokio::test(start_paused = true)]
async fn fifty_at_once_and_three_processes_make_one_refresh() {
    let machine = Machine::new([granted("eyJ-1", Some("eyJ-r1"))]);
    after(16).await;
    let provider = machine.provider();
    let processes = [machine.logins(), machine.logins(), machine.logins()];
    let calls = (0..50).map(|n| processes[n % 3].authorize(&provider));
    for called in futures_util::future::join_all(calls).await {
        assert_eq!(key(&called.unwrap()), "eyJ-1");
    }
    assert_eq!(machine.server.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_does_not_break_a_refresh_off() {
    let machine = Machine::new([granted("eyJ-1", Some("eyJ-r1"))]);
    after(16).await;
    let (provider, logins) = (machine.provider(), machine.logins());
    {
        let called = std::pin::pin!(logins.authorize(&provider));
        assert!(futures_util::FutureExt::now_or_never(called).is_none(), "it waits, and is dropped");
    }
    idle().await;
    assert_eq!(machine.stored().access_token.expose(), "eyJ-1");
}

#[tokio::test(start_paused = true)]
async fn without_a_network_a_key_serves_as_long_as_it_is_good() {
    let machine = Machine::new([Says::Nothing]);
    let (provider, logins) = (machine.provider(), machine.logins());
    after(13).await;
    for _ in 0..3 {
        assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-0");
        idle().await;
    }
    assert_eq!(machine.server.count(), 1, "one that failed is not tried again at once");
    machine.server.then(Says::Page(503));
    after(1).await;
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-0");
    idle().await;
    after(1).await;
    for (says, reason) in [(Says::Nothing, Reason::Network), (Says::Page(503), Reason::Server)] {
        machine.server.then(says);
        let failure = logins.authorize(&provider).await.err().unwrap();
        assert_eq!(failure.reason, reason);
        assert!(failure.message.starts_with("https://auth.example: "), "{failure}");
    }
    machine.server.then(granted("eyJ-1", None));
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-1", "it is back");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_has_ended_is_told_and_not_asked_for_again() {
    for says in [error("invalid_grant"), Says::Json(401, json!({"error": "unauthorized"}))] {
        let machine = Machine::new([says]);
        after(16).await;
        let (provider, logins) = (machine.provider(), machine.logins());
        for _ in 0..3 {
            let failure = logins.authorize(&provider).await.err().unwrap();
            assert_eq!(failure.reason, Reason::Auth);
            assert!(
                failure.message.ends_with("moonrelay onboard --auth-choice kimi-code-oauth"),
                "{failure}"
            );
        }
        assert_eq!(machine.server.count(), 1);
        let off = machine.provider().disabled_reason.clone().unwrap();
        assert!(off.starts_with("the login has ended ("), "{off}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_no_clock_counts_loses_no_token() {
    let endless = json!({ "access_token": "eyJ-1", "refresh_token": "r-1", "expires_in": 1e19, "token_type": "Bearer" });
    let machine = Machine::new([Says::Json(200, endless)]);
    after(16).await;
    let (provider, logins) = (machine.provider(), machine.logins());
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-1");
    let kept = provider.login_file.as_ref().unwrap().read().unwrap();
    assert_eq!((kept.access_token.expose(), kept.refresh_token.unwrap().expose()), ("eyJ-1", "r-1"));
}

/// A call as a provider gets it.
fn call(provider: &Arc<Provider>) -> Result<UpstreamRequest, Failure> {
    let (_, value) =
        provider.auth_header(crate::protocol::api::Api::Messages, &provider.keys[0].secret).unwrap();
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
    Ok(UpstreamRequest {
        method: http::Method::GET,
        url: "https://api.example/models".to_owned().into(),
        headers,
        body: Vec::new(),
    })
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_before_its_time_is_refreshed_once() {
    let no = || Says::Json(401, json!({"error": {"message": "no"}}));
    let yes = Says::Json(200, json!({"data": []}));
    let machine = Machine::new([no(), granted("eyJ-1", None), yes, no(), granted("eyJ-2", None), no()]);
    let (provider, logins) = (machine.provider(), machine.logins());
    let sent = logins.send(&provider, call).await.unwrap();
    assert_eq!((sent.response.status.as_u16(), key(&sent.provider)), (200, "eyJ-1"));
    let sent = logins.send(&provider, call).await.unwrap();
    assert_eq!((sent.response.status.as_u16(), key(&sent.provider)), (401, "eyJ-2"), "and no third time");
    let asked = machine.server.asked.lock().unwrap();
    let keys: Vec<_> = asked.iter().filter_map(|(_, call)| call.headers.get("authorization")).collect();
    assert_eq!(keys, ["Bearer eyJ-0", "Bearer eyJ-1", "Bearer eyJ-1", "Bearer eyJ-2"]);
}
