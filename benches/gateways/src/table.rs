//! Tables, for a terminal and for a page.

use std::fmt::Write;

/// One of them; every row has as many cells as the head.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The names of the columns.
    pub head: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(title: &str, head: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            head: head.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// For a terminal: columns under each other, the first to the left.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = || std::iter::once(&self.head).chain(&self.rows);
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        let mut text = format!("\n{}\n", self.title);
        for line in lines() {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                // Writing to a string does not fail.
                let _ = if column == 0 {
                    write!(text, "  {cell:<width$}")
                } else {
                    write!(text, "  {cell:>width$}")
                };
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }

    /// For a page.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = format!("|---|{}\n", "--:|".repeat(self.head.len().saturating_sub(1)));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}\n\n{}{rule}{rows}\n", self.title, line(&self.head))
    }
}

/// A number with as many digits as say something; `–` when there is none.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let decimals = match value.abs() {
        small if small < 9.95 => 2,
        middle if middle < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if value.abs() < 9999.5 { text } else { thousands(&text) }
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len() - place;
        if place > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Median and 99th percentile.
#[must_use]
pub fn pair(values: [f64; 2]) -> String {
    if values.iter().any(|value| value.is_finite()) {
        values.map(rounded).join("/")
    } else {
        "–".to_owned()
    }
}

fn rounded(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{value:.0}");
    if value.abs() < 9999.5 { text } else { thousands(&text) }
}

/// How many times the other; `–` for what is nothing, as what the direct row adds is.
#[must_use]
pub fn ratio(value: f64, to: f64) -> String {
    let ratio = value / to;
    if ratio.is_finite() && value != 0.0 && to != 0.0 {
        format!("{}×", number(ratio))
    } else {
        "–".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_readable_precision() {
        assert_eq!(number(0.876), "0.88");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(146.4), "146");
        assert_eq!(number(32_300.4), "32,300");
        assert_eq!(number(-1_234_567.0), "-1,234,567");
        assert_eq!(number(f64::NAN), "–");
        assert_eq!(pair([146.2, 43_948.0]), "146/43,948");
        assert_eq!(ratio(150.0, 100.0), "1.50×");
        assert_eq!(ratio(150.0, 0.0), "–");
    }

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new("A title", &["row", "requests/s"]);
        table.rows.push(vec!["direct".to_owned(), "58,913".to_owned()]);
        assert_eq!(table.text(), "\nA title\n  row     requests/s\n  direct      58,913\n");
        assert_eq!(table.markdown(), "A title\n\n| row | requests/s |\n|---|--:|\n| direct | 58,913 |\n\n");
    }
}
