//! Changes over the socket: what they do to the live layer's text, and what they can never do.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use settings::{Edit, EditError, LiveLayer, Settings, apply_edits, load_layers, parse_layers};

const MAIN: &str = "[proxy]\nupstream = \"wan\"\n\
    [[port]]\nname = \"wan\"\ndevice = \"3b:00.0\"\naddress = \"10.0.0.2/24\"\n\
    [[port]]\nname = \"hall\"\ndevice = \"3b:00.1\"\naddress = \"10.1.0.1/24\"\n";

fn edit(port: Option<&str>, key: &str, value: Option<&str>) -> Edit {
    Edit { port: port.map(str::to_owned), key: key.to_owned(), value: value.map(str::to_owned) }
}

/// A port's key set.
fn set(port: &str, key: &str, value: &str) -> Edit {
    edit(Some(port), key, Some(value))
}

fn unset(port: &str, key: &str) -> Edit {
    edit(Some(port), key, None)
}

const HEADER: &str = "# What page and socket changed; it goes before the administrator's settings. Manifold writes this file.\n";

#[test]
fn the_first_change_makes_the_layer() {
    for empty in [None, Some(""), Some("\n")] {
        let text = apply_edits(
            empty,
            &[
                edit(None, "enabled", Some("false")),
                set("hall", "fast-leave", " \"tracked\" "),
                set("hall", "access", "[\"deny 239.9.0.0/16\"]"),
                set("bar", "device", "\"eth5\""),
                set("bar", "address", "\"10.5.0.1/24\""),
            ],
        );
        assert_eq!(
            text.unwrap(),
            format!(
                "{HEADER}[proxy]\nenabled = false\n\n[[port]]\nname = \"hall\"\nfast-leave = \"tracked\"\n\
                 access = [\"deny 239.9.0.0/16\"]\n\n[[port]]\nname = \"bar\"\ndevice = \"eth5\"\n\
                 address = \"10.5.0.1/24\"\n"
            )
        );
    }
}

#[test]
fn comments_and_order_stay() {
    let old = "# by hand\n[proxy] # switch\nenabled = true # on for good\n\n# the hall\n[[port]]\n# which\nname = \"hall\"\n\
               # why\nfast-leave = \"single\"  # one host\nrobustness = 3\n# the end\n";
    let new = apply_edits(
        Some(old),
        &[
            edit(None, "enabled", Some("false")),
            set("hall", "fast-leave", "\"off\""),
            unset("hall", "robustness"),
        ],
    );
    let expected =
        old.replace("= true #", "= false #").replace("\"single\"", "\"off\"").replace("robustness = 3\n", "");
    assert_eq!(new.unwrap(), expected);
    assert_eq!(apply_edits(Some(old), &[]).unwrap(), old);
}

#[test]
fn tables_written_inline_are_edited_too() {
    let old = "proxy = { enabled = true }\nport = [{ name = \"hall\", robustness = 3 }]\n";
    let edits = [edit(None, "upstream", Some("\"hall\"")), set("hall", "any-ttl", "true")];
    let new = apply_edits(Some(old), &edits).unwrap();
    let settings = parse_layers(MAIN, "m", &new, "l").unwrap();
    let hall = settings.port("hall").unwrap().1;
    assert_eq!((hall.timers.robustness, hall.any_ttl), (3, true));
    assert_eq!(settings.upstream_port().unwrap().name, "hall");
}

#[test]
fn what_is_taken_out_leaves_no_trace() {
    let both = [
        set("hall", "any-ttl", "true"),
        set("bar", "device", "\"e5\""),
        edit(None, "enabled", Some("false")),
    ];
    let text = apply_edits(None, &both).unwrap();
    let back = [unset("hall", "any-ttl"), unset("bar", "device"), edit(None, "enabled", None)];
    let text = apply_edits(Some(&text), &back).unwrap();
    assert_eq!(text, HEADER);
    // What is not there can be taken out again.
    assert_eq!(
        apply_edits(Some(&text), &[unset("hall", "any-ttl"), edit(None, "upstream", None)]).unwrap(),
        text
    );
}

#[test]
fn a_port_of_the_administrators_cannot_be_removed() {
    let refused =
        |live: Option<&str>, name: &str| apply_edits(live, &[unset(name, "device")]).unwrap_err().to_string();
    let message = "`device` in [[port]] \"hall\": no port named \"hall\" was added while Manifold ran, and only such can be \
                   removed so; look at `manifoldctl show ports`; one of the administrator's file goes by taking it out \
                   there, and a reload";
    assert_eq!(refused(None, "hall"), message);
    assert_eq!(refused(Some("[[port]]\nname = \"hall\"\nany-ttl = true\n"), "hall"), message);
}

