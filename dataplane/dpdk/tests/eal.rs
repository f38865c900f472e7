//! EAL: what it is told, what it refuses, and threads that it knows.

mod support;

use dpdk::{Burst, Eal, EalError, Mbuf, Mempool, OwnershipError, TxBatch, WorkerError};
use rustix::io::Errno;
use support::{alone, eal, eal_args, first_cpu, frames, pool, read_pcap, start, write_pcap};

#[test]
fn a_refused_argument_is_told_with_eals_own_words() {
    alone("a_refused_argument_is_told_with_eals_own_words", || {
        let mut args = eal_args(&[]);
        args.push("--iova-mode=nonsense".into());
        let error = Eal::init(&args).unwrap_err();
        let text = error.to_string();
        let EalError::Init { line, log, .. } = error else { panic!("{text}") };
        assert_eq!(line, args.join(" "));
        // "iova-mode" up to DPDK 24.11, "iova mode" later.
        let named = |line: &String| line.contains("iova-mode") || line.contains("iova mode");
        assert!(log.iter().any(named), "{text}");
        assert!(log.iter().all(|line| text.contains(line)) && text.contains("--no-huge"), "{text}");
        assert_eq!(Eal::init(&eal_args(&[])).unwrap_err(), EalError::AlreadyInitialised);
    });
}

#[test]
fn a_device_that_eal_started_without_is_in_the_startup_log() {
    alone("a_device_that_eal_started_without_is_in_the_startup_log", || {
        let eal = eal(&["net_pcap0,rx_pcap=/nonexistent/in.pcap"]);
        assert!(eal.port_by_name("net_pcap0").is_none());
        let log = eal.startup_log();
        assert!(log.iter().any(|line| line.contains("/nonexistent/in.pcap")), "{log:?}");
    });
}

#[test]
fn there_is_one_eal_and_it_keeps_its_line() {
    alone("there_is_one_eal_and_it_keeps_its_line", || {
        assert_eq!(Eal::init(&["a\0b"]).unwrap_err(), EalError::Argument("a\0b".into()));
        let eal = eal(&["net_null0"]);
        assert_eq!(Eal::init(&eal_args(&[])).unwrap_err(), EalError::AlreadyInitialised);
        assert_eq!(eal.line(), eal_args(&["net_null0"]).join(" "));
        assert!(eal.version().starts_with("DPDK 2"), "{}", eal.version());
        assert!(!eal.has_hugepages());
        assert!(eal.cycles_hz() > 100_000_000);
        let (a, b) = (dpdk::cycles(), dpdk::cycles());
        assert!(b >= a);
        assert_eq!(eal.lcores(), [eal.main_lcore()]);
        assert_eq!((eal.main_lcore().id, eal.main_lcore().cpu), (0, Some(first_cpu())));
        assert_eq!(eal.ports().len(), 1);
        assert!(eal.port_by_name("net_null0").is_some());
        assert!(eal.port_by_name("net_null1").is_none());
    });
}

#[test]
fn eals_files_go_with_it() {
    alone("eals_files_go_with_it", || {
        let folder = std::path::PathBuf::from(std::env::var_os("RUNTIME_DIRECTORY").unwrap()).join("dpdk");
        let files = || std::fs::read_dir(&folder).unwrap().count();
        let eal = eal(&["net_null0"]);
        assert_eq!(files(), 1);
        drop(eal);
        assert_eq!(files(), 0);
    });
}

#[test]
fn initialisation_leaves_the_threads_cpus_as_they_were() {
    alone("initialisation_leaves_the_threads_cpus_as_they_were", || {
        let before = rustix::thread::sched_getaffinity(None).unwrap();
        let _eal = eal(&[]);
        assert!(rustix::thread::sched_getaffinity(None).unwrap() == before);
    });
}

