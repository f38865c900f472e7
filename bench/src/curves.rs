//! The page's plots: what is varied in several rows, as curves.

use crate::figures::FEW;
use crate::plot::{Plot, Point, Series, escape};
use crate::report::FigureReport;
use crate::stats::Spread;

/// All plots that the figures have points for.
pub(crate) fn render(figures: &[FigureReport]) -> String {
    [fan_out, on_interfaces, groups, churn, loss, delays]
        .into_iter()
        .filter_map(|plot| plot(figures))
        .collect()
}

fn framed(title: &str, caption: &str, plot: &Plot) -> String {
    let (title, caption, svg) = (escape(title), escape(caption), plot.svg());
    let numbers = plot.numbers();
    format!("<figure><h3>{title}</h3>{svg}<figcaption>{caption}</figcaption>{numbers}</figure>\n")
}

fn of_id<'f>(figures: &'f [FigureReport], ids: &'static [&str]) -> impl Iterator<Item = &'f FigureReport> {
    figures.iter().filter(move |figure| ids.contains(&figure.id))
}

/// Points of one side, by fan-out on a scale of powers.
fn by_fan_out<'f>(
    figures: impl Iterator<Item = &'f FigureReport>,
    side: impl Fn(&FigureReport) -> Option<Spread>,
) -> Vec<Point> {
    let point = |figure: &FigureReport| {
        let (at, value) = ((figure.at?.fan_out as f64).log2(), side(figure)?.map(|rate| rate / 1e6));
        Some(Point { at, value, noisy: figure.verdict.is_noise() })
    };
    let mut points: Vec<_> = figures.filter_map(point).collect();
    points.sort_by(|a, b| a.at.total_cmp(&b.at));
    points.dedup_by(|a, b| a.at == b.at);
    points
}

fn ours(figure: &FigureReport) -> Option<Spread> {
    figure.ours
}

fn peer(figure: &FigureReport) -> Option<Spread> {
    figure.peer.as_ref().map(|peer| peer.spread)
}

/// All places where something was measured, from left to right, each with what `name` writes there.
fn marks(series: &[Series], name: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    let measured = series.iter().filter(|series| !series.ideal);
    let mut all: Vec<f64> = measured.flat_map(|s| &s.points).map(|p| p.at).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    all.into_iter().map(|at| (at, name(at))).collect()
}

fn fan_outs(series: &[Series]) -> Vec<(f64, String)> {
    marks(series, |at| format!("{:.0}", at.exp2()))
}

fn series(name: &str, colour: usize, points: Vec<Point>) -> Series {
    Series { name: name.to_owned(), colour, ideal: false, points }
}

/// Copies a second by fan-out, of those series that have points; `None` without any.
fn rates_by_fan_out(name: &str, ports: &'static str, caption: &str, mut all: Vec<Series>) -> Option<String> {
    all.retain(|series| !series.points.is_empty());
    let x_marks = fan_outs(&all);
    (!x_marks.is_empty()).then(|| {
        let plot = Plot {
            title: format!("Copies a second: {name}"),
            x_name: ports,
            y_name: "million copies a second",
            x_marks,
            y_ends: None,
            y_log: false,
            series: all,
        };
        framed(name, caption, &plot)
    })
}

const PORTS: &str = "ports that get a copy of each packet";

