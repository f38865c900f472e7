//! `show settings`, `show connections`, `show latency`: what a page has, for a terminal.

use std::fmt::Write;

use api::{ConnectionsReply, KeyView, LatencyReply, Origin, SettingsReply};

use crate::table::Align::{Left, Right};
use crate::table::{Cell, Table, Tone, printable};
use crate::units::count;

/// A line for each key that somebody set, or for each; and what they are called together.
pub(crate) fn settings(reply: &SettingsReply, all: bool, color: bool) -> String {
    let mut table =
        Table::new([("TABLE", Left), ("KEY", Left), ("VALUE", Left), ("FROM", Left), ("LIVE", Left)]);
    let mut add = |name: &str, keys: &[KeyView]| {
        for key in keys.iter().filter(|key| all || key.origin != Origin::Default) {
            let from = match (&key.place, &key.default_words) {
                (Some(place), _) => place.clone(),
                (None, Some(words)) => format!("default: {words}"),
                (None, None) => "default".to_owned(),
            };
            let from = if key.origin == Origin::Defaults { format!("[defaults] {from}") } else { from };
            let live = if key.live { Cell::toned("yes", Tone::Good) } else { "no".into() };
            let value = Cell::optional(key.value.as_ref());
            table.push([name.into(), key.key.as_str().into(), value, from.into(), live]);
        }
    };
    add("[proxy]", &reply.proxy);
    if all {
        add("[defaults]", &reply.defaults);
    }
    for port in &reply.ports {
        add(&port.name, &port.keys);
    }
    let mut out = table.render(color);
    let hint = if reply.changeable { "" } else { "; nothing can be changed over the socket" };
    let _ = writeln!(out, "revision {}{hint}", reply.revision);
    out
}

/// A line for each connection; below, why some cannot be ports, and the cures.
pub(crate) fn connections(reply: &ConnectionsReply, color: bool) -> String {
    let mut table = Table::new([
        ("DEVICE", Left),
        ("KIND", Left),
        ("CARRIER", Left),
        ("MAC", Left),
        ("PORT", Left),
        ("ROLE", Left),
        ("USABLE", Left),
    ]);
    for connection in &reply.connections {
        let carrier = match connection.carrier {
            Some(true) => Cell::toned("yes", Tone::Good),
            Some(false) => Cell::toned("no", Tone::Attention),
            None => "-".into(),
        };
        let usable = match connection.usable {
            true => Cell::toned("yes", Tone::Good),
            false => Cell::toned("no", Tone::Attention),
        };
        table.push([
            connection.device.as_str().into(),
            connection.kind_text.as_str().into(),
            carrier,
            Cell::optional(connection.mac.map(|mac| mac.to_string())),
            Cell::optional(connection.port.as_ref()),
            Cell::optional(connection.role.map(|role| role.name())),
            usable,
        ]);
    }
    let mut out = table.render(color);
    for connection in &reply.connections {
        for obstacle in &connection.obstacles {
            let line = format!("{} {}; {}", connection.device, obstacle.reason, obstacle.cure);
            out += &(printable(&line) + "\n");
        }
    }
    out
}

/// A line for each bucket that is not empty, and the mean.
pub(crate) fn latency(reply: &LatencyReply, color: bool) -> String {
    let joins = &reply.joins;
    if joins.count == 0 {
        return "nobody joined yet\n".to_owned();
    }
    let mut table = Table::new([("JOINS WITHIN", Right), ("NUMBER", Right), ("SHARE", Right)]);
    let share = |n: u64| format!("{:.2} %", n as f64 * 100.0 / joins.count as f64);
    let mut below = 0;
    for bucket in &joins.buckets {
        if bucket.count > below {
            let bound = format!("{} us", count((bucket.le_s * 1e6).round() as u64));
            table.push([bound.into(), count(bucket.count).into(), share(bucket.count).into()]);
        }
        below = bucket.count;
    }
    table.push(["any time".into(), count(joins.count).into(), share(joins.count).into()]);
    let mean = joins.sum_s * 1e6 / joins.count as f64;
    table.render(color) + &format!("{mean:.0} us in the mean, from a report's arrival to the table\n")
}
