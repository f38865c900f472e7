//! r62, r64, r65, r70, r72 with more groups than one call takes in: nothing of that may be seen.

use std::collections::{BTreeMap, BTreeSet};

use igmp::Verdict;
use types::GroupAddr;

use crate::bench::{A, B, Bench, WAN, port};
use crate::raw::{join, leave, query, query_v3};

/// Three steps of a sweep.
const MANY: u32 = 9_000;

fn nth(n: u32) -> String {
    format!("239.{}.{}.{}", 1 + n / 65_536, n / 256 % 256, n % 256)
}

/// `groups` groups joined on port A, nothing pending, at 30 s.
fn joined(seed: u64, groups: u32) -> Bench {
    let mut bench = Bench::seeded(seed, |c| c.max_groups = u32::MAX, |_| {});
    bench.check_views = false;
    for n in 0..groups {
        bench.receive(A, &join(&nth(n)));
    }
    bench.run_to(30_000);
    bench
}

/// When each group was reported since message number `since`, in milliseconds.
fn answers(bench: &Bench, since: usize) -> BTreeMap<String, Vec<u64>> {
    let mut answers = BTreeMap::<_, Vec<_>>::new();
    for (at, kind, group) in bench.sent_since(since, WAN) {
        if kind == 0x16 {
            answers.entry(group).or_default().push(at);
        }
    }
    answers
}

fn pending(bench: &Bench) -> usize {
    bench.proxy.upstream_groups().filter(|view| view.next_report.is_some()).count()
}

#[test]
fn r72_a_thousand_groups_none_at_once_all_in_time_no_second_above_twice_the_mean() {
    for seed in 0..40 {
        let mut bench = joined(seed, 1000);
        let since = bench.sent.len();
        assert_eq!(bench.receive(WAN, &query(100, "0.0.0.0")), Verdict::QueryAnswered);
        assert_eq!(bench.sent.len(), since, "seed {seed}: none at t = 0");
        bench.run_to(40_100);
        let answers = answers(&bench, since);
        assert_eq!(answers.len(), 1000, "seed {seed}: all by 10.1 s");
        assert!(answers.values().all(|times| times.len() == 1), "seed {seed}: once");
        let mut seconds = [0; 10];
        for times in answers.values() {
            seconds[((times[0] - 30_000) / 1000).min(9) as usize] += 1;
        }
        assert!(seconds.iter().all(|n| *n <= 200), "seed {seed}: {seconds:?}");
    }
}

#[test]
fn r62_many_groups_are_answered_each_once_after_a_uniform_delay_and_not_all_drawn_in_one_call() {
    let mut bench = joined(1, MANY);
    let since = bench.sent.len();
    bench.receive(WAN, &query(100, "0.0.0.0"));
    assert_eq!((bench.sent.len(), pending(&bench)), (since, 4096), "a step's worth");
    bench.run_to(30_005);
    assert!(pending(&bench) > MANY as usize - 100);
    bench.run_to(40_000);
    let answers = answers(&bench, since);
    assert_eq!(answers.len(), MANY as usize);
    assert!(answers.values().all(|times| times.len() == 1));
    let mut seconds = [0; 10];
    for times in answers.values() {
        seconds[((times[0] - 30_000) / 1000).min(9) as usize] += 1;
    }
    let mean = MANY / 10;
    assert!(seconds.iter().all(|n| (mean * 9 / 10..mean * 11 / 10).contains(n)), "{seconds:?}");
    // Independent of the order in which the groups were joined.
    let halves = (0..MANY).partition::<Vec<_>, _>(|n| answers[&nth(*n)][0] < 35_000);
    let centre = |half: &[u32]| half.iter().map(|n| u64::from(*n)).sum::<u64>() / half.len() as u64;
    let middle = u64::from(MANY / 2);
    for half in [&halves.0, &halves.1] {
        assert!(centre(half).abs_diff(middle) < middle / 20, "{}", centre(half));
    }
}

#[test]
fn r66b_many_groups_are_answered_within_a_tenth_of_a_second_too() {
    let mut bench = joined(2, MANY);
    let since = bench.sent.len();
    bench.receive(WAN, &query_v3(0, "0.0.0.0", &[]));
    bench.run_to(30_100);
    assert_eq!(answers(&bench, since).len(), MANY as usize);
}

#[test]
fn r62_free_places_do_not_hold_up_the_few_groups_that_are_left() {
    let mut bench = joined(3, MANY);
    for n in 0..MANY - 2 {
        bench.receive(A, &leave(&nth(n)));
    }
    bench.run_to(40_000);
    assert_eq!(bench.forwarded.len(), 2);
    bench.receive(WAN, &query(1, "0.0.0.0"));
    assert_eq!(pending(&bench), 2);
}

