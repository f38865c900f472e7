//! What cannot be replayed: one message that says what is wrong and the cure, and no capture half-written for it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::frames::{GROUP, data};
use crate::support::process::{Place, Refusal, refused};
use crate::support::program;
use crate::support::replay::write_capture;
use crate::support::sent::START;

/// Bytes of a capture's header, and of a record's.
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// A folder with settings, a good capture of three frames, and what a test makes of it.
struct Case(Place);

impl Case {
    fn new() -> Self {
        let place = Place::new();
        place.write(&place.null_settings());
        let frames: Vec<_> = (0..3).map(|n| data(GROUP, n)).collect();
        write_capture(&place.folder().join("good.pcap"), frames.iter().map(|frame| (START, &frame[..])));
        Self(place)
    }

    fn good(&self) -> Vec<u8> {
        fs::read(self.0.folder().join("good.pcap")).unwrap()
    }

    fn replay(&self, arguments: &[&str]) -> Command {
        let mut command = program::manifold(self.0.folder());
        command.current_dir(self.0.folder()).args(["replay", "-c", "manifold.toml"]).args(arguments);
        command
    }

    /// What a capture of these bytes is refused with.
    fn capture(&self, bytes: &[u8]) -> String {
        fs::write(self.0.folder().join("bad.pcap"), bytes).unwrap();
        let Refusal { code, message, all } =
            refused(&mut self.replay(&["--in", "wan=bad.pcap", "--out", "out"]));
        assert_eq!(code, Some(1), "the machine's, not the settings' fault: {message}");
        assert_eq!(all, format!("manifold: {message}\n"), "the message and nothing else");
        assert!(!self.0.folder().join("out").exists(), "no capture out for none in");
        message.strip_prefix("bad.pcap: ").unwrap_or_else(|| panic!("which file? {message}")).to_owned()
    }
}

/// Where record `number` begins, from 0.
fn record(number: usize) -> usize {
    FILE_HEADER + number * (RECORD_HEADER + data(GROUP, 0).len())
}