/// The administrator's file, with its live layer in force.
fn layer(live: Option<&str>) -> (tempfile::TempDir, PathBuf, Settings, LiveLayer) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.toml");
    let live_path = dir.path().join("live/live.toml");
    fs::write(&path, format!("{MAIN}[paths]\nlive = {live_path:?}\n")).unwrap();
    if let Some(text) = live {
        fs::create_dir(live_path.parent().unwrap()).unwrap();
        fs::write(&live_path, text).unwrap();
    }
    let (settings, layer) = load_layers(&path).unwrap();
    (dir, path, settings, layer)
}

/// Everything that would load code, write files or reach beyond policies, however it is dressed up.
#[test]
fn no_change_reaches_vdevs_eal_paths_the_record_descriptors_or_mtu() {
    let (_dir, _, before, layer) = layer(None);
    let refused = |edit: Edit| {
        let early = apply_edits(None, std::slice::from_ref(&edit));
        let error = layer.edit(std::slice::from_ref(&edit)).expect_err(&format!("{edit:?}"));
        assert!(
            apply_edits(None, std::slice::from_ref(&edit)).is_err()
                || matches!(error, EditError::Settings(_))
        );
        (early.is_err(), error.to_string())
    };
    for key in
        ["mtu", "rx-descriptors", "tx-descriptors", "name", "role", "upstream", "port", "", "any_ttl", "a.b"]
    {
        let (early, error) = refused(set("hall", key, "512"));
        assert!(early, "{key}");
        assert!(error.contains("is no setting that can be changed while Manifold runs; "), "{error}");
    }
    for key in [
        "instance",
        "router-mac",
        "args",
        "eal",
        "eal.args",
        "path",
        "run-dir",
        "live",
        "record",
        "record.path",
        "socket",
        "group",
        "cores",
        "max-groups",
        "max-ports",
        "hugepages",
        "level",
        "port",
        "any-ttl",
        "device",
        "paths",
    ] {
        let (early, error) = refused(edit(None, key, Some("\"/tmp/x\"")));
        assert!(early, "{key}");
        let of_a_port = error.contains("is a setting of a port; name the port: `--port NAME`");
        assert_eq!(of_a_port, ["max-groups", "any-ttl", "device"].contains(&key), "{error}");
        assert!(
            of_a_port || error.contains("is no setting that can be changed while Manifold runs; "),
            "{error}"
        );
    }
    for device in [
        "net_pcap0,tx_pcap=/etc/passwd",
        "net_pcap0",
        "net_null0",
        "net_tap0,iface=x",
        "net_af_packet0,iface=eth0",
        "net_virtio_user0,path=/dev/vhost-net",
        "net_ring0",
    ] {
        for text in [format!("\"{device}\""), format!("'{device}'"), format!("\"\"\"{device}\"\"\"")] {
            let (early, error) = refused(set("new", "device", &text));
            assert!(early, "{text}");
            assert!(
                error.contains("is a virtual device, which could load code or write any file"),
                "{error}"
            );
        }
    }
    for device in ["\"eth0,iface=x\"", "\"../eth0\"", "\"--vdev=net_null0\"", "5", "[\"eth0\"]"] {
        let (_, error) = refused(set("new", "device", device));
        assert!(error.contains("`device`"), "{error}");
    }
    // A value ends where TOML says that it ends: no line comes after it.
    for value in [
        "true\n[eal]\nargs = [\"-d\", \"/tmp/evil.so\"]",
        "true\nmtu = 9000",
        "true # comment\nmtu = 9000",
        "true, mtu = 9000",
        "\"off\"\n[[port]]\nname = \"x\"\ndevice = \"net_null0\"",
        "1\r\nmtu = 1",
        "",
        "off",
        "[",
        "[eal]",
    ] {
        let (early, error) = refused(set("hall", "any-ttl", value));
        let value_or_type = error.contains("is no value: ") || error.contains("`any-ttl` is a list");
        assert!(value_or_type && (early || value == "[eal]"), "{value}: {error}");
    }
    for name in ["", "a b", "a\"]\n[eal]\n", "[eal]", "ü", "../x", &"x".repeat(33)] {
        let (early, error) = refused(set(name, "any-ttl", "true"));
        assert!(early && error.contains("no port can have that name"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    // An inline table or a dotted key is one value more at most, and that is unknown.
    let (_, error) = refused(set("hall", "any-ttl", "{ mtu = 9000 }"));
    assert!(error.contains("`any-ttl` is a table"), "{error}");
    let (_, error) = refused(edit(None, "upstream", Some("{ eal = { args = [] } }")));
    assert!(error.contains("`upstream` is a table"), "{error}");
    assert_eq!(layer.edit(&[]).unwrap().0, before);
}

/// No file has the lines of a change that was not made.
#[test]
fn a_change_that_does_not_pass_is_named_by_port_key_and_value() {
    let live = "# by hand\n[[port]]\nname = \"bar\"\ndevice = \"e1\"\n";
    let (_dir, _, _, layer) = layer(Some(live));
    let refused = |edits: &[Edit]| layer.edit(edits).unwrap_err().to_string();
    let same = refused(&[set("hall", "address", "\"10.0.0.2/24\"")]);
    assert!(
        same.starts_with(
            "port \"hall\", address = \"10.0.0.2/24\": ports \"wan\" and \"hall\" have one address; "
        ),
        "{same}"
    );
    let list = refused(&[set("bar", "access", "[\n\"deny 239.9.0.0/16\",\n\"deny 10.0.0.0/8\",\n]")]);
    assert!(list.starts_with("port \"bar\", access: `access[1]`"), "{list}");
    // Both places are in the layer: the port's, and that of the port that has the interface.
    let taken = refused(&[set("lobby", "device", "\"e1\"")]);
    assert!(taken.starts_with("port \"lobby\", device: port \"lobby\" takes the interface e1, "), "{taken}");
    assert!(taken.contains("the first is at port \"bar\", device"), "{taken}");
    for said in [same, list, taken] {
        assert!(!said.contains("live.toml"), "{said}");
    }
}

#[test]
fn a_change_that_does_not_pass_names_what_would() {
    let (_dir, _, _, layer) = layer(None);
    let refused = |edits: &[Edit]| layer.edit(edits).unwrap_err().to_string();
    assert_eq!(
        refused(&[set("hall", "fast-leave", "\"fast\"")]),
        "port \"hall\", fast-leave: `fast-leave` is \"fast\"; it takes \"off\", \"single\" or \"tracked\""
    );
    assert_eq!(
        refused(&[edit(None, "upstream", Some("\"gone\""))]),
        "[proxy], upstream: `upstream` is \"gone\", which is no port; the ports are \"wan\", \"hall\""
    );
    assert_eq!(
        refused(&[set("bar", "any-ttl", "true")]),
        "`any-ttl` in [[port]] \"bar\": there is no such port; the ports are \"wan\", \"hall\"; a new one begins with its \
         `device`"
    );
    assert_eq!(
        refused(&[edit(None, "enabeld", Some("true"))]),
        "`enabeld` in [proxy]: is no setting that can be changed while Manifold runs; did you mean `enabled`? Everything \
         else is set in the administrator's file"
    );
    assert_eq!(
        refused(&[set("hall", "fast-leave", "tracked")]),
        "`fast-leave` in [[port]] \"hall\": \"tracked\" is no value: invalid boolean, expected `true`; write it as in the \
         file, text in quotes"
    );
    // All or none: the first of these would pass.
    assert!(layer.edit(&[edit(None, "enabled", Some("false")), set("hall", "any-ttl", "2")]).is_err());
    assert_eq!(layer.text(), None);
}

#[test]
fn changes_build_on_each_other_and_a_reload_finds_them() {
    let (_dir, path, _, mut layer) = layer(Some("# mine\n[proxy]\nenabled = false\n"));
    for edits in [
        vec![set("hall", "fast-leave", "\"single\"")],
        vec![edit(None, "enabled", None)],
        vec![set("new", "device", "\"eth7\""), set("new", "address", "\"10.7.0.1/24\"")],
        vec![edit(None, "upstream", Some("\"new\"")), set("new", "fast-leave", "\"off\"")],
    ] {
        let (settings, next) = layer.edit(&edits).unwrap();
        layer = next;
        assert_eq!(layer.store().unwrap(), None);
        let (reloaded, read) = settings::reload(&path).unwrap();
        assert_eq!(reloaded, settings);
        assert_eq!(read, layer);
    }
    assert_eq!(
        layer.text().unwrap(),
        "# mine\n[proxy]\nupstream = \"new\"\n\n[[port]]\nname = \"hall\"\nfast-leave = \"single\"\n\n[[port]]\n\
         name = \"new\"\ndevice = \"eth7\"\naddress = \"10.7.0.1/24\"\nfast-leave = \"off\"\n"
    );
    // The provider's port cannot be removed from under it.
    let error = layer.edit(&[unset("new", "device")]).unwrap_err().to_string();
    assert!(error.contains("`upstream` is \"new\", which is no port"), "{error}");
}

#[test]
fn a_change_brings_nothing_into_force_but_itself() {
    let (_dir, path, _, layer) = layer(None);
    let text = fs::read_to_string(&path).unwrap();
    for half_edited in [format!("{text}[log]\nlevel = \"debug\"\n"), format!("{text}[log\n")] {
        fs::write(&path, half_edited).unwrap();
        let (settings, _) = layer.edit(&[set("hall", "any-ttl", "true")]).unwrap();
        assert_eq!(settings.log.level, settings::LogLevel::Info);
    }
}

#[test]
fn without_a_live_layer_nothing_changes_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.toml");
    fs::write(&path, format!("{MAIN}[paths]\nlive = false\n")).unwrap();
    let (_, mut layer) = load_layers(&path).unwrap();
    assert_eq!(layer.path(), None);
    let error = layer.edit(&[edit(None, "enabled", Some("false"))]).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{}: there is no live layer, as `live` in [paths] is false; change this file and reload, or set `live` to a \
             file that Manifold may write",
            path.display()
        )
    );
    assert_eq!(layer.store().unwrap(), None);
}

