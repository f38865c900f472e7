//! The page's plots: what is varied in several rows, as curves.

use crate::plot::{Plot, Point, Series, escape};
use crate::report::FigureReport;
use crate::stats::Spread;

/// All plots that the figures have points for.
pub(crate) fn render(figures: &[FigureReport]) -> String {
    [fan_out, on_interfaces, groups, churn, delays].into_iter().filter_map(|plot| plot(figures)).collect()
}

fn framed(title: &str, caption: &str, plot: &Plot) -> String {
    let (title, caption, svg) = (escape(title), escape(caption), plot.svg());
    format!("<figure><h3>{title}</h3>{svg}<figcaption>{caption}</figcaption></figure>\n")
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

fn fan_outs(series: &[Series]) -> Vec<(f64, String)> {
    let mut all: Vec<f64> = series.iter().flat_map(|s| &s.points).map(|p| p.at.exp2().round()).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    all.into_iter().map(|fan_out| (fan_out.log2(), format!("{fan_out:.0}"))).collect()
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
    let own = |figure: &&FigureReport| figure.variant.ends_with("peer=own-dpdk");
    let mut all = vec![
        series("Manifold", 0, by_fan_out(of_id(figures, &["b1", "b2"]), ours)),
        series("testpmd: macswap at 1, bonding beyond", 1, by_fan_out(of_id(figures, &["b1", "b2"]), peer)),
        series("ipv4_multicast", 2, by_fan_out(of_id(figures, &["b4"]), peer)),
        series("Manifold on its own DPDK", 3, by_fan_out(of_id(figures, &["b3"]).filter(|f| !own(f)), ours)),
        series("testpmd bonding on that DPDK", 4, by_fan_out(of_id(figures, &["b3"]).filter(own), peer)),
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
                   replication. Whiskers: the smallest and the largest trial; hollow: too noisy to tell.";
    rates_by_fan_out("Replication by fan-out", PORTS, caption, all)
}

fn on_interfaces(figures: &[FigureReport]) -> Option<String> {
    let short = || of_id(figures, &["b14"]).filter(|f| f.at.is_some_and(|at| at.wire_len == 64));
    let by = |name: &'static str| short().filter(move |f| f.variant.starts_with(name));
    let all = vec![
        series("Manifold by af_xdp", 0, by_fan_out(by("af_xdp"), ours)),
        series("Manifold by af_packet", 1, by_fan_out(by("af_packet"), ours)),
        series("the kernel, told by smcroute", 2, by_fan_out(short(), peer)),
    ];
    let caption = "64-byte frames on veth, one core forwards, the other sends; never to be compared with null ports. What \
                   brings a copy to its end is the kernel\u{2019}s work on every side. Hollow: too noisy to tell.";
    rates_by_fan_out(
        "On kernel interfaces, by fan-out",
        "veth ports that get a copy of each packet",
        caption,
        all,
    )
}

fn groups(figures: &[FigureReport]) -> Option<String> {
    let b6 = || of_id(figures, &["b6"]);
    let all = vec![
        series("65,536 random groups", 0, by_fan_out(b6(), ours)),
        series("16 groups", 1, by_fan_out(b6(), peer)),
    ];
    let caption =
        "Every frame another group, so every look-up another cache line. Hollow: too noisy to tell.";
    rates_by_fan_out("Many groups and few, by fan-out", PORTS, caption, all)
}

fn churn(figures: &[FigureReport]) -> Option<String> {
    let place = |figure: &FigureReport| Some(f64::from(figure.at?.updates).log10());
    let point = |figure: &FigureReport| {
        Some(Point { at: place(figure)?, value: figure.ratio?, noisy: figure.verdict.is_noise() })
    };
    let points: Vec<_> = of_id(figures, &["b8"]).filter_map(point).collect();
    let aim = |figure: &FigureReport| figure.ratio.and(Some(Point::exact(place(figure)?, figure.aim?)));
    let aims: Vec<_> = of_id(figures, &["b8"]).filter_map(aim).collect();
    let lowest = points.iter().map(|point| point.value.min).fold(0.9, f64::min);
    let highest = points.iter().map(|point| point.value.max).fold(1.05, f64::max);
    let name = |updates: f64| {
        if updates >= 1e6 { format!("{} M", updates / 1e6) } else { format!("{} k", updates / 1e3) }
    };
    (!points.is_empty()).then(|| {
        let plot = Plot {
            title: "Throughput while the table is written, by writes a second".to_owned(),
            x_name: "writes to the group table a second",
            y_name: "rate by that at rest",
            x_marks: points.iter().map(|p| (p.at, name(10f64.powf(p.at).round()))).collect(),
            y_ends: Some(((lowest * 20.0).floor() / 20.0, (highest * 20.0).ceil() / 20.0)),
            y_log: false,
            series: vec![
                series("Manifold's forwarder", 0, points),
                Series { name: "aim".to_owned(), colour: 2, ideal: true, points: aims },
            ],
        };
        let caption = "The worker's pass on plain buffers, fan-out 4, 4,096 groups; the table's writer on the other core. \
                       Without devices a look-up weighs more than in a whole program. Hollow: too noisy to tell.";
        framed("Members come and go", caption, &plot)
    })
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
