//! The stage of the browser's tests: a provider, two halls with a host each, a spare connection, a bridge and a tun, and
//! Manifold in the middle of them. Runs `page-stage NODE-ARGUMENT...` as `node` in the middle's namespace, and does what
//! that asks for over a socket, one line a request, one a reply:
//!
//! `join HOST GROUP`, `leave HOST GROUP`, `send HOST GROUP PER-SECOND`, `quiet HOST GROUP`, `stop`, `start`.

use lab::{Host, Lab, LabError, Manifold, Netns, Process, Receiver, Sender};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs};
use types::{GroupAddr, Ipv4Net};

/// UDP port of all streams.
const PORT: u16 = 5004;
/// TTL of what sources send.
const TTL: u8 = 16;
/// How long Manifold may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// The browser's end and the page's: the interface between them is the one that carries the page.
const PAGE: &str = "192.168.50.1";

/// Interfaces in the middle, and the host's network at the other end of each.
const CABLES: [(&str, u8); 4] = [("wan", 0), ("hall-a", 1), ("hall-b", 2), ("spare", 3)];

const SETTINGS: &str = r#"
[proxy]
upstream = "wan"

[defaults]
query-interval = "10s"
query-response-interval = "1s"
last-member-query-interval = "500ms"
unsolicited-report-interval = "1s"

[eal]
hugepages = "no"
max-ports = 5

[table]
max-groups = 4096

[worker]
poll = "adaptive"

[[port]]
name = "wan"
device = "wan"
address = "10.0.0.1/24"

[[port]]
name = "hall-a"
device = "hall-a"
address = "10.1.0.1/24"

[[port]]
name = "hall-b"
device = "hall-b"
address = "10.2.0.1/24"
access = ["deny 239.9.0.0/16"]
"#;

fn main() -> ExitCode {
    lab::helper::run_if_asked().unwrap_or_else(|| match play() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("page-stage: {error}");
            ExitCode::FAILURE
        }
    })
}

fn play() -> Result<ExitCode, Failure> {
    lab::become_root()?;
    lab::stop::on_signals()?;
    let lab = Lab::new()?;
    let middle = lab.netns("middle")?;
    let hosts = wire(&lab, &middle)?;
    let orders = lab.scratch().join("orders");
    let listener = UnixListener::bind(&orders)?;
    let mut stage = Stage::new(&lab, &middle, hosts)?;
    stage.start()?;
    let mut node = middle.command("node");
    node.args(env::args_os().skip(1));
    for (name, value) in [
        ("STAGE_ORDERS", orders.as_path()),
        ("STAGE_SOCKET", &stage.socket),
        ("STAGE_SCRATCH", lab.scratch()),
        ("STAGE_BACKEND", &lab::manifold_binary()?.with_file_name("manifold-backend")),
        ("STAGE_PAGE", Path::new(PAGE)),
    ] {
        node.env(name, value);
    }
    let mut node = Process::spawn(&mut node, "node")?;
    listener.set_nonblocking(true)?;
    let mut client = None;
    loop {
        if let Some(status) = node.ended()? {
            return Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)));
        }
        lab::stop::pause(Duration::from_millis(10))?;
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true)?;
            client = Some(BufReader::new(stream));
        }
        if let Some(stream) = client.as_mut() {
            serve(stream, &mut stage)?;
        }
    }
}

/// Does what one line asks for, if there is one.
fn serve(stream: &mut BufReader<UnixStream>, stage: &mut Stage<'_>) -> Result<(), Failure> {
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(_) if line.ends_with('\n') => {}
        // Lines are short and come whole.
        Ok(_) | Err(_) => return Ok(()),
    }
    let reply = match stage.obey(&line.split_whitespace().collect::<Vec<_>>()) {
        Ok(()) => "ok\n".to_owned(),
        Err(error) => format!("{error}\n"),
    };
    stream.get_mut().write_all(reply.as_bytes())?;
    Ok(())
}

type Failure = Box<dyn std::error::Error>;

