//! `report.html`: the run as one page that needs nothing from elsewhere.

use std::fmt::Write;
use std::path::Path;

use crate::aim::Verdict;
use crate::error::BenchError;
use crate::plot::{Plot, Series, escape};
use crate::report::{Cost, FigureReport, Report, write_whole};
use crate::stats::Spread;
use crate::table::{number, quantity, spread};

const STYLE: &str = include_str!("style.css");
/// How it was measured, for who was not there.
const METHOD: &str = "\
<p>There is no network card in these figures: frames come from a capture file that net_pcap plays without end, or from \
net_null with a header stamped on each, and go to null ports, which free them at once, as a card's completion does. So \
every figure is a ratio to a peer on the same devices in the same run, with the time of a copy beside it. Both sides are \
whole programs as their users run them, one at a time, one worker on one core; nothing here is extrapolated to more. Two \
are not: b8 is the forwarder on plain buffers, within the bench, and the control side\u{2019}s figures are of its crates.</p>\
<p>A round is the peer, ours, ours, the peer; the ratio is taken round by round, so that an even drift falls out. Shown is \
the median, with the smallest and the largest. The peer against itself tells how far to trust a row: with its median \
outside 0.97 to 1.03, or most of its rounds, the row says \u{201c}too noisy\u{201d} and nothing else. Manifold and \
ipv4_multicast must first deliver a counted number of frames to every sink, to the frame; of testpmd and Manifold every \
trial is counted to the frame at its end, once they forward no more. While Manifold is timed nothing may be dropped; sinks \
that are read while frames move must agree within 1 %.</p>\
<p>In b9 and b12 frames come on a clock, from another process over memif, and are lost if nobody takes them; every one is \
accounted for. The two processes share two cores with the control thread, so the machine\u{2019}s stalls are in both \
sides.</p>\
<p>b14 and the rows on veth of b10 and b11 are on kernel interfaces, in network namespaces. There one core forwards and \
the other sends, as fast as it can. The kernel\u{2019}s forwarding is steered to the core that Manifold\u{2019}s worker has on its turn; what \
brings a frame to the forwarder is done on the sender\u{2019}s core, on all sides. After every trial each client\u{2019}s end must have \
received what the forwarder counts as sent, to the frame; what the source offers beyond what is taken is lost before the \
forwarder.</p>\
<p>TSC cycles are ticks of the time stamp counter; the core runs at a clock of its own.</p>";

/// Writes `report.html` into `folder`, whole or not at all.
///
/// # Errors
/// The file or its folder cannot be written.
pub(crate) fn write(report: &Report<'_>, folder: &Path) -> Result<(), BenchError> {
    write_whole(folder, "report.html", &render(report))
}

fn render(report: &Report<'_>) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Manifold, measured</title><style>\n{STYLE}</style></head><body><main>\n\
         <h1>Manifold, measured</h1>\n<p class=\"soft\">IGMP proxy dataplane on DPDK {}, commit {}; {}, one worker</p>\n",
        escape(report.dpdk.unwrap_or("of unknown version")),
        escape(report.commit.unwrap_or("unknown")),
        escape(&report.machine.cpu),
    );
    page.push_str(&tiles(&report.figures));
    let plots = [fan_out, on_interfaces, groups, churn, delays].map(|plot| plot(&report.figures));
    let plots: String = plots.into_iter().flatten().collect();
    if !plots.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "<h2>Curves</h2>\n<div class=\"plots\">{plots}</div>");
    }
    let _ = writeln!(page, "<h2>All figures</h2>\n{}", table(&report.figures));
    let _ = writeln!(page, "<h2>Method</h2>\n{METHOD}\n<h2>Machine</h2>\n{}", machine(report));
    page + "</main></body></html>\n"
}

