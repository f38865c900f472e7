//! What settings mean for the machine: memory, cores, DPDK's command line.

use settings::{
    CoreSet, MemoryMode, MemoryPlan, Placement, Settings, Share, af_xdp_pool_size, eal_args, kept_to_send,
    mbuf_data_room, memory_mb, parse, place_threads, plan_memory, pool_size,
};

fn settings(text: &str) -> Settings {
    parse(text, "m.toml").unwrap()
}

/// Ports on these devices, named a, b, c ..., after `before`.
fn with_devices(before: &str, devices: &[&str]) -> Settings {
    let port = |(i, device): (usize, &&str)| {
        format!("[[port]]\nname = \"{}\"\ndevice = \"{device}\"\n", (b'a' + i as u8) as char)
    };
    settings(&(before.to_owned() + &devices.iter().enumerate().map(port).collect::<String>()))
}

/// What serves the first port by af_packet.
fn af_packet(settings: &Settings, workers: u16) -> String {
    settings.ports[0].af_packet_args(&"eth0".parse().unwrap(), workers)
}

fn line(settings: &Settings, mode: MemoryMode, trailing: &[&str]) -> String {
    let plan = MemoryPlan { mode, megabytes: 50, node: None, warning: None };
    let placement = Placement { control: 1, workers: vec![3] };
    let trailing: Vec<String> = trailing.iter().map(ToString::to_string).collect();
    eal_args(settings, &plan, &placement, &trailing).unwrap().join(" ")
}

#[test]
fn the_line_for_kernel_interfaces_without_hugepages() {
    assert_eq!(
        line(&with_devices("", &["eth0", "net_pcap0,rx_pcap=in.pcap"]), MemoryMode::NoHugepages, &[]),
        "manifold --file-prefix=manifold-main --no-huge -m 50 -l 1 --log-level=warning --no-pci \
         --vdev=net_pcap0,rx_pcap=in.pcap"
    );
}

#[test]
fn the_line_for_nics_on_hugepages() {
    let settings =
        with_devices("[proxy]\ninstance = \"two\"\n[log]\nlevel = \"debug\"\n", &["3b:00.0", "3b:00.1"]);
    assert_eq!(
        line(&settings, MemoryMode::Hugepages, &[]),
        "manifold --file-prefix=manifold-two --in-memory -m 50 -l 1 --log-level=info \
         -a 0000:3b:00.0 -a 0000:3b:00.1"
    );
}

#[test]
fn memory_is_taken_from_the_node_that_it_is_to_be_on() {
    let settings = with_devices("", &["3b:00.0"]);
    let placement = Placement { control: 1, workers: vec![3] };
    let line = |settings: &Settings, node| {
        let plan = MemoryPlan { mode: MemoryMode::Hugepages, megabytes: 50, node, warning: None };
        eal_args(settings, &plan, &placement, &[]).unwrap().join(" ")
    };
    assert!(line(&settings, Some(0)).contains(" --in-memory --socket-mem=50 -l 1 "));
    assert!(line(&settings, Some(2)).contains(" --in-memory --socket-mem=0,0,50 -l 1 "));
    let users = with_devices("[eal]\nargs = [\"-m\", \"99\"]\n", &["3b:00.0"]);
    assert!(!line(&users, Some(2)).contains("--socket-mem"));
}

#[test]
fn jumbo_frames_get_rings_and_buffers_that_hold_them() {
    let settings = with_devices("[defaults]\nmtu = 9000\n", &["eth0"]);
    let args = af_packet(&settings, 1);
    assert!(args.ends_with("qdisc_bypass=1,blocksz=65536,framesz=16384,framecnt=512"), "{args}");
    assert_eq!(mbuf_data_room(&settings), 128 + 16384);
    // The driver refuses a ring whose frames, less 32 bytes, are larger than a buffer's data.
    assert_eq!(
        mbuf_data_room(&with_devices("", &["net_af_packet0,iface=e,framesz=4096,blocksz=4096"])),
        128 + 4096
    );
    // 66 bytes of the ring's own before a frame, 14 of header: 1,968 is the most in 2,048.
    assert_eq!(mbuf_data_room(&with_devices("[defaults]\nmtu = 1968\n", &["e"])), 128 + 2048);
    assert_eq!(mbuf_data_room(&with_devices("[defaults]\nmtu = 1969\n", &["e"])), 128 + 4096);
}

