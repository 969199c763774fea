//! What the output can show: how wide, which signs, whether colours.

use std::io::IsTerminal;

use crate::cli::agent::terminal_text::is_bidi_control;
use crate::config::Environment;

/// Of output that goes to no terminal.
const DEFAULT_WIDTH: usize = 100;
/// Narrower than this nothing can be read; a terminal that says so is not believed.
const MIN_WIDTH: usize = 24;

/// The part of a character that is filled, in eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// How something is coloured, on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Cyan,
    Green,
    Yellow,
    Red,
}

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutputStyle {
    /// In characters.
    pub(super) width: usize,
    /// Blocks can be shown; else only ASCII.
    pub(super) use_blocks: bool,
    /// Colours are wanted.
    pub(super) use_colour: bool,
}

impl OutputStyle {
    /// Standard output, as the environment says what it can do.
    pub(super) fn from_environment(environment: &Environment) -> Self {
        let dumb = environment.get("TERM") == Some("dumb");
        let terminal = std::io::stdout().is_terminal();
        let size = terminal_size::terminal_size_of(std::io::stdout());
        let told = size.map(|(terminal_size::Width(width), _)| usize::from(width));
        let asked = || environment.get("COLUMNS").and_then(|columns| columns.trim().parse().ok());
        Self {
            width: told.or_else(asked).filter(|width| *width > 0).unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH),
            use_blocks: is_utf8_locale(environment) && !dumb,
            use_colour: terminal && !dumb && environment.get("NO_COLOR").is_none(),
        }
    }

    /// A bar of at most `width` characters, as long as `part` is of `whole`. What is not nothing can be seen.
    pub(super) fn render_bar(self, part: u64, whole: u64, width: usize) -> String {
        if part == 0 || whole == 0 {
            return String::new();
        }
        let cells = width as u128 * 8;
        let eighths = (cells * u128::from(part) / u128::from(whole)).clamp(1, cells);
        let eighths = usize::try_from(eighths).unwrap_or(width * 8);
        if self.use_blocks {
            let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
            return "█".repeat(eighths / 8) + rest;
        }
        "#".repeat(eighths.div_ceil(8))
    }

    /// A gauge of exactly `width` characters that is filled to a share from 0 to 1.
    pub(super) fn render_gauge(self, share: f64, width: usize) -> String {
        // A share has more digits than anybody sees.
        let part = (1..=1000_u64).take_while(|thousandth| share * 1000.0 >= *thousandth as f64).count();
        let filled = self.render_bar(part as u64, 1000, width);
        let empty = width.saturating_sub(filled.chars().count());
        filled + &if self.use_blocks { "░" } else { "." }.repeat(empty)
    }

    /// The text in a colour, where there are colours.
    pub(super) fn colourize(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Cyan => 36,
        };
        if self.use_colour && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Pieces in lines that fit, two spaces between them; lines after the first begin with `indent` spaces. A piece is
    /// text and its width, which colours do not add to.
    pub(super) fn wrap_pieces(self, pieces: &[(String, usize)], indent: usize) -> String {
        let (mut out, mut column) = (String::new(), 0);
        for (text, width) in pieces.iter().filter(|(text, _)| !text.is_empty()) {
            if column > indent && column + 2 + width > self.width {
                out.push('\n');
                column = 0;
            }
            let gap = match column {
                0 if out.is_empty() => 0,
                0 => indent,
                _ => 2,
            };
            out.push_str(&" ".repeat(gap));
            out.push_str(text);
            column += gap + width;
        }
        out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// Text in lines that fit, broken between words where that is possible.
    pub(super) fn wrap_text(self, text: &str, indent: usize) -> String {
        let room = self.width.saturating_sub(indent).max(1);
        let mut lines: Vec<String> = vec![String::new()];
        for word in text.split_whitespace() {
            let mut rest: Vec<char> = word.chars().collect();
            while let Some(line) = lines.last_mut() {
                let gap = usize::from(!line.is_empty());
                let length = line.chars().count();
                if length + gap + rest.len() <= room {
                    line.extend(std::iter::repeat_n(' ', gap).chain(rest));
                    break;
                }
                if line.is_empty() {
                    line.extend(rest.drain(..room));
                }
                lines.push(String::new());
            }
        }
        let margin = " ".repeat(indent);
        lines.iter().map(|line| format!("{margin}{line}")).collect::<Vec<_>>().join("\n")
    }
}

/// A piece for [`Screen::flow`] without colours.
pub(super) fn plain_piece(text: String) -> (String, usize) {
    let width = text.chars().count();
    (text, width)
}

/// Text of others in one line, without what a terminal would obey; of several lines see `plain::harmless`.
pub(in crate::cli) fn sanitize_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_bidi_control(c) { '?' } else { c }).collect()
}

fn is_utf8_locale(environment: &Environment) -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| environment.get(name));
    said.is_some_and(|locale| locale.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: OutputStyle = OutputStyle { width: 20, use_blocks: false, use_colour: false };
    const BLOCKS: OutputStyle = OutputStyle { use_blocks: true, ..PLAIN };

    #[test]
    fn bars_are_as_long_as_what_they_show() {
        let blocks = [(0, 8), (1, 1_000_000), (1, 8), (3, 16), (8, 8), (9, 8)];
        assert_eq!(
            blocks.map(|(part, whole)| BLOCKS.render_bar(part, whole, 8)),
            ["", "▏", "█", "█▌", "████████", "████████"]
        );
        assert_eq!(
            blocks.map(|(part, whole)| PLAIN.render_bar(part, whole, 8)),
            ["", "#", "#", "##", "########", "########"]
        );
        assert_eq!(BLOCKS.render_bar(u64::MAX, u64::MAX, 3), "███");
        assert_eq!(
            [0.0, 0.0001, 0.47, 1.0].map(|share| PLAIN.render_gauge(share, 10)),
            ["..........", "..........", "#####.....", "##########"]
        );
        assert_eq!(BLOCKS.render_gauge(0.5, 4), "██░░");
    }

    #[test]
    fn lines_fit() {
        let pieces = ["kimi", "##########", "47 % used", "in 3 h"].map(|text| plain_piece(text.to_owned()));
        let flowed = PLAIN.wrap_pieces(&pieces, 2);
        assert_eq!(flowed, "kimi  ##########\n  47 % used  in 3 h");
        assert_eq!(
            PLAIN.wrap_text("a word and another one, overlongwordsthatdonotfit x", 2),
            "  a word and another\n  one,\n  overlongwordsthatd\n  onotfit x"
        );
        assert_eq!(sanitize_line("a\x1b[31m\nb\u{202e}c"), "a?[31m?b?c");
    }

    #[test]
    fn the_locale_says_what_can_be_shown() {
        let blocks = |pairs: &[(&str, &str)]| {
            OutputStyle::from_environment(&pairs.iter().copied().collect()).use_blocks
        };
        assert!(blocks(&[("LANG", "de_DE.UTF-8")]) && blocks(&[("LC_ALL", "C.utf8"), ("LANG", "C")]));
        assert!(
            !blocks(&[]) && !blocks(&[("LANG", "C")]) && !blocks(&[("LC_CTYPE", "C"), ("LANG", "C.UTF-8")])
        );
        assert!(!blocks(&[("LANG", "C.UTF-8"), ("TERM", "dumb")]));
    }
}
