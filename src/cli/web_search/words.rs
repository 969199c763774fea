//! The answer on a terminal.

use serde_json::Value;

/// The answer, then its pages with numbers, then what it cost. Nothing of it commands the terminal.
pub(super) fn text(found: &Value) -> String {
    let word = |key: &str| plain(found.get(key).and_then(Value::as_str).unwrap_or_default());
    let mut text = word("content").trim().to_owned();
    let citations = found.get("citations").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !citations.is_empty() {
        text.push_str("\n\nSources:");
        for (index, url) in citations.iter().filter_map(Value::as_str).enumerate() {
            text.push_str(&format!("\n  {}. {}", index + 1, plain(url)));
        }
    }
    text.push_str(&format!("\n\n{} · {}", word("model"), cost(found)));
    text
}

fn cost(found: &Value) -> String {
    if found.get("cached").and_then(Value::as_bool) == Some(true) {
        return "known from before".to_owned();
    }
    let ms = found.get("tookMs").and_then(Value::as_u64).unwrap_or_default();
    let seconds = format!("{}.{} s", ms / 1000, ms % 1000 / 100);
    let cost = found.pointer("/usage/cost");
    let total = cost.and_then(|cost| cost.get("total")).and_then(Value::as_f64);
    let currency = cost.and_then(|cost| cost.get("currency")).and_then(Value::as_str);
    match (total, currency) {
        (Some(total), Some("USD")) => format!("{seconds} · ${total:.4}"),
        (Some(total), Some(currency)) => format!("{seconds} · {total:.4} {}", plain(currency)),
        _ => seconds,
    }
}

/// Without control characters but for line breaks and tabs: what comes from the web could otherwise rewrite the screen.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn an_answer_its_pages_and_its_price() {
        let found = json!({
            "content": "So \u{1b}]0;title\u{7}it is.\r\n", "citations": ["https://a.example", "https://b.example"],
            "model": "kimi-k2.6", "tookMs": 1280, "cached": false, "usage": { "cost": { "total": 0.00698, "currency": "USD" } },
        });
        let expected = "So ]0;titleit is.\n\nSources:\n  1. https://a.example\n  2. https://b.example\n\nkimi-k2.6 · 1.2 s · $0.0070";
        assert_eq!(text(&found), expected);
        let cached = json!({ "content": "x", "citations": [], "model": "m", "cached": true });
        assert_eq!(text(&cached), "x\n\nm · known from before");
    }
}
