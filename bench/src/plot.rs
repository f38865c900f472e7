//! Plots as SVG that stands in a page: no script, no file from elsewhere, colours from the page's style.

use std::fmt::Write;

use crate::stats::Spread;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;

/// Marks of the horizontal axis that would be nearer than this to the one before are not written.
const APART: f64 = 24.0;

/// What was measured at one place of the horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Where.
    pub(crate) at: f64,
    /// What.
    pub(crate) value: Spread,
    /// Drawn as what nobody should believe.
    pub(crate) noisy: bool,
}

impl Point {
    /// One number without a range, at `at`.
    pub(crate) fn exact(at: f64, value: f64) -> Self {
        Self { at, value: Spread { min: value, median: value, max: value }, noisy: false }
    }
}

/// One line of a plot.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// Its name in the legend.
    pub(crate) name: String,
    /// Number of its colour, from 0 on.
    pub(crate) colour: usize,
    /// Drawn as what could be, not as what was measured.
    pub(crate) ideal: bool,
    /// Where, and what was measured there.
    pub(crate) points: Vec<Point>,
}

/// How far an axis goes, and how.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    /// What is shown, for those who cannot see it.
    pub(crate) title: String,
    /// Under the horizontal axis.
    pub(crate) x_name: &'static str,
    /// Above the vertical axis.
    pub(crate) y_name: &'static str,
    /// Marks of the horizontal axis, from left to right: where, and what is written there if there is room.
    pub(crate) x_marks: Vec<(f64, String)>,
    /// The ends of the vertical axis; `None`: from 0 to a round number above all that was measured.
    pub(crate) y_ends: Option<(f64, f64)>,
    /// Whether the vertical axis shows powers of ten.
    pub(crate) y_log: bool,
    /// The lines.
    pub(crate) series: Vec<Series>,
}

impl Series {
    /// What is there at `at`, if something is.
    fn cell(&self, at: f64) -> String {
        let Some(Point { value, noisy, .. }) = self.points.iter().find(|point| point.at == at) else {
            return "<td></td>".to_owned();
        };
        let Spread { min, median, max } = *value;
        // Without a space within it, so that no line ends there.
        let range =
            if min == max { String::new() } else { format!("{}\u{2013}{}", digits(min), digits(max)) };
        let noisy = if *noisy { " too noisy" } else { "" };
        format!("<td>{}<small>{range}{noisy}</small></td>", digits(median))
    }
}

