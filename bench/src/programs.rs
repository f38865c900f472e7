//! Where the programs to be measured are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::BenchError;
use crate::figures::Build;
use crate::machine;
use crate::manifold::Manifold;
use crate::testpmd::Testpmd;

/// Programs by whose DPDK they run on; those of our own DPDK are not always built.
type Programs<P> = HashMap<Build, P>;

/// Every Manifold and testpmd that there is: of the distribution's DPDK, of version `dpdk`, the Manifold that was named if
/// one was, and that testpmd.
///
/// # Errors
/// One on the distribution's DPDK is not there.
pub(crate) fn find(
    manifold: Option<&Path>,
    testpmd: &Path,
    dpdk: Option<&str>,
) -> Result<(Programs<Manifold>, Programs<Testpmd>), BenchError> {
    let bonding_keyword = machine::bonding_keyword(dpdk);
    let peer = |program| Testpmd { program, bonding_keyword };
    let cure = "install Debian's package dpdk-dev, or name it with --testpmd";
    let mut testpmds = HashMap::from([(Build::Packaged, peer(machine::find_program(testpmd, cure)?))]);
    let mut manifolds = HashMap::from([(Build::Packaged, packaged_manifold(manifold)?)]);
    if let Some((program, own_peer)) = own_programs() {
        manifolds.insert(Build::Own, Manifold { program });
        testpmds.extend(own_peer.map(|program| (Build::Own, peer(program))));
    }
    Ok((manifolds, testpmds))
}

/// The binary that was named, or the one built beside this program.
fn packaged_manifold(named: Option<&Path>) -> Result<Manifold, BenchError> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("manifold"));
    let path = named.map(Path::to_owned).or_else(beside).unwrap_or_else(|| "manifold".into());
    let cure = "build it (cargo build --release -p dataplane), or name it with --manifold";
    machine::find_program(&path, cure).map(|program| Manifold { program })
}

/// What `make fast` built, and the testpmd of its DPDK, beside the folder of this program.
fn own_programs() -> Option<(PathBuf, Option<PathBuf>)> {
    let exe = std::env::current_exe().ok()?;
    let target = exe.parent()?.parent()?;
    let found = |path: &str| Some(target.join(path)).filter(|path| path.is_file());
    Some((found("fast/release/manifold")?, found("dpdk/bin/dpdk-testpmd")))
}
