//! `manifold-backend`: the page, the API and the metrics, beside the proxy.
//!
//! It asks the proxy over its socket as `manifoldctl` does, links no DPDK, needs no privilege, and writes no file that
//! the proxy reads: it may be killed, restarted and upgraded at any time. Who may do what is [`access`]'; what stands before
//! every handler is in `gate`; connections and their limits are [`serve`]'s.
//!
//! # REST
//! Everything is below `/api/v1/`; `/api/v1/openapi.json` describes it, from the code ([`rest::openapi`]).
//!
//! | request | who | what |
//! |---|---|---|
//! | `POST session` `{"user","password"}` | anybody | logs in: a cookie, and `{"user","role","csrf"}` |
//! | `GET session` | viewer | who one is, and the CSRF token again |
//! | `DELETE session` | viewer | logs out |
//! | `GET status` | viewer | both services; answers while the proxy does not |
//! | `GET groups`, `ports`, `counters`, `workers`, `latency`, `settings` | viewer | the proxy's replies as [`api`] has them |
//! | `GET explain/{group}?port=` | viewer | why a channel is dark; takes up to two seconds |
//! | `GET events?after=&limit=` | viewer | what happened |
//! | `GET connections` | viewer | what could be a port, what not and why; `carries_page`: this page comes by it |
//! | `GET stream` | viewer | server-sent events, below |
//! | `POST preview` `{"edits":[{"port","key","value"}]}` | admin | what a change would do, and its problems by port and key: it is part of changing |
//! | `POST changes` `{"edits","revision"}` | admin | changes settings, all or none; values are TOML; 409 when others are in force |
//! | `POST reload` | admin | reads the settings' files again |
//!
//! To viewers, in streams and in metrics, a virtual device is its name: its arguments, paths among them, are told to admins.
//!
//! Requests but GET carry the session's token in `X-CSRF-Token`. Errors are problems
//! (`{"type","title","status","detail","cure","problems"}`, [`problem::Problem`]); the last word of `type` is stable.
//!
//! # Events
//! `GET /api/v1/stream` begins with the whole and goes on twice a second, for as long as the session lives:
//!
//! | event | data |
//! |---|---|
//! | `status` | as `GET status`, with `proxy.traffic`: the lights. `proxy.up` false: what the others told last is stale |
//! | `ports` | every port with its rates ([`live::PortsMessage`]) |
//! | `groups` | `full`: every group; else those that are new or differ, those `removed`, and the `figures` that moved ([`live::GroupsMessage`]) |
//! | `events` | the latest 200, then what happens ([`live::EventsMessage`]) |
//!
//! Without streams the proxy is not asked.

pub mod access;
mod app;
mod gate;
pub mod live;
mod metrics;
mod page;
pub mod problem;
pub mod proxy;
pub mod rest;
pub mod serve;
pub mod settings;
pub mod terminal;

pub use app::App;
