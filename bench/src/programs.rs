//! Where the programs to be measured are.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::BenchError;
use crate::figures::Build;
use crate::machine;
use crate::manifold::Manifold;
use crate::testpmd::Testpmd;

/// Programs by whose DPDK they run on; those of our own DPDK are not always built.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Manifold.
    pub(crate) manifolds: HashMap<Build, Manifold>,
    testpmds: HashMap<Build, Testpmd>,
    /// Why the distribution's testpmd is not among them, if it is not.
    no_testpmd: Option<String>,
    /// The version of our own DPDK; or why there is nothing on it that could be measured.
    pub(crate) own_dpdk: Result<String, &'static str>,
    /// Whether the Manifold on the distribution's DPDK was built from the sources as they are now, where that is known.
    pub(crate) is_current: bool,
}

const NOT_BUILT: &str = "not built: make fast";
const STALE: &str = "built from other sources than these: make fast";

/// Every Manifold and testpmd that there is: of the distribution's DPDK, of version `dpdk`, the Manifold that was named if
/// one was, and that testpmd, if it is there.
///
/// # Errors
/// There is no Manifold on the distribution's DPDK.
pub(crate) fn find(
    manifold: Option<&Path>,
    testpmd: &Path,
    dpdk: Option<&str>,
) -> Result<Programs, BenchError> {
    let cure = "install Debian's package dpdk-dev, or name it with --testpmd";
    let mut testpmds = HashMap::new();
    let no_testpmd = match machine::find_program(testpmd, cure) {
        Ok(program) => testpmds.insert(Build::Packaged, peer(program, dpdk)).and(None),
        Err(error) => Some(error.to_string()),
    };
    let packaged = packaged_manifold(manifold)?;
    let is_current = !is_stale(&packaged.program);
    let mut manifolds = HashMap::from([(Build::Packaged, packaged)]);
    let own_dpdk = own_programs().map(|own| {
        manifolds.insert(Build::Own, Manifold { program: own.manifold });
        let testpmd = own.testpmd.map(|program| peer(program, own.dpdk.as_deref()));
        testpmds.extend(testpmd.map(|testpmd| (Build::Own, testpmd)));
        own.dpdk.unwrap_or_else(|| "of unknown version".to_owned())
    });
    Ok(Programs { manifolds, testpmds, no_testpmd, own_dpdk, is_current })
}

/// That testpmd, to be spoken to in the words of its own DPDK, which is of that version.
fn peer(program: PathBuf, dpdk: Option<&str>) -> Testpmd {
    Testpmd { program, bonding_keyword: machine::bonding_keyword(dpdk) }
}

impl Programs {
    /// Manifold on that DPDK.
    ///
    /// # Errors
    /// Why it is not there.
    pub(crate) fn manifold(&self, build: Build) -> Result<&Manifold, BenchError> {
        self.manifolds.get(&build).ok_or_else(|| self.why_not(build))
    }

    /// The testpmd on that DPDK.
    ///
    /// # Errors
    /// Why it is not there.
    pub(crate) fn testpmd(&self, build: Build) -> Result<&Testpmd, BenchError> {
        self.testpmds.get(&build).ok_or_else(|| match (build, &self.no_testpmd) {
            (Build::Packaged, Some(why)) => BenchError::no_peer(why),
            (Build::Packaged | Build::Own, _) => self.why_not(build),
        })
    }

    /// Why what runs on that DPDK is not there: all of one build are made at once.
    fn why_not(&self, build: Build) -> BenchError {
        let why = match (build, &self.own_dpdk) {
            (Build::Own, Err(why)) => why,
            (Build::Own | Build::Packaged, _) => NOT_BUILT,
        };
        BenchError::Missing(why.to_owned())
    }
}

/// The binary that was named, or the one built beside this program.
fn packaged_manifold(named: Option<&Path>) -> Result<Manifold, BenchError> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("manifold"));
    let path = named.map(Path::to_owned).or_else(beside).unwrap_or_else(|| "manifold".into());
    let cure = "build it (cargo build --release -p dataplane), or name it with --manifold";
    machine::find_program(&path, cure).map(|program| Manifold { program })
}

/// What `make fast` built.
struct Own {
    manifold: PathBuf,
    testpmd: Option<PathBuf>,
    dpdk: Option<String>,
}

/// What `make fast` built, beside the folder of this program.
fn own_programs() -> Result<Own, &'static str> {
    let exe = std::env::current_exe().map_err(|_| NOT_BUILT)?;
    let target = exe.parent().and_then(Path::parent).ok_or(NOT_BUILT)?;
    let found = |path: &str| Some(target.join(path)).filter(|path| path.is_file());
    let manifold = found("fast/release/manifold").ok_or(NOT_BUILT)?;
    if is_stale(&manifold) {
        return Err(STALE);
    }
    let dpdk = machine::dpdk_version(Some(&target.join("dpdk/lib/pkgconfig")));
    Ok(Own { manifold, testpmd: found("dpdk/bin/dpdk-testpmd"), dpdk })
}

/// Whether a source of a program is newer than the program: cargo writes down beside it what it was made of. One that is
/// gone says nothing: there are headers among them that were only looked for, and who removes a source changes another.
fn is_stale(program: &Path) -> bool {
    let Ok(made_of) = fs::read_to_string(program.with_extension("d")) else { return false };
    let when = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let Some(built) = when(program) else { return true };
    sources(&made_of).any(|source| when(&source).is_some_and(|changed| changed > built))
}

/// The sources in a file of cargo's, "program: source source": a space in a path has a backslash before it.
fn sources(made_of: &str) -> impl Iterator<Item = PathBuf> {
    const SPACE: &str = "\u{0}";
    let all = made_of
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(_, sources)| sources.replace("\\ ", SPACE));
    let all: Vec<_> =
        all.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    all.into_iter().map(|path| path.replace(SPACE, " ").into())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_testpmd_that_is_missing_is_told_of_where_it_is_needed() {
        let sh = Path::new("/bin/sh");
        let programs = find(Some(sh), Path::new("no-such-testpmd"), Some("24.11.6")).unwrap();
        assert_eq!(programs.manifold(Build::Packaged).unwrap().program, sh, "it needs no peer");
        let why = programs.testpmd(Build::Packaged).unwrap_err().to_string();
        assert!(why.starts_with("no peer: there is no program no-such-testpmd; install "), "{why}");
        let programs = find(Some(sh), sh, Some("24.11.6")).unwrap();
        assert_eq!(programs.testpmd(Build::Packaged).unwrap().bonding_keyword, "member");
        assert!(find(Some(Path::new("no-such-manifold")), sh, None).is_err(), "nothing can be measured");
    }

    #[test]
    fn a_program_is_stale_when_a_source_of_it_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let [program, made_of, old, new] =
            ["manifold", "manifold.d", "an old one.rs", "new.rs"].map(|name| folder.path().join(name));
        let at = |path: &Path, seconds| {
            let file = File::options().create(true).append(true).open(path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        };
        at(&program, 20);
        assert!(!is_stale(&program), "what is not known is not said");
        let named = |path: &Path| path.display().to_string().replace(' ', "\\ ");
        fs::write(&made_of, format!("{}: {} {}\n", named(&program), named(&old), named(&new))).unwrap();
        at(&old, 10);
        assert!(!is_stale(&program), "a header was looked for there, and is elsewhere");
        at(&new, 15);
        assert!(!is_stale(&program));
        at(&new, 21);
        assert!(is_stale(&program));
    }
}
