/* Sums for `weir top`: endpoints by process, flows by host and by application: box/top.h. */
#include <stdlib.h>
#include <string.h>

#include "box/top.h"
#include "packet/flow_hash.h"

enum { UDP = 17 };

/* ---- processes ---- */

static int by_pid(const void *a, const void *b)
{
	const struct top_process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* Endpoints of a process mostly stand together: the one found last is looked at first. */
struct process_index {
	uint32_t places[2 * TOP_PROCESSES_MOST]; /* index + 1 */
	uint32_t last, nobody;
};

static struct top_process *process_of(struct top *top, struct process_index *index, const struct weir_process *process)
{
	uint32_t mask = 2 * TOP_PROCESSES_MOST - 1;
	uint32_t at = (uint32_t)(flow_hash_mix(process->pid ^ FLOW_HASH_KEY_1, FLOW_HASH_KEY_2) & mask);

	if (index->last < top->process_count && top->process[index->last].pid == process->pid)
		return &top->process[index->last];
	for (; index->places[at]; at = (at + 1) & mask) {
		if (top->process[index->places[at] - 1].pid == process->pid) {
			index->last = index->places[at] - 1;
			return &top->process[index->last];
		}
	}
	/* What goes beyond is counted with those that are not known. */
	if (top->process_count == TOP_PROCESSES_MOST - 1 && process->pid)
		return &top->process[index->nobody];
	index->last = (uint32_t)top->process_count++;
	index->places[at] = (uint32_t)top->process_count;
	top->process[index->last] = (struct top_process){.pid = process->pid};
	return &top->process[index->last];
}

static void add_endpoint(struct top_process *sum, const struct endpoint *e)
{
	sum->here = true;
	/* Those that found no room are summed with the unknown, which are no process. */
	if (sum->pid == e->process.pid) {
		sum->process = e->process;
		if (e->process_threads)
			sum->threads = e->process_threads;
	}
	sum->endpoints++;
	sum->established += e->state == ENDPOINT_ESTABLISHED;
	sum->listening += e->state == ENDPOINT_LISTEN;
	if (e->send_rate > 0)
		sum->send_rate += e->send_rate;
	if (e->receive_rate > 0)
		sum->receive_rate += e->receive_rate;
	if (e->bytes_sent != ENDPOINT_UNKNOWN)
		sum->bytes_sent += e->bytes_sent;
	if (e->bytes_received != ENDPOINT_UNKNOWN)
		sum->bytes_received += e->bytes_received;
	if (e->retransmissions != ENDPOINT_UNKNOWN)
		sum->retransmissions += e->retransmissions;
}

/* Enters those that were there before, so that they keep their history. */
static void keep_known(struct top *top, struct process_index *index)
{
	uint32_t mask = 2 * TOP_PROCESSES_MOST - 1;

	for (size_t i = 0; i < top->process_count; i++) {
		struct top_process *process = &top->process[i];
		uint32_t at = (uint32_t)(flow_hash_mix(process->pid ^ FLOW_HASH_KEY_1, FLOW_HASH_KEY_2) & mask);
		while (index->places[at])
			at = (at + 1) & mask;
		index->places[at] = (uint32_t)i + 1;
		*process = (struct top_process){.pid = process->pid, .history = process->history};
	}
}

static int group_processes(struct top *top, bool new_look, struct weir_fault *fault)
{
	struct process_index *index = calloc(1, sizeof *index);
	const struct weir_process nobody = {.user_id = WEIR_NO_USER};
	size_t kept = 0;

	if (!top->process)
		top->process = calloc(TOP_PROCESSES_MOST, sizeof *top->process);
	if (!index || !top->process) {
		free(index);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for processes");
	}
	keep_known(top, index);
	index->nobody = (uint32_t)(process_of(top, index, &nobody) - top->process);
	for (size_t i = 0; i < top->endpoint_count; i++)
		if (top_endpoint_matches(top, top->endpoint[i]))
			add_endpoint(process_of(top, index, &top->endpoint[i]->process), top->endpoint[i]);
	free(index);
	for (size_t i = 0; i < top->process_count; i++) {
		struct top_process *process = &top->process[i];
		if (!process->here)
			continue;
		if (new_look)
			top_history_add(&process->history, process->send_rate + process->receive_rate);
		if (kept != i)
			top->process[kept] = *process;
		kept++;
	}
	top->process_count = kept;
	if (kept)
		qsort(top->process, kept, sizeof *top->process, by_pid);
	return 0;
}

/* ---- hosts and applications ---- */

/* A table of indices + 1 for at most so many entries; NULL: no memory. */
static uint32_t *table_of(size_t most, uint32_t *mask)
{
	uint32_t size = 16;

	while (size < 2 * most)
		size *= 2;
	*mask = size - 1;
	return calloc(size, sizeof(uint32_t));
}

static bool make_room(void **entries, size_t *room, size_t wanted, size_t size)
{
	if (wanted <= *room)
		return true;
	void *larger = realloc(*entries, wanted * size);
	if (!larger)
		return false;
	*entries = larger;
	*room = wanted;
	return true;
}

static uint64_t address_hash(const struct weir_ip *ip)
{
	return flow_hash_mix(weir_load_native64(ip->bytes) ^ FLOW_HASH_KEY_1, weir_load_native64(ip->bytes + 8) ^ FLOW_HASH_KEY_2);
}

static struct top_host *host_of(struct top *top, uint32_t *places, uint32_t mask, const struct weir_ip *ip)
{
	uint32_t at = (uint32_t)address_hash(ip) & mask;

	for (; places[at]; at = (at + 1) & mask)
		if (memcmp(&top->host[places[at] - 1].address, ip, sizeof *ip) == 0)
			return &top->host[places[at] - 1];
	top->host[top->host_count] = (struct top_host){.address = *ip};
	places[at] = (uint32_t)++top->host_count;
	return &top->host[top->host_count - 1];
}

static void add_to_host(struct top_host *host, const struct top_flow *flow, int sent)
{
	host->flows++;
	host->send_rate += flow->byte_rate[sent];
	host->receive_rate += flow->byte_rate[!sent];
	host->packet_rate += flow->packet_rate[0] + flow->packet_rate[1];
	host->bytes_sent += flow->bytes[sent];
	host->bytes_received += flow->bytes[!sent];
	if (flow->last_ns > host->last_ns)
		host->last_ns = flow->last_ns;
}

static int group_hosts(struct top *top, struct weir_fault *fault)
{
	uint32_t mask, *places = table_of(2 * top->flow_count, &mask);

	top->host_count = 0;
	if (!places || !make_room((void **)&top->host, &top->host_room, 2 * top->flow_count, sizeof *top->host)) {
		free(places);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for hosts");
	}
	for (size_t i = 0; i < top->flow_count; i++) {
		const struct top_flow *flow = &top->flow[i];
		if (!top_flow_matches(top, flow))
			continue;
		add_to_host(host_of(top, places, mask, &flow->source), flow, 0);
		if (memcmp(&flow->source, &flow->destination, sizeof flow->source) != 0)
			add_to_host(host_of(top, places, mask, &flow->destination), flow, 1);
	}
	free(places);
	return 0;
}

/* There are some dozens at most: looked for one by one. */
static struct top_application *application_of(struct top *top, const struct top_flow *flow)
{
	for (size_t i = 0; i < top->application_count; i++)
		if (strcmp(top->application[i].name, flow->name) == 0)
			return &top->application[i];
	struct top_application *made = &top->application[top->application_count++];
	*made = (struct top_application){0};
	memcpy(made->name, flow->name, sizeof made->name);
	memcpy(made->category, flow->category, sizeof made->category);
	return made;
}

static int group_applications(struct top *top, struct weir_fault *fault)
{
	top->application_count = 0;
	if (!make_room((void **)&top->application, &top->application_room, top->flow_count, sizeof *top->application))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for applications");
	for (size_t i = 0; i < top->flow_count; i++) {
		const struct top_flow *flow = &top->flow[i];
		if (!top_flow_matches(top, flow))
			continue;
		struct top_application *application = application_of(top, flow);
		application->flows++;
		application->byte_rate += flow->byte_rate[0] + flow->byte_rate[1];
		application->packet_rate += flow->packet_rate[0] + flow->packet_rate[1];
		application->bytes += flow->bytes[0] + flow->bytes[1];
	}
	return 0;
}

int top_group(struct top *top, bool new_look, struct weir_fault *fault)
{
	int error = group_processes(top, new_look, fault);

	if (!error)
		error = group_hosts(top, fault);
	return error ? error : group_applications(top, fault);
}

/* ---- the endpoint of a flow ---- */

static uint64_t tuple_hash(uint8_t protocol, const struct weir_ip *a, uint16_t a_port, const struct weir_ip *b, uint16_t b_port)
{
	return flow_hash_ends(address_hash(a) + a_port, address_hash(b) + b_port, protocol);
}

static int make_tuples(struct top *top)
{
	uint32_t mask;

	free(top->tuples);
	top->tuples = table_of(top->endpoint_count, &mask);
	top->tuple_mask = mask;
	if (!top->tuples)
		return -1;
	for (size_t i = 0; i < top->endpoint_count; i++) {
		const struct endpoint *e = top->endpoint[i];
		/* Without another end: those that wait for datagrams on an address of this box. */
		if (!e->remote.version && (e->protocol != UDP || !e->local.version))
			continue;
		uint32_t at = (uint32_t)tuple_hash(e->protocol, &e->local, e->local_port, &e->remote, e->remote_port) & mask;
		while (top->tuples[at])
			at = (at + 1) & mask;
		top->tuples[at] = (uint32_t)i + 1;
	}
	top->tuples_made = true;
	return 0;
}

static bool is_end(const struct weir_ip *ip, uint16_t port, const struct weir_ip *other, uint16_t other_port)
{
	return port == other_port && memcmp(ip, other, sizeof *ip) == 0;
}

static const struct endpoint *find_tuple(const struct top *top, uint8_t protocol, const struct weir_ip *a, uint16_t a_port, const struct weir_ip *b,
                                         uint16_t b_port)
{
	uint32_t at = (uint32_t)tuple_hash(protocol, a, a_port, b, b_port) & top->tuple_mask;

	for (; top->tuples[at]; at = (at + 1) & top->tuple_mask) {
		const struct endpoint *e = top->endpoint[top->tuples[at] - 1];
		if (e->protocol != protocol)
			continue;
		if ((is_end(&e->local, e->local_port, a, a_port) && is_end(&e->remote, e->remote_port, b, b_port)) ||
		    (is_end(&e->remote, e->remote_port, a, a_port) && is_end(&e->local, e->local_port, b, b_port)))
			return e;
	}
	return NULL;
}

const struct endpoint *top_endpoint_of_flow(struct top *top, const struct top_flow *f)
{
	const struct weir_ip none = {.version = 0};

	if (!top->tuples_made && make_tuples(top))
		return NULL;
	const struct endpoint *e = find_tuple(top, f->protocol, &f->source, f->source_port, &f->destination, f->destination_port);
	if (!e)
		e = find_tuple(top, f->protocol, &f->source, f->source_port, &none, 0);
	return e ? e : find_tuple(top, f->protocol, &f->destination, f->destination_port, &none, 0);
}