#[test]
fn a_worker_has_an_lcore_id_and_a_cpu() {
    alone("a_worker_has_an_lcore_id_and_a_cpu", || {
        let eal = eal(&[]);
        let pool = pool(&eal);
        assert!(eal.register_thread().is_err(), "EAL knows the thread that made it");
        let (mine, cpu) = (pool.clone(), first_cpu());
        let worker = eal.spawn_worker("worker", Some(cpu), move |me| {
            let cpus = rustix::thread::sched_getaffinity(None).unwrap();
            assert!(cpus.count() == 1 && cpus.is_set(cpu));
            assert_eq!(std::thread::current().name(), Some("worker"));
            assert_ne!(me.lcore_id(), 0);
            drop(Mbuf::alloc(&mine).unwrap());
            me.lcore_id()
        });
        let first = worker.unwrap().join().unwrap();
        assert_eq!(pool.in_use(), 0, "mbufs in the cache of a thread that is gone can be had");
        let second = eal.spawn_worker("worker", None, |me| me.lcore_id()).unwrap().join().unwrap();
        assert_eq!(first, second, "an id is given back when its thread ends");

        let held = pool.clone();
        let error = eal.spawn_worker("lost", Some(100_000), move |_| held.size()).unwrap_err();
        assert!(matches!(error, WorkerError::Pin { cpu: 100_000, .. }), "{error}");
        let panicked = eal.spawn_worker("panics", None, |_| panic!("on purpose")).unwrap();
        assert!(panicked.join().is_err());
    });
}

#[test]
fn a_second_worker_takes_references_that_are_counted_atomically() {
    alone("a_second_worker_takes_references_that_are_counted_atomically", || {
        let eal = eal(&[]);
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let first = eal.spawn_worker("first", None, move |_| ended.recv().is_err()).unwrap();
        let second = eal.spawn_worker("second", None, |me| me.lcore_id());
        match (second, dpdk::REFCNT_IS_ATOMIC) {
            (Ok(second), true) => assert_ne!(second.join().unwrap(), 0),
            (Err(WorkerError::Ownership(error)), false) => {
                assert_eq!(error, OwnershipError::Workers(2));
            }
            (second, atomic) => panic!("{second:?} with atomic counts: {atomic}"),
        }
        drop(end);
        assert!(first.join().unwrap());
        eal.spawn_worker("next", None, |_| ()).expect("the first is gone").join().unwrap();
    });
}

#[test]
fn queues_work_on_another_thread_and_come_back() {
    alone("queues_work_on_another_thread_and_come_back", || {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("in.pcap"), dir.path().join("out.pcap"));
        let sent = frames(200);
        write_pcap(&from, &sent);
        let eal = eal(&[&format!("net_pcap0,rx_pcap={},tx_pcap={}", from.display(), to.display())]);
        let pool = pool(&eal);
        let (port, mut queues) = start(&eal, "net_pcap0", &pool);
        let work = move |_: &dpdk::WorkerThread| {
            let mut burst: Burst = Burst::new();
            let mut batch: TxBatch = TxBatch::new();
            while queues.rx[0].rx_burst(&mut burst) != 0 {
                for mbuf in burst.drain() {
                    batch.push(mbuf.into()).unwrap();
                }
                queues.tx[0].tx_burst(&mut batch);
            }
            queues
        };
        let queues = eal.spawn_worker("worker", Some(first_cpu()), work).unwrap().join().unwrap();
        port.close(queues).unwrap();
        assert_eq!(read_pcap(&to), sent);
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn values_may_go_in_any_order() {
    alone("values_may_go_in_any_order", || {
        let eal = eal(&["net_null0"]);
        let pool = pool(&eal);
        let (port, queues) = start(&eal, "net_null0", &pool);
        let held = Mbuf::from_bytes(&pool, b"still here").unwrap();
        drop(eal);
        drop(pool);
        drop(port);
        drop(queues);
        assert_eq!(held.data(), b"still here", "a pool with an mbuf out keeps its memory");
    });
}

#[test]
fn a_pool_says_why_it_cannot_be() {
    alone("a_pool_says_why_it_cannot_be", || {
        let eal = eal(&[]);
        let make = |name: &str, count, cache| Mempool::new(&eal, name, count, cache, 2048, None);
        let pool = make("pool", 1023, 32).unwrap();
        let cases = [
            (make("pool", 1023, 32), &[Errno::EXIST][..]),
            (make("cache", 1023, 1000), &[Errno::INVAL]),
            // Up to DPDK 22.11 the one, later the other.
            (make("big", 1 << 20, 32), &[Errno::NOBUFS, Errno::NOMEM]),
            (make("nul\0", 1023, 32), &[Errno::INVAL]),
            (make(&"long".repeat(20), 1023, 32), &[Errno::NAMETOOLONG]),
        ];
        for (result, reasons) in cases {
            let error = result.unwrap_err();
            assert!(reasons.iter().any(|reason| reason.raw_os_error() == error.errno), "{error}");
        }
        drop(pool);
        make("pool", 1023, 32).expect("the name is free again");
    });
}