impl Plot {
    /// The plot as an SVG element, with its legend above it as a list.
    pub(crate) fn svg(&self) -> String {
        let (low, high) = self.y_range();
        let x = self.x_scale();
        let y = |value: f64| {
            let (value, low, high) =
                if self.y_log { (value.max(low).ln(), low.ln(), high.ln()) } else { (value, low, high) };
            HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        };
        let mut svg = self.legend();
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(&self.title)
        );
        for mark in self.y_marks(low, high) {
            let at = y(mark);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                at + 4.0,
                tick(mark)
            );
        }
        let mut last = f64::MIN;
        for (at, text) in &self.x_marks {
            let at = x(*at);
            if at - last < APART {
                continue;
            }
            last = at;
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                HEIGHT - BOTTOM + 18.0,
                escape(text)
            );
        }
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"axis\" transform=\"translate(13 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, WIDTH - RIGHT),
            HEIGHT - 6.0,
            escape(self.x_name),
            f64::midpoint(TOP, HEIGHT - BOTTOM),
            escape(self.y_name)
        );
        for series in &self.series {
            draw(&mut svg, series, &x, &|value| y(value).clamp(TOP, HEIGHT - BOTTOM));
        }
        svg.push_str("</svg>");
        svg
    }

    fn legend(&self) -> String {
        let mut text = String::from("<ul class=\"legend\">");
        for Series { name, colour, ideal, .. } in &self.series {
            let (class, sign) =
                if *ideal { (" ideal", String::new()) } else { ("", sign(*colour, 13.0, 6.0)) };
            let _ = write!(
                text,
                "<li class=\"c{colour}\"><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\">\
                 <path class=\"line{class}\" d=\"M0 6H26\"/>{sign}</svg>{}</li>",
                escape(name)
            );
        }
        text + "</ul>"
    }

    /// What the plot shows as a table: a row for each mark, a column for each line that has numbers there alone.
    pub(crate) fn numbers(&self) -> String {
        let is_mark = |point: &Point| self.x_marks.iter().any(|(at, _)| *at == point.at);
        let columns: Vec<_> = self.series.iter().filter(|series| series.points.iter().all(is_mark)).collect();
        let head: String =
            columns.iter().map(|series| format!("<th>{}</th>", escape(&series.name))).collect();
        let mut text = format!(
            "<div class=\"numbers\"><table><caption>{}</caption><thead><tr><th>{}</th>{head}</tr></thead><tbody>",
            escape(self.y_name),
            escape(self.x_name)
        );
        for (at, mark) in &self.x_marks {
            let cells: String = columns.iter().map(|series| series.cell(*at)).collect();
            let _ = write!(text, "<tr><th>{}</th>{cells}</tr>", escape(mark));
        }
        text + "</tbody></table></div>"
    }

    fn x_scale(&self) -> impl Fn(f64) -> f64 + use<> {
        let all = || self.x_marks.iter().map(|(at, _)| *at);
        let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max));
        let width = if high > low { high - low } else { 1.0 };
        // Room for the marks at both ends.
        let (left, right) = (LEFT + 26.0, WIDTH - RIGHT - 26.0);
        move |value| left + (value - low) / width * (right - left)
    }

    fn y_range(&self) -> (f64, f64) {
        if let Some(ends) = self.y_ends {
            return ends;
        }
        let measured = self.series.iter().filter(|series| !series.ideal);
        let values: Vec<f64> = measured
            .flat_map(|s| s.points.iter())
            .flat_map(|p| [p.value.min, p.value.median, p.value.max])
            .collect();
        let highest = values.iter().copied().fold(0.0, f64::max);
        if self.y_log {
            let lowest = values.iter().copied().filter(|v| *v > 0.0).fold(highest.max(1.0), f64::min);
            return (10f64.powf(lowest.log10().floor()), 10f64.powf(highest.max(10.0).log10().ceil()));
        }
        let step = step(highest);
        (0.0, (highest / step).ceil().max(1.0) * step)
    }

    fn y_marks(&self, low: f64, high: f64) -> Vec<f64> {
        if self.y_log {
            let (first, last) = (low.log10().round() as i32, high.log10().round() as i32);
            return (first..=last).map(|power| 10f64.powi(power)).collect();
        }
        let step = step(high - low);
        let first = (low / step).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        (first..=last).map(|mark| mark as f64 * step).collect()
    }
}

/// A round step that divides a range of this length in four to ten.
fn step(range: f64) -> f64 {
    if range <= 0.0 {
        return 1.0;
    }
    let rough = range / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|n| n * power);
    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power)
}

/// A number to three digits, and a whole one where it has more.
fn digits(value: f64) -> String {
    let places = if value == 0.0 { 0.0 } else { (2.0 - value.abs().log10().floor()).clamp(0.0, 3.0) };
    format!("{value:.*}", places as usize)
}

/// A sign at that place: lines are told apart by its shape where they are not by colour.
fn sign(colour: usize, x: f64, y: f64) -> String {
    let shape = match colour % 6 {
        0 => return format!("<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"),
        1 => "m-3.6-3.6h7.2v7.2h-7.2z",
        2 => "m0-5l4.6 8.4h-9.2z",
        3 => "m0-5l5 5l-5 5l-5-5z",
        4 => "m0 5l-4.6-8.4h9.2z",
        _ => "m-1.6-5h3.2v3.4h3.4v3.2h-3.4v3.4h-3.2v-3.4h-3.4v-3.2h3.4z",
    };
    format!("<path class=\"dot\" d=\"M{x:.1} {y:.1}{shape}\"/>")
}

/// A number as short as it may be.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The same for a vertical axis, where there is room for few digits.
fn tick(value: f64) -> String {
    if value < 1e4 { short(value) } else { format!("{} k", short(value / 1e3)) }
}

fn draw(svg: &mut String, series: &Series, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) {
    let Series { name, colour, ideal, points } = series;
    let line: Vec<_> = points.iter().map(|p| format!("{:.1},{:.1}", x(p.at), y(p.value.median))).collect();
    let class = if *ideal { " ideal" } else { "" };
    let _ = write!(svg, "<polyline class=\"line c{colour}{class}\" points=\"{}\"/>", line.join(" "));
    if *ideal {
        return;
    }
    for Point { at, value: Spread { min, median, max }, noisy } in points {
        let at = x(*at);
        let (class, words) = if *noisy { (" noisy", ", too noisy") } else { ("", "") };
        let _ = write!(
            svg,
            "<g class=\"c{colour}{class}\"><title>{}: {} ({} to {}){words}</title>\
             <line class=\"whisker\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             {}</g>",
            escape(name),
            short(*median),
            short(*min),
            short(*max),
            y(*min),
            y(*max),
            sign(*colour, at, y(*median))
        );
    }
}

