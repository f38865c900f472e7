//! The peer: testpmd, by its console.

use std::io::{Read, Write, pipe};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use lab::stop;
use settings::Settings;

use crate::console::Console;
use crate::error::BenchError;
use crate::figures::Mode;
use crate::machine::Cores;
use crate::side::{Amount, PATIENCE, Side, Work, bound_to_us};
use crate::slices::Forwards;
use crate::telemetry::Telemetry;

const NAME: &str = "testpmd";
/// Runs a program so that it prints line by line.
const LINE_BUFFERED: &str = "stdbuf";
const NO_RATE: &str = "its console shows no rate for some port; is this another testpmd?";
const PROMPT: &str = "testpmd> ";
/// What it prints last once no thread forwards any more.
const STOPPED: &str = "Accumulated forward statistics";

/// How to run testpmd.
#[derive(Debug, Clone)]
pub(crate) struct Testpmd {
    /// The program.
    pub(crate) program: PathBuf,
    /// What a bonding device's parts are called: "slave" or "member".
    pub(crate) bonding_keyword: &'static str,
}

impl Testpmd {
    /// Starts it for a round in slices. `ours` are the settings that Manifold does the same work with: memory, buffers
    /// and descriptors follow from them.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn forwards(
        &self,
        mode: Mode,
        work: &Work,
        ours: &Settings,
    ) -> Result<Box<dyn Forwards>, BenchError> {
        let mut session = Session::start(self.command(mode, work, ours), &work.scratch)?;
        let telemetry = session.side.telemetry()?;
        session.say("start")?;
        Ok(Box::new(Endless { session, telemetry, mode }))
    }

    /// Frames a second that the work's source gives when each is freed at once.
    ///
    /// # Errors
    /// It does not start, or says what nobody understands.
    pub(crate) fn receive(&self, work: &Work, ours: &Settings) -> Result<f64, BenchError> {
        if let Some(stamp) = &work.stamp {
            stamp.go()?;
        }
        let mut session = Session::start(self.command(Mode::Receive, work, ours), &work.scratch)?;
        session.say("start")?;
        stop::pause(work.warm_up)?;
        session.say("show port stats all")?;
        stop::pause(work.window)?;
        session.say("show port stats all")?;
        session.finish()?.rx_per_s(0).ok_or_else(|| BenchError::delivery(NAME, NO_RATE))
    }

    fn command(&self, mode: Mode, work: &Work, ours: &Settings) -> Command {
        let mut devices = vec![work.source_device(Amount::Endless)];
        devices.extend((1..=work.fan_out).map(Work::sink));
        if mode == Mode::Bonding {
            let part = |number| format!(",{}=net_null{number}", self.bonding_keyword);
            let parts: String = (1..=work.fan_out).map(part).collect();
            devices.push(format!("net_bonding0,mode=3{parts}"));
        }
        // Its output comes line by line, as in a terminal: its own words and the prompt do not mix.
        let command = work.command(Path::new(LINE_BUFFERED), Amount::Endless);
        let mut command = self.arguments(command, work.cores, &devices, ours);
        match mode {
            Mode::Macswap => command.arg("--forward-mode=macswap"),
            Mode::Receive => command.arg("--forward-mode=rxonly"),
            Mode::Bonding => {
                command.arg("--forward-mode=io").arg(format!("--portlist=0,{}", egress_port(mode, work)))
            }
        };
        command
    }

    /// Behind `command`, which is [`LINE_BUFFERED`]: itself, on `cores`, with `devices` and what Manifold has with the
    /// settings `ours`.
    fn arguments(&self, mut command: Command, cores: Cores, devices: &[String], ours: &Settings) -> Command {
        let Cores { main, forward } = cores;
        command.arg("-oL").arg(&self.program);
        let memory = settings::memory_mb(ours, 1, settings::MemoryMode::Hugepages);
        command.args(["-l", &format!("{main},{forward}"), &format!("--main-lcore={main}")]);
        command.args(["--in-memory", "--no-pci", &cores.memory_argument(memory)]);
        command.arg(format!("--file-prefix={}", prefix()));
        command.args(devices.iter().map(|device| format!("--vdev={device}")));
        // Manifold's own.
        let (burst, cache) = (types::BURST, types::POOL_CACHE);
        command.args([
            "--",
            "-i",
            "--nb-cores=1",
            &format!("--burst={burst}"),
            &format!("--mbcache={cache}"),
        ]);
        // Otherwise it throws away what comes before the start, and a driver's count is not what was forwarded.
        command.arg("--no-flush-rx");
        let port = &ours.ports[0];
        command.arg(format!("--rxd={}", port.rx_descriptors)).arg(format!("--txd={}", port.tx_descriptors));
        command.arg(format!("--total-num-mbufs={}", settings::pool_size(ours, 1)));
        command.arg(format!("--mbuf-size={}", settings::mbuf_data_room(ours)));
        command
    }

    /// One that forwards frames as they are from the first of `devices` to the second.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn passing(
        &self,
        devices: &[String; 2],
        cores: Cores,
        ours: &Settings,
        scratch: &Path,
    ) -> Result<Session, BenchError> {
        let mut command = self.arguments(bound_to_us(Path::new(LINE_BUFFERED)), cores, devices, ours);
        command.arg("--forward-mode=io");
        let mut session = Session::start(command, scratch)?;
        session.side.isolate(cores)?;
        session.say("start")?;
        Ok(session)
    }
}

