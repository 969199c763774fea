//! Whatever uses a provider's key works with a login.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{
    KIMI, contains_no_secret, gateway, let_it_end_in, logged_in, moonrelay, secrets, setup, tokens, upstream,
};
use crate::cli::doctor::{Machine, describe};
use crate::common::process::run;
use crate::common::scripted::Scripted;
use crate::common::{Api, Gateway, prompt};

fn kimi(providers: &Value) -> &Value {
    let all = providers.as_array().unwrap();
    all.iter().find(|each| each["id"] == "kimi" || each["provider"] == "kimi").unwrap()
}

#[tokio::test]
async fn login_and_logout_apply_to_a_running_gateway() {
    let upstream = upstream().await;
    let (command, home) = setup(&upstream).command();
    let checked = run(moonrelay(home.path(), &["config", "validate", "--json"])).await;
    assert_eq!(checked.code, Some(0), "where no token can be the file is right: {}", checked.both());
    let warning = &checked.json()["warnings"][0];
    assert_eq!(warning["path"], "models.providers.kimi.auth", "{warning}");
    assert!(
        warning["message"].as_str().unwrap().starts_with("provider kimi is disabled: not logged in; log in:")
    );

    let mut gateway = Gateway::starting(command, home).await;
    let asked = prompt("default", "Say hello", false);
    let without = gateway.chat(&asked).await;
    assert_eq!(without.attempts(), "kimi/kimi-for-coding=no_key, openrouter/auto=ok", "{}", without.text());
    logged_in(gateway.home(), &upstream).await;
    gateway.serving.said("reloaded; chain").await;
    assert_eq!(gateway.chat(&asked).await.attempts(), "kimi/kimi-for-coding=ok");

    let ended = run(moonrelay(gateway.home(), &["logout"])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    gateway.serving.said("reloaded; chain").await;
    assert_eq!(gateway.chat(&asked).await.model(), "openrouter/auto");
}

#[tokio::test]
async fn token_file_readable_by_others_is_not_used() {
    let upstream = upstream().await;
    let (command, home) = setup(&upstream).command();
    logged_in(home.path(), &upstream).await;
    let path = tokens(home.path());
    let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o644);
    let mut gateway = Gateway::starting(command, home).await;
    let asked = prompt("default", "Say hello", false);
    assert_eq!(gateway.chat(&asked).await.model(), "openrouter/auto");
    let reported = gateway.serving.output();
    assert!(reported.contains(&format!("chmod 600 {}", path.display())), "{reported}");
    set(0o600);
    gateway.serving.said("reloaded; chain").await;
    let answer = gateway.chat(&asked).await;
    assert_eq!(answer.model(), KIMI);
    let reported = gateway.serving.stop().await;
    assert!(reported.contains(answer.header("x-moonrelay-request-id")), "{reported}");
    contains_no_secret(gateway.home(), &reported);
}

#[tokio::test]
async fn every_api_sends_a_bearer_token_and_the_clients_user_agent() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, setup(&upstream)).await;
    for api in Api::ALL {
        upstream.forget().await;
        let sent =
            gateway.request(reqwest::Method::POST, api.path()).header("user-agent", "claude-cli/2.1.329");
        let answer = sent.body(api.prompt(KIMI, "Say hello", false).to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{api:?}");
        let requests = upstream.requests().await;
        let headers = &requests[0]["headers"];
        assert_eq!(requests[0]["status"], 200);
        assert!(headers.to_string().contains("claude-cli/2.1.329"), "{headers}");
        assert!(!headers.to_string().contains("x-api-key"), "{headers}");
    }
}

#[tokio::test]
async fn commands_use_and_refresh_the_login() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, setup(&upstream)).await;
    let home = gateway.home();
    let commands: [&[&str]; 4] = [
        &["models", "list", "--live", "--provider", "kimi", "--json"],
        &["models", "status", "--probe", "--json"],
        &["usage", "--json"],
        &["explain", "default", "--json"],
    ];
    for (refreshed, arguments) in (1..).zip(commands) {
        let_it_end_in(home, -1);
        let ended = run(moonrelay(home, arguments)).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.both());
        contains_no_secret(home, &ended.both());
        let said = ended.json();
        match arguments[0] {
            "explain" => {
                let key = &said["targets"][0]["key"];
                assert_eq!(
                    (&key["masked"], upstream.office().await["refreshed"].as_u64()),
                    (&json!("oauth"), Some(3))
                );
                continue;
            }
            "usage" => assert!(kimi(&said["quotas"])["error"].is_null(), "{said}"),
            _ if arguments[1] == "list" => assert_eq!(said["live"][0]["ok"], true, "{said}"),
            _ => {
                let probe = &said["probes"][0];
                assert_eq!(
                    (&probe["model"], &probe["key"], &probe["result"]),
                    (&json!(KIMI), &json!("oauth"), &json!("ok"))
                );
                let kimi = kimi(&said["providers"]);
                assert!(kimi["login"]["key"].as_str().unwrap().starts_with("eyJ…"), "{kimi}");
                assert!(kimi["login"]["expiresAt"].is_u64(), "{kimi}");
            }
        }
        assert_eq!(upstream.office().await["refreshed"], refreshed, "{arguments:?}");
    }
    run(moonrelay(home, &["models", "list", "--live", "--provider", "kimi"])).await;
    let reported = run(moonrelay(home, &["models", "status"])).await.stdout;
    let host = format!("oauth (login at {}/oauth), token eyJ…", upstream.base());
    assert!(reported.contains(&host) && reported.contains(", valid for 1"), "{reported}");
}