/// What a hurried reader takes away.
fn tiles(figures: &[FigureReport]) -> String {
    let mut text = String::from("<div class=\"tiles\">");
    let mut tile = |value: String, what: String| {
        let _ =
            write!(text, "<div class=\"tile\"><b>{}</b><span>{}</span></div>", escape(&value), escape(&what));
    };
    let rates =
        figures.iter().filter(|figure| figure.unit == "copies/s" && !matches!(figure.id, "b8" | "b14"));
    let best = rates.filter_map(|figure| Some((figure, figure.ours?.median)));
    if let Some((figure, rate)) = best.max_by(|a, b| a.1.total_cmp(&b.1)) {
        tile(
            format!("{:.0} M copies/s", rate / 1e6),
            format!("the most on one core ({} {})", figure.id, figure.variant),
        );
    }
    for figure in figures.iter().filter(|figure| figure.id == "b2") {
        if let (Some(ratio), Some(peer)) = (figure.ratio, &figure.peer) {
            let noisy = if figure.verdict.is_noise() { " (too noisy)" } else { "" };
            tile(format!("{:.2} \u{d7}", ratio.median), format!("{}, {}{noisy}", peer.name, figure.variant));
        }
    }
    let of = |wanted: fn(&Verdict) -> bool| figures.iter().filter(|figure| wanted(&figure.verdict)).count();
    let (reached, aimed) = (
        of(|verdict| *verdict == Verdict::Reached),
        figures.iter().filter(|figure| figure.aim.is_some()).count(),
    );
    let failed = figures.iter().filter(|figure| matches!(figure.verdict, Verdict::Failed(_))).count();
    let failed = if failed == 0 { String::new() } else { format!(", {failed} could not be measured") };
    tile(
        format!("{reached} of {aimed}"),
        format!("aims reached; {} too noisy to tell{failed}", of(Verdict::is_noise)),
    );
    text + "</div>\n"
}

fn framed(title: &str, caption: &str, plot: &Plot) -> String {
    let (title, caption, svg) = (escape(title), escape(caption), plot.svg());
    format!("<figure><h3>{title}</h3>{svg}<figcaption>{caption}</figcaption></figure>\n")
}

fn of_id<'f>(figures: &'f [FigureReport], ids: &'static [&str]) -> impl Iterator<Item = &'f FigureReport> {
    figures.iter().filter(move |figure| ids.contains(&figure.id))
}

fn millions(rate: Spread) -> Spread {
    rate.map(|rate| rate / 1e6)
}

/// Points of one side, by fan-out on a scale of powers.
fn by_fan_out<'f>(
    figures: impl Iterator<Item = &'f FigureReport>,
    side: impl Fn(&FigureReport) -> Option<Spread>,
) -> Vec<(f64, Spread)> {
    let point = |figure: &FigureReport| Some(((figure.at?.fan_out as f64).log2(), millions(side(figure)?)));
    let mut points: Vec<_> = figures.filter_map(point).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.dedup_by(|a, b| a.0 == b.0);
    points
}

fn ours(figure: &FigureReport) -> Option<Spread> {
    figure.ours
}

fn peer(figure: &FigureReport) -> Option<Spread> {
    figure.peer.as_ref().map(|peer| peer.spread)
}

fn fan_outs(series: &[Series]) -> Vec<(f64, String)> {
    let mut all: Vec<f64> = series.iter().flat_map(|s| &s.points).map(|(at, _)| at.exp2().round()).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    all.into_iter().map(|fan_out| (fan_out.log2(), format!("{fan_out:.0}"))).collect()
}

fn fan_out(figures: &[FigureReport]) -> Option<String> {
    let series = |name: &str, colour, points| Series { name: name.to_owned(), colour, ideal: false, points };
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
    if marks.len() < 2 {
        return None;
    }
    // If every copy after the first cost nothing.
    let free = |at: f64| {
        let rate = first.1.median * (at - first.0).exp2();
        (at, Spread { min: rate, median: rate, max: rate })
    };
    let fine =
        (0..=60).map(|n| free(marks[0].0 + (marks[marks.len() - 1].0 - marks[0].0) * f64::from(n) / 60.0));
    let highest = all.iter().flat_map(|s| &s.points).map(|(_, v)| v.max).fold(0.0, f64::max);
    let points = fine.take_while(|(_, rate)| rate.median <= highest).collect();
    all.push(Series { name: "ideal: further copies free".to_owned(), colour: 0, ideal: true, points });
    let plot = Plot {
        title: "Copies a second by fan-out".to_owned(),
        x_name: "ports that get a copy of each packet",
        y_name: "million copies a second",
        x_marks: marks,
        y_ends: None,
        y_log: false,
        series: all,
    };
    let caption = "64-byte frames. Bonding hands the same buffer to every port and looks nothing up: it is the limit of \
                   replication. Whiskers: the smallest and the largest trial.";
    Some(framed("Replication by fan-out", caption, &plot))
}

