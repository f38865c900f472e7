//! The live layer over the administrator's, and reading both from files.

use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use settings::{Settings, SettingsError, Sources, load, parse, parse_layers, reload};

const MAIN: &str = "[proxy]\nupstream = \"wan\"\nlocal-groups = []\n\
    [defaults]\nquery-interval = \"60s\"\n\
    [[port]]\nname = \"wan\"\ndevice = \"e0\"\naddress = \"10.0.0.2/24\"\n\
    [[port]]\nname = \"hall\"\ndevice = \"e1\"\naddress = \"10.1.0.1/24\"\nquery-interval = \"30s\"\n";

fn both(live: &str) -> Result<Settings, SettingsError> {
    parse_layers(MAIN, "manifold.toml", live, "live.toml")
}

#[track_caller]
fn refused(live: &str, messages: &[&str]) {
    assert_eq!(both(live).expect_err("refused").to_string(), messages.join("\n"));
}

#[test]
fn an_empty_live_layer_changes_nothing() {
    assert_eq!(both("").unwrap(), parse(MAIN, "manifold.toml").unwrap());
}

#[test]
fn the_live_layer_goes_before_the_administrators() {
    let live = "[proxy]\nenabled = false\nupstream = \"hall\"\n\
        [[port]]\nname = \"wan\"\nsources = true\naddress = \"10.9.0.1/24\"\n\
        [[port]]\nname = \"bar\"\ndevice = \"0000:3b:00.1\"\naddress = \"10.3.0.1/24\"\n";
    let settings = both(live).unwrap();
    assert!(!settings.proxy.enabled);
    assert_eq!(settings.upstream_port().unwrap().name, "hall");
    let wan = settings.port("wan").unwrap().1;
    assert_eq!((wan.sources, wan.address.unwrap().to_string()), (Sources::Yes, "10.9.0.1/24".to_owned()));
    assert_eq!(wan.timers.query_interval, Duration::from_secs(60), "from [defaults]");
    assert_eq!(settings.port("hall").unwrap().1.timers.query_interval, Duration::from_secs(30));
    let bar = settings.port("bar").unwrap().1;
    assert_eq!(
        (bar.device.to_string(), bar.timers.query_interval.as_secs()),
        ("0000:3b:00.1".to_owned(), 60)
    );
    assert_eq!(settings.ports.len(), 3);
    // Its own interval was for the other role; wan's `sources` is heeded now.
    let [warning] = &settings.warnings[..] else { panic!("{:?}", settings.warnings) };
    assert_eq!(
        warning.to_string(),
        "manifold.toml:14:18: `query-interval` is for ports for clients, and port \"hall\" is the provider's; leave it \
         out, unless the port is to change its role"
    );
}

#[test]
fn what_would_load_code_or_write_files_does_not_come_by_the_live_layer() {
    let cure = "set it in manifold.toml";
    refused(
        "[eal]\nargs = [\"-d\", \"/tmp/evil.so\"]\n[paths]\nrun-dir = \"/etc\"\n[proxy]\nrouter-mac = \
         \"02:00:00:00:00:01\"\n[[port]]\nname = \"x\"\ndevice = \"net_pcap0,tx_pcap=/etc/passwd\"\n[[port]]\n\
         name = \"hall\"\nmtu = 9000\n",
        &[
            &format!(
                "live.toml:1:2: `eal` in the file's top level: only the administrator's file may have it; {cure}"
            ),
            &format!(
                "live.toml:3:2: `paths` in the file's top level: only the administrator's file may have it; {cure}"
            ),
            &format!(
                "live.toml:6:1: `router-mac` in [proxy]: only the administrator's file may set it; {cure}"
            ),
            "live.toml:9:10: `device` is `net_pcap0`, a virtual device; set it in manifold.toml; here it takes a PCI \
             address or an interface",
            &format!(
                "live.toml:12:1: `mtu` in [[port]] \"hall\": only the administrator's file may set it; {cure}"
            ),
        ],
    );
}

#[test]
fn a_device_of_the_administrators_stays() {
    refused(
        "[[port]]\nname = \"hall\"\ndevice = \"e9\"\n",
        &[
            "live.toml:3:10: port \"hall\" has its device in manifold.toml; leave `device` out here, or give the new port \
           another name",
        ],
    );
}

#[test]
fn a_port_of_the_live_layer_that_the_administrator_took_over_is_one_port() {
    let settings = both("[[port]]\nname = \"hall\"\ndevice = \"e1\"\nany-ttl = true\n").unwrap();
    assert_eq!(settings.ports.len(), 2);
    assert!(settings.port("hall").unwrap().1.any_ttl);
}

