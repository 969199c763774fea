//! A scripted server and a paused clock.

mod keys;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Clock, DeviceFlowError, Issuer, request_code, wait_for_login};
use crate::credentials::Login;
use crate::failure::{Failure, Reason};
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse};

/// The next response of the server.
enum Reply {
    Json(u16, Value),
    Page(u16),
    Nothing,
}

/// A server that records its requests and their times.
#[derive(Default)]
struct Server {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<(Instant, UpstreamRequest)>>,
}

impl Server {
    fn replying(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        Arc::new(Self { replies: Mutex::new(replies.into_iter().collect()), requests: Mutex::default() })
    }

    fn push(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    fn form(&self, index: usize) -> String {
        String::from_utf8(self.requests.lock().unwrap()[index].1.body.concat()).unwrap()
    }

    /// Seconds between successive requests.
    fn pauses(&self) -> Vec<u64> {
        let requests = self.requests.lock().unwrap();
        requests.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs()).collect()
    }
}

impl Connector for Server {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        self.requests.lock().unwrap().push((Instant::now(), call));
        let reply = self.replies.lock().unwrap().pop_front().expect("unexpected request");
        Box::pin(async move {
            // Other tasks run before a real response arrives.
            tokio::task::yield_now().await;
            let (status, text) = match reply {
                Reply::Json(status, value) => (status, value.to_string()),
                Reply::Page(status) => (status, "<html>".to_owned()),
                Reply::Nothing => return Err(Failure::new(Reason::Network, "cannot connect")),
            };
            let status = StatusCode::from_u16(status).unwrap();
            let body = futures_util::stream::iter([Ok(Bytes::from(text))]);
            Ok(UpstreamResponse { status, headers: HeaderMap::new(), body: Box::pin(body) })
        })
    }
}

/// A wall clock that follows the runtime's clock.
fn clock() -> Clock {
    let began = Instant::now();
    Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_hours(24) + began.elapsed())
}

fn code() -> Reply {
    Reply::Json(
        200,
        json!({"device_code": "the-device", "user_code": "ABCD\u{1b}-1", "verification_uri": "https://kimi.example/d",
               "expires_in": 600, "interval": 5}),
    )
}

fn error(word: &str) -> Reply {
    Reply::Json(400, json!({ "error": word }))
}

fn granted(access: &str, refresh: Option<&str>) -> Reply {
    Reply::Json(200, json!({"access_token": access, "refresh_token": refresh, "expires_in": 900}))
}

async fn log_in(server: &Server) -> Result<Login, DeviceFlowError> {
    let issuer = Issuer::new("https://auth.example/", "a client", Some("d".repeat(32))).unwrap();
    let code = request_code(server, &issuer).await?;
    assert_eq!((code.user_code.as_str(), code.complete_uri.as_deref()), ("ABCD-1", None));
    wait_for_login(server, &issuer, &code, &*clock()).await
}

#[tokio::test(start_paused = true)]
async fn server_is_polled_at_its_interval_until_the_code_is_entered() {
    let pending = || error("authorization_pending");
    let replies = [code(), pending(), error("slow_down"), pending(), granted("eyJ-1", Some("eyJ-r"))];
    let server = Server::replying(replies);
    let login = log_in(&server).await.unwrap();
    assert_eq!(server.pauses(), [5, 5, 10, 10], "slow_down adds five seconds, from then on");
    assert_eq!((login.access_token.expose(), login.refresh_token.unwrap().expose()), ("eyJ-1", "eyJ-r"));
    assert_eq!((login.host.as_str(), login.client_id.as_str()), ("https://auth.example", "a client"));
    let (began, life) = (SystemTime::UNIX_EPOCH + Duration::from_hours(24), Duration::from_mins(15));
    let came = began + Duration::from_secs(30);
    assert_eq!((login.expires_at, login.lifetime), (came + life, life), "counted from the response");
    assert_eq!(server.form(0), "client_id=a+client");
    assert_eq!(
        server.form(1),
        "client_id=a+client&device_code=the-device&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
    );
}

#[tokio::test(start_paused = true)]
async fn request_identifies_moonrelay_but_not_the_machine() {
    let server = Server::replying([code(), granted("eyJ-1", None)]);
    log_in(&server).await.unwrap();
    for (_, call) in server.requests.lock().unwrap().iter() {
        let mut headers: Vec<_> =
            call.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        headers.sort_unstable();
        let version = env!("CARGO_PKG_VERSION");
        let (agent, device) = (format!("moonrelay/{version}"), "d".repeat(32));
        let expected = [
            ("accept", "application/json"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("user-agent", agent.as_str()),
            ("x-msh-device-id", device.as_str()),
            ("x-msh-platform", "moonrelay"),
            ("x-msh-version", version),
        ];
        assert_eq!(headers, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn expired_denied_and_failed_logins_are_distinguished() {
    let table = [("expired_token", "Expired"), ("access_denied", "Denied"), ("invalid_client", "Failed")];
    for (word, expected) in table {
        let why = log_in(&Server::replying([code(), error(word)])).await.err().unwrap();
        assert!(format!("{why:?}").starts_with(expected), "{word}: {why:?}");
    }
    let no_code = log_in(&Server::replying([error("invalid_client")])).await;
    assert!(matches!(no_code, Err(DeviceFlowError::Failed(failure)) if failure.reason == Reason::Auth));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_repeats_the_device_code_is_redacted() {
    for repeated in ["the-device", "the%2Ddevice", "dGhlLWRldmljZQ=="] {
        let said =
            json!({ "error": "invalid_client", "error_description": format!("<{repeated}> is wrong") });
        let failed = log_in(&Server::replying([code(), Reply::Json(400, said)])).await.err().unwrap();
        let DeviceFlowError::Failed(failure) = failed else { panic!("{failed:?}") };
        assert!(failure.message.ends_with("refused: invalid_client: <…> is wrong"), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn unused_code_expires_by_our_own_clock() {
    let began = Instant::now();
    let pending = (0..119).map(|_| error("authorization_pending"));
    let server = Server::replying(std::iter::once(code()).chain(pending));
    assert!(matches!(log_in(&server).await, Err(DeviceFlowError::Expired)));
    assert_eq!((began.elapsed().as_secs(), server.count()), (600, 120));
}

#[tokio::test(start_paused = true)]
async fn polling_slows_down_while_the_server_does_not_respond() {
    let replies = [code(), Reply::Nothing, Reply::Page(502), Reply::Nothing, error("authorization_pending")];
    let server = Server::replying(replies.into_iter().chain([granted("eyJ-1", None)]));
    log_in(&server).await.unwrap();
    assert_eq!(server.pauses(), [5, 6, 7, 9, 5]);
}

#[test]
fn only_https_or_loopback_hosts_are_accepted() {
    for good in ["https://auth.kimi.com", "http://127.0.0.1:9/oauth", "http://localhost:9", "http://[::1]:9"]
    {
        assert!(Issuer::new(good, "c", None).is_ok(), "{good}");
    }
    let table = [
        ("http://auth.kimi.com", "clear text"),
        ("ftp://auth.kimi.com", "scheme ftp"),
        ("https://me:x@auth.kimi.com", "user name"),
        ("https://auth.kimi.com?a=b", "a query"),
        ("auth.kimi.com", "not a URL"),
    ];
    for (bad, why) in table {
        assert!(Issuer::new(bad, "c", None).err().unwrap().contains(why), "{bad}");
    }
}
