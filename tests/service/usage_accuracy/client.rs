//! Concurrent clients, each with its name, over all APIs, streamed and not.

use serde_json::{Value, json};

use crate::common::{Answer, Api, Gateway};

/// Their names.
pub(super) const CLIENTS: [&str; 4] = ["ada", "bashō", "cleo", "dara"];

/// The requested models: each provider's, one by a retired name, one of a custom provider, which supports only
/// Chat Completions.
const MODELS: [&str; 11] = [
    "kimi/kimi-for-coding",
    "moonshot/kimi-k3",
    "openrouter/auto",
    "kimi/k3",
    "moonshot/kimi-k2.6",
    "openrouter/deepseek/deepseek-v3.2",
    "own/kimi-k2.7-code",
    "kimi/k2p5",
    "moonshot/kimi-k3.1-pro",
    "openrouter/moonshotai/kimi-k3",
    "moonshot/kimi-k2.7-code-highspeed",
];

/// The result for a client.
#[derive(Debug)]
pub(super) struct Seen {
    /// The request's id.
    pub(super) id: String,
    /// The client's name.
    pub(super) client: &'static str,
    /// A whole answer came.
    pub(super) is_answered: bool,
}

/// The token of a client.
pub(super) fn token(client: &str) -> String {
    let place = CLIENTS.iter().position(|name| *name == client).unwrap();
    format!("test-token-{place}-0000000000000000")
}

/// One of many requests; its number selects all of its properties.
pub(super) async fn ask(gateway: &Gateway, number: usize) -> Seen {
    let api = Api::ALL[number % 3];
    let streamed = (number / 3).is_multiple_of(2);
    let client = CLIENTS[number / 7 % CLIENTS.len()];
    let history = "So it was said before. ".repeat(number * 13 % 90);
    let order = if number % 9 == 4 { "call look" } else { "and now say this" };
    let body = api.prompt(MODELS[number % MODELS.len()], &format!("{history}{order} {number}"), streamed);
    let answer = send(gateway, api, client, &body).await;
    let is_answered = answer.status == 200 && api.read(&answer).error.is_none();
    Seen { id: answer.header("x-moonrelay-request-id").to_owned(), client, is_answered }
}

async fn send(gateway: &Gateway, api: Api, client: &str, body: &Value) -> Answer {
    Answer::read(request(gateway, api, client, body).send().await.unwrap()).await
}

fn request(gateway: &Gateway, api: Api, client: &str, body: &Value) -> reqwest::RequestBuilder {
    gateway
        .request(reqwest::Method::POST, api.path())
        .header("user-agent", "KimiCLI/1.46.0")
        .header("content-type", "application/json")
        .bearer_auth(token(client))
        .body(body.to_string())
}

/// A request whose first target is silent.
pub(super) async fn hedged(gateway: &Gateway, number: usize) -> Answer {
    let api = Api::ALL[number % 3];
    let body = api.prompt("kimi/kimi-for-coding", &format!("say {number}"), number.is_multiple_of(2));
    send(gateway, api, CLIENTS[0], &body).await
}

/// A client that goes away when it has the beginning of its answer.
pub(super) async fn leaves(gateway: &Gateway, model: &str) {
    let body = Api::Chat.prompt(model, "tell me", true);
    let request = request(gateway, Api::Chat, CLIENTS[1], &body).header("x-moonrelay-fallback", "off");
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    // The end of the received data: after it the answer stalls.
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains("I repeat it") {
        text.extend_from_slice(&response.chunk().await.unwrap().expect("more of it"));
    }
}

/// A prompt that is partly cached.
pub(super) async fn sized(gateway: &Gateway, model: &str) -> Answer {
    let text = "one more of the same ".repeat(130);
    let body = json!({ "model": model, "messages": [{ "role": "user", "content": text }] });
    send(gateway, Api::Chat, CLIENTS[2], &body).await
}