fn fan_out(figures: &[FigureReport]) -> Option<String> {
    // Rows on our own DPDK: b3 has others, whose peer is on the distribution's.
    let own = || of_id(figures, &["b3"]).filter(|figure| figure.variant.ends_with("peer=own-dpdk"));
    let mut all = vec![
        series("Manifold", 0, by_fan_out(of_id(figures, &["b1", "b2"]), ours)),
        series("testpmd: macswap at 1, bonding beyond", 1, by_fan_out(of_id(figures, &["b1", "b2"]), peer)),
        series("ipv4_multicast", 2, by_fan_out(of_id(figures, &["b4"]), peer)),
        series("Manifold on its own DPDK", 3, by_fan_out(own(), ours)),
        series("testpmd bonding on that DPDK", 4, by_fan_out(own(), peer)),
    ];
    all.retain(|series| !series.points.is_empty());
    let first = *all.first()?.points.first()?;
    let marks = fan_outs(&all);
    let [(left, _), .., (right, _)] = &marks[..] else { return None };
    // If every copy after the first cost nothing.
    let free = |at: f64| Point::exact(at, first.value.median * (at - first.at).exp2());
    let fine = (0..=60).map(|n| free(left + (right - left) * f64::from(n) / 60.0));
    let highest = all.iter().flat_map(|s| &s.points).map(|p| p.value.max).fold(0.0, f64::max);
    let points = fine.take_while(|point| point.value.median <= highest).collect();
    all.push(Series { name: "ideal: further copies free".to_owned(), colour: 0, ideal: true, points });
    let caption = "64-byte frames. Bonding hands the same buffer to every port and looks nothing up: it is the limit of \
                   replication. It and Manifold are of the same rows, on either DPDK; ipv4_multicast is of rows minutes away from \
                   Manifold\u{2019}s curve: their ratios are in the table. Whiskers: the smallest and the largest trial; \
                   hollow: too noisy to tell.";
    rates_by_fan_out("Replication by fan-out", PORTS, caption, all)
}

fn on_interfaces(figures: &[FigureReport]) -> Option<String> {
    let short = || of_id(figures, &["b14"]).filter(|f| f.at.is_some_and(|at| at.wire_len == 64));
    // On our own DPDK it is another curve.
    let packaged = |f: &&FigureReport| !f.variant.contains("own");
    let by = |name: &'static str| short().filter(packaged).filter(move |f| f.variant.starts_with(name));
    let all = vec![
        series("Manifold by af_xdp", 0, by_fan_out(by("af_xdp"), ours)),
        series("Manifold by af_packet", 1, by_fan_out(by("af_packet"), ours)),
        series("the kernel, beside af_xdp", 2, by_fan_out(by("af_xdp"), peer)),
        series("the kernel, beside af_packet", 3, by_fan_out(by("af_packet"), peer)),
    ];
    let caption = "64-byte frames on veth, one core forwards, the other sends; never to be compared with null ports. The kernel \
                   is told by smcroute, and shown once for each driver, in whose rounds it was measured. What \
                   brings a copy to its end is the kernel\u{2019}s work on every side. Hollow: too noisy to tell.";
    rates_by_fan_out(
        "On kernel interfaces, by fan-out",
        "veth ports that get a copy of each packet",
        caption,
        all,
    )
}

/// The rate by the number of groups, a line for each fan-out.
fn groups(figures: &[FigureReport]) -> Option<String> {
    let b6 = || of_id(figures, &["b6"]).filter_map(|figure| Some((figure, figure.at?)));
    let place = |groups: u32| f64::from(groups).log2();
    let in_millions = |spread: Spread| spread.map(|rate| rate / 1e6);
    let mut fan_outs: Vec<_> = b6().map(|(_, at)| at.fan_out).collect();
    fan_outs.sort_unstable();
    fan_outs.dedup();
    let line = |(number, fan_out): (usize, &usize)| {
        let mut rows: Vec<_> = b6().filter(|(_, at)| at.fan_out == *fan_out).collect();
        rows.sort_by_key(|(_, at)| at.groups);
        // Each row has the few groups beside it; those of the most groups have the most rounds.
        let few = rows.last().and_then(|(figure, _)| peer(figure)).map(in_millions);
        let few = few.map(|value| Point { at: place(FEW), value, noisy: false });
        let many = rows.iter().filter_map(|(figure, at)| {
            let value = in_millions(figure.ours?);
            Some(Point { at: place(at.groups), value, noisy: figure.verdict.is_noise() })
        });
        series(&format!("fan-out {fan_out}"), number, few.into_iter().chain(many).collect())
    };
    let mut all: Vec<_> = fan_outs.iter().enumerate().map(line).collect();
    all.retain(|series| !series.points.is_empty());
    let name = |at: f64| at.exp2().round();
    let plot = Plot {
        title: "Copies a second, by the number of groups in the data".to_owned(),
        x_name: "groups, each frame to another one of them",
        y_name: "million copies a second",
        x_marks: marks(&all, |at| format!("{}", name(at))),
        y_ends: None,
        y_log: false,
        series: all,
    };
    let caption = "Random groups, 64-byte frames: with many of them every look-up is another cache line. 16 groups as measured \
                   beside the most, in the same rounds. Hollow: too noisy to tell.";
    (!plot.x_marks.is_empty()).then(|| framed("Group scaling", caption, &plot))
}

