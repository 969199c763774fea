//! A provider may repeat the secrets that it was sent, in any encoding. They must not reach a client, the log, the usage
//! database, the dashboard or a terminal.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::common::process::{command, run};
use crate::common::scripted::Scripted;
use crate::common::{Answer, Gateway, Setup, prompt};

/// With the characters at which a pattern would split it and which encodings change.
const KEY: &str = "sk-own/abcdefgh+ijklmnop=qrstuvwx:0123456789";
/// The value of a header that the configuration sets.
const HEADER: &str = "Bearer extra/zyxwvuts=rqponmlk:9876543210";
/// A part of each message, to see that the message arrived.
const MARKER: &str = "marker";
/// So many characters in sequence of an encoded secret are a leak.
const LEAK: usize = 9;

/// A provider that sends the same bytes for each request until they are replaced.
struct Echo {
    response: Arc<Mutex<Vec<u8>>>,
    scripted: Scripted,
}

impl Echo {
    async fn start() -> Self {
        let response = Arc::new(Mutex::new(Vec::new()));
        let sent = response.clone();
        let scripted = Scripted::start(move |mut stream| {
            let bytes: Vec<u8> = sent.lock().unwrap().clone();
            async move {
                let _ = stream.write_all(&bytes).await;
            }
        })
        .await;
        Self { response, scripted }
    }

    fn setup(&self) -> Setup {
        let mut provider = self.scripted.provider();
        provider["apiKey"] = json!(KEY);
        provider["headers"] = json!({ "x-extra": HEADER });
        self.scripted.setup().set("models.providers.own", provider).set("logging.level", json!("debug"))
    }

    fn send(&self, status: &str, content_type: &str, more: &str, body: &str) {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        *self.response.lock().unwrap() = format!("{head}{body}").into_bytes();
    }
}

fn percent_encoded(text: &str, upper: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = match (byte.is_ascii_alphanumeric(), upper) {
            (true, _) => write!(out, "{}", char::from(byte)),
            (false, true) => write!(out, "%{byte:02X}"),
            (false, false) => write!(out, "%{byte:02x}"),
        };
        out
    })
}

fn unicode_escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "\\u{byte:04x}");
        out
    })
}

/// Encodings of the two secrets, by other means than the gateway's.
fn encodings() -> Vec<String> {
    let base64 = [
        (
            "c2stb3duL2FiY2RlZmdoK2lqa2xtbm9wPXFyc3R1dnd4OjAxMjM0NTY3ODk=",
            "ZXh0cmEvenl4d3Z1dHM9cnFwb25tbGs6OTg3NjU0MzIxMA==",
        ),
        (
            "c2stb3duL2FiY2RlZmdoK2lqa2xtbm9wPXFyc3R1dnd4OjAxMjM0NTY3ODk",
            "ZXh0cmEvenl4d3Z1dHM9cnFwb25tbGs6OTg3NjU0MzIxMA",
        ),
    ];
    let credential = HEADER.strip_prefix("Bearer ").unwrap();
    let of_value = |value: &str| {
        [
            value.to_owned(),
            percent_encoded(value, true),
            percent_encoded(value, false),
            value.replace('/', "\\/"),
            unicode_escaped(value),
        ]
    };
    let mut all = vec![HEADER.to_owned(), percent_encoded(HEADER, true)];
    all.extend(of_value(KEY).into_iter().chain(of_value(credential)));
    all.extend(base64.into_iter().flat_map(|(key, header)| [key.to_owned(), header.to_owned()]));
    all
}

/// How a provider repeats `text`: status, content type, further headers, body.
fn responses(text: &str) -> [(&'static str, &'static str, String, String); 6] {
    // As plain text in the message, and in an encoding that JSON decoding undoes.
    let message = format!("{MARKER}: the key <{text}> of {} is wrong", text.len());
    let error = json!({ "error": { "message": message, "type": text, "code": 400 } }).to_string();
    let as_written = format!("{{\"error\":{{\"message\":\"{MARKER} {text}\",\"code\":400}}}}");
    let chunk = json!({ "choices": [{ "index": 0, "delta": { "role": "assistant", "content": "Hello" } }] });
    let streamed = format!("data: {error}\n\n");
    let interrupted = format!("data: {chunk}\n\ndata: {error}\n\n");
    let spaced = format!("{MARKER}{}{text}", ".".repeat(990 - MARKER.len()));
    let id = format!("x-generation-id: {text}\r\nx-provider-name: {text}\r\n");
    [
        ("400 Bad Request", "application/json", id, error.clone()),
        ("400 Bad Request", "application/json", String::new(), as_written),
        ("400 Bad Request", "text/plain", String::new(), spaced),
        ("200 OK", "application/json", String::new(), error),
        ("200 OK", "text/event-stream", String::new(), streamed),
        ("200 OK", "text/event-stream", String::new(), interrupted),
    ]
}

