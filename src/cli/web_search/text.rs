//! The answer on a terminal.

use crate::assistant::search::SearchResult;
use crate::cli::agent::terminal_text::sanitize;

/// The answer, then its pages with numbers, then what it cost. Nothing of it commands the terminal.
pub(super) fn render_answer(found: &SearchResult) -> String {
    let mut text = sanitize(&found.content).trim().to_owned();
    if !found.citations.is_empty() {
        text.push_str("\n\nSources:");
        for (index, url) in found.citations.iter().enumerate() {
            text.push_str(&format!("\n  {}. {}", index + 1, sanitize(url)));
        }
    }
    text.push_str(&format!("\n\n{} · {}", sanitize(found.model()), cost_text(found)));
    text
}

fn cost_text(found: &SearchResult) -> String {
    if found.is_cached {
        return "known from before".to_owned();
    }
    let seconds = format!("{:.1} s", found.duration.as_secs_f64());
    match found.usage.bill() {
        None => seconds,
        Some(bill) if bill.currency == "USD" => format!("{seconds} · ${:.4}", bill.amount.as_f64()),
        Some(bill) => format!("{seconds} · {:.4} {}", bill.amount.as_f64(), sanitize(&bill.currency)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::render_answer;
    use crate::assistant::search::{SearchCosts, SearchResult, SearchUsage};
    use crate::protocol::amount::Amount;

    #[test]
    fn an_answer_its_pages_and_its_price() {
        let searches = Amount::parse("0.00698").unwrap();
        let costs = SearchCosts { searches, currency: "USD".to_owned(), ..SearchCosts::default() };
        let mut found = SearchResult {
            query: "q".to_owned(),
            reference: "moonshot/kimi-k2.6".to_owned(),
            content: "So \u{1b}]0;title\u{7}it \u{202e}is.\r\n".to_owned(),
            citations: vec!["https://a.example".to_owned(), "https://b.example".to_owned()],
            duration: Duration::from_millis(1280),
            is_cached: false,
            usage: SearchUsage { costs: Some(costs), ..SearchUsage::default() },
        };
        let expected = "So ␛]0;title␇it \u{fffd}is.\n\nSources:\n  1. https://a.example\n  2. https://b.example\n\n\
                        kimi-k2.6 · 1.3 s · $0.0070";
        assert_eq!(render_answer(&found), expected);
        (found.is_cached, found.citations) = (true, Vec::new());
        assert_eq!(render_answer(&found), "So ␛]0;title␇it \u{fffd}is.\n\nkimi-k2.6 · known from before");
    }
}
