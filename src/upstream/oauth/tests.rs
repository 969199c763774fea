//! Against a scripted server, on a stopped clock.

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

/// What the server says next.
enum Says {
    Json(u16, Value),
    Page(u16),
    Nothing,
}

/// A server that records its requests and their times.
#[derive(Default)]
struct Server {
    says: Mutex<VecDeque<Says>>,
    asked: Mutex<Vec<(Instant, UpstreamRequest)>>,
}

impl Server {
    fn saying(says: impl IntoIterator<Item = Says>) -> Arc<Self> {
        Arc::new(Self { says: Mutex::new(says.into_iter().collect()), asked: Mutex::default() })
    }

    fn then(&self, says: Says) {
        self.says.lock().unwrap().push_back(says);
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn form(&self, index: usize) -> String {
        String::from_utf8(self.asked.lock().unwrap()[index].1.body.concat()).unwrap()
    }

    /// Seconds between each question and the one before it.
    fn pauses(&self) -> Vec<u64> {
        let asked = self.asked.lock().unwrap();
        asked.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs()).collect()
    }
}

impl Connector for Server {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        self.asked.lock().unwrap().push((Instant::now(), call));
        let says = self.says.lock().unwrap().pop_front().expect("no question was expected");
        Box::pin(async move {
            // A real one takes its time, in which others come.
            tokio::task::yield_now().await;
            let (status, text) = match says {
                Says::Json(status, value) => (status, value.to_string()),
                Says::Page(status) => (status, "<html>".to_owned()),
                Says::Nothing => return Err(Failure::new(Reason::Network, "cannot connect")),
            };
            let status = StatusCode::from_u16(status).unwrap();
            let body = futures_util::stream::iter([Ok(Bytes::from(text))]);
            Ok(UpstreamResponse { status, headers: HeaderMap::new(), body: Box::pin(body) })
        })
    }
}

/// The wall clock goes with the runtime's.
fn clock() -> Clock {
    let began = Instant::now();
    Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_hours(24) + began.elapsed())
}

fn code() -> Says {
    Says::Json(
        200,
        json!({"device_code": "the-device", "user_code": "ABCD\u{1b}-1", "verification_uri": "https://kimi.example/d",
               "expires_in": 600, "interval": 5}),
    )
}

fn error(word: &str) -> Says {
    Says::Json(400, json!({ "error": word }))
}

fn granted(access: &str, refresh: Option<&str>) -> Says {
    Says::Json(200, json!({"access_token": access, "refresh_token": refresh, "expires_in": 900}))
}

async fn log_in(server: &Server) -> Result<Login, DeviceFlowError> {
    let issuer = Issuer::new("https://auth.example/", "a client", Some("d".repeat(32))).unwrap();
    let code = request_code(server, &issuer).await?;
    assert_eq!((code.user_code.as_str(), code.complete_uri.as_deref()), ("ABCD-1", None));
    wait_for_login(server, &issuer, &code, &*clock()).await
}

#[tokio::test(start_paused = true)]
async fn it_asks_at_the_servers_pace_until_the_code_is_entered() {
    let pending = || error("authorization_pending");
    let says = [code(), pending(), error("slow_down"), pending(), granted("eyJ-1", Some("eyJ-r"))];
    let server = Server::saying(says);
    let login = log_in(&server).await.unwrap();
    assert_eq!(server.pauses(), [5, 5, 10, 10], "slow_down adds five seconds, from then on");
    assert_eq!((login.access_token.expose(), login.refresh_token.unwrap().expose()), ("eyJ-1", "eyJ-r"));
    assert_eq!((login.host.as_str(), login.client_id.as_str()), ("https://auth.example", "a client"));
    let (began, life) = (SystemTime::UNIX_EPOCH + Duration::from_hours(24), Duration::from_mins(15));
    let came = began + Duration::from_secs(30);
    assert_eq!((login.expires_at, login.lifetime), (came + life, life), "counted from when it came");
    assert_eq!(server.form(0), "client_id=a+client");
    assert_eq!(
        server.form(1),
        "client_id=a+client&device_code=the-device&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
    );
}

#[tokio::test(start_paused = true)]
async fn it_says_who_asks_and_nothing_of_the_machine() {
    let server = Server::saying([code(), granted("eyJ-1", None)]);
    log_in(&server).await.unwrap();
    for (_, call) in server.asked.lock().unwrap().iter() {
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
async fn what_ends_it_is_told_apart() {
    let table = [("expired_token", "Expired"), ("access_denied", "Denied"), ("invalid_client", "Failed")];
    for (word, expected) in table {
        let why = log_in(&Server::saying([code(), error(word)])).await.err().unwrap();
        assert!(format!("{why:?}").starts_with(expected), "{word}: {why:?}");
    }
    let no_code = log_in(&Server::saying([error("invalid_client")])).await;
    assert!(matches!(no_code, Err(DeviceFlowError::Failed(failure)) if failure.reason == Reason::Auth));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_repeats_the_device_code_is_redacted() {
    for repeated in ["the-device", "the%2Ddevice", "dGhlLWRldmljZQ=="] {
        let said =
            json!({ "error": "invalid_client", "error_description": format!("<{repeated}> is wrong") });
        let failed = log_in(&Server::saying([code(), Says::Json(400, said)])).await.err().unwrap();
        let DeviceFlowError::Failed(failure) = failed else { panic!("{failed:?}") };
        assert!(failure.message.ends_with("refuses: invalid_client: <…> is wrong"), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_that_nobody_enters_ends_by_our_own_clock_too() {
    let began = Instant::now();
    let pending = (0..119).map(|_| error("authorization_pending"));
    let server = Server::saying(std::iter::once(code()).chain(pending));
    assert!(matches!(log_in(&server).await, Err(DeviceFlowError::Expired)));
    assert_eq!((began.elapsed().as_secs(), server.count()), (600, 120));
}

#[tokio::test(start_paused = true)]
async fn a_network_that_is_gone_for_a_while_is_waited_for_longer_each_time() {
    let says = [code(), Says::Nothing, Says::Page(502), Says::Nothing, error("authorization_pending")];
    let server = Server::saying(says.into_iter().chain([granted("eyJ-1", None)]));
    log_in(&server).await.unwrap();
    assert_eq!(server.pauses(), [5, 6, 7, 9, 5]);
}

#[test]
fn tokens_come_over_tls_or_from_this_machine() {
    for good in ["https://auth.kimi.com", "http://127.0.0.1:9/oauth", "http://localhost:9", "http://[::1]:9"]
    {
        assert!(Issuer::new(good, "c", None).is_ok(), "{good}");
    }
    let table = [
        ("http://auth.kimi.com", "clear text"),
        ("ftp://auth.kimi.com", "scheme ftp"),
        ("https://me:x@auth.kimi.com", "no user"),
        ("https://auth.kimi.com?a=b", "no query"),
        ("auth.kimi.com", "no URL"),
    ];
    for (bad, why) in table {
        assert!(Issuer::new(bad, "c", None).err().unwrap().contains(why), "{bad}");
    }
}
