use std::collections::BTreeMap;
use std::fs;

use super::super::file::Tree;
use super::super::keys::SecretSetting;
use super::{Environment, Missing, Variables};

fn block(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn only_upper_case_names_in_braces_are_variables() {
    let environment: Environment = [("A1", "x"), ("_B", "y")].into_iter().collect();
    let variables = Variables::new(&environment, BTreeMap::new(), None);
    for (text, expected) in [
        ("${A1}/$${A1}/${_B}/${lower}/$5", "x/${A1}/y/${lower}/$5"),
        ("Bearer ${A1}", "Bearer x"),
        ("$$5 $$ $", "$$5 $$ $"),
        ("${A1", "${A1"),
        ("${}${1A}${A-B}", "${}${1A}${A-B}"),
        ("$$${A1}", "$${A1}"),
        ("a$b${A1}ü", "a$bxü"),
    ] {
        assert_eq!(variables.interpolate(text).unwrap().0, expected, "{text}");
    }
    assert_eq!(variables.interpolate("${A1}${MISSING}"), Err(Missing::Variables(vec!["MISSING".to_owned()])));
}

#[test]
fn variable_is_looked_up_in_process_credentials_secrets_file_and_env_block() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("moonrelay");
    let credentials = directory.path().join("credentials");
    fs::create_dir_all(&config).unwrap();
    fs::create_dir_all(&credentials).unwrap();
    fs::write(config.join("env"), "A=file\nB=file\nC=file\nE=file\n").unwrap();
    fs::write(credentials.join("A"), "credential\n").unwrap();
    fs::write(credentials.join("B"), "credential\n").unwrap();
    fs::write(credentials.join("E"), " \n").unwrap();
    let home = directory.path().to_str().unwrap();
    let pairs = [
        ("A", "process"),
        ("C", " "),
        ("XDG_CONFIG_HOME", home),
        ("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap()),
    ];
    let environment: Environment = pairs.into_iter().collect();
    let all = block(&[("A", "block"), ("B", "block"), ("C", "block"), ("D", "block"), ("F", "")]);
    let variables = Variables::new(&environment, all, None);
    let found = |name| variables.find_variable(name).map(|(value, origin)| format!("{value} from {origin}"));
    assert_eq!(found("A").as_deref(), Some("process from env A"));
    assert_eq!(found("B").as_deref(), Some("credential from credential B"));
    assert_eq!(found("C").as_deref(), Some("file from secrets file C"));
    assert_eq!(found("D").as_deref(), Some("block from env block D"));
    assert_eq!(found("E").as_deref(), Some("file from secrets file E"));
    assert_eq!(found("F"), None);
    assert_eq!(found("../moonrelay/env"), None);
}

fn secret(variables: &Variables, text: &str) -> Result<(String, String), String> {
    let value = Tree::parse(text).unwrap().root.value.to_json();
    let setting: SecretSetting = serde_json::from_value(value).unwrap();
    let found = variables.resolve_secret(&setting).map_err(|missing| missing.to_string())?;
    Ok((found.0.expose().to_owned(), found.1.to_string()))
}

#[test]
fn secret_reference_is_resolved_from_its_source() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("key"), "sk-file\n").unwrap();
    let place = directory.path().to_str().unwrap();
    let pairs = [("X", "sk-env"), ("CREDENTIALS_DIRECTORY", place), ("HOME", place)];
    let environment: Environment = pairs.into_iter().collect();
    let variables = Variables::new(&environment, BTreeMap::new(), Some(directory.path()));
    let is = |value: &str, origin: &str| Ok((value.to_owned(), origin.to_owned()));
    assert_eq!(secret(&variables, "{ source: 'env', id: 'X' }"), is("sk-env", "env X"));
    assert_eq!(secret(&variables, "{ source: 'credential', id: 'key' }"), is("sk-file", "credential key"));
    let origin = format!("file {place}/key");
    for id in ["key".to_owned(), format!("{place}/key"), "~/key".to_owned()] {
        assert_eq!(secret(&variables, &format!("{{ source: 'file', id: '{id}' }}")), is("sk-file", &origin));
    }
    assert_eq!(secret(&variables, "'literal'"), is("literal", "the configuration"));
    assert_eq!(secret(&variables, "'${X}'"), is("sk-env", "env X"));
    let missing = "the file nowhere cannot be read or is empty";
    assert_eq!(secret(&variables, "{ source: 'file', id: 'nowhere' }"), Err(missing.to_owned()));
    assert_eq!(secret(&variables, "{ source: 'env', id: 'Y' }"), Err("Y is not set or empty".to_owned()));
    assert_eq!(secret(&variables, "' '"), Err("it is empty".to_owned()));
}
