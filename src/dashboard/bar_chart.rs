//! Stacked bars as SVG, and their colors. It has no `style` attribute, because the page's policy would refuse it.
//! The drawing contains the colors for light pages; on dark pages `style.css` replaces each by its attribute.

use maud::html;
use plotters::backend::SVGBackend;
use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle};

use super::format::format_axis_value;

/// Of the text in a drawing.
pub(crate) const TEXT_COLOR: RGBColor = RGBColor(0x5B, 0x64, 0x70);
/// Of its lines.
pub(crate) const LINE_COLOR: RGBColor = RGBColor(0xD9, 0xDE, 0xE5);
/// Of its bars, one a model; they differ in lightness too, for eyes that see fewer hues.
pub(crate) const SERIES_COLORS: [RGBColor; 6] = [
    RGBColor(0x0B, 0x62, 0xA8),
    RGBColor(0xC4, 0x6A, 0x00),
    RGBColor(0x0A, 0x7D, 0x5E),
    RGBColor(0x9A, 0x4C, 0x86),
    RGBColor(0x3A, 0x93, 0xCC),
    RGBColor(0xB2, 0x3A, 0x1E),
];
/// Of the bars of all models that have no color of their own.
pub(crate) const OTHER_COLOR: RGBColor = RGBColor(0x76, 0x78, 0x7D);

/// The color of the bars at this index.
pub(crate) fn select_series_color(place: usize) -> RGBColor {
    SERIES_COLORS.get(place).copied().unwrap_or(OTHER_COLOR)
}

/// As an attribute has it, in the letters that plotters writes.
pub(crate) fn format_hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// In the units of the drawing, which a page stretches; chosen so that its text can be read 340 pixels wide.
const VIEW_SIZE: (u32, u32) = (440, 210);
/// The text size. plotters divides it by 1.24.
const FONT_SIZE: f64 = 15.5;
/// The maximum number of labels under the bars.
const MAX_LABELS: usize = 8;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type PlotArea<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type DrawError = DrawingAreaErrorKind<std::io::Error>;

/// The content of a chart.
#[derive(Debug, Default)]
pub(crate) struct BarChart {
    /// Under each bar.
    pub(crate) labels: Vec<String>,
    /// Of each series, from the bottom up, its part of each bar.
    pub(crate) series: Vec<Vec<f64>>,
}

impl BarChart {
    /// The tallest bar.
    fn max_height(&self) -> f64 {
        let height = |at: usize| self.series.iter().filter_map(|values| values.get(at)).sum::<f64>();
        (0..self.labels.len()).map(height).fold(0.0, f64::max)
    }

