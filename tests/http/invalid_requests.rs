//! Invalid bytes: each gets a clear error, reaches no provider, and does not harm the gateway.

use serde_json::{Value, json};

use crate::common::raw::{Raw, RawResponse};
use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};

async fn start() -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot]).start().await;
    (upstream, gateway)
}

/// Sends these bytes on a new connection. `None`: it was closed without an answer.
async fn say(gateway: &Gateway, bytes: &[u8]) -> Option<RawResponse> {
    let mut raw = Raw::connect(gateway.serving.authority()).await;
    raw.send(bytes).await;
    raw.response(false).await
}

/// The status, and the code of an error in the shape that the OpenAI SDKs parse.
fn reported(response: Option<RawResponse>) -> (u16, String) {
    let answer = Answer::from(response.expect("there is an answer"));
    if answer.status < 400 {
        return (answer.status, String::new());
    }
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.header("x-moonrelay-request-id").is_empty(), "{:?}", answer.headers);
    let body = answer.json();
    let error = &body["error"];
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    assert!(error["type"].is_string() && error.get("param").is_some(), "{body}");
    (answer.status, error["code"].as_str().unwrap().to_owned())
}

async fn assert_reported(gateway: &Gateway, table: &[(&str, &[u8], u16, &str)]) {
    for &(what, bytes, status, code) in table {
        assert_eq!(reported(say(gateway, bytes).await), (status, code.to_owned()), "{what}");
        assert_eq!(gateway.get("/health").await.status, 200, "after {what}");
    }
}

/// A chat request with these lines in its head.
fn chat(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn invalid_http_gets_an_error() {
    let (upstream, gateway) = start().await;
    let large = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-large: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x-many: 1\r\n".repeat(101));
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(1 << 20));
    let bad = "malformed_request";
    assert_reported(
        &gateway,
        &[
            (
                "HTTP/2 with prior knowledge",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
                505,
                "http_version",
            ),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, bad),
            ("no target", b"GET\r\n\r\n", 400, bad),
            ("another protocol", b"GET / SPDY/3\r\nhost: localhost\r\n\r\n", 400, bad),
            ("no UTF-8 in the target", b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n", 400, bad),
            ("NUL in a value", b"GET / HTTP/1.1\r\nhost: localhost\r\nx-nul: a\0b\r\n\r\n", 400, bad),
            ("NUL in a name", b"GET / HTTP/1.1\r\nhost: localhost\r\nx\0: a\r\n\r\n", 400, bad),
            ("CR in a value", b"GET / HTTP/1.1\r\nhost: localhost\r\nx-cr: a\rb: c\r\n\r\n", 400, bad),
            ("a folded line", b"GET / HTTP/1.1\r\nhost: localhost\r\nx-fold: a\r\n b\r\n\r\n", 400, bad),
            ("a space before the colon", b"GET / HTTP/1.1\r\nhost : localhost\r\n\r\n", 400, bad),
            ("a line without a colon", b"GET / HTTP/1.1\r\nhost: localhost\r\nbare\r\n\r\n", 400, bad),
            ("1 MB of head", large.as_bytes(), 431, "head_too_large"),
            ("101 fields and Host", many.as_bytes(), 431, "head_too_large"),
            ("1 MB of target", long.as_bytes(), 431, "head_too_large"),
        ],
    )
    .await;
    assert_eq!(upstream.requests().await.len(), 0);
}

#[tokio::test]
async fn body_with_an_ambiguous_length_is_rejected() {
    let (upstream, gateway) = start().await;
    let bad = "malformed_request";
    let say = |head: &str| chat(&format!("host: localhost\r\n{head}"), b"{}");
    assert_reported(
        &gateway,
        &[
            ("two lengths", &say("content-length: 2\r\ncontent-length: 3"), 400, bad),
            ("a list of lengths", &say("content-length: 2, 3"), 400, bad),
            ("a negative length", &say("content-length: -1"), 400, bad),
            ("a signed length", &say("content-length: +2"), 400, bad),
            ("no number", &say("content-length: 0x2"), 400, bad),
            ("more than 64 bits", &say("content-length: 99999999999999999999"), 400, bad),
            ("a coding that is not chunked", &say("transfer-encoding: gzip"), 400, bad),
            ("chunked, but not last", &say("transfer-encoding: chunked, gzip"), 400, bad),
            (
                "a chunk without a size",
                &chat("host: localhost\r\ntransfer-encoding: chunked", b"{}\r\n"),
                400,
                "body_broken",
            ),
            (
                "a chunk of more than 64 bits",
                &chat(
                    "host: localhost\r\ntransfer-encoding: chunked",
                    b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
                ),
                400,
                "body_broken",
            ),
            ("a coded body", &say("content-encoding: gzip\r\ncontent-length: 2"), 415, "body_coded"),
        ],
    )
    .await;
    assert_eq!(upstream.requests().await.len(), 0);
}