/// The rate while the table is written, beside that at rest.
fn churn(figures: &[FigureReport]) -> Option<String> {
    let b8 = || of_id(figures, &["b8"]);
    let place = |figure: &FigureReport| Some(f64::from(figure.at?.updates).log10());
    let in_millions = |spread: Spread| spread.map(|rate| rate / 1e6);
    let point = |side: fn(&FigureReport) -> Option<Spread>| {
        move |figure: &FigureReport| {
            let noisy = figure.verdict.is_noise();
            Some(Point { at: place(figure)?, value: in_millions(side(figure)?), noisy })
        }
    };
    let aim = |figure: &FigureReport| {
        Some(Point::exact(place(figure)?, figure.aim? * in_millions(peer(figure)?).median))
    };
    let mut all = vec![
        series("while its table is written", 0, b8().filter_map(point(ours)).collect()),
        series("at rest, in the same rounds", 1, b8().filter_map(point(peer)).collect()),
        Series { ideal: true, ..series("aim, of the rate at rest", 2, b8().filter_map(aim).collect()) },
    ];
    all.retain(|series| !series.points.is_empty());
    let name = |at: f64| match 10f64.powf(at).round() {
        millions if millions >= 1e6 => format!("{} M", millions / 1e6),
        thousands => format!("{} k", thousands / 1e3),
    };
    let plot = Plot {
        title: "Copies a second while the table is written, by writes a second".to_owned(),
        x_name: "writes to the group table a second",
        y_name: "million copies a second",
        x_marks: marks(&all, name),
        y_ends: None,
        y_log: false,
        series: all,
    };
    let caption = "The worker\u{2019}s pass on plain buffers, fan-out 4, 4,096 groups; the table\u{2019}s writer on the other \
                   core. Without devices a look-up weighs more than in a whole program. Hollow: too noisy to tell.";
    (!plot.x_marks.is_empty()).then(|| framed("Churn: throughput by table updates", caption, &plot))
}

/// What is lost while members come and go, beside what is lost without.
fn loss(figures: &[FigureReport]) -> Option<String> {
    let b9 = || of_id(figures, &["b9"]);
    let point = |side: fn(&FigureReport) -> Option<Spread>| {
        move |figure: &FigureReport| {
            let at = f64::from(figure.at?.frames_per_s?).log10();
            Some(Point { at, value: side(figure)?, noisy: figure.verdict.is_noise() })
        }
    };
    let mut all = vec![
        series("10,000 joins and leaves a second", 0, b9().filter_map(point(ours)).collect()),
        series("without, in the same minutes", 1, b9().filter_map(point(peer)).collect()),
    ];
    all.retain(|series| !series.points.is_empty());
    let plot = Plot {
        title: "Blocked time with joins and leaves and without, by the data\u{2019}s rate".to_owned(),
        x_name: "data frames offered a second, in thousands",
        y_name: "blocked: \u{b5}s lost a second",
        x_marks: marks(&all, |at| format!("{:.0}", 10f64.powf(at) / 1e3)),
        y_ends: None,
        y_log: true,
        series: all,
    };
    let caption = "Lost by offered, second by second, over memif: the median second, the best and the worst. The axis shows \
                   powers of ten; what is 0 stands at its foot. Hollow: too noisy to tell.";
    (!plot.x_marks.is_empty()).then(|| framed("Churn: loss by the data\u{2019}s rate", caption, &plot))
}

