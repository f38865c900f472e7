//! Who gets in, as what, and who does not.

use backend::access::Role;

use crate::replies;
use crate::support::{Backend, Caller, FakeProxy, PASSWORD};

fn both() -> (Backend, FakeProxy) {
    let backend = Backend::start(|_| {});
    let proxy = FakeProxy::start(&backend.socket(), |request| Some(replies::all(request, 1)));
    (backend, proxy)
}

#[test]
fn until_there_is_a_user_nobody_gets_in_and_everybody_is_told_how() {
    let backend = Backend::without_users(|_| {});
    for answer in [backend.get("/api/v1/groups", &Caller::default()), backend.try_log_in("ann", PASSWORD)] {
        assert_eq!((answer.status, answer.problem().as_str()), (401, "no-users"));
        assert!(answer.body.contains("manifold-backend user set NAME --role admin"), "{answer:?}");
    }
    backend.store.update(|file| file.set_user("ann", Role::Admin, PASSWORD)).unwrap();
    assert_eq!(backend.try_log_in("ann", PASSWORD).status, 200, "seen at once");
}

#[test]
fn a_session_begins_with_the_password_and_ends_with_delete() {
    let (backend, _proxy) = both();
    let answer = backend.try_log_in("ann", PASSWORD);
    let cookie = &answer.headers["set-cookie"];
    assert!(
        cookie.starts_with("manifold-session=") && cookie.contains("; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    assert_eq!((&answer.json()["user"], &answer.json()["role"]), (&"ann".into(), &"admin".into()));

    let ann = backend.log_in("ann");
    let who = backend.get("/api/v1/session", &ann).json();
    assert_eq!((&who["user"], who["csrf"].as_str()), (&"ann".into(), Some(ann.headers[1].1.as_str())));
    assert_eq!(backend.get("/api/v1/groups", &ann).status, 200);
    let headers: Vec<_> = ann.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(backend.send("DELETE", "/api/v1/session", &headers, "").status, 204);
    assert_eq!(backend.get("/api/v1/groups", &ann).problem(), "unauthenticated");
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_alike() {
    let (backend, _proxy) = both();
    let answers = [backend.try_log_in("ann", "wrong horse"), backend.try_log_in("nobody", PASSWORD)];
    for answer in &answers {
        assert_eq!((answer.status, answer.problem().as_str()), (401, "wrong-password"));
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    assert_eq!(answers[0].body, answers[1].body);
}

#[test]
fn wrong_passwords_are_limited_and_right_ones_are_not() {
    let (backend, _proxy) = both();
    for _ in 0..12 {
        assert_eq!(backend.try_log_in("ann", PASSWORD).status, 200);
    }
    for n in 0..10 {
        assert_eq!(backend.try_log_in(&format!("u{n}"), "wrong horse").problem(), "wrong-password", "{n}");
    }
    let answer = backend.try_log_in("vic", PASSWORD);
    assert_eq!((answer.status, answer.problem().as_str()), (429, "too-many-attempts"));
    let wait: u64 = answer.headers["retry-after"].parse().unwrap();
    assert!((1..=31).contains(&wait), "{wait}");
}

#[test]
fn a_viewer_looks_and_an_admin_changes() {
    let (backend, _proxy) = both();
    let edits = r#"{"edits":[{"port":"hall-a","key":"fast-leave","value":"\"tracked\""}]}"#;
    for viewer in [backend.log_in("vic"), backend.token(Role::Viewer)] {
        assert_eq!(backend.get("/api/v1/groups", &viewer).status, 200);
        for (path, body) in [("changes", edits), ("preview", edits), ("reload", "")] {
            let answer = backend.post(&format!("/api/v1/{path}"), &viewer, body);
            assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"), "{path}");
        }
    }
    for admin in [backend.log_in("ann"), backend.token(Role::Admin)] {
        for (path, body) in [("changes", edits), ("preview", edits), ("reload", "")] {
            assert_eq!(backend.post(&format!("/api/v1/{path}"), &admin, body).status, 200, "{path}");
        }
    }
}

#[test]
fn another_password_a_removed_user_and_a_revoked_token_end_at_once() {
    let (backend, _proxy) = both();
    let (ann, vic, token) = (backend.log_in("ann"), backend.log_in("vic"), backend.token(Role::Viewer));
    backend.store.update(|file| file.set_user("ann", Role::Admin, "another horse")).unwrap();
    assert_eq!(backend.get("/api/v1/session", &ann).status, 401);
    assert_eq!(backend.get("/api/v1/session", &vic).status, 200);
    backend
        .store
        .update(|file| {
            file.users.retain(|user| user.name != "vic");
            file.tokens.clear();
            Ok(())
        })
        .unwrap();
    assert_eq!(backend.get("/api/v1/session", &vic).status, 401);
    assert_eq!(backend.get("/api/v1/session", &token).status, 401);
}

#[test]
fn another_sites_page_changes_nothing() {
    let (backend, _proxy) = both();
    let ann = backend.log_in("ann");
    let edits = r#"{"edits":[{"key":"enabled","value":"false"}]}"#;
    let with = |more: &[(&'static str, &str)], less: &str| {
        let mut caller = ann.clone();
        caller.headers.retain(|(name, _)| *name != less);
        caller.headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        backend.post("/api/v1/changes", &caller, edits)
    };
    let own = format!("http://{}", backend.address);
    assert_eq!(with(&[("Origin", &own), ("Sec-Fetch-Site", "same-origin")], "").status, 200);
    for answer in [
        with(&[], "X-CSRF-Token"),
        with(&[("X-CSRF-Token", "0")], "X-CSRF-Token"),
        with(&[("Origin", "http://evil.example")], ""),
        with(&[("Origin", "null")], ""),
        with(&[("Sec-Fetch-Site", "cross-site")], ""),
        with(&[("Sec-Fetch-Site", "same-site")], ""),
    ] {
        assert_eq!((answer.status, answer.problem().as_str()), (403, "cross-site"));
    }
    let body = format!(r#"{{"user":"ann","password":"{PASSWORD}"}}"#);
    let answer = backend.send("POST", "/api/v1/session", &[("Origin", "http://evil.example")], &body);
    assert_eq!(answer.problem(), "cross-site", "nobody is logged in by another page");
}

#[test]
fn a_strangers_name_for_this_address_is_refused() {
    let backend = Backend::start(|settings| settings.hosts = vec!["iptv.example".to_owned()]);
    let with = |host: &str| backend.send("GET", "/", &[("Host", host)], "");
    for host in ["evil.example", "evil.example:8480", "10.0.0.1", ""] {
        assert_eq!((with(host).status, with(host).problem().as_str()), (421, "wrong-host"), "{host}");
    }
    for host in ["localhost", "127.0.0.1", "IPTV.example:443"] {
        assert_eq!(with(host).status, 200, "{host}");
    }
    let twice = backend.send("GET", "/", &[("Host", "127.0.0.1"), ("Host", "evil.example")], "");
    assert!(twice.status >= 400, "{twice:?}");
}

#[test]
fn what_browsers_take_only_from_where_they_trust_is_sent_there_alone() {
    let backend = Backend::start(|settings| settings.hosts = vec!["iptv.example".to_owned()]);
    let of = |host: &str| backend.send("GET", "/", &[("Host", host)], "").headers;
    for host in ["localhost:8480", "127.0.0.1"] {
        assert_eq!(of(host)["cross-origin-opener-policy"], "same-origin", "{host}");
    }
    let plain = of("iptv.example");
    assert!(!plain.contains_key("cross-origin-opener-policy"), "{plain:?}");
    assert_eq!(plain["cross-origin-resource-policy"], "same-origin");
}

#[test]
fn viewers_see_what_virtual_devices_are_and_admins_what_is_in_them() {
    let backend = Backend::start(|_| {});
    let _proxy = FakeProxy::start(&backend.socket(), |request| {
        let text = serde_json::to_string(&replies::all(request, 1)).unwrap();
        let device = "net_pcap0,rx_pcap=/secret/in.pcap";
        let text = text.replace("\"device\":\"eth1\"", &format!("\"device\":\"{device}\""));
        let text = text.replace(r#""value":"\"off\"""#, &format!(r#""value":"\"{device}\"""#));
        let text = text.replace(
            r#""text":"on","cure":null"#,
            &format!(r#""text":"on","cure":"look at wan ({device})""#),
        );
        let text = text.replace(r#""values":{}"#, &format!(r#""values":{{"device":"{device}"}}"#));
        Some(serde_json::from_str(&text).unwrap())
    });
    let (viewer, admin) = (backend.token(Role::Viewer), backend.token(Role::Admin));
    for path in ["ports", "settings", "connections", "explain/239.1.1.1"] {
        let path = format!("/api/v1/{path}");
        let (seen, whole) = (backend.get(&path, &viewer).body, backend.get(&path, &admin).body);
        assert!(seen.contains("\"device\":\"net_pcap0\"") && !seen.contains("secret"), "{path}: {seen}");
        assert!(whole.contains("net_pcap0,rx_pcap=/secret/in.pcap\""), "{path}: {whole}");
        let words = |body: &str, device| body.contains(&format!("look at wan ({device})"));
        if path.contains("explain") {
            assert!(
                words(&seen, "net_pcap0") && words(&whole, "net_pcap0,rx_pcap=/secret/in.pcap"),
                "{seen}"
            );
        }
    }
    // These are everybody's.
    let metrics = backend.get("/metrics", &admin).body;
    assert!(metrics.contains("device=\"net_pcap0\"") && !metrics.contains("secret"), "{metrics}");
    let ports = backend.stream(&admin).wait("ports", |_| true);
    assert_eq!(ports["ports"][0]["device"], "net_pcap0");
}

#[test]
fn every_answer_has_the_strict_headers() {
    let (backend, _proxy) = both();
    let vic = backend.log_in("vic");
    let nobody = Caller::default();
    for answer in [
        backend.get("/", &nobody),
        backend.get("/style.css", &nobody),
        backend.get("/nothing", &nobody),
        backend.get("/api/v1/groups", &vic),
        backend.get("/api/v1/groups", &nobody),
        backend.get("/api/v2/x", &nobody),
        backend.send("GET", "/", &[("Host", "evil.example")], ""),
    ] {
        let policy = &answer.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        assert!(
            !answer.headers.contains_key("server")
                && !answer.headers.contains_key("access-control-allow-origin")
        );
    }
    assert_eq!(backend.get("/api/v1/groups", &vic).headers["cache-control"], "no-store");
}