#[test]
fn r65_another_hosts_report_cancels_an_answer_whose_delay_is_not_drawn_yet() {
    let mut bench = joined(4, MANY);
    let since = bench.sent.len();
    bench.receive(WAN, &query(100, "0.0.0.0"));
    let last = nth(MANY - 1);
    let report = join(&last).from("10.0.0.77");
    assert_eq!(bench.receive(WAN, &report), Verdict::ReportSuppressed);
    assert_eq!(bench.receive(WAN, &report), Verdict::ForeignReport);
    bench.run_to(60_000);
    let answers = answers(&bench, since);
    assert_eq!(answers.len(), MANY as usize - 1);
    assert!(!answers.contains_key(&last));
}

#[test]
fn r64_a_specific_query_amid_the_general_one_gets_one_answer_within_the_shorter_time() {
    for seed in 0..3 {
        let mut bench = joined(seed, MANY);
        let since = bench.sent.len();
        bench.receive(WAN, &query(100, "0.0.0.0"));
        let last = nth(MANY - 1);
        bench.receive(WAN, &query(5, &last));
        bench.run_to(60_000);
        let times = &answers(&bench, since)[&last];
        assert!(times.len() == 1 && times[0] <= 30_500, "{times:?}");
    }
}

#[test]
fn r64_a_second_general_query_meets_each_group_with_the_delay_that_it_has() {
    // As long: what runs, stays. Shorter: what is left over is drawn anew.
    for (max_resp, end) in [(100, 40_010), (10, 31_010)] {
        let mut bench = joined(5, MANY);
        let since = bench.sent.len();
        bench.receive(WAN, &query(100, "0.0.0.0"));
        bench.run(2);
        bench.receive(WAN, &query(max_resp, "0.0.0.0"));
        bench.receive(WAN, &query(max_resp, "0.0.0.0"));
        bench.run_to(end);
        let answers = answers(&bench, since);
        assert_eq!(answers.len(), MANY as usize);
        let twice = answers.values().filter(|times| times.len() > 1);
        assert!(twice.clone().count() < 30, "only those answered before the second query came");
        assert!(twice.into_iter().all(|times| times.len() == 2 && times[0] <= 30_002));
        bench.run_to(60_000);
        assert!(bench.sent_since(since, WAN).iter().all(|sent| sent.0 <= end));
    }
}

#[test]
fn r60_r57_groups_that_come_and_go_amid_a_general_query_are_neither_answered_nor_forgotten() {
    let mut bench = joined(6, MANY);
    let (gone, back, new) = (nth(MANY - 1), nth(MANY - 2), "239.200.0.1");
    let since = bench.sent.len();
    bench.receive(WAN, &query(100, "0.0.0.0"));
    bench.receive(A, &leave(&gone));
    bench.receive(B, &join(new));
    bench.receive(A, &leave(&back));
    bench.receive(A, &join(&back));
    bench.run_to(31_999);
    let before = answers(&bench, since).get(&gone).map_or(0, Vec::len);
    bench.run_to(60_000);
    let answers = answers(&bench, since);
    assert_eq!(answers.get(&gone).map_or(0, Vec::len), before, "nothing after the Leave");
    assert!(bench.sent_since(since, WAN).contains(&(32_000, 0x17, gone)));
    assert_eq!(answers[new].len(), 2, "reported at once and repeated, no answer");
    assert_eq!(answers[&back].len(), 1);
}

#[test]
fn r57_a_group_that_comes_amid_a_general_query_keeps_to_its_own_repeats() {
    let mut bench = joined(11, MANY);
    let since = bench.sent.len();
    bench.receive(WAN, &query(1, "0.0.0.0"));
    bench.receive(B, &join("239.200.0.1"));
    bench.run(200);
    assert_eq!(answers(&bench, since)["239.200.0.1"], [30_000]);
}

#[test]
fn r64_of_two_queries_that_wait_the_one_to_be_answered_sooner_stands_for_both() {
    let mut bench = joined(12, MANY);
    let since = bench.sent.len();
    for max_resp in [100, 100, 10, 100] {
        bench.receive(WAN, &query(max_resp, "0.0.0.0"));
    }
    bench.run_to(31_001);
    assert_eq!(answers(&bench, since).len(), MANY as usize);
}

#[test]
fn r70_after_a_flap_the_last_report_on_the_link_is_nobodys_before_ours() {
    let mut bench = Bench::with(|c| c.max_groups = MANY, |u| u.leave = igmp::LeavePolicy::LastReporter);
    bench.check_views = false;
    for n in 0..MANY {
        bench.receive(A, &join(&nth(n)));
    }
    bench.run_to(30_000);
    bench.link(WAN, false);
    bench.link(WAN, true);
    let since = bench.sent.len();
    let (first, last) = (nth(0), nth(MANY - 1));
    bench.receive(A, &leave(&first));
    bench.receive(A, &leave(&last));
    bench.run(2000);
    let left: Vec<_> = bench.sent_since(since, WAN).into_iter().filter(|sent| sent.1 == 0x17).collect();
    assert_eq!(left, [(32_000, 0x17, first)], "the last one's turn to be reported had not come");
}

