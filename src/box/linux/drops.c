/* Packets that the stack dropped, counted in the kernel: box/drops.h. */
#include "box/drops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "box/linux/kernel_names.h"
#include "config.h"
#include "core/clock.h"
#include "os/bpf.h"

#ifdef HAVE_BPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/drops.h"
#include "drops.skel.h"

#define PLACES 2048 /* as many as the kernel keeps */

/* What a place was at the look before, which rates are made of. */
struct place {
	struct drop_key key;
	struct drop drop;
};

struct drops {
	struct drops_bpf *kernel;
	struct kernel_names *names;
	struct place *places; /* as the list has them */
	struct drop *list;
	size_t count;
	struct drop others;   /* in places for which the kernel had no room; packets 0: none */
	int64_t looked_ns;    /* monotonic; 0: never */
};

void drops_close(struct drops *drops)
{
	if (!drops)
		return;
	drops_bpf__destroy(drops->kernel);
	kernel_names_close(drops->names);
	free(drops->places);
	free(drops->list);
	free(drops);
}

int drops_open(struct drops **drops, struct weir_fault *fault)
{
	int error = os_bpf_probe(fault);
	if (error < 0)
		return error;
	struct drops *made = calloc(1, sizeof *made);
	if (made) {
		made->places = calloc(PLACES, sizeof *made->places);
		made->list = calloc(PLACES + 1, sizeof *made->list);
	}
	if (!made || !made->places || !made->list) {
		drops_close(made);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to count drops");
	}
	made->others = (struct drop){.reason = DROP_OTHERS};
	error = kernel_names_open(&made->names, fault);
	if (!error && !(made->kernel = drops_bpf__open()))
		error = os_bpf_fail(fault, errno, "open the program that counts drops");
	if (!error) {
		made->kernel->rodata->has_reason = kernel_drop_reasons(made->names) > 0;
		int refused = drops_bpf__load(made->kernel);
		if (!refused)
			refused = drops_bpf__attach(made->kernel);
		if (refused)
			error = os_bpf_fail(fault, refused, "load the program that counts drops");
	}
	if (error) {
		drops_close(made);
		return error;
	}
	*drops = made;
	return 0;
}

static struct weir_ip address_of(const struct tuple_address *address)
{
	struct weir_ip ip = {.version = address->version};
	memcpy(ip.bytes, address->bytes, sizeof ip.bytes);
	return ip;
}

static void describe(const struct drops *drops, const struct drop_key *key, const struct drop_count *count, int64_t offset_ns,
                     struct drop *drop)
{
	const char *reason = kernel_drop_reason(drops->names, key->reason);

	if (reason)
		snprintf(drop->reason, sizeof drop->reason, "%s", reason);
	else if (kernel_drop_reasons(drops->names))
		snprintf(drop->reason, sizeof drop->reason, "%u", key->reason); /* of a module */
	else
		snprintf(drop->reason, sizeof drop->reason, "NOT_SPECIFIED");
	snprintf(drop->place, sizeof drop->place, "%s", kernel_function(drops->names, key->place));
	drop->packets = count->packets;
	drop->last_ns = (int64_t)count->last_ns + offset_ns;
	drop->protocol = count->last.protocol;
	drop->source = address_of(&count->last.source);
	drop->destination = address_of(&count->last.destination);
	drop->source_port = count->last.source_port;
	drop->destination_port = count->last.destination_port;
}

static int most_first(const void *a, const void *b)
{
	const struct place *left = a, *right = b;

	if (left->drop.packets != right->drop.packets)
		return left->drop.packets > right->drop.packets ? -1 : 1;
	return memcmp(&left->key, &right->key, sizeof left->key);
}

static struct place *place_of(struct drops *drops, const struct drop_key *key)
{
	for (size_t i = 0; i < drops->count; i++)
		if (memcmp(&drops->places[i].key, key, sizeof *key) == 0)
			return &drops->places[i];
	if (drops->count == PLACES)
		return NULL;
	struct place *place = &drops->places[drops->count++];
	*place = (struct place){.key = *key};
	return place;
}

static void look_at_others(struct drops *drops, double seconds)
{
	/* Relaxed: a number for people. */
	uint64_t packets = __atomic_load_n(&drops->kernel->bss->unplaced, __ATOMIC_RELAXED);

	drops->others.rate = seconds > 0 ? (double)(packets - drops->others.packets) / seconds : 0;
	drops->others.packets = packets;
}

int drops_refresh(struct drops *drops, struct weir_fault *fault)
{
	int map = bpf_map__fd(drops->kernel->maps.drops);
	int64_t now_ns = clock_monotonic_ns(), offset_ns = clock_wall_ns() - now_ns;
	double seconds = drops->looked_ns ? (double)(now_ns - drops->looked_ns) / NS_PER_SECOND : 0;
	struct drop_key key, next;
	struct drop_count count;
	int error = bpf_map_get_next_key(map, NULL, &next);

	for (; error == 0; error = bpf_map_get_next_key(map, &key, &next)) {
		key = next;
		struct place *place = bpf_map_lookup_elem(map, &key, &count) == 0 ? place_of(drops, &key) : NULL;
		if (!place)
			continue;
		uint64_t before = place->drop.packets;
		describe(drops, &key, &count, offset_ns, &place->drop);
		place->drop.rate = seconds > 0 ? (double)(count.packets - before) / seconds : 0;
	}
	if (error != -ENOENT && errno != ENOENT)
		return os_bpf_fail(fault, errno, "read the counts of drops");
	look_at_others(drops, seconds);
	drops->looked_ns = now_ns;
	qsort(drops->places, drops->count, sizeof *drops->places, most_first);
	for (size_t i = 0; i < drops->count; i++)
		drops->list[i] = drops->places[i].drop;
	drops->list[drops->count] = drops->others; /* last: they are of many places */
	return 0;
}

const struct drop *drops_list(const struct drops *drops, size_t *count)
{
	*count = drops->count + (drops->others.packets > 0);
	return drops->list;
}

#else

int drops_open(struct drops **drops, struct weir_fault *fault) { return os_bpf_probe(fault); }
void drops_close(struct drops *drops) {}
int drops_refresh(struct drops *drops, struct weir_fault *fault) { return os_bpf_probe(fault); }

const struct drop *drops_list(const struct drops *drops, size_t *count)
{
	*count = 0;
	return NULL;
}

#endif
