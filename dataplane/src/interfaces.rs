//! Kernel interfaces that are ports: looked at, taken under guard, given back. At the start all at once, later one
//! by one as ports and interfaces come and go.

use links::{Guard, InstanceLock, LinkError, LinkInfo};
use settings::{Driver, PortSettings, Settings};

use crate::drivers::choose;
use crate::failure::Failure;

/// The guard that keeps the kernel away from the interfaces, and with it the instance's lock.
pub(crate) struct Interfaces {
    guard: Guard,
}

impl Interfaces {
    /// Takes the instance's lock, undoes what a crashed run left, and takes the interfaces of all ports: one for
    /// each port of the settings.
    ///
    /// # Errors
    /// The instance runs already, with whichever run directory; an interface of the administrator's is missing, of a kind not taken, or
    /// somebody's; a privilege is missing. Nothing is left changed but that an interface that was down is up.
    pub(crate) fn take_all(settings: &Settings, workers: u16) -> Result<(Self, Vec<Looked>), Failure> {
        let lock = InstanceLock::acquire(&settings.paths.run_dir, &settings.proxy.instance)
            .map_err(Failure::machine)?;
        let (guard, recovery) = Guard::new(lock).map_err(Failure::machine)?;
        if !recovery.links.is_empty() {
            let links = recovery.links.join(", ");
            tracing::warn!(links, "an earlier run ended without giving its interfaces back; done now");
        }
        for note in recovery.notes {
            tracing::info!("{note}");
        }
        let mut interfaces = Self { guard };
        let mut found = inspect_all(settings, workers)?;
        for (port, looked) in settings.ports.iter().zip(&mut found) {
            if let Ok(Some(link)) = looked
                && let Err(failure) = interfaces.claim(port, link)
            {
                *looked = Err(only_live(port, failure)?);
            }
        }
        Ok((interfaces, found))
    }

    /// Takes an interface that [`inspect`] found under guard, and sets it up. It is read anew if that took doing.
    ///
    /// # Errors
    /// It cannot be guarded, or vanished meanwhile: it is as it was.
    pub(crate) fn claim(&mut self, port: &PortSettings, link: &mut LinkInfo) -> Result<(), Failure> {
        let guarded_before = self.guard.links().any(|index| index == link.index);
        self.guard.add(link).map_err(|e| Failure::of_port(port, e))?;
        let set_up = links::set_up(&link.name).and_then(|was_down| {
            if was_down {
                *link = links::inspect(&link.name)?;
            }
            Ok(())
        });
        set_up.map_err(|error| {
            if !guarded_before {
                self.give_back(link.index);
            }
            Failure::of_port(port, error)
        })
    }

    /// Gives an interface back to the kernel: its IPv6 switch as it was, no drop behind it. One that vanished is
    /// forgotten.
    pub(crate) fn give_back(&mut self, interface: u32) {
        if let Err(error) = self.guard.remove(interface) {
            tracing::error!(%error, "an interface was not given back; the end, or the next start, tries again");
        }
    }
}

/// Refuses the name of a running instance with another run directory. Changes nothing.
///
/// # Errors
/// There is one, and there would be interfaces to guard under that name.
pub(crate) fn expect_free_name(settings: &Settings) -> Result<(), Failure> {
    // A port of the live layer alone would wait for the name.
    let mut ports = settings.ports.iter().filter(|port| !port.is_live);
    if !ports.any(|port| port.device.kernel_interface().is_some()) {
        return Ok(());
    }
    Guard::expect_free_name(&settings.paths.run_dir, &settings.proxy.instance).map_err(Failure::machine)
}

/// A port's kernel interface, `None` where the device is none, or why a port of the live layer waits for it.
pub(crate) type Looked = Result<Option<LinkInfo>, Failure>;

/// Looks at the kernel interfaces among the ports' devices. Changes nothing.
///
/// # Errors
/// An interface of the administrator's is missing, of a kind not taken, somebody's, or that of two ports.
pub(crate) fn inspect_all(settings: &Settings, workers: u16) -> Result<Vec<Looked>, Failure> {
    let mut found: Vec<Looked> = Vec::with_capacity(settings.ports.len());
    for port in &settings.ports {
        let taken = settings.ports.iter().zip(&found);
        let taken = taken
            .filter_map(|(port, looked)| Some((looked.as_ref().ok()?.as_ref()?.index, port.name.as_str())));
        let looked = match inspect(port, settings, workers, taken) {
            Ok(link) => Ok(link),
            Err(failure) => Err(only_live(port, failure)?),
        };
        found.push(looked);
    }
    Ok(found)
}

/// What was added while Manifold ran does not keep it from starting: its port waits.
pub(crate) fn only_live(port: &PortSettings, failure: Failure) -> Result<Failure, Failure> {
    if port.is_live { Ok(failure) } else { Err(failure.written(port)) }
}

/// Looks at the kernel interface of `port`, when its device is one; `taken` are those of other ports, to which
/// an alternative name could lead, and those of `settings` have interfaces that are none to offer. Changes nothing.
///
/// # Errors
/// The interface is missing, of a kind not taken, somebody's, or not one for the driver that the settings name.
pub(crate) fn inspect<'a>(
    port: &PortSettings,
    settings: &Settings,
    workers: u16,
    mut taken: impl Iterator<Item = (u32, &'a str)>,
) -> Result<Option<LinkInfo>, Failure> {
    let Some(name) = port.device.kernel_interface() else { return Ok(None) };
    let found = links::inspect(name);
    let mut link = found.map_err(|e| Failure::of_port(port, free_only(e, &settings.ports)))?;
    // From here on it is one of somebody else's.
    link.has_program &= !Guard::has_program(&settings.paths.run_dir, link.index);
    links::usable(&link).map_err(|e| Failure::of_port(port, e))?;
    if let Some((_, first)) = taken.find(|(index, _)| *index == link.index) {
        let device = &port.device;
        let what = format!("{device} is the interface of port \"{first}\" already; give each port its own");
        return Err(Failure::of_port(port, what));
    }
    if link.has_program && port.driver == Driver::AfXdp {
        // Whoever takes off a running instance's program, as told where it is nobody's, cuts its streams.
        let free = Guard::expect_free(&settings.paths.run_dir, &settings.proxy.instance, &link);
        free.map_err(|e| Failure::of_port(port, e))?;
    }
    choose(port, &link, workers)?;
    Ok(Some(link))
}

/// The error, offering no interface that a port has, under whichever of its names.
fn free_only(mut error: LinkError, ports: &[PortSettings]) -> LinkError {
    if let LinkError::NotFound { could_serve, .. } = &mut error {
        let devices: Vec<_> = ports.iter().filter_map(|port| port.device.kernel_interface()).collect();
        let has = |device: &&str, name: &str| {
            **device == *name || links::inspect(device).is_ok_and(|link| link.name == name)
        };
        could_serve.retain(|name| !devices.iter().any(|device| has(device, name)));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_that_ports_have_are_not_offered() {
        let text = "[[port]]\nname = \"a\"\ndevice = \"no-such-0\"\n[[port]]\nname = \"b\"\ndevice = \"no-such-2\"\n";
        let ports = settings::parse(text, "test.toml").unwrap().ports;
        let could_serve = ["no-such-0", "no-such-1", "no-such-2"].map(str::to_owned).to_vec();
        let error = free_only(LinkError::NotFound { name: "x".to_owned(), could_serve }, &ports);
        assert!(error.to_string().ends_with("these could serve: no-such-1"), "{error}");
    }
}
