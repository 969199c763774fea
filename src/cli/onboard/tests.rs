use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

use futures_util::stream;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::choice::{Choice, Region};
use super::key_check::{KeyCheck, KeyVerdict, choice_for_other_product, parse_key, suspect_product};
use super::provider_config::{CustomProvider, ProviderSetup, providers_path};
use crate::catalog::{AdapterId, builtin_catalog};
use crate::config::edit::Document;
use crate::config::settings::Provider;
use crate::config::{Environment, Location, from_text};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::secret::Secret;
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse};

#[test]
fn choices_and_regions_match_the_catalog() {
    use clap::ValueEnum;
    for choice in Choice::value_variants() {
        let provider = choice.info().provider;
        assert!(provider.is_none_or(|id| builtin_catalog().provider(id).is_some()), "{choice:?}");
    }
    for region in [Region::Ai, Region::Cn] {
        let info = region.info();
        let known = builtin_catalog().find_by_host(info.host).unwrap();
        let base =
            known.base_urls.iter().find(|(api, _)| *api == Api::ChatCompletions).map(|(_, base)| &**base);
        assert_eq!(base, Some(info.base_url));
        assert_eq!(info.choice.info().region, Some(region));
    }
}

#[test]
fn invalid_key_is_rejected_without_printing_it() {
    assert_eq!(parse_key(" sk-1\r\n").map(|key| key.expose().to_owned()), Ok("sk-1".to_owned()));
    for (text, why) in [
        ("", "no key"),
        (" \n", "no key"),
        ("sk-1 sk-2", "white space"),
        ("sk-1\nsk-2\n", "white space"),
        ("'sk-1'", "quotes"),
        ("sk-…", "characters"),
        ("sk-\u{7}", "characters"),
    ] {
        let error = parse_key(text).map(|_| ()).unwrap_err();
        assert!(error.contains(why) && !error.contains("sk-"), "{text:?}: {error}");
    }
}

#[test]
fn key_prefix_identifies_the_product() {
    use AdapterId::{Generic, KimiCode, Moonshot, OpenRouter};
    let key = |text: &str| Secret::new(text.to_owned());
    for (adapter, text, certain, probable) in [
        (Moonshot, "sk-kimi-1", Some(Choice::KimiCodeApiKey), None),
        (Moonshot, "sk-or-v1-1", Some(Choice::OpenrouterApiKey), None),
        (Moonshot, "sk-1", None, None),
        (KimiCode, "sk-kimi-1", None, None),
        (KimiCode, "eyJ0", None, None),
        (KimiCode, "sk-1", None, Some(Choice::MoonshotApiKey)),
        (KimiCode, "sk-or-v1-1", Some(Choice::OpenrouterApiKey), None),
        (OpenRouter, "sk-kimi-1", Some(Choice::KimiCodeApiKey), None),
        (OpenRouter, "sk-1", None, Some(Choice::MoonshotApiKey)),
        (OpenRouter, "sk-ant-1", None, None),
        (Generic, "sk-kimi-1", None, None),
    ] {
        let found = (choice_for_other_product(adapter, &key(text)), suspect_product(adapter, &key(text)));
        assert_eq!(found, (certain, probable), "{adapter:?} {text}");
    }
}

/// Responds by URL, and records the URLs.
struct Hosts {
    responses: Vec<(&'static str, u16, &'static str)>,
    requests: Mutex<Vec<String>>,
}

