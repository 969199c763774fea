//! No text makes the configuration panic, and its printed form contains no secret.

use proptest::prelude::*;

use crate::config::file::Tree;
use crate::config::redact::redact_secrets;
use crate::config::schema::root;
use crate::config::{Environment, from_text, import};

const PIECES: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "'",
    "\"",
    "\\",
    "//",
    "/*",
    "*/",
    "\n",
    "\u{2028}",
    "\u{feff}",
    "ü",
    "${A}",
    "$${B}",
    "0x",
    "-",
    ".5",
    "1e9",
    "null",
    "true",
    "NaN",
    "models",
    "providers",
    "agents",
    "'kimi/k3'",
    "\\ud83d",
];

const SEED: &str = include_str!("../../../tests/fixtures/seeds/cn-kimi-code.json5");

fn parse(text: &str) {
    let environment = Environment::default();
    let _ = from_text(text, None, &environment);
    let _ = import::import(text, None, &environment);
}

proptest! {
    #[test]
    fn pieces_of_json5_never_panic(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40)) {
        parse(&pieces.concat());
    }

    #[test]
    fn file_with_an_inserted_piece_never_panics(at in 0..SEED.len(), piece in prop::sample::select(&PIECES[..]), cut in 0_usize..20) {
        let end = (at + cut).min(SEED.len());
        if SEED.is_char_boundary(at) && SEED.is_char_boundary(end) {
            parse(&format!("{}{piece}{}", &SEED[..at], &SEED[end..]));
        }
    }

    #[test]
    fn secrets_of_the_schema_are_redacted(secret in "sk-[a-z]{12}") {
        let text = SEED.replace("sk-...", &secret).replace("${KIMICODE_API_KEY}", &secret).replace("KimiCLI/0.77", &secret);
        let tree = Tree::parse(&text).unwrap();
        let shown = redact_secrets(tree.root.value.to_json(), Some(root())).to_string();
        prop_assert!(!shown.contains(&secret), "{}", shown);
        prop_assert_eq!(shown.matches("***").count(), 3);
    }
}
