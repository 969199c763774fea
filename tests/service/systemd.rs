//! What systemd sees: readiness, status text, watchdog, shutdown; and the journal's fields.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixDatagram, UnixStream};
use tokio::process::Command;

use crate::common::process::{PATIENCE, signal};
use crate::common::{Manager, Provider, Setup, Upstream, prompt};

const KIMI: &str = "kimi/kimi-for-coding";

/// One GET over a UNIX socket.
async fn get(mut stream: UnixStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn ready_is_sent_after_bind() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let setup = Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter]);
    let (mut command, home) = setup.environment("NOTIFY_SOCKET", manager.path()).command();
    let socket = home.path().join("gateway.sock");
    let mut child = command.arg("--bind").arg(format!("unix:{}", socket.display())).spawn().unwrap();
    assert_eq!(manager.next().await, format!("READY=1\nSTATUS=answering from {KIMI}\n"));
    let connected = UnixStream::connect(&socket).await.expect("READY=1 means that it can be reached");
    assert!(get(connected, "/ready").await.starts_with("HTTP/1.1 200"));
    signal("-TERM", child.id().unwrap()).await;
    assert!(child.wait().await.unwrap().success());
    let rest = manager.rest();
    assert!(rest.first().is_some_and(|message| message.starts_with("STOPPING=1\n")), "{rest:?}");
    assert!(rest.iter().all(|message| !message.contains("WATCHDOG")), "it was not requested: {rest:?}");
}

#[tokio::test]
async fn invalid_configuration_never_sends_ready() {
    let manager = Manager::new();
    let setup = Setup::of(json!({"gateway": {"prot": 1}})).environment("NOTIFY_SOCKET", manager.path());
    let (command, _home) = setup.command();
    let ended = crate::common::process::run(command).await;
    assert_eq!((ended.code, manager.rest()), (Some(78), Vec::new()), "{}", ended.both());
}

#[tokio::test]
async fn status_text_follows_cooldowns() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    upstream.fault(json!({ "provider": "kimi", "kind": "rate_limit" })).await;
    let gateway = Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter])
        .set("failover.cooldown.stepsSeconds", json!([2]))
        .environment("NOTIFY_SOCKET", manager.path())
        .start()
        .await;
    manager.until("READY=1").await;
    let answer = gateway.chat(&prompt(KIMI, "Say hello", false)).await;
    assert_eq!(answer.model(), "openrouter/auto", "{}", answer.text());
    let cooling = manager.next().await;
    assert!(cooling.starts_with("STATUS=kimi cooling down "), "{cooling}");
    assert!(cooling.ends_with(" s, answering from openrouter/auto\n"), "{cooling}");
    // No requests are sent: the end of the cooldown alone changes the status text.
    let reported = manager.until(&format!("STATUS=answering from {KIMI}")).await;
    assert!(reported.len() <= 2, "nothing ticks: {reported:?}");
}

#[tokio::test]
async fn watchdog_is_notified_until_exit_and_shutdown_extends_its_timeout() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    upstream.fault(crate::failover::faults::never_ending(Provider::Moonshot)).await;
    let mut gateway = Setup::chain(&upstream, &[Provider::Moonshot])
        .environment("NOTIFY_SOCKET", manager.path())
        .environment("WATCHDOG_USEC", "200000")
        .start()
        .await;
    manager.until("WATCHDOG=1").await;
    let asked = prompt("moonshot/kimi-k3", "Say hello", true).to_string();
    let response = gateway.chat_request(asked).send().await.unwrap();
    assert_eq!(response.status(), 200);
    signal("-TERM", gateway.serving.pid()).await;
    let reported = manager.until("STOPPING=1").await;
    assert!(reported.last().unwrap().contains("STATUS=shutting down: 1 active requests"), "{reported:?}");
    let asked_for = manager.until("EXTEND_TIMEOUT_USEC=").await;
    assert!(asked_for.last().unwrap().contains("=8000000"), "{asked_for:?}");
    manager.until("WATCHDOG=1").await;
    signal("-TERM", gateway.serving.pid()).await;
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
    drop(response);
}

#[tokio::test]
async fn journal_stream_of_another_descriptor_keeps_plain_lines() {
    let upstream = Upstream::start().await;
    let gateway =
        Setup::chain(&upstream, &[Provider::Moonshot]).environment("JOURNAL_STREAM", "1:1").start().await;
    assert!(gateway.serving.output().contains("listening on http://"));
}

