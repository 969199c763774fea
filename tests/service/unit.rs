//! The unit for users without Nix, and its commands, with a systemctl that records its calls. tests/systemd
//! uses the real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::common::process::{Ended, command, run};

/// Reports the units whose files exist as running; records calls.
const SYSTEMCTL: &str = r#"#!/bin/sh
for unit; do :; done
file=$XDG_CONFIG_HOME/systemd/user/$unit
case "$*" in
  "--user show --property=Version") echo "Version=$(cat "$HOME/version")" ;;
  "--user show-environment") printf 'HOME=%s\nXDG_CONFIG_HOME=%s\n' "$HOME" "$XDG_CONFIG_HOME" ;;
  "--user show "*)
    [ -e "$file" ] || { echo LoadState=not-found; exit 0; }
    printf 'LoadState=loaded\nActiveState=%s\nFragmentPath=%s\n' "$(cat "$HOME/active")" "$file"
    printf 'StatusText=%s\nMainPID=%s\nExecMainStatus=78\n' "$(cat "$HOME/status")" "$(cat "$HOME/pid")" ;;
  *)
    echo "$*" >>"$HOME/asked"
    [ ! -e "$HOME/fails" ] || { echo "Job for $unit failed." >&2; exit 1; } ;;
esac
"#;

const JOURNALCTL: &str = "#!/bin/sh\necho journalctl \"$@\" >>\"$HOME/asked\"\necho an entry\n";

const CONFIG: &str =
    "{ gateway: { port: 21969 }, models: { providers: { kimi: { apiKey: 'sk-kimi-literal-00000' } } } }";

/// A home with a configuration and a systemd.
struct Session {
    home: tempfile::TempDir,
}

impl Session {
    fn new() -> Self {
        let session = Self { home: tempfile::tempdir().unwrap() };
        session.write("config/moonrelay/config.json5", CONFIG);
        for (name, text) in [("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)] {
            let file = session.write(&format!("bin/{name}"), text);
            fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for (name, text) in
            [("version", "257.9-1"), ("active", "active"), ("status", "answering from kimi/k3")]
        {
            session.write(name, text);
        }
        session.write("pid", &std::process::id().to_string());
        session
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.home.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    fn unit(&self, name: &str) -> PathBuf {
        self.home.path().join("config/systemd/user").join(name)
    }

    fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = command(self.home.path(), arguments);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.home.path().join("bin").display()));
        command
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        run(self.command(arguments)).await
    }

    async fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.both());
        ended.stdout
    }

    /// The systemctl calls since the last time, without queries.
    fn asked(&self) -> Vec<String> {
        let file = self.home.path().join("asked");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(file);
        text.lines().map(str::to_owned).collect()
    }
}

const RELOAD: &str = "--user daemon-reload";
const FORGET: &str = "--user reset-failed moonrelay.service";
const FORGET_BOTH: &str = "--user reset-failed moonrelay.socket moonrelay.service";

#[tokio::test]
async fn install_writes_what_show_prints_and_starts_it() {
    let session = Session::new();
    let shown = session.done(&["service", "show"]).await;
    let said = session.done(&["service", "install"]).await;
    assert_eq!(fs::read_to_string(session.unit("moonrelay.service")).unwrap(), shown);
    assert!(said.contains("enable-linger"), "{said}");
    let state = fs::symlink_metadata(session.home.path().join("state/moonrelay")).unwrap();
    assert!(state.is_dir(), "systemd would link it to the configuration");
    let [enable, restart] = ["--user enable moonrelay.service", "--user restart moonrelay.service"];
    assert_eq!(session.asked(), [RELOAD, FORGET, enable, restart]);
    // It may replace its own file; with --no-start it starts nothing.
    session.done(&["service", "install", "--no-start", "--credential", "K=key"]).await;
    let text = fs::read_to_string(session.unit("moonrelay.service")).unwrap();
    assert!(
        text.contains(&format!("\nLoadCredential=K:{}\n", session.home.path().join("key").display())),
        "{text}"
    );
    assert_eq!(session.asked(), [RELOAD]);
}

#[tokio::test]
async fn a_file_that_install_did_not_write_stays() {
    let session = Session::new();
    let unit = session.write("config/systemd/user/moonrelay.service", "[Service]\nExecStart=/mine\n");
    for arguments in [&["service", "install", "--json"][..], &["service", "uninstall", "--json"]] {
        let refused = session.run(arguments).await;
        assert_eq!((refused.code, &refused.json()["error"]["type"]), (Some(1), &"foreign_unit".into()));
        assert!(refused.stdout.contains("--force"), "{}", refused.both());
        assert!(fs::read_to_string(&unit).unwrap().contains("/mine"));
    }
    assert!(session.asked().is_empty());
    session.done(&["service", "install", "--force"]).await;
    assert!(!fs::read_to_string(&unit).unwrap().contains("/mine"));
}

