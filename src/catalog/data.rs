//! The form of the catalog's files, and how they become facts. `moonshot.json5` explains the fields to contributors.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::builtin::{BuiltinProvider, Catalog, FactProvenance, FactSource};
use super::facts::{AdapterId, Compat, InputModalities, ModelInfo, Retirement, ThinkingControl, TokenPrices};
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
    adapter: AdapterId,
    sources: BTreeMap<String, FactSource>,
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
#[serde(deny_unknown_fields)]
struct WebSearchRow {
    #[serde(deserialize_with = "read_price")]
    price: u64,
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ModelRow {
    id: String,
    name: String,
    limits: Option<LimitsRow>,
    price: Option<PriceRow>,
    abilities: CapabilitiesRow,
    prefill: Option<PrefillRow>,
    /// The model takes no prefill, and continues an answer when it is asked to.
    instruction: Option<PrefillRow>,
    retired: Option<RetirementRow>,
    leaving: Option<RetirementRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LimitsRow {
    context_window: Option<u64>,
    max_tokens: Option<u64>,
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PriceRow {
    #[serde(deserialize_with = "read_price")]
    input: u64,
    #[serde(deserialize_with = "read_price")]
    output: u64,
    #[serde(deserialize_with = "read_price")]
    cache_read: u64,
    #[serde(deserialize_with = "read_price")]
    cache_write: u64,
    /// For an hour; that of five minutes where no other is known.
    #[serde(default, deserialize_with = "read_optional_price")]
    cache_write_hour: Option<u64>,
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CapabilitiesRow {
    input: Vec<String>,
    thinking: ThinkingControl,
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PrefillRow {
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetirementRow {
    on: String,
    successor: String,
    source: String,
}

/// A price as users write it, in millionths of a unit.
fn read_price<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let amount = f64::deserialize(from)?;
    let price = TokenPrices::units_to_millionths(amount);
    price.ok_or_else(|| D::Error::custom(format!("{amount} is not a price")))
}

fn read_optional_price<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    read_price(from).map(Some)
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
        let source = renamed_source.ok_or("`renamed` names no source")?;
        facts.push(file.build_provenance("", "renamed", source)?);
    }
    if let Some(row) = &file.web_search {
        facts.push(file.build_provenance("", "webSearch", &row.source)?);
    }
    let mut apis = Vec::new();
    for (api, path) in paths {
        let api = Api::from_name(api).ok_or_else(|| format!("unknown API `{api}`"))?;
        apis.push((api, format!("https://{host}{path}")));
    }
    Ok(BuiltinProvider {
        id: file.id.clone(),
        adapter: file.adapter,
        base_urls: apis,
        hosts: file.hosts.clone(),
        key_variables: file.keys.clone(),
        aliases: file.aliases.clone(),
        model_renames: renamed.into_iter().map(|(old, new)| (old.to_owned(), new.to_owned())).collect(),
        accepts_any_model: file.any_model,
        is_enabled_by_default: file.on_by_default,
        currency: file.currency.clone(),
        default_model: file.default_model.clone(),
        search_price: file.web_search.as_ref().map(|row| row.price),
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
        models.push(build_model(row, price));
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
        let source = self.sources.get(source).ok_or_else(|| format!("no source `{source}`"))?;
        Ok(FactProvenance { model: model.to_owned(), group, source: source.clone() })
    }

    /// Where the groups of a row are from, but for its price.
    fn collect_model_provenance(&self, row: &ModelRow) -> Result<Vec<FactProvenance>, String> {
        let groups = [
            ("abilities", Some(&row.abilities.source)),
            ("limits", row.limits.as_ref().map(|limits| &limits.source)),
            ("prefill", row.prefill.as_ref().map(|prefill| &prefill.source)),
            ("instruction", row.instruction.as_ref().map(|instruction| &instruction.source)),
            ("retired", row.retired.as_ref().map(|retired| &retired.source)),
            ("leaving", row.leaving.as_ref().map(|leaving| &leaving.source)),
        ];
        let named = groups.into_iter().filter_map(|(group, source)| Some((group, source?)));
        named.map(|(group, source)| self.build_provenance(&row.id, group, source)).collect()
    }
}

fn build_model(row: &ModelRow, price: Option<&PriceRow>) -> ModelInfo {
    let has = |kind: &str| row.abilities.input.iter().any(|input| input == kind);
    let end = |row: &Option<RetirementRow>| {
        row.as_ref().map(|row| Retirement { date: row.on.clone(), successor: row.successor.clone() })
    };
    ModelInfo {
        id: row.id.clone(),
        name: row.name.clone(),
        input_modalities: InputModalities { image: has("image"), video: has("video") },
        thinking_control: row.abilities.thinking,
        context_window: row.limits.as_ref().and_then(|limits| limits.context_window),
        max_tokens: row.limits.as_ref().and_then(|limits| limits.max_tokens),
        prices: price.map(|row| TokenPrices {
            input: row.input,
            output: row.output,
            cache_read: row.cache_read,
            cache_write: row.cache_write,
            cache_write_1h: row.cache_write_hour.unwrap_or(row.cache_write),
        }),
        compat: Compat {
            supports_prefill: row.prefill.as_ref().map(|_| true),
            continues_on_instruction: row.instruction.as_ref().map(|_| true),
            ..Compat::default()
        },
        retirement: end(&row.retired),
        planned_retirement: end(&row.leaving),
    }
}
