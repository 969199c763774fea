use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Document, EditError, SaveOutcome};
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

    fn read(&self) -> Document {
        Document::read(&location(&self.path)).unwrap()
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

fn save(document: &Document) -> Result<SaveOutcome, EditError> {
    document.save(&Environment::default())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn change_keeps_comments_quotes_and_order() {
    let place = Place::with(FILE);
    let mut document = place.open();
    document.set(&path("agents.defaults.model.primary"), &json!("kimi/k3")).unwrap();
    document.push(&path("agents.defaults.model.fallbacks"), &json!("moonshot/kimi-k2.6")).unwrap();
    document.set(&path("gateway.port"), &json!(2000)).unwrap();
    assert!(save(&document).unwrap().is_written());
    let expected = FILE
        .replace("'moonshot/kimi-k3'", "\"kimi/k3\"")
        .replace("// last\n", "// last\n          \"moonshot/kimi-k2.6\",\n")
        .replace("  /* the end */", "  \"gateway\": {\n    \"port\": 2000\n  },\n  /* the end */");
    assert_eq!(place.text(), expected);
}

#[test]
fn unchanged_file_keeps_every_byte() {
    let text = format!("\u{feff}{}", FILE.replace('\n', "\r\n"));
    let place = Place::with(&text);
    let mut document = place.open();
    document.set(&path("agents.defaults.model.primary"), &json!("moonshot/kimi-k3")).unwrap();
    assert!(!document.remove(&path("agents.defaults.nothing")).unwrap());
    assert_eq!(save(&document).unwrap(), SaveOutcome::Unchanged);
    assert_eq!(place.text(), text);
    document.set(&path("agents.defaults.model.primary"), &json!("kimi/k3")).unwrap();
    assert!(save(&document).unwrap().is_written());
    assert_eq!(place.text(), text.replace("'moonshot/kimi-k3'", "\"kimi/k3\""));
}

#[test]
fn list_elements_are_replaced_and_removed_in_place() {
    let place = Place::with("{ failover: { cooldown: { stepsSeconds: [1, /* two */ 2, 3] } } }");
    let mut document = place.open();
    document.set(&path("failover.cooldown.stepsSeconds[1]"), &json!(20)).unwrap();
    assert!(document.remove(&path("failover.cooldown.stepsSeconds[2]")).unwrap());
    save(&document).unwrap();
    let now = place.read().get(&path("failover.cooldown.stepsSeconds")).unwrap();
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
fn change_that_makes_the_file_invalid_is_not_written() {
    let place = Place::with(FILE);
    let mut document = place.open();
    document.set(&path("agents.defaults.model.primary"), &json!("moonshot/kimi-k9")).unwrap();
    let Err(EditError::Invalid(invalid)) = save(&document) else { panic!("it is wrong") };
    assert!(invalid.to_string().contains("did you mean \"kimi-k3\"?"), "{invalid}");
    assert_eq!(place.text(), FILE);
}

#[test]
fn change_may_fix_an_invalid_file() {
    let place = Place::with("{ logging: { level: 'lots' } }");
    let mut document = place.open();
    document.set(&path("logging.level"), &json!("debug")).unwrap();
    assert!(save(&document).unwrap().is_written());
    assert_eq!(place.text(), "{ logging: { level: \"debug\" } }");
}

#[test]
fn file_that_does_not_parse_is_not_changed() {
    let place = Place::with("{ a: ");
    assert!(matches!(Document::open(&location(&place.path)), Err(EditError::Invalid(_))));
}

#[test]
fn replaced_content_is_kept_as_a_backup() {
    let place = Place::with(FILE);
    let mut document = place.open();
    document.set(&path("gateway.port"), &json!(2000)).unwrap();
    let kept = place.path.with_file_name("config.json5.bak");
    assert_eq!(save(&document).unwrap(), SaveOutcome::Written { backup: Some(kept.clone()) });
    assert_eq!((fs::read_to_string(&kept).unwrap().as_str(), mode(&kept)), (FILE, 0o600));
    drop(document);
    let mut document = place.open();
    document.set(&path("gateway.port"), &json!(2000)).unwrap();
    assert_eq!(save(&document).unwrap(), SaveOutcome::Unchanged);
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 2, "no change, no backup");
}

#[test]
fn new_file_is_readable_by_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("new/moonrelay/config.json5");
    let mut document = Document::open(&location(&file)).unwrap();
    document.set(&path("logging.level"), &json!("debug")).unwrap();
    assert_eq!(save(&document).unwrap(), SaveOutcome::Written { backup: None });
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\n  \"logging\": {\n    \"level\": \"debug\"\n  }\n}\n");
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn existing_file_keeps_its_mode_and_link_stays_a_link() {
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
fn managed_file_is_rejected_with_lines_for_nix() {
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
        "services.moonrelay.settings.models.providers.kimi.apiKey = { source = \"credential\"; id = \"KIMI_API_KEY\"; };",
        "services.moonrelay.credentials.KIMI_API_KEY = \"/path/to/it\"; # a file with the value alone, outside of the store",
    ];
    assert_eq!(lines, expected);

    let link = place.directory.path().join("store.json5");
    symlink("/nix/store/0000-moonrelay/config.json5", &link).unwrap();
    let mut document = Document::open(&location(&link)).unwrap();
    document.set(&path("logging.level"), &json!("debug")).unwrap();
    let text = refused(&document, &Environment::default());
    assert!(
        text.contains("is a link into the Nix store") && text.contains("logging.level = \"debug\";"),
        "{text}"
    );
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn links_are_followed_to_their_end() {
    let place = Place::with("{}");
    let at = |name: &str| place.directory.path().join(name);
    // What home-manager makes, after the generation was collected.
    symlink("/nix/store/0000-files/moonrelay/config.json5", at("second")).unwrap();
    symlink("second", at("first")).unwrap();
    symlink("/nix/store/0000-files/moonrelay", at("directory")).unwrap();
    for path in [at("second"), at("first"), at("directory").join("config.json5")] {
        let managed = super::find_manager(&path, &Environment::default());
        assert!(managed.is_some(), "{}", path.display());
    }
    assert_eq!(super::find_manager(&place.path, &Environment::default()), None);
    // A chain whose end is missing, but not in the store, is written at its end.
    fs::create_dir(at("deep")).unwrap();
    symlink("../new.json5", at("deep/link")).unwrap();
    symlink("deep/link", at("chain")).unwrap();
    let mut document = Document::open(&location(&at("chain"))).unwrap();
    document.set(&path("logging.level"), &json!("debug")).unwrap();
    save(&document).unwrap();
    assert!(fs::read_to_string(at("new.json5")).unwrap().contains("debug"));
    assert!(fs::symlink_metadata(at("deep/link")).unwrap().is_symlink());
    symlink("circle", at("circle")).unwrap();
    let error = super::replace_file(&at("circle"), "{}", &Environment::default()).unwrap_err();
    assert!(error.to_string().contains("too many links"), "{error}");
}

/// Each of so many threads sets a variable of its own.
fn set_at_once(file: &Path) {
    const THREADS: usize = 20;
    let start = std::sync::Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (start, file) = (&start, &file);
            scope.spawn(move || {
                start.wait();
                let mut document = Document::open(&location(file)).unwrap();
                document.set(&path(&format!("env.K{number}")), &json!("v")).unwrap();
                assert!(save(&document).unwrap().is_written());
            });
        }
    });
    let document = Document::read(&location(file)).unwrap();
    assert_eq!(document.get(&path("env")).unwrap().as_object().unwrap().len(), THREADS);
}