#[tokio::test]
async fn under_nix_install_and_uninstall_print_the_lines_of_nix() {
    let session = Session::new();
    let mut command =
        session.command(&["service", "install", "--socket", "--credential", "KIMI_API_KEY=/run/agenix/kimi"]);
    command.env("MOONRELAY_NIX_MODE", "1");
    let ended = run(command).await;
    assert_eq!(ended.code, Some(1), "{}", ended.both());
    for line in
        ["enable = true;", "socketActivation = true;", "credentials.KIMI_API_KEY = \"/run/agenix/kimi\";"]
    {
        assert!(ended.stderr.contains(&format!("services.moonrelay.{line}")), "{line}: {}", ended.both());
    }
    assert!(!session.unit("moonrelay.service").exists() && session.asked().is_empty());
    session.done(&["service", "install", "--no-start"]).await;
    let mut command = session.command(&["service", "uninstall"]);
    command.env("MOONRELAY_NIX_MODE", "1");
    let ended = run(command).await;
    assert_eq!(ended.code, Some(1), "{}", ended.both());
    assert!(ended.stderr.contains("services.moonrelay.enable = false;"), "{}", ended.both());
    assert!(session.unit("moonrelay.service").exists());
}

#[tokio::test]
async fn what_cannot_start_is_not_installed() {
    let session = Session::new();
    session.write("version", "252.38-1~deb12u1");
    let old = session.run(&["service", "install"]).await;
    assert_eq!(old.code, Some(1), "{}", old.both());
    assert!(old.stderr.contains("systemd 252 is too old") && old.stderr.contains("253"), "{}", old.both());
    session.write("config/moonrelay/config.json5", "{ gateway: { prot: 1 } }");
    let wrong = session.run(&["service", "install"]).await;
    assert_eq!(wrong.code, Some(78), "{}", wrong.both());
    session.write("version", "257.9-1");
    session.write("config/moonrelay/config.json5", "{}");
    for (credential, code) in [("KIMI_API_KEY=nothing", 78), ("KIMI_API_KEY=key", 0)] {
        session.write("key", "sk-kimi-literal-00000\n");
        let mut command = session.command(&["service", "install", "--credential", credential]);
        command.env("KIMI_API_KEY", "sk-kimi-of-this-shell-00000");
        let ended = run(command).await;
        assert_eq!(ended.code, Some(code), "a key of the shell is none of the service's: {}", ended.both());
        assert_eq!(session.unit("moonrelay.service").exists(), code == 0, "{}", ended.both());
    }
}

#[tokio::test]
async fn a_credential_is_a_name_and_a_file() {
    let session = Session::new();
    for text in ["K", "=file", "K=", "a/b=file"] {
        let wrong = session.run(&["service", "show", "--credential", text]).await;
        assert_eq!(wrong.code, Some(2), "{text}: {}", wrong.both());
    }
}

#[tokio::test]
async fn without_systemd_each_command_says_what_to_do_instead() {
    let session = Session::new();
    for (arguments, instead) in [
        (&["service", "install", "--json"][..], "moonrelay gateway run"),
        (&["gateway", "start", "--json"], "moonrelay gateway run"),
        (&["gateway", "restart", "--json"], "moonrelay gateway run"),
        (&["gateway", "stop", "--json"], "Ctrl-C"),
        (&["gateway", "reload", "--json"], "kill -HUP"),
    ] {
        let mut command = session.command(arguments);
        command.env("PATH", session.home.path());
        let ended = run(command).await;
        assert_eq!(
            (ended.code, &ended.json()["error"]["type"]),
            (Some(1), &"no_systemd".into()),
            "{}",
            ended.both()
        );
        assert!(ended.stdout.contains(instead), "{arguments:?}: {}", ended.both());
        // With systemd and without a unit.
        if arguments[0] == "gateway" {
            let ended = session.run(arguments).await;
            assert_eq!((ended.code, &ended.json()["error"]["type"]), (Some(1), &"no_unit".into()));
            assert!(
                ended.stdout.contains(instead) && ended.stdout.contains("service install"),
                "{}",
                ended.both()
            );
        }
    }
    assert!(!session.unit("moonrelay.service").exists() && session.asked().is_empty());
}