    /// Renders the chart. `label` describes it in words.
    ///
    /// # Errors
    /// Writing into a string does not fail, but plotters can still report an error.
    pub(crate) fn render_svg(&self, label: &str) -> Result<String, String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|error| error.to_string())?;
        let (_, inner) = svg.split_once("viewBox=").ok_or("no drawing came out")?;
        let label = html! { (label) }.into_string();
        Ok(format!("<svg role=\"img\" aria-label=\"{label}\" viewBox={inner}"))
    }

    fn draw(&self, svg: &mut String) -> Result<(), DrawError> {
        let root = SVGBackend::with_string(svg, VIEW_SIZE).into_drawing_area();
        let top = self.max_height();
        // An axis needs a height; an empty one has no figures.
        let (reach, figures) = if top > 0.0 { (top * 1.05, 5) } else { (1.0, 0) };
        let font = || TextStyle::from(("sans-serif", FONT_SIZE).into_font()).color(&TEXT_COLOR);
        let mut chart = ChartBuilder::on(&root)
            .margin_top(8)
            // Half of the last bar's label.
            .margin_right(18)
            .x_label_area_size(24)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..self.labels.len().max(1) as f64, 0.0..reach)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .y_labels(figures)
            .y_label_formatter(&|value| format_axis_value(*value))
            .label_style(font())
            .axis_style(LINE_COLOR)
            .bold_line_style(LINE_COLOR)
            .light_line_style(LINE_COLOR.mix(0.0))
            .draw()?;
        let plane = chart.plotting_area();
        self.draw_bars(plane)?;
        self.draw_labels(&root, plane, &font().pos(Pos::new(HPos::Center, VPos::Top)))?;
        root.present()
    }

    fn draw_bars(&self, plane: &PlotArea<'_>) -> Result<(), DrawError> {
        for at in 0..self.labels.len() {
            let (left, right) = (at as f64 + 0.15, at as f64 + 0.85);
            let mut bottom = 0.0;
            for (place, values) in self.series.iter().enumerate() {
                let Some(value) = values.get(at).filter(|value| **value > 0.0) else { continue };
                let corners = [(left, bottom + value), (right, bottom)];
                plane.draw(&Rectangle::new(corners, select_series_color(place).filled()))?;
                bottom += value;
            }
        }
        Ok(())
    }

    /// Draws the labels under the bars. If there are many bars, only some get a label.
    fn draw_labels(
        &self,
        root: &Canvas<'_>,
        plane: &PlotArea<'_>,
        style: &TextStyle<'_>,
    ) -> Result<(), DrawError> {
        let step = self.labels.len().div_ceil(MAX_LABELS).max(1);
        // The last bar is the newest and always has its label.
        let offset = self.labels.len().saturating_sub(1) % step;
        for (at, label) in self.labels.iter().enumerate().skip(offset).step_by(step) {
            let (across, down) = plane.map_coordinate(&(at as f64 + 0.5, 0.0));
            root.draw(&Text::new(label.as_str(), (across, down + 6), style.clone()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn each_color_has_a_dark_variant_with_enough_contrast() {
        let [light, dark] = property("card")[..] else { panic!("two cards") };
        let all = SERIES_COLORS.iter().chain([&OTHER_COLOR]).map(|color| (*color, "fill", 3.0));
        for (color, attribute, least) in all.chain([(TEXT_COLOR, "fill", 4.5), (LINE_COLOR, "stroke", 1.0)]) {
            let color = format_hex(color);
            let rule = format!("svg [{attribute}=\"{color}\"] {{ {attribute}: ");
            let (_, found) = STYLE.split_once(&rule).unwrap_or_else(|| panic!("style.css lacks {rule}"));
            let other = &found[..7];
            assert!(contrast(&color, light) >= least, "{color} on {light}: {}", contrast(&color, light));
            assert!(contrast(other, dark) >= least, "{other} on {dark}: {}", contrast(other, dark));
        }
    }

    #[test]
    fn text_has_enough_contrast_on_every_background() {
        for name in ["text", "muted", "good", "warn", "bad", "link"] {
            for (color, grounds) in property(name).iter().zip([0, 1]) {
                for ground in ["card", "page"] {
                    let ground = property(ground)[grounds];
                    let found = contrast(color, ground);
                    assert!(found >= 4.5, "--{name} {color} on {ground}: {found}");
                }
            }
        }
    }

    #[test]
    fn drawing_has_its_bars_and_no_style_attribute() {
        let bars = BarChart {
            labels: ["Nov 20", "Nov <21>"].map(str::to_owned).to_vec(),
            series: vec![vec![1000.0, 0.0], vec![500.0, 250.0]],
        };
        let svg = bars.render_svg("tokens of \"us\" & <them>").unwrap();
        assert_eq!(svg.matches("fill=\"#0B62A8\"").count(), 1, "{svg}");
        assert_eq!(svg.matches("fill=\"#C46A00\"").count(), 2, "{svg}");
        assert!(
            svg.starts_with("<svg role=\"img\" aria-label=\"tokens of &quot;us&quot; &amp; &lt;them&gt;\"")
        );
        assert!(svg.contains("Nov &lt;21&gt;") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert!(!svg.contains("style=") && !svg.contains("<script"), "{svg}");
        // The heights are in proportion: 1,000 of the one is twice 500 of the other.
        let height = |color: &str| -> i32 {
            let (before, _) = svg.split_once(&format!("fill=\"{color}\"")).unwrap();
            before.rsplit_once("height=\"").unwrap().1.split('"').next().unwrap().parse().unwrap()
        };
        assert!((height("#0B62A8") - 2 * height("#C46A00")).abs() <= 2, "{svg}");
    }

    #[test]
    fn empty_chart_is_drawn_without_bars() {
        let svg = BarChart::default().render_svg("nothing").unwrap();
        assert!(!svg.contains("NaN") && svg.contains("</svg>"), "{svg}");
    }
}
