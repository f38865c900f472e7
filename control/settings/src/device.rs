//! What a port's `device` names: a PCI NIC, a kernel Ethernet interface, or a DPDK virtual device.
//!
//! Whether it exists, and whether a kernel interface is of a kind that is accepted, is the machine's check.

use std::fmt;
use std::str::FromStr;

use crate::reader::nearest;

/// Why a text names no device: what is wrong, and the cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceError {
    /// What is wrong.
    pub what: String,
    /// What would cure it.
    pub cure: String,
}

impl DeviceError {
    fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what: what.into(), cure: cure.into() }
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.cure)
    }
}

impl std::error::Error for DeviceError {}

/// The address of a PCI function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PciAddress {
    domain: u16,
    bus: u8,
    device: u8,
    function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

impl FromStr for PciAddress {
    type Err = DeviceError;

    /// Reads `dddd:bb:dd.f`, or `bb:dd.f` in domain 0, as `lspci` prints them.
    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let bad = || {
            DeviceError::new(
                format!("\"{}\" is not a PCI address", text.escape_debug()),
                "write it as `lspci -D` shows it, like 0000:3b:00.0",
            )
        };
        let hex = |part: &str, digits: usize| {
            let plain = part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit());
            plain.then(|| u16::from_str_radix(part, 16).ok()).flatten()
        };
        let (rest, function) = text.rsplit_once('.').ok_or_else(bad)?;
        let mut parts = rest.rsplit(':');
        let device = parts.next().and_then(|p| hex(p, 2)).filter(|d| *d < 32).ok_or_else(bad)?;
        let bus = parts.next().and_then(|p| hex(p, 2)).ok_or_else(bad)?;
        let domain = match parts.next() {
            Some(part) => hex(part, 4).ok_or_else(bad)?,
            None => 0,
        };
        let function = hex(function, 1).filter(|f| *f < 8).ok_or_else(bad)?;
        if parts.next().is_some() {
            return Err(bad());
        }
        Ok(Self { domain, bus: bus as u8, device: device as u8, function: function as u8 })
    }
}

/// The name of a kernel interface: 1 to 15 bytes, as the kernel allows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceName(String);

impl InterfaceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InterfaceName {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let bad = |why: &str| {
            Err(DeviceError::new(
                format!("\"{}\" cannot be an interface's name: {why}", text.escape_debug()),
                "`ip link` lists the interfaces",
            ))
        };
        if text.is_empty() {
            return bad("it is empty");
        }
        if text.len() > 15 {
            return bad(&format!("it has {} bytes, the kernel allows 15", text.len()));
        }
        if text == "." || text == ".." {
            return bad("the kernel keeps it");
        }
        // The comma and the brackets would end or open a list in DPDK's device arguments.
        match text.chars().find(|c| c.is_whitespace() || c.is_control() || "/:,=[]\"'".contains(*c)) {
            Some(c) => bad(&format!("it has {c:?}")),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// The virtual devices that are Ethernet ports, by the name of their DPDK driver.
const VDEV_DRIVERS: &[&str] = &[
    "net_af_packet",
    "net_af_xdp",
    "net_memif",
    "net_null",
    "net_pcap",
    "net_ring",
    "net_tap",
    "net_vhost",
    "net_virtio_user",
];

/// A DPDK virtual device with its arguments, like `net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vdev {
    text: String,
    driver: &'static str,
}

impl Vdev {
    /// The whole text, as `--vdev=` takes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The device's name, by which DPDK knows the port: what stands before the first comma.
    pub fn name(&self) -> &str {
        self.text.split(',').next().unwrap_or_default()
    }

    /// The driver, like `net_pcap`.
    pub fn driver(&self) -> &'static str {
        self.driver
    }

