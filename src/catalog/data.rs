//! The form of the catalog's files, and how they become facts. `moonshot.json5` explains the fields to contributors.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Builtin, BuiltinProvider, Compat, Confidence, Cost, DialectId, Fact, Inputs, Model, Retired, Source,
    Thinking,
};
use crate::protocol::face::Face;

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
    dialect: String,
    sources: BTreeMap<String, SourceRow>,
    hosts: Vec<String>,
    faces: Pairs,
    keys: Vec<String>,
    aliases: Vec<String>,
    renamed: Pairs,
    any_model: bool,
    on_by_default: bool,
    currency: String,
    default_model: String,
    #[serde(default)]
    models: Vec<ModelRow>,
    models_of: Option<String>,
    #[serde(default)]
    prices: BTreeMap<String, Price>,
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
    limits: Option<Limits>,
    price: Option<Price>,
    abilities: Abilities,
    prefill: Option<Prefill>,
    retired: Option<RetiredRow>,
    leaving: Option<RetiredRow>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Limits {
    context_window: Option<u64>,
    max_tokens: Option<u64>,
    source: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Price {
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write: f64,
    source: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Abilities {
    input: Vec<String>,
    thinking: String,
    source: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Prefill {
    source: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetiredRow {
    on: String,
    successor: String,
    source: String,
}

/// An object of strings whose order counts, with `source` among its keys.
#[derive(Deserialize)]
#[serde(transparent)]
struct Pairs(Map<String, Value>);

impl Pairs {
    /// The pairs but for `source`, and `source`.
    fn without_source(&self) -> (Vec<(&str, &str)>, Option<&str>) {
        let texts = self.0.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
        let (source, pairs): (Vec<_>, Vec<_>) = texts.partition(|(key, _)| *key == "source");
        (pairs, source.first().map(|(_, source)| *source))
    }
}

/// Reads the files.
///
/// # Errors
/// A line for the contributor: which file, and what is wrong in it.
pub(super) fn read(files: &[(&str, &str)]) -> Result<Builtin, String> {
    let mut parsed = Vec::new();
    for (name, text) in files {
        parsed.push(parse(text).map_err(|error| format!("{name}: {error}"))?);
    }
    let mut providers = Vec::new();
    for (file, (name, _)) in parsed.iter().zip(files) {
        providers.push(provider(file, &parsed).map_err(|error| format!("{name}: {error}"))?);
    }
    Ok(Builtin { providers })
}

fn parse(text: &str) -> Result<ProviderFile, String> {
    let options = jsonc_parser::ParseOptions { allow_missing_commas: false, ..Default::default() };
    let tree = jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options)
        .map_err(|error| error.to_string())?;
    let value: serde_json::Value = tree.value.ok_or("it is empty")?.into();
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn provider(file: &ProviderFile, all: &[ProviderFile]) -> Result<BuiltinProvider, String> {
    let host = file.hosts.first().ok_or("`hosts` is empty")?;
    let (paths, faces_source) = file.faces.without_source();
    let (renamed, renamed_source) = file.renamed.without_source();
    let mut facts = vec![file.fact("", "faces", faces_source.ok_or("`faces` names no source")?)?];
    if !renamed.is_empty() {
        facts.push(file.fact("", "renamed", renamed_source.ok_or("`renamed` names no source")?)?);
    }
    let mut search_price = None;
    if let Some(row) = &file.web_search {
        facts.push(file.fact("", "webSearch", &row.source)?);
        search_price = Some(Cost::millionths(row.price).ok_or("`webSearch` has no price")?);
    }
    let mut faces = Vec::new();
    for (api, path) in paths {
        let face = Face::from_api(api).ok_or_else(|| format!("no face `{api}`"))?;
        faces.push((face, format!("https://{host}{path}")));
    }
    Ok(BuiltinProvider {
        id: file.id.clone(),
        dialect: dialect(&file.dialect)?,
        faces,
        hosts: file.hosts.clone(),
        key_names: file.keys.clone(),
        aliases: file.aliases.clone(),
        renamed: renamed.into_iter().map(|(old, new)| (old.to_owned(), new.to_owned())).collect(),
        open: file.any_model,
        on_by_default: file.on_by_default,
        currency: file.currency.clone(),
        default_model: file.default_model.clone(),
        search_price,
        models: models(file, all, &mut facts)?,
        facts,
    })
}

fn models(file: &ProviderFile, all: &[ProviderFile], facts: &mut Vec<Fact>) -> Result<Vec<Model>, String> {
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
        facts.extend(rows.model_facts(row)?);
        if let Some(price) = price {
            facts.push(file.fact(&row.id, "price", &price.source)?);
        }
        models.push(model(row, price).map_err(|error| format!("model `{}`: {error}", row.id))?);
    }
    Ok(models)
}

impl ProviderFile {
    fn fact(&self, model: &str, group: &'static str, source: &str) -> Result<Fact, String> {
        let row = self.sources.get(source).ok_or_else(|| format!("no source `{source}`"))?;
        Ok(Fact {
            model: model.to_owned(),
            group,
            source: Source {
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
    fn model_facts(&self, row: &ModelRow) -> Result<Vec<Fact>, String> {
        let groups = [
            ("abilities", Some(&row.abilities.source)),
            ("limits", row.limits.as_ref().map(|limits| &limits.source)),
            ("prefill", row.prefill.as_ref().map(|prefill| &prefill.source)),
            ("retired", row.retired.as_ref().map(|retired| &retired.source)),
            ("leaving", row.leaving.as_ref().map(|leaving| &leaving.source)),
        ];
        let named = groups.into_iter().filter_map(|(group, source)| Some((group, source?)));
        named.map(|(group, source)| self.fact(&row.id, group, source)).collect()
    }
}

fn model(row: &ModelRow, price: Option<&Price>) -> Result<Model, String> {
    let has = |kind: &str| row.abilities.input.iter().any(|input| input == kind);
    let end = |row: &Option<RetiredRow>| {
        row.as_ref().map(|row| Retired { on: row.on.clone(), successor: row.successor.clone() })
    };
    Ok(Model {
        id: row.id.clone(),
        name: row.name.clone(),
        inputs: Inputs { image: has("image"), video: has("video") },
        thinking: thinking(&row.abilities.thinking)?,
        context_window: row.limits.as_ref().and_then(|limits| limits.context_window),
        max_tokens: row.limits.as_ref().and_then(|limits| limits.max_tokens),
        cost: price.map(cost).transpose()?,
        compat: Compat { supports_prefill: row.prefill.as_ref().map(|_| true), ..Compat::default() },
        retired: end(&row.retired),
        leaving: end(&row.leaving),
    })
}

fn cost(price: &Price) -> Result<Cost, String> {
    let read = |amount| Cost::millionths(amount).ok_or_else(|| format!("{amount} is not a price"));
    Ok(Cost {
        input: read(price.input)?,
        output: read(price.output)?,
        cache_read: read(price.cache_read)?,
        cache_write: read(price.cache_write)?,
    })
}

fn dialect(name: &str) -> Result<DialectId, String> {
    Ok(match name {
        "moonshot" => DialectId::Moonshot,
        "kimi-code" => DialectId::KimiCode,
        "openrouter" => DialectId::OpenRouter,
        "generic" => DialectId::Generic,
        other => return Err(format!("no dialect `{other}`")),
    })
}

fn thinking(name: &str) -> Result<Thinking, String> {
    Ok(match name {
        "none" => Thinking::None,
        "switch" => Thinking::Switch,
        "always" => Thinking::Always,
        "effort" => Thinking::Effort,
        "unknown" => Thinking::Unknown,
        other => return Err(format!("no way of thinking `{other}`")),
    })
}
