//! The settings' file: its example, and what is refused.

use std::path::Path;

use backend::settings::Settings;

const EXAMPLE: &str = include_str!("../../../packaging/backend.toml");

#[test]
fn the_example_is_the_defaults() {
    assert_eq!(Settings::parse(EXAMPLE, "backend.toml"), Ok(Settings::default()));
}

/// The example with every key in force.
fn uncommented() -> String {
    let is_key = |line: &str| {
        line.starts_with("#[") || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let lines =
        EXAMPLE.lines().map(|line| if line.starts_with('#') && is_key(line) { &line[1..] } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_key_of_the_example_says_its_default() {
    let settings = Settings::parse(&uncommented(), "backend.toml").unwrap();
    let tls = settings.tls.clone().expect("the example of [tls]");
    assert_eq!(tls.certificate, Path::new("/etc/manifold/backend.crt"));
    assert_eq!(Settings { tls: None, ..settings }, Settings::default());
}

#[test]
fn the_example_has_every_key() {
    // An unknown key in each table is answered by all that are known.
    let known = |table: &str| {
        let text = format!("{table}\nxxxxxxxxxxxxxxxxxxxxxxxx = 1\n");
        let error = Settings::parse(&text, "f").unwrap_err().to_string();
        let list =
            error.split("the keys here are ").nth(1).expect("the keys").lines().next().unwrap_or_default();
        list.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let mut keys = 0;
    for table in ["", "[tls]", "[session]", "[limits]", "[metrics]"] {
        for key in known(table) {
            let line = [format!("#{key} = "), format!("#[{key}]")];
            assert!(EXAMPLE.lines().any(|l| line.iter().any(|start| l.starts_with(start.as_str()))), "{key}");
            keys += 1;
        }
    }
    assert!(keys > 20, "{keys}");
}

fn refused(text: &str) -> String {
    Settings::parse(text, "b.toml").expect_err(text).to_string()
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_cure() {
    let cases = [
        (
            "listn = \"127.0.0.1:1\"",
            "b.toml:1:1: unknown key `listn` in the file's top level; did you mean `listen`?",
        ),
        ("\nlisten = 8480", "b.toml:2:10: `listen` is a whole number; it takes an IP address with a port"),
        ("listen = \"localhost:8480\"", "it takes an IP address with a port"),
        ("socket = \"manifold.sock\"", "it takes an absolute path"),
        ("hosts = [\"https://iptv.example\"]", "without scheme and port"),
        ("unit = \"--help\"", "it takes a name like \"manifold.service\", or false"),
        ("unit = true", "it takes the name of a systemd unit, or false"),
        ("[tls]\ncertificate = \"/a\"", "b.toml:1:1: [tls] needs certificate and key"),
        ("[session]\nidle = \"30\"", "no unit"),
        ("[session]\nidle = \"2h\"\nabsolute = \"1h\"", "raise `absolute`"),
        ("[limits]\nstreams = 0", "it takes a whole number from 1 to 4096"),
        ("[limits]\nbody-kib = 61", "it takes a whole number from 1 to 60 KiB"),
        ("trusted-proxies = [\"0.0.0.0/0\"]", "an address or a prefix that is not everybody's"),
        ("trusted-proxies = \"10.0.0.1\"", "it takes a list of addresses and prefixes"),
        ("[metrics]\nopen-on-loopback = \"yes\"", "it takes true or false, without quotes"),
        ("[metrics", "not TOML"),
    ];
    for (text, told) in cases {
        let error = refused(text);
        assert!(error.contains(told), "{text}: {error}");
    }
    let all = refused("listen = 1\nsocket = 2\nnothing = 3");
    assert_eq!(all.lines().count(), 3, "one look finds them all: {all}");
}

#[test]
fn an_address_that_others_reach_needs_tls_or_force() {
    for address in ["0.0.0.0:8480", "[::]:8480", "192.168.1.5:8480", "203.0.113.7:443", "[2001:db8::1]:443"] {
        let listen = format!("listen = \"{address}\"\n");
        let error = refused(&listen);
        assert!(error.contains("without TLS") && error.contains("give [tls] certificate and key"), "{error}");
        let with_tls = format!("{listen}[tls]\ncertificate = \"/a\"\nkey = \"/b\"\n");
        assert!(Settings::parse(&with_tls, "b.toml").is_ok());
        assert!(Settings::parse(&format!("{listen}allow-public-without-tls = true"), "b.toml").is_ok());
        assert!(Settings::parse(&format!("{listen}allow-public-without-tls = false"), "b.toml").is_err());
    }
    for address in ["127.0.0.1:0", "127.9.9.9:8480", "[::1]:8480"] {
        assert!(Settings::parse(&format!("listen = \"{address}\""), "b.toml").is_ok());
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = Settings::load(Some(Path::new("/nonexistent/backend.toml"))).unwrap_err().to_string();
    assert!(error.contains("there is no such file") && error.contains("packaging/backend.toml"), "{error}");
}
