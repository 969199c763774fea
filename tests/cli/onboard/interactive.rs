//! Prompts on a terminal.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{Desk, KEY, mode};
use crate::common::Provider;
use crate::common::process::{PATIENCE, command, run};

/// A pseudo-terminal of script(1).
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    seen: String,
    /// The end of the text that was waited for.
    looked: usize,
}

impl Terminal {
    fn start(desk: &Desk, arguments: &[&str]) -> Self {
        let onboard = command(desk.path(), [&["onboard"], arguments].concat());
        let onboard = onboard.as_std();
        let words = std::iter::once(onboard.get_program()).chain(onboard.get_args());
        let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
        // The interrupt reaches the shell, too.
        let line = format!("trap : INT; stty -a >before; {line}; echo code=$?; stty -a >after; echo ended");
        let mut script = Command::new("script");
        script.args(["-q", "-f", "-c", &line, "/dev/null"]).env_clear();
        script.envs(onboard.get_envs().filter_map(|(key, value)| Some((key, value?))));
        script.env("SHELL", "/bin/sh").env("TERM", "xterm").current_dir(desk.path());
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = script.spawn().expect("script(1) is there: it is essential in Debian");
        let (keys, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, keys, screen, seen: String::new(), looked: 0 }
    }

    /// Waits until this is shown, after the text of the previous call.
    async fn shows(&mut self, text: &str) {
        let shown = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(at) = self.seen[self.looked..].find(text) {
                    self.looked += at + text.len();
                    return;
                }
                let mut bytes = [0; 4096];
                let count = self.screen.read(&mut bytes).await.unwrap();
                assert!(count > 0, "it ended without {text:?}:\n{}", self.seen);
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        if shown.await.is_err() {
            panic!("no {text:?}:\n{}", self.seen);
        }
    }

    async fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.unwrap();
        self.keys.flush().await.unwrap();
    }

    /// Waits for the end with this exit code, checks that the terminal is restored, and returns all output.
    async fn ends(mut self, desk: &Desk, code: i32) -> String {
        self.shows(&format!("code={code}")).await;
        self.shows("ended").await;
        drop(self.keys);
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        let read = |name: &str| std::fs::read_to_string(desk.path().join(name)).unwrap();
        assert_eq!(read("before"), read("after"), "the terminal is restored");
        self.seen
    }
}

const DOWN: &str = "\u{1b}[B";

#[tokio::test]
async fn prompts_for_the_provider_and_for_another_key_after_a_rejected_one() {
    let desk = Desk::with(&["--key", KEY]).await;
    let base = desk.base(Provider::Moonshot);
    let mut terminal = Terminal::start(&desk, &["--base-url", &base, "--no-install-service"]);
    terminal.shows("OpenRouter").await;
    terminal.shows("Another server").await;
    terminal.types(DOWN).await;
    terminal.types(DOWN).await;
    terminal.types("\r").await;
    terminal.shows("Key for Moonshot's international platform (not shown)").await;
    terminal.types("sk-mistyped-000000\r").await;
    terminal.shows("rejects the key").await;
    terminal.shows("Save it anyway").await;
    terminal.types("\r").await;
    terminal.shows("(not shown)").await;
    terminal.types(&format!("{KEY}\r")).await;
    terminal.shows("accepts the key and lists").await;
    terminal.shows("MOONSHOT_API_KEY written to").await;
    terminal.shows("next: moonrelay agent --message hi").await;
    let screen = terminal.ends(&desk, 0).await;
    assert!(!screen.contains(KEY) && !screen.contains("mistyped"), "{screen}");
    assert_eq!(desk.text(&desk.secrets()), format!("MOONSHOT_API_KEY={KEY}\n"));
    assert_eq!((mode(&desk.secrets()), mode(&desk.config())), (0o600, 0o600));
    let answer = run(command(desk.path(), ["explain", "default", "--json"])).await.json();
    assert_eq!(answer["targets"][0]["reference"], "moonshot/kimi-k3.1-pro", "{answer}");

    // The second run keeps the key.
    let before = desk.everything();
    let again = ["--auth-choice", "moonshot-api-key", "--no-install-service"];
    let mut terminal = Terminal::start(&desk, &again);
    terminal.shows("Keep the existing key for Moonshot's international platform (sk-…ef").await;
    terminal.types("y\r").await;
    terminal.shows("No change").await;
    terminal.ends(&desk, 0).await;
    let marks = |path: &std::path::Path| path.ends_with("before") || path.ends_with("after");
    let after: Vec<_> = desk.everything().into_iter().filter(|(path, _)| !marks(path)).collect();
    assert!(before.into_iter().filter(|(path, _)| !marks(path)).eq(after), "every byte");
}

#[tokio::test]
async fn interrupt_restores_the_terminal_and_writes_nothing() {
    let desk = Desk::new().await;
    let arguments = ["--auth-choice", "openrouter-api-key"];
    for (at_a_menu, arguments) in [(true, &[][..]), (false, &arguments)] {
        let mut terminal = Terminal::start(&desk, arguments);
        let question = if at_a_menu { "Another server" } else { "(not shown)" };
        terminal.shows(question).await;
        terminal.types("\u{3}").await;
        terminal.shows("cancelled").await;
        terminal.ends(&desk, 1).await;
    }
    assert!(!desk.secrets().exists() && !desk.config().exists());
}
