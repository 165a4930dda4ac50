/*
 * What the decapsulate stage makes of a capture: opened FILE. A line a packet: number, opened | esp | plain, innermost protocol, source, port,
 * destination, port, layers, bytes of payload on the wire that are not ESP's (of the innermost datagram, behind the headers), SPI. Its statistics, with how
 * long it took, as JSON on standard error. With -q no lines; -s N: saved and loaded into a new stage after N batches.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <weir/decode.h>
#include <weir/stage.h>
#include <weir/state.h>

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* others run beside the tests */
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void print(const struct weir_packet *packet, uint64_t number)
{
	const struct weir_facts *facts = packet->facts;
	char source[INET6_ADDRSTRLEN] = "", destination[INET6_ADDRSTRLEN] = "";
	uint64_t total = 0, payload = 0;
	unsigned protocol = 0, sport = 0, dport = 0, spi = 0;

	if (facts->network_count) {
		const struct weir_network *n = &facts->networks[facts->network_count - 1];
		const uint8_t *ip = packet->data + n->offset;
		int family = n->version == 4 ? AF_INET : AF_INET6;
		inet_ntop(family, packet->data + n->source, source, sizeof source);
		inet_ntop(family, packet->data + n->destination, destination, sizeof destination);
		protocol = n->protocol;
		sport = n->source_port;
		dport = n->destination_port;
		total = n->offset + (n->version == 4 ? weir_load_be16(ip + 2) : 40u + weir_load_be16(ip + 4));
		payload = total - facts->payload - (facts->flags & WEIR_FACT_ESP_NULL ? facts->trailer : 0);
	}
	printf("%" PRIu64 "\t%s\t%u\t%s\t%u\t%s\t%u\t", number, facts->flags & WEIR_FACT_ESP ? "esp" : facts->flags & WEIR_FACT_ESP_NULL ? "opened" : "plain",
	       protocol, source, sport, destination, dport);
	for (unsigned i = 0; i < facts->layer_count; i++) {
		if (facts->layers[i].kind == WEIR_LAYER_ESP && facts->layers[i].offset + 4 <= packet->captured)
			spi = weir_load_be32(packet->data + facts->layers[i].offset);
		printf("%s%s", i ? "," : "", weir_layer_name(facts->layers[i].kind));
	}
	printf("\t%" PRId64 "\t%08x\n", (int64_t)payload, spi);
}

static int fail(const struct weir_fault *fault)
{
	char text[1200];
	fprintf(stderr, "opened: %s\n", weir_fault_text(fault, text, sizeof text));
	return 1;
}

/* Puts the stage's state into a file and takes a new stage from it. */
static int replace(struct weir_stage **stage, struct weir_fault *fault)
{
	char path[] = "/tmp/weir-opened-XXXXXX";
	struct weir_state *state;
	int fd = mkstemp(path), error = fd < 0 ? weir_fail(fault, WEIR_E_IO, "no file for the state") : weir_state_create(path, &state, fault);

	if (fd >= 0)
		close(fd);
	if (error)
		return error;
	error = (*stage)->ops->save(*stage, state, fault);
	if (!error)
		error = weir_state_finish(state, fault);
	weir_state_close(state);
	weir_stage_close(*stage);
	*stage = NULL;
	if (!error)
		error = weir_decapsulate_stage_new(0, stage, fault);
	if (!error)
		error = weir_state_open(path, &state, fault);
	if (!error) {
		error = (*stage)->ops->load(*stage, state, fault);
		weir_state_close(state);
	}
	unlink(path);
	return error;
}

int main(int argc, char **argv)
{
	struct weir_fault fault;
	struct weir_source *source = NULL;
	struct weir_stage *stage = NULL;
	struct weir_batch *batch = weir_batch_new();
	struct weir_decapsulate_statistics s;
	uint64_t taken_ns = 0, decode_ns = 0, packets = 0, batches = 0, save_after = 0;
	bool quiet = false;
	int c, got;

	while ((c = getopt(argc, argv, "qs:")) != -1) {
		if (c == 's')
			save_after = strtoull(optarg, NULL, 10);
		else
			quiet = true;
	}
	weir_fault_clear(&fault);
	if (!batch || optind != argc - 1)
		return 2;
	if (weir_capture_open(argv[optind], NULL, &source, &fault) < 0 || weir_decapsulate_stage_new(0, &stage, &fault) < 0)
		return fail(&fault);
	while ((got = source->ops->fill(source, batch, &fault)) == 1) {
		uint64_t begin = now_ns();
		if (weir_decode_batch(batch, &fault) < 0)
			return fail(&fault);
		uint64_t from = now_ns();
		decode_ns += from - begin;
		if (stage->ops->process(stage, batch, &fault) < 0)
			return fail(&fault);
		taken_ns += now_ns() - from;
		for (uint32_t i = 0; !quiet && i < batch->count; i++)
			print(&batch->packets[i], packets + i + 1);
		packets += batch->count;
		weir_batch_reset(batch);
		if (++batches == save_after && replace(&stage, &fault) < 0)
			return fail(&fault);
	}
	weir_decapsulate_statistics(stage, &s);
	fprintf(stderr, "{\"packets\": %" PRIu64 ", \"esp\": %" PRIu64 ", \"opened\": %" PRIu64 ", \"encrypted\": %" PRIu64 ", \"undecided\": %" PRIu64
	                ", \"associations\": %" PRIu64 ", \"associations_null\": %" PRIu64 ", \"ns_per_packet\": %.2f, \"ns_per_esp\": %.2f, \"decode_ns\": %.2f}\n",
	        packets, s.esp, s.opened, s.encrypted, s.undecided, s.associations, s.associations_null, (double)taken_ns / (double)(packets ? packets : 1),
	        (double)taken_ns / (double)(s.esp ? s.esp : 1), (double)decode_ns / (double)(packets ? packets : 1));
	weir_batch_free(batch);
	weir_stage_close(stage);
	weir_source_close(source);
	return got < 0 ? fail(&fault) : 0;
}
