//! A running Manifold.

use crate::{Lab, LabError, Netns, Process, stop};
use rustix::process::Signal;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

/// Names the binary when it is not beside ours.
const BINARY_VARIABLE: &str = "MANIFOLD_BIN";
/// Where DPDK puts its files at run time, instead of `/var/run`.
const DPDK_DIRECTORY_VARIABLE: &str = "RUNTIME_DIRECTORY";
/// DPDK's start without hugepages takes a second or two; a busy CI machine is slower.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How many lines of the log an error shows.
const LOG_LINES: usize = 12;

/// `manifold run` in a namespace. Dropping it kills it.
#[derive(Debug)]
pub struct Manifold {
    process: Process,
    log: PathBuf,
}

impl Manifold {
    /// Starts `manifold run -c <settings>` and returns when it answers on `socket`, which those settings name.
    ///
    /// # Errors
    /// When there is no binary, or it ends, or does not answer in time; with the end of its log.
    pub fn start(lab: &Lab, ns: &Netns, settings: &Path, socket: &Path) -> Result<Self, LabError> {
        Self::start_behind(lab, ns, &[], settings, socket)
    }

    /// As [`Manifold::start`], behind a program that becomes the one it is given: `["setpriv", "--no-new-privs"]`.
    ///
    /// # Errors
    /// As [`Manifold::start`].
    pub fn start_behind(
        lab: &Lab,
        ns: &Netns,
        wrapper: &[&str],
        settings: &Path,
        socket: &Path,
    ) -> Result<Self, LabError> {
        let mut manifold = Self::spawn(lab, ns, wrapper, settings)?;
        manifold.wait_ready(socket)?;
        Ok(manifold)
    }

    /// Starts it and does not wait: for settings or a machine that it should refuse. Its log has the settings'
    /// name.
    ///
    /// # Errors
    /// When there is no binary, or it cannot be started.
    pub fn spawn(lab: &Lab, ns: &Netns, wrapper: &[&str], settings: &Path) -> Result<Self, LabError> {
        let name = settings.file_stem().unwrap_or("manifold".as_ref());
        let log = lab.scratch().join(name).with_extension("log");
        let what = format!("log to {}", log.display());
        let (out, err) =
            File::create(&log).and_then(|file| Ok((file.try_clone()?, file))).map_err(LabError::io(what))?;
        let binary = manifold_binary()?;
        let mut command = match wrapper {
            [] => ns.command(binary),
            [program, args @ ..] => {
                let mut command = ns.command(program);
                command.args(args).arg(binary);
                command
            }
        };
        command.arg("run").arg("-c").arg(settings);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        // DPDK makes a directory for every file prefix and leaves it there: let it be in ours.
        command.env(DPDK_DIRECTORY_VARIABLE, lab.scratch());
        Ok(Self { process: Process::spawn(&mut command, "manifold")?, log })
    }

    fn wait_ready(&mut self, socket: &Path) -> Result<(), LabError> {
        let ready = stop::poll(START_LIMIT, || {
            self.expect_running()?;
            Ok(UnixStream::connect(socket).is_ok().then_some(()))
        })?;
        ready.ok_or_else(|| LabError::Timeout {
            what: format!("manifold's socket; its log ends:\n{}", self.log_tail()),
            waited: START_LIMIT,
        })
    }

    /// Checks that it still runs.
    ///
    /// # Errors
    /// [`LabError::Ended`] with the end of its log.
    pub fn expect_running(&mut self) -> Result<(), LabError> {
        match self.process.ended()? {
            None => Ok(()),
            Some(status) => Err(LabError::Ended {
                what: self.process.name().to_owned(),
                how: format!("{status}; its log ends:\n{}", self.log_tail()),
            }),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its log goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        // A log that cannot be read is as good as an empty one.
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Sends it a signal, SIGHUP say.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<(), LabError> {
        self.process.signal(signal)
    }

    /// Waits for its end by itself.
    ///
    /// # Errors
    /// [`LabError::Timeout`] when it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, LabError> {
        self.process.wait(limit)
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// [`LabError::Timeout`] when it still runs after `limit`.
    pub fn stop(mut self, limit: Duration) -> Result<ExitStatus, LabError> {
        self.process.signal(Signal::TERM)?;
        self.process.wait(limit)
    }
}

/// The binary: what `MANIFOLD_BIN` names, else the one built beside the running program, else the release one.
///
/// # Errors
/// [`LabError::NoManifold`] when there is none.
pub fn manifold_binary() -> Result<PathBuf, LabError> {
    if let Some(path) = std::env::var_os(BINARY_VARIABLE).map(PathBuf::from) {
        let found = path.is_file();
        return if found { Ok(path) } else { Err(LabError::NoManifold(path.display().to_string())) };
    }
    let exe = std::env::current_exe().map_err(LabError::io("own program"))?;
    // `target/<profile>/`, for a test binary `target/<profile>/deps/`.
    let above: Vec<_> = exe.ancestors().skip(1).take(3).collect();
    let beside = above.iter().take(2).map(|dir| dir.join("manifold"));
    let release = above.iter().skip(1).map(|dir| dir.join("release/manifold"));
    let shown = above.first().map(|dir| dir.display().to_string()).unwrap_or_default();
    beside.chain(release).find(|path| path.is_file()).ok_or(LabError::NoManifold(shown))
}