#[test]
fn what_the_user_gives_replaces_ours_and_stands_last() {
    let settings = with_devices("[eal]\nargs = [\"-m\", \"99\"]\n", &["eth0"]);
    let text = line(&settings, MemoryMode::NoHugepages, &["-l0-1", "--log-level=*:8"]);
    assert_eq!(text, "manifold --file-prefix=manifold-main --no-huge --no-pci -m 99 -l0-1 --log-level=*:8");
    let text = line(&settings, MemoryMode::NoHugepages, &["--main-lcore=2"]);
    assert!(text.contains("-l 1 --log-level") && text.ends_with("-m 99 --main-lcore=2"), "{text}");
}

#[test]
fn what_is_refused_in_the_file_is_refused_on_the_command_line() {
    let plan = MemoryPlan { mode: MemoryMode::NoHugepages, megabytes: 50, node: None, warning: None };
    let placement = Placement { control: 0, workers: vec![1] };
    let trailing = ["--vdev=net_null0".to_owned(), "--in-memory".to_owned()];
    let error = eal_args(&with_devices("", &["eth0"]), &plan, &placement, &trailing).unwrap_err();
    assert_eq!(
        error.to_string(),
        "command line: DPDK's argument `--in-memory` is refused: the kind of memory is a setting; set `hugepages` in \
         [eal] to \"auto\", \"require\" or \"no\"\n\
         command line: DPDK's argument `--vdev=net_null0` is refused: which devices DPDK sees follows from the ports; \
         add a [[port]] with that `device`"
    );
}

#[test]
fn two_kernel_interfaces_fit_into_48_mb_without_hugepages() {
    let settings = with_devices("", &["eth0", "eth1"]);
    assert_eq!(pool_size(&settings, 1), 8191);
    assert_eq!(memory_mb(&settings, 1, MemoryMode::NoHugepages), 42);
    assert_eq!(memory_mb(&settings, 1, MemoryMode::Hugepages), 29);
}

#[test]
fn the_pool_holds_what_rings_and_caches_can() {
    let pool = |before: &str, devices: &[&str]| pool_size(&with_devices(before, devices), 1);
    let four = ["3b:00.0", "3b:00.1", "3b:00.2", "3b:00.3"];
    // 4 x 2048 in rings, 4 x 64 copies, 64 in the worker's hands, 2 x 384 in caches: 9,280.
    assert_eq!(pool("", &four), 10 * 1024 - 1);
    assert_eq!(pool("[eal]\nmax-ports = 8\n", &four), 18 * 1024 - 1);
    // Every worker has a queue of its own on each port: 16,384 + 512 + 128 + 3 x 384.
    assert_eq!(pool_size(&with_devices("", &four), 2), 18 * 1024 - 1);
    // The largest there can be does not overflow.
    let before =
        "[defaults]\nrx-descriptors = 32768\ntx-descriptors = 32768\nmtu = 9600\n[eal]\nmax-ports = 64\n";
    let largest = with_devices(before, &["net_af_xdp0,iface=a"]);
    assert!(pool_size(&largest, 64) > 64 * 64 * 65536);
    assert_eq!(pool_size(&largest, usize::MAX), pool_size(&largest, 64));
    assert!(memory_mb(&largest, 64, MemoryMode::NoHugepages) > 4_000_000);
}

