//! `report.html`: the run as one page that needs nothing from elsewhere.

use std::fmt::Write;
use std::path::Path;

use crate::aim::Verdict;
use crate::curves;
use crate::error::BenchError;
use crate::machine::CorePlace;
use crate::plot::escape;
use crate::report::{Cost, FigureReport, Report, write_whole};
use crate::started::Started;
use crate::stats::Spread;
use crate::table::{number, quantity, spread};

const STYLE: &str = include_str!("style.css");
/// How it was measured, for who was not there.
const METHOD: &str = "\
<p>There is no network card in these figures: frames come from a capture file that net_pcap plays without end, or from \
net_null with a header stamped on each, and go to null ports, which free them at once, as a card's completion does. So \
a figure is a ratio to a peer on the same devices in the same run, with the time of a copy beside it, and both sides are \
whole programs as their users run them, in turns, one worker on one core; nothing here is extrapolated to more. Not \
all are of that kind. b7, b15 and the heap have no peer. b8, and b10 and b11 but for their rows on veth, are Manifold\u{2019}s \
forwarder on plain buffers within the bench, with the prefetches of DPDK\u{2019}s, beside itself or a bare wake-up; the stalls stand beside a loop with \
passes as long, over memory as large, on the same core. b7\u{2019}s bytes are of the table alone, b15 of the control side\u{2019}s crates.</p>\
<p>A round is the peer, ours, ours, the peer; the ratio is taken round by round. Shown is the median, with the smallest and \
the largest: of five rounds, these two hold the true median between them fifteen times of sixteen. All four trials are made of short slices in turn: drift and \
stalls of the machine are in all of them. In b1 to b6 both sides are there at once, in processes of the round\u{2019}s own, one of them \
halted while the other forwards for a tenth of a second. Copies are counted by the first sink\u{2019}s driver, as \
either side\u{2019}s telemetry tells, at both ends of a slice and on one clock; the first 10 ms after a halt are not counted. b8 and b13 \
have one forwarder for both sides, and slices of 10 and 50 ms: what comes beside it, comes or does not. In b14 each side has cables of its own, \
and its source sends for a tenth of a second and is still until all has arrived.</p>\
<p>Manifold and ipv4_multicast must first deliver a counted number of frames to every sink, to the frame; of testpmd \
and Manifold every process\u{2019}s frames are counted to the frame at its end, once it forwards no more, by its own counters \
and by its drivers\u{2019}. ipv4_multicast ends by a signal and cannot be: while frames move, each sink must have all that had \
come in but the two bursts in hand. It is as packaged but for two requests that null ports refuse, with pools and caches of 32 \
buffers of its own. While Manifold is timed nothing may be dropped; sinks that are read while frames move must agree within \
1 %.</p>\
<p>A row says \u{201c}too noisy\u{201d}, and neither reached nor missed, where what was measured twice was not the same: the \
peer\u{2019}s first trial by its last outside 0.97 to 1.03 in the median (b12, percentiles: outside 0.83 to 1.2), unless the \
ratio would be on the same side of the aim even where the machine differed as much as the farthest of these. All other noise is \
held to that, too: what is farther from the aim than the machine from itself is reached or missed. b10 \
and b11: a bare wake-up before by one after outside 0.8 to 1.25 at p50, outside 0.5 to 2 at p99, and more \
than a tenth of the aim apart; where that alone is above the aim, ours is excused up to 10 us above it; on veth the peer\u{2019}s turns \
by themselves, likewise; beside data also where passes took another share than 77 to 83 % of the worker\u{2019}s time. b9: halves of the seconds without churn more than 10 us/s apart, or the aim reached with less than 97 % of the \
load. Stalls: the loop differs from itself by more than it sees. b8, b13: writes or reports that took more than 1.03 of \
the time planned were fewer in the window, and such a round does not count.</p>\
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
    if report.interrupted {
        let _ = writeln!(
            page,
            "<p class=\"missed\">Interrupted after {:.0} s: these are the figures that were measured until then.</p>",
            report.seconds
        );
    }
    page.push_str(&tiles(&report.figures));
    let plots = curves::render(&report.figures);
    if !plots.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "<h2>Curves</h2>\n<div class=\"plots\">{plots}</div>");
    }
    let _ = writeln!(page, "<h2>All figures</h2>\n{}", table(&report.figures));
    let _ = writeln!(page, "<h2>Method</h2>\n{METHOD}\n<h2>Machine</h2>\n{}", machine(report));
    page + "</main></body></html>\n"
}

