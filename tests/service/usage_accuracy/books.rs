//! The two accounts, each read independently, and the expected cost.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use moonrelay::usage::{GroupBy, UsageDatabase, UsageQuery, UsageRow, UsageTotals, open_read_only};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// A provider, and its own model id.
pub(super) type Target = (String, String);

/// The sums of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// Answers.
    pub(super) answers: i128,
    /// Tokens of prompts.
    pub(super) prompt: i128,
    /// Of those, from the cache.
    pub(super) cached: i128,
    /// Of those, written to the cache.
    pub(super) written: i128,
    /// Tokens of answers.
    pub(super) completion: i128,
    /// Of those, reasoning.
    pub(super) reasoning: i128,
    /// The cost that answers reported, in 10⁻¹² units.
    pub(super) reported: i128,
}

impl Used {
    /// Of one attempt.
    pub(super) fn of(line: &Line) -> Self {
        let [input, output, read, write, reasoning] = line.tokens;
        Self {
            answers: 1,
            prompt: input + read + write,
            cached: read,
            written: write,
            completion: output,
            reasoning,
            reported: line.reported,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            answers: self.answers + other.answers,
            prompt: self.prompt + other.prompt,
            cached: self.cached + other.cached,
            written: self.written + other.written,
            completion: self.completion + other.completion,
            reasoning: self.reasoning + other.reasoning,
            reported: self.reported + other.reported,
        }
    }
}

/// Price in 10⁻⁶ units for a million tokens: cached input, other input, output. Moonshot's of 2026-09-23 and
/// K3.1's of November, in dollars; those of `own` are in the configuration.
const PRICES: [(&str, &str, [i128; 3]); 5] = [
    ("moonshot", "kimi-k3", [300_000, 3_000_000, 15_000_000]),
    ("moonshot", "kimi-k2.6", [160_000, 950_000, 4_000_000]),
    ("moonshot", "kimi-k3.1-pro", [200_000, 2_000_000, 10_000_000]),
    ("moonshot", "kimi-k2.7-code-highspeed", [380_000, 1_900_000, 8_000_000]),
    ("own", "kimi-k2.7-code", [111_111, 1_250_000, 7_500_000]),
];

/// The cost in 10⁻¹² units: unknown for a subscription, reported by `OpenRouter`.
pub(super) fn expected_cost((provider, model): &Target, used: &Used) -> Option<i128> {
    match provider.as_str() {
        "kimi" => None,
        "openrouter" => Some(used.reported),
        _ => {
            let row = PRICES.iter().find(|(own, id, _)| own == provider && id == model);
            let (_, _, [hit, miss, output]) = row.unwrap_or_else(|| panic!("no price of {provider}/{model}"));
            assert_eq!(used.written, 0, "no request here writes to a cache");
            Some(used.cached * hit + (used.prompt - used.cached) * miss + used.completion * output)
        }
    }
}

/// The simulator's counts.
pub(super) struct Books(Vec<(Target, Used, i128)>);

impl Books {
    /// From `GET /_tally`.
    pub(super) fn of(tally: &Value) -> Self {
        let row = |row: &Value| {
            let text = |key: &str| row[key].as_str().unwrap_or_else(|| panic!("{key}: {row}")).to_owned();
            let count = |key: &str| i128::from(row[key].as_u64().unwrap_or_else(|| panic!("{key}: {row}")));
            let used = Used {
                answers: count("answers"),
                prompt: count("promptTokens"),
                cached: count("cachedTokens"),
                written: count("cacheWriteTokens"),
                completion: count("completionTokens"),
                reasoning: count("reasoningTokens"),
                reported: picos(&text("cost")),
            };
            // The provider of the user's own is Moonshot's in the simulator, and the only one with this model.
            let provider = match (text("provider"), text("model")) {
                (_, model) if model == "kimi-k2.7-code" => "own".to_owned(),
                (provider, _) => provider,
            };
            ((provider, text("model")), used, count("untold"))
        };
        Self(tally["rows"].as_array().unwrap().iter().map(row).collect())
    }