/// Fails if a part of a secret, in some encoding, is in the text.
fn assert_no_secret(place: &str, text: &[u8]) {
    for encoding in encodings() {
        // "Bearer " is not secret.
        let secret = encoding.strip_prefix("Bearer").unwrap_or(&encoding);
        // Every third part, and the tail.
        let parts = secret.as_bytes().windows(LEAK);
        for part in parts.clone().step_by(3).chain(parts.last()) {
            let is_there = memchr::memmem::find(text, part).is_some();
            let part = String::from_utf8_lossy(part);
            assert!(!is_there, "{place}: {part} of {encoding} in {}", String::from_utf8_lossy(text));
        }
    }
}

async fn assert_no_secret_of_request(gateway: &Gateway, answer: &Answer) {
    assert_no_secret("headers", format!("{:?}", answer.headers).as_bytes());
    assert_no_secret("answer", &answer.body);
    let id = answer.header("x-moonrelay-request-id");
    for path in [
        "/status".to_owned(),
        format!("/requests/{id}"),
        format!("/dashboard/requests/{id}"),
        format!("/dashboard/requests/{id}/attempts"),
    ] {
        let page = gateway.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        if path != "/status" {
            assert!(page.text().contains(MARKER), "{path} has no message: {}", page.text());
        }
        assert_no_secret(&path, &page.body);
    }
}

fn state_files(home: &Path) -> Vec<(String, Vec<u8>)> {
    let files = home.join("state/moonrelay").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file());
    files.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn a_repeated_secret_is_redacted_everywhere() {
    let echo = Echo::start().await;
    let mut gateway = echo.setup().start().await;
    let mut ids = Vec::new();
    for encoding in encodings() {
        for (status, content_type, more, body) in responses(&encoding) {
            echo.send(status, content_type, &more, &body);
            let is_stream = content_type == "text/event-stream";
            let answer = gateway.chat(&prompt("own/model", "Say hello", is_stream)).await;
            assert!(answer.text().contains(MARKER), "{status} {content_type}: {}", answer.text());
            assert_no_secret_of_request(&gateway, &answer).await;
            ids.push(answer.header("x-moonrelay-request-id").to_owned());
        }
    }
    let page = gateway.get("/").await;
    assert_no_secret("dashboard", &page.body);
    let log = gateway.serving.stop().await;
    for id in &ids {
        assert!(log.contains(id.as_str()), "no line of {id}: {log}");
    }
    assert!(log.contains(MARKER), "{log}");
    assert_no_secret("log", log.as_bytes());
    let files = state_files(gateway.home());
    assert!(
        files.iter().any(|(_, bytes)| memchr::memmem::find(bytes, MARKER.as_bytes()).is_some()),
        "{files:?}"
    );
    for (path, bytes) in files {
        assert_no_secret(&path, &bytes);
    }
}

#[tokio::test]
async fn a_header_of_a_complete_answer_does_not_repeat_a_secret() {
    let echo = Echo::start().await;
    let gateway = echo.setup().start().await;
    let answer = json!({ "choices": [{
        "index": 0, "message": { "role": "assistant", "content": "Hello" }, "finish_reason": "stop",
    }] });
    let ask = async |more: &str| {
        echo.send("200 OK", "application/json", more, &answer.to_string());
        gateway.chat(&prompt("own/model", "Say hello", false)).await
    };
    for encoding in encodings() {
        let answer = ask(&format!("x-generation-id: gen-{encoding}\r\nx-provider-name: Own\r\n")).await;
        assert_eq!((answer.status, answer.header("x-provider-name")), (200, "Own"), "{}", answer.text());
        assert_no_secret("headers", format!("{:?}", answer.headers).as_bytes());
    }
    assert_eq!(ask("x-generation-id: gen-1\r\n").await.header("x-generation-id"), "gen-1");
}

/// `models list --live` and `models status --probe` print a provider's answer.
#[tokio::test]
async fn commands_do_not_print_a_repeated_secret() {
    let echo = Echo::start().await;
    let (_, home) = echo.setup().command();
    let ask = async |arguments: &[&str]| {
        let mut command = command(home.path(), arguments);
        command.env("MOONRELAY_CONFIG", home.path().join("config.json5"));
        run(command).await.both()
    };
    for encoding in encodings() {
        let error = json!({ "error": { "message": format!("{MARKER} {encoding}"), "code": 400 } });
        echo.send("400 Bad Request", "application/json", "", &error.to_string());
        let printed = ask(&["models", "status", "--probe"]).await;
        assert!(printed.contains(MARKER), "{printed}");
        assert_no_secret("probe", printed.as_bytes());
    }
    // A body that is not a list is quoted in the error; the ids of a list are printed.
    let bodies: [Value; 2] =
        [json!({ "data": KEY }), json!({ "data": [{ "id": format!("{MARKER}-{KEY}") }, { "id": HEADER }] })];
    for body in bodies {
        echo.send("200 OK", "application/json", "", &body.to_string());
        for arguments in [&["models", "list", "--live"][..], &["models", "list", "--live", "--json"]] {
            let printed = ask(arguments).await;
            assert!(printed.contains("own"), "{printed}");
            assert_no_secret("live list", printed.as_bytes());
        }
    }
}
