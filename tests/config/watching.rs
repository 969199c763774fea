//! Changes of the configuration's files are noticed without a signal, through any links.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use crate::common::process::{Serving, mkfifo, signal};
use crate::common::{Manager, Provider, Setup, Upstream, prompt};

const ANSWERS_KIMI: &str = "STATUS=answering from kimi/kimi-for-coding\n";
const ANSWERS_OTHERS: &str = "STATUS=answering from openrouter/auto\n";

/// Replaces the file at `path` in one step, as editors and home-manager generations do.
fn replace(path: &Path, make: impl FnOnce(&Path)) {
    let draft = path.with_extension("draft");
    make(&draft);
    std::fs::rename(draft, path).unwrap();
}

#[tokio::test]
async fn changed_file_and_replaced_links_are_reloaded() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let kimi = Setup::chain(&upstream, &[Provider::Kimi]);
    let others = Setup::chain(&upstream, &[Provider::OpenRouter]);
    let (mut command, home) = kimi.clone().environment("NOTIFY_SOCKET", manager.path()).command();
    let file = home.path().join("config.json5");
    // As home-manager has it: a link into a generation, and a link to the generation of today.
    for (generation, setup) in [("one", &kimi), ("two", &others)] {
        std::fs::create_dir(home.path().join(generation)).unwrap();
        std::fs::write(home.path().join(generation).join("config.json5"), setup.text()).unwrap();
    }
    let today = home.path().join("today");
    symlink("one", &today).unwrap();
    replace(&file, |draft| symlink("today/config.json5", draft).unwrap());
    command.current_dir(home.path());
    let _serving = Serving::start(command, "listening on").await;
    manager.until(ANSWERS_KIMI).await;

    replace(&today, |draft| symlink("two", draft).unwrap());
    manager.until(ANSWERS_OTHERS).await;
    std::fs::write(home.path().join("two/config.json5"), kimi.text()).unwrap();
    manager.until(ANSWERS_KIMI).await;
    replace(&file, |draft| std::fs::write(draft, others.text()).unwrap());
    manager.until(ANSWERS_OTHERS).await;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, kimi.text()).unwrap();
    manager.until(ANSWERS_KIMI).await;
}

#[tokio::test]
async fn new_or_replaced_directory_is_noticed() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let kimi = Setup::chain(&upstream, &[Provider::Kimi]);
    let others = Setup::chain(&upstream, &[Provider::OpenRouter]);
    let home = tempfile::tempdir().unwrap();
    let mut command = crate::common::process::command(home.path(), ["gateway", "run", "--port", "0"]);
    command.env("NOTIFY_SOCKET", manager.path()).env("MOONSHOT_API_KEY", Provider::Moonshot.key());
    // Without a file the catalog serves, and not even the directory above is there.
    let _serving = Serving::start(command, "listening on").await;
    manager.until("STATUS=answering from moonshot/").await;
    let directory = home.path().join("config/moonrelay");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("config.json5"), kimi.text()).unwrap();
    manager.until(ANSWERS_KIMI).await;

    let next = home.path().join("next");
    std::fs::create_dir(&next).unwrap();
    std::fs::write(next.join("config.json5"), others.text()).unwrap();
    std::fs::rename(&directory, home.path().join("before")).unwrap();
    std::fs::rename(&next, &directory).unwrap();
    manager.until(ANSWERS_OTHERS).await;

    // As a store has it: the directory itself is a link.
    let generation = home.path().join("generation");
    std::fs::create_dir(&generation).unwrap();
    std::fs::write(generation.join("config.json5"), kimi.text()).unwrap();
    std::fs::rename(&directory, home.path().join("before-that")).unwrap();
    symlink(&generation, &directory).unwrap();
    manager.until(ANSWERS_KIMI).await;
    std::fs::write(directory.join("config.json5"), others.text()).unwrap();
    manager.until(ANSWERS_OTHERS).await;
}

