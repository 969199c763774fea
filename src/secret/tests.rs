use super::*;

/// Contains every character that an encoding or a pattern treats specially, and has a length that base64 pads.
const KEY: &str = "sk-own/abc+DEF=123:tail\"9%2Fend";

fn redactor(values: &[&str]) -> Redactor {
    let values: Vec<Secret> = values.iter().map(|value| Secret::new((*value).to_owned())).collect();
    Redactor::new(&values)
}

fn percent_encoded(text: &str, upper: bool) -> String {
    let encode = |c: char| match (c.is_ascii_alphanumeric(), upper) {
        (true, _) => c.to_string(),
        (false, true) => format!("%{:02X}", u32::from(c)),
        (false, false) => format!("%{:02x}", u32::from(c)),
    };
    text.chars().map(encode).collect()
}

fn json_escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('/', "\\/")
}

/// Every character as `\u00XX`.
fn unicode_escaped(text: &str) -> String {
    text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect()
}

#[test]
fn identifiers_are_redacted() {
    for (text, expected) in [
        (
            "Your account org-3f2a9c/proj-77aa<ak-eyx81> request reached organization max RPM: 20",
            "Your account …/…<…> request reached organization max RPM: 20",
        ),
        ("Incorrect API key provided: sk-proj-ab***yz. See", "Incorrect API key provided: …. See"),
        ("mail some.one+x@example.co.uk now", "mail … now"),
        ("Authorization: Bearer abc.def-123 refused", "Authorization: Bearer … refused"),
        ("token eyJhbGciOiJIUzI1NiJ9.e30.x", "token …"),
        ("user_2abcDEFgh has no credits", "… has no credits"),
        ("a\r\n\tb\u{0}\u{1b}[31mc  d ", "a b [31mc d"),
        ("unknown field user_id", "unknown field user_id"),
        ("task-force, 余额不足, k2.7-code, 99.5%", "task-force, 余额不足, k2.7-code, 99.5%"),
        ("", ""),
    ] {
        assert_eq!(Redactor::default().redact(text), expected);
    }
}

#[test]
fn a_long_text_is_cut_by_characters() {
    let long = Redactor::default().redact(&"界".repeat(5000));
    assert_eq!(long.chars().count(), 1000);
    assert!(long.ends_with('…'));
    assert_eq!(Redactor::default().redact(&"x".repeat(1000)).len(), 1000);
}

#[test]
fn every_encoding_of_a_value_is_redacted() {
    let [standard, url_safe] = base64(KEY.as_bytes());
    let encodings = [
        ("plain", KEY.to_owned()),
        ("percent, upper case", percent_encoded(KEY, true)),
        ("percent, lower case", percent_encoded(KEY, false)),
        ("JSON", json_escaped(KEY)),
        ("JSON in JSON", json_escaped(&json_escaped(KEY))),
        ("unicode escapes", unicode_escaped(KEY)),
        ("percent twice", percent_encoded(&percent_encoded(KEY, true), true)),
        ("percent in JSON", unicode_escaped(&percent_encoded(KEY, false))),
        ("JSON in percent", percent_encoded(&json_escaped(KEY), true)),
        ("base64", standard.clone()),
        ("padded base64", format!("{standard}==")),
        ("URL-safe base64", url_safe.clone()),
        ("padded URL-safe base64", format!("{url_safe}==")),
        ("base64 in percent", percent_encoded(&format!("{standard}=="), true)),
        ("base64 in JSON", json_escaped(&standard)),
        ("base64 with a line end", base64(format!("{KEY}\n").as_bytes())[0].clone()),
    ];
    for (name, encoded) in encodings {
        let redacted = redactor(&[KEY]).redact(&format!("key <{encoded}> refused"));
        assert_eq!(redacted, "key <…> refused", "{name}: {encoded}");
        assert_eq!(redactor(&[KEY]).redact_values(&format!("a  {encoded}")), "a  …", "{name}: {encoded}");
    }
}

#[test]
fn base64_is_that_of_rfc_4648() {
    for (text, expected) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
        assert_eq!(base64(text.as_bytes())[0], expected);
    }
    assert_eq!(base64(&[0xfb, 0xff]), ["+/8", "-_8"]);
}

