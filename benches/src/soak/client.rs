//! The clients: each sends requests and retries as an SDK does, and compares the response with the complete
//! one.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use moonrelay::upstream::{self, Connector, UpstreamRequest, UpstreamResponse};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

/// A stream that exceeds this time hangs: three attempts of every target with all configured timeouts take far
/// less, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// The SDKs' defaults: two retries, half a second before the first.
const TRIES: u32 = 3;
const BACKOFF: Duration = Duration::from_millis(500);
/// Response sizes in bytes, all different, so that a chunk in the wrong stream is detected.
const SIZES: [usize; 12] = [400, 907, 1300, 1711, 2203, 2800, 3307, 4100, 4903, 5600, 6701, 8009];
const MODEL: &str = "moonshot/kimi-k3";

/// How one stream ended for its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// The complete response.
    Whole,
    /// A part of it, and an error event.
    ErrorEvent,
    /// An error instead of a response.
    Refused,
    /// An incorrect response.
    Wrong(String),
}

/// A broken connection: the time of the request, and of the detection.
#[derive(Clone, Copy, Debug)]
pub struct Break {
    pub asked: Instant,
    pub noticed: Instant,
}

/// One finished stream.
#[derive(Clone, Debug)]
pub struct Ended {
    pub how: How,
    /// A fallback responded, or the primary after others.
    pub moved_on: bool,
    /// Broken connections and responses that requested a retry.
    pub retries: u32,
    /// The broken connections among them.
    pub broken: Vec<Break>,
    pub took: Duration,
}

/// The outcome of one attempt.
enum Try {
    Done(How, bool),
    /// The connection broke.
    Broke,
    /// An error status that SDKs retry.
    Again,
}

pub struct Client {
    http: upstream::Client,
    gateway: String,
    upstream: String,
}

impl Client {
    pub fn new(gateway: String, upstream: &str) -> Self {
        Self { http: upstream::Client::new(Duration::from_secs(30)), gateway, upstream: upstream.to_owned() }
    }

    /// The simulator's complete response: size and text.
    pub async fn uncut(&self) -> Vec<(usize, String)> {
        let mut texts = Vec::new();
        for size in SIZES {
            let body = body("kimi-k3", size, false);
            let url = format!("{}/moonshot/v1/chat/completions", self.upstream);
            let answer =
                json_of(self.send(Method::POST, url, &body).await.expect("the simulator answers")).await;
            let text = answer.pointer("/choices/0/message/content").and_then(Value::as_str);
            let text = text.unwrap_or_else(|| panic!("no answer: {answer}")).to_owned();
            assert_eq!(text.len(), size, "the simulator's answer has its size");
            texts.push((size, text));
        }
        texts
    }

    pub async fn order(&self, fault: &Value) {
        let url = format!("{}/_faults", self.upstream);
        let response = self.send(Method::POST, url, fault).await.expect("the simulator answers");
        assert!(response.status.is_success(), "the simulator refused {fault}");
    }

    pub async fn forget_faults(&self) {
        let url = format!("{}/_faults", self.upstream);
        self.send(Method::DELETE, url, &Value::Null).await.expect("the simulator answers");
    }

    /// Providers that are not ready.
    pub async fn cooling(&self) -> Vec<String> {
        let status = self.status().await;
        let providers = status["providers"].as_array().cloned().unwrap_or_default();
        assert!(!providers.is_empty(), "no providers: {status}");
        // What is not configured is off for good.
        let cooldowns = |provider: &&Value| !matches!(provider["state"].as_str(), Some("ready" | "off"));
        providers.iter().filter(cooldowns).map(ToString::to_string).collect()
    }

    /// Why the last reload was rejected, if it was.
    pub async fn refused_reload(&self) -> Option<String> {
        let reload = &self.status().await["reload"];
        (reload["ok"] == Value::Bool(false)).then(|| reload.to_string())
    }

    /// Sends one request and waits until it is recorded.
    pub async fn written(&self, uncut: &(usize, String)) {
        let ended = self.stream(0, uncut).await;
        assert!(ended.how == How::Whole, "the first answer: {ended:?}");
        self.until(|status| status["ledger"]["written"].as_u64() > Some(0)).await;
    }

    /// Waits until no request is active.
    pub async fn idle(&self) {
        self.until(|status| status["inFlight"] == 0).await;
    }

