/*
 * Preloaded into a program on DPDK: puts a header on every frame that net_null0 receives, and lets the other null
 * ports receive IGMP reports until the data begins. DPDK's public receive callbacks do it; the program is unchanged.
 *
 * STAMP_GROUPS  groups of the data, a power of two, from all over 224.0.0.0/4; they take turns
 * STAMP_JOINS   reports a second that each other null port receives for those groups
 * STAMP_FRAMES  data frames before the source falls silent; 0: no end
 * STAMP_GO      the data begins, and the reports end, once this file exists
 * STAMP_SETS    a file with a hexadecimal number for each group: bit n - 1 says that net_null<n> receives reports for it;
 *               without it all do
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define PUBLIC __attribute__((visibility("default")))
#define FIRST_GROUP 0xe0000000u /* 224.0.0.0 */
#define GROUP_BITS 28
#define BURST 32

struct __attribute__((packed)) data_header {
	uint8_t destination[6], source[6];
	uint16_t type;
	uint8_t version, tos;
	uint16_t length, id, fragment;
	uint8_t ttl, protocol;
	uint16_t checksum;
	uint32_t sender, group;
	uint16_t from, to, udp_length, udp_checksum;
};

struct __attribute__((packed)) report {
	uint8_t destination[6], source[6];
	uint16_t type;
	uint8_t version, tos;
	uint16_t length, id, fragment;
	uint8_t ttl, protocol;
	uint16_t checksum;
	uint32_t sender, ip_group;
	uint8_t router_alert[4];
	uint8_t kind, max_response;
	uint16_t igmp_checksum;
	uint32_t group;
};

static struct {
	uint32_t groups;
	uint64_t joins_per_s, frames;
	const char *go;
	uint64_t *sets;
} settings;

static atomic_bool has_begun;

/* Of the source: touched by the lcore that polls it. */
static struct {
	struct data_header header;
	uint32_t sum;
	uint32_t turn;
	uint64_t sent;
} data;

/* Of a sink: likewise. */
static struct joins {
	struct rte_mempool *pool;
	const struct rte_eth_rxtx_callback *callback;
	uint64_t begun_at, turn;
	uint8_t number;
} joins[RTE_MAX_ETHPORTS];