#[test]
fn a_key_with_separators_leaves_no_tail() {
    for separator in ['/', '=', ':', '+', '.', '~', '|', ',', ' '] {
        let key = format!("sk-head{separator}tail-of-the-key");
        let redacted = redactor(&[&key]).redact(&format!("Incorrect API key provided: {key}. See the docs"));
        assert_eq!(redacted, "Incorrect API key provided: …. See the docs", "{separator}");
    }
}

#[test]
fn a_key_at_the_limit_of_the_text_is_redacted() {
    let key = format!("{}/{}", "a1".repeat(300), "b2".repeat(400));
    for before in [0, 1, 500, 990, 999, 1000, 1001] {
        let text = format!("{}{key} refused", ".".repeat(before));
        let redacted = redactor(&[&key]).redact(&text);
        assert!(redacted.chars().count() <= 1000, "{before}");
        assert!(!redacted.contains("a1") && !redacted.contains("b2"), "{before}: {redacted}");
    }
}

#[test]
fn a_key_that_the_read_limit_cuts_is_redacted() {
    let key = "a-key-of-some-length/0123456789";
    let forms =
        [key.to_owned(), percent_encoded(key, true), unicode_escaped(key), base64(key.as_bytes())[0].clone()];
    for form in forms {
        // White space makes room for the cut key in the redacted text.
        for kept in (SHORTEST_PART..form.len()).step_by(7) {
            let text = format!("key{}{form}", " ".repeat(READ - "key".len() - kept));
            let redacted = redactor(&[key]).redact(&text);
            // Less than eight characters of the key may remain.
            let rest = redacted.trim_start_matches("key ");
            assert!(
                rest == "…" || rest.len() < 6 * SHORTEST_PART && !rest.contains("a-key-of"),
                "{kept}: {redacted}"
            );
        }
        let cut = &form[..form.len() - 1];
        assert_eq!(redactor(&[key]).redact(&format!("key {cut}")), "key …");
    }
}

#[test]
fn a_short_value_is_redacted_as_a_whole_word_only() {
    let redactor = redactor(&["true", "a/b", ""]);
    for (text, expected) in [
        ("true", "…"),
        ("is true.", "is …."),
        ("x=true&y", "x=…&y"),
        ("untrue, truest, true-ish, _true", "untrue, truest, true-ish, _true"),
        ("x a/b y", "x … y"),
        ("x a%2Fb y a\\/b", "x … y …"),
        ("xa/b a/by", "xa/b a/by"),
        ("dHJ1ZQ== dHJ1ZQx", "…== dHJ1ZQx"),
    ] {
        assert_eq!(redactor.redact(text), expected);
    }
}

#[test]
fn overlapping_values_are_redacted_together() {
    let redactor = redactor(&["abcdefgh", "abcdefghijkl", "ghijklmnop"]);
    assert_eq!(redactor.redact("<abcdefghijkl>"), "<…>");
    assert_eq!(redactor.redact("<abcdefghijklmnop>"), "<…>");
    assert_eq!(redactor.redact("<abcdefghabcdefgh> abcdefgh"), "<…> …");
}

#[test]
fn an_empty_value_is_ignored() {
    assert_eq!(redactor(&["", "  "]).redact("all of it stays"), "all of it stays");
    assert!(!redactor(&[""]).finds_value("text"));
}

#[test]
fn a_credential_is_redacted_without_its_scheme() {
    let redactor = redactor(&["Bearer abc/def=ghi", "some words"]);
    assert_eq!(redactor.redact("refused: abc/def=ghi"), "refused: …");
    assert_eq!(redactor.redact("Bearer abc/def=ghi refused"), "… refused");
    assert_eq!(redactor.redact("words of some kind"), "words of some kind");
}

#[test]
fn other_text_stays_as_it_is() {
    let redactor = redactor(&[KEY]);
    for text in ["50% of C:\\users\\u00e9 100%zz \\", "%", "\\u12", "界%E7%95%8C \\u754c"] {
        assert_eq!(redactor.redact_values(text), text);
        assert!(!redactor.finds_value(text));
    }
    assert!(redactor.finds_value(&format!("gen-{KEY}")));
    assert_eq!(format!("{redactor:?}"), "Redactor { .. }");
}

#[test]
fn masks_all_but_the_ends() {
    assert_eq!(Secret::new("sk-abcdefghijkl".to_owned()).masked(), "sk-…kl");
    assert_eq!(Secret::new("short".to_owned()).masked(), "***");
}
