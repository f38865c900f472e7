//! Asks the proxy twice a second while anybody looks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use api::{EventsReply, MAX_EVENTS};

use crate::app::App;
use crate::proxy::unix_ms;
use crate::rest::{status_of, unit_now};

/// From one turn to the next.
const PACE: Duration = Duration::from_millis(500);

/// Replies with events that one turn takes: a flood is told over several.
const MOST_REPLIES: usize = 8;

/// Turns for as long as there are streams; sleeps without.
pub(crate) async fn run(app: Arc<App>) {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        if app.live.open.load(Ordering::Acquire) == 0 {
            app.live.looked.notified().await;
        }
        pace.tick().await;
        turn(&app).await;
    }
}

/// Makes what is heard fresh before a stream begins with it.
pub(crate) async fn refresh(app: &Arc<App>) {
    let fresh = app.live.heard().at.is_some_and(|at| at.elapsed() < 2 * PACE);
    if !fresh {
        // A task of its own: others wait for what it hears, whatever becomes of this client.
        let app = Arc::clone(app);
        let _ = tokio::spawn(async move { turn(&app).await }).await;
    }
}

/// What happened since the last turn.
async fn events(app: &App) -> Vec<EventsReply> {
    let mut replies = Vec::new();
    let mut next = app.live.heard().events.next();
    for _ in 0..MOST_REPLIES {
        let Ok(reply) = app.proxy.events(next, MAX_EVENTS).await else { break };
        let more = reply.events.len() == MAX_EVENTS as usize;
        next = reply.next;
        replies.push(reply);
        if !more {
            break;
        }
    }
    replies
}

/// Asks once, and tells all who look what differs.
async fn turn(app: &App) {
    let live = &app.live;
    let _turn = live.turn.lock().await;
    // A proxy that hangs is asked one thing, not three.
    let status = app.proxy.status().await;
    let rest = match &status {
        Ok(_) => Some(tokio::join!(app.proxy.ports(), app.proxy.groups(), events(app))),
        Err(_) => None,
    };
    // Before the lock: systemd may have to be asked.
    let unit = unit_now(app).await;
    let (now, at) = (Instant::now(), unix_ms());
    // Under one lock to the end: whoever begins to listen is told of a change by what is heard, or by a message, not by both.
    let mut heard = live.heard();
    if let Ok(status) = &status {
        heard.status = Some(status.as_ref().clone());
    }
    let mut messages = Vec::new();
    let mut traffic = None;
    if let Some((ports, groups, events)) = rest {
        if let Ok(ports) = ports {
            heard.ports.hear(&ports, now, at);
            traffic = heard.ports.traffic();
            messages.extend(heard.ports.message().map(|message| live.message("ports", &message)));
        }
        for reply in events {
            messages.extend(heard.events.hear(reply).map(|message| live.message("events", &message)));
        }
        if let Ok(groups) = groups {
            let message = heard.groups.hear(&groups, now, at);
            if message.says_something() {
                messages.push(live.message("groups", &message));
            }
        }
    }
    let told = live.message("status", &status_of(app, unit, heard.status.clone(), traffic));
    heard.at = Some(now);
    heard.told = told.clone();
    heard.first = None;
    live.send(std::iter::once(told).chain(messages));
}