#[tokio::test]
async fn commands_refresh_a_rejected_token() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream, setup(&upstream)).await;
    let home = gateway.home();
    upstream.order(json!({ "endTokens": true })).await;
    let listed = run(moonrelay(home, &["models", "list", "--live", "--provider", "kimi", "--json"])).await;
    assert_eq!(listed.code, Some(0), "{}", listed.both());
    assert_eq!(listed.json()["live"][0]["ok"], true, "{}", listed.both());
    contains_no_secret(home, &listed.both());
    assert_eq!(upstream.office().await["refreshed"], 1);
}

#[tokio::test]
async fn doctor_reports_a_login_and_its_fix() {
    let upstream = upstream().await;
    let config = setup(&upstream).text();
    let machine = Machine::new(&config);
    let home = machine.home.path();
    machine.write("config.json5", &config, 0o600);
    let fix = "moonrelay onboard --auth-choice kimi-code-oauth";
    let findings = async |check: &str| {
        let report = machine.doctor(&[]).await;
        assert!(!report.ended.both().contains("eyJhbGciOiJub25lIn0."), "the report has a token");
        assert!(report.of("products").is_empty() && report.of("region").is_empty());
        report.of(check).into_iter().map(|found| (found.clone(), describe(found).1)).collect::<Vec<_>>()
    };
    let missing = findings("keys").await;
    assert_eq!((missing.len(), &missing[0].0["fix"]), (1, &json!(fix)), "{missing:?}");
    assert_eq!(missing[0].0["kind"], "missing_login");

    logged_in(home, &upstream).await;
    assert_eq!((findings("keys").await, findings("reach").await), (vec![], vec![]));
    let_it_end_in(home, -1);
    assert_eq!(findings("reach").await, [], "it is refreshed");
    upstream.order(json!({ "endTokens": true })).await;
    assert_eq!(findings("reach").await, [], "before its time, too");
    assert_eq!(upstream.office().await["refreshed"], 2);

    std::fs::set_permissions(tokens(home), std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = findings("keys").await;
    let chmod = format!("chmod 600 {}", tokens(home).display());
    assert_eq!((open.len(), &open[0].0["fix"]), (1, &json!(chmod)), "{open:?}");
    std::fs::set_permissions(tokens(home), std::fs::Permissions::from_mode(0o600)).unwrap();

    // A refresh without an answer does not end a login; a rejection does.
    let_it_end_in(home, -1);
    upstream.order(json!({ "refreshes": ["503", "invalid_grant"] })).await;
    for words in ["503", "invalid_grant"] {
        let reach = findings("reach").await;
        assert_eq!(reach.len(), 1, "{reach:?}");
        assert_eq!(reach[0].0["fix"] == json!(fix), words == "invalid_grant", "{reach:?}");
        assert!(reach[0].1.contains("provider kimi has no key") && reach[0].1.contains(words), "{reach:?}");
    }
    let ended = findings("keys").await;
    assert_eq!((ended.len(), &ended[0].0["fix"]), (1, &json!(fix)), "{ended:?}");
}

#[tokio::test]
async fn login_setting_of_a_provider_without_login_is_rejected() {
    let home = tempfile::tempdir().unwrap();
    let text = "{ models: { providers: { openrouter: { auth: 'oauth' }, kimi: { auth: 'oauth', apiKey: 'sk-1' } } } }";
    std::fs::write(home.path().join("config.json5"), text).unwrap();
    let checked = run(moonrelay(home.path(), &["config", "validate", "--json"])).await;
    assert_eq!(checked.code, Some(78), "{}", checked.both());
    let issues = checked.json()["issues"].clone();
    assert_eq!(issues[0]["path"], "models.providers.openrouter.auth", "{issues}");
    assert!(issues[0]["message"].as_str().unwrap().contains("only Kimi Code has a login"), "{issues}");
    assert_eq!(issues.as_array().unwrap().len(), 1, "{issues}");
}

#[tokio::test]
async fn an_access_token_that_the_provider_repeats_is_redacted() {
    let upstream = upstream().await;
    let response = Arc::new(Mutex::new(String::new()));
    let sent = response.clone();
    let scripted = Scripted::start(move |mut stream| {
        let response = sent.lock().unwrap().clone();
        async move {
            let _ = stream.write_all(response.as_bytes()).await;
        }
    })
    .await;
    let base = scripted.provider()["baseUrl"].clone();
    let setup = setup(&upstream).set("models.providers.kimi.baseUrl", base);
    let mut gateway = gateway(&upstream, setup).await;
    let [token, _] = secrets(gateway.home());
    // No pattern matches a token of this form.
    let repeated: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let error = json!({ "error": { "message": format!("marker <{repeated}>"), "code": 400 } });
    let chunk = json!({ "choices": [{ "index": 0, "delta": { "role": "assistant", "content": "Hello" } }] });
    for (status, is_stream, body) in [
        ("400 Bad Request", false, error.to_string()),
        ("200 OK", false, error.to_string()),
        ("200 OK", true, format!("data: {error}\n\n")),
        ("200 OK", true, format!("data: {chunk}\n\ndata: {error}\n\n")),
    ] {
        let kind = if is_stream { "text/event-stream" } else { "application/json" };
        *response.lock().unwrap() =
            format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{body}");
        let answer = gateway.chat(&prompt(KIMI, "Say hello", is_stream)).await;
        assert!(answer.text().contains("marker <…>"), "{status} {kind}: {}", answer.text());
        assert!(!answer.text().contains(&repeated[..30]), "{status} {kind}: {}", answer.text());
    }
    let log = gateway.serving.stop().await;
    assert!(log.contains("marker <…>") && !log.contains(&repeated[..30]), "{log}");
}
