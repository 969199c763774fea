//! Keys that are not taken, and places that are not written: then nothing is, anywhere.

use serde_json::{Value, json};

use super::{Desk, KEY};
use crate::common::process::{command, run};
use crate::common::{Provider, Upstream};

/// Runs it, and nothing may be different afterwards. The error's type and message.
async fn refused(desk: &Desk, key: &str, arguments: &[&str], code: i32) -> (String, String) {
    let before = desk.everything();
    let ended = desk.onboard(key, &[arguments, &["--json"]].concat()).await;
    assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.both());
    assert!(before == desk.everything(), "something was written: {:?}", desk.everything());
    let error = &ended.json()["error"];
    (error["type"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_wrong_key_a_silent_host_and_a_host_that_is_no_provider() {
    let desk = Desk::with(&["--key", "sk-the-only-one"]).await;
    for (choice, provider, said) in [
        ("moonshot-api-key", Provider::Moonshot, "Invalid Authentication"),
        ("openrouter-api-key", Provider::OpenRouter, "User not found."),
        ("kimi-code-api-key", Provider::Kimi, "appears to be invalid"),
    ] {
        let key = if provider == Provider::OpenRouter { "sk-or-v1-wrong" } else { "sk-kimi-wrong" };
        let key = if provider == Provider::Moonshot { KEY } else { key };
        let base = desk.base(provider);
        let (kind, message) = refused(&desk, key, &["--auth-choice", choice, "--base-url", &base], 1).await;
        assert_eq!(kind, "key_refused", "{message}");
        assert!(message.contains(said) && message.contains("--skip-check"), "{message}");
    }
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", unused.local_addr().unwrap());
    drop(unused);
    let silent = ["--auth-choice", "moonshot-api-key", "--base-url", &base];
    let (kind, message) = refused(&desk, KEY, &silent, 1).await;
    assert!(kind == "unreachable" && message.contains("--skip-check"), "{kind}: {message}");
    let base = format!("{}/nowhere/v1", desk.upstream.base());
    let strange = ["--auth-choice", "moonshot-api-key", "--base-url", &base];
    assert_eq!(refused(&desk, KEY, &strange, 1).await.0, "unreachable");
    let all_the_same = desk.onboard(KEY, &[&silent[..], &["--skip-check"]].concat()).await;
    assert_eq!(all_the_same.code, Some(0), "{}", all_the_same.both());
    assert!(desk.text(&desk.secrets()).contains(KEY));
}

#[tokio::test]
async fn a_key_of_the_other_site_and_of_another_product_are_named() {
    let (ai, cn) = (Desk::with(&["--key", "sk-of-ai"]).await, Upstream::with(&["--key", "sk-of-cn"]).await);
    let here = ai.base(Provider::Moonshot);
    let there = format!("{}{}", cn.base(), Provider::Moonshot.path());
    for (choice, key, base, other, right) in [
        ("moonshot-api-key", "sk-of-cn", &here, &there, "--auth-choice moonshot-api-key-cn"),
        ("moonshot-api-key-cn", "sk-of-ai", &there, &here, "--auth-choice moonshot-api-key\n"),
    ] {
        let arguments = ["--auth-choice", choice, "--base-url", base, "--other-base-url", other];
        let (kind, message) = refused(&ai, key, &arguments, 1).await;
        assert!(kind == "wrong_region" && message.contains(right), "{kind}: {message}");
        let (kind, _) = refused(&ai, "sk-of-no-account", &arguments, 1).await;
        assert_eq!(kind, "key_refused");
    }
    let desk = Desk::new().await;
    for (choice, key, provider, right) in [
        ("moonshot-api-key", "sk-kimi-1", Some(Provider::Moonshot), "kimi-code-api-key"),
        ("kimi-code-api-key", KEY, Some(Provider::Kimi), "moonshot-api-key"),
        // The real hosts are not contacted for these.
        ("moonshot-api-key", "sk-kimi-1", None, "kimi-code-api-key"),
        ("kimi-code-api-key", "sk-or-v1-1", None, "openrouter-api-key"),
        ("openrouter-api-key", "sk-kimi-1", None, "kimi-code-api-key"),
    ] {
        let base = provider.map(|provider| desk.base(provider));
        let base = base.as_deref().map(|base| vec!["--base-url", base]).unwrap_or_default();
        let (kind, message) = refused(&desk, key, &[&["--auth-choice", choice][..], &base].concat(), 1).await;
        assert!(kind == "wrong_product" && message.contains(right), "{kind}: {message}");
    }
}

#[tokio::test]
async fn wrong_usage_exits_2_and_names_the_flag() {
    let desk = Desk::new().await;
    for (key, arguments, flag) in [
        (KEY, &[][..], "--auth-choice"),
        ("", &["--auth-choice", "moonshot-api-key"], "--api-key-stdin"),
        ("sk-1 sk-2", &["--auth-choice", "moonshot-api-key"], "white space"),
        (KEY, &["--auth-choice", "custom"], "--base-url"),
        (KEY, &["--auth-choice", "moonshot-api-key", "--face", "chat"], "--face"),
        (KEY, &["--auth-choice", "moonshot-api-key", "--section", "web-search"], "--section"),
        (KEY, &["--section", "web-search"], "--region"),
        (
            KEY,
            &[
                "--auth-choice",
                "custom",
                "--base-url",
                "http://127.0.0.1:9",
                "--face",
                "chat",
                "--model",
                "m",
                "--provider",
                "kimi-code",
            ],
            "--provider",
        ),
    ] {
        let (kind, message) = refused(&desk, key, arguments, 2).await;
        assert!(kind == "usage" && message.contains(flag), "{arguments:?}: {kind}: {message}");
    }
    let none = desk.run(None, &["--auth-choice", "moonshot-api-key"], &[]).await;
    assert!(none.code == Some(2) && none.stderr.contains("--api-key-stdin"), "{}", none.both());
    let dumb = run(command(desk.path(), ["onboard", "--auth-choice", "moonshot-api-key"])).await;
    assert_eq!(dumb.code, Some(2), "{}", dumb.both());
    for flag in ["without a terminal", "--non-interactive", "--auth-choice", "--api-key-stdin"] {
        assert!(dumb.stderr.contains(flag), "{flag}: {}", dumb.both());
    }
    let url = ["--auth-choice", "moonshot-api-key", "--base-url", "http://example.com/v1"];
    let (kind, message) = refused(&desk, KEY, &url, 1).await;
    assert!(kind == "invalid_config" && message.contains("clear text"), "{kind}: {message}");
}

#[tokio::test]
async fn a_configuration_that_is_wrong_or_not_to_be_written_is_left_as_it_is() {
    let desk = Desk::new().await;
    desk.write("{ gatway: {} }");
    let arguments = ["--auth-choice", "moonshot-api-key", "--skip-check"];
    let (_, message) = refused(&desk, KEY, &arguments, 78).await;
    assert!(message.contains("gatway"), "{message}");
    desk.write("{ a: ");
    refused(&desk, KEY, &arguments, 78).await;
    // A key that cannot be written leaves the configuration alone.
    desk.write("{}");
    std::fs::create_dir(desk.secrets()).unwrap();
    let (kind, message) = refused(&desk, KEY, &arguments, 1).await;
    assert!(kind == "file_error" && message.contains("/env"), "{kind}: {message}");
}

#[tokio::test]
async fn under_nix_the_lines_are_printed_and_nothing_is_asked_or_written() {
    let desk = Desk::new().await;
    desk.write("{}");
    let nix = [("MOONRELAY_NIX_MODE", "1")];
    let reported = |value: Value| value["error"]["message"].as_str().unwrap().to_owned();
    let before = desk.everything();
    for (arguments, lines) in [
        (
            &["--auth-choice", "kimi-code-api-key"][..],
            &[
                "services.moonrelay.settings.agents.defaults.model = { primary = \"kimi/kimi-for-coding\"; };",
                "services.moonrelay.credentials.KIMI_API_KEY = \"%h/.secrets/kimi_api_key\";",
                "~/.secrets/kimi_api_key",
                "~/.config/moonrelay/env",
            ][..],
        ),
        (
            &["--auth-choice", "moonshot-api-key-cn"],
            &["settings.models.providers.moonshot.baseUrl = \"https://api.moonshot.cn/v1\";"],
        ),
        (
            &[
                "--auth-choice",
                "custom",
                "--base-url",
                "https://lab.example/v1",
                "--face",
                "chat",
                "--model",
                "m",
                "--provider",
                "lab",
            ],
            &[
                "providers.lab.apiKey = \"\\${LAB_API_KEY}\";",
                "credentials.LAB_API_KEY = \"%h/.secrets/lab_api_key\";",
            ],
        ),
        (
            &["--section", "web-search", "--region", "cn"],
            &[
                "config.webSearch.baseUrl = \"https://api.moonshot.cn/v1\";",
                "settings.tools.web.search.provider = \"kimi\";",
            ],
        ),
    ] {
        let ended = desk.run(Some(KEY), &[arguments, &["--json"]].concat(), &nix).await;
        assert_eq!(ended.code, Some(1), "{}", ended.both());
        assert!(!ended.both().contains(KEY), "{}", ended.both());
        assert_eq!(ended.json()["error"]["type"], json!("managed_config"));
        let message = reported(ended.json());
        for line in lines {
            assert!(message.contains(line), "{line}: {message}");
        }
    }
    assert!(before == desk.everything());
}
