//! `models.providers.<id>.models`: the user's rows over the catalog's.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::{Scope, keys};
use crate::catalog::{
    AdapterId, BuiltinProvider, Compat, InputModalities, MaxTokensField, ModelInfo, ThinkingControl,
    TokenPrices,
};
use crate::config::file::Cursor;
use crate::config::settings::{Missing, ModelDefaults, ProviderModel, Reference, WarningKind};

/// Models by id.
pub(super) type Models = BTreeMap<String, Arc<ProviderModel>>;

/// The catalog's models of a provider.
pub(super) fn of_catalog(known: &BuiltinProvider) -> Models {
    let entry = |model: &ModelInfo| {
        let entry = ProviderModel {
            model: model.clone(),
            headers: Vec::new(),
            params: Map::new(),
            is_configured: false,
        };
        (model.id.clone(), Arc::new(entry))
    };
    known.models.iter().map(entry).collect()
}

/// The rows of one provider of the file.
pub(super) struct Rows<'r, 't> {
    pub(super) id: &'r str,
    pub(super) at: &'r Cursor<'t>,
    pub(super) facts: Option<&'static BuiltinProvider>,
    /// Whether the catalog's rows stand beside these.
    pub(super) with_catalog: bool,
    /// For rows that do not say, the catalog's too.
    pub(super) figures: ModelDefaults,
}

impl Rows<'_, '_> {
    /// The models, and what a header of one lacks.
    pub(super) fn read(&self, scope: &mut Scope<'_, '_, '_>) -> (Models, Option<Missing>) {
        let mut models = self.facts.filter(|_| self.with_catalog).map(of_catalog).unwrap_or_default();
        let mut missing = None;
        for row in self.at.get("models").map(|at| at.elements()).unwrap_or_default() {
            let Some(id_at) = row.get("id") else { continue };
            let Some(id) = id_at.as_str() else { continue };
            let id = match self.facts {
                Some(known) if known.adapter == AdapterId::OpenRouter => {
                    id.strip_prefix("openrouter/").unwrap_or(id)
                }
                _ => id,
            };
            if models.get(id).is_some_and(|model| model.is_configured) {
                scope.wrong(
                    &id_at,
                    format!("model \"{id}\" stands in provider {} twice: remove one", self.id),
                );
                continue;
            }
            check_cost(&row, scope);
            let headers = keys::headers(row.get("headers").as_ref(), self.id, scope);
            missing = missing.or(headers.missing);
            let facts = self.facts_of(id, &row);
            if let Some(retired) = &facts.retirement {
                let reference = Reference { provider: self.id.to_owned(), model: id.to_owned() };
                let kind = WarningKind::RetiredModel { reference, retired: retired.clone() };
                scope.report.add_warning_once(&row.path, kind);
            }
            let params = object(row.get("params").as_ref());
            let model = ProviderModel { model: facts, headers: headers.found, params, is_configured: true };
            models.insert(id.to_owned(), Arc::new(model));
        }
        models.values_mut().for_each(|model| self.figures.fill_missing(&mut Arc::make_mut(model).model));
        (models, missing)
    }

    /// The catalog's facts, the row's figures over them.
    fn facts_of(&self, id: &str, row: &Cursor<'_>) -> ModelInfo {
        let known = self.facts.and_then(|known| known.model(id));
        let mut facts = known.cloned().unwrap_or_else(|| ModelInfo::unknown(id));
        id.clone_into(&mut facts.id);
        let figure = |key| row.get(key).and_then(|at| at.as_u64());
        facts.context_window = figure("contextWindow").or(facts.context_window);
        facts.max_tokens = figure("maxTokens").or(facts.max_tokens);
        if let Some(name) = row.get("name").and_then(|at| at.as_str()) {
            name.clone_into(&mut facts.name);
        }
        if let Some(input) = row.get("input") {
            let words: Vec<&str> = input.elements().iter().filter_map(Cursor::as_str).collect();
            facts.input_modalities =
                InputModalities { image: words.contains(&"image"), video: words.contains(&"video") };
        }
        // How a model of the catalog thinks is a fact of its API; a flag cannot change that.
        if known.is_none() && row.get("reasoning").and_then(|at| at.as_bool()) == Some(false) {
            facts.thinking_control = ThinkingControl::None;
        }
        if let Some(cost) = row.get("cost") {
            facts.prices = Some(read_cost(&cost, facts.prices.unwrap_or_default()));
        }
        if let Some(compat) = row.get("compat") {
            facts.compat = read_compat(&compat, &facts.compat);
        }
        facts
    }
}

/// `params`, or nothing.
pub(super) fn object(at: Option<&Cursor<'_>>) -> Map<String, Json> {
    match at.map(|at| at.node.value.to_json()) {
        Some(Json::Object(object)) => object,
        _ => Map::new(),
    }
}

/// A price that is none would count as the catalog's, or as nothing.
fn check_cost(row: &Cursor<'_>, scope: &mut Scope<'_, '_, '_>) {
    for (_, price) in row.get("cost").map(|cost| cost.members()).unwrap_or_default() {
        if price
            .as_f64()
            .is_some_and(|amount| amount >= 0.0 && TokenPrices::units_to_millionths(amount).is_none())
        {
            scope.wrong(
                &price,
                "more than 1000000 for a million tokens is no price: prices are per million tokens",
            );
        }
    }
}

/// What the row leaves out is the catalog's.
fn read_cost(at: &Cursor<'_>, known: TokenPrices) -> TokenPrices {
    let read = |key, known| {
        at.get(key).and_then(|at| at.as_f64()).and_then(TokenPrices::units_to_millionths).unwrap_or(known)
    };
    TokenPrices {
        input: read("input", known.input),
        output: read("output", known.output),
        cache_read: read("cacheRead", known.cache_read),
        cache_write: read("cacheWrite", known.cache_write),
    }
}

/// Of the catalog's flags there is one; what the row says of it wins.
fn read_compat(at: &Cursor<'_>, known: &Compat) -> Compat {
    let flag = |key| at.get(key).and_then(|at| at.as_bool());
    Compat {
        supports_developer_role: flag("supportsDeveloperRole"),
        supports_usage_in_streaming: flag("supportsUsageInStreaming"),
        supports_reasoning_effort: flag("supportsReasoningEffort"),
        supports_prefill: flag("supportsPrefill").or(known.supports_prefill),
        max_tokens_field: match at.get("maxTokensField").and_then(|at| at.as_str()) {
            Some("max_tokens") => Some(MaxTokensField::MaxTokens),
            Some("max_completion_tokens") => Some(MaxTokensField::MaxCompletionTokens),
            _ => None,
        },
        requires_reasoning_content: flag("requiresReasoningContentOnAssistantMessages"),
        supports_store: flag("supportsStore"),
        supports_strict_mode: flag("supportsStrictMode"),
        supports_tools: flag("supportsTools"),
        requires_string_content: flag("requiresStringContent"),
    }
}