#[test]
fn a_good_capture_passes() {
    let case = Case::new();
    let output = case.replay(&["--in", "wan=good.pcap", "--out", "out"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(String::from_utf8_lossy(&output.stdout).contains("wan: 3 received"));
    let mut out: Vec<_> =
        fs::read_dir(case.0.folder().join("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    out.sort();
    assert_eq!(out, ["hall-a.pcap", "hall-b.pcap", "wan.pcap"]);
}

#[test]
fn a_port_that_is_none_is_a_fault_of_the_command_line() {
    let refusal = refused(&mut Case::new().replay(&["--in", "dsl=good.pcap", "--out", "out"]));
    assert_eq!(refusal.code, Some(2));
    assert_eq!(
        refusal.all,
        "manifold: --in dsl=...: there is no such port; the ports are wan, hall-a, hall-b\n"
    );
}

#[test]
fn a_capture_is_not_replaced_by_what_its_port_sent() {
    let case = Case::new();
    let folder = case.0.folder();
    fs::copy(folder.join("good.pcap"), folder.join("wan.pcap")).unwrap();
    std::os::unix::fs::symlink(folder, folder.join("elsewhere")).unwrap();
    for out in [".", "elsewhere"] {
        let refusal = refused(&mut case.replay(&["--in", "wan=wan.pcap", "--out", out]));
        assert_eq!(refusal.code, Some(2));
        assert_eq!(
            refusal.all,
            "manifold: --out would overwrite the capture wan.pcap; name another folder\n"
        );
        assert_eq!(fs::read(folder.join("wan.pcap")).unwrap(), case.good());
        assert!(!folder.join("hall-a.pcap").exists());
    }
}

#[test]
fn a_summary_that_cannot_be_written_is_told() {
    let case = Case::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = case.replay(&["--in", "wan=good.pcap", "--out", "out"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("manifold: cannot write to standard output: "), "{text}");
}

#[test]
fn arguments_that_do_not_read_are_told_how_to_be_written() {
    let case = Case::new();
    for (arguments, wanted) in [
        (&["--in", "good.pcap", "--out", "out"][..], "write it as PORT=FILE, for example wan=provider.pcap"),
        (&["--in", "wan=", "--out", "out"], "write it as PORT=FILE"),
        (
            &["--in", "wan=good.pcap", "--out", "out", "--until", "soon"],
            "write it in seconds, for example 300",
        ),
        (&["--in", "wan=good.pcap", "--out", "out", "--until=-1"], "it must not be negative"),
        (&["--in", "wan=good.pcap"], "--out <DIR>"),
        (&["--out", "out"], "--in <PORT=FILE>"),
    ] {
        let output = case.replay(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(wanted), "{arguments:?}: {told}");
    }
}

#[test]
fn what_is_no_capture_is_told_apart() {
    let case = Case::new();
    let convert = "give one in pcap format; `editcap -F pcap` converts others";
    let pcapng = [0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a];
    for (bytes, what) in [
        (&b"[proxy]\nupstream = \"wan\"\n"[..], "it is no capture in pcap format"),
        (&[], "it is no capture in pcap format"),
        (&[0xd4, 0xc3], "it is no capture in pcap format"),
        (&pcapng, "it is in pcapng format"),
        (&case.good()[..20], "its header does not read: the file ends within it"),
    ] {
        assert_eq!(case.capture(bytes), format!("{what}; {convert}"));
    }
}

#[test]
fn a_capture_of_another_link_type_is_refused() {
    // 113 is `tcpdump -i any`, 101 a tunnel's bare IP, 228 the same for IPv4.
    let case = Case::new();
    for (link, name) in [(113, "LINUX_SLL"), (101, "RAW"), (228, "IPV4")] {
        let mut bytes = case.good();
        let native = u32::from_be_bytes([bytes[20], bytes[21], bytes[22], bytes[23]]) == 1;
        let field: u32 = link;
        bytes[20..24].copy_from_slice(&if native { field.to_be_bytes() } else { field.to_le_bytes() });
        assert_eq!(
            case.capture(&bytes),
            format!(
                "its link type is {name}, not Ethernet; capture on an Ethernet interface; not on `any`, nor on a \
                 tunnel"
            )
        );
    }
}

#[test]
fn a_truncated_capture_says_in_which_frame_it_ends() {
    let case = Case::new();
    let cure = "capture it again, or cut it down to whole frames with `editcap`";
    for (len, frame) in [(record(0) + 1, 1), (record(1) - 1, 1), (record(1) + 7, 2), (record(3) - 1, 3)] {
        assert_eq!(
            case.capture(&case.good()[..len]),
            format!("frame {frame} does not read: the file ends within it; {cure}")
        );
    }
    let mut huge = case.good();
    huge[record(1) + 8..record(1) + 16].fill(0xff);
    assert_eq!(case.capture(&huge), format!("frame 2 does not read: the file ends within it; {cure}"));
}

#[test]
fn frames_cut_when_captured_are_refused() {
    let case = Case::new();
    let mut bytes = case.good();
    // The original length of the second record: 1,358 of which 50 were kept.
    let original: u32 = 1358;
    let field = record(1) + 12;
    let big = bytes[field] == 0;
    bytes[field..field + 4].copy_from_slice(&if big {
        original.to_be_bytes()
    } else {
        original.to_le_bytes()
    });
    assert_eq!(
        case.capture(&bytes),
        "frame 2 was cut from 1358 to 50 bytes; capture whole frames, with `tcpdump -s 0`"
    );
}

#[test]
fn captures_without_a_frame_are_refused() {
    let case = Case::new();
    fs::write(case.0.folder().join("none.pcap"), &case.good()[..FILE_HEADER]).unwrap();
    let refusal = refused(&mut case.replay(&["--in", "wan=none.pcap", "--out", "out"]));
    assert_eq!(refusal.code, Some(1));
    assert_eq!(
        refusal.message,
        "the captures hold no frame; give --in PORT=FILE with what the port received"
    );
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    let case = Case::new();
    for (arguments, wanted) in [
        (["--in", "wan=nowhere.pcap", "--out", "out"], "nowhere.pcap: No such file or directory"),
        (["--in", "wan=/", "--out", "out"], "/: Is a directory"),
        (["--in", "wan=good.pcap", "--out", "good.pcap"], "good.pcap: File exists"),
        (["--in", "wan=good.pcap", "--out", "good.pcap/out"], "good.pcap/out: Not a directory"),
    ] {
        let refusal = refused(&mut case.replay(&arguments));
        assert_eq!(refusal.code, Some(1));
        assert!(refusal.message.starts_with(wanted), "{}", refusal.message);
        assert!(refusal.message.contains("; "), "and the cure: {}", refusal.message);
    }
    // A bad second capture: the good first one is not half replayed.
    fs::write(case.0.folder().join("cut.pcap"), &case.good()[..record(2) - 1]).unwrap();
    let both = ["--in", "wan=good.pcap", "--in", "hall-a=cut.pcap", "--out", "out"];
    assert!(refused(&mut case.replay(&both)).message.starts_with("cut.pcap: frame 2 "));
    assert!(!Path::new(&case.0.folder().join("out")).exists());
}
