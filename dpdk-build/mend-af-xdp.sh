#!/usr/bin/env bash
# Mends net_af_xdp in a DPDK source tree, so that a port of it holds nobody up, and can be closed and opened again:
# - closing a port frees all that it had, and with it the kernel's queue (22.11 miscounts the users of its memory, and of
#   several queues closes the first alone); one that failed to open is not freed twice;
# - every buffer that the kernel had goes back to its pool: each is marked while the kernel has it;
# - transmitting does not call the kernel again and again while a slow peer takes nothing, and receiving never sleeps;
# - a peer that holds frames has some room before its frames wait in the ring;
# - a veth may have several queues.
# The build's configuration then says MANIFOLD_MENDED_AF_XDP. A driver that reads otherwise stays as it is, an error.
#
#   mend-af-xdp.sh SOURCE
set -euo pipefail

folder=${1:?mend-af-xdp.sh: name the source tree}/drivers/net/af_xdp
driver=$folder/rte_eth_af_xdp.c

fail() {
    echo "mend-af-xdp.sh: $1" >&2
    exit 1
}

[ -w "$driver" ] || fail "there is no $driver"
new=$(mktemp)
trap 'rm -f "$new"' EXIT
cp "$driver" "$new"

# mend WHAT TIMES SCRIPT: changes the driver; so many lines begin with a mark that is taken off again.
mend() {
    local changed
    sed -i "$3" "$new"
    changed=$(grep -c '@' <(grep '^@' "$new") || true)
    [ "$changed" = "$2" ] || fail "$driver does not read as expected where $1"
    sed -i 's/^@//' "$new"
}

mend 'it begins' 1 '/^static int afxdp_dev_count;/a\
\
@/* Frees a buffer that the kernel had for the umem in opaque. */\
static void\
give_back(struct rte_mempool *mp __rte_unused, void *opaque, void *obj,\
	  unsigned int index __rte_unused)\
{\
	struct rte_mbuf *mbuf = obj;\
\
	if (mbuf->next == opaque) {\
		mbuf->next = NULL;\
		rte_pktmbuf_free(mbuf);\
	}\
}'
mend 'the kernel gets buffers' 1 '/^reserve_fill_queue_zc(/,/^}/ s/^\t\t\*fq_addr = addr;/&\n@\t\tbufs[i]->next = (struct rte_mbuf *)umem;/'
mend 'frames are received' 1 '/^af_xdp_rx_zc(/,/^}/ s/^\t\tbufs\[i\]->port = rxq->port;/&\n@\t\tbufs[i]->next = NULL;/'
mend 'frames are sent' 1 '/^af_xdp_tx_zc(/,/^}/ s/^\t\t\tpkt = xsk_umem__get_data(umem->buffer, addr + offset);/&\n@\t\t\tlocal_mbuf->next = (struct rte_mbuf *)umem;/'
mend 'sent frames come back' 1 '/^pull_umem_cq(/,/^}/ s/^\t\taddr = xsk_umem__extract_addr(addr);/&\
@\t\tstruct rte_mbuf *sent = xsk_umem__get_data(umem->buffer,\
				addr + umem->mb_pool->header_size);\
		if (sent->next == (struct rte_mbuf *)umem)\
			sent->next = NULL;/'
mend 'memory is given back' 1 '/^xdp_umem_destroy(/,/^}/ s/^\tumem->mb_pool = NULL;/@\trte_mempool_obj_iter(umem->mb_pool, give_back, umem);\n&/'
if grep -q 'refcnt, 1, __ATOMIC_ACQUIRE) - 1 == 0' "$new"; then
    mend 'users of memory are counted' 1 \
        's/^\(\t\tif (__atomic_sub_fetch(&rxq->umem->refcnt, 1, __ATOMIC_ACQUIRE)\) - 1 == 0)/@\1 == 0)/'
fi
# The queues are two arrays: the first is where each begins.
mend 'queues are freed' 1 '/^eth_dev_close(/,/^}/ {
    /\/\* free pkt_tx_queue/d
    /^\t\trte_free(rxq->pair);/d
    /^\t\trte_free(rxq);/d
    s/^\tdev->data->mac_addrs = NULL;/&\n@\trte_free(internals->tx_queues);\n\trte_free(internals->rx_queues);/
}'
mend 'a socket fails' 1 '/^out_umem:/,/^}/ s/^\treturn ret;/@\trxq->umem = NULL;\n&/'
# EBUSY is one frame that the device dropped: the kernel does not tell of it as taken.
mend 'the kernel is called to transmit' 2 '/^kick_tx(/,/^}/ {
    s/^\tstruct xsk_umem_info \*umem = txq->umem;/&\
@\tuint32_t taken = *(volatile uint32_t *)txq->tx.consumer, before;\
	uint32_t drops = txq->tx.size;/
    s/^\t\t\t\/\* some thing unexpected \*\//@\t\t\tbefore = taken;\
			taken = *(volatile uint32_t *)txq->tx.consumer;\
			if (errno == EBUSY ? drops-- == 0 : taken == before)\
				break;\
&/
}'
mend 'it waits to receive' 1 's/^\t\t\t(void)poll(&rxq->fds\[0\], 1, 1000);/@\t\t\t(void)poll(\&rxq->fds[0], 1, 0);/'
mend 'a socket is kept' 1 's/^\trxq->fds\[0\].events = POLLIN;/&\
@\t(void)setsockopt(rxq->fds[0].fd, SOL_SOCKET, SO_SNDBUFFORCE,\
			 \&(int){ 16 << 20 }, sizeof(int));/'
# An interface that is gone takes its program with it.
sed -i -e '/^remove_xdp_program(/,/^}/ s/\(AF_XDP_LOG[A-Z_]*(\)ERR/\1INFO/' \
    -e '/^eth_dev_close(/,/^}/ s/\(AF_XDP_LOG[A-Z_]*(\)ERR/\1INFO/' "$new"
# The kernel lets go of a queue some time after its socket is closed.
mend 'a socket is bound' 3 '/^xsk_configure(/,/^}/ {
    s/^\tbool reserve_before;/&\n@\tint tries = 100;/
    s/^\tif (internals->shared_umem)$/@bind:\n&/
    s/^\t\tAF_XDP_LOG.*"Failed to create xsk socket\..*/@\t\tif (ret == -EBUSY \&\& tries-- > 0) {\
			usleep(10 * 1000);\
			goto bind;\
		}\
&/
}'
# veth tells of receive and transmit queues, and of no pairs.
mend 'queues are counted' 2 '/^xdp_get_channels_info(/,/^}/ {
    s/^\tchannels.cmd = ETHTOOL_GCHANNELS;/\tmemset(\&channels, 0, sizeof(channels));\n&/
    s/^\tif (channels.max_combined == 0 || errno == EOPNOTSUPP) {/@\tif (channels.max_combined == 0) {/
    s/^\t\t\*combined_queues = 1;/@\t\t*combined_queues = RTE_MAX(1u, RTE_MIN(channels.rx_count, channels.tx_count));/
}'
cat "$new" >"$driver"
printf '\nif build\n    dpdk_conf.set(%s, 1)\nendif\n' "'MANIFOLD_MENDED_AF_XDP'" >>"$folder/meson.build"
