//! Binds the DPDK that pkg-config finds; `PKG_CONFIG_PATH` picks another than the distribution's.

use std::path::PathBuf;
use std::{env, panic, process};

/// The libraries whose symbols the bindings and the shim use. Drivers are plugins that EAL loads by itself.
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

/// What the headers are read with: the configuration first, and the baseline CPU that DPDK needs (its
/// x86 headers use SSE4.2 inlines).
fn c_flags() -> Vec<&'static str> {
    let mut flags = vec!["-include", "rte_config.h"];
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64") {
        flags.push("-march=corei7");
    }
    flags
}

fn bind(include: &[String], out: &std::path::Path) {
    let mut builder = bindgen::Builder::default()
        .header("shim/shim.h")
        .clang_args(c_flags())
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
    // Debian keeps rte_config.h in a folder of its own, which `pkg-config` puts second.
    let include: Vec<String> = dpdk.include_paths.iter().map(|p| format!("-I{}", p.display())).collect();

    bind(&include, &out.join("bindings.rs"));

    let mut shim = cc::Build::new();
    shim.file("shim/shim.c").std("gnu11").warnings(true).extra_warnings(true);
    for flag in c_flags() {
        shim.flag(flag);
    }
    for path in &dpdk.include_paths {
        // DPDK's own headers are not ours to warn about.
        shim.flag(format!("-isystem{}", path.display()));
    }
    if let Err(e) = shim.try_compile("manifold_dpdk_shim") {
        fail(&format!("the shim of DPDK's inline functions did not compile: {e}"));
    }
    for path in &dpdk.link_paths {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    for library in LIBRARIES {
        println!("cargo::rustc-link-lib={library}");
    }
    println!("cargo::metadata=version={}", dpdk.version);
}