#[tokio::test]
async fn ambiguous_host_is_rejected() {
    let (upstream, gateway) = start().await;
    let get = |target: &str, hosts: &[&str]| {
        let hosts: String = hosts.iter().map(|host| format!("host: {host}\r\n")).collect();
        format!("GET {target} HTTP/1.1\r\n{hosts}\r\n").into_bytes()
    };
    let (none, bad, foreign) = ("", "bad_host", "refused_origin");
    assert_reported(
        &gateway,
        &[
            ("no Host", &get("/health", &[]), 400, bad),
            ("two Hosts", &get("/health", &["localhost", "evil.example"]), 400, bad),
            ("the same Host twice", &get("/health", &["localhost", "localhost"]), 400, bad),
            ("an empty Host", &get("/health", &[""]), 400, bad),
            ("a user in the Host", &get("/health", &["me@localhost"]), 400, bad),
            ("no UTF-8 in the Host", b"GET /health HTTP/1.1\r\nhost: local\xffhost\r\n\r\n", 400, bad),
            ("a port that is none", &get("/health", &["localhost:99999"]), 400, bad),
            ("a foreign Host", &get("/health", &["evil.example"]), 403, foreign),
            ("a foreign target", &get("http://evil.example/health", &["localhost"]), 403, foreign),
            (
                "a foreign Host beside our target",
                &get("http://localhost/health", &["evil.example"]),
                403,
                foreign,
            ),
            ("a tunnel", b"CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n\r\n", 403, foreign),
            ("our target", &get("http://127.0.0.1:1969/health", &["localhost"]), 200, none),
            ("IPv6", &get("/health", &["[::1]:1969"]), 200, none),
            ("upper case, a dot at the end", &get("/health", &["LOCALHOST.:1969"]), 200, none),
            ("a name below localhost", &get("/health", &["moon.localhost"]), 200, none),
            ("the server itself", b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n", 404, "no_route"),
            (
                "a method that is none of ours",
                b"TRACE /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
                405,
                "wrong_method",
            ),
        ],
    )
    .await;
    assert_eq!(upstream.requests().await.len(), 0);
}

#[tokio::test]
async fn http_1_0_is_answered() {
    let (upstream, gateway) = start().await;
    assert_reported(
        &gateway,
        &[
            ("with a Host", b"GET /health HTTP/1.0\r\nhost: localhost\r\n\r\n", 200, ""),
            ("without one", b"GET /health HTTP/1.0\r\n\r\n", 400, "bad_host"),
            (
                "chunked, which it does not have",
                b"POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n",
                400,
                "malformed_request",
            ),
        ],
    )
    .await;
    let body = prompt("moonshot/kimi-k3", "Say hello", true).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = say(&gateway, format!("{head}{body}").as_bytes()).await.unwrap();
    assert_eq!(answer.header("transfer-encoding"), None, "1.0 has no chunks: the end is the connection's");
    let said = Answer::from(answer).said();
    assert_eq!((said.done, said.finishes.len()), (1, 1));
    assert_eq!(upstream.requests().await.len(), 1);
}

#[tokio::test]
async fn unusual_valid_request_is_served_and_normalised() {
    let (upstream, gateway) = start().await;
    let body = prompt("moonshot/kimi-k3", "Say hello", false).to_string();
    let length = format!("content-length: {}", body.len());
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let heads: &[(&str, Vec<u8>)] = &[
        ("the same length twice", chat(&format!("host: localhost\r\n{length}\r\n{length}"), body.as_bytes())),
        // RFC 9110, 8.4.1: content codings are case-insensitive.
        (
            "a coding that is none",
            chat(&format!("host: localhost\r\ncontent-encoding: Identity\r\n{length}"), body.as_bytes()),
        ),
        // RFC 9112, 6.3: the chunks count.
        (
            "chunks, and a length that lies",
            chat("host: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked", chunk.as_bytes()),
        ),
        (
            "the same in the other order",
            chat("host: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 3", chunk.as_bytes()),
        ),
        // RFC 9112, 2.2: a recipient may take a bare LF for a line's end.
        (
            "bare line feeds",
            format!("POST /v1/chat/completions HTTP/1.1\nhost: localhost\n{length}\n\n{body}").into(),
        ),
        (
            "no UTF-8 in a value",
            [
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-note: \xff\xfe\r\n",
                format!("{length}\r\n\r\n{body}").as_bytes(),
            ]
            .concat(),
        ),
    ];
    for (what, bytes) in heads {
        assert_eq!(reported(say(&gateway, bytes).await).0, 200, "{what}");
    }
    let sent = upstream.requests().await;
    assert_eq!(sent.len(), heads.len());
    for request in sent {
        assert_eq!(request["body"], json!(body.replace("moonshot/kimi-k3", "kimi-k3")));
        assert_eq!(count(&request, "content-length"), 1, "{request}");
        assert_eq!(count(&request, "transfer-encoding"), 0, "{request}");
        assert_eq!(count(&request, "host"), 1, "{request}");
    }
}

fn count(request: &Value, header: &str) -> usize {
    request["headers"].as_array().unwrap().iter().filter(|pair| pair[0] == header).count()
}

/// A client that writes all of it before it reads gets to see the answer too.
#[tokio::test]
async fn body_of_100_mb_is_rejected_with_an_error() {
    let (upstream, gateway) = start().await;
    let piece = vec![b'x'; 1 << 20];
    let size = piece.len() * 100;
    let (announced, chunked) = (format!("content-length: {size}"), "transfer-encoding: chunked".to_owned());
    for (head, before, after) in [(announced, "", ""), (chunked, "100000\r\n", "\r\n")] {
        let mut raw = Raw::connect(gateway.serving.authority()).await;
        raw.send(&chat(&format!("host: localhost\r\n{head}"), b"")).await;
        for _ in 0..100 {
            raw.send(&[before.as_bytes(), &piece, after.as_bytes()].concat()).await;
        }
        raw.send(if before.is_empty() { b"" } else { b"0\r\n\r\n" }).await;
        assert_eq!(reported(raw.response(false).await), (413, "body_too_large".to_owned()), "{head}");
    }
    let expecting = chat(&format!("host: localhost\r\nexpect: 100-continue\r\ncontent-length: {size}"), b"");
    assert_eq!(reported(say(&gateway, &expecting).await).0, 413, "at once, not 100");
    assert_eq!(gateway.get("/health").await.status, 200);
    assert_eq!(upstream.requests().await.len(), 0);
}

#[tokio::test]
async fn body_that_is_not_utf_8_is_rejected() {
    let (upstream, gateway) = start().await;
    let bodies: &[&[u8]] = &[
        b"{\"model\":\"moonshot/kimi-k3\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}",
        b"{\"model\":\"moonshot/kimi-k3\xc3\",\"messages\":[]}",
        b"{\"model\":\"moonshot/kimi-k3\",\"\xed\xa0\x80\":1}",
        b"{\"model\":\"moonshot/kimi-k3\",\"messages\":[]}\0",
        b"\xef\xbb\xbf\xff",
    ];
    for body in bodies {
        let head = format!("host: localhost\r\ncontent-length: {}", body.len());
        let reported = reported(say(&gateway, &chat(&head, body)).await);
        assert_eq!(reported, (400, "malformed_json".to_owned()), "{}", body.escape_ascii());
    }
    assert_eq!(gateway.get("/health").await.status, 200);
    assert_eq!(upstream.requests().await.len(), 0);
}

/// More connections that drip a head than there are workers: each is cut in the time that a head has, and all that
/// while others are served.
#[tokio::test]
async fn slow_request_header_times_out_and_others_are_served() {
    let (upstream, gateway) = start().await;
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let mut raw = Raw::connect(gateway.serving.authority()).await;
        raw.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await;
        slow.spawn(async move {
            let began = std::time::Instant::now();
            (reported(raw.response(false).await), began.elapsed())
        });
    }
    for _ in 0..10 {
        let answer = gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", true)).await;
        assert_eq!((answer.status, answer.said().done), (200, 1));
    }
    while let Some(ended) = slow.join_next().await {
        let (reported, took) = ended.unwrap();
        assert_eq!(reported, (408, "head_too_slow".to_owned()));
        assert!(took.as_secs() >= 8, "{took:?}: a head has ten seconds");
    }
    assert_eq!(upstream.requests().await.len(), 10);
}
