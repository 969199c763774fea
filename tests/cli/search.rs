//! Web search: through the gateway, from the shell, and the checks of the simulator.

mod command;
mod keys;

use serde_json::{Value, json};

use crate::common::process::{command, run, signal};
use crate::common::raw::Raw;
use crate::common::{Answer, Gateway, Provider, Setup, Upstream};

const SETTING: &str = "plugins.entries.moonshot.config.webSearch";

/// Every provider simulated, and the search at Moonshot's, with the key of that provider.
fn setup(upstream: &Upstream) -> Setup {
    let base = format!("{}{}", upstream.base(), Provider::Moonshot.path());
    Setup::chain(upstream, &[Provider::Moonshot]).set(&format!("{SETTING}.baseUrl"), json!(base))
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    let request = gateway.request(reqwest::Method::POST, path).header("content-type", "application/json");
    let request = request.header("user-agent", "curl/8.19.0").body(body.to_string());
    Answer::read(request.send().await.unwrap()).await
}

async fn search(gateway: &Gateway, query: &str) -> Answer {
    post(gateway, "/v1/search", &json!({ "query": query })).await
}

/// Status, `error.code` and message.
fn refused(answer: &Answer) -> (u16, String, String) {
    let error = &answer.json()["error"];
    let word = |key: &str| error[key].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
    (answer.status, word("code"), word("message"))
}

#[tokio::test]
async fn an_answer_has_its_pages_and_is_known_afterwards() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream).start().await;
    let answer = search(&gateway, "who landed on the moon?").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((answer.model(), answer.attempts()), ("moonshot/kimi-k2.6", "moonshot/kimi-k2.6=ok"));
    assert_ne!(answer.header("x-moonrelay-request-id"), "");
    let found = answer.json();
    let of = |key: &str| found[key].clone();
    assert_eq!([of("ok"), of("provider"), of("model")], [json!(true), json!("kimi"), json!("kimi-k2.6")]);
    assert_eq!([of("query"), of("cached")], [json!("who landed on the moon?"), json!(false)]);
    assert!(found["content"].as_str().unwrap().contains("the web says of"), "{found}");
    let citations = found["citations"].as_array().unwrap();
    assert!(citations.len() == 2 && citations[1] == "https://wiki.example/moon_(relay)", "{found}");
    assert_eq!(found["externalContent"]["untrusted"], true);
    assert_eq!(
        (&found["usage"]["searches"], &found["usage"]["cost"]["searches"]),
        (&json!(1), &json!(0.005))
    );

    let asked = upstream.requests().await;
    assert_eq!(asked.len(), 2, "a search, and the answer");
    let body = |at: usize| -> Value { serde_json::from_str(asked[at]["body"].as_str().unwrap()).unwrap() };
    assert_eq!((&body(0)["thinking"], &body(0)["stream"]), (&json!({ "type": "disabled" }), &json!(false)));
    let messages = body(1)["messages"].as_array().unwrap().clone();
    let [.., call, reply] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(call["tool_calls"][0]["type"], "builtin_function");
    assert_eq!(reply["content"], call["tool_calls"][0]["function"]["arguments"]);

    for path in ["/v1/search", "/coding/v1/search", "/api/v1/search", "/anthropic/v1/search"] {
        let again = post(&gateway, path, &json!({ "query": " who landed on the moon?\n" })).await;
        assert_eq!((again.status, again.attempts()), (200, ""), "{path}: {}", again.text());
        let again = again.json();
        assert_eq!((&again["cached"], &again["content"]), (&json!(true), &found["content"]));
        assert_eq!(again["usage"]["cost"]["total"], 0.0);
    }
    assert_eq!(upstream.requests().await.len(), 2, "no upstream was called again");
}

#[tokio::test]
async fn an_answer_from_memory_is_none_and_is_not_kept() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream).start().await;
    for count in 1..=2 {
        let answer = search(&gateway, "tell me from memory").await;
        let (status, code, message) = refused(&answer);
        assert_eq!((status, code.as_str()), (502, "ungrounded"), "{message}");
        assert_eq!(answer.attempts(), "moonshot/kimi-k2.6=server");
        assert_eq!(upstream.requests().await.len(), count);
    }
    let (status, code, message) = refused(&search(&gateway, "search without end").await);
    assert_eq!((status, code.as_str()), (502, "no_answer"), "{message}");
    assert_eq!(upstream.requests().await.len(), 2 + 3, "three rounds");
}

#[tokio::test]
async fn what_would_not_count_is_refused_before_anybody_is_asked() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream).start().await;
    for filter in [
        "count",
        "max_results",
        "country",
        "language",
        "freshness",
        "date_after",
        "search_domain_filter",
        "model",
    ] {
        let (status, code, message) =
            refused(&post(&gateway, "/v1/search", &json!({ "query": "moon", filter: "x" })).await);
        assert_eq!((status, code.as_str()), (400, "bad_request"));
        assert!(message.contains(&format!("\"{filter}\" is not supported")), "{message}");
    }
    for wrong in [
        json!({}),
        json!([]),
        json!({ "query": ["a", "b"] }),
        json!({ "query": " " }),
        json!({ "query": "x".repeat(9000) }),
    ] {
        let answer = post(&gateway, "/v1/search", &wrong).await;
        assert_eq!(refused(&answer).0, 400, "{}", answer.text());
        assert_eq!(answer.json()["error"]["param"], "query", "{}", answer.text());
    }
    let answer = gateway.get("/v1/search").await;
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
    assert!(upstream.requests().await.is_empty());
}

