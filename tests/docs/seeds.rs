//! The seed documents as scripts (`tests/seeds`): all commands of each, under our names. A script that finds
//! another result than its document states reports the step, the expected and the actual result.
//!
//! Each has its own home directory, a simulator, and a network in which the providers' hosts are that
//! simulator.

mod internet;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::process::Command;

use self::internet::Internet;
use crate::common::Upstream;
use crate::common::process::BINARY;
use crate::common::reference::file;

/// A script takes seconds; this ends one that would hang.
const PATIENCE: Duration = Duration::from_secs(600);
/// From the caller's environment: the required programs; without it, steps whose program is missing are
/// skipped.
const NEEDED: &str = "MOONRELAY_SEEDS_NEED";
/// The scripts with a test below.
const PLAYED: [&str; 5] =
    ["kimi-for-coding-guide", "kimi-integration", "moonshot-cn", "moonshot-kimi-coding", "nix-provider"];

/// A port for the gateway that a script starts and stops: bound here without listening, so that no other
/// process gets it. Linux lets the gateway bind it beside such a socket (SO_REUSEADDR).
fn port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// `sh` in a home of its own, with the program that is tested.
fn shell(home: &Path) -> Command {
    let programs = home.join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    std::fs::create_dir(home.join("tmp")).unwrap();
    let binary = std::env::var_os("MOONRELAY_TEST_BINARY").unwrap_or_else(|| BINARY.into());
    std::os::unix::fs::symlink(binary, programs.join("moonrelay")).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut command = Command::new("sh");
    command.env_clear().current_dir(home);
    if let Some(programs) = std::env::var_os(NEEDED) {
        command.env(NEEDED, programs);
    }
    command
        .env("HOME", home)
        .env("PATH", path)
        .env("TMPDIR", home.join("tmp"))
        .env("LC_ALL", "C.UTF-8")
        .env("REPOSITORY", file("."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs it to its end, with the processes that it starts.
async fn run(mut script: Command) -> Output {
    let child = script.process_group(0).spawn().expect("there is a shell");
    let group = format!("-{}", child.id().expect("it runs"));
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    // A script that failed or hung may leave its gateway.
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().await;
    output.expect("the script ends by itself").unwrap()
}

async fn play(name: &str) {
    assert!(PLAYED.contains(&name), "{name} is not in the list");
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let hosts = home.path().join("hosts");
    let internet = Internet::start(upstream.base(), &hosts).await;
    let (_reserved, port) = port();
    let trusted = file("tests/seeds/certificates/authority.pem");
    let mut script = shell(home.path());
    script
        .arg(file(&format!("tests/seeds/{name}.sh")))
        .env("PORT", port.to_string())
        .env("SIMULATOR", upstream.base())
        .env("HOSTS", &hosts)
        .env("HTTPS_PROXY", &internet.proxy)
        .env("SSL_CERT_FILE", &trusted)
        .env("CURL_CA_BUNDLE", &trusted);
    let output = run(script).await;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.trim_end().ends_with("to its end"),
        "{name}: {}\n{said}\n--- stderr\n{complaints}",
        output.status
    );
    assert_eq!(internet.beyond(), Vec::<String>::new(), "{name} asked beyond the providers");
    // Bypasses the test harness, which hides the output of a passing test.
    for line in complaints.lines().filter(|line| line.starts_with("skipped: ")) {
        let _ = writeln!(std::io::stderr(), "{name}: {line}");
    }
}

#[tokio::test]
async fn kimi_integration() {
    play("kimi-integration").await;
}

#[tokio::test]
async fn nix_provider() {
    play("nix-provider").await;
}

#[tokio::test]
async fn moonshot_cn() {
    play("moonshot-cn").await;
}

#[tokio::test]
async fn moonshot_kimi_coding() {
    play("moonshot-kimi-coding").await;
}

#[tokio::test]
async fn kimi_for_coding_guide() {
    play("kimi-for-coding-guide").await;
}

#[tokio::test]
async fn failed_expectation_ends_a_seed_script() {
    let begin = ". \"$REPOSITORY/tests/seeds/steps.sh\"; step one; run echo 'a  b'; ok;";
    for (rest, reported) in [
        ("prints c", "expected\nc"),
        ("prints b a", "not in this order\n--- expected\na"),
        ("prints_no b", "expected\nnot: b"),
        ("is 'a b'", "expected\na b\n--- got from: echo a  b (exit 0)\na  b"),
        ("shows '{ \"a\": 1 }'", "expected\n{\"a\":1}"),
        ("line_with a c", "expected\na c"),
        ("run false; ok", "expected\nexit 0"),
        ("step two; step three", "FAILED step: two\nnothing was asserted"),
        ("step two; to_the_end", "FAILED step: two\nnothing was asserted"),
        ("MOONRELAY_SEEDS_NEED='x no-such-program'; has no-such-program", "there is no no-such-program"),
        ("exit 0", ""),
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut script = shell(home.path());
        script.env("PORT", "1").env("HOSTS", home.path().join("hosts"));
        script.arg("-c").arg(format!("{begin} {rest}; to_the_end"));
        let output = run(script).await;
        let said = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(!said.ends_with("to its end\n"), "{rest}: {said}{complaints}");
        assert!(complaints.contains(reported), "{rest}: {complaints}");
        assert_eq!(output.status.success(), reported.is_empty(), "{rest}: {complaints}");
    }
    let home = tempfile::tempdir().unwrap();
    let mut script = shell(home.path());
    script.env("PORT", "1").env("HOSTS", home.path().join("hosts"));
    script.arg("-c").arg(format!("{begin} prints a b; step two; has no-such-program || to_the_end"));
    let output = run(script).await;
    assert!(output.stdout.ends_with(b"2 steps, 1 skipped, to its end\n"), "{output:?}");
    assert_eq!(output.stderr, b"skipped: no no-such-program: two\n");
}

#[test]
fn every_seed_script_is_run() {
    let names = std::fs::read_dir(file("tests/seeds")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let scripts: BTreeSet<String> =
        names.filter_map(|name| name.strip_suffix(".sh").map(str::to_owned)).collect();
    let played = PLAYED.iter().chain(&["steps"]).map(ToString::to_string).collect();
    assert_eq!(scripts, played);
}
