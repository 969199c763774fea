//! Keys, account identifiers and cookies are not forwarded, whatever a provider answers.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::common::scripted::{KEY, Scripted};
use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};

/// The prefixes of the identifiers that the simulator's providers send, and their cookies.
const THEIRS: &[&str] = &["org-", "proj-", "ak-", "user_2", "msh-uid", "set-cookie", "sk-"];

/// What the client receives.
fn everything(answer: &Answer) -> String {
    format!("{:?}\n{}", answer.headers, answer.text()).to_lowercase()
}

/// The whole log, which covers all these answers.
async fn log_of(gateway: &mut Gateway, answers: &[String]) -> String {
    let reported = gateway.serving.stop().await;
    for id in answers {
        assert!(reported.contains(id), "no line of {id}: {reported}");
    }
    assert!(
        reported.lines().last().is_some_and(|line| line.contains("stopped")),
        "it ends with the end: {reported}"
    );
    reported.to_lowercase()
}

fn id(answer: &Answer) -> String {
    answer.header("x-moonrelay-request-id").to_owned()
}

#[tokio::test]
async fn documented_errors_do_not_reveal_the_account() {
    let upstream = Upstream::start().await;
    let kinds = upstream.kinds().await;
    let mut asked = 0;
    for provider in Provider::ALL {
        let mut gateway =
            Setup::chain(&upstream, &[provider]).set("logging.level", json!("debug")).start().await;
        let mut answers = Vec::new();
        let of_provider = |kind: &&Value| {
            (kind["provider"] == provider.id() || kind["provider"] == "*")
                && kind["value"]["required"] != true
        };
        // A silent provider sends nothing, and takes its time.
        let silent = |kind: &&Value| {
            ["no_head", "no_first_byte", "role_then_stall"].iter().any(|word| kind["kind"] == *word)
        };
        for kind in kinds.iter().filter(of_provider).filter(|kind| !silent(kind)) {
            for stream in [false, true] {
                upstream.fault(json!({ "provider": provider.id(), "kind": kind["kind"] })).await;
                let request = gateway
                    .chat_request(prompt(provider.reference(), "Say hello", stream).to_string())
                    .header("x-moonrelay-fallback", "off");
                let answer = Answer::read(request.send().await.unwrap()).await;
                upstream.no_faults().await;
                let reported = everything(&answer);
                for theirs in THEIRS {
                    assert!(!reported.contains(theirs), "{provider:?} {kind}: {theirs} in {reported}");
                }
                answers.push(id(&answer));
            }
        }
        let reported = log_of(&mut gateway, &answers).await;
        for theirs in THEIRS {
            assert!(!reported.contains(theirs), "{provider:?}: {theirs} in {reported}");
        }
        asked += answers.len();
    }
    println!("{asked} answers looked at");
    assert!(asked > 100, "{asked} answers");
}

/// A provider that repeats whatever it was sent: in its error's message, type and code, and in its headers.
#[tokio::test]
async fn repeated_key_is_not_forwarded() {
    for status in ["401 Unauthorized", "400 Bad Request", "500 Internal Server Error", "200 OK"] {
        let scripted = Scripted::start(move |mut stream| async move {
            let error = json!({ "error": { "message": format!("key {KEY} (Bearer {KEY})"), "type": KEY, "code": KEY } });
            let body = error.to_string();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-generation-id: {KEY}\r\nset-cookie: k={KEY}\r\n\
                 www-authenticate: {KEY}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        })
        .await;
        let mut gateway = scripted.setup().set("logging.level", json!("debug")).start().await;
        let mut answers = Vec::new();
        for stream in [false, true] {
            let answer = gateway.chat(&prompt("own/model", "Say hello", stream)).await;
            assert!(answer.status >= 400, "{status}: {}", answer.text());
            let reported = everything(&answer);
            assert!(!reported.contains(KEY), "{status}: {reported}");
            answers.push(id(&answer));
        }
        let reported = log_of(&mut gateway, &answers).await;
        assert!(!reported.contains(KEY), "{status}: {reported}");
    }
}

#[tokio::test]
async fn redirect_is_never_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trap = elsewhere.local_addr().unwrap();
    for status in [301, 302, 303, 307, 308] {
        let scripted = Scripted::start(move |mut stream| async move {
            let head = format!(
                "HTTP/1.1 {status} Elsewhere\r\nlocation: http://{trap}/v1/chat/completions\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes()).await;
        })
        .await;
        let gateway = scripted.setup().start().await;
        for stream in [false, true] {
            let answer = gateway.chat(&prompt("own/model", "Say hello", stream)).await;
            assert_eq!(answer.status, 502, "{status}: {}", answer.text());
            assert!(answer.text().contains("never followed"), "{status}: {}", answer.text());
            assert!(!answer.text().contains(&trap.to_string()), "{}", answer.text());
            assert_eq!(answer.header("location"), "");
        }
    }
    // A client that follows a redirect connects before it has an answer.
    let connection = futures_util::FutureExt::now_or_never(elsewhere.accept());
    assert!(connection.is_none(), "{connection:?}");
}

#[tokio::test]
async fn log_names_the_client_and_never_its_token() {
    let upstream = Upstream::start().await;
    let tokens = json!({ "laptop": "laptop-token-0123456789", "phone": "phone-token-0123456789" });
    let mut gateway = Setup::chain(&upstream, &[Provider::Moonshot])
        .set("gateway.auth", json!({ "mode": "token", "tokens": tokens }))
        .set("logging.level", json!("debug"))
        .start()
        .await;
    for name in ["phone", "laptop"] {
        let request = gateway
            .chat_request(prompt("moonshot/kimi-k3", "Say hello", false).to_string())
            .header("x-api-key", format!("{name}-token-0123456789"));
        assert_eq!(Answer::read(request.send().await.unwrap()).await.status, 200);
        gateway.serving.said(&format!("client={name} ")).await;
    }
    let reported = gateway.serving.stop().await;
    assert!(!reported.contains("-token-"), "{reported}");
}
