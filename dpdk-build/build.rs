//! Binds the DPDK that pkg-config finds; `PKG_CONFIG_PATH` picks another than the distribution's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, panic, process};

/// The libraries whose symbols the bindings and the shim use. Shared, drivers are plugins that EAL loads by itself.
const LIBRARIES: [&str; 5] = ["rte_ethdev", "rte_mbuf", "rte_mempool", "rte_ring", "rte_eal"];

const FUNCTIONS: &str = "shim_.*\
    |rte_eal_(cleanup|has_hugepages|get_runtime_dir)\
    |rte_(strerror|version|get_tsc_hz|socket_count)\
    |rte_(get_main_lcore|get_next_lcore|lcore_to_cpu_id|lcore_to_socket_id|thread_register|thread_unregister)\
    |rte_log_(set_global_level|set_level_pattern)\
    |rte_dev_(probe|remove)\
    |rte_mempool_(free|avail_count|in_use_count)\
    |rte_pktmbuf_(pool_create|free_bulk|copy)\
    |rte_mbuf_check\
    |rte_eth_find_next\
    |rte_eth_dev_(adjust_nb_rx_tx_desc|close|configure|default_mac_addr_set|get_mtu|get_name_by_port\
|get_port_by_name|info_get|is_valid_port|mac_addr_add|mac_addr_remove|set_mc_addr_list|set_mtu|socket_id|start|stop)\
    |rte_eth_(rx|tx)_queue_setup\
    |rte_eth_(allmulticast|promiscuous)_(enable|disable|get)\
    |rte_eth_(macaddr_get|stats_get|stats_reset)";

const TYPES: &str = "shim_.*|rte_eth_(conf|dev_info|rxconf|txconf|stats)|rte_ether_addr";

const VARIABLES: &str = "SHIM_.*";

/// Only ever behind a pointer: their layout stays C's own business.
const OPAQUE: [&str; 4] = ["rte_mbuf(_.*)?", "rte_mempool(_.*)?", "rte_memzone(_.*)?", "rte_device"];

fn fail(what: &str) -> ! {
    // Cargo shows what is on one line.
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    println!("cargo::error={what}");
    println!("cargo::error=`dpdk-build/setup.sh` installs what the build needs");
    process::exit(1);
}

/// DPDK as pkg-config knows it.
fn find_dpdk() -> pkg_config::Library {
    // Also when it is found: another may be asked for later.
    for name in ["PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR", "LIBCLANG_PATH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    match pkg_config::Config::new().atleast_version("22.11").cargo_metadata(false).probe("libdpdk") {
        Ok(dpdk) => dpdk,
        Err(e) => {
            eprintln!("{e}");
            fail(
                "pkg-config finds no DPDK (libdpdk) of version 22.11 or later; PKG_CONFIG_PATH can name its folder",
            );
        }
    }
}

/// What pkg-config says of it, word by word.
fn ask_pkg_config(question: &[&str]) -> Vec<String> {
    let pkg_config = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    match Command::new(pkg_config).args(question).arg("libdpdk").output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
        }
        Ok(output) => fail(&String::from_utf8_lossy(&output.stderr)),
        Err(e) => fail(&format!("pkg-config does not run: {e}")),
    }
}

/// What the headers are read with: the configuration first, and the baseline CPU that DPDK needs (its
/// x86 headers use SSE4.2 inlines). Which CPU it was built for, libclang may not know.
fn clang_flags() -> Vec<&'static str> {
    let mut flags = vec!["-include", "rte_config.h"];
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64") {
        flags.push("-march=corei7");
    }
    flags
}

/// What the shim is compiled with: for the CPU that DPDK itself was built for.
fn shim_flags() -> Vec<String> {
    let mut flags = vec!["-include".to_owned(), "rte_config.h".to_owned()];
    flags.extend(ask_pkg_config(&["--cflags"]).into_iter().filter(|flag| flag.starts_with("-m")));
    flags
}

