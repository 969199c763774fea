//! `models.providers.<id>.models`: the configured models, merged over those of the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Map;

use super::{Scope, providers};
use crate::catalog::{
    AdapterId, BuiltinProvider, Compat, InputModalities, MaxTokensField, ModelInfo, ThinkingControl,
    TokenPrices,
};
use crate::config::keypath::KeyPath;
use crate::config::keys::{
    CompatSettings, Cost, InputType, MaxTokensName, ModelSettings, Price, ProviderSettings,
};
use crate::config::settings::{Missing, ModelDefaults, ProviderModel, Reference, WarningKind};

/// Models by id.
pub(super) type Models = BTreeMap<String, Arc<ProviderModel>>;

/// The catalog's models of a provider.
pub(super) fn catalog_models(known: &BuiltinProvider) -> Models {
    let entry = |model: &ModelInfo| {
        let headers = Vec::new();
        let entry = ProviderModel { model: model.clone(), headers, params: Map::new(), is_configured: false };
        (model.id.clone(), Arc::new(entry))
    };
    known.models.iter().map(entry).collect()
}

/// A provider whose models are resolved.
pub(super) struct ModelScope<'r> {
    pub(super) provider: &'r str,
    pub(super) path: &'r KeyPath,
    pub(super) settings: &'r ProviderSettings,
    /// The catalog's facts about the provider.
    pub(super) known: Option<&'static BuiltinProvider>,
    /// Whether the models of the catalog are kept.
    pub(super) keeps_catalog: bool,
    /// For models without limits of their own, those of the catalog included.
    pub(super) defaults: ModelDefaults,
}

impl ModelScope<'_> {
    /// The models, and the first header value that is missing.
    pub(super) fn resolve(&self, scope: &mut Scope<'_, '_, '_>) -> (Models, Option<Missing>) {
        let mut models = self.known.filter(|_| self.keeps_catalog).map(catalog_models).unwrap_or_default();
        let mut missing = None;
        let configured = self.settings.models.as_ref().map_or(&[][..], |list| &list.0);
        for (index, settings) in configured {
            let path = self.path.join_key("models").join_index(*index);
            let Some(id) = settings.id.as_deref().map(|id| self.model_id(id)) else { continue };
            if models.get(id).is_some_and(|model| model.is_configured) {
                let message = format!("duplicate model \"{id}\" of provider {}: remove one", self.provider);
                scope.error(&path.join_key("id"), message);
                continue;
            }
            check_cost(settings.cost.as_ref(), &path.join_key("cost"), scope);
            let headers = providers::resolve_headers(
                &settings.headers,
                &path.join_key("headers"),
                self.provider,
                scope,
            );
            missing = missing.or(headers.missing);
            let model = self.merge(id, settings);
            if let Some(retired) = model.retirement.clone() {
                let reference = Reference { provider: self.provider.to_owned(), model: id.to_owned() };
                scope.report.add_warning_once(&path, WarningKind::RetiredModel { reference, retired });
            }
            let params = settings.params.clone();
            let model = ProviderModel { model, headers: headers.found, params, is_configured: true };
            models.insert(id.to_owned(), Arc::new(model));
        }
        models.values_mut().for_each(|model| self.defaults.fill_missing(&mut Arc::make_mut(model).model));
        (models, missing)
    }

    fn model_id<'i>(&self, id: &'i str) -> &'i str {
        match self.known {
            Some(known) if known.adapter == AdapterId::OpenRouter => {
                id.strip_prefix("openrouter/").unwrap_or(id)
            }
            _ => id,
        }
    }

    /// The settings, over the facts of the catalog.
    fn merge(&self, id: &str, settings: &ModelSettings) -> ModelInfo {
        let known = self.known.and_then(|known| known.model(id));
        let mut model = known.cloned().unwrap_or_else(|| ModelInfo::unknown(id));
        id.clone_into(&mut model.id);
        model.context_window = settings.context_window.map(|tokens| tokens.0).or(model.context_window);
        model.max_tokens = settings.max_tokens.map(|tokens| tokens.0).or(model.max_tokens);
        if let Some(name) = &settings.name {
            name.clone_into(&mut model.name);
        }
        if let Some(input) = &settings.input {
            let accepts = |kind| input.0.iter().any(|(_, input)| *input == kind);
            model.input_modalities =
                InputModalities { image: accepts(InputType::Image), video: accepts(InputType::Video) };
        }
        // How a model of the catalog thinks is a fact of its API, which `reasoning` cannot change.
        if known.is_none() && settings.reasoning == Some(false) {
            model.thinking_control = ThinkingControl::None;
        }
        if let Some(cost) = &settings.cost {
            model.prices = Some(merge_prices(cost, model.prices.unwrap_or_default()));
        }
        if let Some(compat) = &settings.compat {
            model.compat = merge_compat(compat, &model.compat);
        }
        model
    }
}

/// A price that is too high would count as the catalog's, or as 0.
fn check_cost(cost: Option<&Cost>, path: &KeyPath, scope: &mut Scope<'_, '_, '_>) {
    let Some(cost) = cost else { return };
    for (key, price) in [
        ("input", cost.input),
        ("output", cost.output),
        ("cacheRead", cost.cache_read),
        ("cacheWrite", cost.cache_write),
    ] {
        if price.is_some_and(|price| TokenPrices::units_to_millionths(price.0).is_none()) {
            let message = "more than 1000000 is not a price per million tokens";
            scope.error(&path.join_key(key), message);
        }
    }
}

fn merge_prices(cost: &Cost, known: TokenPrices) -> TokenPrices {
    let merge = |price: Option<Price>, known| {
        price.and_then(|price| TokenPrices::units_to_millionths(price.0)).unwrap_or(known)
    };
    TokenPrices {
        input: merge(cost.input, known.input),
        output: merge(cost.output, known.output),
        cache_read: merge(cost.cache_read, known.cache_read),
        cache_write: merge(cost.cache_write, known.cache_write),
    }
}

/// The catalog has only `supports_prefill`; the settings win.
fn merge_compat(compat: &CompatSettings, known: &Compat) -> Compat {
    Compat {
        supports_developer_role: compat.supports_developer_role,
        supports_usage_in_streaming: compat.supports_usage_in_streaming,
        supports_reasoning_effort: compat.supports_reasoning_effort,
        supports_prefill: compat.supports_prefill.or(known.supports_prefill),
        max_tokens_field: compat.max_tokens_field.map(|name| match name {
            MaxTokensName::MaxTokens => MaxTokensField::MaxTokens,
            MaxTokensName::MaxCompletionTokens => MaxTokensField::MaxCompletionTokens,
        }),
        requires_reasoning_content: compat.requires_reasoning_content_on_assistant_messages,
        supports_store: compat.supports_store,
        supports_strict_mode: compat.supports_strict_mode,
        supports_tools: compat.supports_tools,
        requires_string_content: compat.requires_string_content,
    }
}
