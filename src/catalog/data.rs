//! The form of the catalog's files, and how they become facts. `moonshot.json5` explains the fields to contributors.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    AdapterId, BuiltinProvider, Catalog, Compat, Confidence, FactProvenance, FactSource, InputModalities,
    ModelInfo, Retirement, ThinkingControl, TokenPrices,
};
use crate::protocol::api::Api;

/// In the order of preference for the default chain.
pub(super) const FILES: [(&str, &str); 4] = [
    ("kimi.json5", include_str!("kimi.json5")),
    ("moonshot.json5", include_str!("moonshot.json5")),
    ("moonshot-cn.json5", include_str!("moonshot-cn.json5")),
    ("openrouter.json5", include_str!("openrouter.json5")),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProviderFile {
    id: String,
    adapter: String,
    sources: BTreeMap<String, SourceRow>,
    hosts: Vec<String>,
    apis: SourcedPairs,
    keys: Vec<String>,
    aliases: Vec<String>,
    renamed: SourcedPairs,
    any_model: bool,
    on_by_default: bool,
    currency: String,
    default_model: String,
    #[serde(default)]
    models: Vec<ModelRow>,
    models_of: Option<String>,
    #[serde(default)]
    prices: BTreeMap<String, PriceRow>,
    web_search: Option<WebSearchRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WebSearchRow {
    price: f64,
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SourceRow {
    title: String,
    url: Option<String>,
    as_of: String,
    confidence: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ModelRow {
    id: String,
    name: String,
    limits: Option<LimitsRow>,
    price: Option<PriceRow>,
    abilities: CapabilitiesRow,
    prefill: Option<PrefillRow>,
    retired: Option<RetirementRow>,
    leaving: Option<RetirementRow>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LimitsRow {
    context_window: Option<u64>,
    max_tokens: Option<u64>,
    source: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PriceRow {
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write: f64,
    source: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CapabilitiesRow {
    input: Vec<String>,
    thinking: String,
    source: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PrefillRow {
    source: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetirementRow {
    on: String,
    successor: String,
    source: String,
}

/// An object of strings whose order matters, with `source` among its keys.
#[derive(Deserialize)]
#[serde(transparent)]
struct SourcedPairs(Map<String, Value>);

impl SourcedPairs {
    /// The pairs but for `source`, and `source`.
    fn split_source(&self) -> (Vec<(&str, &str)>, Option<&str>) {
        let texts = self.0.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
        let (source, pairs): (Vec<_>, Vec<_>) = texts.partition(|(key, _)| *key == "source");
        (pairs, source.first().map(|(_, source)| *source))
    }
}

/// Reads the files.
///
/// # Errors
/// A line for the contributor: the file and the problem in it.
pub(super) fn parse_files(files: &[(&str, &str)]) -> Result<Catalog, String> {
    let mut parsed = Vec::new();
    for (name, text) in files {
        parsed.push(parse_file(text).map_err(|error| format!("{name}: {error}"))?);
    }
    let mut providers = Vec::new();
    for (file, (name, _)) in parsed.iter().zip(files) {
        providers.push(build_provider(file, &parsed).map_err(|error| format!("{name}: {error}"))?);
    }
    Ok(Catalog { providers })
}

fn parse_file(text: &str) -> Result<ProviderFile, String> {
    let options = jsonc_parser::ParseOptions { allow_missing_commas: false, ..Default::default() };
    let tree = jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options)
        .map_err(|error| error.to_string())?;
    let value: serde_json::Value = tree.value.ok_or("it is empty")?.into();
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn build_provider(file: &ProviderFile, all: &[ProviderFile]) -> Result<BuiltinProvider, String> {
    let host = file.hosts.first().ok_or("`hosts` is empty")?;
    let (paths, apis_source) = file.apis.split_source();
    let (renamed, renamed_source) = file.renamed.split_source();
    let mut facts = vec![file.build_provenance("", "apis", apis_source.ok_or("`apis` names no source")?)?];
    if !renamed.is_empty() {
        facts.push(file.build_provenance(
            "",
            "renamed",
            renamed_source.ok_or("`renamed` names no source")?,
        )?);
    }
    let mut search_price = None;
    if let Some(row) = &file.web_search {
        facts.push(file.build_provenance("", "webSearch", &row.source)?);
        search_price = Some(TokenPrices::units_to_millionths(row.price).ok_or("`webSearch` has no price")?);
    }
    let mut apis = Vec::new();
    for (api, path) in paths {
        let api = Api::from_name(api).ok_or_else(|| format!("unknown API `{api}`"))?;
        apis.push((api, format!("https://{host}{path}")));
    }
    Ok(BuiltinProvider {
        id: file.id.clone(),
        adapter: parse_adapter(&file.adapter)?,
        base_urls: apis,
        hosts: file.hosts.clone(),
        key_variables: file.keys.clone(),
        aliases: file.aliases.clone(),
        model_renames: renamed.into_iter().map(|(old, new)| (old.to_owned(), new.to_owned())).collect(),
        accepts_any_model: file.any_model,
        is_enabled_by_default: file.on_by_default,
        currency: file.currency.clone(),
        default_model: file.default_model.clone(),
        search_price,
        models: build_models(file, all, &mut facts)?,
        provenance: facts,
    })
}

fn build_models(
    file: &ProviderFile,
    all: &[ProviderFile],
    facts: &mut Vec<FactProvenance>,
) -> Result<Vec<ModelInfo>, String> {
    let rows = match &file.models_of {
        None => file,
        Some(id) => all.iter().find(|other| other.id == *id).ok_or_else(|| format!("no provider `{id}`"))?,
    };
    if let Some(id) = file.prices.keys().find(|id| !rows.models.iter().any(|row| row.id == **id)) {
        return Err(format!("a price for `{id}`, which `{}` does not have", rows.id));
    }
    let mut models = Vec::new();
    for row in &rows.models {
        let price = if file.models_of.is_some() { file.prices.get(&row.id) } else { row.price.as_ref() };
        facts.extend(rows.collect_model_provenance(row)?);
        if let Some(price) = price {
            facts.push(file.build_provenance(&row.id, "price", &price.source)?);
        }
        models.push(build_model(row, price).map_err(|error| format!("model `{}`: {error}", row.id))?);
    }
    Ok(models)
}

impl ProviderFile {
    fn build_provenance(
        &self,
        model: &str,
        group: &'static str,
        source: &str,
    ) -> Result<FactProvenance, String> {
        let row = self.sources.get(source).ok_or_else(|| format!("no source `{source}`"))?;
        Ok(FactProvenance {
            model: model.to_owned(),
            group,
            source: FactSource {
                title: row.title.clone(),
                url: row.url.clone(),
                as_of: row.as_of.clone(),
                confidence: match row.confidence.as_str() {
                    "A" => Confidence::Vendor,
                    "B" => Confidence::Measured,
                    "C" => Confidence::Claimed,
                    other => return Err(format!("source `{source}`: confidence `{other}` is not A, B or C")),
                },
            },
        })
    }

    /// Where the groups of a row are from, but for its price.
    fn collect_model_provenance(&self, row: &ModelRow) -> Result<Vec<FactProvenance>, String> {
        let groups = [
            ("abilities", Some(&row.abilities.source)),
            ("limits", row.limits.as_ref().map(|limits| &limits.source)),
            ("prefill", row.prefill.as_ref().map(|prefill| &prefill.source)),
            ("retired", row.retired.as_ref().map(|retired| &retired.source)),
            ("leaving", row.leaving.as_ref().map(|leaving| &leaving.source)),
        ];
        let named = groups.into_iter().filter_map(|(group, source)| Some((group, source?)));
        named.map(|(group, source)| self.build_provenance(&row.id, group, source)).collect()
    }
}

fn build_model(row: &ModelRow, price: Option<&PriceRow>) -> Result<ModelInfo, String> {
    let has = |kind: &str| row.abilities.input.iter().any(|input| input == kind);
    let end = |row: &Option<RetirementRow>| {
        row.as_ref().map(|row| Retirement { date: row.on.clone(), successor: row.successor.clone() })
    };
    Ok(ModelInfo {
        id: row.id.clone(),
        name: row.name.clone(),
        input_modalities: InputModalities { image: has("image"), video: has("video") },
        thinking_control: parse_thinking_control(&row.abilities.thinking)?,
        context_window: row.limits.as_ref().and_then(|limits| limits.context_window),
        max_tokens: row.limits.as_ref().and_then(|limits| limits.max_tokens),
        prices: price.map(parse_prices).transpose()?,
        compat: Compat { supports_prefill: row.prefill.as_ref().map(|_| true), ..Compat::default() },
        retirement: end(&row.retired),
        planned_retirement: end(&row.leaving),
    })
}

fn parse_prices(price: &PriceRow) -> Result<TokenPrices, String> {
    let read =
        |amount| TokenPrices::units_to_millionths(amount).ok_or_else(|| format!("{amount} is not a price"));
    Ok(TokenPrices {
        input: read(price.input)?,
        output: read(price.output)?,
        cache_read: read(price.cache_read)?,
        cache_write: read(price.cache_write)?,
    })
}

fn parse_adapter(name: &str) -> Result<AdapterId, String> {
    Ok(match name {
        "moonshot" => AdapterId::Moonshot,
        "kimi-code" => AdapterId::KimiCode,
        "openrouter" => AdapterId::OpenRouter,
        "generic" => AdapterId::Generic,
        other => return Err(format!("unknown adapter `{other}`")),
    })
}

fn parse_thinking_control(name: &str) -> Result<ThinkingControl, String> {
    Ok(match name {
        "none" => ThinkingControl::None,
        "switch" => ThinkingControl::Switch,
        "always" => ThinkingControl::Always,
        "effort" => ThinkingControl::Effort,
        "unknown" => ThinkingControl::Unknown,
        other => return Err(format!("unknown kind of thinking `{other}`")),
    })
}
