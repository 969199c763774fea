use super::data::{FILES, parse_files};
use super::{Catalog, Confidence, ThinkingControl, TokenPrices, builtin_catalog};
use crate::protocol::api::Api;

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), [year, month, day]
        if year.len() == 4
            && (1..=12).contains(&month.parse::<u32>().unwrap_or(0))
            && (1..=31).contains(&day.parse::<u32>().unwrap_or(0)))
}

fn providers() -> &'static Catalog {
    parse_files(&FILES).expect("the catalog's files are right");
    builtin_catalog()
}

#[test]
fn every_file_is_read() {
    let ids: Vec<&str> = providers().providers.iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["kimi", "moonshot", "moonshot-cn", "openrouter"]);
}

#[test]
fn every_fact_has_a_source_and_a_date() {
    for provider in &providers().providers {
        assert!(provider.provenance.iter().any(|fact| fact.group == "apis"), "{}", provider.id);
        for fact in &provider.provenance {
            assert!(is_date(&fact.source.as_of), "{} {}: {}", provider.id, fact.model, fact.source.as_of);
            assert!(!fact.source.title.is_empty());
            if fact.source.confidence == Confidence::Vendor {
                assert!(
                    fact.source.url.is_some(),
                    "{} {}: a vendor's word has an address",
                    provider.id,
                    fact.model
                );
            }
        }
        for model in &provider.models {
            let has =
                |group| provider.provenance.iter().any(|fact| fact.model == model.id && fact.group == group);
            assert!(has("abilities"), "{}/{}", provider.id, model.id);
            assert_eq!(has("price"), model.prices.is_some(), "{}/{}", provider.id, model.id);
            assert_eq!(has("prefill"), model.compat.supports_prefill == Some(true), "{}", model.id);
            let instructed = model.compat.continues_on_instruction == Some(true);
            assert_eq!(has("instruction"), instructed, "{}", model.id);
            assert_eq!(has("retired"), model.retirement.is_some(), "{}/{}", provider.id, model.id);
            assert_eq!(has("leaving"), model.planned_retirement.is_some(), "{}/{}", provider.id, model.id);
            let limits = model.context_window.is_some() || model.max_tokens.is_some();
            assert_eq!(has("limits"), limits, "{}/{}", provider.id, model.id);
        }
    }
}

#[test]
fn prefill_support_has_an_observed_source() {
    let mut models = Vec::new();
    for provider in &providers().providers {
        for fact in provider.provenance.iter().filter(|fact| fact.group == "prefill") {
            let source = &fact.source;
            assert!(source.confidence != Confidence::Claimed && source.url.is_some(), "{}", source.title);
            models.push(format!("{}/{}", provider.id, fact.model));
        }
    }
    let moonshot = ["kimi-k3", "kimi-k2.6", "kimi-k2.5"];
    assert_eq!(models, ["moonshot", "moonshot-cn"].map(|id| moonshot.map(|m| format!("{id}/{m}"))).concat());
}

#[test]
fn a_retired_model_has_a_date_and_a_successor_that_is_served() {
    for provider in &providers().providers {
        for model in &provider.models {
            let Some(retired) = model.retirement.as_ref().or(model.planned_retirement.as_ref()) else {
                continue;
            };
            assert!(is_date(&retired.date), "{}: {}", model.id, retired.date);
            let successor = provider.model(&retired.successor).expect("the successor exists");
            assert_eq!(successor.retirement, None, "{} has a successor that is gone", model.id);
            assert!(
                model.planned_retirement.is_none() || successor.planned_retirement.is_none(),
                "{} has a successor that goes too",
                model.id
            );
        }
    }
}

#[test]
fn prices_and_windows_are_plausible() {
    for provider in &providers().providers {
        for model in &provider.models {
            if let Some(cost) = model.prices {
                assert!(cost.cache_read < cost.input && cost.input < cost.output, "{}", model.id);
                assert!(cost.output <= 200_000_000, "{}", model.id);
            }
            if let (Some(max), Some(window)) = (model.max_tokens, model.context_window) {
                assert!(max <= window, "{}", model.id);
            }
            assert!(model.context_window.is_none_or(|window| (8_000..=1_048_576).contains(&window)));
        }
    }
}