    /// The value of the first argument called `key`.
    pub fn argument(&self, key: &str) -> Option<&str> {
        self.arguments().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// Key and value of each argument, in order; the value is empty where there is none.
    pub fn arguments(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.split(',').skip(1).map(|argument| argument.split_once('=').unwrap_or((argument, "")))
    }
}

impl fmt::Display for Vdev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Vdev {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        if let Some(c) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(DeviceError::new(
                format!("the device has {c:?} in it"),
                "write the driver's arguments with commas alone, like net_pcap0,rx_pcap=in.pcap",
            ));
        }
        let name = text.split(',').next().unwrap_or_default();
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let Some(driver) = VDEV_DRIVERS.iter().copied().find(|driver| *driver == stem) else {
            let cure = match nearest(stem, VDEV_DRIVERS) {
                Some(driver) => format!("did you mean `{driver}`?"),
                None => format!("Ethernet drivers are {}", VDEV_DRIVERS.join(", ")),
            };
            let what = format!("`{}` is no virtual Ethernet device that Manifold takes", name.escape_debug());
            return Err(DeviceError::new(what, cure));
        };
        if name.len() > 63 {
            return Err(DeviceError::new("the device's name is too long", "DPDK allows 63 bytes"));
        }
        let vdev = Self { text: text.to_owned(), driver };
        if driver == "net_af_packet" {
            check_af_packet(&vdev)?;
        }
        Ok(vdev)
    }
}

/// Arguments that net_af_packet takes but that would hurt, or that it would refuse without saying why.
fn check_af_packet(vdev: &Vdev) -> Result<(), DeviceError> {
    const KEYS: &[&str] = &["iface", "qpairs", "blocksz", "framesz", "framecnt", "qdisc_bypass"];
    for (key, value) in vdev.arguments() {
        if !KEYS.contains(&key) {
            let what = format!("net_af_packet has no argument `{}`", key.escape_debug());
            return Err(DeviceError::new(what, format!("it takes {}", KEYS.join(", "))));
        }
        if key != "iface" && value.parse::<u32>().is_err() {
            let what = format!("net_af_packet's {key} is \"{}\"", value.escape_debug());
            return Err(DeviceError::new(what, "it takes a whole number"));
        }
    }
    if vdev.argument("qdisc_bypass").is_some_and(|v| v.parse() != Ok(1)) {
        return Err(DeviceError::new(
            "net_af_packet with qdisc_bypass=0 is refused: its transmit blocks the worker in poll() behind one slow \
             peer, and every other port waits",
            "leave qdisc_bypass out, or set it to 1",
        ));
    }
    match vdev.argument("iface") {
        Some(name) => name.parse::<InterfaceName>().map(|_| ()),
        None => Err(DeviceError::new(
            "net_af_packet names no interface",
            "add iface=NAME, or set device to the interface's name alone",
        )),
    }
}

/// `text` with every virtual device in it as its name alone. The arguments hold paths and, with some drivers, secrets:
/// whoever may only look is not to see them.
pub fn without_arguments(text: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((start, comma)) = find_arguments(rest) {
        // No device has white space in it.
        let length = rest[start..].find(char::is_whitespace).unwrap_or(rest.len() - start);
        let device = &rest[start..start + length];
        // What the sentence puts behind it.
        let end = device.trim_end_matches(['"', '\'', '`', ',', ';', ':', '.', ')']).len();
        kept += &rest[..comma];
        kept += &device[end.max(comma - start)..];
        rest = &rest[start + length..];
    }
    kept + rest
}

/// Where the first virtual device with arguments begins, and the comma behind its name.
fn find_arguments(text: &str) -> Option<(usize, usize)> {
    let found = VDEV_DRIVERS.iter().flat_map(|driver| text.match_indices(driver));
    let with_arguments = found.filter_map(|(start, driver)| {
        let behind = &text[start + driver.len()..];
        let number = behind.trim_start_matches(|c: char| c.is_ascii_digit());
        number.starts_with(',').then_some((start, text.len() - number.len()))
    });
    with_arguments.min()
}

/// What a port runs on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Device {
    /// A NIC that DPDK drives itself.
    Pci(PciAddress),
    /// An Ethernet interface of the kernel, reached by net_af_packet.
    Kernel(InterfaceName),
    /// A DPDK virtual device.
    Vdev(Vdev),
}

