//! `/metrics`: who gets it, and that Prometheus takes it.

use backend::access::Role;
use serde_json::json;

use crate::replies;
use crate::support::{Backend, Caller, FakeProxy};

#[test]
fn metrics_take_a_session_a_token_or_a_setting() {
    let backend = Backend::start(|_| {});
    assert_eq!(backend.get("/metrics", &Caller::default()).status, 401);
    assert_eq!(backend.get("/metrics", &backend.token(Role::Viewer)).status, 200);
    assert_eq!(backend.get("/metrics", &backend.log_in("vic")).status, 200);
    let open = Backend::start(|settings| settings.metrics.open_on_loopback = true);
    assert_eq!(open.get("/metrics", &Caller::default()).status, 200);
}

#[test]
fn the_text_is_what_the_proxy_says() {
    let backend = Backend::start(|_| {});
    let _proxy = FakeProxy::start(&backend.socket(), |request| Some(replies::all(request, 7)));
    let answer = backend.get("/metrics", &backend.token(Role::Viewer));
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "manifold_up 1",
        "manifold_port_receive_frames_total{port=\"wan\"} 70",
        "manifold_port_transmit_bytes_total{port=\"hall-a\"} 91000",
        "manifold_port_querier{port=\"hall-a\"} 1",
        "manifold_port_drops_total{port=\"wan\",reason=\"ttl\"} 3",
        "# TYPE manifold_port_losses_total counter",
        "manifold_port_losses_total{port=\"wan\",reason=\"rx-missed\"} 5",
        "manifold_igmp_received_total{port=\"wan\",type=\"general-query\"} 2",
        "manifold_igmp_verdicts_total{port=\"wan\",verdict=\"taken\"} 2",
        "manifold_group_frames_total{group=\"239.1.1.1\"} 70",
        "manifold_group_members{group=\"239.1.1.1\"} 1",
        "manifold_groups_omitted 0",
        "manifold_worker_busy_seconds_total{worker=\"0\"} 0.5",
        "manifold_table_capacity_groups 1000",
        "manifold_join_latency_seconds_bucket{le=\"0.0001\"} 2",
        "manifold_join_latency_seconds_bucket{le=\"+Inf\"} 4",
        "manifold_join_latency_seconds_count 4",
        "manifold_upstream_last_query_age_seconds{port=\"wan\"} 3",
    ] {
        assert!(answer.body.lines().any(|l| l == line), "{line}: {}", answer.body);
    }
    let down = Backend::start(|_| {});
    let text = down.get("/metrics", &down.token(Role::Viewer)).body;
    assert!(text.contains("manifold_up 0\n") && !text.contains("manifold_port_"), "{text}");
}

#[test]
fn groups_above_the_limit_are_counted() {
    let backend = Backend::start(|settings| settings.metrics.max_groups = 3);
    let _proxy = FakeProxy::start(&backend.socket(), |request| match request {
        api::Request::ShowGroups => {
            let groups: Vec<_> = (1..=10).map(|n| replies::group(&format!("239.1.1.{n}"), 1)).collect();
            Some(serde_json::from_value(json!({"groups": {"groups": groups}})).unwrap())
        }
        request => Some(replies::all(request, 1)),
    });
    let text = backend.get("/metrics", &backend.token(Role::Viewer)).body;
    assert_eq!(text.matches("manifold_group_frames_total{").count(), 3);
    assert!(text.contains("manifold_groups_omitted 7\n"), "{text}");
}