    async fn until(&self, is_so: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        loop {
            let status = self.status().await;
            if is_so(&status) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "it does not come to rest: {status}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn status(&self) -> Value {
        let url = format!("{}/status", self.gateway);
        json_of(self.send(Method::GET, url, &Value::Null).await.expect("the gateway answers")).await
    }

    /// One stream, with the retries of an SDK.
    pub async fn stream(&self, number: u32, uncut: &(usize, String)) -> Ended {
        let began = Instant::now();
        let mut ended = Ended {
            how: How::Wrong("it hangs".to_owned()),
            moved_on: false,
            retries: 0,
            broken: Vec::new(),
            took: PATIENCE,
        };
        let tries = async {
            for wait in 0..TRIES {
                let asked = Instant::now();
                match self.once(uncut).await {
                    Try::Done(how, moved_on) => return (how, moved_on),
                    Try::Broke => ended.broken.push(Break { asked, noticed: Instant::now() }),
                    Try::Again => {}
                }
                ended.retries += 1;
                sleep(BACKOFF * 2_u32.pow(wait)).await;
            }
            (How::Refused, true)
        };
        if let Ok((how, moved_on)) = timeout(PATIENCE, tries).await {
            (ended.how, ended.moved_on, ended.took) = (how, moved_on, began.elapsed());
        }
        if let How::Wrong(why) = &mut ended.how {
            *why = format!("stream {number} of {} bytes: {why}", uncut.0);
        }
        ended
    }

    async fn once(&self, (size, text): &(usize, String)) -> Try {
        let url = format!("{}/v1/chat/completions", self.gateway);
        let Some(mut response) = self.send(Method::POST, url, &body(MODEL, *size, true)).await else {
            return Try::Broke;
        };
        let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok());
        let moved_on = header("x-moonrelay-attempts") != Some("moonshot/kimi-k3=ok");
        if !response.status.is_success() {
            let retry = header("x-should-retry") != Some("false") && response.status.is_server_error();
            let error = json_of(response).await;
            return match error.pointer("/error/message") {
                Some(_) if retry => Try::Again,
                Some(_) => Try::Done(How::Refused, moved_on),
                None => Try::Done(How::Wrong(format!("an error without a message: {error}")), moved_on),
            };
        }
        let mut stream = Vec::new();
        while let Some(chunk) = response.body.next().await {
            match chunk {
                Ok(chunk) => stream.extend_from_slice(&chunk),
                Err(_) => return Try::Broke,
            }
        }
        Try::Done(judged(&stream, text), moved_on)
    }

    async fn send(&self, method: Method, url: String, body: &Value) -> Option<UpstreamResponse> {
        let headers: HeaderMap = [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (USER_AGENT, HeaderValue::from_static("KimiCLI/1.46.0")),
            (AUTHORIZATION, HeaderValue::from_static("Bearer sk-soak-client")),
            (HeaderName::from_static("x-stainless-lang"), HeaderValue::from_static("soak")),
        ]
        .into_iter()
        .collect();
        let body = if body.is_null() { Vec::new() } else { vec![Bytes::from(body.to_string())] };
        self.http.send(UpstreamRequest { method, url: url.into(), headers, body }).await.ok()
    }
}

fn body(model: &str, size: usize, stream: bool) -> Value {
    let prompt = format!("reply with {size} bytes");
    json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": prompt }] })
}

async fn json_of(mut response: UpstreamResponse) -> Value {
    let mut body = Vec::new();
    while let Some(Ok(chunk)) = response.body.next().await {
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}

/// A complete response has all of the text, one finish and an end; an error event follows a part of it.
fn judged(stream: &[u8], uncut: &str) -> How {
    let Ok(stream) = std::str::from_utf8(stream) else { return How::Wrong("it is no text".to_owned()) };
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    let (mut text, mut finishes, mut errors, mut done) = (String::new(), 0, 0, 0);
    for payload in stream.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim) {
        if payload == "[DONE]" {
            done += 1;
            continue;
        }
        let Ok(event) = serde_json::from_str::<Value>(payload) else {
            return How::Wrong(format!("an event is no JSON: {payload}"));
        };
        errors += usize::from(event.get("error").is_some_and(|error| !error.is_null()));
        let choice = event.pointer("/choices/0").unwrap_or(&Value::Null);
        text.push_str(choice.pointer("/delta/content").and_then(Value::as_str).unwrap_or_default());
        finishes += usize::from(choice["finish_reason"].is_string());
    }
    let (said, all) = (text.len(), uncut.len());
    match (errors, text == uncut) {
        (0, true) if finishes == 1 => How::Whole,
        (0, true) => How::Wrong(format!("{finishes} finishes, {done} times [DONE]")),
        (0, false) => How::Wrong(format!("no error, and {said} of {all} bytes, {finishes} finishes")),
        (1, _) if finishes == 0 && uncut.starts_with(&text) => How::ErrorEvent,
        (1, _) => {
            How::Wrong(format!("an error after {said} bytes that are not the answer's, {finishes} finishes"))
        }
        _ => How::Wrong(format!("{errors} error events")),
    }
}
