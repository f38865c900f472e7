/* DPDK's static inlines as functions, one call per burst, so that Rust can reach them. */
#include "shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memcpy.h>

/* What Rust reads and writes by offset has the width it assumes. */
#define FIELD_IS(type, field) \
	_Static_assert(sizeof(((struct rte_mbuf *)0)->field) == sizeof(type), "width of rte_mbuf." #field)
FIELD_IS(void *, buf_addr);
FIELD_IS(uint16_t, data_off);
FIELD_IS(uint16_t, refcnt);
FIELD_IS(uint16_t, nb_segs);
FIELD_IS(uint16_t, port);
FIELD_IS(uint64_t, ol_flags);
FIELD_IS(uint32_t, pkt_len);
FIELD_IS(uint16_t, data_len);
FIELD_IS(uint16_t, vlan_tci);
FIELD_IS(uint16_t, buf_len);

/* What drivers write of a received mbuf in one go, Rust reads in one go. */
#define REARMED_AT(offset, field) \
	_Static_assert(offsetof(struct rte_mbuf, field) == offsetof(struct rte_mbuf, rearm_data) + offset, \
		       "place of rte_mbuf." #field)
REARMED_AT(0, data_off);
REARMED_AT(2, refcnt);
REARMED_AT(4, nb_segs);
REARMED_AT(6, port);

static ssize_t
log_write(void *cookie, const char *text, size_t len)
{
	shim_log_sink sink;

	memcpy(&sink, &cookie, sizeof(sink));
	sink((uint32_t)rte_log_cur_msg_loglevel(), text, len);
	return (ssize_t)len;
}

int
shim_log_to(shim_log_sink sink)
{
	cookie_io_functions_t functions = { .write = log_write };
	void *cookie;
	FILE *stream;

	_Static_assert(sizeof(cookie) == sizeof(sink), "a function pointer fits the cookie");
	memcpy(&cookie, &sink, sizeof(cookie));
	stream = fopencookie(cookie, "w", functions);
	if (stream == NULL)
		return -1;
	/* DPDK flushes after every message, so one write is one message. */
	return rte_openlog_stream(stream);
}

int
shim_eal_init(int argc, char **argv)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int out = null < 0 ? -1 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	int ret;

	/* A refused argument brings 70 lines of usage, for options that are not this program's. */
	opterr = 0;
	fflush(stdout);
	if (out >= 0)
		dup2(null, STDOUT_FILENO);
	ret = rte_eal_init(argc, argv);
	fflush(stdout);
	if (out >= 0) {
		dup2(out, STDOUT_FILENO);
		close(out);
	}
	if (null >= 0)
		close(null);
	return ret;
}

int
shim_errno(void)
{
	return rte_errno;
}

unsigned int
shim_lcore_id(void)
{
	return rte_lcore_id();
}

uint64_t
shim_cycles(void)
{
	return rte_get_tsc_cycles();
}

/*
 * Both bursts are jumps to the driver, which save no registers, unless there are callbacks (a capture's, say). Most polls
 * find nothing, and a third of what such a poll cost were the registers.
 */
static __rte_noinline uint16_t
rx_burst_with_callbacks(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return rte_eth_rx_burst(port, queue, mbufs, n);
}

static __rte_noinline uint16_t
tx_burst_with_callbacks(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return rte_eth_tx_burst(port, queue, mbufs, n);
}

uint16_t
shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[port];

	if (likely(ops->rxq.clbk[queue] == NULL))
		return ops->rx_pkt_burst(ops->rxq.data[queue], mbufs, n);
	return rx_burst_with_callbacks(port, queue, mbufs, n);
}

uint16_t
shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[port];

	if (likely(ops->txq.clbk[queue] == NULL))
		return ops->tx_pkt_burst(ops->txq.data[queue], mbufs, n);
	return tx_burst_with_callbacks(port, queue, mbufs, n);
}

struct rte_mbuf *
shim_mbuf_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

int
shim_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int n)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, n);
}

