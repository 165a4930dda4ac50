/*
 * bench/send.c: sends numbered packets, and says exactly how many the kernel took.
 *
 *	send [-s SIZE] [-n COUNT] [-t SECONDS] [-r PACKETS-PER-SECOND] [-v VLAN] [-l LOG] [-m socket|pass|redirect] INTERFACE
 *
 * socket    frames of a packet socket, past the queueing discipline: they take the way of every packet.
 * pass      frames that the kernel makes itself (BPF_PROG_TEST_RUN with live frames) and lets INTERFACE receive. Far faster.
 * redirect  the same, sent out of INTERFACE: what its peer receives.
 *
 * Every packet is IPv4/UDP from 300 addresses to 256, with a payload that begins with "weirSEND", its number from 0 (big-endian, 64 bits)
 * and, in socket mode, the time at which it was sent (ns, likewise). LOG gets a line "TIME NUMBER" about every 10 ms: all packets
 * below NUMBER were sent before TIME. Prints one line of JSON at its end, also after SIGINT and SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <weir/bytes.h>

#include "core/clock.h"

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1u << 1)
#endif

#define SIZE_MOST 3000
#define PAYLOAD 42 /* offset behind Ethernet, IPv4 and UDP */
#define BATCH 64
#define SOURCES 300
#define DESTINATIONS 256

struct sender {
	const char *interface, *mode, *log_path;
	size_t size;
	uint64_t count; /* 0: no bound */
	double seconds; /* 0: no bound */
	double rate;    /* 0: as fast as it goes */
	int vlan;       /* -1: none */
	int index;
	FILE *log;
	int64_t started_ns, logged_ns;
	uint64_t sent, calls, refused;
	uint8_t frame[SIZE_MOST + 4];
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "send: %s: %s\n", what, strerror(errno));
	exit(3);
}

static uint16_t checksum(const uint8_t *data, size_t length)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < length; i += 2)
		sum += weir_load_be16(data + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void frame_make(struct sender *s)
{
	uint8_t *ethernet = s->frame, *ip = ethernet + 14, *udp = ip + 20;
	memcpy(ethernet, "\x02\x00\x00\x00\x00\x99\x02\x00\x00\x00\x00\x01\x08\x00", 14);
	ip[0] = 0x45;
	weir_store_be16(ip + 2, (uint16_t)(s->size - 14));
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, "\x0a\x00\x01\x00\x0a\x01\x00\x00", 8);
	weir_store_be16(ip + 10, checksum(ip, 20));
	weir_store_be16(udp, 40000);
	weir_store_be16(udp + 2, 9);
	weir_store_be16(udp + 4, (uint16_t)(s->size - 34));
	memcpy(s->frame + PAYLOAD, "weirSEND", 8);
	for (size_t i = PAYLOAD + 24; i < s->size; i++)
		s->frame[i] = (uint8_t)(i * 7);
}

static void number_frame(uint8_t *frame, size_t size, uint64_t number)
{
	uint8_t *ip = frame + 14;
	weir_store_be16(ip + 14, (uint16_t)(0x0100 + number % SOURCES));
	weir_store_be16(ip + 18, (uint16_t)(number / 7 % DESTINATIONS));
	weir_store_be16(ip + 10, 0);
	weir_store_be16(ip + 10, checksum(ip, 20));
	weir_store_be64(frame + PAYLOAD + 8, number);
	if (size >= PAYLOAD + 24)
		weir_store_be64(frame + PAYLOAD + 16, (uint64_t)clock_wall_ns());
}

static void log_line(struct sender *s)
{
	int64_t now = clock_wall_ns();
	if (!s->log || now - s->logged_ns < 10000000)
		return;
	s->logged_ns = now;
	fprintf(s->log, "%lld %llu\n", (long long)now, (unsigned long long)s->sent);
	fflush(s->log);
}

