//! SIGHUP means a reload, unless the terminal that the gateway was started on is gone; and it never kills a start.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::common::process::{PATIENCE, mkfifo, signal};
use crate::common::{Manager, Provider, Setup, Upstream};

#[tokio::test]
async fn sighup_during_startup_reloads_afterwards() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let setup = Setup::chain(&upstream, &[Provider::Kimi]).environment("NOTIFY_SOCKET", manager.path());
    let (mut command, home) = setup.command();
    let file = home.path().join("config.json5");
    std::fs::remove_file(&file).unwrap();
    mkfifo(&file).await;
    let child = command.spawn().unwrap();
    // Opening the pipe for writing waits for its reader: the gateway, which has no configuration yet.
    let path = file.clone();
    let writer = tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(path));
    let mut writer = writer.await.unwrap().unwrap();
    signal("-HUP", child.id().unwrap()).await;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, setup.text()).unwrap();
    std::io::Write::write_all(&mut writer, setup.text().as_bytes()).unwrap();
    drop(writer);
    let reported = manager.until("RELOADING=1").await;
    assert!(reported[0].starts_with("READY=1\n"), "{reported:?}");
    manager.until("READY=1").await;
}

/// A gateway on a pseudo-terminal of script(1), whose death closes the terminal as that of a window does. `pipe` ends
/// when the gateway does.
async fn on_a_terminal(setup: &Setup) -> (tokio::process::Child, tempfile::TempDir, tokio::fs::File) {
    let (command, home) = setup.command();
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let pipe = home.path().join("alive");
    mkfifo(&pipe).await;
    // The interactive shell between script(1) and the gateway is left out.
    let line = format!("exec 9>{}; echo $$ >pid; exec {line}", pipe.display());
    let mut script = Command::new("script");
    script.args(["-q", "-f", "-c", &line, "/dev/null"]).env_clear();
    script.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?)))).env("SHELL", "/bin/sh");
    script.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = script.kill_on_drop(true).spawn().expect("script(1) is there: it is essential in Debian");
    let alive = tokio::fs::File::open(&pipe).await.unwrap();
    (child, home, alive)
}

async fn ends(mut alive: tokio::fs::File) {
    let mut nothing = Vec::new();
    let read = tokio::time::timeout(PATIENCE, alive.read_to_end(&mut nothing)).await;
    assert_eq!(read.expect("it ends with its terminal").unwrap(), 0);
}

#[tokio::test]
async fn closed_terminal_ends_an_unmanaged_gateway_only() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Kimi]);
    let (mut terminal, _home, alive) = on_a_terminal(&setup).await;
    let mut lines = BufReader::new(terminal.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("listening on") {
            break;
        }
    }
    terminal.kill().await.unwrap();
    ends(alive).await;

    let manager = Manager::new();
    let managed = setup.environment("NOTIFY_SOCKET", manager.path());
    let (mut terminal, home, alive) = on_a_terminal(&managed).await;
    manager.until("READY=1").await;
    terminal.kill().await.unwrap();
    manager.until("RELOADING=1").await;
    manager.until("READY=1").await;
    let pid = std::fs::read_to_string(home.path().join("pid")).unwrap();
    signal("-TERM", pid.trim().parse().unwrap()).await;
    ends(alive).await;
}
