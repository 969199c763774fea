//! `models.providers.<id>.models`: the configured models, merged over those of the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Map;

use super::credentials::resolve_headers;
use super::scope::Scope;
use crate::catalog::{
    AdapterId, BuiltinProvider, Compat, InputModalities, MaxTokensField, ModelInfo, ThinkingControl,
    TokenPrices,
};
use crate::config::keypath::KeyPath;
use crate::config::keys::{
    CompatSettings, InputType, MaxTokensName, ModelSettings, Price, ProviderSettings, valid_elements,
};
use crate::config::settings::{Provider, ProviderModel, Reference, WarningKind};

/// The catalog's models of a provider.
pub(super) fn catalog_models(known: &BuiltinProvider) -> BTreeMap<String, Arc<ProviderModel>> {
    let entry = |model: &ModelInfo| {
        let headers = Vec::new();
        let entry = ProviderModel { model: model.clone(), headers, params: Map::new(), is_configured: false };
        (model.id.clone(), Arc::new(entry))
    };
    known.models.iter().map(entry).collect()
}

/// Sets the models of a provider: with `keeps_catalog` those of the catalog, and over them those of the file.
pub(super) fn resolve_models(
    settings: &ProviderSettings,
    path: &KeyPath,
    known: Option<&BuiltinProvider>,
    keeps_catalog: bool,
    provider: &mut Provider,
    scope: &mut Scope,
) {
    let mut models = known.filter(|_| keeps_catalog).map(catalog_models).unwrap_or_default();
    for (index, settings) in settings.models.iter().flat_map(valid_elements) {
        let path = path.join_key("models").join_index(index);
        let Some(id) = settings.id.as_deref() else { continue };
        let id = match known.map(|known| known.adapter) {
            Some(AdapterId::OpenRouter) => id.strip_prefix("openrouter/").unwrap_or(id),
            _ => id,
        };
        if models.get(id).is_some_and(|model| model.is_configured) {
            let message = format!("duplicate model \"{id}\" of provider {}: remove one", provider.id);
            scope.error(&path.join_key("id"), message);
            continue;
        }
        let headers = resolve_headers(&settings.headers, &path, provider, scope);
        let model = merge_model(id, settings, known.and_then(|known| known.model(id)), &path, scope);
        if let Some(retired) = model.retirement.clone() {
            let reference = Reference { provider: provider.id.clone(), model: id.to_owned() };
            scope.report.add_warning_once(&path, WarningKind::RetiredModel { reference, retired });
        }
        let model = ProviderModel { model, headers, params: settings.params.clone(), is_configured: true };
        models.insert(id.to_owned(), Arc::new(model));
    }
    for model in models.values_mut() {
        provider.model_defaults.fill_missing(&mut Arc::make_mut(model).model);
    }
    provider.models = models;
}

/// The settings, over the facts of the catalog.
fn merge_model(
    id: &str,
    settings: &ModelSettings,
    known: Option<&ModelInfo>,
    path: &KeyPath,
    scope: &mut Scope,
) -> ModelInfo {
    let mut model = known.cloned().unwrap_or_else(|| ModelInfo::unknown(id));
    id.clone_into(&mut model.id);
    model.context_window = settings.context_window.map(|tokens| tokens.0).or(model.context_window);
    model.max_tokens = settings.max_tokens.map(|tokens| tokens.0).or(model.max_tokens);
    if let Some(name) = &settings.name {
        name.clone_into(&mut model.name);
    }
    if let Some(input) = &settings.input {
        let accepts = |kind| input.contains(&Some(kind));
        model.input_modalities =
            InputModalities { image: accepts(InputType::Image), video: accepts(InputType::Video) };
    }
    // How a model of the catalog thinks is a fact of its API, which `reasoning` cannot change.
    if known.is_none() && settings.reasoning == Some(false) {
        model.thinking_control = ThinkingControl::None;
    }
    if let Some(cost) = &settings.cost {
        let known = model.prices.unwrap_or_default();
        let mut merge = |key: &str, price: Option<Price>, known| match price {
            Some(Price(units)) => TokenPrices::units_to_millionths(units).unwrap_or_else(|| {
                let message = "more than 1000000 is not a price per million tokens";
                scope.error(&path.join_key("cost").join_key(key), message);
                known
            }),
            None => known,
        };
        let cache_write = merge("cacheWrite", cost.cache_write, known.cache_write);
        let hour = if cost.cache_write.is_some() { cache_write } else { known.cache_write_1h };
        model.prices = Some(TokenPrices {
            input: merge("input", cost.input, known.input),
            output: merge("output", cost.output, known.output),
            cache_read: merge("cacheRead", cost.cache_read, known.cache_read),
            cache_write,
            cache_write_1h: merge("cacheWrite1h", cost.cache_write_1h, hour),
        });
    }
    if let Some(compat) = &settings.compat {
        model.compat = merge_compat(compat, &model.compat);
    }
    model
}

/// The catalog has only how a model continues an answer; the settings win.
fn merge_compat(compat: &CompatSettings, known: &Compat) -> Compat {
    Compat {
        supports_developer_role: compat.supports_developer_role,
        supports_usage_in_streaming: compat.supports_usage_in_streaming,
        supports_reasoning_effort: compat.supports_reasoning_effort,
        supports_prefill: compat.supports_prefill.or(known.supports_prefill),
        continues_on_instruction: compat.continues_on_instruction.or(known.continues_on_instruction),
        max_tokens_field: compat.max_tokens_field.map(|name| match name {
            MaxTokensName::MaxTokens => MaxTokensField::MaxTokens,
            MaxTokensName::MaxCompletionTokens => MaxTokensField::MaxCompletionTokens,
        }),
        requires_reasoning_content: compat.requires_reasoning_content_on_assistant_messages,
        supports_store: compat.supports_store,
        supports_strict_mode: compat.supports_strict_mode,
        supports_tools: compat.supports_tools,
        requires_string_content: compat.requires_string_content,
        supports_cache_control: compat.supports_cache_control,
    }
}