    /// Of answers whose usage went out, by target.
    pub(super) fn used(&self) -> BTreeMap<Target, Used> {
        let rows = self.0.iter().filter(|(_, used, _)| used.answers > 0);
        sums(rows.map(|(target, used, _)| (target.clone(), *used)))
    }

    /// Answers that began, and whose usage did not go out, by target.
    pub(super) fn untold(&self) -> BTreeMap<Target, i128> {
        let mut all = BTreeMap::new();
        for (target, _, untold) in self.0.iter().filter(|(_, _, untold)| *untold > 0) {
            *all.entry(target.clone()).or_default() += untold;
        }
        all
    }
}

/// An exact decimal of twelve places.
fn picos(text: &str) -> i128 {
    let (whole, part) = text.split_once('.').unwrap();
    assert_eq!(part.len(), 12, "{text}");
    format!("{whole}{part}").parse().unwrap()
}

fn sums(rows: impl Iterator<Item = (Target, Used)>) -> BTreeMap<Target, Used> {
    let mut all = BTreeMap::<Target, Used>::new();
    for (target, used) in rows {
        let sum = all.entry(target).or_default();
        *sum = sum.plus(used);
    }
    all
}

/// A request in the usage database.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) client: String,
    pub(super) outcome: String,
}

/// An attempt with tokens in the usage database.
#[derive(Debug)]
pub(super) struct Line {
    /// The target; the model by the provider's id.
    pub(super) target: Target,
    /// As the configuration has it.
    reference: String,
    outcome: String,
    /// Input, output, read from the cache, written to it, reasoning.
    tokens: [i128; 5],
    pub(super) estimated: bool,
    reported: i128,
    pub(super) amount: Option<i128>,
    pub(super) currency: Option<String>,
    pub(super) pricing: Option<String>,
}

/// The contents of the usage database.
pub(super) struct Database {
    pub(super) requests: Vec<Row>,
    pub(super) lines: Vec<Line>,
    /// Its own sums, by model.
    sums: BTreeMap<String, UsageRow>,
}

impl Database {
    /// Of a gateway that has ended.
    pub(super) async fn read(directory: &Path) -> Self {
        let file =
            Connection::open_with_flags(directory.join("ledger.sqlite"), OpenFlags::SQLITE_OPEN_READ_ONLY)
                .unwrap();
        let mut requests =
            file.prepare("SELECT printf('%016x', number), client, outcome FROM requests").unwrap();
        let requests = requests
            .query_map([], |row| Ok(Row { id: row.get(0)?, client: row.get(1)?, outcome: row.get(2)? }))
            .unwrap();
        let mut lines = file
            .prepare(
                "SELECT provider, model, outcome, input, output, cache_read, cache_write, reasoning, estimated, \
                 told, amount, currency, pricing FROM attempts WHERE input IS NOT NULL",
            )
            .unwrap();
        let lines = lines.query_map([], line).unwrap();
        let store = open_read_only(directory).unwrap().expect("a usage database");
        Self {
            requests: requests.map(Result::unwrap).collect(),
            lines: lines.map(Result::unwrap).collect(),
            sums: own_sums(store).await,
        }
    }

    /// The sums of some attempts, by target.
    pub(super) fn used(&self, counts: impl Fn(&Line) -> bool) -> BTreeMap<Target, Used> {
        sums(self.lines.iter().filter(|line| counts(line)).map(|line| (line.target.clone(), Used::of(line))))
    }

    /// The cost of some attempts at one target together; `None` if no price is known.
    pub(super) fn cost(&self, target: &Target, counts: impl Fn(&Line) -> bool) -> Option<i128> {
        let lines = self.lines.iter().filter(|line| line.target == *target && counts(line));
        let amounts: Vec<i128> = lines
            .filter_map(|line| {
                assert_eq!(line.amount.is_some(), line.currency.as_deref() == Some("USD"), "{line:?}");
                line.amount
            })
            .collect();
        (!amounts.is_empty()).then(|| amounts.iter().sum())
    }

