//! Edits of the configuration: they are serialised, they can fix an invalid file, and they never print a key.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::process::{Ended, command, run};

fn file(home: &Path) -> PathBuf {
    home.join("config/moonrelay/config.json5")
}

fn home_with(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(file(home.path()).parent().unwrap()).unwrap();
    std::fs::write(file(home.path()), config).unwrap();
    home
}

async fn moonrelay(home: &Path, arguments: &[&str]) -> Ended {
    run(command(home, arguments)).await
}

/// Twenty processes at once, each with a variable of its own.
async fn set_at_once(home: &Path) {
    let mut edits = tokio::task::JoinSet::new();
    for number in 0..20 {
        edits.spawn(run(command(home, ["config", "set", &format!("env.K{number}"), "v"])));
    }
    for ended in edits.join_all().await {
        assert_eq!(ended.code, Some(0), "{}", ended.both());
    }
    let env = moonrelay(home, &["config", "get", "env", "--json"]).await.json();
    assert_eq!(env.as_object().unwrap().len(), 20, "{env}");
}

#[tokio::test]
async fn parallel_edits_are_all_kept() {
    let home = home_with("{\n  // mine\n}\n");
    set_at_once(home.path()).await;
    assert!(std::fs::read_to_string(file(home.path())).unwrap().contains("// mine"));
    set_at_once(tempfile::tempdir().unwrap().path()).await;
}

#[tokio::test]
async fn invalid_file_can_be_fixed_step_by_step() {
    let home = home_with("{ logging: { level: 'lots' }, gatway: {} }");
    let refused = moonrelay(home.path(), &["config", "set", "gateway.port", "1", "--json"]).await;
    assert_eq!(refused.code, Some(78), "{}", refused.both());
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("already invalid") && message.contains("gatway"), "{message}");
    let fixed = moonrelay(home.path(), &["config", "unset", "gatway", "--json"]).await;
    assert_eq!(fixed.code, Some(0), "{}", fixed.both());
    assert_eq!(fixed.json()["stillWrong"].as_array().map(Vec::len), Some(1), "{}", fixed.both());
    let fixed = moonrelay(home.path(), &["config", "set", "logging.level", "info", "--json"]).await;
    assert_eq!(fixed.json()["stillWrong"], Value::Null, "{}", fixed.both());
    assert_eq!(moonrelay(home.path(), &["config", "validate"]).await.code, Some(0));
}

#[tokio::test]
async fn managed_configuration_never_prints_or_stores_a_key() {
    let config = json!({ "agents": { "defaults": { "model": {
        "primary": "moonshot/kimi-k3", "fallbacks": ["openrouter/auto", "kimi/k3"],
    } } } });
    let home = home_with(&config.to_string());
    let openclaw = home.path().join("openclaw.json");
    std::fs::write(&openclaw, "{ env: { K: 'sk-1' }, models: { providers: { kimi: { apiKey: 'sk-2' } } } }")
        .unwrap();
    let fallbacks = "services.moonrelay.settings.agents.defaults.model.fallbacks = [ \"kimi/k3\" ];";
    let reference = "{ source = \"credential\"; id = \"KIMI_API_KEY\"; };";
    for (arguments, line) in [
        (&["config", "set", "env.K", "sk-1"][..], "services.moonrelay.credentials.K = "),
        (&["config", "set", "models.providers.kimi.apiKey", "sk-2"], reference),
        (&["config", "import", openclaw.to_str().unwrap(), "--force"], reference),
        (&["models", "fallbacks", "remove", "openrouter/auto"], fallbacks),
    ] {
        let mut command = command(home.path(), arguments);
        command.env("MOONRELAY_NIX_MODE", "1");
        let ended = run(command).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.both());
        assert!(ended.stderr.contains(line), "{arguments:?}: {}", ended.both());
        assert!(
            !ended.both().contains("sk-") && !ended.both().contains("***"),
            "{arguments:?}: {}",
            ended.both()
        );
    }
    assert_eq!(std::fs::read_to_string(file(home.path())).unwrap(), config.to_string());
}