/// One entry of the journal's native protocol: `KEY=value`, or `KEY`, a length in 64 bits, and the value.
fn entry(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(&bytes[..end]).unwrap();
        bytes = &bytes[end + 1..];
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, value.to_owned()),
            None => {
                let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
                let value = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
                bytes = &bytes[8 + length + 1..];
                (line, value)
            }
        };
        fields.insert(key.to_owned(), value);
    }
    fields
}

/// A substitute journal socket, in a mount namespace that only the gateway sees.
const IN_A_ROOM_OF_ITS_OWN: &str = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && \
     mount --bind \"$0\" /run/systemd/journal && exec \"$@\"";

async fn namespaces() -> bool {
    let tried = Command::new("unshare").args(["--map-root-user", "--mount", "true"]).output().await;
    tried.is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn journal_gets_fields_and_one_entry_per_request() {
    if !namespaces().await {
        println!("skipped: this machine allows no mount namespace, so there is no place for a journal");
        return;
    }
    let upstream = Upstream::start().await;
    upstream.fault(json!({ "provider": "kimi", "kind": "rate_limit" })).await;
    let (gateway, home) = Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter]).command();
    let directory = home.path().join("journal");
    std::fs::create_dir(&directory).unwrap();
    let journal = UnixDatagram::bind(directory.join("socket")).unwrap();
    let stderr = std::fs::File::create(home.path().join("stderr")).unwrap();
    let there = stderr.metadata().unwrap();
    let gateway = gateway.as_std();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", IN_A_ROOM_OF_ITS_OWN]).arg(&directory);
    command.arg(gateway.get_program()).args(gateway.get_args()).env_clear();
    command.envs(gateway.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.env("JOURNAL_STREAM", format!("{}:{}", there.dev(), there.ino()));
    let mut child = command.stdin(Stdio::null()).stderr(stderr).kill_on_drop(true).spawn().unwrap();

    let listening = entry_with(&journal, "listening on http://").await;
    assert_eq!((&*listening["PRIORITY"], &*listening["SYSLOG_IDENTIFIER"]), ("6", "moonrelay"));
    let address = listening["MESSAGE"].strip_prefix("listening on ").unwrap();
    let mut thinking = prompt(KIMI, "Say hello", false);
    thinking["reasoning_effort"] = json!("xhigh");
    let response = crate::common::raw::client()
        .post(format!("{address}/v1/chat/completions"))
        .header("user-agent", "KimiCLI/1.46.0")
        .body(thinking.to_string());
    let answer = crate::common::Answer::read(response.send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let failed = entry_with(&journal, "attempt failed").await;
    assert_eq!((&*failed["PRIORITY"], &*failed["MOONRELAY_REASON"]), ("4", "rate_limit"));
    let reported = entry_with(&journal, "openrouter/auto answered \"kimi/kimi-for-coding\" in ").await;
    for (field, value) in [
        ("PRIORITY", "6"),
        ("MOONRELAY_REQUEST_ID", answer.header("x-moonrelay-request-id")),
        ("MOONRELAY_REQUESTED", KIMI),
        ("MOONRELAY_MODEL", "openrouter/auto"),
        ("MOONRELAY_ATTEMPTS", answer.attempts()),
        ("MOONRELAY_CLIENT", "KimiCLI"),
        // OpenRouter's: to Kimi Code it went as `max`.
        ("MOONRELAY_THINKING", "xhigh"),
    ] {
        assert_eq!(reported.get(field).map(String::as_str), Some(value), "{field}: {reported:?}");
    }
    assert!(reported["MESSAGE"].ends_with(" ms, thinking xhigh"), "{reported:?}");
    assert!(reported["MOONRELAY_OUTPUT"].parse::<u64>().unwrap() > 0, "{reported:?}");
    child.kill().await.unwrap();
    assert_eq!(std::fs::read_to_string(home.path().join("stderr")).unwrap(), "", "nothing is said twice");
}

/// Reads entries up to one whose message holds this text.
async fn entry_with(journal: &UnixDatagram, text: &str) -> BTreeMap<String, String> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::time::timeout(PATIENCE, journal.recv(&mut buffer));
        let length = read.await.unwrap_or_else(|_| panic!("no entry with {text:?}")).unwrap();
        let fields = entry(&buffer[..length]);
        if fields.get("MESSAGE").is_some_and(|message| message.contains(text)) {
            return fields;
        }
    }
}