fn on_interfaces(figures: &[FigureReport]) -> Option<String> {
    let by = |name: &'static str| of_id(figures, &["b14"]).filter(move |f| f.variant.starts_with(name));
    let series = |name: &str, colour, points| Series { name: name.to_owned(), colour, ideal: false, points };
    let mut series = vec![
        series("Manifold by af_xdp", 0, by_fan_out(by("af_xdp"), ours)),
        series("Manifold by af_packet", 1, by_fan_out(by("af_packet"), ours)),
        series("the kernel, told by smcroute", 2, by_fan_out(of_id(figures, &["b14"]), peer)),
    ];
    series.retain(|series| !series.points.is_empty());
    let x_marks = fan_outs(&series);
    (!x_marks.is_empty()).then(|| {
        let plot = Plot {
            title: "Copies a second on kernel interfaces, by fan-out".to_owned(),
            x_name: "veth ports that get a copy of each packet",
            y_name: "million copies a second",
            x_marks,
            y_ends: None,
            y_log: false,
            series,
        };
        let caption = "64-byte frames on veth, one core forwards, the other sends; never to be compared with null ports. What \
                       brings a copy to its end is the kernel\u{2019}s work on every side.";
        framed("On kernel interfaces", caption, &plot)
    })
}

fn groups(figures: &[FigureReport]) -> Option<String> {
    let b6 = || of_id(figures, &["b6"]);
    let series = vec![
        Series {
            name: "65,536 random groups".to_owned(),
            colour: 0,
            ideal: false,
            points: by_fan_out(b6(), ours),
        },
        Series { name: "16 groups".to_owned(), colour: 1, ideal: false, points: by_fan_out(b6(), peer) },
    ];
    let x_marks = fan_outs(&series);
    (!x_marks.is_empty()).then(|| {
        let plot = Plot {
            title: "Copies a second with many groups and with few".to_owned(),
            x_name: "ports that get a copy of each packet",
            y_name: "million copies a second",
            x_marks,
            y_ends: None,
            y_log: false,
            series,
        };
        framed("Many groups", "Every frame another group, so every look-up another cache line.", &plot)
    })
}

