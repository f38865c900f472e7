//! A proxy in front: whose request it is, and who may say so.

use backend::settings::Settings;

use crate::replies;
use crate::support::{Answer, Backend, Caller, FakeProxy, PASSWORD};

fn behind_a_proxy(settings: &mut Settings) {
    settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
}

fn try_from(backend: &Backend, forwarded: &str, user: &str, password: &str) -> Answer {
    let body = serde_json::json!({"user": user, "password": password}).to_string();
    backend.send("POST", "/api/v1/session", &[("X-Forwarded-For", forwarded)], &body)
}

#[test]
fn wrong_passwords_count_for_the_client_that_the_proxy_tells() {
    let backend = Backend::start(behind_a_proxy);
    // Whatever the client itself writes into the header stands left of what the proxy adds.
    for n in 0..10 {
        let forwarded = format!("203.0.113.{n}, 192.0.2.7");
        let answer = try_from(&backend, &forwarded, &format!("u{n}"), "wrong horse");
        assert_eq!(answer.problem(), "wrong-password", "{n}");
    }
    let answer = try_from(&backend, "198.51.100.1, 192.0.2.7", "ann", PASSWORD);
    assert_eq!(answer.problem(), "too-many-attempts");
    assert_eq!(try_from(&backend, "192.0.2.8", "ann", PASSWORD).status, 200, "another client");
    assert_eq!(try_from(&backend, "192.0.2.7, 192.0.2.8", "ann", PASSWORD).status, 200);
}

#[test]
fn a_stranger_is_not_believed() {
    let backend = Backend::start(|settings| settings.trusted_proxies = vec!["192.0.2.1".parse().unwrap()]);
    for n in 0..10 {
        let answer = try_from(&backend, &format!("192.0.2.{n}"), &format!("u{n}"), "wrong horse");
        assert_eq!(answer.problem(), "wrong-password", "{n}");
    }
    assert_eq!(try_from(&backend, "192.0.2.99", "ann", PASSWORD).problem(), "too-many-attempts");
}

#[test]
fn cookies_are_secure_where_the_proxy_has_tls() {
    let backend = Backend::start(behind_a_proxy);
    let body = format!(r#"{{"user":"ann","password":"{PASSWORD}"}}"#);
    let log_in =
        |proto: &str| backend.send("POST", "/api/v1/session", &[("X-Forwarded-Proto", proto)], &body);
    let answer = log_in("https");
    let cookie = &answer.headers["set-cookie"];
    assert!(cookie.starts_with("__Host-manifold-session=") && cookie.contains("; Secure"), "{cookie}");
    assert!(answer.headers.contains_key("strict-transport-security"));
    let plain = log_in("https, http");
    assert!(plain.headers["set-cookie"].starts_with("manifold-session="));
    assert!(!plain.headers.contains_key("strict-transport-security"));
}

#[test]
fn whoever_comes_through_the_proxy_is_not_this_machine() {
    let backend = Backend::start(|settings| {
        behind_a_proxy(settings);
        settings.metrics.open_on_loopback = true;
    });
    let _proxy = FakeProxy::start(&backend.socket(), |request| Some(replies::all(request, 1)));
    assert_eq!(backend.get("/metrics", &Caller::default()).status, 200);
    let through = |forwarded| backend.send("GET", "/metrics", &[("X-Forwarded-For", forwarded)], "").status;
    assert_eq!((through("192.0.2.7"), through("127.0.0.1, 192.0.2.7"), through("::1")), (401, 401, 200));
}

#[test]
fn the_proxys_connections_have_no_limit_of_their_own() {
    let few = |settings: &mut Settings| settings.limits.connections_per_address = 1;
    let backend = Backend::start(|settings| {
        behind_a_proxy(settings);
        few(settings);
    });
    let _held: Vec<_> = (0..8).map(|_| backend.connect()).collect();
    assert_eq!(backend.get("/", &Caller::default()).status, 200);
}