#[test]
fn the_whole_is_checked_with_places_in_both_files() {
    refused(
        "[proxy]\nupstream = \"gone\"\n[[port]]\nname = \"new\"\ndevice = \"e1\"\n[[port]]\nname = \"new\"\n\
         device = \"e3\"\n[[port]]\nname = \"hall\"\nquery-response-interval = \"25.5s\"\nquery-interval = \"20s\"\n",
        &[
            "live.toml:2:12: `upstream` is \"gone\", which is no port; the ports are \"wan\", \"hall\", \"new\", \"new\"",
            "live.toml:5:10: port \"new\" takes the interface e1, which port \"hall\" has; give each port its own; the \
             first is at manifold.toml:12:10",
            "live.toml:7:8: a second port is named \"new\"; rename one; the first is at live.toml:4:8",
            "live.toml:11:27: `query-response-interval` of 25.5s is not less than `query-interval` of 20s for port \
             \"hall\"; lower the first or raise the second: hosts answer within the one before the other comes",
        ],
    );
}

#[test]
fn a_port_that_the_administrator_took_away_does_not_stop_the_start() {
    let settings = both("[[port]]\nname = \"gone\"\nsources = true\n").unwrap();
    assert_eq!(settings.ports.len(), 2);
    let warnings: Vec<_> = settings.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "live.toml:2:8: port \"gone\" is not in the administrator's file any more; it is passed over; put the port back, \
          or remove it here"
        ]
    );
}

#[test]
fn ports_of_both_layers_count_together() {
    let live: String = (0..63).map(|i| format!("[[port]]\nname = \"n{i}\"\ndevice = \"n{i}\"\n")).collect();
    refused(&live, &["live.toml:187:1: there are 65 ports; Manifold has at most 64: remove from here on"]);
    let (fits, _) = live.rsplit_once("[[port]]").unwrap();
    assert_eq!(both(fits).unwrap().ports.len(), 64);
}

#[test]
fn the_largest_file_of_nothing_but_ports_is_refused_at_once() {
    let text = "[[port]]\n".repeat(100_000);
    let error = parse(&text, "m.toml").unwrap_err();
    assert_eq!(error.problems().len(), 2 * 64 + 1);
    assert!(error.to_string().contains("m.toml:65:1: there are 100000 ports; "));
}

#[test]
fn files_are_read_and_their_faults_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let main = path("m.toml");
    let error = |path: &std::path::Path| load(path).unwrap_err().to_string();
    assert_eq!(
        error(&main),
        format!(
            "{}: there is no such file; name the settings file with -c, or begin with the example in \
             packaging/manifold.toml",
            main.display()
        )
    );
    assert!(error(dir.path()).ends_with("; name the file in it"), "{}", error(dir.path()));
    fs::write(&main, b"# one\n\xff\n").unwrap();
    assert_eq!(
        error(&main),
        format!("{}: is not UTF-8 text in line 2; save it as UTF-8; TOML is always that", main.display())
    );
    fs::write(&main, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(error(&main).contains("is larger than 1 MiB"));

    let live = path("live.toml");
    fs::write(&main, format!("{MAIN}[paths]\nlive = {live:?}\n")).unwrap();
    assert!(load(&main).unwrap().proxy.enabled, "a live layer that is not there yet");
    fs::write(&live, "[proxy]\nenabled = false\n").unwrap();
    assert!(!load(&main).unwrap().proxy.enabled);
    fs::write(&live, "[proxy]\nenabled = fal").unwrap();
    let error = reload(&main).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}:2:11: not TOML: ", live.display())), "{error}");
    fs::write(&main, format!("{MAIN}[paths]\nlive = false\n")).unwrap();
    assert!(load(&main).unwrap().proxy.enabled);
}

/// Lines that are settings, or nearly.
fn line() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        "name|device|address|upstream|enabled|query-interval|sources|args|cores|live|mtu|local-groups|path",
        "access|static-groups|sources-allowed|ssm-range|fast-leave|igmp-version|re-report-interval|max-groups|leave",
        "[a-z-]{0,8}",
    ];
    let value = prop_oneof![
        "\"(wan|eth0|10.0.0.1/24|10s|99999h|net_null0|[0-9./:]{0,20})\"",
        "\\[\"(deny )?(239.1.1.1|239.0.0.0/8|10.0.0.0/8)\"\\]|\"(tracked|single|always)\"",
        "[0-9]{1,22}|true|false|\\[\\]|\\[1, \"a\"\\]|1979-05-27|0x7f|1e9|nan",
        "\"\\PC{0,12}\"",
    ];
    prop_oneof![
        "\\[(proxy|defaults|eal|worker|table|socket|paths|log|record)\\]",
        Just("[[port]]".to_owned()),
        (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
    ]
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "\\PC*", live in "[\\[\\]a-z=\"\n ]*") {
        let _ = parse_layers(&text, "a", &live, "b");
    }

    #[test]
    fn no_settings_make_reading_panic(lines in prop::collection::vec(line(), 0..20),
                                      live in prop::collection::vec(line(), 0..10)) {
        let text = lines.join("\n");
        match parse_layers(&text, "a", &live.join("\n"), "b") {
            Ok(settings) => prop_assert!(!settings.ports.is_empty() && settings.ports.len() <= 64),
            Err(error) => {
                prop_assert!(!error.problems().is_empty());
                for problem in error.problems() {
                    prop_assert!(!problem.what.is_empty() && !problem.cure.is_empty());
                    prop_assert!(!problem.to_string().contains(|c: char| c.is_control()), "{}", problem);
                }
            }
        }
    }
}