/* An mbuf of a pool is reset but for what a frame of one segment says in its first cache line. */
static inline bool
copy_frame(struct rte_mbuf *copy, const struct rte_mbuf *frame, const uint8_t *source)
{
	uint16_t len = rte_pktmbuf_data_len(frame);
	uint8_t *data;

	if (len < RTE_ETHER_HDR_LEN || len > copy->buf_len - RTE_PKTMBUF_HEADROOM)
		return false;
	copy->data_off = RTE_PKTMBUF_HEADROOM;
	copy->port = RTE_MBUF_PORT_INVALID;
	copy->ol_flags = 0;
	copy->packet_type = 0;
	copy->vlan_tci = 0;
	copy->pkt_len = len;
	copy->data_len = len;
	data = rte_pktmbuf_mtod(copy, uint8_t *);
	rte_memcpy(data, rte_pktmbuf_mtod(frame, const uint8_t *), len);
	memcpy(data + RTE_ETHER_ADDR_LEN, source, RTE_ETHER_ADDR_LEN);
	return true;
}

unsigned int
shim_mbuf_copy(struct rte_mempool *pool, struct rte_mbuf *const *frames, struct rte_mbuf **copies, unsigned int n,
	       const uint8_t *source, uint64_t *bytes, unsigned int *unfit)
{
	unsigned int made = n, copied = 0, frame;

	if (rte_mempool_get_bulk(pool, (void **)copies, n) < 0) {
		made = 0;
		while (made < n && rte_mempool_get(pool, (void **)&copies[made]) == 0)
			made++;
	}
	for (frame = 0; frame < n && copied < made; frame++) {
		if (unlikely(!copy_frame(copies[copied], frames[frame], source))) {
			(*unfit)++;
			continue;
		}
		copied++;
		*bytes += rte_pktmbuf_pkt_len(frames[frame]);
	}
	if (unlikely(copied < made))
		rte_mempool_put_bulk(pool, (void *const *)(copies + copied), made - copied);
	return copied;
}

void
shim_mbuf_free(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

void
shim_mbuf_view(const struct rte_mbuf *mbuf, struct shim_mbuf_view *view)
{
	view->data = rte_pktmbuf_mtod(mbuf, void *);
	view->ol_flags = mbuf->ol_flags;
	view->pkt_len = rte_pktmbuf_pkt_len(mbuf);
	view->data_len = rte_pktmbuf_data_len(mbuf);
	view->refcnt = rte_mbuf_refcnt_read(mbuf);
	view->nb_segs = mbuf->nb_segs;
	view->port = mbuf->port;
	view->tailroom = rte_pktmbuf_tailroom(mbuf);
	view->headroom = rte_pktmbuf_headroom(mbuf);
	view->vlan_tci = mbuf->vlan_tci;
}

struct rte_mempool *
shim_page_pool_create(const char *name, unsigned int n, unsigned int cache, int socket)
{
	const unsigned int page = 4096, flags = RTE_MEMPOOL_F_NO_SPREAD;
	struct rte_mempool_objsz size;
	struct rte_pktmbuf_pool_private private;
	struct rte_mempool *pool;
	unsigned int elt;
	int ret;

	/* The element that fills a page together with the pool's own header. */
	rte_mempool_calc_obj_size(sizeof(struct rte_mbuf), flags, &size);
	elt = page - size.header_size - size.trailer_size;
	if (rte_mempool_calc_obj_size(elt, flags, NULL) != page) {
		rte_errno = ENOTSUP;
		return NULL;
	}
	pool = rte_mempool_create_empty(name, n, elt, cache, sizeof(private), socket, flags);
	if (pool == NULL)
		return NULL;
	ret = rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL);
	if (ret == 0) {
		memset(&private, 0, sizeof(private));
		private.mbuf_data_room_size = (uint16_t)(elt - sizeof(struct rte_mbuf));
		rte_pktmbuf_pool_init(pool, &private);
		ret = rte_mempool_populate_default(pool);
	}
	if (ret >= 0 && pool->nb_mem_chunks != 1)
		ret = -ENOMEM;
	if (ret < 0) {
		rte_mempool_free(pool);
		rte_errno = -ret;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

static bool
is_bound_to(int packet_socket, uint32_t interface)
{
	struct sockaddr_ll bound = { 0 };
	socklen_t len = sizeof(bound);

	return getsockname(packet_socket, (struct sockaddr *)&bound, &len) == 0 && bound.sll_ifindex == (int)interface;
}

/* The next one of a folder, NULL at its end; `errno` is zero then, and only then. */
static struct dirent *
next_entry(DIR *folder)
{
	errno = 0;
	return readdir(folder);
}

/* Packet sockets that are bound to an interface, or any of another domain; how many, or -errno. */
static int
sockets_of(int wanted, uint32_t interface, int *sockets, unsigned int max)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned int found = 0;
	int error;

	if (folder == NULL)
		return -errno;
	while ((entry = next_entry(folder)) != NULL) {
		int fd = atoi(entry->d_name), domain = 0;
		socklen_t len = sizeof(domain);

		/* One that is closed meanwhile, or is another's by now, says so or is none. */
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != wanted ||
		    (domain == AF_PACKET && !is_bound_to(fd, interface)))
			continue;
		if (found < max)
			sockets[found] = fd;
		found++;
	}
	error = errno;
	closedir(folder);
	return error != 0 ? -error : (int)found;
}

