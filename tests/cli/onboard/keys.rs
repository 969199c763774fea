//! Keys that are taken.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{Desk, KEY, mode};
use crate::common::Provider;
use crate::common::process::{Serving, command};

#[tokio::test]
async fn each_choice_is_checked_written_and_asked_in_the_order_of_onboarding() {
    let desk = Desk::new().await;
    let kimi = desk.set_up("kimi-code-api-key", Provider::Kimi, Provider::Kimi.key()).await;
    assert_eq!(kimi["check"]["result"], "ok", "{kimi}");
    assert!(kimi["check"]["models"].as_u64().unwrap() > 2, "{kimi}");
    assert_eq!(kimi["model"], json!({ "primary": "kimi/kimi-for-coding", "fallbacks": [] }));
    assert_eq!(kimi["secrets"], json!({ "path": desk.secrets(), "name": "KIMI_API_KEY", "changed": true }));
    assert_eq!((mode(&desk.secrets()), mode(&desk.config())), (0o600, 0o600));
    assert_eq!(mode(desk.config().parent().unwrap()), 0o700);
    let moonshot = desk.set_up("moonshot-api-key", Provider::Moonshot, KEY).await;
    assert_eq!(moonshot["model"]["fallbacks"], json!(["moonshot/kimi-k3.1-pro"]));
    let backup = desk.config().with_file_name("config.json5.bak");
    assert_eq!(moonshot["config"]["backup"], json!(backup), "{moonshot}");
    assert_eq!(mode(&backup), 0o600);
    let openrouter =
        desk.set_up("openrouter-api-key", Provider::OpenRouter, Provider::OpenRouter.key()).await;
    assert_eq!(openrouter["model"]["fallbacks"], json!(["moonshot/kimi-k3.1-pro", "openrouter/auto"]));
    assert_eq!(
        desk.text(&desk.secrets()),
        format!(
            "KIMI_API_KEY={}\nMOONSHOT_API_KEY={KEY}\nOPENROUTER_API_KEY={}\n",
            Provider::Kimi.key(),
            Provider::OpenRouter.key()
        )
    );
    assert!(!desk.text(&desk.config()).contains("sk-"), "no key in the configuration");
    let aliases = desk.json(&["models", "aliases", "list", "--json"]).await;
    assert_eq!(aliases["aliases"]["kimi"], "kimi/kimi-for-coding", "{aliases}");
    let status = desk.json(&["models", "status", "--json"]).await;
    let on =
        status["providers"].as_array().unwrap().iter().filter(|provider| provider["state"] == "on").count();
    assert_eq!(on, 3, "{status}");
}

