//! Replies as tables.

use std::collections::BTreeMap;
use std::fmt::Write;

use api::{
    CountersReply, GroupView, GroupsReply, HeldBack, LinkState, MemberState, MemberView, Outage, PortView,
    PortsReply, QuerierRole, StatusReply,
};

use crate::table::Align::{Left, Right};
use crate::table::{Cell, Table, Tone};
use crate::units::{bytes, count, time};

/// A line for each port with a member; what is the group's alone stands on its first.
pub(crate) fn groups(reply: &GroupsReply, color: bool) -> String {
    if reply.groups.is_empty() {
        return "no group has a member\n".to_owned();
    }
    let mut groups: Vec<&GroupView> = reply.groups.iter().collect();
    groups.sort_by_key(|group| group.group);
    let mut table = Table::new([
        ("GROUP", Left),
        ("FRAMES", Right),
        ("BYTES", Right),
        ("FILTERED", Right),
        ("UPSTREAM", Left),
        ("PORT", Left),
        ("STATE", Left),
        ("IGMP", Left),
        ("LAST REPORTER", Left),
        ("AGE", Right),
        ("EXPIRES", Right),
    ]);
    let mut members = 0;
    for group in groups {
        let upstream = match group.upstream.joined {
            true => Cell::toned("joined", Tone::Good),
            false => "-".into(),
        };
        let mut heads = Some([
            count(group.frames).into(),
            bytes(group.bytes).into(),
            Cell::toned(
                count(group.filtered),
                if group.filtered > 0 { Tone::Attention } else { Tone::Plain },
            ),
            upstream,
        ]);
        let mut ports: Vec<&MemberView> = group.members.iter().collect();
        ports.sort_by(|a, b| a.port.cmp(&b.port));
        members += ports.len();
        // A group that is counted only has one line as well.
        let rows = ports.into_iter().map(member_cells).collect::<Vec<_>>();
        let rows = if rows.is_empty() { vec![std::array::from_fn(|_| "-".into())] } else { rows };
        for [port, state, version, reporter, age, expires] in rows {
            let [frames, size, filtered, upstream] =
                heads.take().unwrap_or_else(|| std::array::from_fn(|_| "".into()));
            let name = group.group.to_string().into();
            table
                .push([name, frames, size, filtered, upstream, port, state, version, reporter, age, expires]);
        }
    }
    let mut out = table.render(color);
    let total = reply.groups.len();
    let _ = writeln!(out, "{}, {}", plural(total, "group"), plural(members, "member port"));
    out
}

fn member_cells(member: &MemberView) -> [Cell; 6] {
    let (state, tone) = match member.state {
        MemberState::MembersPresent => ("member", Tone::Good),
        MemberState::V1MembersPresent => ("v1 member", Tone::Good),
        MemberState::Static => ("static", Tone::Good),
        MemberState::CheckingMembership => ("checking", Tone::Attention),
    };
    let state = match member.held_back {
        None => Cell::toned(state, tone),
        Some(why) => Cell::toned(format!("{state}, {}", held_back(why)), Tone::Bad),
    };
    [
        member.port.as_str().into(),
        state,
        format!("v{}", member.version).into(),
        Cell::optional(member.last_reporter.map(|a| a.to_string())),
        time(member.age_s).into(),
        member.expires_s.map_or_else(|| "never".to_owned(), time).into(),
    ]
}

fn held_back(why: HeldBack) -> &'static str {
    match why {
        HeldBack::NoRoom => "no room",
        HeldBack::NoCarrier => "no carrier",
        HeldBack::NotQuerier => "not querier",
    }
}

/// A line for each port, in the order of the settings; below, the policies that are not at their default.
pub(crate) fn ports(reply: &PortsReply, color: bool) -> String {
    if reply.ports.is_empty() {
        return "there is no port\n".to_owned();
    }
    let mut table = Table::new([
        ("PORT", Left),
        ("ROLE", Left),
        ("LINK", Left),
        ("DEVICE", Left),
        ("DRIVER", Left),
        ("MAC", Left),
        ("ADDRESS", Left),
        ("QUERIER", Left),
        ("NEXT QUERY", Right),
        ("GROUPS", Right),
        ("RX FRAMES", Right),
        ("RX BYTES", Right),
        ("TX FRAMES", Right),
        ("TX BYTES", Right),
        ("DROPS", Right),
        ("LOST", Right),
    ]);
    for port in &reply.ports {
        table.push(port_cells(port));
    }
    table.render(color) + &outages(reply) + &policies(reply, color)
}

/// A line for each port that waits for its interface: what for.
fn outages(reply: &PortsReply) -> String {
    let mut lines = String::new();
    for port in reply.ports.iter().filter(|port| port.link == LinkState::Down) {
        let (name, device) = (&port.name, &port.device);
        let _ = match &port.outage {
            None => continue,
            Some(Outage::Gone) => {
                writeln!(lines, "port \"{name}\": there is no interface `{device}`; it waits for one")
            }
            Some(Outage::Refused(why)) => writeln!(lines, "{why}; the port waits for that"),
        };
    }
    if lines.is_empty() { lines } else { "\n".to_owned() + &lines }
}

fn policies(reply: &PortsReply, color: bool) -> String {
    let mut table = Table::new([("PORT", Left), ("POLICY", Left), ("VALUE", Left)]);
    let mut rows = 0;
    for port in &reply.ports {
        for (key, value) in &port.policies {
            table.push([port.name.as_str().into(), key.as_str().into(), value.as_str().into()]);
            rows += 1;
        }
    }
    if rows == 0 { String::new() } else { "\n".to_owned() + &table.render(color) }
}

