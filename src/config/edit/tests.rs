use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Document, EditError, Saved};
use crate::config::keypath::KeyPath;
use crate::config::{Environment, Location};

const FILE: &str = "// mine\n{\n  agents: { // who answers\n    defaults: {\n      model: {\n        primary: 'moonshot/kimi-k3', // for now\n        fallbacks: [\n          'openrouter/auto', // last\n        ],\n      },\n    },\n  },\n  /* the end */\n}\n";

struct Place {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn with(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json5");
        fs::write(&path, text).unwrap();
        Self { directory, path }
    }

    fn open(&self) -> Document {
        Document::open(&location(&self.path)).unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }
}

fn location(path: &Path) -> Location {
    Location { path: path.to_owned(), explicit: true }
}

fn path(text: &str) -> KeyPath {
    KeyPath::parse(text).unwrap()
}

fn save(document: &Document) -> Result<Saved, EditError> {
    document.save(&Environment::default())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_change_keeps_comments_quotes_and_order() {
    let place = Place::with(FILE);
    let mut document = place.open();
    document.set(&path("agents.defaults.model.primary"), &json!("kimi/k3")).unwrap();
    document.push(&path("agents.defaults.model.fallbacks"), &json!("moonshot/kimi-k2.6")).unwrap();
    document.set(&path("gateway.port"), &json!(2000)).unwrap();
    assert_eq!(save(&document).unwrap(), Saved::Written);
    let expected = FILE
        .replace("'moonshot/kimi-k3'", "\"kimi/k3\"")
        .replace("// last\n", "// last\n          \"moonshot/kimi-k2.6\",\n")
        .replace("  /* the end */", "  \"gateway\": {\n    \"port\": 2000\n  },\n  /* the end */");
    assert_eq!(place.text(), expected);
}

#[test]
fn a_change_that_changes_nothing_leaves_every_byte() {
    let text = format!("\u{feff}{}", FILE.replace('\n', "\r\n"));
    let place = Place::with(&text);
    let mut document = place.open();
    document.set(&path("agents.defaults.model.primary"), &json!("moonshot/kimi-k3")).unwrap();
    assert!(!document.remove(&path("agents.defaults.nothing")).unwrap());
    assert_eq!(save(&document).unwrap(), Saved::Unchanged);
    assert_eq!(place.text(), text);
    document.set(&path("agents.defaults.model.primary"), &json!("kimi/k3")).unwrap();
    assert_eq!(save(&document).unwrap(), Saved::Written);
    assert_eq!(place.text(), text.replace("'moonshot/kimi-k3'", "\"kimi/k3\""));
}

#[test]
fn list_elements_are_replaced_and_removed_in_place() {
    let place = Place::with("{ failover: { cooldown: { stepsSeconds: [1, /* two */ 2, 3] } } }");
    let mut document = place.open();
    document.set(&path("failover.cooldown.stepsSeconds[1]"), &json!(20)).unwrap();
    assert!(document.remove(&path("failover.cooldown.stepsSeconds[2]")).unwrap());
    save(&document).unwrap();
    let now = place.open().get(&path("failover.cooldown.stepsSeconds")).unwrap();
    assert_eq!(now, json!([1, 20]));
    assert!(matches!(
        document.set(&path("failover.cooldown.stepsSeconds[9]"), &json!(1)),
        Err(EditError::Path(_))
    ));
    assert!(matches!(
        document.set(&path("failover.cooldown.stepsSeconds[0].x"), &json!(1)),
        Err(EditError::Path(_))
    ));
}

#[test]
fn a_change_that_makes_the_file_wrong_is_not_written() {
    let place = Place::with(FILE);
    let mut document = place.open();
    document.set(&path("agents.defaults.model.primary"), &json!("moonshot/kimi-k9")).unwrap();
    let Err(EditError::Invalid(invalid)) = save(&document) else { panic!("it is wrong") };
    assert!(invalid.to_string().contains("did you mean \"kimi-k3\"?"), "{invalid}");
    assert_eq!(place.text(), FILE);
}

#[test]
fn a_change_may_mend_a_file_that_was_wrong() {
    let place = Place::with("{ logging: { level: 'lots' } }");
    let mut document = place.open();
    document.set(&path("logging.level"), &json!("debug")).unwrap();
    assert_eq!(save(&document).unwrap(), Saved::Written);
    assert_eq!(place.text(), "{ logging: { level: \"debug\" } }");
}

#[test]
fn a_file_that_does_not_parse_is_not_touched() {
    let place = Place::with("{ a: ");
    assert!(matches!(Document::open(&location(&place.path)), Err(EditError::Invalid(_))));
}

#[test]
fn a_new_file_is_its_owners_only() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("new/moonrelay/config.json5");
    let mut document = Document::open(&location(&file)).unwrap();
    document.set(&path("logging.level"), &json!("debug")).unwrap();
    assert_eq!(save(&document).unwrap(), Saved::Written);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\n  \"logging\": {\n    \"level\": \"debug\"\n  }\n}\n");
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn an_existing_file_keeps_its_mode_and_a_link_stays_a_link() {
    let place = Place::with("{}");
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = place.directory.path().join("link.json5");
    symlink(&place.path, &link).unwrap();
    let mut document = Document::open(&location(&link)).unwrap();
    document.set(&path("logging.level"), &json!("debug")).unwrap();
    save(&document).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(mode(&place.path), 0o640);
    assert!(place.text().contains("debug"));
}