#[test]
fn r70_a_flap_amid_a_general_query_leaves_nothing_of_it() {
    let mut bench = joined(7, MANY);
    bench.receive(WAN, &query(100, "0.0.0.0"));
    bench.link(WAN, false);
    let since = bench.sent.len();
    bench.run(100);
    assert_eq!((bench.sent.len(), pending(&bench)), (since, 0));
    bench.receive(WAN, &query(100, "0.0.0.0"));
    bench.link(WAN, true);
    bench.link(WAN, false);
    bench.link(WAN, true);
    bench.run(10_000);
    let answers = answers(&bench, since);
    assert_eq!(answers.len(), MANY as usize, "all within the Unsolicited Report Interval");
    bench.run(10_000);
    let times: usize = self::answers(&bench, since).values().map(Vec::len).sum();
    assert_eq!(times, 2 * MANY as usize, "and repeated once");
    let in_one_ms = bench.sent_since(since, WAN).iter().filter(|sent| sent.0 == 30_105).count();
    assert!(in_one_ms < 10, "paced");
}

#[test]
fn r70_a_change_of_upstream_paces_the_leaves_on_the_old_port_and_the_reports_on_the_new() {
    let wan2 = 3;
    let mut bench = joined(8, MANY);
    let since = bench.sent.len();
    bench.proxy.set_upstream(bench.now, Some((port(wan2), crate::bench::upstream_settings())), true);
    bench.drain();
    assert_eq!(bench.sent_since(since, WAN).len(), 16, "a few at once");
    bench.run_to(31_000);
    let leaves = bench.sent_since(since, WAN);
    let groups: BTreeSet<_> = leaves.iter().map(|sent| sent.2.clone()).collect();
    assert_eq!((leaves.len(), groups.len()), (MANY as usize, MANY as usize), "one each, in a second");
    assert!(leaves.iter().all(|sent| sent.1 == 0x17));
    assert!((30_001..31_000).all(|ms| leaves.iter().filter(|sent| sent.0 == ms).count() <= 18));
    bench.run_to(40_000);
    let groups: BTreeSet<_> = bench.sent_since(since, wan2).into_iter().map(|sent| sent.2).collect();
    assert_eq!(groups.len(), MANY as usize);
}

#[test]
fn r96_many_groups_are_left_once_each_within_a_second() {
    let mut bench = joined(9, MANY);
    let since = bench.sent.len();
    bench.proxy.shutdown(bench.now);
    bench.drain();
    assert!(bench.forwarded.is_empty(), "nothing is forwarded from now on");
    assert!(!bench.proxy.is_quiet());
    bench.run_to(30_000 + igmp::Proxy::LEAVES_WITHIN.as_millis() as u64);
    assert!(bench.proxy.is_quiet());
    let left: BTreeSet<_> = bench.sent_since(since, WAN).into_iter().map(|sent| sent.2).collect();
    assert_eq!((left.len(), bench.sent.len() - since), (MANY as usize, MANY as usize));
    assert_eq!(bench.proxy.next_deadline(), None);
}

#[test]
fn walks_are_in_the_order_of_the_groups_whatever_the_order_they_came_in() {
    let mut bench = joined(10, 500);
    for n in (0..500).step_by(7) {
        bench.receive(A, &leave(&nth(n)));
    }
    bench.run(5000);
    for n in (0..500).rev() {
        bench.receive(B, &join(&nth(n)));
    }
    let order: Vec<GroupAddr> = bench.proxy.upstream_groups().map(|view| view.group).collect();
    assert!(order.len() == 500 && order.is_sorted());
    assert!(bench.proxy.groups().map(|view| (view.group, view.port)).is_sorted());
}

#[test]
fn r64_a_shorter_query_counts_also_for_groups_that_are_through_the_one_that_waits() {
    for max_resp in [10, 255] {
        let mut bench = joined(13, MANY);
        bench.receive(WAN, &query(255, "0.0.0.0"));
        bench.receive(WAN, &query(255, "0.0.0.0"));
        // A step of the first takes its groups through the second, too.
        bench.run(1);
        let since = bench.sent.len();
        bench.receive(WAN, &query(max_resp, "0.0.0.0"));
        bench.run(u64::from(max_resp) * 100);
        assert_eq!(answers(&bench, since).len(), MANY as usize, "within {max_resp} tenths");
    }
}