#[tokio::test]
async fn with_a_socket_both_are_started_and_stopped_and_a_restart_leaves_it() {
    let session = Session::new();
    session.done(&["service", "install", "--socket"]).await;
    let socket = fs::read_to_string(session.unit("moonrelay.socket")).unwrap();
    assert!(socket.contains("\nListenStream=127.0.0.1:21969\n"), "{socket}");
    let both = "moonrelay.socket moonrelay.service";
    let [stop, start] = [format!("--user stop {both}"), format!("--user start {both}")];
    let enable = "--user enable moonrelay.service moonrelay.socket";
    assert_eq!(
        session.asked(),
        [RELOAD, "--user reset-failed moonrelay.service moonrelay.socket", enable, &stop, &start]
    );
    session.done(&["gateway", "stop"]).await;
    assert_eq!(session.asked(), [&*stop]);
    session.done(&["gateway", "start"]).await;
    assert_eq!(session.asked(), [FORGET_BOTH, &start]);
    let said = session.done(&["gateway", "restart", "--json"]).await;
    assert!(said.contains("answering from kimi/k3"), "{said}");
    assert_eq!(session.asked(), [FORGET_BOTH, "--user restart moonrelay.service"]);
    // Without it once more, and away.
    session.done(&["service", "install"]).await;
    assert!(!session.unit("moonrelay.socket").exists());
    assert_eq!(session.asked()[0], "--user disable --now moonrelay.socket");
    session.done(&["service", "uninstall"]).await;
    assert!(!session.unit("moonrelay.service").exists());
    assert_eq!(session.asked(), ["--user disable --now moonrelay.service", RELOAD, FORGET]);
    assert_eq!(session.done(&["service", "uninstall"]).await, "no unit is installed\n");
}

#[tokio::test]
async fn rejected_reload_reports_why() {
    let session = Session::new();
    session.done(&["service", "install", "--no-start"]).await;
    session.asked();
    let said = session.done(&["gateway", "reload"]).await;
    assert_eq!(said, "moonrelay.service: active, answering from kimi/k3\n");
    assert_eq!(session.asked(), ["--user reload moonrelay.service"]);
    let status = "answering from kimi/k3; new configuration rejected, the previous one stays active: no provider has a key";
    session.write("status", status);
    let refused = session.run(&["gateway", "reload", "--json"]).await;
    assert_eq!((refused.code, &refused.json()["error"]["type"]), (Some(1), &"reload_refused".into()));
    assert!(refused.stdout.contains("no provider has a key"), "{}", refused.both());
    session.asked();
    session.write("config/moonrelay/config.json5", "{\n gatewya: 1,\n logging: { level: 'lots' } }");
    let refused = session.run(&["gateway", "reload"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.both());
    assert!(
        refused.stderr.contains("gatewya") && refused.stderr.contains("logging.level"),
        "{}",
        refused.both()
    );
    assert!(session.asked().is_empty(), "a file with errors is not even tried");
}

#[tokio::test]
async fn a_reload_checks_the_file_that_the_gateway_reads_from_where_it_stands() {
    let session = Session::new();
    session.done(&["service", "install", "--no-start"]).await;
    session.asked();
    session.write("elsewhere/mine.json5", "{ gatewya: 1 }");
    let mut gateway = tokio::process::Command::new("sh");
    gateway.args(["-c", "read _", "moonrelay", "gateway", "run", "--config", "mine.json5"]);
    gateway.current_dir(session.home.path().join("elsewhere")).stdin(Stdio::piped()).kill_on_drop(true);
    let gateway = gateway.spawn().unwrap();
    session.write("pid", &gateway.id().unwrap().to_string());
    let refused = session.run(&["gateway", "reload"]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("gatewya"), "{}", refused.both());
    assert!(session.asked().is_empty());
}

#[tokio::test]
async fn what_systemd_refuses_is_said_with_where_to_look() {
    let session = Session::new();
    session.done(&["service", "install", "--no-start"]).await;
    session.write("fails", "");
    session.write("active", "failed");
    let failed = session.run(&["gateway", "start"]).await;
    assert_eq!(failed.code, Some(1), "{}", failed.both());
    for said in ["Job for moonrelay.service failed.", "config validate", "moonrelay gateway logs"] {
        assert!(failed.stderr.contains(said), "{said}: {}", failed.both());
    }
    let down = session.run(&["gateway", "reload"]).await;
    assert!(down.code == Some(1) && down.stderr.contains("moonrelay gateway start"), "{}", down.both());
}

#[tokio::test]
async fn logs_are_those_of_journalctl() {
    let session = Session::new();
    session.done(&["service", "install", "--no-start"]).await;
    session.asked();
    let said = session.done(&["gateway", "logs", "-f", "-n", "5", "--since", "1 hour ago"]).await;
    assert_eq!(said, "an entry\n");
    assert_eq!(session.asked(), ["journalctl --user -u moonrelay -f -n 5 --since 1 hour ago"]);
}

#[tokio::test]
async fn a_systemd_that_looks_elsewhere_is_noticed() {
    let session = Session::new();
    let elsewhere = session.home.path().join("elsewhere");
    session.write("bin/systemctl", &SYSTEMCTL.replace("$XDG_CONFIG_HOME", Path::to_str(&elsewhere).unwrap()));
    let ended = session.run(&["service", "install"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.both());
    assert!(ended.stderr.contains("XDG_CONFIG_HOME"), "{}", ended.both());
}
