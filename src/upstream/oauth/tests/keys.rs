//! The access token of a login over its lifetime.

use super::*;
use crate::config::settings::{Auth, Provider};
use crate::config::{self, Environment};
use crate::credentials::LoginFile;
use crate::secret::Secret;
use crate::upstream::oauth::AuthenticatedConnector;

/// A machine with a logged-in user.
struct Machine {
    state: tempfile::TempDir,
    file: LoginFile,
    clock: Clock,
    server: Arc<Server>,
}

impl Machine {
    /// The token is valid for 15 minutes from now on.
    fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let (file, clock) = (LoginFile::new(state.path(), "kimi"), clock());
        let lock = file.try_lock().unwrap().unwrap();
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
        file.start_login(&lock, &login).unwrap();
        Self { state, file, clock, server: Server::replying(replies) }
    }

    fn provider(&self) -> Arc<Provider> {
        let state = self.state.path().to_str().unwrap();
        let environment: Environment = [("STATE_DIRECTORY", state)].into_iter().collect();
        let text = "{ models: { providers: { kimi: { auth: 'oauth' } } } }";
        config::from_text(text, None, &environment).unwrap_or_else(|bad| panic!("{bad}")).providers["kimi"]
            .clone()
    }

    /// The logins of one more process.
    fn logins(&self) -> AuthenticatedConnector {
        AuthenticatedConnector::with_clock(self.server.clone(), self.clock.clone())
    }

    fn stored(&self) -> Login {
        self.file.read().unwrap()
    }
}

fn key(provider: &Provider) -> &str {
    assert_eq!((provider.auth, provider.keys.len()), (Auth::Bearer, 1));
    provider.keys[0].secret.expose()
}

/// Waits until no refresh is in progress. With a timer, the paused clock would jump.
async fn wait_until_idle(logins: &AuthenticatedConnector) {
    while !logins.is_idle() {
        tokio::task::yield_now().await;
    }
}

async fn after(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

#[tokio::test(start_paused = true)]
async fn token_is_refreshed_ahead_while_the_old_one_is_used() {
    let machine = Machine::new([granted("eyJ-1", Some("eyJ-r1")), granted("eyJ-2", None)]);
    let (provider, logins) = (machine.provider(), machine.logins());
    after(11).await;
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-0");
    assert_eq!(machine.server.count(), 0, "more than three minutes are left");
    after(1).await;
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-0", "no caller waits");
    wait_until_idle(&logins).await;
    assert_eq!(machine.server.form(0), "client_id=client&grant_type=refresh_token&refresh_token=eyJ-r0");
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-1");
    assert_eq!(machine.stored().access_token.expose(), "eyJ-1");
    after(20).await;
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-2", "an expired token is not used");
    assert!(
        machine.server.form(1).ends_with("refresh_token=eyJ-r1"),
        "the refresh token of the last response"
    );
    let stored = machine.stored();
    assert_eq!(
        stored.refresh_token.unwrap().expose(),
        "eyJ-r1",
        "a response without a refresh token keeps the previous one"
    );
    assert_eq!((stored.id.as_str(), machine.server.count()), ("one", 2));
}

#[tokio::test(start_paused = true)]
async fn fifty_callers_in_three_processes_cause_one_refresh() {
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
async fn refresh_continues_when_its_caller_is_dropped() {
    let machine = Machine::new([granted("eyJ-1", Some("eyJ-r1"))]);
    after(16).await;
    let (provider, logins) = (machine.provider(), machine.logins());
    let refresh_started = async {
        while logins.is_idle() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = logins.authorize(&provider) => panic!("the caller does not wait for the refresh"),
        () = refresh_started => {}
    }
    wait_until_idle(&logins).await;
    assert_eq!(machine.stored().access_token.expose(), "eyJ-1");
}

#[tokio::test(start_paused = true)]
async fn token_is_used_until_it_expires_while_refreshes_fail() {
    let machine = Machine::new([Reply::Nothing]);
    let (provider, logins) = (machine.provider(), machine.logins());
    after(13).await;
    for _ in 0..3 {
        assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-0");
        wait_until_idle(&logins).await;
    }
    assert_eq!(machine.server.count(), 1, "a failed refresh is not repeated at once");
    machine.server.push(Reply::Page(503));
    after(1).await;
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-0");
    wait_until_idle(&logins).await;
    after(1).await;
    for (replies, reason) in [(Reply::Nothing, Reason::Network), (Reply::Page(503), Reason::Server)] {
        machine.server.push(replies);
        let failure = logins.authorize(&provider).await.err().unwrap();
        assert_eq!(failure.reason, reason);
        assert!(failure.message.starts_with("https://auth.example: "), "{failure}");
    }
    machine.server.push(granted("eyJ-1", None));
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-1", "the server responds again");
}

#[tokio::test(start_paused = true)]
async fn ended_login_is_reported_and_not_refreshed_again() {
    for replies in [error("invalid_grant"), Reply::Json(401, json!({"error": "unauthorized"}))] {
        let machine = Machine::new([replies]);
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
        let reason = machine.provider().disabled_reason.clone().unwrap();
        assert!(reason.starts_with("the login has ended ("), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn unrepresentable_lifetime_loses_no_token() {
    let endless = json!({ "access_token": "eyJ-1", "refresh_token": "r-1", "expires_in": 1e19, "token_type": "Bearer" });
    let machine = Machine::new([Reply::Json(200, endless)]);
    after(16).await;
    let (provider, logins) = (machine.provider(), machine.logins());
    assert_eq!(key(&logins.authorize(&provider).await.unwrap()), "eyJ-1");
    let stored = provider.login_file.as_ref().unwrap().read().unwrap();
    assert_eq!((stored.access_token.expose(), stored.refresh_token.unwrap().expose()), ("eyJ-1", "r-1"));
}

/// A request to the provider.
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
async fn rejected_token_is_refreshed_and_the_call_repeated_once() {
    let no = || Reply::Json(401, json!({"error": {"message": "no"}}));
    let yes = Reply::Json(200, json!({"data": []}));
    let machine = Machine::new([no(), granted("eyJ-1", None), yes, no(), granted("eyJ-2", None), no()]);
    let (provider, logins) = (machine.provider(), machine.logins());
    let sent = logins.send(&provider, call).await.unwrap();
    assert_eq!((sent.response.status.as_u16(), key(&sent.provider)), (200, "eyJ-1"));
    let sent = logins.send(&provider, call).await.unwrap();
    assert_eq!((sent.response.status.as_u16(), key(&sent.provider)), (401, "eyJ-2"), "not a third time");
    let requests = machine.server.requests.lock().unwrap();
    let keys: Vec<_> = requests.iter().filter_map(|(_, call)| call.headers.get("authorization")).collect();
    assert_eq!(keys, ["Bearer eyJ-0", "Bearer eyJ-1", "Bearer eyJ-1", "Bearer eyJ-2"]);
}