#[test]
fn concurrent_changes_all_survive() {
    let place = Place::with("{ // mine\n}");
    set_at_once(&place.path);
    assert!(place.text().contains("// mine"));
    // The second of two files in a directory, through a link from another.
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("config.json5");
    symlink(place.directory.path().join("other.json5"), &link).unwrap();
    set_at_once(&link);
}

#[test]
fn concurrent_changes_survive_without_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    set_at_once(&directory.path().join("new/moonrelay/config.json5"));
    // As it is when the other one is faster: both found nothing.
    let file = directory.path().join("newer/config.json5");
    let mut one = Document::open(&location(&file)).unwrap();
    let mut other = Document::open(&location(&file)).unwrap();
    one.push(&path("failover.cooldown.stepsSeconds"), &json!(1)).unwrap();
    other.push(&path("failover.cooldown.stepsSeconds"), &json!(2)).unwrap();
    save(&one).unwrap();
    save(&other).unwrap();
    let steps = Document::read(&location(&file)).unwrap().get(&path("failover.cooldown.stepsSeconds"));
    assert_eq!(steps, Some(json!([1, 2])));
}

#[test]
fn invalid_file_can_be_fixed_step_by_step() {
    let place = Place::with("{ logging: { level: 'lots' }, gateway: { port: 'x', reload: true } }");
    let attempt = |change: &dyn Fn(&mut Document)| {
        let mut document = place.open();
        change(&mut document);
        save(&document)
    };
    let before = place.text();
    // Neither what leaves both errors, nor what trades one for another.
    for (at, value) in [("gateway.reload", json!(false)), ("gateway.port", json!("y"))] {
        let refused = attempt(&|document| document.set(&path(at), &value).unwrap());
        let Err(EditError::AlreadyInvalid { before: wrong, added }) = refused else { panic!("{refused:?}") };
        assert_eq!((wrong.issues.len(), added.is_some()), (2, at == "gateway.port"));
    }
    assert_eq!(place.text(), before);
    let fixed = attempt(&|document| document.set(&path("gateway.port"), &json!(1)).unwrap());
    assert!(fixed.unwrap().is_written());
    assert_eq!(place.read().issues(&Environment::default()).len(), 1);
    let fixed = attempt(&|document| assert!(document.remove(&path("logging.level")).unwrap()));
    assert!(fixed.unwrap().is_written());
    assert_eq!(place.read().issues(&Environment::default()), []);
}

#[test]
fn element_can_be_removed_before_another_invalid_one() {
    let place = Place::with("{ failover: { cooldown: { stepsSeconds: ['a', 1, 'b'] } } }");
    for (index, left) in [(0, 1), (1, 0)] {
        let mut document = place.open();
        document.remove(&path("failover.cooldown.stepsSeconds").join_index(index)).unwrap();
        assert!(save(&document).unwrap().is_written());
        assert_eq!(document.issues(&Environment::default()).len(), left);
    }
}

#[test]
fn values_are_found_by_path() {
    let document = Place::with(FILE).open();
    assert_eq!(document.get(&path("agents.defaults.model.fallbacks[0]")), Some(json!("openrouter/auto")));
    assert_eq!(document.get(&path("agents.defaults.model.fallbacks[1]")), None);
    assert_eq!(document.get(&path("agents.x.y")), None::<Value>);
}

#[test]
fn last_of_duplicate_keys_is_changed() {
    let place = Place::with("{ logging: { level: 'info' }, logging: { level: 'warn' } }");
    let mut document = place.open();
    document.set(&path("logging.level"), &json!("debug")).unwrap();
    assert_eq!(document.get(&path("logging.level")), Some(json!("debug")));
    assert_eq!(document.text(), "{ logging: { level: 'info' }, logging: { level: \"debug\" } }");
}
