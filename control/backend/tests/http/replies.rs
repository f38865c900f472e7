//! What the proxy that is a script says.

use api::{ErrorKind, ErrorReply, Reply, Request};
use serde_json::{Value, json};

fn reply(value: Value) -> Reply {
    serde_json::from_value(value).expect("a reply")
}

/// A group with a member, whose frames move with `tick`.
pub(crate) fn group(address: &str, tick: u64) -> Value {
    json!({
        "group": address, "frames": tick * 10, "bytes": tick * 13_000, "filtered": 0,
        "members": [{"port": "hall-a", "version": 2, "last_reporter": "10.1.0.5", "age_s": 1.0, "expires_s": 259.0,
                     "state": "members-present", "held_back": null}],
        "upstream": {"joined": true, "last_report_s": 1.0},
    })
}

fn port(name: &str, role: &str, tick: u64) -> Value {
    let querier = json!({"role": "querier", "address": "10.1.0.1", "next_query_s": 3.5, "takeover_s": null});
    json!({
        "name": name, "device": "eth1", "driver": "net_af_packet", "role": role, "link": "up", "outage": null,
        "mac": "02:00:00:00:00:01", "address": "10.1.0.1/24",
        "querier": if role == "client" { querier } else { Value::Null },
        "last_query": if role == "client" { Value::Null } else { json!({"source": "10.0.0.2", "version": 2, "age_s": 3.0}) },
        "policies": {"fast-leave": "\"tracked\""}, "groups": 1, "max_groups": 100,
        "rx_frames": tick * 10, "rx_bytes": tick * 13_000, "tx_frames": tick * 10, "tx_bytes": tick * 13_000, "drops": tick, "losses": tick,
    })
}

/// An answer to everything: one group, two ports. Changes pass but for the key `refused`.
pub(crate) fn all(request: &Request, tick: u64) -> Reply {
    match request {
        Request::ShowGroups => reply(json!({"groups": {"groups": [group("239.1.1.1", tick)]}})),
        Request::ShowPorts => {
            let ports = [port("wan", "upstream", tick), port("hall-a", "client", tick)];
            reply(json!({"ports": {"ports": ports}}))
        }
        Request::ShowCounters => reply(json!({"counters": {"ports": [{
            "port": "wan", "frames": {"rx-frames": tick}, "drops": {"ttl": 3, "no-member": 0}, "losses": {"rx-missed": 5},
            "igmp_received": {"general-query": 2}, "igmp_sent": {"report-v2": 1}, "verdicts": {"taken": 2},
        }]}})),
        Request::ShowWorkers => {
            let span = json!({"span_s": 10.0, "busy_s": 0.5, "passes": 100, "busy_passes": 5, "frames": 50,
                              "cycles_per_frame": 130.5, "longest_pass_us": 12.0, "long_passes": 0});
            reply(
                json!({"workers": {"workers": [{"worker": 0, "core": 1, "node": null, "rx_queues": 2, "total": span,
                         "recent": span, "bursts": [{"from": 1, "to": 4, "bursts": 7}]}]}}),
            )
        }
        Request::ShowStatus => reply(json!({"status": {
            "version": "0.1.0", "instance": "main", "pid": 7, "uptime_s": 12.5, "enabled": true, "upstream": "wan",
            "ports": 2, "groups": 1, "max_groups": 1000, "no_room": 0, "workers": 1, "hugepages": false,
            "mbufs": {"size": 8191, "in_use": 70}, "record": null, "warnings": [], "revision": 5,
        }})),
        Request::ShowSettings => reply(json!({"settings": {
            "revision": 5, "changeable": true, "defaults": [],
            "proxy": [{"key": "enabled", "value": "true", "default": "true", "default_words": null, "origin": "default",
                       "place": null, "live": true, "kind": {"type": "bool"}}],
            "ports": [{"name": "hall-a", "device": "eth1", "added": false, "keys": [
                {"key": "fast-leave", "value": "\"off\"", "default": "\"off\"", "default_words": null, "origin": "file",
                 "place": "manifold.toml:7", "live": true, "kind": {"type": "choice", "values": ["\"off\"", "\"tracked\""]}},
                {"key": "static-groups", "value": "[]", "default": "[]", "default_words": null, "origin": "live",
                 "place": null, "live": true, "kind": {"type": "list", "of": "groups", "most": 4096}}]}],
        }})),
        Request::ShowConnections => reply(json!({"connections": {"connections": [
            {"device": "lo-like", "source": "kernel", "kind": "ethernet", "kind_text": "Ethernet", "mac": "02:00:00:00:00:09",
             "carrier": true, "addresses": ["127.0.0.1/8"], "default_route": false, "port": null, "role": null,
             "usable": false, "obstacles": [
                 {"what": "addresses", "about": ["10.9.0.1/24"], "reason": "carries addresses", "cure": "ip addr flush"}]},
            {"device": "eth1", "source": "kernel", "kind": "veth", "kind_text": "veth", "mac": null, "carrier": null,
             "addresses": [], "default_route": false, "port": "hall-a", "role": "client", "usable": true, "obstacles": []},
        ]}})),
        Request::ShowLatency => reply(json!({"latency": {"joins": {
            "buckets": [{"le_s": 0.0001, "count": 2}, {"le_s": 0.001, "count": 3}], "count": 4, "sum_s": 0.5,
        }}})),
        Request::ShowEvents { after, .. } => {
            let event = json!({"id": 9, "at_unix_ms": 1_700_000_000_000_u64, "kind": "joined", "port": "hall-a",
                               "group": "239.1.1.1", "text": "hall-a joined 239.1.1.1"});
            let events = if *after < 9 { vec![event] } else { vec![] };
            reply(json!({"events": {"events": events, "next": 9, "lost": 0}}))
        }
        Request::Explain { group, .. } => reply(json!({"explain": {
            "group": group.to_string(), "port": null, "dark": false, "verdict": "goes to hall-a", "cure": null,
            "lit": ["hall-a"], "fault": null, "watching": false,
            "checks": [{"topic": "proxy", "port": null, "ok": true, "finding": "switched-on", "values": {}, "text": "on",
                        "cure": null}],
        }})),
        Request::Preview { .. } => reply(json!({"preview": {
            "revision": 5, "needs_restart": [], "problems": [], "warnings": [],
            "changes": [{"port": "hall-a", "key": "fast-leave", "from": "\"off\"", "to": "\"tracked\""}],
        }})),
        Request::Change { revision: Some(revision), .. } if *revision != 5 => {
            Reply::Error(ErrorReply::new(ErrorKind::Conflict, "others are in force", "look at them anew"))
        }
        Request::Change { edits, .. } if edits.iter().any(|edit| edit.key == "refused") => {
            reply(json!({"error": {
                "kind": "invalid", "message": "the change does not pass", "cure": "mend it",
                "problems": [{"place": null, "port": "hall-a", "key": "refused", "message": "is no key", "cure": "leave it out"}],
            }}))
        }
        Request::Change { .. }
        | Request::Reload
        | Request::Enable
        | Request::Disable
        | Request::SetUpstream { .. } => reply(json!({"changed": {
            "revision": 6, "applied": ["done"], "restart": [], "switch_ms": null, "removal_us": null, "warnings": [],
        }})),
    }
}
