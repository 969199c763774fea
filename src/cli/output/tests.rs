use std::sync::{Arc, Mutex};

use super::*;

const ASCII: OutputStyle = OutputStyle { width: 20, use_blocks: false, use_colour: false };
const BLOCKS: OutputStyle = OutputStyle { use_blocks: true, ..ASCII };

/// Collects what was printed.
#[derive(Clone, Default)]
pub(in crate::cli) struct TestOutput(Arc<Mutex<Vec<u8>>>);

impl TestOutput {
    pub(in crate::cli) fn writer(&self, is_terminal: bool) -> AnswerWriter {
        AnswerWriter::new(Box::new(self.clone()), is_terminal, is_terminal)
    }

    pub(in crate::cli) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for TestOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn table_columns_are_aligned_and_sanitized() {
    let rows = [vec!["a".to_owned(), "long\u{1b}cell".to_owned()], vec!["bbb".to_owned(), String::new()]];
    assert_eq!(render_table(&["X", "Y"], &rows), "X    Y\na    long␛cell\nbbb\n");
}

#[test]
fn control_characters_are_made_visible() {
    let text = "a\tb\r\n\u{1b}]0;t\u{7}\u{9b}2J\u{7f}ü月\u{202e}";
    assert_eq!(sanitize(text), "a\tb\n␛]0;t␇\u{fffd}2J␡ü月\u{fffd}");
    assert_eq!(sanitize_line(text), "a b ␛]0;t␇\u{fffd}2J␡ü月\u{fffd}");
}

#[test]
fn numbers_are_short_or_grouped() {
    for (number, expected, short) in [
        (0, "0", "0"),
        (999, "999", "999"),
        (1_000, "1,000", "1.00k"),
        (9_995, "9,995", "10.0k"),
        (12_345, "12,345", "12.3k"),
        (999_499, "999,499", "999k"),
        (999_500, "999,500", "1.00M"),
        (1_234_567, "1,234,567", "1.23M"),
        (u64::MAX, "18,446,744,073,709,551,615", "18446744T"),
    ] {
        assert_eq!((group_digits(number).as_str(), format_compact(number).as_str()), (expected, short));
    }
}

#[test]
fn money_is_rounded_but_never_to_zero() {
    let shown = |literal, digits| format_money(Amount::parse(literal).unwrap(), digits);
    assert_eq!(shown("0.001434", 6), "0.001434");
    assert_eq!(shown("0.0014345", 6), "0.001435");
    assert_eq!(shown("1234.5", 2), "1,234.50");
    assert_eq!(shown("0.999999999999", 6), "1.000000");
    assert_eq!(shown("0.004", 2), "<0.01");
    assert_eq!(shown("0", 2), "0.00");
    let digits = |literal| cost_digits(Amount::parse(literal).unwrap());
    assert_eq!([digits("0.9"), digits("1"), digits("99.9"), digits("100")], [6, 4, 4, 2]);
}

#[test]
fn durations_have_at_most_two_units() {
    let cases = [
        (0, "0 ms"),
        (42, "42 ms"),
        (1_280, "1.3 s"),
        (42_000, "42 s"),
        (250_000, "4 min 10 s"),
        (3_600_000, "1 h"),
        (7_500_000, "2 h 5 min"),
        (558_000_000, "6 d 11 h"),
    ];
    for (millis, expected) in cases {
        assert_eq!(format_duration(Duration::from_millis(millis)), expected);
    }
}

#[test]
fn bar_length_matches_its_share() {
    let cases = [(0, 8), (1, 1_000_000), (1, 8), (3, 16), (8, 8), (9, 8)];
    assert_eq!(
        cases.map(|(part, whole)| BLOCKS.render_bar(part, whole, 8)),
        ["", "▏", "█", "█▌", "████████", "████████"]
    );
    assert_eq!(
        cases.map(|(part, whole)| ASCII.render_bar(part, whole, 8)),
        ["", "#", "#", "##", "########", "########"]
    );
    assert_eq!(BLOCKS.render_bar(u64::MAX, u64::MAX, 3), "███");
    assert_eq!(
        [0.0, 0.0001, 0.47, 1.0].map(|share| ASCII.render_gauge(share, 10)),
        ["..........", "..........", "#####.....", "##########"]
    );
    assert_eq!(BLOCKS.render_gauge(0.5, 4), "██░░");
}

#[test]
fn blocks_need_a_utf8_locale() {
    let blocks =
        |pairs: &[(&str, &str)]| OutputStyle::from_environment(&pairs.iter().copied().collect()).use_blocks;
    assert!(blocks(&[("LANG", "de_DE.UTF-8")]) && blocks(&[("LC_ALL", "C.utf8"), ("LANG", "C")]));
    assert!(!blocks(&[]) && !blocks(&[("LANG", "C")]) && !blocks(&[("LC_CTYPE", "C"), ("LANG", "C.UTF-8")]));
    assert!(!blocks(&[("LANG", "C.UTF-8"), ("TERM", "dumb")]));
}

#[test]
fn lines_start_at_the_margin_and_a_status_is_erased() {
    let output = TestOutput::default();
    let mut writer = output.writer(true);
    writer.show_status("thinking…").unwrap();
    writer.write_piece(Colour::Plain, "one\ntw").unwrap();
    writer.write_piece(Colour::Plain, "o").unwrap();
    writer.write_line(Colour::Dim, "a note\u{1b}[0m").unwrap();
    assert_eq!(output.text(), "\x1b[0;2mthinking…\x1b[0m\r\x1b[Kone\ntwo\n\x1b[0;2ma note␛[0m\x1b[0m\n");
}

#[test]
fn pipe_gets_text_without_colours_and_status() {
    let output = TestOutput::default();
    let mut writer = output.writer(false);
    writer.show_status("thinking…").unwrap();
    writer.write_piece(Colour::Dim, "hm").unwrap();
    writer.write_line(Colour::Red, "wrong").unwrap();
    writer.end_line().unwrap();
    assert_eq!(output.text(), "hm\nwrong\n");
}