fn churn(figures: &[FigureReport]) -> Option<String> {
    let point = |figure: &FigureReport| Some((f64::from(figure.at?.updates).log10(), figure.ratio?));
    let points: Vec<_> = of_id(figures, &["b8"]).filter_map(point).collect();
    let aims = of_id(figures, &["b8"]).filter_map(|figure| {
        let (at, aim) = (f64::from(figure.at?.updates).log10(), figure.aim?);
        figure.ratio.map(|_| (at, Spread { min: aim, median: aim, max: aim }))
    });
    let aims: Vec<_> = aims.collect();
    let lowest = points.iter().map(|(_, ratio)| ratio.min).fold(0.9, f64::min);
    let highest = points.iter().map(|(_, ratio)| ratio.max).fold(1.05, f64::max);
    let name = |updates: f64| {
        if updates >= 1e6 { format!("{} M", updates / 1e6) } else { format!("{} k", updates / 1e3) }
    };
    (!points.is_empty()).then(|| {
        let plot = Plot {
            title: "Throughput while the table is written, by writes a second".to_owned(),
            x_name: "writes to the group table a second",
            y_name: "rate by that at rest",
            x_marks: points.iter().map(|(at, _)| (*at, name(10f64.powf(*at).round()))).collect(),
            y_ends: Some(((lowest * 20.0).floor() / 20.0, (highest * 20.0).ceil() / 20.0)),
            y_log: false,
            series: vec![
                Series { name: "Manifold's forwarder".to_owned(), colour: 0, ideal: false, points },
                Series { name: "aim".to_owned(), colour: 2, ideal: true, points: aims },
            ],
        };
        let caption = "The worker's pass on plain buffers, fan-out 4, 4,096 groups; the table's writer on the other core. \
                       Without devices a look-up weighs more than in a whole program.";
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
            .map(|(percentile, us)| (place(*percentile), Spread { min: *us, median: *us, max: *us }))
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

fn table(figures: &[FigureReport]) -> String {
    let mut text = String::from(
        "<div class=\"wide\"><table><thead><tr><th>figure</th><th>ours</th><th>peer</th><th>ratio</th><th>aim</th>\
         <th class=\"words\">verdict</th><th>peer by itself</th><th>ns a packet</th><th>ns a copy</th>\
         <th>TSC cycles a copy</th></tr></thead><tbody>\n",
    );
    for figure in figures {
        text.push_str(&row(figure));
    }
    text.push_str("</tbody></table></div>\n");
    let notes = figures.iter().flat_map(|f| f.notes.iter().map(move |note| (f, note)));
    let notes: String = notes
        .map(|(f, note)| format!("<li>{} {}: {}</li>", f.id, escape(&f.variant), escape(note)))
        .collect();
    if !notes.is_empty() {
        let _ = writeln!(text, "<ul class=\"notes soft\">{notes}</ul>");
    }
    text
}

fn row(figure: &FigureReport) -> String {
    let shown = |value: Option<Spread>| {
        value.map_or_else(String::new, |value| {
            let (median, range) = quantity(value, figure.unit);
            format!("{median}<small>{range}</small>")
        })
    };
    let ratio = |value: Option<Spread>| {
        value.map_or_else(String::new, |value| {
            let (median, range) = spread(value, 2);
            format!("{median}<small>{range}</small>")
        })
    };
    let name = figure.peer.as_ref().map_or("", |peer| peer.name);
    let sign = if figure.aim_is == Some("at most") { "\u{2264}" } else { "\u{2265}" };
    let aim = figure.aim.map_or_else(String::new, |aim| format!("{sign}\u{a0}{}", number(aim)));
    let floor =
        figure.floor.map_or_else(String::new, |floor| format!("<small>floor {}</small>", number(floor)));
    let cost = |of: fn(&Cost) -> Option<Spread>| {
        let pair = figure.cost.as_ref().and_then(|cost| Some((of(&cost.ours)?, of(&cost.peer)?)));
        pair.map_or_else(String::new, |(ours, peer)| {
            let (ours, peer) = (ours.median, peer.median);
            format!("{ours:.1} / {peer:.1}<small>{:+.1}</small>", ours - peer)
        })
    };
    let class = match figure.verdict {
        Verdict::Reached => "reached",
        Verdict::Held => "held",
        Verdict::Missed | Verdict::Failed(_) => "missed",
        Verdict::TooNoisy
        | Verdict::LostInNoise
        | Verdict::BeyondMachine
        | Verdict::NoAim
        | Verdict::NotMeasured(_) => "other",
    };
    format!(
        "<tr><td><b>{}</b> {}<small>{}</small></td><td>{}</td><td>{}<small>{}</small></td><td>{}</td>\
         <td>{aim}{floor}</td><td class=\"words {class}\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        figure.id,
        escape(&figure.variant),
        escape(figure.metric),
        shown(figure.ours),
        shown(figure.peer.as_ref().map(|peer| peer.spread)),
        escape(name),
        ratio(figure.ratio),
        escape(figure.verdict.words()),
        ratio(figure.peer_by_itself),
        cost(|cost| Some(cost.packet_ns)),
        cost(|cost| Some(cost.copy_ns)),
        cost(|cost| cost.copy_tsc),
    )
}

fn machine(report: &Report<'_>) -> String {
    let machine = report.machine;
    let unknown = || "unknown".to_owned();
    let mut text = String::from("<dl>");
    let mut line = |name: &str, value: String| {
        let _ = write!(text, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
    };
    line("processor", format!("{}, {} cores", machine.cpu, machine.cores));
    line("time stamp counter", machine.tsc_mhz.map_or_else(unknown, |mhz| format!("{mhz:.0} MHz")));
    line("forwarding", format!("on core {}, alone", machine.forwarding_core));
    line("kernel", format!("Linux {}", machine.kernel));
    line("load at the start", machine.load.map_or_else(unknown, |load| format!("{load:.2}")));
    line("rounds", format!("{} of 4 trials of {:.1} s", report.rounds, report.window_s));
    for (when, jitter) in ["before", "after"].into_iter().zip(report.jitter) {
        line(
            &format!("idle core, {when}"),
            jitter.map_or_else(|| "not measured".to_owned(), |jitter| jitter.to_string()),
        );
    }
    text + "</dl>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::FIGURES;
    use crate::report::Distribution;
    use crate::report::tests::{alone, machine, outcome, report};
    use crate::rounds::{Outcome, blank};

    /// Every figure with numbers, but for one that is not built; and one of delays.
    fn figures() -> Vec<FigureReport> {
        let measured = |(number, figure): (usize, &crate::figures::Figure)| {
            let spread = |median: f64| Spread { min: median * 0.9, median, max: median * 1.1 };
            let of = Outcome { figure: *figure, ours: spread(70e6 + 1e6 * number as f64), ..outcome() };
            of.report(&machine())
        };
        let mut all: Vec<_> = FIGURES.iter().enumerate().map(measured).collect();
        all.push(blank(FIGURES[4]).without("not built: make fast"));
        all.push(alone());
        let delays = FigureReport::new("b10", "idle".to_owned(), "group join delay", "us");
        let percentiles_us = vec![(50.0, 12.0), (90.0, 20.0), (99.0, 80.0), (99.9, 700.0), (100.0, 900.0)];
        let distributions = vec![Distribution { name: "Manifold".to_owned(), percentiles_us }];
        all.push(FigureReport { distributions, ..delays });
        all
    }

    #[test]
    fn page_has_every_figure_and_its_plots() {
        let machine = machine();
        let page = render(&report(&machine, figures()));
        assert_eq!(page.matches("<tr><td>").count(), FIGURES.len() + 3);
        for title in [
            "Replication by fan-out",
            "On kernel interfaces",
            "Many groups",
            "Members come and go",
            "b10: group join delay",
        ] {
            assert!(page.contains(&format!("<h3>{title}</h3>")), "{title}");
        }
        assert!(page.contains("not built: make fast") && page.contains("158 bytes/member"));
        for wrong in ["NaN", ">inf", "http://", "https://", "<script"] {
            assert!(!page.contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn elements_are_closed() {
        let machine = machine();
        let page = render(&report(&machine, figures()));
        for name in
            ["div", "figure", "svg", "g", "table", "tr", "td", "ul", "li", "dl", "small", "main", "html"]
        {
            let opened =
                page.matches(&format!("<{name}>")).count() + page.matches(&format!("<{name} ")).count();
            assert_eq!(opened, page.matches(&format!("</{name}>")).count(), "{name}");
        }
    }

    #[test]
    fn few_figures_have_no_plots_that_show_nothing() {
        let machine = machine();
        let page = render(&report(&machine, vec![outcome().report(&machine), alone()]));
        assert!(!page.contains("<svg") && page.contains("All figures"));
        assert!(!page.contains("could not be measured"));
    }

    #[test]
    fn what_failed_is_counted_and_says_why() {
        let machine = machine();
        let failed = blank(FIGURES[4]).failed("manifold: ended early\nthe log");
        let page = render(&report(&machine, vec![alone(), failed]));
        for part in ["1 could not be measured", "failed: manifold: ended early", "the log"] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn file_is_written_beside_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine();
        write(&report(&machine, figures()), folder.path()).unwrap();
        assert!(
            std::fs::read_to_string(folder.path().join("report.html"))
                .unwrap()
                .starts_with("<!doctype html>")
        );
    }
}
