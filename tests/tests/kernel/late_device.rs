//! A port whose device DPDK waits for until the test lets go: a capture that comes through a pipe.

use crate::stage::{PortRecipe, SOON, Stage};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// A capture file without frames.
const CAPTURE: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1];

/// Such a device.
#[derive(Debug)]
pub(crate) struct LateDevice(PathBuf);

/// DPDK, waiting.
#[derive(Debug)]
pub(crate) struct Waiting(File);

impl LateDevice {
    pub(crate) fn new(stage: &Stage) -> Self {
        let pipe = stage.lab.scratch().join("late.pcap");
        stage.middle.run("mkfifo", &[pipe.to_str().unwrap()]).unwrap();
        Self(pipe)
    }

    /// Its port.
    pub(crate) fn port(&self) -> PortRecipe {
        PortRecipe {
            name: "late".to_owned(),
            device: format!("net_pcap0,rx_pcap={}", self.0.display()),
            address: "10.50.0.1/24".parse().unwrap(),
            more: "",
        }
    }

    /// Returns once DPDK waits for it.
    pub(crate) fn wait(&self) -> Waiting {
        let open = || {
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            Ok(OpenOptions::new().write(true).custom_flags(flags).open(&self.0).ok())
        };
        Waiting(lab::stop::poll(SOON, open).unwrap().expect("nobody reads the pipe"))
    }
}

impl Waiting {
    /// DPDK goes on.
    pub(crate) fn let_go(mut self) {
        self.0.write_all(&CAPTURE.map(u32::to_le_bytes).concat()).unwrap();
    }
}