    /// Its own sum of a model.
    pub(super) fn sum(&self, (provider, model): &Target) -> &UsageRow {
        &self.sums[&format!("{provider}/{model}")]
    }

    /// Its own sums equal those of its rows: answered requests, and separately the other attempts.
    pub(super) fn adds_up(&self) {
        for (reference, sum) in &self.sums {
            for (total, answered) in [(&sum.answered, true), (&sum.lost, false)] {
                let lines = self.lines.iter().filter(|line| line.reference == *reference);
                let lines: Vec<&Line> = lines.filter(|line| (line.outcome == "ok") == answered).collect();
                assert_eq!(figures(total), added(&lines), "{reference}, answered: {answered}");
            }
        }
        let tried = self.lines.iter().all(|line| self.sums.contains_key(&line.reference));
        assert!(tried, "each attempt stands in a sum");
        assert!(self.sums.values().any(|sum| sum.lost.attempts > 0), "something was lost");
    }
}

fn line(row: &rusqlite::Row<'_>) -> rusqlite::Result<Line> {
    let number = |column| row.get::<_, i64>(column).map(i128::from);
    let (provider, model): (String, String) = (row.get(0)?, row.get(1)?);
    let reference = format!("{provider}/{model}");
    Ok(Line {
        target: (provider.clone(), sent_as(&provider, model)),
        reference,
        outcome: row.get(2)?,
        tokens: [number(3)?, number(4)?, number(5)?, number(6)?, number(7)?],
        estimated: row.get(8)?,
        reported: row.get::<_, Option<i64>>(9)?.map_or(0, i128::from),
        amount: row.get::<_, Option<i64>>(10)?.map(i128::from),
        currency: row.get(11)?,
        pricing: row.get(12)?,
    })
}

/// The model on the wire.
fn sent_as(provider: &str, model: String) -> String {
    match (provider, model.as_str()) {
        ("kimi", "k2p5") => "kimi-for-coding".to_owned(),
        ("openrouter", "auto") => "openrouter/auto".to_owned(),
        _ => model,
    }
}

async fn own_sums(store: Arc<dyn UsageDatabase>) -> BTreeMap<String, UsageRow> {
    let question = UsageQuery {
        since: SystemTime::UNIX_EPOCH,
        until: None,
        group_by: vec![GroupBy::Model],
        zone: jiff::tz::TimeZone::UTC,
    };
    let sums = store.query(&question).await.unwrap();
    sums.into_iter().map(|sum| (sum.keys[0].clone(), sum)).collect()
}

/// Attempts, estimated, unpriced, the five counts of tokens, dollars in millionths of millionths.
type Figures = ([i128; 8], i128);

fn figures(total: &UsageTotals) -> Figures {
    let tokens = total.tokens;
    let counts = [
        total.attempts,
        total.estimated,
        total.unpriced,
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write,
        tokens.reasoning,
    ];
    assert!(total.cost.keys().all(|currency| currency == "USD"), "{total:?}");
    (counts.map(i128::from), total.cost.get("USD").map_or(0, |amount| i128::from(amount.as_picos())))
}

fn added(lines: &[&Line]) -> Figures {
    let count = |counts: &dyn Fn(&Line) -> bool| {
        i128::try_from(lines.iter().filter(|line| counts(line)).count()).unwrap()
    };
    let mut all = [0; 8];
    all[0] = count(&|_| true);
    all[1] = count(&|line| line.estimated);
    all[2] = count(&|line| line.amount.is_none());
    for line in lines {
        for (sum, tokens) in all[3..].iter_mut().zip(line.tokens) {
            *sum += tokens;
        }
    }
    (all, lines.iter().filter_map(|line| line.amount).sum())
}
