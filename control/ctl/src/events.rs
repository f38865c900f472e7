//! `events`: what happened, a line each, and what happens.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use api::{Client, ClientError, EventKind, EventView, EventsReply, MAX_EVENTS};

use crate::table::{Tone, printable, toned};
use crate::units::utc;

/// How often [`follow`] looks.
const PAUSE: Duration = Duration::from_millis(500);

/// All that is kept after `after`.
pub(crate) fn all(client: &mut Client, after: u64) -> Result<EventsReply, ClientError> {
    let mut all = client.events(after, MAX_EVENTS)?;
    loop {
        // A full answer is not the last one.
        let more = client.events(all.next, MAX_EVENTS)?;
        if more.events.is_empty() {
            return Ok(all);
        }
        all.lost += more.lost;
        all.next = more.next;
        all.events.extend(more.events);
    }
}

/// Lines of text.
pub(crate) fn lines(reply: &EventsReply, color: bool) -> String {
    let lost = (reply.lost > 0).then(|| format!("{} earlier events are not kept any more\n", reply.lost));
    let lost = lost.map(|text| toned(text.trim_end(), Tone::Attention, color) + "\n");
    let width = reply.events.iter().filter_map(|event| Some(event.port.as_ref()?.chars().count())).max();
    let events = reply.events.iter().map(|event| line(event, width.unwrap_or(1), color));
    lost.into_iter().chain(events).collect()
}

fn line(event: &EventView, width: usize, color: bool) -> String {
    let tone = match event.kind {
        EventKind::Joined | EventKind::UpstreamJoined => Tone::Good,
        EventKind::Refused | EventKind::Withheld | EventKind::Querier | EventKind::Link | EventKind::Loss => {
            Tone::Attention
        }
        EventKind::Left | EventKind::UpstreamLeft | EventKind::Change => Tone::Plain,
    };
    let kind = toned(&format!("{:<15}", event.kind.name()), tone, color);
    let port = printable(event.port.as_deref().unwrap_or("-"));
    format!("{}  {kind}  {port:<width$}  {}\n", utc(event.at_unix_ms), printable(&event.text))
}

/// Tells what is kept after `after`, and then what happens, until nobody reads it any more or nobody answers.
pub(crate) fn follow(
    client: &mut Client,
    mut after: u64,
    as_json: bool,
    color: bool,
) -> Result<(), ClientError> {
    loop {
        let reply = client.events(after, MAX_EVENTS)?;
        let text = match as_json {
            true => reply.events.iter().map(json).collect::<Result<String, _>>()?,
            false => lines(&reply, color),
        };
        let mut out = io::stdout();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            return if error.kind() == io::ErrorKind::BrokenPipe {
                Ok(())
            } else {
                Err(ClientError::Io(error))
            };
        }
        after = reply.next;
        if reply.events.len() < MAX_EVENTS as usize {
            thread::sleep(PAUSE);
        }
    }
}

fn json(event: &EventView) -> Result<String, ClientError> {
    let line = serde_json::to_string(event).map_err(|error| ClientError::BadReply(error.to_string()))?;
    Ok(line + "\n")
}