/* How many packets are due: at most `most`; sleeps while none is. 0: the end. */
static uint64_t due(struct sender *s, uint64_t most)
{
	for (;;) {
		log_line(s);
		int64_t now = clock_monotonic_ns();
		if (stopped || (s->count && s->sent >= s->count) || (s->seconds > 0 && now - s->started_ns > s->seconds * 1e9))
			return 0;
		uint64_t number = most;
		if (s->rate > 0) {
			double owed = (double)(now - s->started_ns) * s->rate / 1e9 - (double)s->sent;
			if (owed < 1) {
				usleep(s->rate < 20000 ? 200 : 50);
				continue;
			}
			number = owed < (double)most ? (uint64_t)owed : most;
		}
		return s->count && s->count - s->sent < number ? s->count - s->sent : number;
	}
}

static void send_by_socket(struct sender *s)
{
	static uint8_t frames[BATCH][SIZE_MOST + 4];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec parts[BATCH];
	size_t head = s->vlan >= 0 ? 4 : 0;
	int file = socket(AF_PACKET, SOCK_RAW, 0), on = 1, buffer = 4 << 20;
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = s->index};
	if (file < 0 || bind(file, (struct sockaddr *)&to, sizeof to) ||
	    setsockopt(file, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) ||
	    setsockopt(file, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer))
		die("packet socket");
	for (size_t i = 0; i < BATCH; i++) {
		memcpy(frames[i] + head, s->frame, s->size);
		parts[i] = (struct iovec){frames[i], s->size + head};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (uint64_t number; (number = due(s, BATCH));) {
		for (uint64_t i = 0; i < number; i++) {
			number_frame(frames[i] + head, s->size, s->sent + i);
			if (!head)
				continue;
			memcpy(frames[i], s->frame, 12);
			weir_store_be16(frames[i] + 12, ETH_P_8021Q);
			weir_store_be16(frames[i] + 14, (uint16_t)s->vlan);
			weir_store_be16(frames[i] + 16, ETH_P_IP);
		}
		/* A frame that was refused is tried again with the same number, so that numbers have no holes. */
		int taken = sendmmsg(file, messages, (unsigned)number, 0);
		if (taken < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
			die("sendmmsg");
		s->calls++;
		if (taken > 0)
			s->sent += (uint64_t)taken;
		if (taken < 0) {
			s->refused++;
			usleep(1000);
		}
	}
	close(file);
}

static int bpf(int command, union bpf_attr *attributes)
{
	return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

#define INSN(c, d, s_, o, i) ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s_), .off = (o), .imm = (i)})
#define BE(register, bits) INSN(BPF_ALU | BPF_END | BPF_TO_BE, register, 0, 0, bits)

/*
 * For each frame: takes a number from the map's one entry (number, start, interval), waits until it is due, writes it into the payload, and spreads the packet over addresses by its low
 * byte: what is added to the source is taken from the destination, so that the checksum of the IPv4 header still holds.
 */
static int program_load(int map, int action, int redirect_to)
{
	struct bpf_insn program[80];
	size_t n = 0;
#define ADD(...) program[n++] = INSN(__VA_ARGS__)
	ADD(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0); /* r6 = ctx */
	ADD(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0);  /* key = 0 */
	ADD(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0);
	ADD(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4);
	ADD(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map);
	ADD(0, 0, 0, 0, 0);
	ADD(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	ADD(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 2, 0);
	ADD(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1); /* XDP_DROP */
	ADD(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	ADD(BPF_LDX | BPF_MEM | BPF_DW, 7, 0, 0, 0); /* r7 = number; one thread runs this */
	ADD(BPF_ALU64 | BPF_MOV | BPF_X, 1, 7, 0, 0);
	ADD(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 1);
	ADD(BPF_STX | BPF_MEM | BPF_DW, 0, 1, 0, 0);
	/* Paced: not before start + number * interval. The verifier wants an end: some 100 us, then it goes out early. */
	ADD(BPF_LDX | BPF_MEM | BPF_DW, 8, 0, 16, 0); /* interval, in 1024ths of a ns */
	ADD(BPF_JMP | BPF_JEQ | BPF_K, 8, 0, 9, 0);
	ADD(BPF_ALU64 | BPF_MUL | BPF_X, 8, 7, 0, 0);
	ADD(BPF_ALU64 | BPF_RSH | BPF_K, 8, 0, 0, 10);
	ADD(BPF_LDX | BPF_MEM | BPF_DW, 1, 0, 8, 0); /* start */
	ADD(BPF_ALU64 | BPF_ADD | BPF_X, 8, 1, 0, 0);
	ADD(BPF_ALU64 | BPF_MOV | BPF_K, 9, 0, 0, 0);
	ADD(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns); /* again: */
	ADD(BPF_JMP | BPF_JGE | BPF_X, 0, 8, 2, 0);
	ADD(BPF_ALU64 | BPF_ADD | BPF_K, 9, 0, 0, 1);
	ADD(BPF_JMP | BPF_JLT | BPF_K, 9, 0, -4, 4000);
	ADD(BPF_LDX | BPF_MEM | BPF_W, 8, 6, 0, 0); /* data */
	ADD(BPF_LDX | BPF_MEM | BPF_W, 9, 6, 4, 0); /* data_end */
	ADD(BPF_ALU64 | BPF_MOV | BPF_X, 1, 8, 0, 0);
	ADD(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, PAYLOAD + 16);
	ADD(BPF_JMP | BPF_JGT | BPF_X, 1, 9, 12, 0); /* too short: as it is */
	ADD(BPF_ALU64 | BPF_MOV | BPF_X, 1, 7, 0, 0);
	program[n++] = BE(1, 64);
	ADD(BPF_STX | BPF_MEM | BPF_DW, 8, 1, PAYLOAD + 8, 0);
	ADD(BPF_ALU64 | BPF_MOV | BPF_X, 1, 7, 0, 0);
	ADD(BPF_ALU64 | BPF_AND | BPF_K, 1, 0, 0, 255);
	ADD(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 255);
	ADD(BPF_ALU64 | BPF_SUB | BPF_X, 2, 1, 0, 0);
	ADD(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 0x0100);
	program[n++] = BE(1, 16);
	program[n++] = BE(2, 16);
	ADD(BPF_STX | BPF_MEM | BPF_H, 8, 1, 14 + 14, 0);
	ADD(BPF_STX | BPF_MEM | BPF_H, 8, 2, 14 + 18, 0);
	if (redirect_to) {
		ADD(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, redirect_to);
		ADD(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 0);
		ADD(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect);
	} else {
		ADD(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, action);
	}
	ADD(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	union bpf_attr load = {0};
	load.prog_type = BPF_PROG_TYPE_XDP;
	load.insn_cnt = (uint32_t)n;
	load.insns = (uintptr_t)program;
	load.license = (uintptr_t) "GPL";
	int file = bpf(BPF_PROG_LOAD, &load);
	if (file < 0)
		die("load of the XDP program");
	return file;
}

static void send_live_frames(struct sender *s)
{
	bool redirect = strcmp(s->mode, "redirect") == 0;
	union bpf_attr create = {0};
	create.map_type = BPF_MAP_TYPE_ARRAY;
	create.key_size = 4;
	create.value_size = 24;
	create.max_entries = 1;
	int map = bpf(BPF_MAP_CREATE, &create);
	if (map < 0)
		die("map");
	int program = program_load(map, XDP_PASS, redirect ? s->index : 0);
	/* The sum that the program keeps: low words of both addresses, 0x0100 + 0x00ff. */
	uint8_t *ip = s->frame + 14;
	weir_store_be16(ip + 14, 0x0100);
	weir_store_be16(ip + 18, 0x00ff);
	weir_store_be16(ip + 10, 0);
	weir_store_be16(ip + 10, checksum(ip, 20));
	struct xdp_md context = {.data_end = (uint32_t)s->size, .ingress_ifindex = redirect ? 1 : (uint32_t)s->index};
	/*
	 * Each call costs some 20 ms in which nothing is sent (the kernel puts the program in place and waits for all cores). So there is one for the whole
	 * run, which the alarm interrupts, and the program itself keeps the pace.
	 */
	if (s->seconds > 0) {
		struct itimerval timer = {
			.it_value = {(time_t)s->seconds, (suseconds_t)((s->seconds - (double)(time_t)s->seconds) * 1e6)}};
		setitimer(ITIMER_REAL, &timer, NULL);
	}
	uint64_t state[3] = {0, (uint64_t)clock_monotonic_ns() + 30000000, s->rate > 0 ? (uint64_t)(1024e9 / s->rate) : 0};
	uint32_t key = 0;
	union bpf_attr update = {0};
	update.map_fd = (uint32_t)map;
	update.key = (uintptr_t)&key;
	update.value = (uintptr_t)state;
	if (bpf(BPF_MAP_UPDATE_ELEM, &update) < 0)
		die("map");
	s->rate = 0; /* the program sees to it */
	for (uint64_t number; (number = due(s, INT32_MAX));) {
		union bpf_attr test = {0};
		test.test.prog_fd = (uint32_t)program;
		test.test.data_in = (uintptr_t)s->frame;
		test.test.data_size_in = (uint32_t)s->size;
		test.test.ctx_in = (uintptr_t)&context;
		test.test.ctx_size_in = sizeof context;
		test.test.repeat = (uint32_t)number;
		test.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
#ifdef HAVE_BATCH_SIZE
		test.test.batch_size = BATCH;
#endif
		if (bpf(BPF_PROG_TEST_RUN, &test) < 0 && errno != EINTR)
			die("live frames");
		/* How many of them there were if a signal came between, only the program knows. */
		union bpf_attr look = {0};
		look.map_fd = (uint32_t)map;
		look.key = (uintptr_t)&key;
		look.value = (uintptr_t)state;
		if (bpf(BPF_MAP_LOOKUP_ELEM, &look) < 0)
			die("map");
		s->sent = state[0];
		s->calls++;
	}
}

/* What the interface says that it sent: with a veth pair, what its peer received. */
static uint64_t counter(const char *interface, const char *name)
{
	char path[128];
	unsigned long long value = 0;
	snprintf(path, sizeof path, "/sys/class/net/%s/statistics/%s", interface, name);
	FILE *file = fopen(path, "r");
	if (!file || fscanf(file, "%llu", &value) != 1)
		value = 0;
	if (file)
		fclose(file);
	return value;
}

int main(int argc, char **argv)
{
	struct sender s = {.mode = "socket", .size = 64, .vlan = -1};
	for (int option; (option = getopt(argc, argv, "s:n:t:r:v:l:m:")) != -1;) {
		switch (option) {
		case 's':
			s.size = strtoul(optarg, NULL, 10);
			break;
		case 'n':
			s.count = strtoull(optarg, NULL, 10);
			break;
		case 't':
			s.seconds = strtod(optarg, NULL);
			break;
		case 'r':
			s.rate = strtod(optarg, NULL);
			break;
		case 'v':
			s.vlan = atoi(optarg);
			break;
		case 'l':
			s.log_path = optarg;
			break;
		case 'm':
			s.mode = optarg;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc || s.size < PAYLOAD + 16 || s.size > SIZE_MOST) {
		fprintf(stderr, "usage: send [-s SIZE] [-n COUNT] [-t SECONDS] [-r RATE] [-v VLAN] [-l LOG] [-m "
		                "socket|pass|redirect] INTERFACE\n");
		return 2;
	}
	s.interface = argv[optind];
	s.index = (int)if_nametoindex(s.interface);
	if (!s.index)
		die(s.interface);
	if (s.log_path && !(s.log = fopen(s.log_path, "w")))
		die(s.log_path);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGALRM, on_signal);
	frame_make(&s);
	uint64_t packets = counter(s.interface, "tx_packets"), dropped = counter(s.interface, "tx_dropped");
	s.started_ns = clock_monotonic_ns();
	if (strcmp(s.mode, "socket") == 0)
		send_by_socket(&s);
	else
		send_live_frames(&s);
	double seconds = (double)(clock_monotonic_ns() - s.started_ns) / 1e9;
	packets = counter(s.interface, "tx_packets") - packets;
	dropped = counter(s.interface, "tx_dropped") - dropped;
	printf("{\"sent\":%llu,\"seconds\":%.3f,\"rate\":%.0f,\"interface_sent\":%llu,\"interface_dropped\":%llu,"
	       "\"refused\":%llu}\n",
	       (unsigned long long)s.sent, seconds, (double)s.sent / seconds, (unsigned long long)packets,
	       (unsigned long long)dropped, (unsigned long long)s.refused);
	return 0;
}
