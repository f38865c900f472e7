//! Several instances on one machine: side by side on interfaces of their own, never on the same.

use crate::stage::{Cabling, GROUP, PORT, Recipe, Stage};
use lab::Sender;

/// Two recipes out of one: the first two ports, and the rest as another instance.
fn split(stage: &Stage) -> (Recipe, Recipe) {
    let mut first = stage.recipe();
    let mut second = first.clone();
    second.ports = first.ports.split_off(2);
    "other".clone_into(&mut second.instance);
    second.run_dir = stage.lab.scratch().join("run-other");
    (first, second)
}

#[test]
fn two_instances_run_side_by_side() {
    let stage = Stage::new(&["hall-a", "wan2", "hall-b"], Cabling::Direct);
    let [hall_a, provider2, hall_b] = &stage.halls[..] else { panic!() };
    let (first, second) = split(&stage);
    let (first, second) = (stage.start(&first), stage.start(&second));
    let began = lab::now();
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    let sender = stage.start_source(500);
    let sender2 = Sender::start(&stage.lab, &provider2.host, (GROUP, PORT), 16, 500).unwrap();
    for hall in [hall_a, hall_b] {
        hall.wait_for_stream(began);
    }
    sender.stop().unwrap();
    // The first goes; the second does not notice.
    first.finish(&stage);
    let alone = lab::now();
    hall_b.wait_for_stream(alone);
    lab::stop::pause(std::time::Duration::from_secs(1)).unwrap();
    sender2.stop().unwrap();
    second.finish(&stage);

    let end = lab::now();
    for (hall, provider) in [(hall_a, &stage.provider), (hall_b, provider2)] {
        let source = provider.host.address().addr();
        let frames = hall.stream(began, end);
        assert!(frames.iter().all(|f| f.ip.as_ref().is_some_and(|ip| ip.source == source)), "{}", hall.name);
        let sent = provider.wire.select(|frame| frame.is_data_to(GROUP.addr()));
        let router = stage.middle.mac(provider.name).unwrap();
        lab::compare::compare(&sent, &frames, router).unwrap();
    }
    stage.close();
}

#[test]
fn an_instance_or_an_interface_that_is_in_use_is_refused() {
    let stage = Stage::new(&["hall-a", "wan2", "hall-b"], Cabling::Direct);
    let (recipe, mut second) = split(&stage);
    let mut running = stage.start(&recipe);
    let used = stage.kernel_state();

    // The same settings under another file's name: the same instance.
    let mut again = second.clone();
    again.instance.clone_from(&recipe.instance);
    again.run_dir.clone_from(&recipe.run_dir);
    let refusal = stage.refused_as("again", &again);
    assert_eq!(refusal.code, Some(1), "{}", refusal.text);
    assert!(refusal.text.contains("instance `kernel` is running already"), "{}", refusal.text);

    // Another instance that wants an interface of the running one; with a run directory of its own, too.
    second.ports[1].device = "hall-a".to_owned();
    let elsewhere = ["is a port of the instance `kernel`", "nft delete table netdev manifold-kernel"];
    let here = ["is a port of the running instance `kernel`", ""];
    for (run_dir, words) in [(second.run_dir.clone(), elsewhere), (recipe.run_dir.clone(), here)] {
        second.run_dir = run_dir;
        let refusal = stage.refused(&second);
        assert_eq!(refusal.code, Some(1), "{}", refusal.text);
        for words in ["port \"hall-b\": interface `hall-a`"].iter().chain(&words) {
            assert!(refusal.text.contains(words), "no `{words}` in: {}", refusal.text);
        }
        assert_eq!(stage.kernel_state(), used);
    }
    running.expect_running();
    running.end(&stage);
}

/// The drops behind the taps are a table by the instance's name, which is one's as long as it runs, however it ends.
#[test]
fn a_name_that_runs_with_another_run_directory_is_refused_until_that_one_ends() {
    let stage = Stage::new(&["hall-a", "wan2", "hall-b"], Cabling::Direct);
    let (recipe, mut second) = split(&stage);
    second.instance.clone_from(&recipe.instance);
    let fresh = stage.kernel_state();
    let mut running = stage.start(&recipe);
    let used = stage.kernel_state();
    let holder = format!("(process {}, run directory {})", running.id(), recipe.run_dir.display());
    let words =
        ["instance `kernel` is running already with another run directory", &holder, "`instance` in [proxy]"];
    for refusal in [stage.refused_by_check("again", &second), stage.refused_as("again", &second)] {
        assert_eq!(refusal.code, Some(1), "{}", refusal.text);
        for words in words {
            assert!(refusal.text.contains(words), "no `{words}` in: {}", refusal.text);
        }
        assert_eq!(stage.kernel_state(), used);
    }
    running.expect_running();

    // What a crash leaves behind has no name any more.
    running.kill();
    stage.start(&second).end(&stage);
    stage.start(&recipe).end(&stage);
    assert_eq!(stage.kernel_state(), fresh);
}