#[tokio::test]
async fn changed_key_file_is_reloaded() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let setup = Setup::chain(&upstream, &[Provider::Kimi, Provider::OpenRouter])
        .set("models.providers.kimi.apiKey", json!({ "source": "file", "id": "keys/kimi" }))
        .set("models.providers.openrouter.apiKey", json!("${OPENROUTER_KEY}"))
        .environment("NOTIFY_SOCKET", manager.path());
    let (command, home) = setup.command();
    let secrets = home.path().join("config/moonrelay");
    std::fs::create_dir_all(&secrets).unwrap();
    std::fs::write(secrets.join("env"), format!("OPENROUTER_KEY={}\n", Provider::OpenRouter.key())).unwrap();
    let _serving = Serving::start(command, "listening on").await;
    manager.until("STATUS=kimi off, answering from openrouter/auto\n").await;
    std::fs::create_dir(home.path().join("keys")).unwrap();
    std::fs::write(home.path().join("keys/kimi"), Provider::Kimi.key()).unwrap();
    manager.until(ANSWERS_KIMI).await;
    // The secrets file is emptied. The primary still has its key, so only the record of reloads shows it.
    std::fs::write(home.path().join("keys/kimi"), "").unwrap();
    manager.until(ANSWERS_OTHERS.trim_start_matches("STATUS=")).await;
    std::fs::write(secrets.join("env"), "").unwrap();
    manager.until("openrouter off").await;
}

#[tokio::test]
async fn key_pipe_is_read_once() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let home = tempfile::tempdir().unwrap();
    let pipe = home.path().join("key");
    mkfifo(&pipe).await;
    let writer = pipe.clone();
    let (ask, asked) = std::sync::mpsc::channel();
    // Opening it to write waits for the gateway to read it.
    std::thread::spawn(move || {
        while asked.recv().is_ok() {
            std::fs::write(&writer, Provider::Kimi.key()).unwrap();
        }
    });
    let setup = Setup::chain(&upstream, &[Provider::Kimi]).environment("NOTIFY_SOCKET", manager.path());
    let piped = setup.clone().set("models.providers.kimi.apiKey", json!({ "source": "file", "id": pipe }));
    ask.send(()).unwrap();
    let gateway = piped.start().await;
    manager.until("READY=1").await;
    ask.send(()).unwrap();
    signal("-HUP", gateway.serving.pid()).await;
    manager.until("READY=1").await;
    replace(&gateway.config(), |draft| std::fs::write(draft, setup.text()).unwrap());
    let reported = manager.until("READY=1").await;
    let reloads = reported.iter().filter(|message| message.contains("RELOADING=1")).count();
    assert!(reloads == 1 && reported.last().unwrap().ends_with(ANSWERS_KIMI), "{reported:?}");
}

#[tokio::test]
async fn disabled_watch_starts_after_a_reload_enables_it() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let setup = Setup::chain(&upstream, &[Provider::Kimi]).environment("NOTIFY_SOCKET", manager.path());
    let gateway = setup.clone().set("gateway.reload", json!(false)).start().await;
    manager.until("READY=1").await;
    std::fs::write(gateway.config(), setup.text()).unwrap();
    // A request passes, and nothing was reported: the files were not watched.
    let answer = gateway.chat(&prompt("default", "Say hello", false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(manager.rest(), Vec::<String>::new());
    signal("-HUP", gateway.serving.pid()).await;
    manager.until("READY=1").await;
    let others = Setup::chain(&upstream, &[Provider::OpenRouter]);
    std::fs::write(gateway.config(), others.text()).unwrap();
    manager.until(ANSWERS_OTHERS).await;
}

#[tokio::test]
async fn file_written_in_steps_logs_one_error() {
    let (upstream, manager) = (Upstream::start().await, Manager::new());
    let kimi = Setup::chain(&upstream, &[Provider::Kimi]).environment("NOTIFY_SOCKET", manager.path());
    let others = Setup::chain(&upstream, &[Provider::OpenRouter]);
    let mut gateway = kimi.start().await;
    manager.until("READY=1").await;
    let text = others.text();
    let first = text.find('"').unwrap() + 2;
    for end in first..first + 5 {
        // Each step is a new file that ends in the same string, so that the error is the same.
        let step = gateway.config().with_extension("step");
        std::fs::write(&step, &text[..end]).unwrap();
        std::fs::rename(&step, gateway.config()).unwrap();
    }
    gateway.serving.said("new configuration rejected").await;
    std::fs::write(gateway.config(), &text).unwrap();
    manager.until(ANSWERS_OTHERS).await;
    let rejections = gateway.serving.output().matches("new configuration rejected").count();
    assert_eq!(rejections, 1, "repeated errors:\n{}", gateway.serving.output());
}
