use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

use futures_util::stream;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{KeyCheck, KeyVerdict, check_key};
use crate::cli::onboard::choice::{Choice, Region};
use crate::config::settings::Provider;
use crate::config::{Environment, from_text};
use crate::failure::{Failure, Reason};
use crate::upstream::{Connector, UpstreamRequest, UpstreamResponse};

/// Answers by host and route, and records which host received which key.
struct Hosts {
    answers: Vec<(&'static str, u16, &'static str)>,
    asked: Mutex<Vec<String>>,
}

impl Hosts {
    fn of(answers: &[(&'static str, u16, &'static str)]) -> Self {
        Self { answers: answers.to_vec(), asked: Mutex::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Connector for Hosts {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        assert_eq!(call.headers["user-agent"], concat!("moonrelay/", env!("CARGO_PKG_VERSION")));
        self.asked.lock().unwrap().push(call.url.to_string());
        let answer = self.answers.iter().find(|(url, _, _)| call.url == *url).copied();
        Box::pin(async move {
            let Some((_, status, body)) = answer else {
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
    check_key(&KeyCheck { provider, region: choice.region(), other_base_url: None }, hosts).await
}

#[tokio::test]
async fn a_key_of_the_other_site_is_named_either_way() {
    let hosts = Hosts::of(&[(AI, 401, WRONG), (CN, 200, LIST)]);
    let ai = provider("moonshot", None, "sk-1");
    let found = verdict(&ai, Choice::MoonshotApiKey, &hosts).await;
    assert_eq!(found, KeyVerdict::OtherRegion { right: Region::Cn });
    assert_eq!(hosts.asked(), [AI, CN]);
    assert_eq!(found.correct_choice(), Some(Choice::MoonshotApiKeyCn));
    let words = found.to_text(Choice::MoonshotApiKey, "it");
    assert!(words.contains("api.moonshot.cn takes it, and api.moonshot.ai does not"), "{words}");

    let hosts = Hosts::of(&[(CN, 401, WRONG), (AI, 200, LIST)]);
    let cn = provider("moonshot", Some("https://api.moonshot.cn/v1"), "sk-1");
    let found = verdict(&cn, Choice::MoonshotApiKeyCn, &hosts).await;
    assert_eq!(found, KeyVerdict::OtherRegion { right: Region::Ai });

    let neither = Hosts::of(&[(CN, 401, WRONG), (AI, 401, WRONG)]);
    let refused = verdict(&cn, Choice::MoonshotApiKeyCn, &neither).await;
    assert!(matches!(refused, KeyVerdict::Refused { .. }), "{refused:?}");
}

#[tokio::test]
async fn behind_a_proxy_the_key_goes_to_no_other_host_unless_somebody_names_it() {
    let base = "https://proxy.example/v1";
    let proxy = provider("moonshot", Some(base), "sk-1");
    let hosts =
        Hosts::of(&[("https://proxy.example/v1/models", 401, WRONG), (AI, 200, LIST), (CN, 200, LIST)]);
    let refused = verdict(&proxy, Choice::MoonshotApiKey, &hosts).await;
    assert!(matches!(refused, KeyVerdict::Refused { .. }), "{refused:?}");
    assert_eq!(hosts.asked().len(), 1, "{:?}", hosts.asked());
    let question = KeyCheck {
        provider: &proxy,
        region: Some(Region::Ai),
        other_base_url: Some("https://api.moonshot.cn/v1/"),
    };
    assert_eq!(check_key(&question, &hosts).await, KeyVerdict::OtherRegion { right: Region::Cn });
}

#[tokio::test]
async fn a_key_that_is_plainly_anothers_is_sent_to_nobody() {
    let hosts = Hosts::of(&[]);
    for (id, choice, key, right) in [
        ("moonshot", Choice::MoonshotApiKey, "sk-kimi-1", Choice::KimiCodeApiKey),
        ("moonshot", Choice::MoonshotApiKey, "sk-or-v1-1", Choice::OpenrouterApiKey),
        ("kimi", Choice::KimiCodeApiKey, "sk-or-v1-1", Choice::OpenrouterApiKey),
        ("openrouter", Choice::OpenrouterApiKey, "sk-kimi-1", Choice::KimiCodeApiKey),
    ] {
        let found = verdict(&provider(id, None, key), choice, &hosts).await;
        assert_eq!(found, KeyVerdict::OtherProduct { right, certain: true }, "{id} {key}");
        let words = found.to_text(choice, "it");
        assert!(words.contains("the key is one of ") && !words.contains(key), "{words}");
        assert_eq!(found.correct_choice(), Some(right));
    }
    assert_eq!(hosts.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_proxy_decides_about_any_key_and_a_plain_key_that_kimi_refuses_is_suspected() {
    let proxy = provider("moonshot", Some("https://proxy.example/v1"), "sk-kimi-1");
    let takes = Hosts::of(&[("https://proxy.example/v1/models", 200, LIST)]);
    assert!(verdict(&proxy, Choice::MoonshotApiKey, &takes).await.is_usable());
    let refuses = Hosts::of(&[("https://proxy.example/v1/models", 401, WRONG)]);
    let right = Choice::KimiCodeApiKey;
    assert_eq!(
        verdict(&proxy, Choice::MoonshotApiKey, &refuses).await,
        KeyVerdict::OtherProduct { right, certain: true }
    );
    let kimi = Hosts::of(&[("https://api.kimi.com/coding/v1/models", 401, WRONG)]);
    let found = verdict(&provider("kimi", None, "sk-1"), Choice::KimiCodeApiKey, &kimi).await;
    assert_eq!(found, KeyVerdict::OtherProduct { right: Choice::MoonshotApiKey, certain: false });
}

#[tokio::test]
async fn openrouters_list_is_open_so_the_key_is_asked_about_itself() {
    let url = "https://openrouter.ai/api/v1/key";
    let openrouter = provider("openrouter", None, "sk-or-v1-1");
    let good = Hosts::of(&[(url, 200, r#"{"data":{"label":"sk-or-v1-1"}}"#)]);
    let found = verdict(&openrouter, Choice::OpenrouterApiKey, &good).await;
    assert_eq!(found, KeyVerdict::Accepted { models: None, note: None });
    let wrong = Hosts::of(&[(url, 401, r#"{"error":{"code":401,"message":"User not found. KEY"}}"#)]);
    let found = verdict(&openrouter, Choice::OpenrouterApiKey, &wrong).await;
    let KeyVerdict::Refused { message: said } = found else { panic!("{found:?}") };
    assert!(said.contains("User not found") && !said.contains("sk-or-v1-1"), "{said}");
}

#[tokio::test]
async fn an_account_without_money_has_a_good_key_and_silence_is_no_answer() {
    let moonshot = provider("moonshot", None, "sk-1");
    let broke = r#"{"error":{"type":"exceeded_current_quota_error","message":"Your account is suspended due to insufficient balance, please recharge your account or check your plan and billing details"}}"#;
    let found = verdict(&moonshot, Choice::MoonshotApiKey, &Hosts::of(&[(AI, 429, broke)])).await;
    assert!(
        matches!(&found, KeyVerdict::Accepted { note: Some(note), .. } if note.contains("balance")),
        "{found:?}"
    );
    for hosts in [Hosts::of(&[]), Hosts::of(&[(AI, 502, "<html>")]), Hosts::of(&[(AI, 200, "<html>")])] {
        let found = verdict(&moonshot, Choice::MoonshotApiKey, &hosts).await;
        assert!(matches!(found, KeyVerdict::Unreachable { .. }) && !found.is_usable(), "{found:?}");
    }
    let lab = provider("lab", Some("https://lab.example/v1"), "x");
    let bare = Hosts::of(&[("https://lab.example/v1/models", 404, "{}")]);
    let found = verdict(&lab, Choice::Custom, &bare).await;
    assert!(matches!(found, KeyVerdict::Unverified { .. }) && found.is_usable(), "{found:?}");
}