/// Links the shared libraries where there are any, else the archives: those whole, as drivers make themselves
/// known by constructors that nobody calls. Never both: a driver in both is registered twice, and EAL panics.
fn link(dpdk: &pkg_config::Library) {
    for path in &dpdk.link_paths {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    if !is_static(&dpdk.link_paths) {
        for library in LIBRARIES {
            println!("cargo::rustc-link-lib={library}");
        }
        return;
    }
    let compiler = cc::Build::new().get_compiler();
    for word in ask_pkg_config(&["--static", "--libs"]) {
        if let Some(archive) = word.strip_prefix("-l:lib").and_then(|name| name.strip_suffix(".a")) {
            println!("cargo::rustc-link-lib=static:+whole-archive,-bundle={archive}");
        } else if let Some(library) = word.strip_prefix("-l")
            && !library.starts_with("rte_")
            && has_shared(&compiler, library)
        {
            println!("cargo::rustc-link-lib={library}");
        }
    }
}

/// Whether this DPDK, of our own making perhaps, has archives alone. Behind its folder come those of other libraries,
/// where the distribution's DPDK may be.
fn is_static(folders: &[PathBuf]) -> bool {
    let has = |folder: &Path, kind| folder.join(format!("librte_eal.{kind}")).exists();
    folders.iter().find_map(|folder| match (has(folder, "so"), has(folder, "a")) {
        (true, _) => Some(false),
        (false, true) => Some(true),
        (false, false) => None,
    }) == Some(true)
}

/// Whether a library of the system is there in its shared form. `pkg-config --static` also names what only the
/// archives of those libraries would need.
fn has_shared(compiler: &cc::Tool, library: &str) -> bool {
    let file = format!("-print-file-name=lib{library}.so");
    compiler.to_command().arg(file).output().is_ok_and(|output| {
        let path = String::from_utf8_lossy(&output.stdout);
        Path::new(path.trim()).is_absolute()
    })
}

fn bind(include: &[String], out: &Path) {
    let mut builder = bindgen::Builder::default()
        .header("shim/shim.h")
        .clang_args(clang_flags())
        .clang_args(include)
        .allowlist_function(FUNCTIONS)
        .allowlist_type(TYPES)
        .allowlist_var(VARIABLES)
        .derive_default(true)
        .prepend_enum_name(false)
        .generate_comments(false)
        .layout_tests(true)
        .formatter(bindgen::Formatter::None);
    for name in OPAQUE {
        builder = builder.blocklist_type(name);
    }
    // bindgen panics, and never returns an error, when it cannot load libclang.
    panic::set_hook(Box::new(|_| {}));
    let generated = panic::catch_unwind(panic::AssertUnwindSafe(|| builder.generate()));
    let _ = panic::take_hook();
    match generated {
        Ok(Ok(bindings)) => match bindings.write_to_file(out) {
            Ok(()) => {}
            Err(e) => fail(&format!("cannot write {}: {e}", out.display())),
        },
        Ok(Err(e)) => fail(&format!("DPDK's headers could not be read: {e}")),
        Err(cause) => {
            let cause = cause.downcast_ref::<String>().map_or("no reason given", String::as_str);
            fail(&format!("libclang is missing or unusable: {cause}"));
        }
    }
}

fn main() {
    println!("cargo::rerun-if-changed=shim");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));

    let dpdk = find_dpdk();
    // Built anew at the same place, it is another one. A file that is not there would count as changed, always.
    let configs = dpdk.include_paths.iter().map(|path| path.join("rte_build_config.h"));
    for config in configs.filter(|config| config.exists()) {
        println!("cargo::rerun-if-changed={}", config.display());
    }
    // Debian keeps rte_config.h in a folder of its own, which `pkg-config` puts second.
    let include: Vec<String> = dpdk.include_paths.iter().map(|p| format!("-I{}", p.display())).collect();

    bind(&include, &out.join("bindings.rs"));

    let mut shim = cc::Build::new();
    shim.file("shim/shim.c").std("gnu11").warnings(true).extra_warnings(true);
    // A function that C guesses would give a pointer cut to an int.
    shim.flag("-Werror=implicit-function-declaration");
    for flag in shim_flags() {
        shim.flag(flag);
    }
    for path in &dpdk.include_paths {
        // DPDK's own headers are not ours to warn about.
        shim.flag(format!("-isystem{}", path.display()));
    }
    if let Err(e) = shim.try_compile("manifold_dpdk_shim") {
        fail(&format!("the shim of DPDK's inline functions did not compile: {e}"));
    }
    link(&dpdk);
    println!("cargo::metadata=version={}", dpdk.version);
}