fn port_cells(port: &PortView) -> [Cell; 16] {
    let link = match (port.link, &port.outage) {
        (LinkState::Up, _) => Cell::toned(port.link.name(), Tone::Good),
        (LinkState::Down, None) => Cell::toned(port.link.name(), Tone::Bad),
        (LinkState::Down, Some(Outage::Gone)) => Cell::toned("gone", Tone::Bad),
        (LinkState::Down, Some(Outage::Refused(_))) => Cell::toned("refused", Tone::Bad),
    };
    let next_query = port.querier.as_ref().and_then(|querier| querier.next_query_s).map(time);
    let groups = match port.max_groups {
        Some(most) => format!("{}/{}", count(port.groups), count(most)),
        None => count(port.groups),
    };
    let counted = |n: u64| Cell::toned(count(n), if n > 0 { Tone::Attention } else { Tone::Plain });
    [
        port.name.as_str().into(),
        port.role.name().into(),
        link,
        port.device.as_str().into(),
        port.driver.as_str().into(),
        port.mac.to_string().into(),
        Cell::optional(port.address.map(|address| address.to_string())),
        querier_cell(port),
        Cell::optional(next_query),
        groups.into(),
        count(port.rx_frames).into(),
        bytes(port.rx_bytes).into(),
        count(port.tx_frames).into(),
        bytes(port.tx_bytes).into(),
        counted(port.drops),
        counted(port.losses),
    ]
}

/// Who asks there: we, another router and when we take over from it, the provider's router and when it last did.
fn querier_cell(port: &PortView) -> Cell {
    match (&port.querier, &port.last_query) {
        (Some(querier), _) => {
            let address = querier.address.map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string());
            match (querier.role, querier.takeover_s) {
                (QuerierRole::Querier, _) => format!("self ({address})").into(),
                (QuerierRole::Silent, _) => "silent".into(),
                (QuerierRole::NonQuerier, Some(s)) => {
                    Cell::toned(format!("other ({address}, {} left)", time(s)), Tone::Attention)
                }
                (QuerierRole::NonQuerier, None) => Cell::toned(format!("other ({address})"), Tone::Attention),
            }
        }
        (None, Some(query)) => {
            format!("{} (v{}, {} ago)", query.source, query.version, time(query.age_s)).into()
        }
        (None, None) => "-".into(),
    }
}

/// A line for each counter that is not zero, or for each.
pub(crate) fn counters(reply: &CountersReply, all: bool, color: bool) -> String {
    let mut table = Table::new([("PORT", Left), ("KIND", Left), ("COUNTER", Left), ("VALUE", Right)]);
    let mut lines = 0;
    for port in &reply.ports {
        let kinds = [
            ("traffic", &port.frames, Tone::Plain),
            ("igmp received", &port.igmp_received, Tone::Plain),
            ("igmp sent", &port.igmp_sent, Tone::Plain),
            ("igmp verdict", &port.verdicts, Tone::Plain),
            ("drop", &port.drops, Tone::Attention),
            ("lost", &port.losses, Tone::Attention),
        ];
        for (kind, values, tone) in kinds {
            for (name, value) in shown(values, all) {
                let tone = if value > 0 { tone } else { Tone::Plain };
                let value = Cell::toned(count(value), tone);
                table.push([port.port.as_str().into(), kind.into(), name.into(), value]);
                lines += 1;
            }
        }
    }
    if lines == 0 {
        return "every counter is zero\n".to_owned();
    }
    table.render(color)
}

fn shown(values: &BTreeMap<String, u64>, all: bool) -> impl Iterator<Item = (&str, u64)> {
    values.iter().map(|(name, value)| (name.as_str(), *value)).filter(move |(_, value)| all || *value > 0)
}

/// A line for each thing.
pub(crate) fn status(reply: &StatusReply, color: bool) -> String {
    let mut table = Table::new([("MANIFOLD", Left), ("", Left)]);
    let switch = if reply.enabled { ("on", Tone::Good) } else { ("off", Tone::Attention) };
    let upstream = match &reply.upstream {
        Some(name) => Cell::toned(name, Tone::Plain),
        None => Cell::toned("none: nothing is forwarded", Tone::Attention),
    };
    let memory = if reply.hugepages { "hugepages" } else { "ordinary pages" };
    let rows: [(&str, Cell); 10] = [
        ("version", reply.version.as_str().into()),
        ("instance", reply.instance.as_str().into()),
        ("process", format!("{}, up {}", reply.pid, time(reply.uptime_s)).into()),
        ("proxy", Cell::toned(switch.0, switch.1)),
        ("provider port", upstream),
        ("ports", count(reply.ports).into()),
        ("groups", format!("{} of at most {}", count(reply.groups), count(reply.max_groups)).into()),
        ("workers", count(reply.workers).into()),
        ("memory", memory.into()),
        ("buffers in use", format!("{} of {}", count(reply.mbufs.in_use), count(reply.mbufs.size)).into()),
    ];
    for (name, value) in rows {
        table.push([name.into(), value]);
    }
    if let Some(record) = &reply.record {
        let (text, tone) = match &record.ended {
            None => (record.path.clone(), Tone::Plain),
            Some(why) => (format!("{} HAS STOPPED: {why}", record.path), Tone::Bad),
        };
        table.push(["record".into(), Cell::toned(text, tone)]);
    }
    for warning in &reply.warnings {
        table.push([Cell::toned("warning", Tone::Attention), warning.as_str().into()]);
    }
    table.render(color)
}

fn plural(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {what}{s}", count(n as u64))
}
