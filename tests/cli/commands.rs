//! Commands: exit codes and JSON for scripts, and edits that keep comments.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::process::{Ended, command, run};
use crate::common::{Provider, Setup, Upstream, prompt};
use crate::failover::faults;

const CONFIG: &str = r#"// My gateway.
{
  agents: {
    defaults: {
      // Kimi first.
      model: { primary: 'kimi/kimi-for-coding', fallbacks: ["openrouter/auto"], },
      models: { "moonshot/kimi-k3": { alias: "k3" } },
    },
  },
  models: { providers: {
    moonshot: { apiKey: "sk-literal-secret-0000000000" }, // paid
    kimi: { apiKey: "${KIMI_API_KEY}" },
  } },
  gateway: { port: 21969 },
}
"#;

/// A home directory with a configuration where commands look for it.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn with(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self { folder };
        std::fs::create_dir_all(home.file().parent().unwrap()).unwrap();
        std::fs::write(home.file(), config).unwrap();
        home
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("config/moonrelay/config.json5")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = command(self.path(), arguments);
        command.env("KIMI_API_KEY", "sk-kimi-literal-secret-00000");
        let ended = run(command).await;
        assert!(!ended.both().contains("literal-secret"), "{arguments:?} printed a key:\n{}", ended.both());
        ended
    }

    async fn json(&self, arguments: &[&str], code: i32) -> Value {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.both());
        ended.json()
    }
}

/// With `--json`, failures print JSON on stdout too.
fn assert_json_failure(value: &Value) {
    assert_eq!(value["ok"], json!(false), "{value}");
    let error = &value["error"];
    assert!(error["type"].is_string() && error["message"].as_str().is_some_and(|m| !m.is_empty()), "{value}");
}