#[test]
fn ids_are_unique_and_the_default_is_served() {
    for provider in &providers().providers {
        let mut ids: Vec<&str> = provider.models.iter().map(|model| model.id.as_str()).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "{}", provider.id);
        let default = provider.model(&provider.default_model).expect("the default is listed");
        assert_eq!(default.retirement, None);
        for (old, new) in &provider.model_renames {
            assert!(ids.contains(&new.as_str()) && !ids.contains(&old.as_str()), "{old}");
        }
    }
}

#[test]
fn china_site_has_the_same_models_at_its_own_prices() {
    let international = providers().provider("moonshot").unwrap();
    let china = providers().provider("moonshot-cn").unwrap();
    let ids = |models: &[super::ModelInfo]| models.iter().map(|model| model.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&international.models), ids(&china.models));
    let yuan = china.model("kimi-k2.6").unwrap().prices.unwrap();
    let cost = TokenPrices {
        input: 6_500_000,
        output: 27_000_000,
        cache_read: 1_100_000,
        cache_write: 0,
        cache_write_1h: 0,
    };
    assert_eq!(yuan, cost);
    assert_eq!(china.model("kimi-k3.1-pro").unwrap().prices, None);
    assert_eq!(china.currency, "CNY");
}

#[test]
fn api_formats_use_their_documented_paths() {
    let base = |id: &str, api| {
        let provider = providers().provider(id).unwrap();
        provider.base_urls.iter().find(|(known, _)| *known == api).map(|(_, base)| base.clone()).unwrap()
    };
    assert_eq!(base("moonshot", Api::ChatCompletions), "https://api.moonshot.ai/v1");
    assert_eq!(base("moonshot", Api::Messages), "https://api.moonshot.ai/anthropic/v1");
    assert_eq!(base("moonshot-cn", Api::ChatCompletions), "https://api.moonshot.cn/v1");
    assert_eq!(base("kimi", Api::Messages), "https://api.kimi.com/coding/v1");
    assert_eq!(base("openrouter", Api::ChatCompletions), "https://openrouter.ai/api/v1");
    let global = providers().provider("kimi").unwrap().base_urls_at_host("api.kimi.ai");
    assert!(global.iter().all(|(_, base)| base == "https://api.kimi.ai/coding/v1"));
    assert!(providers().providers.iter().all(|provider| provider.base_urls[0].0 == Api::ChatCompletions));
}

#[test]
fn old_ids_have_the_facts_of_the_new_one() {
    let kimi = providers().provider("kimi").unwrap();
    for old in ["kimi-code", "k2p5", "kimi-k2p5"] {
        assert_eq!(kimi.model(old).unwrap().id, "kimi-for-coding");
    }
    assert_eq!(kimi.model("k3").unwrap().thinking_control, ThinkingControl::Effort);
}

#[test]
fn invalid_file_reports_the_problem() {
    let wrong = |text: &str| parse_files(&[("x.json5", text)]).expect_err("it is wrong");
    assert!(wrong("{ id: 1 }").starts_with("x.json5: "));
    let (_, kimi) = FILES[0];
    let without = kimi.replace("source: \"plans\"", "source: \"hearsay\"");
    assert_eq!(wrong(&without), "x.json5: no source `hearsay`");
    let unsure = kimi.replace("confidence: \"C\"", "confidence: \"D\"");
    assert!(wrong(&unsure).contains("unknown variant `D`, expected one of `A`, `B`, `C`"));
}

#[test]
fn prices_are_stored_in_millionths() {
    assert_eq!(TokenPrices::units_to_millionths(0.95), Some(950_000));
    assert_eq!(TokenPrices::units_to_millionths(0.0), Some(0));
    assert_eq!(TokenPrices::units_to_millionths(-1.0), None);
    assert_eq!(TokenPrices::units_to_millionths(f64::NAN), None);
    assert!((TokenPrices::millionths_to_units(950_000) - 0.95).abs() < f64::EPSILON);
}
