//! That Rust and C mean the same bytes. The offsets' widths are asserted in the shim when it is compiled, and bindgen
//! asserts each field of the structs it lays out; here are the rest.

#![allow(unsafe_code)]

use core::mem::{offset_of, size_of};

#[test]
fn structs_are_as_long_as_in_c() {
    assert_eq!(size_of::<dpdk_sys::rte_eth_conf>(), dpdk_sys::SHIM_SIZEOF_ETH_CONF);
    assert_eq!(size_of::<dpdk_sys::rte_eth_dev_info>(), dpdk_sys::SHIM_SIZEOF_ETH_DEV_INFO);
    assert_eq!(size_of::<dpdk_sys::rte_eth_stats>(), dpdk_sys::SHIM_SIZEOF_ETH_STATS);
    assert_eq!(size_of::<dpdk_sys::rte_ether_addr>(), dpdk_sys::SHIM_SIZEOF_ETHER_ADDR);
    assert_eq!(offset_of!(dpdk_sys::rte_ether_addr, addr_bytes), 0);
}

/// What `dpdk` reads by offset, C reads by name. The mbuf is made of bytes: no EAL is needed.
#[test]
fn fields_of_an_mbuf_are_where_c_reads_them() {
    #[repr(align(64))]
    struct Buffer([u8; 256]);
    let mut mbuf = Buffer([0; 256]);
    let data = [0u8; 2048];
    let mut put = |offset: u32, bytes: &[u8]| {
        let at = offset as usize;
        assert!(mbuf.0[at..at + bytes.len()].iter().all(|&byte| byte == 0), "two fields at {at}");
        mbuf.0[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(dpdk_sys::SHIM_MBUF_BUF_ADDR, &(data.as_ptr() as usize).to_ne_bytes());
    put(dpdk_sys::SHIM_MBUF_DATA_OFF, &101u16.to_ne_bytes());
    put(dpdk_sys::SHIM_MBUF_REFCNT, &102u16.to_ne_bytes());
    put(dpdk_sys::SHIM_MBUF_NB_SEGS, &103u16.to_ne_bytes());
    put(dpdk_sys::SHIM_MBUF_PORT, &104u16.to_ne_bytes());
    put(dpdk_sys::SHIM_MBUF_OL_FLAGS, &0x1122_3344_5566_7788u64.to_ne_bytes());
    put(dpdk_sys::SHIM_MBUF_PKT_LEN, &0x0105_0106u32.to_ne_bytes());
    put(dpdk_sys::SHIM_MBUF_DATA_LEN, &107u16.to_ne_bytes());
    put(dpdk_sys::SHIM_MBUF_VLAN_TCI, &108u16.to_ne_bytes());
    put(dpdk_sys::SHIM_MBUF_BUF_LEN, &2048u16.to_ne_bytes());

    let mut view = dpdk_sys::shim_mbuf_view::default();
    // SAFETY: the buffer is aligned as an mbuf and longer than one; the accessors read its fields and no more.
    unsafe { dpdk_sys::shim_mbuf_view(mbuf.0.as_ptr().cast(), &mut view) };
    assert_eq!(view.data as usize, data.as_ptr() as usize + 101);
    assert_eq!((view.refcnt, view.nb_segs, view.port), (102, 103, 104));
    assert_eq!((view.ol_flags, view.pkt_len, view.data_len), (0x1122_3344_5566_7788, 0x0105_0106, 107));
    assert_eq!(view.vlan_tci, 108);
    assert_eq!((view.headroom, view.tailroom), (101, 2048 - 101 - 107));
}
