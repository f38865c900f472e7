//! Why a group is dark, for people.

use std::fmt::Write;

use api::{Check, ExplainReply};

use crate::table::{Align::Left, Cell, Table, Tone, printable, toned};

/// The verdict first, then what was looked at.
pub(crate) fn explain(reply: &ExplainReply, color: bool) -> String {
    let tone = match reply.dark {
        Some(false) => Tone::Good,
        Some(true) => Tone::Bad,
        None => Tone::Attention,
    };
    let mut out = format!("{}: {}\n", reply.group, toned(&printable(&reply.verdict), tone, color));
    if let Some(cure) = &reply.cure {
        let _ = writeln!(out, "cure: {}", printable(cure));
    }
    out.push('\n');
    let mut table = Table::new([("", Left), ("CHECK", Left), ("PORT", Left), ("FOUND", Left)]);
    for check in &reply.checks {
        table.push([
            sign(check),
            check.topic.name().into(),
            Cell::optional(check.port.as_deref()),
            check.text.as_str().into(),
        ]);
        if let Some(cure) = check.cure.as_ref().filter(|cure| Some(*cure) != reply.cure.as_ref()) {
            table.push(["".into(), "".into(), "".into(), format!("cure: {cure}").into()]);
        }
    }
    out + &table.render(color)
}

fn sign(check: &Check) -> Cell {
    match check.ok {
        Some(true) => Cell::toned("ok", Tone::Good),
        Some(false) => Cell::toned("no", Tone::Bad),
        None => "-".into(),
    }
}
