//! The unit of `moonrelay service install` and that of the home-manager module have the same policy.
//!
//! The module's unit is the expected file of an evaluated case; `nix flake check` and `nix/tests/unit.nix`
//! compare that file with the module. The case has the sandbox without user namespaces, which `service install`
//! always uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::process::{command, run};

const MODULE_UNIT: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/nix/tests/eval/simulated-syscalls/moonrelay.service"));

/// Settings that differ on purpose, with the reason.
const DIFFERENCES: [(&str, &str, &str); 7] = [
    ("Unit", "After", "only Nix users have the services that decrypt the secrets of agenix and sops-nix"),
    ("Unit", "Documentation", "only the Nix package installs the manual page"),
    ("Unit", "X-Reload-Triggers", "read by sd-switch, which only home-manager runs"),
    ("Unit", "X-SwitchMethod", "read by sd-switch, which only home-manager runs"),
    ("Service", "EnvironmentFile", "`service install` has no such option"),
    ("Service", "ExecReload", "the same file, given as an argument and as --config"),
    (
        "Service",
        "ExecStopPost",
        "the module's strict sandbox hides the directory, so its `rm` runs outside of it",
    ),
];

/// The values of every setting, by section and key. Booleans are written as systemd's `yes` and `no`.
fn settings(unit: &str) -> BTreeMap<(String, String), Vec<String>> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line:?} is not a setting"));
        let value = match value {
            "true" => "yes",
            "false" => "no",
            other => other,
        };
        found.entry((section.clone(), key.to_owned())).or_default().push(value.to_owned());
    }
    found
}

#[tokio::test]
async fn service_install_and_home_manager_write_the_same_settings() {
    let home = tempfile::tempdir().unwrap();
    let home_path = home.path().to_str().unwrap();
    for name in [".config/moonrelay/config.json5", "keys/moonshot"] {
        let file = home.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "{}").unwrap();
    }
    let config = format!("{home_path}/.config/moonrelay/config.json5");
    let credential = format!("MOONSHOT_API_KEY={home_path}/keys/moonshot");
    let arguments = ["service", "show", "--config", &config, "--credential", &credential];
    let ended = run(command(home.path(), arguments)).await;
    assert_eq!(ended.code, Some(0), "{}", ended.both());

    let (_, command) = ended.stdout.split_once("ExecStart=").unwrap();
    let (program, _) = command.split_once(" gateway run").unwrap();
    let installed =
        settings(&ended.stdout.replace(program, "@moonrelay@/bin/moonrelay").replace(home_path, "%h"));
    let module = settings(MODULE_UNIT);
    assert!(installed.len() > 25 && module.len() > 25, "settings are missing:\n{}", ended.stdout);

    let keys: BTreeSet<_> = installed.keys().chain(module.keys()).collect();
    for key in keys {
        let (here, there) = (installed.get(key), module.get(key));
        let reason = DIFFERENCES.iter().find(|(section, name, _)| (*section, *name) == (&*key.0, &*key.1));
        match reason {
            None => {
                assert_eq!(here, there, "{key:?}: `service install` (left) and home-manager (right) differ")
            }
            Some((.., reason)) => assert_ne!(here, there, "{key:?} does not differ any more: {reason}"),
        }
    }
    for (section, name, _) in DIFFERENCES {
        let key = (section.to_owned(), name.to_owned());
        assert!(module.contains_key(&key), "{key:?} is not a setting of the module");
    }
}
