//! `/metrics`, read as Prometheus reads it.

use std::collections::BTreeMap;

use super::{Answer, Gateway};

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// With `_bucket`, `_sum` or `_count` for a histogram.
    pub(crate) name: String,
    /// By name.
    pub(crate) labels: BTreeMap<String, String>,
    /// Its value.
    pub(crate) value: f64,
}

/// All samples of one scrape.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    /// In the order of the text.
    pub(crate) samples: Vec<Sample>,
}

impl Scrape {
    /// Scrapes a gateway.
    pub(crate) async fn of(gateway: &Gateway) -> Self {
        Self::read(&gateway.get("/metrics").await)
    }

    /// Reads an answer.
    pub(crate) fn read(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4");
        let text = answer.text();
        assert!(text.ends_with('\n'), "each line is ended");
        Self { samples: text.lines().filter(|line| !line.starts_with('#')).map(sample).collect() }
    }

    /// The sum of a metric's samples with these labels; `None` if there are none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|is| is == value))
        };
        self.samples.iter().filter(has).map(|sample| sample.value).reduce(|one, other| one + other)
    }

    /// The value of `label` of each sample of a metric whose value is 1, by that of `of`.
    pub(crate) fn current(&self, name: &str, of: &str, label: &str) -> BTreeMap<String, String> {
        let ones = self.samples.iter().filter(|sample| sample.name == name && sample.value == 1.0);
        ones.map(|sample| (sample.labels[of].clone(), sample.labels[label].clone())).collect()
    }
}

/// `name{label="value",…} 1.5`; values in tests have no comma or quote.
fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let pairs = labels.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or_else(|| panic!("no label: {line}"));
        (key.to_owned(), value.trim_matches('"').to_owned())
    };
    Sample {
        name: name.to_owned(),
        labels: pairs.map(pair).collect(),
        value: value.parse().unwrap_or_else(|_| panic!("no value: {line}")),
    }
}