#[tokio::test]
async fn search_needs_the_gateway_token() {
    let upstream = Upstream::start().await;
    let auth = json!({ "mode": "token", "tokens": { "laptop": "a-token-of-ours-000" } });
    let mut gateway = setup(&upstream).set("gateway.auth", auth).start().await;
    assert_eq!(search(&gateway, "moon").await.status, 401);
    let request = gateway.request(reqwest::Method::POST, "/v1/search").bearer_auth("a-token-of-ours-000");
    let answer = Answer::read(request.body(r#"{"query":"moon"}"#).send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let foreign = gateway.request(reqwest::Method::POST, "/v1/search").bearer_auth("a-token-of-ours-000");
    let foreign = foreign.header("origin", "https://evil.example").body(r#"{"query":"moon"}"#);
    assert_eq!(foreign.send().await.unwrap().status().as_u16(), 403);

    // It is in the usage database, under the token's name and with its price.
    let reported = answer.json()["usage"].clone();
    gateway.serving.stop().await;
    let row = |rows: &Value, key: &str| {
        let rows = rows["rows"].as_array().unwrap();
        rows.iter().find(|row| row["key"] == key).cloned().unwrap_or_else(|| panic!("{key}: {rows:?}"))
    };
    let model = row(&usage(&gateway, "model").await, "moonshot/kimi-k2.6");
    let tokens = &model["answered"]["tokens"];
    assert_eq!((&tokens["input"], &tokens["output"]), (&reported["input"], &reported["output"]), "{model}");
    let paid: f64 = model["answered"]["cost"]["USD"].as_str().unwrap().parse().unwrap();
    assert!(
        (paid - reported["cost"]["total"].as_f64().unwrap()).abs() < 1e-12 && paid > 0.005,
        "{model} {reported}"
    );
    assert_eq!(row(&usage(&gateway, "client").await, "laptop")["requests"], 1);
}

async fn usage(gateway: &Gateway, by: &str) -> Value {
    let mut asked = command(gateway.home(), ["usage", "--json", "--no-quota", "--by", by, "--config"]);
    asked.arg(gateway.config());
    let ended = run(asked).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    ended.json()
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_search() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "no_head" })).await;
    let gateway = setup(&upstream).start().await;
    let mut client = Raw::connect(gateway.serving.authority()).await;
    let body = r#"{"query":"moon"}"#;
    let head = format!(
        "POST /v1/search HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
        gateway.serving.authority(),
        body.len()
    );
    client.send(format!("{head}{body}").as_bytes()).await;
    upstream.total(1).await;
    drop(client);
    upstream.cancelled(1, 1000).await;
}

#[tokio::test]
async fn a_model_that_is_silent_is_given_up() {
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "moonshot", "kind": "no_head" })).await;
    let gateway = setup(&upstream).set(&format!("{SETTING}.timeoutSeconds"), json!(1)).start().await;
    let answer = search(&gateway, "moon").await;
    let (status, code, message) = refused(&answer);
    assert_eq!((status, code.as_str()), (504, "timeout"), "{message}");
    assert!(message.contains("timeoutSeconds"), "{message}");
    upstream.cancelled(1, 1000).await;
}

#[tokio::test]
async fn a_reload_changes_who_searches_and_keeps_what_was_found() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream).start().await;
    assert_eq!(search(&gateway, "moon").await.json()["model"], "kimi-k2.6");
    let text = setup(&upstream).set(&format!("{SETTING}.model"), json!("kimi-k3")).text();
    std::fs::write(gateway.config(), text).unwrap();
    signal("-HUP", gateway.serving.pid()).await;
    // The old model's answer is not that of the new one.
    let found = loop {
        let found = search(&gateway, "moon").await.json();
        if found["model"] == "kimi-k3" {
            break found;
        }
        assert_eq!(found["cached"], true, "{found}");
    };
    assert_eq!(found["cached"], false);
    assert_eq!(search(&gateway, "moon").await.json()["cached"], true);
}

/// A request to the simulator as a client sends it that searches by itself.
fn round(messages: &Value, thinking: &str) -> Value {
    json!({
        "model": "kimi-k2.6",
        "messages": messages,
        "thinking": { "type": thinking },
        "tools": [{ "type": "builtin_function", "function": { "name": "$web_search" } }],
    })
}

#[tokio::test]
async fn the_simulated_search_wants_its_arguments_back_as_they_were() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream).start().await;
    let url = format!("{}{}/chat/completions", upstream.base(), Provider::Moonshot.path());
    let client = crate::common::raw::client();
    let ask = async |body: Value| {
        let request = client.post(&url).bearer_auth(Provider::Moonshot.key()).body(body.to_string());
        Answer::read(request.send().await.unwrap()).await
    };
    let user = json!({ "role": "user", "content": "moon" });
    let refused = ask(round(&json!([user]), "enabled")).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let first = ask(round(&json!([user]), "disabled")).await.json();
    let message = &first["choices"][0]["message"];
    let arguments = message["tool_calls"][0]["function"]["arguments"].as_str().unwrap().to_owned();
    let reply = |content: &str| json!({ "role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "name": "$web_search", "content": content });
    let compact = serde_json::from_str::<Value>(&arguments).unwrap().to_string();
    assert_ne!(compact, arguments, "it differs from what was parsed and serialised again");
    let wrong = ask(round(&json!([user, message, reply(&compact)]), "disabled")).await;
    assert!(wrong.status == 400 && wrong.text().contains("$web_search"), "{}", wrong.text());
    let right = ask(round(&json!([user, message, reply(&arguments)]), "disabled")).await.json();
    assert_eq!(right["choices"][0]["finish_reason"], "stop");
    let grown =
        right["usage"]["prompt_tokens"].as_u64().unwrap() - first["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(grown >= 1200, "what was found is part of the prompt: {right}");
    drop(gateway);
}