#[test]
fn a_layer_too_large_to_be_read_again_is_not_written() {
    let (_dir, _, _, layer) = layer(None);
    let list = format!("[{}]", "\"deny 239.0.0.0/8\", ".repeat(60_000));
    let error = layer.edit(&[set("hall", "access", &list)]).unwrap_err().to_string();
    assert!(
        error.ends_with("is larger than 1 MiB; no settings are: check that it is the right file"),
        "{error}"
    );
}

#[test]
fn an_edit_of_text_that_is_no_toml_says_where_it_breaks() {
    let error =
        apply_edits(Some("[proxy]\nenabled = fal"), &[edit(None, "enabled", Some("true"))]).unwrap_err();
    assert!(matches!(&error, EditError::Settings(_)));
    assert!(error.to_string().starts_with("the live layer:2:11: not TOML: "), "{error}");
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let port = prop_oneof![Just(None), "hall|wan|new|x y".prop_map(Some), "\\PC{0,6}".prop_map(Some)];
    let key = prop_oneof![
        "enabled|upstream|local-groups|device|address|any-ttl|fast-leave|access|static-groups|mtu|name|args",
        "[a-z.\\[\\]\"\n -]{0,10}",
    ];
    let value = prop_oneof![
        Just(None),
        "true|false|[0-9]{1,4}|\"(hall|new|eth5|off|10.3.0.1/24|net_null0)\"|\\[\\]|\\[\"239.1.1.1\"\\]"
            .prop_map(Some),
        "[\\[\\]a-z={}\"'\n,#. ]{0,30}".prop_map(Some),
    ];
    (port, key, value).prop_map(|(port, key, value)| Edit { port, key, value })
}