/// All distributions of delays, one plot for each metric.
fn delays(figures: &[FigureReport]) -> Option<String> {
    let mut all: Vec<_> =
        figures.iter().filter(|f| !f.distributions.is_empty()).map(|f| (f.id, f.metric)).collect();
    all.dedup();
    let plots: String =
        all.into_iter().map(|one| delays_of(figures.iter().filter(|f| (f.id, f.metric) == one))).collect();
    (!plots.is_empty()).then_some(plots)
}

fn delays_of<'f>(figures: impl Iterator<Item = &'f FigureReport> + Clone) -> String {
    // The distance from the end, in powers of ten: 90, 99 and 99.9 are evenly apart.
    let place = |percentile: f64| -(1.0 - percentile.min(99.9999) / 100.0).log10();
    let all = figures.clone().flat_map(|figure| figure.distributions.iter());
    let series = all.clone().enumerate().map(|(number, distribution)| Series {
        name: distribution.name.clone(),
        colour: number % 6,
        ideal: false,
        points: (distribution.percentiles_us.iter())
            .map(|(percentile, us)| Point::exact(place(*percentile), *us))
            .collect(),
    });
    let mut marks: Vec<f64> =
        all.flat_map(|d| d.percentiles_us.iter().map(|(percentile, _)| *percentile)).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    let name = figures.clone().next().map_or_else(String::new, |f| format!("{}: {}", f.id, f.metric));
    let plot = Plot {
        title: name.clone(),
        x_name: "percentile",
        y_name: "microseconds",
        x_marks: marks.into_iter().map(|percentile| (place(percentile), percentile.to_string())).collect(),
        y_ends: None,
        y_log: true,
        series: series.collect(),
    };
    framed(&name, "Delays by percentile; the axis shows powers of ten.", &plot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::FIGURES;
    use crate::report::PeerReport;
    use crate::rounds::blank;

    /// Every figure: ours and the peer come to numbers that no other row has.
    fn figures() -> Vec<FigureReport> {
        let exact = |rate: f64| Spread { min: rate, median: rate, max: rate };
        let measured = |(number, figure): (usize, &crate::figures::Figure)| {
            let rate = 1e6 * (1 + number) as f64;
            let peer = PeerReport { name: figure.peer.name, spread: exact(rate + 500e3) };
            FigureReport { ours: Some(exact(rate)), peer: Some(peer), ..blank(*figure) }
        };
        FIGURES.iter().enumerate().map(measured).collect()
    }

    /// The column of a series in the numbers beside a plot.
    fn numbers(plot: &str, name: &str) -> Vec<f64> {
        let table = plot.split("<thead>").nth(1).expect("numbers");
        let (head, rows) = table.split_once("<tbody>").expect("rows");
        // The first column is where.
        let column =
            head.split("<th>").skip(2).position(|cell| cell.starts_with(&format!("{name}<"))).expect(name);
        let cell = |row: &str| row.split("<td>").nth(1 + column)?.split('<').next()?.parse().ok();
        rows.split("<tr>").filter_map(cell).collect()
    }

    #[test]
    fn curves_that_are_compared_are_of_the_same_rows() {
        let figures = figures();
        let plot = |all: Option<String>| all.expect("a plot");
        let (null, veth) = (plot(fan_out(&figures)), plot(on_interfaces(&figures)));
        for (plot, ours, peer) in [
            (&null, "Manifold", "testpmd: macswap at 1, bonding beyond"),
            (&null, "Manifold on its own DPDK", "testpmd bonding on that DPDK"),
            (&veth, "Manifold by af_xdp", "the kernel, beside af_xdp"),
            (&veth, "Manifold by af_packet", "the kernel, beside af_packet"),
        ] {
            let [ours, peer] = [ours, peer].map(|name| numbers(plot, name));
            assert!(ours.len() > 1, "{ours:?}");
            assert_eq!(ours.iter().map(|rate| rate + 0.5).collect::<Vec<_>>(), peer);
        }
    }
}