/// Text as it may stand in a page, in attributes as well.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(y_log: bool, values: &[f64]) -> Plot {
        let points = values.iter().enumerate();
        let points = points.map(|(x, v)| {
            let value = Spread { min: v * 0.9, median: *v, max: v * 1.1 };
            Point { at: x as f64, value, noisy: x == 0 }
        });
        Plot {
            title: "a \"b\" < c".to_owned(),
            x_name: "x",
            y_name: "y",
            x_marks: (0..values.len()).map(|x| (x as f64, x.to_string())).collect(),
            y_ends: None,
            y_log,
            series: vec![Series {
                name: "R&D".to_owned(),
                colour: 0,
                ideal: false,
                points: points.collect(),
            }],
        }
    }

    #[test]
    fn every_point_is_within_the_axes_and_told_in_words() {
        for (y_log, values) in
            [(false, &[12.0, 140.0, 97.0][..]), (true, &[0.7, 45.0, 3100.0]), (false, &[0.0])]
        {
            let svg = plot(y_log, values).svg();
            assert_eq!(svg.matches("<circle").count(), values.len() + 1, "and one in the legend");
            assert_eq!(svg.matches("<g class=\"c0 noisy\">").count(), 1, "only the first is");
            for cy in svg
                .split("</ul>")
                .nth(1)
                .unwrap()
                .split("cy=\"")
                .skip(1)
                .map(|s| s.split('"').next().unwrap().parse::<f64>().unwrap())
            {
                assert!((TOP..=HEIGHT - BOTTOM).contains(&cy), "{cy} in {svg}");
            }
            assert!(
                svg.contains("aria-label=\"a &quot;b&quot; &lt; c\"") && svg.contains("<title>R&amp;D: ")
            );
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn numbers_stand_beside_the_plot() {
        let mut shown = plot(false, &[12.0, 1400.0]);
        shown.x_marks.push((2.0, "nothing".to_owned()));
        shown.series.push(Series { points: vec![Point::exact(1.0, 0.25)], ..shown.series[0].clone() });
        shown.series.push(Series { points: vec![Point::exact(0.5, 1.0)], ..shown.series[0].clone() });
        let table = shown.numbers();
        assert_eq!(table.matches("<th>R&amp;D</th>").count(), 2, "the last is a curve between the marks");
        assert!(
            table.contains(
                "<tr><th>0</th><td>12.0<small>10.8\u{2013}13.2 too noisy</small></td><td></td></tr>"
            )
        );
        assert!(table.contains("<td>1400<small>1260\u{2013}1540</small></td><td>0.250<small></small></td>"));
        assert!(table.contains("<tr><th>nothing</th><td></td><td></td></tr>"), "{table}");
    }

    #[test]
    fn lines_are_told_apart_by_shape_as_well() {
        let mut signs: Vec<_> = (0..6).map(|colour| sign(colour, 0.0, 0.0)).collect();
        signs.sort();
        signs.dedup();
        assert_eq!(signs.len(), 6);
    }

    #[test]
    fn marks_do_not_stand_in_each_other() {
        let mut crowded = plot(false, &[1.0, 2.0]);
        crowded.x_marks = [0.0, 0.01, 0.02, 1.0].map(|at| (at, format!("at {at}"))).into();
        let svg = crowded.svg();
        assert!(svg.contains(">at 0<") && svg.contains(">at 1<"));
        assert!(!svg.contains(">at 0.01<") && !svg.contains(">at 0.02<"));
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(plot(false, &[140.0]).y_range(), (0.0, 200.0));
        assert_eq!(plot(true, &[0.7, 3100.0]).y_range(), (0.1, 10_000.0));
        assert_eq!(plot(true, &[1.0]).y_marks(0.1, 100.0), [0.1, 1.0, 10.0, 100.0]);
        assert_eq!((tick(2500.0), tick(100_000.0)), ("2500".to_owned(), "100 k".to_owned()));
        assert_eq!(plot(false, &[1.0]).y_marks(0.9, 1.05).len(), 4, "0.9, 0.95, 1, 1.05 by steps of 0.05");
    }
}