int
shim_packet_sockets(uint32_t interface, int *sockets, unsigned int max)
{
	return sockets_of(AF_PACKET, interface, sockets, max);
}

int
shim_xdp_sockets(int *sockets, unsigned int max)
{
	return sockets_of(AF_XDP, 0, sockets, max);
}

int
shim_packet_socket_room(int socket, int bytes)
{
	socklen_t len = sizeof(bytes);
	int got = 0;

	if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) == 0)
		return 0;
	/* Without the privilege the system's limit decides. The kernel takes twice what is asked for. */
	if (setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0 ||
	    getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &got, &len) < 0)
		return -errno;
	return got < bytes ? -EPERM : 0;
}

uint32_t
shim_packet_socket_drops(int socket)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	return getsockopt(socket, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0 ? 0 : stats.tp_drops;
}

int
shim_xdp_socket_ring_full(int socket, uint64_t *frames)
{
	struct xdp_statistics stats = { 0 };
	socklen_t len = sizeof(stats);

	/* An older kernel knows less of it, and leaves the rest at zero. */
	if (getsockopt(socket, SOL_XDP, XDP_STATISTICS, &stats, &len) < 0)
		return -errno;
	*frames = stats.rx_ring_full;
	return 0;
}

uint32_t
shim_mempool_size(const struct rte_mempool *pool)
{
	return pool->size;
}

int
shim_link_get(uint16_t port, struct shim_link *out)
{
	struct rte_eth_link link;
	int ret;

	memset(&link, 0, sizeof(link));
	ret = rte_eth_link_get_nowait(port, &link);
	if (ret < 0)
		return ret;
	out->speed_mbps = link.link_speed;
	out->up = link.link_status == RTE_ETH_LINK_UP;
	out->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	out->autoneg = link.link_autoneg == RTE_ETH_LINK_AUTONEG;
	return 0;
}

struct rte_device *
shim_port_device(uint16_t port)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port, &info) != 0)
		return NULL;
	return info.device;
}

int
shim_ports_of(const char *devargs, uint16_t *ports, unsigned int max)
{
	struct rte_dev_iterator iterator;
	unsigned int found = 0;
	uint16_t port;
	int ret;

	ret = rte_eth_iterator_init(&iterator, devargs);
	if (ret != 0)
		return ret;
	for (port = rte_eth_iterator_next(&iterator); port != RTE_MAX_ETHPORTS;
	     port = rte_eth_iterator_next(&iterator)) {
		if (found < max)
			ports[found] = port;
		found++;
	}
	/* The iterator has cleaned up after itself, having reached its end. */
	return (int)found;
}
