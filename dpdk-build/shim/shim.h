/* What bindgen reads: DPDK's headers, and the shim's own functions and constants. */
#ifndef MANIFOLD_DPDK_SHIM_H
#define MANIFOLD_DPDK_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* fopencookie */
#endif

#include <stddef.h>
#include <stdint.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_version.h>

/*
 * Where the fields of an mbuf are. They sit in other unions from one release to the next, so the
 * compiler is asked, not bindgen's paths.
 */
enum shim_mbuf_offset {
	SHIM_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	SHIM_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	SHIM_MBUF_REFCNT = offsetof(struct rte_mbuf, refcnt),
	SHIM_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	SHIM_MBUF_PORT = offsetof(struct rte_mbuf, port),
	SHIM_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
	SHIM_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	SHIM_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	SHIM_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
	SHIM_MBUF_VLAN_TCI = offsetof(struct rte_mbuf, vlan_tci),
};

enum shim_limit {
	SHIM_MAX_ETHPORTS = RTE_MAX_ETHPORTS,
	SHIM_MAX_LCORE = RTE_MAX_LCORE,
	SHIM_LCORE_ID_ANY = LCORE_ID_ANY,
	SHIM_PKTMBUF_HEADROOM = RTE_PKTMBUF_HEADROOM,
	SHIM_MEMPOOL_CACHE_MAX_SIZE = RTE_MEMPOOL_CACHE_MAX_SIZE,
	SHIM_ETH_NAME_MAX_LEN = RTE_ETH_NAME_MAX_LEN,
};

static const int SHIM_SOCKET_ID_ANY = SOCKET_ID_ANY;

/* Whether this DPDK counts an mbuf's references atomically: without, one thread must hold them all. */
#ifdef RTE_MBUF_REFCNT_ATOMIC
enum shim_refcnt { SHIM_REFCNT_ATOMIC = 1 };
#else
enum shim_refcnt { SHIM_REFCNT_ATOMIC = 0 };
#endif

/* The release, as 22 and 11. */
enum shim_release { SHIM_RELEASE_YEAR = RTE_VER_YEAR, SHIM_RELEASE_MONTH = RTE_VER_MONTH };

/* Whether its net_af_xdp waits for no peer and can be opened again: mend-af-xdp.sh says so. */
#if defined(RTE_NET_AF_XDP) && defined(MANIFOLD_MENDED_AF_XDP)
enum shim_af_xdp { SHIM_AF_XDP_MENDED = 1 };
#else
enum shim_af_xdp { SHIM_AF_XDP_MENDED = 0 };
#endif

static const uint64_t SHIM_RX_IP_CKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t SHIM_RX_IP_CKSUM_UNKNOWN = RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN;
static const uint64_t SHIM_RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t SHIM_RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t SHIM_RX_IP_CKSUM_NONE = RTE_MBUF_F_RX_IP_CKSUM_NONE;
static const uint64_t SHIM_RX_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED;
static const uint64_t SHIM_MBUF_INDIRECT = RTE_MBUF_F_INDIRECT;

static const uint64_t SHIM_RX_OFFLOAD_IPV4_CKSUM = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
static const uint64_t SHIM_RSS_IPV4 = RTE_ETH_RSS_IPV4;
static const uint64_t SHIM_RSS_FRAG_IPV4 = RTE_ETH_RSS_FRAG_IPV4;
static const uint64_t SHIM_RSS_NONFRAG_IPV4_OTHER = RTE_ETH_RSS_NONFRAG_IPV4_OTHER;
static const uint64_t SHIM_RSS_NONFRAG_IPV4_UDP = RTE_ETH_RSS_NONFRAG_IPV4_UDP;
static const uint64_t SHIM_RSS_L3_DST_ONLY = RTE_ETH_RSS_L3_DST_ONLY;
static const uint32_t SHIM_MQ_RX_NONE = RTE_ETH_MQ_RX_NONE;
static const uint32_t SHIM_MQ_RX_RSS = RTE_ETH_MQ_RX_RSS;

/* Sizes of the structures that bindgen lays out itself, for the layout test. */
static const size_t SHIM_SIZEOF_ETH_CONF = sizeof(struct rte_eth_conf);
static const size_t SHIM_SIZEOF_ETH_DEV_INFO = sizeof(struct rte_eth_dev_info);
static const size_t SHIM_SIZEOF_ETH_STATS = sizeof(struct rte_eth_stats);
static const size_t SHIM_SIZEOF_ETHER_ADDR = sizeof(struct rte_ether_addr);