#[tokio::test]
async fn wrong_usage_exits_2_and_help_exits_0() {
    let home = Home::with(CONFIG);
    for wrong in [&["nonsense"][..], &["models", "set"], &["gateway", "run", "--port", "many"], &["explain"]]
    {
        let ended = home.run(wrong).await;
        assert_eq!(ended.code, Some(2), "{wrong:?}: {}", ended.both());
        assert!(!ended.stderr.is_empty() && ended.stdout.is_empty(), "{}", ended.both());
    }
    for path in [
        &[][..],
        &["gateway"],
        &["gateway", "run"],
        &["gateway", "status"],
        &["models"],
        &["models", "list"],
        &["models", "set"],
        &["models", "aliases"],
        &["models", "fallbacks"],
        &["explain"],
        &["config"],
        &["config", "validate"],
        &["config", "get"],
        &["config", "set"],
        &["config", "schema"],
        &["config", "path"],
        &["config", "import"],
        &["simulate"],
        &["demo"],
        &["drill"],
        &["service"],
        &["service", "install"],
        &["gateway", "reload"],
        &["gateway", "logs"],
        &["completions"],
    ] {
        let ended = home.run(&[path, &["--help"]].concat()).await;
        assert_eq!(ended.code, Some(0), "{path:?}: {}", ended.both());
        assert!(ended.stdout.contains("Usage:") && !ended.stdout.contains('\u{1b}'), "{}", ended.both());
    }
    let version = home.run(&["--version"]).await;
    assert_eq!(version.stdout, format!("moonrelay {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn closed_reader_gets_no_error_message() {
    let home = Home::with(CONFIG);
    for arguments in [&["models", "list"][..], &["drill", "--fault", "split"], &["service", "show"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(home.path(), arguments);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(1), ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn models_list_shows_available_models() {
    let home = Home::with(CONFIG);
    let all = home.json(&["models", "list", "--json"], 0).await;
    let models = all["models"].as_array().unwrap();
    assert_eq!(all["count"], json!(models.len()));
    let find =
        |key: &str| models.iter().find(|m| m["key"] == key).unwrap_or_else(|| panic!("no {key}: {all}"));
    let k3 = find("moonshot/kimi-k3");
    assert!(k3["name"].is_string(), "{k3}");
    assert_eq!(k3["contextWindow"], json!(1_048_576), "{k3}");
    assert_eq!(k3["reasoning"], json!(true));
    assert_eq!(k3["available"], json!(true));
    assert_eq!(k3["cost"]["input"].as_f64(), Some(3.0), "{k3}");
    assert_eq!(k3["cost"]["cacheRead"].as_f64(), Some(0.3), "{k3}");
    for key in ["input", "maxTokens", "tags"] {
        assert!(k3.get(key).is_some(), "{key}: {k3}");
    }
    let tags = |key: &str| find(key)["tags"].as_array().unwrap().clone();
    assert!(tags("moonshot/kimi-k3").contains(&json!("alias:k3")));
    assert!(tags("kimi/kimi-for-coding").contains(&json!("default")));
    assert!(tags("openrouter/auto").contains(&json!("fallback#1")));
    assert_eq!(find("openrouter/auto")["available"], json!(false), "it has no key");
    assert_eq!(find("openrouter/auto").get("missing"), None, "the catalog knows it");

    let some = home.json(&["models", "list", "--provider", "kimi", "--json"], 0).await;
    let keys: Vec<_> =
        some["models"].as_array().unwrap().iter().map(|m| m["key"].as_str().unwrap()).collect();
    assert!(!keys.is_empty() && keys.iter().all(|k| k.starts_with("kimi/")), "{keys:?}");

    let ended = home.run(&["models", "list"]).await;
    assert!(ended.code == Some(0) && ended.stdout.contains("moonshot/kimi-k3"), "{}", ended.both());
}

#[tokio::test]
async fn models_set_keeps_comments() {
    let home = Home::with(CONFIG);
    let ended = home.run(&["models", "set", "moonshot/kimi-k3"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    assert!(home.text().contains("// Kimi first.") && home.text().contains("// paid"), "{}", home.text());
    let report = home.json(&["models", "set", "moonshot/kimi-k3", "--json"], 0).await;
    assert_eq!((&report["changed"], &report["primary"]), (&json!(false), &json!("moonshot/kimi-k3")));
    assert_eq!(report["fallbacks"], json!(["kimi/kimi-for-coding", "openrouter/auto"]));
    for line in ["1. moonshot/kimi-k3", "2. kimi/kimi-for-coding", "3. openrouter/auto"] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.both());
    }

    let home = Home::with(CONFIG);
    assert_eq!(home.run(&["models", "set", "K3"]).await.code, Some(0), "an alias, in any case");
    assert!(home.text().contains("moonshot/kimi-k3\", fallbacks"), "{}", home.text());

    let before = home.text();
    let unknown = home.run(&["models", "set", "moonshot/kimi-k33"]).await;
    assert_eq!(unknown.code, Some(1), "{}", unknown.both());
    assert!(unknown.stderr.contains("moonshot/kimi-k3"), "the nearest names: {}", unknown.both());
    assert_json_failure(&home.json(&["models", "set", "nonsense/model", "--json"], 1).await);
    assert_eq!(home.text(), before, "nothing was written");
}

#[tokio::test]
async fn fallback_and_alias_commands_edit_the_file() {
    let home = Home::with(CONFIG);
    assert_eq!(home.run(&["models", "fallbacks", "add", "moonshot/kimi-k3"]).await.code, Some(0));
    let list = home.run(&["models", "fallbacks", "list"]).await;
    let at = |name: &str| list.stdout.find(name).unwrap_or_else(|| panic!("no {name}: {}", list.both()));
    assert!(at("openrouter/auto") < at("moonshot/kimi-k3"), "{}", list.both());
    assert!(home.text().contains("// Kimi first.") && home.text().contains("// paid"));

    assert_eq!(home.run(&["models", "fallbacks", "remove", "openrouter/auto"]).await.code, Some(0));
    assert!(!home.text().contains("openrouter/auto"), "{}", home.text());
    assert_eq!(home.run(&["models", "fallbacks", "add", "moonshot/none"]).await.code, Some(1));
    assert_eq!(home.run(&["models", "fallbacks", "clear"]).await.code, Some(0));
    assert!(!home.run(&["models", "fallbacks", "list"]).await.stdout.contains("moonshot/kimi-k3"));

    assert_eq!(home.run(&["models", "aliases", "add", "fast", "openrouter/auto"]).await.code, Some(0));
    let list = home.run(&["models", "aliases", "list"]).await.stdout;
    assert!(list.contains("fast") && list.contains("k3"), "{list}");
    let twice = home.run(&["models", "aliases", "add", "k3", "openrouter/auto"]).await;
    assert_eq!(twice.code, Some(1), "an alias names one model: {}", twice.both());
    assert_eq!(home.run(&["models", "aliases", "remove", "fast"]).await.code, Some(0));
    assert!(!home.run(&["models", "aliases", "list"]).await.stdout.contains("fast"));
    let valid = home.json(&["config", "validate", "--json"], 0).await;
    assert_eq!(valid["valid"], json!(true), "{valid}\n{}", home.text());
}

#[tokio::test]
async fn explain_shows_the_plan_in_order() {
    let home = Home::with(CONFIG);
    let ended = home.run(&["explain", "kimi/kimi-for-coding"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let at = |name: &str| ended.stdout.find(name).unwrap_or_else(|| panic!("no {name}: {}", ended.both()));
    assert!(at("kimi/kimi-for-coding") < at("openrouter/auto"));
    assert!(ended.stdout.contains("no_key"), "openrouter is skipped: {}", ended.both());

    let plan = home.json(&["explain", "k3", "--json"], 0).await;
    let targets = plan["targets"].as_array().unwrap_or_else(|| panic!("{plan}"));
    let references: Vec<_> = targets.iter().map(|t| t["reference"].as_str().unwrap()).collect();
    assert_eq!(
        references,
        ["moonshot/kimi-k3", "openrouter/auto"],
        "what was asked for, then the fallbacks: {plan}"
    );

    let unknown = home.json(&["explain", "moonshot/kimi-k33", "--json"], 1).await;
    assert_json_failure(&unknown);
    let message = unknown["error"]["message"].as_str().unwrap().replace("kimi-k33", "");
    assert!(message.contains("kimi-k3"), "the nearest names: {unknown}");
    assert!(message.contains("models.routes"), "and how to give it one: {unknown}");
}

#[tokio::test]
async fn config_validate_has_its_own_shape() {
    let home = Home::with(CONFIG);
    let file = home.file().to_str().unwrap().to_owned();
    let valid = home.json(&["config", "validate", "--json"], 0).await;
    assert_eq!((&valid["valid"], &valid["path"]), (&json!(true), &json!(file)), "{valid}");
    assert!(valid["warnings"].is_array(), "{valid}");

    let broken = home.path().join("broken.json5");
    std::fs::write(&broken, "{\n  gatewya: {},\n  failover: { attemptsPerTarget: 'two' },\n}").unwrap();
    let invalid = home.json(&["config", "validate", broken.to_str().unwrap(), "--json"], 78).await;
    assert_eq!((&invalid["valid"], &invalid["path"]), (&json!(false), &json!(broken.to_str())), "{invalid}");
    let issues = invalid["issues"].as_array().unwrap();
    assert_eq!(issues.len(), 2, "{invalid}");
    assert_eq!(issues[0]["path"], "gatewya", "{invalid}");
    assert_eq!((&issues[0]["line"], &issues[0]["column"]), (&json!(2), &json!(3)), "{invalid}");
    assert!(issues[0]["message"].as_str().unwrap().contains("gateway"), "{invalid}");
    assert_eq!(issues[1]["path"], "failover.attemptsPerTarget", "{invalid}");
    assert_eq!(issues[1]["line"], json!(3), "{invalid}");

    let people = home.run(&["config", "validate", broken.to_str().unwrap()]).await;
    assert_eq!(people.code, Some(78));
    assert!(people.both().contains("gatewya") && people.both().contains("did you mean"), "{}", people.both());
}

#[tokio::test]
async fn config_validate_works_without_keys() {
    let home = Home::with("{ models: { providers: { moonshot: { apiKey: '${NOT_SET_HERE}' } } } }");
    let valid = home.json(&["config", "validate", "--json"], 0).await;
    assert_eq!(valid["valid"], json!(true));
    assert!(valid["warnings"].to_string().contains("NOT_SET_HERE"), "{valid}");
}

#[tokio::test]
async fn config_get_and_set_keep_secrets_and_comments() {
    let home = Home::with(CONFIG);
    let port = home.run(&["config", "get", "gateway.port"]).await;
    assert_eq!((port.code, port.stdout.trim()), (Some(0), "21969"));
    let key = home.run(&["config", "get", "models.providers.moonshot.apiKey"]).await;
    assert!(key.code == Some(0) && key.stdout.contains("***"), "{}", key.both());
    let around = home.run(&["config", "get", "models.providers"]).await;
    assert!(around.code == Some(0) && around.stdout.contains("***"), "{}", around.both());
    assert_eq!(home.run(&["config", "get", "gateway.nothing"]).await.code, Some(1));

    assert_eq!(home.run(&["config", "set", "gateway.port", "22000"]).await.code, Some(0));
    assert_eq!(home.text(), CONFIG.replace("21969", "22000"));
    let set = home.run(&["config", "set", "agents.defaults.thinkingDefault", "low"]).await;
    assert_eq!(set.code, Some(0), "a bare word is a string: {}", set.both());
    assert_eq!(
        home.run(&["config", "get", "agents.defaults.thinkingDefault"]).await.stdout.trim().trim_matches('"'),
        "low"
    );

    let before = home.text();
    let wrong = home.run(&["config", "set", "gateway.port", "many"]).await;
    assert!(matches!(wrong.code, Some(1 | 78)), "{}", wrong.both());
    let wrong = home.run(&["config", "set", "gateway.prot", "1"]).await;
    assert!(matches!(wrong.code, Some(1 | 78)), "{}", wrong.both());
    assert_eq!(home.text(), before, "what would not load is not written");
}

#[tokio::test]
async fn config_path_and_schema_print_path_and_schema() {
    let home = Home::with(CONFIG);
    assert_eq!(home.run(&["config", "path"]).await.stdout.trim(), home.file().to_str().unwrap());
    let schema = home.run(&["config", "schema"]).await.json();
    assert!(schema["$schema"].as_str().is_some_and(|s| s.contains("json-schema.org")), "{schema}");
    for key in ["env", "agents", "models", "failover", "gateway", "logging", "plugins", "tools"] {
        assert!(schema["properties"][key].is_object(), "{key}: {schema}");
    }
    assert_eq!(schema["additionalProperties"], json!(false));
}

#[tokio::test]
async fn config_import_reports_what_it_does_not_import() {
    let home = Home::with("{}");
    std::fs::remove_file(home.file()).unwrap();
    let openclaw = home.path().join("openclaw.json");
    std::fs::write(
        &openclaw,
        r#"{
  "env": { "vars": { "OTHER": "value" } },
  "agents": { "defaults": { "model": { "primary": "moonshot/kimi-k2.6", "fallbacks": ["openai/gpt-9"] } } },
  "models": { "providers": { "moonshot": { "baseUrl": "https://api.moonshot.ai/v1", "apiKey": "${MOONSHOT_API_KEY}" } } },
  "channels": { "telegram": { "enabled": true } },
  "tools": { "web": { "search": { "provider": "kimi" } } }
}"#,
    )
    .unwrap();
    let ended = home.run(&["config", "import", openclaw.to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let said = ended.both();
    assert!(said.contains("channels"), "the key that it leaves out: {said}");
    assert!(said.contains("openai/gpt-9"), "the reference that it leaves out: {said}");
    let primary = home.run(&["config", "get", "agents.defaults.model.primary"]).await;
    assert_eq!(primary.stdout.trim().trim_matches('"'), "moonshot/kimi-k2.6", "{}", home.text());
    assert_eq!(
        home.json(&["config", "validate", "--json"], 0).await["valid"],
        json!(true),
        "{}",
        home.text()
    );
}

#[tokio::test]
async fn status_reports_a_running_and_a_missing_gateway() {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter]).start().await;
    let status = gateway.status().await;
    assert_eq!(status["ok"], json!(true), "{status}");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["inFlight"], json!(0));
    assert_eq!(status["address"], gateway.base());
    assert_eq!(status["config"], json!(gateway.config().to_str()));
    assert!(status["uptimeSeconds"].is_number(), "{status}");
    let state = |status: &Value, id: &str| {
        let providers = status["providers"].as_array().unwrap().clone();
        providers.into_iter().find(|p| p["id"] == id).unwrap_or_else(|| panic!("no {id}: {status}"))
    };
    assert!(state(&status, "moonshot")["state"].is_string());

    upstream.fault(faults::documented(Provider::Moonshot, "insufficient_balance")).await;
    gateway.chat(&prompt("moonshot/kimi-k3", "Say hello", false)).await;
    let cooled = state(&gateway.status().await, "moonshot");
    assert!(cooled["cooldownUntil"].is_string() || cooled["cooldownUntil"].is_number(), "{cooled}");
    assert_eq!(cooled["reason"], "billing", "{cooled}");

    let home = Home::with(CONFIG);
    // A port may be in use by another process; this socket path cannot be.
    let no_gateway = format!("unix:{}", home.path().join("absent.sock").display());
    let down = home.json(&["gateway", "status", "--json", "--bind", &no_gateway], 1).await;
    assert_json_failure(&down);
}

#[tokio::test]
async fn man_pages_are_written_for_every_command() {
    let home = Home::with(CONFIG);
    let directory = home.path().join("man1");
    std::fs::create_dir(&directory).unwrap();
    let ended = home.run(&["man", directory.to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    for name in ["moonrelay", "moonrelay-gateway-run", "moonrelay-config-validate"] {
        let page = std::fs::read_to_string(directory.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1")), "{name}: {page}");
    }
    let ended = home.run(&["man", "/nonexistent"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.both());
    assert!(ended.both().contains("/nonexistent"), "{}", ended.both());
}

#[tokio::test]
async fn completions_parse_in_their_shell() {
    let home = Home::with(CONFIG);
    for (shell, mark) in
        [("bash", "complete "), ("zsh", "#compdef moonrelay"), ("fish", "complete -c moonrelay")]
    {
        let ended = home.run(&["completions", shell]).await;
        assert!(ended.code == Some(0) && ended.stdout.contains(mark), "{shell}: {}", ended.both());
    }
}

#[tokio::test]
async fn simulate_rejects_a_wrong_key_and_an_unknown_fault() {
    let upstream = Upstream::with(&["--key", "sk-the-only-key"]).await;
    let url = format!("{}/moonshot/v1/models", upstream.base());
    let client = crate::common::raw::client();
    let ask = |key: &str| client.get(&url).header("authorization", format!("Bearer {key}")).send();
    assert_eq!(ask("sk-the-only-key").await.unwrap().status(), 200);
    assert_eq!(ask("sk-another").await.unwrap().status(), 401);
    let home = Home::with(CONFIG);
    let ended = home.run(&["simulate", "--listen", "127.0.0.1:0", "--fault", "no-such-fault"]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.both());
}

#[tokio::test]
async fn demo_shows_an_answer_a_failure_and_the_fallback() {
    let home = tempfile::tempdir().unwrap();
    let ended = run(command(home.path(), ["demo"])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());
    let said = ended.both();
    let attempts: Vec<_> = said.lines().filter_map(|l| l.split_once("x-moonrelay-attempts: ")).collect();
    let answered = |part: &str| attempts.iter().any(|(_, list)| list.ends_with("=ok") && list.contains(part));
    assert!(
        attempts.iter().any(|(_, list)| !list.contains(',') && list.ends_with("=ok")),
        "Kimi answers: {said}"
    );
    assert!(answered(", openrouter/auto=ok"), "then the fallback does: {said}");
    assert!(answered("=cooling_down, openrouter/auto=ok"), "Kimi is in cooldown: {said}");
    assert!(said.contains("curl ") && said.contains("/v1/chat/completions"), "{said}");
}