/// Every cable with its host, and what no port can be made of.
fn wire(lab: &Lab, middle: &Netns) -> Result<HashMap<String, Host>, LabError> {
    let mut hosts = HashMap::new();
    for (interface, net) in CABLES {
        let address: Ipv4Net = format!("10.{net}.0.2/24").parse().expect("an address");
        let host = Host::attach(lab, &format!("at-{interface}"), address, (middle, interface))?;
        host.force_igmp_version(2)?;
        hosts.insert(interface.to_owned(), host);
    }
    middle.ip("link set lo up")?;
    middle.ip("link add br0 type bridge")?;
    middle.ip("link set br0 up")?;
    middle.ip("tuntap add tun0 mode tun")?;
    let office = lab.netns("office")?;
    lab.veth((middle, "mgmt"), (&office, "eth0"))?;
    middle.ip(&format!("addr add {PAGE}/24 dev mgmt"))?;
    // Dropping it would remove it: it is the cable's other end for as long as the lab lives.
    std::mem::forget(office);
    Ok(hosts)
}

/// What the tests move.
struct Stage<'l> {
    lab: &'l Lab,
    middle: &'l Netns,
    hosts: HashMap<String, Host>,
    settings: PathBuf,
    socket: PathBuf,
    manifold: Option<Manifold>,
    receivers: HashMap<(String, GroupAddr), Receiver>,
    senders: HashMap<(String, GroupAddr), Sender>,
}

impl<'l> Stage<'l> {
    fn new(lab: &'l Lab, middle: &'l Netns, hosts: HashMap<String, Host>) -> Result<Self, Failure> {
        let place = lab.scratch();
        let (settings, socket) = (place.join("manifold.toml"), place.join("manifold.sock"));
        let paths = format!(
            "[paths]\nrun-dir = \"{0}/run\"\nlive = \"{0}/live.toml\"\n\n[socket]\npath = \"{0}/manifold.sock\"\n",
            place.display()
        );
        let instance = format!("instance = \"page-{}\"\n", std::process::id());
        let text = SETTINGS.replacen("[proxy]\n", &format!("[proxy]\n{instance}"), 1);
        fs::write(&settings, format!("{text}\n{paths}"))?;
        let (receivers, senders) = (HashMap::new(), HashMap::new());
        Ok(Self { lab, middle, hosts, settings, socket, manifold: None, receivers, senders })
    }

    fn start(&mut self) -> Result<(), LabError> {
        self.manifold = Some(Manifold::start(self.lab, self.middle, &self.settings, &self.socket)?);
        Ok(())
    }

    fn obey(&mut self, words: &[&str]) -> Result<(), Failure> {
        match words {
            ["start"] => self.start()?,
            ["stop"] => {
                let manifold = self.manifold.take().ok_or("it does not run")?;
                manifold.stop(STOP_LIMIT)?;
            }
            ["join", host, group] => {
                let (group, key) = key(host, group)?;
                let receiver = Receiver::join(self.lab, self.host(host)?, (group, PORT))?;
                self.receivers.insert(key, receiver);
            }
            ["leave", host, group] => {
                let receiver = self.receivers.remove(&key(host, group)?.1).ok_or("it has not joined")?;
                receiver.leave()?;
            }
            ["send", host, group, rate] => {
                let (group, key) = key(host, group)?;
                let sender = Sender::start(self.lab, self.host(host)?, (group, PORT), TTL, rate.parse()?)?;
                self.senders.insert(key, sender);
            }
            ["quiet", host, group] => {
                let sender = self.senders.remove(&key(host, group)?.1).ok_or("it does not send")?;
                sender.stop()?;
            }
            _ => return Err("not an order".into()),
        }
        Ok(())
    }

    fn host(&self, name: &str) -> Result<&Host, Failure> {
        self.hosts.get(name).ok_or_else(|| "there is no such host".into())
    }
}

fn key(host: &str, group: &str) -> Result<(GroupAddr, (String, GroupAddr)), Failure> {
    let group: GroupAddr = group.parse().map_err(|_| "not a group")?;
    Ok((group, (host.to_owned(), group)))
}
