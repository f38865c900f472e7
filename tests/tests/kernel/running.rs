//! Manifold while it runs, what it counts and says, and how it must end.

use crate::stage::{SETTLED, SOON, STOP_LIMIT, Stage};
use api::{ChangedReply, Client, ClientError, Edit, ExplainReply, PortCounters, QuerierView, Reply, Request};
use lab::Manifold;
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use types::GroupAddr;

/// A running Manifold and how to reach it.
#[derive(Debug)]
pub(crate) struct Running {
    manifold: Manifold,
    socket: PathBuf,
    instance: String,
}

impl Running {
    /// One that answers on `socket`.
    pub(crate) fn new(manifold: Manifold, socket: PathBuf, instance: &str) -> Self {
        Self { manifold, socket, instance: instance.to_owned() }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.manifold.id()
    }

    /// How long its threads were ready to run so far and had no core.
    pub(crate) fn waited(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        // Time on a core, time waited for one, both in ns, and how often.
        let waited = |thread: PathBuf| {
            let told = fs::read_to_string(thread.join("schedstat")).ok()?;
            told.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
        };
        threads.filter_map(|thread| waited(thread.ok()?.path())).sum()
    }

    /// Where it answers.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// A port's counters.
    pub(crate) fn counters(&self, port: &str) -> PortCounters {
        let all = Client::connect(&self.socket).unwrap().counters().unwrap();
        all.ports.into_iter().find(|counters| counters.port == port).unwrap()
    }

    /// Drops on a port for one reason.
    pub(crate) fn drops(&self, port: &str, reason: &str) -> u64 {
        self.counters(port).drops[reason]
    }

    /// Waits until a port has so many drops for a reason, and not more.
    pub(crate) fn wait_for_drops(&self, port: &str, reason: &str, wanted: u64) {
        let seen = || Ok((self.drops(port, reason) >= wanted).then_some(()));
        let _ = lab::stop::poll(SETTLED, seen).unwrap();
        assert_eq!(self.drops(port, reason), wanted, "{reason} on {port}: {:?}", self.counters(port));
    }

    /// The ports that have a member of the group.
    pub(crate) fn members(&self, group: GroupAddr) -> Vec<String> {
        let groups = Client::connect(&self.socket).unwrap().groups().unwrap().groups;
        let members = groups.into_iter().filter(|view| view.group == group).flat_map(|view| view.members);
        members.map(|member| member.port).collect()
    }

    /// Who asks on a client port, as it shows.
    pub(crate) fn querier(&self, port: &str) -> QuerierView {
        let ports = Client::connect(&self.socket).unwrap().ports().unwrap().ports;
        ports.into_iter().find(|view| view.name == port).unwrap().querier.unwrap()
    }

    /// Has it say why the group is dark, as `manifoldctl explain` does.
    pub(crate) fn explain(&self, group: GroupAddr, port: Option<&str>) -> ExplainReply {
        Client::connect(&self.socket).unwrap().explain(group, port).unwrap()
    }

    /// Has it change something; what it did.
    pub(crate) fn change(&self, request: &Request) -> ChangedReply {
        match Client::connect(&self.socket).unwrap().call(request) {
            Ok(Reply::Changed(changed)) => changed,
            other => panic!("{request:?}: {other:?}\n{}", self.log()),
        }
    }

    /// Sets a key of a port in the live layer, of `[proxy]` where there is no port; the value is TOML.
    pub(crate) fn set(&self, port: Option<&str>, key: &str, value: &str) -> ChangedReply {
        let edit = Edit { port: port.map(str::to_owned), key: key.to_owned(), value: Some(value.to_owned()) };
        self.change(&Request::change(vec![edit]))
    }

    /// Waits until a port has refused, or taken, IGMP by this verdict more often than `before`.
    pub(crate) fn wait_for_verdict(&self, port: &str, verdict: &str, before: u64) {
        let more = || Ok((self.counters(port).verdicts[verdict] > before).then_some(()));
        let found = lab::stop::poll(SOON, more).unwrap();
        found.unwrap_or_else(|| panic!("no `{verdict}` on {port}: {:?}", self.counters(port).verdicts));
    }

    /// Has it change something that it must refuse; all that it says.
    pub(crate) fn refuses(&self, request: &Request) -> String {
        match Client::connect(&self.socket).unwrap().call(request) {
            Err(ClientError::Refused(error)) => {
                [vec![error.message, error.cure], error.details].concat().join("\n")
            }
            other => panic!("{request:?} was not refused: {other:?}"),
        }
    }

    /// SIGHUP.
    pub(crate) fn hang_up(&mut self) {
        self.manifold.signal(Signal::HUP).unwrap();
    }

    /// All that it wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.manifold.log()).unwrap()
    }

    /// Waits until its log has a line with all of these words.
    pub(crate) fn wait_for_log(&self, words: &[&str]) -> String {
        let find = || {
            let log = self.log();
            let line = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
            Ok(line.map(str::to_owned))
        };
        let found = lab::stop::poll(SOON, find).unwrap();
        found.unwrap_or_else(|| panic!("no line of the log has {words:?}:\n{}", self.log()))
    }

    /// It must still run.
    pub(crate) fn expect_running(&mut self) {
        self.manifold.expect_running().unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.manifold.signal(Signal::KILL).unwrap();
        self.manifold.wait(STOP_LIMIT).unwrap();
    }

    /// Once traffic has ended: every frame received is forwarded, handed to control or dropped by name.
    pub(crate) fn expect_balance(&self) {
        let balanced = |counters: &PortCounters| {
            // These count copies on their way out, not frames that came in.
            let copies = ["mtu", "tx-full", "no-buffer", "out-of-service"];
            let dropped = counters.drops.iter().filter(|(name, _)| !copies.contains(&name.as_str()));
            let frames = &counters.frames;
            frames["rx-frames"]
                == frames["forwarded"] + frames["punted"] + dropped.map(|(_, n)| n).sum::<u64>()
        };
        let all = || Client::connect(&self.socket).unwrap().counters().unwrap().ports;
        let _ = lab::stop::poll(SETTLED, || Ok(all().iter().all(balanced).then_some(()))).unwrap();
        let ports = all();
        assert!(ports.iter().any(|counters| counters.frames["rx-frames"] > 0), "nothing was received");
        for counters in ports {
            assert!(balanced(&counters), "{} lost count: {counters:?}", counters.port);
        }
    }

    /// Ends it (SIGTERM), its traffic having ended, and checks that it ended in order: no frame lost count of, no
    /// buffer lost, no error, no drop left in the kernel. Its log.
    pub(crate) fn finish(self, stage: &Stage) -> String {
        self.expect_balance();
        self.end(stage)
    }

    /// As [`Running::finish`], where frames may still come in, or cannot any more.
    pub(crate) fn end(self, stage: &Stage) -> String {
        let Self { manifold, socket, instance } = self;
        let log = manifold.log().to_owned();
        let status = manifold.stop(STOP_LIMIT).unwrap();
        let text = fs::read_to_string(log).unwrap();
        assert!(status.success(), "{status}:\n{text}");
        for trouble in ["did not come back", "ERROR", "panicked"] {
            assert!(!text.contains(trouble), "`{trouble}`:\n{text}");
        }
        assert!(!socket.exists(), "the socket is left behind");
        let rules = stage.middle.run("nft", &["list", "tables"]).unwrap();
        assert!(!rules.contains(&format!("manifold-{instance}")), "{rules}");
        text
    }
}