#[test]
fn hugepages_are_taken_required_or_done_without() {
    let kernel =
        |hugepages: &str| with_devices(&format!("[eal]\nhugepages = \"{hugepages}\"\n"), &["e0", "e1"]);
    let pci = |hugepages: &str| with_devices(&format!("[eal]\nhugepages = \"{hugepages}\"\n"), &["3b:00.0"]);
    let mode = |settings: &Settings, free| {
        plan_memory(settings, 1, |_| 0, free).map(|plan| (plan.mode, plan.warning))
    };
    let error = |settings: &Settings, free| plan_memory(settings, 1, |_| 0, free).unwrap_err().to_string();

    assert_eq!(mode(&kernel("auto"), 1024), Ok((MemoryMode::Hugepages, None)));
    assert_eq!(mode(&kernel("no"), 1024), Ok((MemoryMode::NoHugepages, None)));
    let warning = "no hugepages are free: runs without, slower, on 42 MiB of ordinary memory".to_owned();
    assert_eq!(mode(&kernel("auto"), 0), Ok((MemoryMode::NoHugepages, Some(warning))));
    let warning =
        "28 MiB of hugepages are free, 29 MiB are needed: runs without, slower, on 42 MiB of ordinary memory";
    assert_eq!(mode(&kernel("auto"), 28), Ok((MemoryMode::NoHugepages, Some(warning.to_owned()))));
    assert_eq!(
        error(&kernel("require"), 0),
        "no hugepages are free, and `hugepages` is \"require\"; reserve them, as with `sysctl vm.nr_hugepages=23`, or \
         set `hugepages` in [eal] to \"auto\""
    );

    assert_eq!(mode(&pci("require"), 1024), Ok((MemoryMode::Hugepages, None)));
    assert_eq!(
        error(&pci("auto"), 0),
        "no hugepages are free, and port \"a\" is a PCI device, which needs them; reserve them, as with `sysctl \
         vm.nr_hugepages=24`"
    );
    assert_eq!(
        error(&pci("no"), 1024),
        "port \"a\" is a PCI device, which needs hugepages, and `hugepages` is \"no\"; set `hugepages` in [eal] to \
         \"auto\" or \"require\""
    );
    let set = with_devices("[eal]\nmemory-mb = 77\n", &["e0"]);
    assert_eq!(plan_memory(&set, 1, |_| 0, 0).unwrap().megabytes, 77);
}

#[test]
fn memory_that_the_buffers_cannot_be_had_of_is_refused_where_it_does_not_grow() {
    let plan = |text: &str, free| {
        let before = format!("[defaults]\ndriver = \"af_xdp\"\n[eal]\n{text}");
        plan_memory(&with_devices(&before, &["e0", "e1"]), 1, |_| 1, free)
    };
    // 18 MiB of the pool that all have, and 24 of each port's own.
    let error = plan("memory-mb = 65\nhugepages = \"no\"\n", 0).unwrap_err().to_string();
    assert_eq!(
        error,
        "`memory-mb` in [eal] is 65, and the ports' buffers alone take 66 MiB; set it to 92, or leave it out"
    );
    assert!(plan("memory-mb = 66\nhugepages = \"no\"\n", 0).is_ok());
    // Hugepages are taken as needed, whatever is set aside, and there must be as many.
    assert_eq!(plan("memory-mb = 16\n", 66).unwrap().megabytes, 16);
    assert!(plan("memory-mb = 16\n", 65).is_err());
}

#[test]
fn threads_are_placed_on_cores_there_are() {
    let place_in = |worker: &str, available: &[u16], share| {
        let (allowed, given) = (available.to_vec(), available.to_vec());
        let set = CoreSet { allowed, given, isolated: Vec::new(), share };
        place_threads(&with_devices(&format!("[worker]\n{worker}\n"), &["e0"]), &set)
            .map(|placement| (placement.control, placement.workers))
            .map_err(|error| error.to_string())
    };
    let place = |worker: &str, available: &[u16]| place_in(worker, available, Share::All);
    assert_eq!(place("", &[0, 1, 2, 3]), Ok((0, vec![3])));
    // Cores that a container was given are for it alone: one for control, the others for workers.
    assert_eq!(place_in("", &[4, 5, 6, 9], Share::Part), Ok((4, vec![5, 6, 9])));
    assert_eq!(place_in("control-core = 6", &[4, 5, 6, 9], Share::Part), Ok((6, vec![4, 5, 9])));
    assert_eq!(place_in("", &[4, 5], Share::Part), Ok((4, vec![5])));
    assert_eq!(place_in("", &[4], Share::Part), Ok((4, vec![4])));
    // Where others were given a few, the rest is everybody's.
    assert_eq!(place_in("", &[0, 1, 2, 4], Share::Most), Ok((0, vec![4])));
    assert_eq!(place_in("control-core = 4", &[0, 1, 2, 4], Share::Most), Ok((4, vec![2])));
    assert_eq!(place_in("cores = [1, 2]", &[0, 1, 2, 4], Share::Most), Ok((0, vec![1, 2])));
    assert_eq!(place_in("cores = [5]", &[4, 5, 6], Share::Part), Ok((4, vec![5])));
    assert_eq!(place("", &[5]), Ok((5, vec![5])), "one core serves both");
    assert_eq!(place("cores = [0, 2]", &[0, 1, 2]), Ok((1, vec![0, 2])));
    assert_eq!(place("cores = [0, 1]", &[0, 1]), Ok((0, vec![0, 1])));
    assert_eq!(place("cores = [1]\ncontrol-core = 1", &[0, 1]), Ok((1, vec![1])));
    let error =
        |key: &str| Err(format!("`{key}` names core 9, which this process may not use; it may use 0, 1"));
    assert_eq!(place("cores = [1, 9]", &[0, 1]), error("cores"));
    assert_eq!(place("control-core = 9", &[0, 1]), error("control-core"));
    // A thread that polls leaves a worker nothing.
    assert_eq!(place("control-poll = \"busy\"", &[0, 1]), Ok((0, vec![1])));
    for shared in ["cores = [0, 1]\n", "cores = [1]\ncontrol-core = 1\n"] {
        let error = place(&format!("{shared}control-poll = \"busy\""), &[0, 1]).unwrap_err();
        assert!(error.starts_with("`control-poll` is \"busy\", and core "), "{error}");
        assert!(error.ends_with("in [worker], or leave `control-poll` \"adaptive\""), "{error}");
    }
    assert_eq!(
        place("", &[]),
        Err("this process may run on no core; look at its cpuset with `taskset -p`".to_owned())
    );
}