#[test]
fn a_managed_file_is_refused_with_the_lines_for_nix() {
    let refused = |document: &Document, environment: &Environment| match document.save(environment) {
        Err(EditError::Managed(managed)) => managed.to_string(),
        other => panic!("{other:?}"),
    };
    let place = Place::with("{}");
    let mut document = place.open();
    document.set(&path("agents.defaults.models[\"kimi/k3\"].alias"), &json!("big")).unwrap();
    let nix: Environment = [("MOONRELAY_NIX_MODE", "1")].into_iter().collect();
    let text = "MOONRELAY_NIX_MODE=1: the configuration is managed by Nix. Add to your Nix configuration instead:\n  \
                services.moonrelay.settings.agents.defaults.models.\"kimi/k3\".alias = \"big\";";
    assert_eq!(refused(&document, &nix), text);
    assert_eq!(place.text(), "{}");

    let place = Place::with(FILE);
    let mut document = place.open();
    document.push(&path("agents.defaults.model.fallbacks"), &json!("kimi/k3")).unwrap();
    document.remove(&path("agents.defaults.model.fallbacks[0]")).unwrap();
    document.set(&path("models.providers.kimi.apiKey"), &json!("sk-secret")).unwrap();
    let text = refused(&document, &nix);
    let lines: Vec<&str> = text.lines().skip(1).map(str::trim).collect();
    let expected = [
        "services.moonrelay.settings.agents.defaults.model.fallbacks = [ \"kimi/k3\" ];",
        "services.moonrelay.settings.models.providers.kimi.apiKey = \"***\";",
    ];
    assert_eq!(lines, expected);

    let link = place.directory.path().join("store.json5");
    symlink("/nix/store/0000-moonrelay/config.json5", &link).unwrap();
    let mut document = Document::open(&location(&link)).unwrap();
    document.set(&path("logging.level"), &json!("debug")).unwrap();
    let text = refused(&document, &Environment::default());
    assert!(
        text.contains("leads into the Nix store") && text.contains("logging.level = \"debug\";"),
        "{text}"
    );
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn values_are_found_by_path() {
    let document = Place::with(FILE).open();
    assert_eq!(document.get(&path("agents.defaults.model.fallbacks[0]")), Some(json!("openrouter/auto")));
    assert_eq!(document.get(&path("agents.defaults.model.fallbacks[1]")), None);
    assert_eq!(document.get(&path("agents.x.y")), None::<Value>);
}