fn noisy(figure: &FigureReport) -> &'static str {
    if figure.verdict.is_noise() { " (too noisy)" } else { "" }
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
            format!("the most on one core ({} {}){}", figure.id, figure.variant, noisy(figure)),
        );
    }
    for figure in figures.iter().filter(|figure| figure.id == "b2") {
        if let (Some(ratio), Some(peer)) = (figure.ratio, &figure.peer) {
            let what = format!("{}, {}{}", peer.name, figure.variant, noisy(figure));
            tile(format!("{:.2} \u{d7}", ratio.median), what);
        }
    }
    let reached = figures.iter().filter(|figure| figure.verdict == Verdict::Reached).count();
    let aimed = figures.iter().filter(|figure| figure.aim.is_some()).count();
    let failed = figures.iter().filter(|figure| figure.verdict.is_unmeasured()).count();
    let failed = if failed == 0 { String::new() } else { format!(", {failed} could not be measured") };
    let missed = figures.iter().filter(|figure| figure.verdict.is_missed()).count();
    let noisy = figures.iter().filter(|figure| figure.aim.is_some() && figure.verdict.is_noise()).count();
    tile(
        format!("{reached} of {aimed}"),
        format!("aims reached, {missed} missed; {noisy} too noisy to tell{failed}"),
    );
    text + "</div>\n"
}

