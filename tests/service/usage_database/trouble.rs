//! A usage database that cannot be written is reported and costs no answer.

use serde_json::{Value, json};

use super::{Kept, MODEL};
use crate::common::process::signal;
use crate::common::{Gateway, Manager, Provider, Setup, Upstream, prompt};

async fn asked(gateway: &Gateway) {
    let answer = gateway.chat(&prompt(MODEL, "Say hello", false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn trouble(gateway: &Gateway) -> String {
    let status = gateway.get("/status").await.json();
    let trouble = &status["ledger"]["trouble"];
    trouble.as_str().unwrap_or_else(|| panic!("{status}")).to_owned()
}

#[tokio::test]
async fn invalid_database_is_not_touched_and_a_fixed_one_is_used_after_reload() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("ledger.sqlite");
    let letter = "It is no database, but a letter.".repeat(200);
    std::fs::write(&file, &letter).unwrap();
    let setup = Setup::chain(&upstream, &[Provider::Moonshot]).set("gateway.reload", json!(false));
    let setup = setup.environment("STATE_DIRECTORY", home.path().to_str().unwrap());
    let mut gateway = setup.environment("NOTIFY_SOCKET", manager.path()).start().await;
    manager.until("READY=1").await;
    gateway.serving.has_said("is not a SQLite database. Move it away").await;
    asked(&gateway).await;
    assert!(trouble(&gateway).await.contains(file.to_str().unwrap()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), letter);

    std::fs::rename(&file, home.path().join("letter")).unwrap();
    signal("-HUP", gateway.serving.pid()).await;
    manager.until("READY=1").await;
    gateway.serving.said("the usage database can be written again").await;
    let status = gateway.get("/status").await.json();
    assert_eq!((&status["ledger"]["dropped"], &status["ledger"]["trouble"]), (&json!(0), &Value::Null));
    gateway.serving.stop().await;
    assert_eq!(Kept::at(home.path()).ids().len(), 1, "the request from before was kept in memory");
}

#[tokio::test]
async fn unwritable_path_is_named() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot]);
    let mut gateway = setup.environment("STATE_DIRECTORY", "/proc/moonrelay").start().await;
    gateway.serving.has_said("/proc/moonrelay must be a directory that the user").await;
    asked(&gateway).await;
    assert!(trouble(&gateway).await.contains("/proc/moonrelay/ledger.sqlite"));
    gateway.serving.stop().await;
}

#[tokio::test]
async fn full_disk_loses_entries_and_is_logged_and_counted() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot]);
    let (asks, home) = setup.command();
    // A file size limit: the kernel's error is like that of a full disk, with another text.
    let asks = asks.as_std();
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "sh"]).arg(asks.get_program());
    command.args(asks.get_args()).env_clear();
    command.envs(asks.get_envs().filter_map(|(key, value)| Some((key, value?)))).kill_on_drop(true);
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut gateway = Gateway::starting(command, home).await;
    let mut load = super::Load::on(gateway.base(), 4);
    gateway.serving.has_said("continues and keeps").await;
    let mut reported = Value::Null;
    for _ in 0..100 {
        load.answers(50).await;
        reported = gateway.get("/status").await.json()["ledger"].clone();
        if reported["trouble"].is_string() && reported["dropped"] != 0 {
            break;
        }
    }
    assert!(reported["trouble"].is_string() && reported["dropped"] != 0, "{reported}");
    let output = gateway.serving.stop().await;
    let answered: usize = load.end().await.iter().map(Vec::len).sum();
    // After a checkpoint the write-ahead log has free space for a while.
    let (troubles, ends) = (output.matches("continues and keeps"), output.matches("can be written again"));
    let (troubles, ends) = (troubles.count(), ends.count());
    assert!(troubles == ends || troubles == ends + 1, "each change is reported once: {troubles}, {ends}");

    let kept = Kept::of(gateway.home());
    kept.is_sound();
    let there = kept.ids().len();
    let written = reported["written"].as_u64().unwrap_or(u64::MAX);
    assert!(there as u64 >= written && there < answered, "{there} of {answered}: {reported}");
}