/// Names its folder of the runtime files.
fn prefix() -> String {
    format!("bench-{}", std::process::id())
}

/// Number of the port that testpmd forwards to: the first sink, or the bonding device behind them all.
fn egress_port(mode: Mode, work: &Work) -> usize {
    match mode {
        Mode::Macswap | Mode::Receive => 1,
        Mode::Bonding => work.fan_out + 1,
    }
}

/// One that forwards without end.
struct Endless {
    session: Session,
    telemetry: Telemetry,
    mode: Mode,
}

impl Forwards for Endless {
    fn parts(&mut self) -> (&mut Side, &Telemetry) {
        (&mut self.session.side, &self.telemetry)
    }

    /// What came in went out by every sink, to the frame, as the drivers counted; and in all as testpmd did.
    fn finish(self: Box<Self>, work: &Work) -> Result<(), BenchError> {
        let Self { mut session, telemetry, mode } = *self;
        session.say("stop")?;
        session.wait_for(STOPPED)?;
        let moved = telemetry.moved(work.fan_out)?;
        let console = session.quit()?;
        check_delivery(&moved, (console.forwarded_rx(0), console.forwarded_tx(egress_port(mode, work))))
    }
}

/// `moved` are the frames that came in, and those that each sink took; `totals` what came in and went out in all.
fn check_delivery(moved: &[u64], totals: (Option<u64>, Option<u64>)) -> Result<(), BenchError> {
    let (Some(rx), Some(tx)) = totals else {
        let what = "its console shows no forward statistics; is this another testpmd?";
        return Err(BenchError::delivery(NAME, what));
    };
    match moved {
        [came, sinks @ ..]
            if rx > 0
                && *came == rx
                && sinks.iter().all(|sink| *sink == rx)
                && tx == sinks.iter().sum::<u64>() =>
        {
            Ok(())
        }
        _ => Err(BenchError::delivery(
            NAME,
            format!("{rx} frames came in, {tx} copies went out; by its drivers, source first: {moved:?}"),
        )),
    }
}

/// A testpmd with its console in our hands.
pub(crate) struct Session {
    side: Side,
    stdin: std::io::PipeWriter,
    output: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Session {
    /// Starts it and waits for its prompt.
    ///
    /// # Errors
    /// It does not start.
    fn start(mut command: Command, scratch: &Path) -> Result<Self, BenchError> {
        let (stdin, ours) = pipe().map_err(BenchError::io("pipe"))?;
        let (mut console, stdout) = pipe().map_err(BenchError::io("pipe"))?;
        command.stdin(Stdio::from(stdin)).stdout(Stdio::from(stdout));
        let side = Side::start(&mut command, NAME, scratch.join("testpmd.log"))?.with_prefix(&prefix());
        // The command holds the far ends of the pipes: with them the output would never end.
        drop(command);
        let output = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&output);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = console.read(&mut chunk) {
                lock(&sink).extend_from_slice(&chunk[..read]);
            }
        });
        let mut session = Self { side, stdin: ours, output, reader };
        session.wait_for(PROMPT)?;
        Ok(session)
    }

    /// Types a line.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), BenchError> {
        match writeln!(self.stdin, "{line}") {
            Ok(()) => Ok(()),
            // It is gone; say how.
            Err(error) => {
                self.side.expect_running()?;
                Err(BenchError::io("testpmd's console")(error))
            }
        }
    }

    /// Halts it, until [`Session::resume`].
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn halt(&mut self) -> Result<(), BenchError> {
        self.side.halt()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn resume(&mut self) -> Result<(), BenchError> {
        self.side.resume()
    }

    fn wait_for(&mut self, text: &str) -> Result<(), BenchError> {
        let seen = || lock(&self.output).windows(text.len()).any(|window| window == text.as_bytes());
        let process = self.side.process();
        let found =
            stop::poll(PATIENCE, || Ok(if seen() { Some(true) } else { process.ended()?.map(|_| false) }))?;
        match found {
            Some(true) => Ok(()),
            Some(false) => Err(self.side.error("ended early")),
            None => Err(self.side.error(format!("no `{}` within {} s", text.trim(), PATIENCE.as_secs()))),
        }
    }

    /// Has it stop forwarding and end, and returns what it counted.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub(crate) fn finish(mut self) -> Result<Console, BenchError> {
        self.say("stop")?;
        self.quit()
    }

    /// The same, of one that does not forward.
    fn quit(mut self) -> Result<Console, BenchError> {
        self.say("quit")?;
        Ok(Console::parse(&self.end()?))
    }

    /// Waits for its end and returns all that it printed.
    ///
    /// # Errors
    /// It does not end, or not well.
    fn end(self) -> Result<String, BenchError> {
        let Self { mut side, stdin, output, reader } = self;
        side.expect_end()?;
        drop(stdin);
        // The pipe ended with the process.
        let _ = reader.join();
        let text = String::from_utf8_lossy(&lock(&output)).into_owned();
        Ok(text)
    }
}

fn lock(output: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}
