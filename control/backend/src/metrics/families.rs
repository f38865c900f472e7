//! Which figures there are. Pure: replies in, text out.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{
    CountersReply, GroupsReply, LatencyReply, LinkState, PortCounters, PortRole, PortView, PortsReply,
    QuerierRole, StatusReply, WorkersReply,
};

use settings::without_arguments;

use crate::app::App;
use crate::metrics::text::{Kind, Text};

/// What the proxy answered; nothing where it did not.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) status: Option<Arc<StatusReply>>,
    pub(crate) ports: Option<Arc<PortsReply>>,
    pub(crate) counters: Option<Arc<CountersReply>>,
    pub(crate) groups: Option<Arc<GroupsReply>>,
    pub(crate) workers: Option<Arc<WorkersReply>>,
    pub(crate) latency: Option<Arc<LatencyReply>>,
}

/// What the backend tells of itself.
#[derive(Debug, Default)]
pub(crate) struct Own {
    uptime_s: f64,
    streams: u64,
    stream_bytes: usize,
    answers: Vec<(&'static str, u64)>,
    refused: [u64; 3],
}

impl Own {
    pub(crate) fn of(app: &App) -> Self {
        Self {
            uptime_s: api::seconds(app.started.elapsed()),
            streams: app.live.streams(),
            stream_bytes: app.live.held(),
            answers: app.counts.answers().collect(),
            refused: app.counts.refused(),
        }
    }
}

/// The whole text. Groups above `max_groups` have no figures of their own, and are counted.
pub(crate) fn all(heard: &Heard, own: &Own, max_groups: usize) -> String {
    let mut text = Text::default();
    let up = u8::from(heard.status.is_some());
    text.family("manifold_up", Kind::Gauge, "Whether the proxy answers.").sample(&[], up);
    if let Some(status) = &heard.status {
        process(&mut text, status);
    }
    if let Some(reply) = &heard.ports {
        ports(&mut text, &reply.ports);
    }
    if let Some(reply) = &heard.counters {
        counters(&mut text, &reply.ports);
    }
    if let Some(reply) = &heard.groups {
        groups(&mut text, reply, max_groups);
    }
    if let Some(reply) = &heard.workers {
        workers(&mut text, reply);
    }
    if let Some(reply) = &heard.latency {
        latency(&mut text, reply);
    }
    backend(&mut text, own);
    text.finish()
}

fn process(text: &mut Text, status: &StatusReply) {
    text.family("manifold_build_info", Kind::Gauge, "The proxy's version and instance.")
        .sample(&[("version", &status.version), ("instance", &status.instance)], 1);
    let mut gauge = |name, help, value: f64| text.family(name, Kind::Gauge, help).sample(&[], value);
    gauge("manifold_uptime_seconds", "Since the proxy started.", status.uptime_s);
    gauge("manifold_enabled", "Whether the proxy is switched on.", f64::from(u8::from(status.enabled)));
    gauge("manifold_groups", "Groups that have a member.", status.groups as f64);
    gauge("manifold_table_capacity_groups", "Groups that there is room for.", status.max_groups as f64);
    gauge("manifold_buffers", "Buffers for frames.", status.mbufs.size as f64);
    gauge("manifold_buffers_in_use", "Buffers not in the pool.", status.mbufs.in_use as f64);
    gauge("manifold_warnings", "Doubts about the settings.", status.warnings.len() as f64);
    gauge(
        "manifold_settings_revision",
        "Of the settings in force: grows with each change.",
        status.revision as f64,
    );
    let recording = status.record.as_ref().is_some_and(|record| record.ended.is_none());
    gauge("manifold_recording", "Whether a record is written.", f64::from(u8::from(recording)));
    text.family(
        "manifold_table_refused_members_total",
        Kind::Counter,
        "Members that the group table had no room for.",
    )
    .sample(&[], status.no_room);
}

fn ports(text: &mut Text, ports: &[PortView]) {
    let mut info = text.family("manifold_port_info", Kind::Gauge, "What a port is and runs on.");
    for port in ports {
        let device = without_arguments(&port.device);
        let labels = [
            ("port", port.name.as_str()),
            ("role", port.role.name()),
            ("device", &device),
            ("driver", &port.driver),
        ];
        info.sample(&labels, 1);
    }
    let mut each = |name, kind, help, figure: &dyn Fn(&PortView) -> Option<u64>| {
        let mut family = text.family(name, kind, help);
        for port in ports {
            if let Some(value) = figure(port) {
                family.sample(&[("port", &port.name)], value);
            }
        }
    };
    each("manifold_port_link_up", Kind::Gauge, "Whether a port has carrier.", &|port| {
        Some(u64::from(port.link == LinkState::Up))
    });
    each("manifold_port_querier", Kind::Gauge, "Whether the proxy is querier on a client port.", &|port| {
        port.querier.as_ref().map(|querier| u64::from(querier.role == QuerierRole::Querier))
    });
    each(
        "manifold_port_groups",
        Kind::Gauge,
        "Groups with a member there, or asked for upstream.",
        &|port| Some(port.groups),
    );
    each("manifold_port_max_groups", Kind::Gauge, "The most groups that a client port may have.", &|port| {
        port.max_groups
    });
    let received = "Frames received, what was dropped included.";
    each("manifold_port_receive_frames_total", Kind::Counter, received, &|port| Some(port.rx_frames));
    each("manifold_port_receive_bytes_total", Kind::Counter, "Bytes received.", &|port| Some(port.rx_bytes));
    each("manifold_port_transmit_frames_total", Kind::Counter, "Frames sent.", &|port| Some(port.tx_frames));
    each("manifold_port_transmit_bytes_total", Kind::Counter, "Bytes sent.", &|port| Some(port.tx_bytes));
    let mut query = text.family(
        "manifold_upstream_last_query_age_seconds",
        Kind::Gauge,
        "Since the provider last asked; absent before the first time.",
    );
    for port in ports.iter().filter(|port| port.role == PortRole::Upstream) {
        if let Some(heard) = &port.last_query {
            query.sample(&[("port", &port.name)], heard.age_s);
        }
    }
}

fn counters(text: &mut Text, ports: &[PortCounters]) {
    let mut each = |name, label, help, of: &dyn Fn(&PortCounters) -> &BTreeMap<String, u64>| {
        let mut family = text.family(name, Kind::Counter, help);
        for port in ports {
            for (word, count) in of(port) {
                family.sample(&[("port", &port.port), (label, word)], count);
            }
        }
    };
    let drops = "Frames dropped by workers, by reason.";
    each("manifold_port_drops_total", "reason", drops, &|port| &port.drops);
    let losses = "Frames lost outside the workers, by the device, its driver or the kernel, by reason.";
    each("manifold_port_losses_total", "reason", losses, &|port| &port.losses);
    each("manifold_igmp_received_total", "type", "IGMP received.", &|port| &port.igmp_received);
    each("manifold_igmp_sent_total", "type", "IGMP sent.", &|port| &port.igmp_sent);
    let verdicts = "What became of the IGMP received.";
    each("manifold_igmp_verdicts_total", "verdict", verdicts, &|port| &port.verdicts);
}

fn groups(text: &mut Text, reply: &GroupsReply, most: usize) {
    let told = &reply.groups[..reply.groups.len().min(most)];
    let names: Vec<String> = told.iter().map(|view| view.group.to_string()).collect();
    let mut each = |name, kind, help, figure: &dyn Fn(&api::GroupView) -> u64| {
        let mut family = text.family(name, kind, help);
        for (view, group) in told.iter().zip(&names) {
            family.sample(&[("group", group)], figure(view));
        }
    };
    each("manifold_group_members", Kind::Gauge, "Ports that have a member of the group.", &|view| {
        view.members.len() as u64
    });
    each("manifold_group_upstream_joined", Kind::Gauge, "Whether the provider was asked for it.", &|view| {
        u64::from(view.upstream.joined)
    });
    each("manifold_group_frames_total", Kind::Counter, "Frames of the group that came in.", &|view| {
        view.frames
    });
    each("manifold_group_bytes_total", Kind::Counter, "Their bytes.", &|view| view.bytes);
    let filtered = "Frames of the group dropped because sources-allowed does not name their source.";
    each("manifold_group_filtered_frames_total", Kind::Counter, filtered, &|view| view.filtered);
    text.family(
        "manifold_groups_omitted",
        Kind::Gauge,
        "Groups without figures of their own, above the limit.",
    )
    .sample(&[], reply.groups.len() - told.len());
}

fn workers(text: &mut Text, reply: &WorkersReply) {
    let numbers: Vec<String> = reply.workers.iter().map(|view| view.worker.to_string()).collect();
    let mut each = |name, help, figure: &dyn Fn(&api::WorkerSpan) -> f64| {
        let mut family = text.family(name, Kind::Counter, help);
        for (view, worker) in reply.workers.iter().zip(&numbers) {
            family.sample(&[("worker", worker)], figure(&view.total));
        }
    };
    each("manifold_worker_seconds_total", "For which a worker has run.", &|span| span.span_s);
    each("manifold_worker_busy_seconds_total", "Of them, those in passes with work.", &|span| span.busy_s);
    each("manifold_worker_passes_total", "Passes over a worker's queues.", &|span| span.passes as f64);
    each("manifold_worker_frames_total", "Frames that a worker received.", &|span| span.frames as f64);
    let long = "Passes with work that took longer than 100 microseconds.";
    each("manifold_worker_long_passes_total", long, &|span| span.long_passes as f64);
}

fn latency(text: &mut Text, reply: &LatencyReply) {
    let help = "From a report's arrival in a worker to the group table's change.";
    let mut family = text.family("manifold_join_latency_seconds", Kind::Histogram, help);
    for bucket in &reply.joins.buckets {
        family.suffixed("_bucket", &[("le", &bucket.le_s.to_string())], bucket.count);
    }
    family.suffixed("_bucket", &[("le", "+Inf")], reply.joins.count);
    family.suffixed("_sum", &[], reply.joins.sum_s);
    family.suffixed("_count", &[], reply.joins.count);
}

fn backend(text: &mut Text, own: &Own) {
    text.family("manifold_backend_build_info", Kind::Gauge, "The version of manifold-backend.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family("manifold_backend_uptime_seconds", Kind::Gauge, "Since manifold-backend started.")
        .sample(&[], own.uptime_s);
    text.family("manifold_backend_streams", Kind::Gauge, "Event streams open.").sample(&[], own.streams);
    let held = "Messages of event streams that clients have yet to take.";
    text.family("manifold_backend_stream_bytes", Kind::Gauge, held).sample(&[], own.stream_bytes);
    let mut answers =
        text.family("manifold_backend_answers_total", Kind::Counter, "HTTP answers, by status.");
    for (class, count) in &own.answers {
        answers.sample(&[("status", class)], count);
    }
    let refused = [
        ("manifold_backend_logins_refused_total", "Logins refused: wrong, or too many."),
        ("manifold_backend_connections_refused_total", "Connections refused: too many."),
        ("manifold_backend_streams_dropped_total", "Event streams ended as their client was too slow."),
    ];
    for ((name, help), count) in refused.into_iter().zip(own.refused) {
        text.family(name, Kind::Counter, help).sample(&[], count);
    }
}
