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
                short(mark)
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
            let ideal = if *ideal { " ideal" } else { "" };
            let _ = write!(text, "<li class=\"c{colour}{ideal}\">{}</li>", escape(name));
        }
        text + "</ul>"
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
        let values: Vec<f64> =
            measured.flat_map(|s| s.points.iter()).flat_map(|p| [p.value.min, p.value.max]).collect();
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

/// A number as short as it may be.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
             <circle class=\"dot\" cx=\"{at:.1}\" cy=\"{:.1}\" r=\"4\"/></g>",
            escape(name),
            short(*median),
            short(*min),
            short(*max),
            y(*min),
            y(*max),
            y(*median)
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
            assert_eq!(svg.matches("<circle").count(), values.len());
            assert_eq!(svg.matches("<g class=\"c0 noisy\">").count(), 1, "only the first is");
            for cy in svg.split("cy=\"").skip(1).map(|s| s.split('"').next().unwrap().parse::<f64>().unwrap())
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
        assert_eq!(plot(false, &[1.0]).y_marks(0.9, 1.05).len(), 4, "0.9, 0.95, 1, 1.05 by steps of 0.05");
    }
}
