use std::fs;

use serde_json::{Value, json};

use super::{CustomProvider, ProviderSetup};
use crate::cli::onboard::choice::Region;
use crate::config::Location;
use crate::config::edit::Document;

fn setup(id: &str) -> ProviderSetup {
    ProviderSetup {
        id: id.to_owned(),
        base_url: None,
        region: None,
        custom: None,
        model: None,
        is_primary: false,
    }
}

fn moonshot(region: Region) -> ProviderSetup {
    ProviderSetup { region: Some(region), ..setup("moonshot") }
}

fn read(text: &str) -> Document {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json5");
    fs::write(&path, text).unwrap();
    Document::read(&Location { path, explicit: true }).unwrap()
}

fn after(setup: &ProviderSetup, text: &str) -> String {
    let mut document = read(text);
    setup.apply_to_document(true, &mut document).unwrap();
    document.text()
}

#[test]
fn the_catalogs_providers_need_nothing_but_their_key() {
    for id in ["kimi", "moonshot", "openrouter"] {
        assert_eq!(after(&setup(id), "{ /* mine */ }"), "{ /* mine */ }");
    }
    assert_eq!(after(&moonshot(Region::Ai), "{}"), "{}");
    let replaced = after(&setup("kimi"), "{ models: { mode: 'replace' } }");
    assert!(replaced.contains("\"kimi\": {}"), "{replaced}");
}

#[test]
fn the_site_is_the_chosen_one_and_somebodys_proxy_stays() {
    let of = |text: &str| format!("{{ models: {{ providers: {{ Moonshot: {{ baseUrl: {text} }} }} }} }}");
    let (ai, cn) = ("\"https://api.moonshot.ai/v1\"", "\"https://api.moonshot.cn/v1\"");
    assert_eq!(after(&moonshot(Region::Ai), &of(cn)), of(ai));
    assert_eq!(after(&moonshot(Region::Cn), &of(ai)), of(cn));
    assert_eq!(
        after(&moonshot(Region::Cn), &of("'https://api.moonshot.cn/v1'")),
        of("'https://api.moonshot.cn/v1'")
    );
    let proxy = of("'http://127.0.0.1:9/v1'");
    assert_eq!(after(&moonshot(Region::Cn), &proxy), proxy);
    let given = ProviderSetup { base_url: Some("http://127.0.0.1:8/v1".to_owned()), ..moonshot(Region::Ai) };
    assert_eq!(after(&given, &proxy), of("\"http://127.0.0.1:8/v1\""));
    assert!(after(&moonshot(Region::Cn), "{}").contains(cn));
}

#[test]
fn the_key_goes_where_the_file_looks_for_it() {
    let of = |key: &str| format!("{{ models: {{ providers: {{ kimi: {{ apiKey: {key} }} }} }} }}");
    for (written, name, setting) in [
        ("'${WORK_KEY}'", "WORK_KEY", None),
        ("{ source: 'env', id: 'WORK_KEY' }", "WORK_KEY", None),
        ("'sk-kimi-literal'", "KIMI_API_KEY", Some(json!("${KIMI_API_KEY}"))),
        ("'Bearer ${X}'", "KIMI_API_KEY", Some(json!("${KIMI_API_KEY}"))),
        ("{ source: 'file', id: '/k' }", "KIMI_API_KEY", Some(json!("${KIMI_API_KEY}"))),
        ("['${A}', '${KIMI_API_KEY}']", "KIMI_API_KEY", None),
        ("['${A}']", "KIMI_API_KEY", Some(json!(["${KIMI_API_KEY}", "${A}"]))),
    ] {
        let variable = setup("kimi").key_variable(&read(&of(written)));
        assert_eq!((variable.name.as_str(), &variable.setting), (name, &setting), "{written}");
    }
    let literal = of("'sk-kimi-literal'");
    let mut document = read(&literal);
    setup("kimi").apply_to_document(false, &mut document).unwrap();
    assert_eq!(document.text(), literal, "the key that is there stays where it is");
    assert!(setup("kimi").replaces_key(&document) && !setup("kimi").replaces_key(&read(&of("'${X}'"))));
    let without = after(&setup("kimi"), "{ models: { providers: { kimi: { auth: 'none' } } } }");
    assert!(!without.contains("none"), "a key is sent: {without}");
}

#[test]
fn a_custom_provider_is_whole() {
    let custom = |keyless| ProviderSetup {
        base_url: Some("http://127.0.0.1:9/v1".to_owned()),
        custom: Some(CustomProvider { api: "anthropic-messages", is_keyless: keyless }),
        model: Some("m-1".to_owned()),
        ..setup("my-lab.2")
    };
    let written = |text: &str, keyless| -> Value {
        let mut document = read(text);
        custom(keyless).apply_to_document(true, &mut document).unwrap();
        let again = document.text();
        custom(keyless).apply_to_document(true, &mut document).unwrap();
        assert_eq!(document.text(), again, "a second time changes nothing");
        document.get(&super::providers_path().join_key("my-lab.2")).unwrap()
    };
    let expected = json!({ "baseUrl": "http://127.0.0.1:9/v1", "api": "anthropic-messages",
        "apiKey": "${MY_LAB_2_API_KEY}", "models": [{ "id": "m-1" }] });
    assert_eq!(written("{}", false), expected);
    let expected = json!({ "baseUrl": "http://127.0.0.1:9/v1", "api": "anthropic-messages", "auth": "none",
        "models": [{ "id": "m-1" }] });
    assert_eq!(written("{}", true), expected);
    let more = written("{ models: { providers: { 'my-lab.2': { models: [{ id: 'm-0' }] } } } }", false);
    assert_eq!(more["models"], json!([{ "id": "m-0" }, { "id": "m-1" }]));
}