proptest! {
    /// Whatever is asked for, what does not go through page and socket stays as it was.
    #[test]
    fn changes_touch_nothing_but_what_they_may(edits in prop::collection::vec(any_edit(), 0..8)) {
        let old = parse_layers(MAIN, "m", "", "l").unwrap();
        let mut text = None;
        for edit in &edits {
            let Ok(next) = apply_edits(text.as_deref(), std::slice::from_ref(edit)) else { continue };
            let Ok(new) = parse_layers(MAIN, "m", &next, "l") else { continue };
            prop_assert_eq!((&new.eal.args, &new.paths, &new.socket, &new.record), (&old.eal.args, &old.paths, &old.socket, &old.record));
            prop_assert_eq!((&new.worker, &new.log, &new.table), (&old.worker, &old.log, &old.table));
            prop_assert_eq!((&new.proxy.instance, new.proxy.router_mac), (&old.proxy.instance, old.proxy.router_mac));
            for port in &new.ports {
                prop_assert_eq!((port.mtu, port.rx_descriptors, port.tx_descriptors), (None, 1024, 1024));
                prop_assert!(!matches!(port.device, settings::Device::Vdev(_)));
                if let Some((_, old)) = old.port(&port.name) {
                    prop_assert_eq!(&old.device, &port.device);
                }
            }
            text = Some(next);
        }
    }
}
