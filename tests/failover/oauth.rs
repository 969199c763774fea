//! Kimi Code's device login instead of a key. A double of its OAuth server issues the only tokens that the
//! simulated Kimi Code accepts.

mod logins;
mod refreshes;
mod surfaces;

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::process::{Ended, command, run};
use crate::common::{Gateway, Provider, Setup, Upstream};

const KIMI: &str = "kimi/kimi-for-coding";

/// Kimi by its login first, then OpenRouter by a key.
fn setup(upstream: &Upstream) -> Setup {
    let base = format!("{}{}", upstream.base(), Provider::Kimi.path());
    Setup::chain(upstream, &[Provider::Kimi, Provider::OpenRouter])
        .set("models.providers.kimi", json!({ "baseUrl": base, "auth": "oauth" }))
}

/// Device codes whose login is polled at once.
async fn upstream() -> Upstream {
    let upstream = Upstream::start().await;
    upstream.order(json!({ "interval": 0 })).await;
    upstream
}

/// A command in this home, with its configuration.
fn moonrelay(home: &Path, arguments: &[&str]) -> tokio::process::Command {
    let mut command = command(home, arguments);
    command.env("MOONRELAY_CONFIG", home.join("config.json5"));
    command
}

fn login(home: &Path, upstream: &Upstream, more: &[&str]) -> tokio::process::Command {
    let mut command = moonrelay(home, &["login", "--oauth-host"]);
    command.arg(format!("{}/oauth", upstream.base())).args(more);
    command
}

async fn logged_in(home: &Path, upstream: &Upstream) {
    let ended = run(login(home, upstream, &[])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
}

fn directory(home: &Path) -> PathBuf {
    home.join("state/moonrelay/oauth")
}

fn tokens(home: &Path) -> PathBuf {
    directory(home).join("kimi.json")
}

fn stored(home: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(tokens(home)).unwrap()).unwrap()
}

/// As if the key of now ended so many seconds from now, or before.
fn let_it_end_in(home: &Path, seconds: i64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut login = stored(home);
    login["expiresAt"] = json!(i64::try_from(now.as_millis()).unwrap() + 1000 * seconds);
    let draft = tokens(home).with_extension("draft");
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).unwrap();
    serde_json::to_writer(file, &login).unwrap();
    std::fs::rename(draft, tokens(home)).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Every value that would give access.
fn secrets(home: &Path) -> [String; 2] {
    ["accessToken", "refreshToken"].map(|name| stored(home)[name].as_str().unwrap().to_owned())
}

fn contains_no_secret(home: &Path, said: &str) {
    for secret in secrets(home) {
        assert!(!said.contains(&secret), "the output has a token: {said}");
    }
    assert!(!said.contains("eyJhbGciOiJub25lIn0."), "the output has a token: {said}");
}

fn json_lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A gateway whose user is logged in.
async fn gateway(upstream: &Upstream, setup: Setup) -> Gateway {
    let (command, home) = setup.command();
    logged_in(home.path(), upstream).await;
    Gateway::starting(command, home).await
}