impl Device {
    /// The kernel interface it uses, also where a virtual device's arguments name it.
    pub fn kernel_interface(&self) -> Option<&str> {
        match self {
            Self::Pci(_) => None,
            Self::Kernel(name) => Some(name.as_str()),
            Self::Vdev(vdev) => match vdev.driver() {
                "net_af_packet" | "net_af_xdp" => vdev.argument("iface"),
                "net_pcap" => vdev.argument("iface").or_else(|| vdev.argument("rx_iface")),
                _ => None,
            },
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(address) => fmt::Display::fmt(address, f),
            Self::Kernel(name) => fmt::Display::fmt(name, f),
            Self::Vdev(vdev) => fmt::Display::fmt(vdev, f),
        }
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    /// A text with a comma, or that begins with `net_`, is a virtual device; one with a colon a PCI address;
    /// any other an interface.
    fn from_str(text: &str) -> Result<Self, DeviceError> {
        if text.contains(',') || text.starts_with("net_") {
            text.parse().map(Self::Vdev)
        } else if text.contains(':') {
            text.parse().map(Self::Pci)
        } else {
            text.parse().map(Self::Kernel)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Device>().unwrap_err().to_string()
    }

    #[test]
    fn each_form_is_told_apart() {
        let parse = |text: &str| text.parse::<Device>().unwrap();
        assert_eq!(parse("0000:3b:00.0").to_string(), "0000:3b:00.0");
        assert_eq!(parse("3B:1f.7").to_string(), "0000:3b:1f.7");
        assert!(matches!(parse("eth1"), Device::Kernel(_)));
        assert!(matches!(parse("enp59s0f0np0"), Device::Kernel(_)));
        let Device::Vdev(vdev) = parse("net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap") else { panic!() };
        assert_eq!((vdev.name(), vdev.driver()), ("net_pcap0", "net_pcap"));
        assert_eq!(vdev.argument("tx_pcap"), Some("out.pcap"));
        assert_eq!(parse("net_af_packet0,iface=veth0").kernel_interface(), Some("veth0"));
        assert_eq!(parse("net_null0").kernel_interface(), None);
    }

    #[test]
    fn arguments_are_cut_out_of_whatever_is_told() {
        for (text, told) in [
            ("net_pcap0,rx_pcap=/a/b.pcap,tx_pcap=c", "net_pcap0"),
            ("net_null1", "net_null1"),
            ("0000:3b:00.0", "0000:3b:00.0"),
            (
                "port \"a\": device is \"net_memif12,secret=x\", was \"net_null0,copy=1\"",
                "port \"a\": device is \"net_memif12\", was \"net_null0\"",
            ),
            ("DPDK made no port of net_pcap0,rx_pcap=/x; see", "DPDK made no port of net_pcap0; see"),
            ("Ethernet drivers are net_pcap, net_ring", "Ethernet drivers are net_pcap, net_ring"),
            ("net_pcap0,", "net_pcap0,"),
            ("", ""),
        ] {
            assert_eq!(without_arguments(text), told);
        }
    }

    #[test]
    fn what_is_no_device_says_why() {
        let lspci = "write it as `lspci -D` shows it, like 0000:3b:00.0";
        for bad in ["00:00", "0000:3b:00.8", "0000:3b:20.0", "3b:0:0", "0:3b:00.0", "1:0000:3b:00.0", ":00.0"]
        {
            assert_eq!(error(bad), format!("\"{bad}\" is not a PCI address; {lspci}"));
        }
        assert_eq!(
            error("an-interface-name"),
            "\"an-interface-name\" cannot be an interface's name: it has 17 bytes, the kernel allows 15; \
             `ip link` lists the interfaces"
        );
        assert_eq!(
            error("a/b"),
            "\"a/b\" cannot be an interface's name: it has '/'; `ip link` lists the interfaces"
        );
        assert_eq!(
            error("eth_pcap0,rx_pcap=a"),
            "`eth_pcap0` is no virtual Ethernet device that Manifold takes; did you mean `net_pcap`?"
        );
        assert!(error("net_crypto0").contains("Ethernet drivers are net_af_packet, "));
    }

    #[test]
    fn af_packet_arguments_that_would_hurt_are_refused_by_name() {
        assert_eq!(
            error("net_af_packet0,iface=eth1,qdisc_bypass=0"),
            "net_af_packet with qdisc_bypass=0 is refused: its transmit blocks the worker in poll() behind one slow \
             peer, and every other port waits; leave qdisc_bypass out, or set it to 1"
        );
        assert!("net_af_packet0,iface=eth1,qdisc_bypass=1".parse::<Device>().is_ok());
        assert!(error("net_af_packet0,iface=eth1,qdisc_bypass=00").contains("blocks the worker"));
        assert_eq!(
            error("net_af_packet0"),
            "net_af_packet names no interface; add iface=NAME, or set device to the interface's name alone"
        );
        assert!(error("net_af_packet0,iface=eth1,speed=9").contains("no argument `speed`"));
        assert!(error("net_af_packet0,iface=eth1,framesz=big").contains("takes a whole number"));
    }
}
