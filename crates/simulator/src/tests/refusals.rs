//! Refusals over the wire, and their order. The tables of the rules are beside the rules.

use crate::tests::*;

async fn error(reply: super::client::Reply) -> (u16, String, String) {
    let error = &reply.json()["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (reply.status, text("type"), text("message"))
}

fn is(error: (u16, String, String), status: u16, kind: &str, message: &str) {
    assert_eq!((error.0, error.1.as_str(), error.2.as_str()), (status, kind, message));
}

#[tokio::test]
async fn keys_belong_to_their_provider() {
    let running = Running::new().await;
    let body = ask("kimi-k3", "x");
    let with = |mut client: Client, key: &str| {
        client.headers.retain(|(name, _)| name != "authorization");
        if !key.is_empty() {
            client.headers.push(("Authorization".into(), format!("Bearer {key}")));
        }
        client
    };
    let moonshot = |key: &str| with(running.moonshot(), key);
    is(
        error(moonshot("").chat(&body).await).await,
        401,
        "incorrect_api_key_error",
        "Incorrect API key provided",
    );
    for wrong in ["sk-kimi-abc", "nonsense", "sk-"] {
        let refused = error(moonshot(wrong).chat(&body).await).await;
        is(refused, 401, "invalid_authentication_error", "Invalid Authentication");
    }
    for wrong in ["", "sk-abc"] {
        let (status, kind, text) =
            error(with(running.kimi(), wrong).chat(&ask("kimi-for-coding", "x")).await).await;
        assert_eq!((status, kind.as_str()), (401, "invalid_authentication_error"));
        assert!(text.starts_with("The API Key appears to be invalid or may have expired."));
    }
    let auto = ask("openrouter/auto", "x");
    let none = error(with(running.openrouter(), "").chat(&auto).await).await;
    assert_eq!((none.0, none.2.as_str()), (401, "No cookie auth credentials found"));
    let wrong = error(with(running.openrouter(), "nonsense").chat(&auto).await).await;
    assert_eq!(wrong.2, "User not found.");
}

#[tokio::test]
async fn with_a_key_of_its_own_only_that_is_taken() {
    let options = SimulatorOptions { key: Some("my-key".into()), ..SimulatorOptions::default() };
    let running = start(options).await;
    assert_eq!(running.moonshot().chat(&ask("kimi-k3", "x")).await.status, 401);
    for (base, model) in
        [("/moonshot/v1", "kimi-k3"), ("/kimi/coding/v1", "k3"), ("/openrouter/api/v1", "openrouter/auto")]
    {
        let client = Client::new(running.address, base, "my-key", "KimiCLI/1");
        assert_eq!(client.chat(&ask(model, "x")).await.status, 200);
    }
}

#[tokio::test]
async fn kimi_code_lets_coding_agents_in_by_their_user_agent() {
    let running = Running::new().await;
    for (agent, status) in [
        ("KimiCLI/1.46.0", 200),
        ("kimi-code-cli/2.1.0", 200),
        ("claude-cli/2.1.329 (external, sdk-cli)", 200),
        ("claude-code/2.1.329", 200),
        ("RooCode/3.47.2", 200),
        ("Kilo-Code/5.15", 200),
        ("OpenAI/Python 3.52.0", 403),
        ("Mozilla/5.0 KimiCLI/1", 403),
        ("", 403),
    ] {
        let client = Client::new(running.address, "/kimi/coding/v1", "sk-kimi-x", agent);
        let reply = client.chat(&ask("kimi-for-coding", "x")).await;
        assert_eq!(reply.status, status, "{agent}");
        if status == 403 {
            let (_, kind, text) = error(reply).await;
            assert_eq!(kind, "access_terminated_error");
            assert!(
                text.starts_with("Kimi For Coding is currently only available for Coding Agents such as")
            );
        }
    }
}

#[tokio::test]
async fn models_that_are_gone_are_not_found() {
    let running = Running::new().await;
    for model in ["kimi-k2.5", "moonshot-v1-8k", "kimi-latest", "kimi-k2-0905-preview", "gpt-4o", ""] {
        let refused = error(running.moonshot().chat(&ask(model, "x")).await).await;
        let text = format!("Not found the model {model} or Permission denied");
        is(refused, 404, "resource_not_found_error", &text);
    }
    let refused = error(running.openrouter().chat(&ask("kimi-k3", "x")).await).await;
    assert_eq!((refused.0, refused.2.as_str()), (400, "kimi-k3 is not a valid model ID"));
    let mut listed = ask("unknown/nothing", "x");
    listed["models"] = json!(["unknown/else", "deepseek/deepseek-v3.2"]);
    let answer = running.openrouter().chat(&listed).await.json();
    assert_eq!(answer["model"], "deepseek/deepseek-v3.2");
}

#[tokio::test]
async fn a_refusal_comes_as_json_where_a_stream_was_asked_for() {
    let running = Running::new().await;
    let mut body = streaming(ask("kimi-k3", "x"));
    body["temperature"] = json!(0);
    let reply = running.moonshot().chat(&body).await;
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    let text = "invalid temperature: only 1 is allowed for this model";
    is(error(reply).await, 400, "invalid_request_error", text);
    let reply = running.moonshot().send("POST", "/chat/completions", b"{\"model\":").await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn openrouter_ignores_what_moonshot_refuses_unless_fallbacks_are_off() {
    let running = Running::new().await;
    let mut body = ask("moonshotai/kimi-k3", "x");
    body["temperature"] = json!(0);
    body["something"] = json!({ "unknown": true });
    body["messages"][0]["role"] = json!("developer");
    assert_eq!(running.openrouter().chat(&body).await.status, 200);
    body["provider"] = json!({ "only": ["moonshotai"] });
    let reply = running.openrouter().chat(&body).await.json();
    assert_eq!(reply["error"]["message"], "Provider returned error");
    assert_eq!(reply["error"]["metadata"]["provider_name"], "Moonshot AI");
    let raw = reply["error"]["metadata"]["raw"].as_str().unwrap();
    let raw: Value = serde_json::from_str(raw).unwrap();
    assert_eq!(raw["error"]["type"], "invalid_request_error");
    body["provider"] = json!({ "order": ["moonshotai/int4"], "allow_fallbacks": true });
    assert_eq!(running.openrouter().chat(&body).await.status, 200);
}

#[tokio::test]
async fn without_strict_only_the_model_matters() {
    let running = start(SimulatorOptions { is_strict: false, ..SimulatorOptions::default() }).await;
    let mut body = ask("kimi-k3", "x");
    body["temperature"] = json!(0.2);
    body["messages"][0]["role"] = json!("developer");
    assert_eq!(running.moonshot().chat(&body).await.status, 200);
    assert_eq!(running.moonshot().chat(&ask("gpt-4o", "x")).await.status, 404);
}

#[tokio::test]
async fn an_open_one_answers_any_client_for_any_model() {
    let running =
        start(SimulatorOptions { is_strict: false, accepts_any_client: true, ..SimulatorOptions::default() })
            .await;
    let mut kimi = running.kimi();
    kimi.headers.clear();
    assert_eq!(kimi.chat(&ask("my-own-model", "x")).await.status, 200);
    assert_eq!(running.openrouter().chat(&ask("a/b", "x")).await.status, 200);
}
