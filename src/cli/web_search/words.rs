//! The answer on a terminal.

use crate::assistant::search::Found;
use crate::cli::agent::plain::harmless;

/// The answer, then its pages with numbers, then what it cost. Nothing of it commands the terminal.
pub(super) fn text(found: &Found) -> String {
    let mut text = harmless(&found.content).trim().to_owned();
    if !found.citations.is_empty() {
        text.push_str("\n\nSources:");
        for (index, url) in found.citations.iter().enumerate() {
            text.push_str(&format!("\n  {}. {}", index + 1, harmless(url)));
        }
    }
    text.push_str(&format!("\n\n{} · {}", harmless(found.model()), cost(found)));
    text
}

fn cost(found: &Found) -> String {
    if found.cached {
        return "known from before".to_owned();
    }
    let seconds = format!("{:.1} s", found.took.as_secs_f64());
    match found.spent.bill() {
        None => seconds,
        Some(bill) if bill.currency == "USD" => format!("{seconds} · ${:.4}", bill.amount.as_f64()),
        Some(bill) => format!("{seconds} · {:.4} {}", bill.amount.as_f64(), harmless(&bill.currency)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::text;
    use crate::assistant::search::{Costs, Found, Spent};
    use crate::protocol::amount::Amount;

    #[test]
    fn an_answer_its_pages_and_its_price() {
        let searches = Amount::read("0.00698").unwrap();
        let costs = Costs { searches, currency: "USD".to_owned(), ..Costs::default() };
        let mut found = Found {
            query: "q".to_owned(),
            reference: "moonshot/kimi-k2.6".to_owned(),
            content: "So \u{1b}]0;title\u{7}it \u{202e}is.\r\n".to_owned(),
            citations: vec!["https://a.example".to_owned(), "https://b.example".to_owned()],
            took: Duration::from_millis(1280),
            cached: false,
            spent: Spent { costs: Some(costs), ..Spent::default() },
        };
        let expected = "So ␛]0;title␇it \u{fffd}is.\n\nSources:\n  1. https://a.example\n  2. https://b.example\n\n\
                        kimi-k2.6 · 1.3 s · $0.0070";
        assert_eq!(text(&found), expected);
        (found.cached, found.citations) = (true, Vec::new());
        assert_eq!(text(&found), "So ␛]0;title␇it \u{fffd}is.\n\nkimi-k2.6 · known from before");
    }
}