static uint64_t number(const char *name)
{
	const char *text = getenv(name);
	return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static uint16_t folded(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The sum of the 16-bit words of a header, in host order. */
static uint32_t words(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint32_t sum = 0;
	for (size_t i = 0; i < length; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	return sum;
}

static void set_mac(uint8_t mac[6], uint32_t group)
{
	const uint8_t bytes[6] = { 0x01, 0x00, 0x5e, (group >> 16) & 0x7f, group >> 8, group };
	memcpy(mac, bytes, sizeof(bytes));
}

/*
 * The group of that number: each is of another number, all over 224.0.0.0/4 in no order, and none is of a link
 * (224.0.0.0/24) or a site's own affair (239.255.255.0/24). Every step can be undone, and what may not come out does not
 * go in, so no two come together.
 */
static inline uint32_t group_of(uint32_t number)
{
	const uint32_t mask = (1u << GROUP_BITS) - 1;
	uint32_t group = number + 0x100;
	do {
		group = (group * 0x9e3779b1u + 0x7f4a7c15u) & mask;
		group ^= group >> 15;
		group = (group * 0x85ebca6bu) & mask;
		group ^= group >> 13;
		group = (group * 0xc2b2ae35u) & mask;
		group ^= group >> 16;
	} while (unlikely(group < 0x100 || group >> 8 == 0xfffff));
	return FIRST_GROUP + group;
}

/* Each group once in a round. */
static uint32_t next_group(void)
{
	return group_of(data.turn++ & (settings.groups - 1));
}

static void prepare_header(uint16_t frame_length)
{
	data.header = (struct data_header) {
		.source = { 0x02, 0, 0, 0, 0, 0x02 },
		.type = RTE_BE16(0x0800),
		.version = 0x45,
		.length = rte_cpu_to_be_16(frame_length - 14),
		.ttl = 64,
		.protocol = 17,
		.sender = RTE_BE32(0x0a000002), /* 10.0.0.2 */
		.from = RTE_BE16(5000),
		.to = RTE_BE16(5000),
		.udp_length = rte_cpu_to_be_16(frame_length - 34),
	};
	data.sum = words(&data.header.version, 20);
}

static uint16_t stamp(uint16_t port, uint16_t queue, struct rte_mbuf *frames[], uint16_t count, uint16_t most,
		      void *unused)
{
	(void)port, (void)queue, (void)most, (void)unused;
	uint16_t kept = count;
	if (unlikely(count == 0))
		return 0;
	if (unlikely(!atomic_load_explicit(&has_begun, memory_order_relaxed)))
		kept = 0;
	else if (unlikely(settings.frames != 0 && settings.frames - data.sent < count))
		kept = settings.frames - data.sent;
	if (unlikely(kept < count))
		rte_pktmbuf_free_bulk(frames + kept, count - kept);
	if (unlikely(data.header.type == 0))
		prepare_header(frames[0]->data_len);
	data.sent += kept;
	for (uint16_t i = 0; i < kept; i++) {
		struct data_header *header = rte_pktmbuf_mtod(frames[i], struct data_header *);
		uint32_t group = next_group();
		*header = data.header;
		set_mac(header->destination, group);
		header->group = rte_cpu_to_be_32(group);
		header->checksum = rte_cpu_to_be_16(folded(data.sum + (group >> 16) + (group & 0xffff)));
	}
	return kept;
}

static void write_report(struct rte_mbuf *frame, uint32_t group, uint8_t sink)
{
	struct report *report = (struct report *)rte_pktmbuf_append(frame, sizeof(struct report));
	*report = (struct report) {
		.source = { 0x02, 0, 0, 0, 1, sink },
		.type = RTE_BE16(0x0800),
		.version = 0x46,
		.length = RTE_BE16(32),
		.ttl = 1,
		.protocol = 2,
		.sender = rte_cpu_to_be_32(0x0a010002 | (uint32_t)sink << 8), /* 10.1.sink.2 */
		.ip_group = rte_cpu_to_be_32(group),
		.router_alert = { 0x94, 4, 0, 0 },
		.kind = 0x16,
		.group = rte_cpu_to_be_32(group),
	};
	set_mac(report->destination, group);
	report->checksum = rte_cpu_to_be_16(folded(words(&report->version, 24)));
	report->igmp_checksum = rte_cpu_to_be_16(folded(words(&report->kind, 8)));
}

/* Round after round, since a report may be refused while the program starts. */
static uint16_t join(uint16_t port, uint16_t queue, struct rte_mbuf *frames[], uint16_t count, uint16_t most,
		     void *unused)
{
	(void)unused;
	struct joins *sink = &joins[port];
	if (atomic_load_explicit(&has_begun, memory_order_relaxed)) {
		/* Frees nothing, and so may be done from within. */
		rte_eth_remove_rx_callback(port, queue, sink->callback);
		return count;
	}
	uint64_t now = rte_rdtsc();
	if (sink->begun_at == 0)
		sink->begun_at = now;
	uint64_t due = (double)(now - sink->begun_at) / rte_get_tsc_hz() * settings.joins_per_s;
	if (due <= sink->turn)
		return count;
	uint64_t more = RTE_MIN(due - sink->turn, (uint64_t)RTE_MIN(BURST, most - count));
	for (uint64_t i = 0; i < more; i++, sink->turn++) {
		const uint32_t number = sink->turn % settings.groups;
		if (settings.sets != NULL && (settings.sets[number] >> (sink->number - 1) & 1) == 0)
			continue;
		struct rte_mbuf *frame = rte_pktmbuf_alloc(sink->pool);
		if (frame == NULL)
			break;
		frame->port = port;
		write_report(frame, group_of(number), sink->number);
		frames[count++] = frame;
	}
	return count;
}

static void *watch(void *unused)
{
	static const struct timespec pause = { .tv_nsec = 5000000 };
	while (access(settings.go, F_OK) != 0)
		nanosleep(&pause, NULL);
	atomic_store(&has_begun, true);
	return unused;
}

static void read_sets(const char *path)
{
	FILE *file = fopen(path, "r");
	settings.sets = calloc(settings.groups, sizeof(settings.sets[0]));
	for (uint32_t i = 0; i < settings.groups; i++) {
		if (file == NULL || settings.sets == NULL || fscanf(file, "%" SCNx64, &settings.sets[i]) != 1) {
			fprintf(stderr, "stamp: %s has not the sinks of %u groups\n", path, settings.groups);
			abort();
		}
	}
	fclose(file);
}

static void start_once(void)
{
	const char *sets = getenv("STAMP_SETS");
	pthread_t thread;
	settings.groups = number("STAMP_GROUPS");
	settings.joins_per_s = number("STAMP_JOINS");
	settings.frames = number("STAMP_FRAMES");
	settings.go = getenv("STAMP_GO");
	if (settings.go == NULL || settings.groups == 0 || (settings.groups & (settings.groups - 1)) != 0 ||
	    pthread_create(&thread, NULL, watch, NULL) != 0) {
		fprintf(stderr, "stamp: STAMP_GO and a power of two in STAMP_GROUPS are needed, and a thread\n");
		abort();
	}
	pthread_detach(thread);
	if (sets != NULL)
		read_sets(sets);
}

/* The program's calls come here first. */
PUBLIC int rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, unsigned int socket,
				  const struct rte_eth_rxconf *settings_of_queue, struct rte_mempool *pool)
{
	int (*real)(uint16_t, uint16_t, uint16_t, unsigned int, const struct rte_eth_rxconf *, struct rte_mempool *);
	real = dlsym(RTLD_NEXT, "rte_eth_rx_queue_setup");
	joins[port].pool = pool;
	return real(port, queue, descriptors, socket, settings_of_queue, pool);
}

PUBLIC int rte_eth_dev_start(uint16_t port)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char name[RTE_ETH_NAME_MAX_LEN];
	int (*real)(uint16_t) = dlsym(RTLD_NEXT, "rte_eth_dev_start");
	int sink;

	pthread_once(&once, start_once);
	if (rte_eth_dev_get_name_by_port(port, name) != 0 || sscanf(name, "net_null%d", &sink) != 1)
		return real(port);
	joins[port].number = sink;
	joins[port].callback = rte_eth_add_rx_callback(port, 0, sink == 0 ? stamp : join, NULL);
	if (joins[port].callback == NULL)
		return -rte_errno;
	return real(port);
}
