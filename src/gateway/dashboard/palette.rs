//! The charts' colours. The drawings contain the colours for light pages. On dark pages `style.css` replaces
//! each by the attribute that contains it.

use plotters::style::RGBColor;

/// Of the text in a drawing.
pub(super) const TEXT_COLOR: RGBColor = RGBColor(0x5B, 0x64, 0x70);
/// Of its lines.
pub(super) const LINE_COLOR: RGBColor = RGBColor(0xD9, 0xDE, 0xE5);
/// Of its bars, one a model; they differ in lightness too, for eyes that see fewer hues.
pub(super) const SERIES_COLORS: [RGBColor; 6] = [
    RGBColor(0x0B, 0x62, 0xA8),
    RGBColor(0xC4, 0x6A, 0x00),
    RGBColor(0x0A, 0x7D, 0x5E),
    RGBColor(0x9A, 0x4C, 0x86),
    RGBColor(0x3A, 0x93, 0xCC),
    RGBColor(0xB2, 0x3A, 0x1E),
];
/// Of the bars of all models that have no colour of their own.
pub(super) const OTHER_COLOR: RGBColor = RGBColor(0x76, 0x78, 0x7D);

/// The colour of the bars at this index.
pub(super) fn select_series_color(place: usize) -> RGBColor {
    SERIES_COLORS.get(place).copied().unwrap_or(OTHER_COLOR)
}

/// As an attribute has it, in the letters that plotters writes.
pub(super) fn format_hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
mod tests {
    use super::{LINE_COLOR, OTHER_COLOR, SERIES_COLORS, TEXT_COLOR, format_hex};

    const STYLE: &str = include_str!("style.css");

    /// WCAG 2.2, relative luminance.
    fn luminance(hex: &str) -> f64 {
        let part = |at: usize| {
            let part = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    /// A custom property's values, the light one first.
    fn property(name: &str) -> Vec<&'static str> {
        let start = format!("--{name}:");
        STYLE.lines().filter_map(|line| line.trim().strip_prefix(&start)?.trim().strip_suffix(';')).collect()
    }

    #[test]
    fn each_colour_has_one_for_dark_pages_and_stands_out_on_both() {
        let [light, dark] = property("card")[..] else { panic!("two cards") };
        let all = SERIES_COLORS.iter().chain([&OTHER_COLOR]).map(|colour| (*colour, "fill", 3.0));
        for (colour, attribute, least) in all.chain([(TEXT_COLOR, "fill", 4.5), (LINE_COLOR, "stroke", 1.0)])
        {
            let colour = format_hex(colour);
            let rule = format!("svg [{attribute}=\"{colour}\"] {{ {attribute}: ");
            let (_, found) = STYLE.split_once(&rule).unwrap_or_else(|| panic!("style.css lacks {rule}"));
            let other = &found[..7];
            assert!(contrast(&colour, light) >= least, "{colour} on {light}: {}", contrast(&colour, light));
            assert!(contrast(other, dark) >= least, "{other} on {dark}: {}", contrast(other, dark));
        }
    }

    #[test]
    fn text_can_be_read_on_every_ground() {
        for name in ["text", "muted", "good", "warn", "bad", "link"] {
            for (colour, grounds) in property(name).iter().zip([0, 1]) {
                for ground in ["card", "page"] {
                    let ground = property(ground)[grounds];
                    let found = contrast(colour, ground);
                    assert!(found >= 4.5, "--{name} {colour} on {ground}: {found}");
                }
            }
        }
    }
}