/* The state of a link, without the bit fields of struct rte_eth_link. */
struct shim_link {
	uint32_t speed_mbps; /* UINT32_MAX: unknown */
	uint8_t up;
	uint8_t full_duplex;
	uint8_t autoneg;
};

/* An mbuf as C sees it: the oracle for reads by offset. */
struct shim_mbuf_view {
	void *data;
	uint64_t ol_flags;
	uint32_t pkt_len;
	uint16_t data_len;
	uint16_t refcnt;
	uint16_t nb_segs;
	uint16_t port;
	uint16_t tailroom;
	uint16_t headroom;
	uint16_t vlan_tci;
};

/* One message of DPDK's log. `text` is not terminated and may end in a newline. */
typedef void (*shim_log_sink)(uint32_t level, const char *text, size_t len);

/* Sends DPDK's log to `sink` from now on, from any thread. 0, or -1 when no stream could be made. */
int shim_log_to(shim_log_sink sink);

/* rte_eal_init without what it and getopt print of their own on the standard streams: DPDK's log has the reason. */
int shim_eal_init(int argc, char **argv);

/* rte_errno of the calling thread. */
int shim_errno(void);
/* The calling thread's lcore, or SHIM_LCORE_ID_ANY. */
unsigned int shim_lcore_id(void);
/* The time stamp counter. */
uint64_t shim_cycles(void);

/* Frames received into `mbufs`, at most `n`. */
uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
/* Offers `n` mbufs to the driver. Returns how many it took, the first ones. */
uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);

/* An empty mbuf with one reference, or NULL. */
struct rte_mbuf *shim_mbuf_alloc(struct rte_mempool *pool);
/* Fills `mbufs` with `n` empty mbufs, or with none and returns below 0. */
int shim_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int n);
/*
 * Copies `n` frames of one segment into mbufs of `pool`, each with `source` as its source MAC, and adds their lengths to
 * `bytes`. Returns how many, in their order: less than `n` when the pool is empty, and without those that are shorter than
 * an Ethernet header or longer than an mbuf of the pool, whose number is added to `unfit`.
 */
unsigned int shim_mbuf_copy(struct rte_mempool *pool, struct rte_mbuf *const *frames, struct rte_mbuf **copies,
			    unsigned int n, const uint8_t *source, uint64_t *bytes, unsigned int *unfit);
/* Gives one reference back. */
void shim_mbuf_free(struct rte_mbuf *mbuf);
/* The fields of `mbuf` through DPDK's own accessors. */
void shim_mbuf_view(const struct rte_mbuf *mbuf, struct shim_mbuf_view *view);

/*
 * A pool of `n` mbufs, each in a page of 4 KiB of its own with no gap between, in one piece: a driver reckons an mbuf's
 * address by its place. NULL sets rte_errno.
 */
struct rte_mempool *shim_page_pool_create(const char *name, unsigned int n, unsigned int cache, int socket);
/* Mbufs of the pool, free or not. */
uint32_t shim_mempool_size(const struct rte_mempool *pool);

/*
 * The process's packet sockets that are bound to an interface, into `sockets`; how many there are, or -errno.
 * net_af_packet keeps its own to itself.
 */
int shim_packet_sockets(uint32_t interface, int *sockets, unsigned int max);
/*
 * Lets a socket have so many bytes on their way: net_af_packet waits in poll() for one that has more than half of its room
 * there. 0 or -errno.
 */
int shim_packet_socket_room(int socket, int bytes);
/* Frames that the kernel dropped at a packet socket, as its ring was full, since this was asked last. */
uint32_t shim_packet_socket_drops(int socket);
/*
 * The process's AF_XDP sockets, into `sockets`; how many there are, or -errno. Which interface one is bound to, none of them
 * tells.
 */
int shim_xdp_sockets(int *sockets, unsigned int max);
/*
 * Frames that the kernel dropped so far as an AF_XDP socket's receive ring was full, which net_af_xdp does not count.
 * 0 or -errno.
 */
int shim_xdp_socket_ring_full(int socket, uint64_t *frames);
/* The link's state now, without waiting. 0 or -errno. */
int shim_link_get(uint16_t port, struct shim_link *link);
/* The device behind a port, or NULL. */
struct rte_device *shim_port_device(uint16_t port);
/* The ports of the device that `devargs` names, into `ports`; how many there are, or -errno. */
int shim_ports_of(const char *devargs, uint16_t *ports, unsigned int max);

#endif