impl Hosts {
    fn of(responses: &[(&'static str, u16, &'static str)]) -> Self {
        Self { responses: responses.to_vec(), requests: Mutex::default() }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Connector for Hosts {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        assert_eq!(call.headers["user-agent"], concat!("moonrelay/", env!("CARGO_PKG_VERSION")));
        self.requests.lock().unwrap().push(call.url.to_string());
        let response = self.responses.iter().find(|(url, _, _)| call.url == *url).copied();
        Box::pin(async move {
            let Some((_, status, body)) = response else {
                return Err(Failure::new(Reason::Network, "connection refused"));
            };
            let key = call.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
            let body = body.replace("KEY", key);
            Ok(UpstreamResponse {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: Box::pin(stream::once(async move { Ok(body.into()) })),
            })
        })
    }
}

const WRONG: &str = r#"{"error":{"message":"Invalid Authentication","type":"invalid_authentication_error"}}"#;
const LIST: &str =
    r#"{"object":"list","data":[{"id":"kimi-k3"},{"id":"kimi-k2.6","context_length":262144}]}"#;
const AI: &str = "https://api.moonshot.ai/v1/models";
const CN: &str = "https://api.moonshot.cn/v1/models";

fn provider(id: &str, base: Option<&str>, key: &str) -> Provider {
    let text = json!({ "models": { "providers": { id: { "baseUrl": base, "apiKey": "${K}" } } } });
    let mut text = text;
    if base.is_none() {
        text["models"]["providers"][id].as_object_mut().unwrap().shift_remove("baseUrl");
    }
    let environment: Environment = [("K", key)].into_iter().collect();
    let settings = from_text(&text.to_string(), None, &environment).unwrap();
    settings.providers[id].as_ref().clone()
}

async fn verdict(provider: &Provider, choice: Choice, hosts: &Hosts) -> KeyVerdict {
    KeyCheck { choice, name: "it", other_base_url: None }.run(provider, hosts).await
}

/// The kind of a verdict, and the choice that would accept the key.
fn outcome(found: &KeyVerdict) -> (&'static str, Option<Choice>) {
    (found.kind, found.correct_choice)
}

#[tokio::test]
async fn key_of_the_other_region_is_recognised_in_both_directions() {
    let hosts = Hosts::of(&[(AI, 401, WRONG), (CN, 200, LIST)]);
    let ai = provider("moonshot", None, "sk-1");
    let found = verdict(&ai, Choice::MoonshotApiKey, &hosts).await;
    assert_eq!(outcome(&found), ("wrong_region", Some(Choice::MoonshotApiKeyCn)));
    assert_eq!(hosts.requests(), [AI, CN]);
    let text = &found.text;
    assert!(text.contains("api.moonshot.cn accepts it, and api.moonshot.ai does not"), "{text}");

    let hosts = Hosts::of(&[(CN, 401, WRONG), (AI, 200, LIST)]);
    let cn = provider("moonshot", Some("https://api.moonshot.cn/v1"), "sk-1");
    let found = verdict(&cn, Choice::MoonshotApiKeyCn, &hosts).await;
    assert_eq!(outcome(&found), ("wrong_region", Some(Choice::MoonshotApiKey)));

    let neither = Hosts::of(&[(CN, 401, WRONG), (AI, 401, WRONG)]);
    let refused = verdict(&cn, Choice::MoonshotApiKeyCn, &neither).await;
    assert_eq!(outcome(&refused), ("key_refused", None), "{refused:?}");
}

#[tokio::test]
async fn key_of_a_proxy_is_sent_to_another_host_only_if_its_url_is_given() {
    let base = "https://proxy.example/v1";
    let proxy = provider("moonshot", Some(base), "sk-1");
    let hosts =
        Hosts::of(&[("https://proxy.example/v1/models", 401, WRONG), (AI, 200, LIST), (CN, 200, LIST)]);
    let refused = verdict(&proxy, Choice::MoonshotApiKey, &hosts).await;
    assert_eq!(outcome(&refused), ("key_refused", None), "{refused:?}");
    assert_eq!(hosts.requests().len(), 1, "{:?}", hosts.requests());
    let other_base_url = Some("https://api.moonshot.cn/v1/");
    let check = KeyCheck { choice: Choice::MoonshotApiKey, name: "it", other_base_url };
    let found = check.run(&proxy, &hosts).await;
    assert_eq!(outcome(&found), ("wrong_region", Some(Choice::MoonshotApiKeyCn)));
}

#[tokio::test]
async fn key_with_another_products_prefix_is_not_sent() {
    let hosts = Hosts::of(&[]);
    for (id, choice, key, right) in [
        ("moonshot", Choice::MoonshotApiKey, "sk-kimi-1", Choice::KimiCodeApiKey),
        ("moonshot", Choice::MoonshotApiKey, "sk-or-v1-1", Choice::OpenrouterApiKey),
        ("kimi", Choice::KimiCodeApiKey, "sk-or-v1-1", Choice::OpenrouterApiKey),
        ("openrouter", Choice::OpenrouterApiKey, "sk-kimi-1", Choice::KimiCodeApiKey),
    ] {
        let found = verdict(&provider(id, None, key), choice, &hosts).await;
        assert_eq!(outcome(&found), ("wrong_product", Some(right)), "{id} {key}");
        let text = &found.text;
        assert!(text.contains("the key belongs to ") && !text.contains(key), "{text}");
    }
    assert_eq!(hosts.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn proxy_decides_about_any_key_and_rejected_plain_key_is_suspected() {
    let proxy = provider("moonshot", Some("https://proxy.example/v1"), "sk-kimi-1");
    let accepting = Hosts::of(&[("https://proxy.example/v1/models", 200, LIST)]);
    assert!(verdict(&proxy, Choice::MoonshotApiKey, &accepting).await.is_usable);
    let rejecting = Hosts::of(&[("https://proxy.example/v1/models", 401, WRONG)]);
    let found = verdict(&proxy, Choice::MoonshotApiKey, &rejecting).await;
    assert_eq!(outcome(&found), ("wrong_product", Some(Choice::KimiCodeApiKey)));
    assert!(found.text.starts_with("the key belongs"), "{found:?}");
    let kimi = Hosts::of(&[("https://api.kimi.com/coding/v1/models", 401, WRONG)]);
    let found = verdict(&provider("kimi", None, "sk-1"), Choice::KimiCodeApiKey, &kimi).await;
    assert_eq!(outcome(&found), ("wrong_product", Some(Choice::MoonshotApiKey)));
    assert!(found.text.contains("probably"), "{found:?}");
}

#[tokio::test]
async fn openrouters_list_is_open_so_the_key_is_requests_about_itself() {
    let url = "https://openrouter.ai/api/v1/key";
    let openrouter = provider("openrouter", None, "sk-or-v1-1");
    let good = Hosts::of(&[(url, 200, r#"{"data":{"label":"sk-or-v1-1"}}"#)]);
    let found = verdict(&openrouter, Choice::OpenrouterApiKey, &good).await;
    assert_eq!(found.to_json(), json!({ "result": "ok" }));
    let wrong = Hosts::of(&[(url, 401, r#"{"error":{"code":401,"message":"User not found. KEY"}}"#)]);
    let found = verdict(&openrouter, Choice::OpenrouterApiKey, &wrong).await;
    assert_eq!(found.kind, "key_refused");
    assert!(found.text.contains("User not found") && !found.text.contains("sk-or-v1-1"), "{found:?}");
}

#[tokio::test]
async fn account_without_balance_has_a_valid_key_and_no_response_is_unreachable() {
    let moonshot = provider("moonshot", None, "sk-1");
    let no_balance = r#"{"error":{"type":"exceeded_current_quota_error","message":"Your account is suspended due to insufficient balance, please recharge your account or check your plan and billing details"}}"#;
    let found = verdict(&moonshot, Choice::MoonshotApiKey, &Hosts::of(&[(AI, 429, no_balance)])).await;
    assert!(
        found.kind == "ok"
            && found.is_usable
            && found.to_json()["note"].as_str().unwrap().contains("balance"),
        "{found:?}"
    );
    for hosts in [Hosts::of(&[]), Hosts::of(&[(AI, 502, "<html>")]), Hosts::of(&[(AI, 200, "<html>")])] {
        let found = verdict(&moonshot, Choice::MoonshotApiKey, &hosts).await;
        assert!(found.kind == "unreachable" && !found.is_usable, "{found:?}");
    }
    let lab = provider("lab", Some("https://lab.example/v1"), "x");
    let bare = Hosts::of(&[("https://lab.example/v1/models", 404, "{}")]);
    let found = verdict(&lab, Choice::Custom, &bare).await;
    assert!(found.kind == "unjudged" && found.is_usable, "{found:?}");
}

fn setup(id: &str) -> ProviderSetup {
    ProviderSetup {
        choice: Choice::OpenrouterApiKey,
        id: id.to_owned(),
        base_url: None,
        custom: None,
        model: None,
        is_primary: false,
    }
}

fn moonshot(region: Region) -> ProviderSetup {
    ProviderSetup { choice: region.info().choice, ..setup("moonshot") }
}

fn read(text: &str) -> Document {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json5");
    fs::write(&path, text).unwrap();
    Document::read(&Location { path, explicit: true }).unwrap()
}

fn after(setup: &ProviderSetup, text: &str) -> String {
    let mut document = read(text);
    setup.apply(true, &mut document).unwrap();
    document.text()
}

#[test]
fn catalog_provider_needs_only_its_key() {
    for id in ["kimi", "moonshot", "openrouter"] {
        assert_eq!(after(&setup(id), "{ /* mine */ }"), "{ /* mine */ }");
    }
    assert_eq!(after(&moonshot(Region::Ai), "{}"), "{}");
    let replaced = after(&setup("kimi"), "{ models: { mode: 'replace' } }");
    assert!(replaced.contains("\"kimi\": {}"), "{replaced}");
}

#[test]
fn chosen_region_is_written_and_a_proxy_is_kept() {
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
fn key_is_stored_where_the_file_reads_it() {
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
    setup("kimi").apply(false, &mut document).unwrap();
    assert_eq!(document.text(), literal, "the existing key is unchanged");
    assert!(setup("kimi").replaces_key(&document) && !setup("kimi").replaces_key(&read(&of("'${X}'"))));
    let without = after(&setup("kimi"), "{ models: { providers: { kimi: { auth: 'none' } } } }");
    assert!(!without.contains("none"), "a key is sent: {without}");
}

#[test]
fn custom_provider_is_complete_and_written_once() {
    let custom = |is_keyless| ProviderSetup {
        base_url: Some("http://127.0.0.1:9/v1".to_owned()),
        custom: Some(CustomProvider { api: "anthropic-messages", is_keyless }),
        model: Some("m-1".to_owned()),
        ..setup("my-lab.2")
    };
    let written = |text: &str, is_keyless| -> Value {
        let mut document = read(text);
        custom(is_keyless).apply(true, &mut document).unwrap();
        let again = document.text();
        custom(is_keyless).apply(true, &mut document).unwrap();
        assert_eq!(document.text(), again, "a second time changes nothing");
        document.get(&providers_path().join_key("my-lab.2")).unwrap()
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
