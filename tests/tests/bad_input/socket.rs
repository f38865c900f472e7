//! The socket of a running Manifold: what `manifoldctl` shows, and clients that mean no good.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::process::{Place, Running, SOON, wait_for};
use crate::program;

/// Ports that receive nothing, so that the numbers stand still.
fn quiet(place: &Place) -> String {
    place.settings(&[
        ("wan", "net_null0,no-rx=1", ""),
        ("hall-a", "net_null1,no-rx=1", "static-groups = [\"239.2.2.2\"]"),
        ("hall-b", "net_null2,no-rx=1", ""),
    ])
}

fn ctl(place: &Place, arguments: &[&str]) -> String {
    let mut command = Command::new(program::binary("manifoldctl", "MANIFOLDCTL_BIN"));
    let output =
        command.arg("--socket").arg(place.socket()).args(arguments).output().expect("manifoldctl starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn json(place: &Place, what: &str) -> serde_json::Value {
    let text = ctl(place, &["--json", "show", what]);
    assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"))
}

fn client(place: &Place) -> UnixStream {
    let stream = UnixStream::connect(place.socket()).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    stream.set_write_timeout(Some(SOON)).expect("a timeout");
    stream
}

/// The next line, with its end; empty at the end of the stream.
fn line(stream: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    line
}

#[test]
fn show_tells_what_runs_as_tables_and_as_json() {
    let place = Place::new();
    let running = Running::start(&place, &quiet(&place));
    wait_for("the static group", || {
        (json(&place, "groups")["groups"].as_array()?.len() == 1 && json(&place, "status")["groups"] == 1)
            .then_some(())
    });

    let status = json(&place, "status");
    assert_eq!((&status["instance"], &status["upstream"]), (&place.instance.as_str().into(), &"wan".into()));
    assert_eq!(
        (&status["ports"], &status["enabled"], &status["hugepages"]),
        (&3.into(), &true.into(), &false.into())
    );
    assert_eq!(status["mbufs"]["size"], 8191);

    let ports = json(&place, "ports");
    let of = |key: &str| -> Vec<_> {
        ports["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p[key].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(of("name"), ["wan", "hall-a", "hall-b"]);
    assert_eq!(of("role"), ["upstream", "client", "client"]);
    assert_eq!(of("address"), ["10.0.0.1/24", "10.1.0.1/24", "10.2.0.1/24"]);
    assert_eq!(of("link"), ["up"; 3]);

    let group = &json(&place, "groups")["groups"][0];
    assert_eq!((&group["group"], &group["upstream"]["joined"]), (&"239.2.2.2".into(), &true.into()));
    assert_eq!(group["members"][0]["port"], "hall-a");

    let counters = json(&place, "counters");
    assert_eq!(counters["ports"][1]["igmp_sent"]["general-query"], 1);
    assert_eq!(counters["ports"][0]["igmp_sent"]["general-query"], 0);

    for (what, words) in [
        ("status", vec![place.instance.as_str(), "wan", "8,191"]),
        ("ports", vec!["wan", "hall-a", "hall-b", "net_null", "upstream", "client"]),
        ("groups", vec!["239.2.2.2", "hall-a"]),
        ("counters", vec!["general-query", "hall-b"]),
    ] {
        let table = ctl(&place, &["show", what]);
        assert!(words.iter().all(|word| table.contains(word)), "{what}: {table}");
        assert!(!table.contains('\x1b'), "no colour into a pipe: {table}");
    }
    running.stop();
}

#[test]
fn manifoldctl_without_a_manifold_says_how_to_get_one() {
    let place = Place::new();
    let mut command = Command::new(program::binary("manifoldctl", "MANIFOLDCTL_BIN"));
    let output = command.arg("--socket").arg(place.socket()).args(["show", "status"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&*place.socket().to_string_lossy()), "{told}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_hostile_client_is_answered_or_shut_out_and_hurts_nobody() {
    let place = Place::new();
    let running = Running::start(&place, &quiet(&place));
    let pid = running.ask("show-status")["pid"].clone();
    let alive = |after: &str| assert_eq!(running.ask("show-status")["pid"], pid, "after {after}");

    // Garbage, one line after the other: each gets its error, and the connection goes on.
    let stream = client(&place);
    for garbage in [
        &b"hello\n"[..],
        b"{}\n",
        b"\n",
        b"\xff\xfe\0\n",
        b"[[[[[[[[\n",
        b"{\"request\":\"show-status\",\"x\":1}\n",
    ] {
        (&stream).write_all(garbage).unwrap();
        let answer = line(&stream);
        assert!(answer.contains("not a request"), "{answer}");
    }
    (&stream).write_all(b"{\"request\":\"show-status\"}\n").unwrap();
    assert!(line(&stream).contains(&place.instance));
    alive("garbage");

    // A line without end: one error, and the end of the connection.
    let stream = client(&place);
    let _ = (&stream).write_all(&vec![b'x'; 1 << 20]);
    let mut answer = Vec::new();
    // The rest of what was sent is thrown away with the connection, so the end may come as a reset.
    let _ = (&stream).read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.contains("longer than 65536 bytes"), "{answer}");
    alive("a huge line");

    // Deep nesting, in a line that is short enough.
    let stream = client(&place);
    (&stream).write_all(&[&vec![b'['; 4000][..], b"\n"].concat()).unwrap();
    assert!(line(&stream).contains("not a request"));

    // Half a line, and gone; half a line, and half closed.
    let stream = client(&place);
    (&stream).write_all(b"{\"request\":\"show-st").unwrap();
    drop(stream);
    let stream = client(&place);
    (&stream).write_all(b"{\"request\":\"show-st").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(line(&stream).contains("the last line has no end"));
    alive("half a line");

    // Many requests, and nobody who reads the answers.
    let stream = client(&place);
    stream.set_write_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    while (&stream).write_all(b"{\"request\":\"show-counters\"}\n").is_ok() {}
    alive("answers that nobody reads");
    drop(stream);
    running.stop();
}

#[test]
fn a_hundred_connections_are_too_many_and_pass() {
    let place = Place::new();
    let running = Running::start(&place, &quiet(&place));
    let crowd: Vec<_> = (0..100).map(|_| client(&place)).collect();
    // The last one is told why it is not served.
    let refused = line(crowd.last().unwrap());
    assert!(
        refused.contains("too many connections") && refused.contains("close one and try again"),
        "{refused}"
    );
    // The first one is served.
    (&crowd[0]).write_all(b"{\"request\":\"show-status\"}\n").unwrap();
    assert!(line(&crowd[0]).contains(&place.instance));
    drop(crowd);
    // When they have gone there is room again.
    wait_for("a place", || {
        let stream = client(&place);
        (&stream).write_all(b"{\"request\":\"show-status\"}\n").ok()?;
        line(&stream).contains(&place.instance).then_some(())
    });
    running.stop();
}

#[test]
fn the_socket_is_for_root_and_its_group() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let place = Place::new();
    let running = Running::start(&place, &quiet(&place));
    let socket = std::fs::metadata(place.socket()).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o660);
    running.stop();
}

#[test]
fn f43_who_may_not_ask_is_told_so_though_the_sockets_mode_lets_everybody_in() {
    use std::os::unix::fs::PermissionsExt;
    /// A user and groups that have nothing to do with Manifold; root's group is the socket's where none is named.
    const NOBODY: &str = "65534";
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode of our own file");
    };
    let place = Place::new();
    let running = Running::start(&place, &quiet(&place));
    let program = place.folder().join("manifoldctl");
    std::fs::copy(program::binary("manifoldctl", "MANIFOLDCTL_BIN"), &program)
        .expect("a copy of manifoldctl");
    open(&program, 0o755);
    let socket = place.socket();
    for folder in socket.ancestors().skip(1).take_while(|folder| folder.starts_with(place.folder())) {
        open(folder, 0o755);
    }
    // Whether there was an answer, and what was said.
    let ask = |user: &str, group: &str, further: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", group, further, "--"]).arg(&program).arg("--socket");
        let output =
            command.arg(&socket).args(["show", "status"]).output().expect("setpriv, of every system");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    let (answered, said) = ask(NOBODY, NOBODY, "--clear-groups");
    assert!(!answered && said.contains("may not connect"), "by its mode: {said}");
    open(&socket, 0o666);
    let (answered, said) = ask(NOBODY, NOBODY, "--clear-groups");
    assert!(!answered && said.contains("this user may not ask"), "{said}");
    for (user, group, further) in
        [("0", NOBODY, "--clear-groups"), (NOBODY, "0", "--clear-groups"), (NOBODY, NOBODY, "--groups=0")]
    {
        let (answered, said) = ask(user, group, further);
        assert!(answered, "{user} {group} {further}: {said}");
    }
    running.stop();
}