#[test]
fn cores_are_chosen_for_a_process_that_has_at_most_half_of_them() {
    let all: Vec<u16> = (0..64).collect();
    let share = |given: &[u16], isolated: &[u16]| Share::of(given, &all, isolated);
    assert_eq!(share(&all, &[]), Share::All);
    assert_eq!(share(&all[2..], &[]), Share::Most, "two are somebody else's alone");
    assert_eq!(share(&all[31..], &[]), Share::Most);
    assert_eq!(share(&all[32..], &[]), Share::Part);
    assert_eq!(share(&[7], &[]), Share::Part);
    // Nobody is given isolated ones, but by choice.
    assert_eq!(share(&all[..60], &all[60..]), Share::All);
    assert_eq!(share(&all[60..], &all[60..]), Share::Part);
    assert_eq!(share(&all[..59], &all[60..]), Share::Most);
    assert_eq!(Share::of(&[0, 1], &[], &[]), Share::All, "where the kernel does not tell");
}

#[test]
fn isolated_cores_are_the_workers() {
    let place = |worker: &str, set: &CoreSet| {
        place_threads(&with_devices(&format!("[worker]\n{worker}\n"), &["e0"]), set)
            .map(|placement| (placement.control, placement.workers))
            .map_err(|error| error.to_string())
    };
    // `isolcpus=2-3`: the kernel gives no process those, and lets every one have them.
    let allowed = vec![0, 1, 2, 3];
    let machine = CoreSet { allowed, given: vec![0, 1], isolated: vec![2, 3], share: Share::All };
    assert_eq!(place("cores = [2]", &machine), Ok((0, vec![2])));
    assert_eq!(place("cores = [0, 2]", &machine), Ok((1, vec![0, 2])));
    // One: the others may have been isolated for somebody else.
    assert_eq!(place("", &machine), Ok((0, vec![3])));
    assert_eq!(place("control-core = 3", &machine), Ok((3, vec![2])));
    assert_eq!(place("control-core = 1", &machine), Ok((1, vec![3])));
    assert_eq!(place("cores = [2]\ncontrol-core = 3\ncontrol-poll = \"busy\"", &machine), Ok((3, vec![2])));
    assert_eq!(
        place("cores = [4]", &machine),
        Err("`cores` names core 4, which this process may not use; it may use 0, 1, 2, 3".to_owned())
    );
    // What somebody chose by `taskset` is kept to, but where the settings say otherwise.
    let chosen = |given: &[u16]| CoreSet { given: given.to_vec(), share: Share::Part, ..machine.clone() };
    assert_eq!(place("", &chosen(&[0])), Ok((0, vec![0])));
    assert_eq!(place("", &chosen(&[1, 2])), Ok((1, vec![2])));
    assert_eq!(place("", &chosen(&[2, 3])), Ok((2, vec![3])), "one of them is the control thread's");
    assert_eq!(place("cores = [3]", &chosen(&[0])), Ok((0, vec![3])));
    // A container's cpuset that has both kinds, of a larger machine.
    let allowed = vec![0, 1, 2];
    let cpuset = CoreSet { allowed: allowed.clone(), given: allowed, ..chosen(&[]) };
    assert_eq!(place("", &cpuset), Ok((0, vec![2])));
    let cpuset = chosen(&[0, 2, 3]);
    assert_eq!(place("", &cpuset), Ok((0, vec![2, 3])), "these were isolated for us");
    let rest = CoreSet { share: Share::Most, ..cpuset };
    assert_eq!(place("", &rest), Ok((0, vec![3])), "for whom, nobody knows");
    // The control thread has the core that it was given, and "auto" takes another where there is one.
    let plain = CoreSet { isolated: Vec::new(), given: machine.allowed.clone(), ..machine };
    assert_eq!(place("control-core = 3", &plain), Ok((3, vec![2])));
    // One that was taken out stays out, though a thread could be put there.
    let rest = CoreSet { given: vec![0, 1, 2], share: Share::Most, ..plain };
    assert_eq!(place("", &rest), Ok((0, vec![2])));
}