fn table(figures: &[FigureReport]) -> String {
    let mut text = String::from(
        "<div class=\"wide\"><table><thead><tr><th>figure</th><th>ours</th><th>peer</th><th>ratio</th><th>aim</th>\
         <th class=\"words\">verdict</th><th>peer by itself</th><th>rounds</th><th>ns a packet</th><th>ns a copy</th>\
         <th>TSC cycles a copy</th><th>seconds</th></tr></thead><tbody>\n",
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
    let cost = |of: fn(&Cost) -> Option<Spread>| {
        let pair = figure.cost.as_ref().and_then(|cost| Some((of(&cost.ours)?, of(&cost.peer)?)));
        pair.map_or_else(String::new, |(ours, peer)| {
            let (ours, peer) = (ours.median, peer.median);
            format!("{ours:.1} / {peer:.1}<small>{:+.1}</small>", ours - peer)
        })
    };
    let class = match figure.verdict {
        Verdict::Reached => "reached",
        Verdict::Missed | Verdict::Failed(_) => "missed",
        Verdict::TooNoisy
        | Verdict::LostInNoise
        | Verdict::BeyondMachine
        | Verdict::NoAim
        | Verdict::NotMeasured(_) => "other",
    };
    format!(
        "<tr><td><b>{}</b> {}<small>{}</small></td><td>{}</td><td>{}<small>{}</small></td><td>{}</td>\
         <td>{aim}</td><td class=\"words {class}\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
         <td>{}</td></tr>\n",
        figure.id,
        escape(&figure.variant),
        escape(figure.metric),
        shown(figure.ours),
        shown(figure.peer.as_ref().map(|peer| peer.spread)),
        escape(name),
        ratio(figure.ratio),
        escape(figure.verdict.words()),
        ratio(figure.peer_by_itself),
        if figure.trials.is_empty() { String::new() } else { figure.trials.len().to_string() },
        cost(|cost| Some(cost.packet_ns)),
        cost(|cost| Some(cost.copy_ns)),
        cost(|cost| cost.copy_tsc),
        figure.seconds.map_or_else(String::new, |seconds| format!("{seconds:.0}")),
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
    let [main, forward] = machine.places.each_ref().map(CorePlace::words);
    line("forwarding", format!("on core {forward}, alone; all else on core {main}"));
    line("NUMA nodes", machine.nodes.to_string());
    line("kernel", format!("Linux {}", machine.kernel));
    line("load at the start", machine.load.map_or_else(unknown, |load| format!("{load:.2}")));
    line("hypervisor", machine.hypervisor.clone().unwrap_or_else(|| "none".to_owned()));
    line(
        "memory",
        format!("{} MiB, {} MiB of it hugepages before the run", machine.memory_mb, machine.hugepages_mb),
    );
    line("cores isolated from the scheduler", machine.isolated.clone().unwrap_or_else(|| "none".to_owned()));
    line("mitigations", machine.mitigations.join("; "));
    line("DPDK of our own", report.own_dpdk.unwrap_or("none that could be measured").to_owned());
    line("peers\u{2019} packages", report.packages.join(", "));
    line("date", report.date.map_or_else(unknown, str::to_owned));
    line("duration", format!("{:.0} s", report.seconds));
    line("rounds", format!("{} at most, of 4 trials of {:.1} s", report.rounds, report.window_s));
    for (when, jitter) in ["before", "after"].into_iter().zip(report.jitter) {
        line(
            &format!("idle core, {when}"),
            jitter.map_or_else(|| "not measured".to_owned(), |jitter| jitter.to_string()),
        );
    }
    text + "</dl>\n" + &programs(&report.figures)
}

/// What was run for each figure, and with which settings.
fn programs(figures: &[FigureReport]) -> String {
    let mut text = String::new();
    let mut last: &[Started] = &[];
    for figure in figures.iter().filter(|figure| !figure.programs.is_empty()) {
        // Rows of one measurement share them.
        if figure.programs != last {
            let name = format!("{} {}", figure.id, figure.variant);
            let all: String = figure.programs.iter().map(program).collect();
            let _ = writeln!(text, "<details><summary>{}</summary>{all}</details>", escape(&name));
        }
        last = &figure.programs;
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "<h2>Settings and command lines</h2>\n<p>Of each row the programs as they were started last, with the arguments of \
         EAL. What a file of Manifold\u{2019}s does not name has its default.</p>\n<div class=\"programs\">{text}</div>\n"
    )
}

fn program(started: &Started) -> String {
    let Started { name, command, settings, eal } = started;
    let mut text = format!("<h4>{}</h4><pre>{}</pre>", escape(name), escape(command));
    if let Some(eal) = eal {
        let _ = write!(text, "<p>EAL:</p><pre>{}</pre>", escape(eal));
    }
    if let Some(settings) = settings {
        let _ = write!(text, "<p>manifold.toml:</p><pre>{}</pre>", escape(settings.trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aim::Aim;
    use crate::figures::FIGURES;
    use crate::report::tests::{alone, machine, outcome, report};
    use crate::report::{Distribution, PeerReport, Varied};
    use crate::rounds::{Outcome, blank};

    fn started() -> Vec<Started> {
        let testpmd =
            Started { name: "testpmd", command: "dpdk-testpmd -l 1".to_owned(), settings: None, eal: None };
        let manifold = Started {
            name: "manifold",
            command: "manifold run".to_owned(),
            settings: Some("[worker]\npoll = \"busy\"\n".to_owned()),
            eal: Some("manifold -m 64".to_owned()),
        };
        vec![testpmd, manifold]
    }

    /// What is blocked at that rate: nothing in the best second.
    fn blocked(rate: u32) -> FigureReport {
        let at = Varied { fan_out: 2, groups: 16, wire_len: 64, updates: 20_000, frames_per_s: Some(rate) };
        let spread = Spread { min: 0.0, median: f64::from(rate) / 400.0, max: f64::from(rate) / 100.0 };
        let peer = PeerReport { name: "Manifold without churn", spread: Spread { median: 0.0, ..spread } };
        let new = FigureReport::new("b9", format!("rate={rate}/s"), "blocked time", "us/s");
        FigureReport { ours: Some(spread), peer: Some(peer), at: Some(at), ..new }
    }

    /// Every figure with numbers, but for one that is not built; and some of loss and of delays.
    fn figures() -> Vec<FigureReport> {
        let measured = |(number, figure): (usize, &crate::figures::Figure)| {
            let spread = |median: f64| Spread { min: median * 0.9, median, max: median * 1.1 };
            let of = Outcome { figure: *figure, ours: spread(70e6 + 1e6 * number as f64), ..outcome() };
            let itself = spread(if figure.label == "30" { 1.1 } else { 1.0 });
            let noisy = Outcome { itself, ratio: spread(figure.aim.map_or(1.0, Aim::value)), ..of };
            FigureReport { programs: started(), ..noisy.report(&machine()) }
        };
        let mut all: Vec<_> = FIGURES.iter().enumerate().map(measured).collect();
        all.push(blank(FIGURES[4]).without("not built: make fast"));
        all.push(alone());
        all.extend([250_000, 2_000_000].map(blocked));
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
        assert_eq!(page.matches("<tr><td>").count(), FIGURES.len() + 5);
        for title in [
            "Replication by fan-out",
            "On kernel interfaces, by fan-out",
            "Group scaling",
            "Churn: throughput by table updates",
            "Churn: loss by the data\u{2019}s rate",
            "b10: group join delay",
        ] {
            assert!(page.contains(&format!("<h3>{title}</h3>")), "{title}");
        }
        assert!(page.contains("class=\"c0 noisy\""), "the last of b2 is");
        assert!(!page.contains("Interrupted"));
        let interrupted = Report { interrupted: true, ..report(&machine, Vec::new()) };
        assert!(render(&interrupted).contains("Interrupted after 60 s"));
        assert_eq!(page.matches("<pre>dpdk-testpmd -l 1</pre>").count(), 1, "all rows are alike here");
        assert!(
            page.contains("<pre>[worker]\npoll = &quot;busy&quot;</pre>")
                && page.contains("<pre>manifold -m 64</pre>")
        );
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
