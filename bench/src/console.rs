//! What testpmd prints: rates of the last `show port stats all`, and totals of the last `stop`.

use std::collections::HashMap;

/// Numbers by port, from a whole session's output.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Console {
    rx_per_s: HashMap<usize, f64>,
    totals: HashMap<usize, (u64, u64)>,
}

/// Which block of the output a line is in.
#[derive(Debug, Clone, Copy)]
enum Block {
    Other,
    /// Counters of the device, and rates since they were last shown.
    Nic(usize),
    /// What was forwarded, counted by testpmd itself once all is still.
    Forwarded(usize),
}

impl Console {
    /// Reads all numbers; of those printed several times, the last.
    pub(crate) fn parse(text: &str) -> Self {
        let mut console = Self::default();
        let mut block = Block::Other;
        for line in text.lines() {
            if let Some(port) = number_after(line, "NIC statistics for port ") {
                block = Block::Nic(port);
            } else if let Some(port) = number_after(line, "Forward statistics for port ") {
                block = Block::Forwarded(port);
            } else if line.contains("Accumulated forward statistics") {
                block = Block::Other;
            }
            match block {
                Block::Other => {}
                Block::Nic(port) => {
                    if let Some(rate) = number_after(line, "Rx-pps:") {
                        console.rx_per_s.insert(port, rate);
                    }
                }
                Block::Forwarded(port) => {
                    let totals = console.totals.entry(port).or_default();
                    if let Some(rx) = number_after(line, "RX-packets:") {
                        totals.0 = rx;
                    }
                    if let Some(tx) = number_after(line, "TX-packets:") {
                        totals.1 = tx;
                    }
                }
            }
        }
        console
    }

    /// Frames a second that `port` received between the last two times its counters were shown, by testpmd's clock.
    pub(crate) fn rx_per_s(&self, port: usize) -> Option<f64> {
        self.rx_per_s.get(&port).copied()
    }

    /// Frames that came in by `port`, after the stop.
    pub(crate) fn forwarded_rx(&self, port: usize) -> Option<u64> {
        self.totals.get(&port).map(|totals| totals.0)
    }

    /// Frames that went out of `port`, after the stop; out of a bonding device, all copies.
    pub(crate) fn forwarded_tx(&self, port: usize) -> Option<u64> {
        self.totals.get(&port).map(|totals| totals.1)
    }
}

/// The number that follows `label` somewhere in `line`.
fn number_after<T: std::str::FromStr>(line: &str, label: &str) -> Option<T> {
    let (_, rest) = line.split_once(label)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut from a session with a bonding device as port 3 over two sinks.
    const SESSION: &str = "\
testpmd> show port stats all

  ######################## NIC statistics for port 1  ########################
  RX-packets: 0          RX-missed: 0          RX-bytes:  0
  TX-packets: 100        TX-errors: 0          TX-bytes:  0

  Throughput (since last show)
  Rx-pps:            0          Rx-bps:            0
  Tx-pps:            0          Tx-bps:            0
  ############################################################################
testpmd> show port stats all

  ######################## NIC statistics for port 1  ########################
  TX-packets: 8629349    TX-errors: 0          TX-bytes:  0

  Throughput (since last show)
  Rx-pps:      8629249          Rx-bps:            0
  Tx-pps:            0          Tx-bps:            0
  ############################################################################

  ######################## NIC statistics for port 2  ########################
  Throughput (since last show)
  Rx-pps:      8629149          Rx-bps:            0
  ############################################################################
testpmd> stop
Telling cores to stop...
Waiting for lcores to finish...

  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 17552608       RX-dropped: 0             RX-total: 17552608
  TX-packets: 0              TX-dropped: 0             TX-total: 0
  ----------------------------------------------------------------------------

  ---------------------- Forward statistics for port 3  ----------------------
  RX-packets: 0              RX-dropped: 0             RX-total: 0
  TX-packets: 35105216       TX-dropped: 0             TX-total: 35105216
  ----------------------------------------------------------------------------

  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: 17552608       RX-dropped: 0             RX-total: 17552608
  TX-packets: 35105216       TX-dropped: 0             TX-total: 35105216
  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++
";

    #[test]
    fn last_rates_and_totals_are_found_by_port() {
        let console = Console::parse(SESSION);
        assert_eq!(console.rx_per_s(1), Some(8_629_249.0));
        assert_eq!(console.rx_per_s(2), Some(8_629_149.0));
        assert_eq!(console.rx_per_s(0), None);
        assert_eq!(console.forwarded_rx(0), Some(17_552_608));
        assert_eq!(console.forwarded_tx(3), Some(35_105_216));
        assert_eq!(console.forwarded_tx(0), Some(0));
        assert_eq!(console.forwarded_tx(1), None);
    }

    #[test]
    fn what_is_cut_short_or_foreign_has_no_numbers() {
        assert_eq!(Console::parse("Rx-pps: 5\nRX-packets: 7\n"), Console::default());
        let cut = SESSION.split_once("testpmd> stop").unwrap().0;
        assert_eq!(Console::parse(cut).forwarded_rx(0), None);
    }
}