#[test]
fn a_kernel_interface_has_a_pair_of_queues_for_each_worker() {
    let settings = with_devices("", &["eth0"]);
    let one = "net_af_packet_a,iface=eth0,qdisc_bypass=1,framesz=2048,framecnt=512";
    assert_eq!(af_packet(&settings, 1), one);
    let args = af_packet(&settings, 3);
    assert!(args.ends_with("iface=eth0,qdisc_bypass=1,qpairs=3,framesz=2048,framecnt=512"), "{args}");
    let port = &settings.ports[0];
    assert_eq!(port.af_xdp_args(&"eth0".parse().unwrap(), 2), "net_af_xdp_a,iface=eth0,queue_count=2");
}

#[test]
fn ports_on_af_xdp_have_pools_of_their_own() {
    let memory = |before: &str, queues: u16| {
        plan_memory(&with_devices(before, &["eth0", "eth1"]), 1, |_| queues, 0).unwrap().megabytes
    };
    let plain = memory("", 0);
    // 6,143 pages and a MiB for each: 2,048 to receive into, 2,048 that the kernel sends, 1,024 that wait for it, 64 in
    // the worker's hands, 2 x 96 in caches.
    assert_eq!(memory("", 1), plain + 2 * 25);
    assert_eq!(memory("", 4), plain + 2 * 85);
    let coming = "[eal]\nmax-ports = 3\n";
    assert_eq!(memory(coming, 1), memory(coming, 0) + 3 * 25);
    let named = with_devices("[defaults]\ndriver = \"af_xdp\"\n", &["eth0", "eth1"]);
    assert_eq!(memory_mb(&named, 1, MemoryMode::NoHugepages), plain + 2 * 25);
    let vdev = |workers| {
        memory_mb(&with_devices("", &["net_af_xdp0,iface=a,queue_count=4"]), workers, MemoryMode::NoHugepages)
    };
    assert!(vdev(1) > 80);
}

#[test]
fn a_pool_of_af_xdp_lasts_while_every_ring_is_full() {
    let size = |before: &str, queues, workers, kept| {
        let port = &with_devices(before, &["eth0"]).ports[0];
        af_xdp_pool_size(port, queues, workers, kept)
    };
    assert_eq!(size("", 1, 1, 0), 6 * 1024 - 1);
    assert_eq!(size("", 4, 2, 0), 21 * 1024 - 1);
    // The driver's transmit ring is as long as the receive ring.
    assert_eq!(size("[defaults]\ntx-descriptors = 32768\n", 1, 1, 0), 6 * 1024 - 1);
    assert_eq!(size("[defaults]\nrx-descriptors = 4128\n", 1, 1, 0), (4 + 8 + 1) * 1024 - 1);
    assert_eq!(size("", 1, 1, 2 * 1024), 8 * 1024 - 1);
}

#[test]
fn what_other_ports_keep_of_a_pool_is_counted() {
    let kept =
        |before: &str, devices: &[&str], workers| kept_to_send(&with_devices(before, devices), workers);
    assert_eq!(kept("", &["eth0", "net_pcap0,rx_pcap=a,tx_pcap=b", "net_null0"], 2), 0);
    assert_eq!(kept("", &["eth0", "3b:00.0", "net_ring0"], 2), 2 * 2 * 1024);
    assert_eq!(kept("[eal]\nmax-ports = 4\n", &["eth0", "3b:00.0"], 1), 3 * 1024, "and two that may come");
}
