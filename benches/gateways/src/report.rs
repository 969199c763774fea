//! The results in tables.

use crate::acceptance;
use crate::case::Case;
use crate::race::{Results, RowResults};
use crate::summary::{Summary, loaded, summary};
use crate::table::{Table, number, pair, ratio};

/// The rows that others are compared with.
const REFERENCES: [&str; 2] = ["nginx", "floor"];

/// A column: its name, its cell, and the number that is compared.
type Column = (&'static str, fn(&Summary) -> String, fn(&Summary) -> f64);

/// Cases with the columns that they fill.
const ADDED: Column = ("added µs p50/p99", |of| pair(of.added), |of| of.added[0]);

/// All tables that this run fills.
#[must_use]
pub fn tables(results: &Results) -> Vec<Table> {
    let whole: Column = ("µs p50/p99", |of| pair(of.absolute.whole), |of| of.absolute.whole[0]);
    let rate: Column = ("asked a second", |of| number(of.absolute.rate), |_| f64::NAN);
    let cpu: Column =
        ("CPU µs a request", |of| number(of.absolute.cpu_request), |of| of.absolute.cpu_request);
    let per_chunk: Column =
        ("CPU µs a chunk", |of| number(of.absolute.cpu_chunk), |of| of.absolute.cpu_chunk);
    let first: Column = ("first byte, added µs", |of| pair(of.added_first), |of| of.added_first[0]);
    let chunk: Column = ("a chunk, added µs", |of| pair(of.added_chunk), |of| of.added_chunk[0]);
    let delay: Column = ("a chunk, µs", |of| pair(of.absolute.chunk), |_| f64::NAN);
    let peak: Column = ("peak MB", |of| number(of.absolute.peak / 1e6), |_| f64::NAN);
    let each: Column =
        ("KB a stream", |of| number(of.absolute.stream_bytes / 1e3), |of| of.absolute.stream_bytes);
    let requests: Column = ("requests/s", |of| number(of.absolute.per_second), |of| of.absolute.per_second);
    let streams: Column = ("streams/s", |of| number(of.absolute.per_second), |of| of.absolute.per_second);
    let mut tables = Vec::new();
    let mut add = |case: Case, title: &str, columns: &[Column]| {
        if let Some(table) = case_table(results, case, title, columns) {
            tables.push(table);
        }
    };
    let fixed = [ADDED, whole, rate];
    add(Case::Small, "Small body, not streamed, on a fixed schedule", &fixed);
    add(Case::Throughput, "Small body, 64 connections, as fast as it goes", &[requests, cpu, whole, peak]);
    add(Case::Agent, "Body of 230 KB, on a fixed schedule", &fixed);
    add(Case::Image, "Body of 5 MB with an image, on a fixed schedule", &fixed);
    add(
        Case::Streams,
        "Streams of 100 chunks at full speed, 16 connections",
        &[streams, per_chunk, whole, peak],
    );
    add(Case::Paced, "Paced streams, a chunk each 13 ms, on a fixed schedule", &[first, chunk, rate]);
    add(
        Case::PacedBesideLarge,
        "The same streams while bodies of 4.5 MB come, each after the one before",
        &[first, chunk, rate],
    );
    add(Case::Open1000, "1,000 streams at a time, a chunk a second", &[each, per_chunk, delay, peak]);
    add(Case::Open5000, "5,000 streams at a time, a chunk a second", &[each, per_chunk, delay, peak]);
    add(Case::Translation, "Chat completions to an upstream that speaks messages", &fixed);
    add(Case::Fallback, "The first target answers 500, the second answers", &fixed);
    add(
        Case::Cold,
        "Small body, one by one, the caches of the core emptied before each",
        &[ADDED, whole, cpu],
    );
    add(Case::ColdStream, "A stream of one chunk, the caches of the core emptied before it", &[first, cpu]);
    tables.push(footprints(results));
    tables.extend(acceptance::table(results));
    tables
}

fn case_table(results: &Results, case: Case, title: &str, columns: &[Column]) -> Option<Table> {
    let of = |row: &RowResults| summary(results, row, case);
    let compared = columns.first()?.2;
    let references = REFERENCES.map(|name| {
        let row = results.rows.iter().find(|row| row.name == name);
        row.and_then(of).as_ref().map_or(f64::NAN, compared)
    });
    let mut head = vec![case.name(), columns.first()?.0, "to nginx", "to floor"];
    head.extend(columns.iter().skip(1).map(|column| column.0));
    head.push("errors");
    let mut table = Table::new(title, &head);
    for row in &results.rows {
        let Some(summary) = of(row) else {
            table.rows.push(
                std::iter::once(row.name.clone()).chain(vec!["–".to_owned(); head.len() - 1]).collect(),
            );
            continue;
        };
        let wrong = summary.absolute.wrong;
        let mark = if wrong > 0 { " !" } else { "" };
        let mut cells = vec![format!("{}{mark}", row.name)];
        for (place, column) in columns.iter().enumerate() {
            cells.push(column.1(&summary));
            if place == 0 {
                cells.extend(references.map(|reference| ratio(compared(&summary), reference)));
            }
        }
        cells.push(match &summary.absolute.fault {
            Some(fault) if wrong > 0 => {
                format!(
                    "{wrong} of {}: {}",
                    wrong + summary.absolute.right,
                    fault.chars().take(60).collect::<String>()
                )
            }
            _ => wrong.to_string(),
        });
        table.rows.push(cells);
    }
    results.rows.iter().any(|row| of(row).is_some()).then_some(table)
}

fn footprints(results: &Results) -> Table {
    let mut table = Table::new(
        "What it costs to have it",
        &["row", "version", "start to first 200, ms", "idle MB", "under load MB", "processes", "binary MB"],
    );
    let megabytes = |bytes: Option<u64>| bytes.map_or(f64::NAN, |bytes| bytes as f64 / 1e6);
    for row in results.rows.iter().filter(|row| row.footprint.idle.is_some()) {
        let footprint = &row.footprint;
        table.rows.push(vec![
            row.name.clone(),
            row.version.clone().unwrap_or_else(|| "–".to_owned()),
            number(footprint.start_ms.unwrap_or(f64::NAN)),
            number(megabytes(footprint.idle)),
            number(loaded(results, row) / 1e6),
            footprint.processes.map_or_else(|| "–".to_owned(), |count| count.to_string()),
            number(megabytes(footprint.binary)),
        ]);
    }
    table
}

/// Sentences below the tables: what is particular to a row, and what did not run.
#[must_use]
pub fn notes(results: &Results) -> Vec<String> {
    let notes = results.rows.iter().filter_map(|row| Some(format!("{}: {}", row.name, row.note.as_ref()?)));
    let lost = results
        .rows
        .iter()
        .filter_map(|row| Some(format!("{}: dropped out: {}", row.name, row.lost.as_ref()?)));
    let skipped = results.skipped.iter().map(|(name, why)| format!("{name}: skipped: {why}"));
    notes.chain(lost).chain(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::{measure, results};

    #[test]
    fn ratios_compare_rows_of_the_same_run() {
        let results = results(&[
            ("direct", &[20.0]),
            ("nginx", &[120.0]),
            ("floor", &[170.0]),
            ("moonrelay", &[320.0]),
        ]);
        let tables = tables(&results);
        let small = &tables[0];
        assert_eq!(small.rows[3][..4], ["moonrelay", "300/600", "3.00×", "2.00×"]);
        assert_eq!(small.rows[3].last().map(String::as_str), Some("0"));
    }

    #[test]
    fn row_with_errors_is_marked() {
        let mut results = results(&[("direct", &[20.0]), ("floor", &[170.0])]);
        let wrong = crate::measure::Measure { wrong: 1, fault: Some("500".to_owned()), ..measure(170.0) };
        results.rows[1].cases[0].1[0] = wrong;
        let row = &tables(&results)[0].rows[1];
        assert_eq!(row[0], "floor !");
        assert_eq!(row.last().map(String::as_str), Some("1 of 11: 500"));
    }
}
