//! Memory that is far away: a port on one socket served by a worker on another has every frame cross between them.

use std::fs;

/// A warning for each port whose socket is not that of every worker. What has no socket, as a virtual device has
/// none, or one that the kernel does not tell, is far from nothing.
pub(crate) fn warnings(ports: &[(&str, Option<u32>)], workers: &[(u16, Option<u32>)]) -> Vec<String> {
    let warning = |&(port, node): &(&str, Option<u32>)| {
        let node = node?;
        let far = workers
            .iter()
            .filter_map(|&(core, other)| Some((core, other?)))
            .filter(|(_, other)| *other != node);
        let cores: Vec<_> = far.map(|(core, other)| format!("{core} (node {other})")).collect();
        (!cores.is_empty()).then(|| {
            format!(
                "port \"{port}\" is on NUMA node {node}, and workers run on cores of another: {}; every frame crosses \
                 between them; name cores of node {node} in [worker] `cores`, or put the card elsewhere",
                cores.join(", ")
            )
        })
    };
    ports.iter().filter_map(warning).collect()
}

/// The NUMA node of a core, where the kernel tells.
pub(crate) fn node_of_core(core: u16) -> Option<u32> {
    let entries = fs::read_dir(format!("/sys/devices/system/cpu/cpu{core}")).ok()?;
    entries.flatten().find_map(|entry| entry.file_name().to_str()?.strip_prefix("node")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_far_from_a_worker_is_told_of_with_the_cores_that_are_far() {
        let ports = [("wan", Some(1)), ("hall-a", Some(0)), ("lab", None)];
        let told = warnings(&ports, &[(2, Some(0)), (3, Some(1)), (4, None)]);
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with(
            "port \"wan\" is on NUMA node 1, and workers run on cores of another: 2 (node 0); "
        ));
        assert!(told[1].contains("\"hall-a\" is on NUMA node 0") && told[1].contains(": 3 (node 1); "));
    }

    #[test]
    fn where_all_are_near_or_nothing_is_known_there_is_no_warning() {
        assert!(warnings(&[("wan", Some(0)), ("lab", None)], &[(2, Some(0)), (3, Some(0))]).is_empty());
        assert!(warnings(&[("wan", Some(1))], &[(2, None)]).is_empty());
        assert!(warnings(&[], &[(2, Some(0))]).is_empty());
    }
}