#[tokio::test]
async fn a_custom_server_with_and_without_a_key() {
    let desk = Desk::new().await;
    let base = desk.base(Provider::Moonshot);
    let custom =
        ["--auth-choice", "custom", "--base-url", &base, "--provider", "Lab-1", "--model", "kimi-k3"];
    let ended = desk.onboard(KEY, &[&custom[..], &["--face", "chat", "--json"]].concat()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let reported = ended.json();
    assert_eq!(
        (&reported["provider"], &reported["secrets"]["name"]),
        (&json!("lab-1"), &json!("LAB_1_API_KEY")),
        "{reported}"
    );
    assert_eq!(reported["model"]["primary"], "lab-1/kimi-k3");
    // Without a key, at a server without a list of models.
    let base = format!("{}/nowhere/v1", desk.upstream.base());
    let bare = [
        "--auth-choice",
        "custom",
        "--base-url",
        &base,
        "--provider",
        "bare",
        "--model",
        "m",
        "--face",
        "messages",
    ];
    let ended = desk.run(None, &[&bare[..], &["--no-key", "--json"]].concat(), &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let reported = ended.json();
    assert_eq!(
        (&reported["check"]["result"], &reported["secrets"]),
        (&json!("unjudged"), &json!(null)),
        "{reported}"
    );
    assert_eq!(reported["model"]["fallbacks"], json!(["bare/m"]));
    assert_eq!(desk.json(&["config", "validate", "--json"]).await["warnings"], json!([]));
}

#[tokio::test]
async fn what_stood_there_stays_and_a_second_time_changes_nothing() {
    let desk = Desk::new().await;
    let base = desk.base(Provider::Moonshot);
    let config = format!(
        "// mine\n{{\n  agents: {{ defaults: {{\n    model: 'kimi/k3', // for now\n  }} }},\n  models: {{ providers: {{\n    \
         moonshot: {{ baseUrl: '{base}' }}, // a tunnel\n  }} }},\n}}\n"
    );
    desk.write(&config);
    let secrets = "# from work\nOTHER=1\nexport MOONSHOT_API_KEY='old'\n# end\n";
    std::fs::write(desk.secrets(), secrets).unwrap();
    std::fs::set_permissions(desk.secrets(), Permissions::from_mode(0o644)).unwrap();
    let ended = desk.onboard(KEY, &["--auth-choice", "moonshot-api-key"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    assert_eq!(desk.text(&desk.secrets()), secrets.replace("'old'", KEY));
    assert_eq!(mode(&desk.secrets()), 0o600, "it was open to others");
    let text = desk.text(&desk.config());
    for kept in ["// mine\n", "// for now", "// a tunnel", &format!("baseUrl: '{base}'")] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    let chain = desk.json(&["config", "get", "agents.defaults.model", "--json"]).await;
    assert_eq!(chain, json!({ "primary": "kimi/k3", "fallbacks": ["moonshot/kimi-k3.1-pro"] }));

    let before = desk.everything();
    for arguments in
        [&["--auth-choice", "moonshot-api-key"][..], &["--auth-choice", "moonshot-api-key", "--json"]]
    {
        let again = desk.onboard(KEY, arguments).await;
        assert_eq!(again.code, Some(0), "{}", again.both());
        let says = if arguments.len() > 2 { "\"changed\": false" } else { "No change" };
        assert_eq!(again.stdout.matches(says).count(), 2, "{}", again.both());
    }
    // The key that is there is as good as one that is given.
    let kept = desk.run(None, &["--auth-choice", "moonshot-api-key"], &[]).await;
    assert!(kept.code == Some(0) && kept.stdout.contains("accepts the key"), "{}", kept.both());
    assert!(before == desk.everything(), "every byte of every file");

    let first = desk.onboard(KEY, &["--auth-choice", "moonshot-api-key", "--primary", "--json"]).await;
    assert_eq!(
        first.json()["model"],
        json!({ "primary": "moonshot/kimi-k3.1-pro", "fallbacks": ["kimi/k3"] })
    );
}

#[tokio::test]
async fn the_china_site_is_written_and_changed_back() {
    let desk = Desk::new().await;
    let skip = |choice: &'static str| ["--auth-choice", choice, "--skip-check"];
    let base =
        || async { desk.json(&["config", "get", "models.providers.moonshot.baseUrl", "--json"]).await };
    let ended = desk.onboard(KEY, &skip("moonshot-api-key-cn")).await;
    assert!(ended.code == Some(0) && ended.stdout.contains("was not checked"), "{}", ended.both());
    assert_eq!(base().await, json!("https://api.moonshot.cn/v1"));
    assert_eq!(desk.onboard(KEY, &skip("moonshot-api-key")).await.code, Some(0));
    assert_eq!(base().await, json!("https://api.moonshot.ai/v1"));
}

#[tokio::test]
async fn another_variable_of_the_shell_is_reported() {
    let desk = Desk::new().await;
    let base = desk.base(Provider::Moonshot);
    let arguments = ["--auth-choice", "moonshot-api-key", "--base-url", &base, "--json"];
    let ended = desk.run(Some(KEY), &arguments, &[("MOONSHOT_API_KEY", "sk-another")]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let warning = ended.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.contains("unset MOONSHOT_API_KEY") && !ended.both().contains("sk-another"), "{warning}");
}

#[tokio::test]
async fn a_gateway_that_runs_takes_it_over_and_answers() {
    let desk = Desk::new().await;
    // Below the ports that the kernel gives out, and another one in another run.
    let port = 30_000 + std::process::id() % 2_000;
    desk.write(&format!("{{ gateway: {{ port: {port} }} }}"));
    std::fs::write(desk.secrets(), format!("MOONSHOT_API_KEY={KEY}\n")).unwrap();
    let mut serving = Serving::start(command(desk.path(), ["gateway", "run"]), "listening on").await;
    let reported = desk.set_up("kimi-code-api-key", Provider::Kimi, Provider::Kimi.key()).await;
    let expected = json!({ "running": true, "address": serving.base, "reloads": true });
    assert_eq!(reported["gateway"], expected, "{reported}");
    serving.said("reloaded; chain: kimi/kimi-for-coding").await;
    let status = desk.json(&["gateway", "status", "--json"]).await;
    let kimi = status["providers"].as_array().unwrap().iter().find(|provider| provider["id"] == "kimi");
    assert_ne!(kimi.unwrap()["state"], "off", "{status}");
}

#[tokio::test]
async fn a_key_that_stands_in_the_configuration_is_kept_until_a_new_one_takes_its_place() {
    let desk = Desk::new().await;
    let base = desk.base(Provider::Moonshot);
    let config = format!(
        "{{ models: {{ providers: {{ moonshot: {{ baseUrl: '{base}', apiKey: 'sk-literal-000000' }} }} }},\n\
           agents: {{ defaults: {{ model: 'moonshot/kimi-k3' }} }} }}"
    );
    desk.write(&config);
    let arguments = ["--auth-choice", "moonshot-api-key", "--json"];
    let kept = desk.run(None, &arguments, &[]).await;
    assert!(kept.code == Some(0) && kept.json()["check"]["result"] == "ok", "{}", kept.both());
    assert_eq!(desk.text(&desk.config()), config);
    let new = desk.onboard(KEY, &arguments).await;
    assert_eq!(new.code, Some(0), "{}", new.both());
    assert_eq!(
        new.json()["warnings"],
        json!(["apiKey of provider moonshot had another value; it is ${MOONSHOT_API_KEY} now"])
    );
    assert_eq!(desk.text(&desk.config()), config.replace("'sk-literal-000000'", "\"${MOONSHOT_API_KEY}\""));
    assert!(!new.both().contains("literal"), "{}", new.both());
}

#[tokio::test]
async fn providers_that_are_set_up_at_the_same_time_all_survive() {
    let desk = Desk::new().await;
    let ids = ["a", "b", "c", "d", "e", "f"];
    let one = |id: &'static str| {
        let base = desk.base(Provider::Moonshot);
        let desk = &desk;
        async move {
            let arguments = ["--auth-choice", "custom", "--face", "chat", "--model", "m", "--skip-check"];
            let more = ["--provider", id, "--base-url", &base];
            let ended =
                desk.onboard(&format!("sk-of-{id}-00000000"), &[&arguments[..], &more].concat()).await;
            assert_eq!(ended.code, Some(0), "{}", ended.both());
        }
    };
    futures_util::future::join_all(ids.map(one)).await;
    let providers = desk.json(&["config", "get", "models.providers", "--json"]).await;
    let secrets = desk.text(&desk.secrets());
    for id in ids {
        assert!(providers[id].is_object(), "{id}: {providers}");
        assert!(secrets.contains(&format!("{}_API_KEY=sk-of-{id}-", id.to_uppercase())), "{id}: {secrets}");
    }
    let chain = desk.json(&["config", "get", "agents.defaults.model", "--json"]).await;
    assert_eq!(chain["fallbacks"].as_array().unwrap().len(), ids.len() - 1, "{chain}");
}
