//! The backend over HTTP, with a proxy that is a script.

mod documented;
mod forwarded;
mod hostile;
mod live;
mod login;
mod metrics;
mod proxy;
mod replies;
mod support;
mod tls;
