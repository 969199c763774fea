//! Logging in and out.

use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{
    contains_no_secret, directory, json_lines, logged_in, login, mode, moonrelay, secrets, stored, tokens,
    upstream,
};
use crate::common::process::{run, signal};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn home(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.json5"), config).unwrap();
    home
}

fn config(home: &Path) -> String {
    std::fs::read_to_string(home.join("config.json5")).unwrap()
}

#[tokio::test]
async fn code_is_shown_and_tokens_are_private() {
    let upstream = upstream().await;
    upstream.order(json!({ "polls": ["authorization_pending", "authorization_pending"] })).await;
    let home = home("{ // mine\n  gateway: { port: 1234 }, // a port\n}\n");
    let ended = run(login(home.path(), &upstream, &[])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    for shown in
        ["https://www.kimi.com/device?user_code=ABCD-0001", "Code      ABCD-0001", "logged in at http://127."]
    {
        assert!(ended.stdout.contains(shown), "{shown}: {}", ended.both());
    }
    contains_no_secret(home.path(), &ended.both());
    let modes = [mode(&directory(home.path())), mode(&tokens(home.path()))];
    assert_eq!(modes, [0o700, 0o600]);
    let text = config(home.path());
    assert!(text.contains("// mine") && text.contains("// a port"), "comments stay: {text}");
    assert!(text.contains("oauth"), "{text}");
    let office = upstream.office().await;
    assert_eq!((&office["codes"], &office["polls"], &office["logins"]), (&json!(1), &json!(3), &json!(1)));
    let mut asked = office["asked"].clone();
    let device = asked.as_object_mut().unwrap().remove("x-msh-device-id").unwrap();
    let expected = json!({
        "user-agent": format!("moonrelay/{VERSION}"),
        "x-msh-platform": "moonrelay",
        "x-msh-version": VERSION,
        "client_id": "17e5f671-d194-4dfb-9706-5516cb48c098",
    });
    assert_eq!(asked, expected, "no other client is imitated, and nothing about the machine is sent");

    // Once more: another login of the same installation, as another client.
    let first = stored(home.path());
    let ended = run(login(home.path(), &upstream, &["--json", "--client-id", "mine"])).await;
    let [waiting, outcome] = json_lines(&ended).try_into().unwrap();
    assert_eq!(waiting["waiting"]["userCode"], "ABCD-0002");
    assert_eq!(waiting["waiting"]["verificationUri"], "https://www.kimi.com/device");
    assert_eq!((&outcome["ok"], &outcome["provider"]), (&json!(true), &json!("kimi")));
    assert_eq!(outcome["config"]["changed"], false, "{outcome}");
    contains_no_secret(home.path(), &ended.both());
    assert_ne!(stored(home.path())["login"], first["login"]);
    let asked = upstream.office().await["asked"].clone();
    assert_eq!((&asked["x-msh-device-id"], &asked["client_id"]), (&device, &json!("mine")));
}

#[tokio::test]
async fn what_ends_a_login_is_reported_and_nothing_is_kept() {
    let upstream = upstream().await;
    let table = [
        (json!(["authorization_pending", "expired_token"]), "expired_token", "Run login again"),
        (json!(["access_denied"]), "access_denied", "was denied"),
        (json!(["invalid_client"]), "login_failed", "invalid_client"),
    ];
    for (polls, kind, words) in table {
        upstream.order(json!({ "polls": polls })).await;
        let home = home("{}");
        let ended = run(login(home.path(), &upstream, &["--json"])).await;
        let last = json_lines(&ended).pop().unwrap();
        assert_eq!((ended.code, &last["error"]["type"]), (Some(1), &json!(kind)), "{}", ended.both());
        assert!(last["error"]["message"].as_str().unwrap().contains(words), "{last}");
        assert!(!tokens(home.path()).exists() && config(home.path()) == "{}", "{kind}");
    }
    let home = home("{}");
    let ended = run(moonrelay(home.path(), &["login", "--oauth-host", "http://127.0.0.1:9"])).await;
    assert_eq!(ended.code, Some(1), "{}", ended.both());
    assert!(ended.stderr.contains("network: http://127.0.0.1:9: cannot connect"), "{}", ended.both());
}

#[tokio::test]
async fn it_is_patient_with_a_server_that_wants_less_and_a_network_that_breaks() {
    let upstream = upstream().await;
    upstream.order(json!({ "polls": ["slow_down"] })).await;
    let slow = home("{}");
    logged_in(slow.path(), &upstream).await;
    upstream.order(json!({ "polls": ["reset", "503"] })).await;
    let broken = home("{}");
    logged_in(broken.path(), &upstream).await;
    assert_eq!(upstream.office().await["polls"], 5);
}

#[tokio::test]
async fn control_c_gives_up_and_keeps_nothing() {
    let upstream = upstream().await;
    upstream.order(json!({ "interval": 600, "expiresIn": 1000 })).await;
    let home = home("{}");
    let mut waiting = login(home.path(), &upstream, &["--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(waiting.stdout.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("ABCD-0001"));
    signal("-INT", waiting.id().unwrap()).await;
    let last = lines.next_line().await.unwrap().unwrap();
    assert!(last.contains("\"cancelled\"") && last.contains("nothing was stored"), "{last}");
    assert_eq!(waiting.wait().await.unwrap().code(), Some(1));
    assert!(!tokens(home.path()).exists() && config(home.path()) == "{}");
}

#[tokio::test]
async fn rejected_login_is_explained() {
    let home = home("{ models: { providers: { other: { baseUrl: 'https://llm.example/v1' } } } }");
    let table: [(&[&str], i32, &str); 5] = [
        (&["--provider", "moonshot"], 1, "only Kimi Code has one"),
        (&["--provider", "other"], 1, "only Kimi Code has one"),
        (&["--provider", "unknown"], 1, "there is no provider \"unknown\"; there are: kimi, moonshot"),
        (&["--oauth-host", "http://auth.kimi.com"], 2, "clear text"),
        (&["--oauth-host", "kimi"], 2, "--oauth-host: cannot log in at kimi"),
    ];
    for (arguments, code, words) in table {
        let ended = run(moonrelay(home.path(), &[&["login"], arguments].concat())).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.both());
        assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.both());
    }
    let mut by_variable = moonrelay(home.path(), &["login"]);
    by_variable
        .env("KIMI_OAUTH_HOST", "http://other.example")
        .env("KIMI_CODE_OAUTH_HOST", "http://one.example");
    let ended = run(by_variable).await;
    assert!(
        ended.stderr.contains("KIMI_CODE_OAUTH_HOST: cannot log in at http://one.example"),
        "{}",
        ended.both()
    );
    assert!(!tokens(home.path()).exists());
}

#[tokio::test]
async fn on_a_managed_configuration_the_login_is_kept_and_the_line_of_nix_printed() {
    let upstream = upstream().await;
    let home = home("{}");
    let mut command = login(home.path(), &upstream, &[]);
    command.env("MOONRELAY_NIX_MODE", "1");
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let line = "services.moonrelay.settings.models.providers.kimi.auth = \"oauth\";";
    assert!(ended.stdout.contains(line), "{}", ended.both());
    assert_eq!(config(home.path()), "{}");
    assert_eq!(secrets(home.path()).len(), 2);
    let mut command = login(home.path(), &upstream, &["--json"]);
    command.env("MOONRELAY_NIX_MODE", "1");
    let outcome = json_lines(&run(command).await).pop().unwrap();
    assert_eq!((&outcome["config"]["managed"], &outcome["config"]["nix"]), (&json!(true), &json!([line])));
}

#[tokio::test]
async fn logging_out_takes_the_tokens_away() {
    let upstream = upstream().await;
    let home = home("{}");
    let logout = || run(moonrelay(home.path(), &["logout", "--json"]));
    assert_eq!(logout().await.json(), json!({ "ok": true, "provider": "kimi", "loggedOut": false }));
    assert!(!directory(home.path()).exists(), "nothing is made for that");
    logged_in(home.path(), &upstream).await;
    assert_eq!(logout().await.json()["loggedOut"], true);
    assert!(!tokens(home.path()).exists());
    logged_in(home.path(), &upstream).await;
    // By another name of the provider, with a configuration that is broken meanwhile.
    let ended = run(moonrelay(home.path(), &["logout", "--provider", "kimi-code"])).await;
    assert!(ended.stdout.contains("config set models.providers.kimi.auth api-key"), "{}", ended.both());
    logged_in(home.path(), &upstream).await;
    std::fs::write(home.path().join("config.json5"), "{ nonsense: 1 }").unwrap();
    assert_eq!(logout().await.json()["loggedOut"], true);
}

#[tokio::test]
async fn onboarding_logs_in_and_gives_kimi_its_place_in_the_chain() {
    let upstream = upstream().await;
    let host = format!("{}/oauth", upstream.base());
    let onboard = |home: &Path| {
        let mut command =
            moonrelay(home, &["onboard", "--auth-choice", "kimi-code-oauth", "--non-interactive"]);
        command.args(["--oauth-host", &host]).env("OPENROUTER_API_KEY", "sk-or-v1-simulated-0000000000");
        command
    };
    let fresh = home("{ // mine\n}\n");
    let mut command = onboard(fresh.path());
    command.arg("--json");
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let (waiting, outcome) = ended.stdout.split_once('\n').unwrap();
    assert!(waiting.contains("ABCD-0001"), "{waiting}");
    let outcome: serde_json::Value = serde_json::from_str(outcome).unwrap();
    assert_eq!((&outcome["setUp"], &outcome["ok"]), (&json!("kimi-code-oauth"), &json!(true)), "{outcome}");
    assert_eq!(outcome["model"]["primary"], "kimi/kimi-for-coding", "{outcome}");
    contains_no_secret(fresh.path(), &ended.both());
    let text = config(fresh.path());
    assert!(text.contains("// mine") && text.contains("kimi/kimi-for-coding"), "{text}");

    let managed = home("{}");
    let mut command = onboard(managed.path());
    command.env("MOONRELAY_NIX_MODE", "1");
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    for line in [
        "models.providers.kimi.auth = \"oauth\";",
        "agents.defaults.model = { primary = \"kimi/kimi-for-coding\"; ",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.both());
    }
    assert!(tokens(managed.path()).exists() && config(managed.path()) == "{}");

    let mut with_key = onboard(managed.path());
    with_key.arg("--api-key-stdin");
    assert_eq!(run(with_key).await.code, Some(2), "there is no key to read");
}
