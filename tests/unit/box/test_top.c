#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <weir/decode.h>

#include "box/top.h"

/* ---- packets ---- */

#define FRAME 100

/* An Ethernet frame with TCP from 10.0.a.b:port to 10.9.9.9:80, or back. */
static void frame(uint8_t *out, uint16_t host, uint16_t port, bool back, uint8_t flags)
{
	memset(out, 0, FRAME);
	weir_store_be16(out + 12, 0x0800);
	out[14] = 0x45;
	weir_store_be16(out + 16, FRAME - 14);
	out[22] = 64;
	out[23] = 6;
	uint8_t *here = out + (back ? 30 : 26), *there = out + (back ? 26 : 30);
	weir_store_be32(here, UINT32_C(0x0a000000) | host);
	weir_store_be32(there, UINT32_C(0x0a090909));
	weir_store_be16(out + 34, back ? 80 : port);
	weir_store_be16(out + 36, back ? port : 80);
	out[46] = 5 << 4;
	out[47] = flags;
}

static void add(struct top_traffic *traffic, uint16_t host, uint16_t port, bool back, uint8_t flags, int64_t time_ns, uint32_t weight)
{
	static struct weir_batch *batch;
	static uint8_t bytes[FRAME];

	if (!batch)
		batch = weir_batch_new();
	assert_non_null(batch);
	frame(bytes, host, port, back, flags);
	batch->count = 1;
	batch->packets[0] = (struct weir_packet){.time_ns = time_ns, .data = bytes, .captured = FRAME, .length = 1000, .linktype = 1};
	assert_int_equal(weir_decode_batch(batch, NULL), 0);
	top_traffic_add(traffic, batch, weight, 3);
	batch->count = 0;
}

static struct top_traffic *new_traffic(uint32_t flows, uint32_t packets, uint32_t snaplen)
{
	struct top_traffic *traffic;

	assert_int_equal(top_traffic_new(&(struct top_traffic_options){.flows = flows, .packets = packets, .snaplen = snaplen}, &traffic, NULL), 0);
	return traffic;
}

static void flows_have_their_rates_by_direction_and_weight(void **state)
{
	struct top_traffic *traffic = new_traffic(0, 0, 0);
	struct top_flow *flows = NULL;
	size_t count, room = 0;

	add(traffic, 1, 5000, false, 0x02, 10, 1);
	add(traffic, 1, 5000, true, 0x12, 20, 1);
	add(traffic, 1, 5000, true, 0x10, 30, 4);
	top_traffic_tick(traffic, 40, 2);
	assert_int_equal(top_traffic_flows(traffic, &flows, &count, &room, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(flows[0].source_port, 5000);
	assert_int_equal(flows[0].packets[0], 1);
	assert_int_equal(flows[0].packets[1], 5);
	assert_true(flows[0].byte_rate[0] == 500 && flows[0].byte_rate[1] == 2500 && flows[0].packet_rate[1] == 2.5);
	assert_int_equal(flows[0].lane, 3);
	assert_int_equal(flows[0].history.count, 1);
	/* Nothing comes: the rate goes to nothing, the sums stay. */
	top_traffic_tick(traffic, 50, 1);
	assert_int_equal(top_traffic_flows(traffic, &flows, &count, &room, NULL), 0);
	assert_true(flows[0].byte_rate[1] == 0 && flows[0].bytes[1] == 5000);
	free(flows);
	top_traffic_free(traffic);
}

static void who_answers_is_the_destination_though_seen_first(void **state)
{
	struct top_traffic *traffic = new_traffic(0, 0, 0);
	struct top_flow *flows = NULL;
	size_t count, room = 0;

	add(traffic, 1, 5000, true, 0x12, 10, 1);
	top_traffic_tick(traffic, 20, 1);
	assert_int_equal(top_traffic_flows(traffic, &flows, &count, &room, NULL), 0);
	assert_int_equal(flows[0].source_port, 5000);
	assert_int_equal(flows[0].packets[1], 1);
	free(flows);
	top_traffic_free(traffic);
}

static void quiet_flows_are_forgotten(void **state)
{
	struct top_traffic *traffic = new_traffic(0, 0, 0);
	struct top_traffic_statistics statistics;

	add(traffic, 1, 5000, false, 0x10, 0, 1);
	top_traffic_tick(traffic, INT64_C(30000000000), 1);
	top_traffic_statistics(traffic, &statistics);
	assert_int_equal(statistics.flows, 1);
	top_traffic_tick(traffic, INT64_C(30000000001), 1);
	top_traffic_statistics(traffic, &statistics);
	assert_int_equal(statistics.flows, 0);
	top_traffic_free(traffic);
}

static void memory_stays_within_its_bound_whatever_comes(void **state)
{
	struct top_traffic *traffic = new_traffic(64, 10, 64);
	struct top_traffic_statistics before, after;
	struct top_packets *packets;

	top_traffic_statistics(traffic, &before);
	for (uint16_t i = 0; i < 20000; i++)
		add(traffic, i, i, false, 0x10, i, 1);
	top_traffic_statistics(traffic, &after);
	assert_int_equal(after.memory_bytes, before.memory_bytes);
	assert_true(after.flows <= 64 && after.flows > 32);
	assert_int_equal(after.flows + after.forgotten, 20000);
	assert_int_equal(top_traffic_packets(traffic, &packets, NULL), 0);
	assert_int_equal(packets->count, 10);
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(packets->packets[i].number, 19991 + i);
		assert_int_equal(packets->packets[i].captured, 64);
		assert_int_equal(weir_load_be16(packets->packets[i].data + 34), 19990 + i);
	}
	free(packets);
	top_traffic_free(traffic);
}

static void as_little_is_sampled_as_the_budget_takes(void **state)
{
	assert_int_equal(top_capture_one_in(0, 1000), 1);
	assert_int_equal(top_capture_one_in(1000, 1000), 1);
	assert_int_equal(top_capture_one_in(1001, 1000), 2);
	assert_int_equal(top_capture_one_in(7900, 1000), 8);
	assert_int_equal(top_capture_one_in(1e30, 1), 1u << 20);
}

static void what_a_burst_leaves_to_be_passed_over_does_not_hide_what_comes_after_it(void **state)
{
	struct weir_batch *batch = weir_batch_new();
	uint32_t pass = 0, left = 0;

	assert_non_null(batch);
	batch->count = 10;
	assert_int_equal(top_capture_sample(batch, 1024, &pass), 1);
	for (uint32_t i = 0; i < batch->count; i++)
		batch->packets[i].verdict = WEIR_KEEP;
	assert_int_equal(top_capture_sample(batch, 1, &pass), 10);
	for (uint32_t i = 0; i < 100; i++)
		left += top_capture_sample(batch, 4, &pass);
	assert_int_equal(left, 250);
	assert_int_equal(batch->packets[0].verdict, WEIR_DROP);
	weir_batch_free(batch);
}

static void endpoints_are_looked_at_as_often_as_their_share_allows(void **state)
{
	assert_int_equal(top_endpoints_every(0, 1e9), 1);
	assert_int_equal(top_endpoints_every(13.9e6, 1e9), 1);
	assert_int_equal(top_endpoints_every(15e6, 1e9), 2);
	assert_int_equal(top_endpoints_every(27e6, 1e9), 2);
	assert_int_equal(top_endpoints_every(13.9e6, 1e8), 10);
	assert_int_equal(top_endpoints_every(1e30, 1e9), 60);
	assert_int_equal(top_endpoints_every(1e6, 0), 1);
}

/* ---- the model, with endpoints of the test's own ---- */

#define MOST 6000

static struct endpoint endpoints[MOST];
static const struct endpoint *list[MOST];

static struct top *model(size_t count, uint32_t processes)
{
	struct top *top = calloc(1, sizeof *top);

	assert_non_null(top);
	for (size_t i = 0; i < count; i++) {
		endpoints[i] = (struct endpoint){
			.id = i + 1,
			.protocol = i % 2 ? 17 : 6,
			.state = i % 3 ? ENDPOINT_ESTABLISHED : ENDPOINT_LISTEN,
			.local = {{127, 0, 0, 1}, 4},
			.remote = {{10, 0, 0, 1}, 4},
			.local_port = (uint16_t)(1000 + i),
			.remote_port = 443,
			.process = {.pid = (uint32_t)(i % processes), .user_id = WEIR_NO_USER},
			.bytes_sent = 10,
			.bytes_received = ENDPOINT_UNKNOWN,
			.retransmissions = ENDPOINT_UNKNOWN,
			.send_rate = 2,
			.receive_rate = -1,
		};
		list[i] = &endpoints[i];
	}
	top->endpoint = list;
	top->endpoint_count = count;
	return top;
}

static void endpoints_are_summed_by_process(void **state)
{
	struct top *top = model(12, 4);

	assert_int_equal(top_group(top, true, NULL), 0);
	assert_int_equal(top->process_count, 4);
	for (uint32_t pid = 0; pid < 4; pid++) {
		const struct top_process *p = &top->process[pid];
		assert_int_equal(p->pid, pid);
		assert_int_equal(p->endpoints, 3);
		assert_int_equal(p->listening, 1);
		assert_int_equal(p->established, 2);
		/* What is not known is not counted as something. */
		assert_true(p->send_rate == 6 && p->receive_rate == 0 && p->bytes_sent == 30 && p->bytes_received == 0 && p->retransmissions == 0);
		assert_int_equal(p->history.count, 1);
	}
	/* Another filter is no new look; a process without endpoints goes. */
	assert_int_equal(top_filter_set(top, "tcp port 1000", NULL), 0);
	assert_int_equal(top->process_count, 1);
	assert_int_equal(top->process[0].history.count, 1);
	assert_int_equal(top_group(top, true, NULL), 0);
	assert_int_equal(top->process[0].history.count, 2);
	top_close(top);
}

static void more_processes_than_fit_are_counted_with_the_unknown(void **state)
{
	struct top *top = model(MOST, MOST);
	uint64_t sum = 0;

	assert_int_equal(top_group(top, true, NULL), 0);
	assert_int_equal(top_group(top, true, NULL), 0);
	assert_true(top->process_count <= TOP_PROCESSES_MOST);
	for (size_t i = 0; i < top->process_count; i++)
		sum += top->process[i].endpoints;
	assert_int_equal(sum, MOST);
	assert_int_equal(top->process[0].pid, 0);
	assert_true(top->process[0].endpoints > 1);
	assert_int_equal(top->process[0].process.pid, 0);
	top_close(top);
}

static void a_filter_that_is_none_leaves_the_one_before(void **state)
{
	struct top *top = model(12, 4);
	struct weir_fault fault;

	assert_int_equal(top_filter_set(top, "udp", &fault), 0);
	assert_int_equal(top_filter_set(top, "udp and and", &fault), WEIR_E_FILTER);
	assert_string_equal(top_filter_text(top), "udp");
	assert_true(!top_endpoint_matches(top, &endpoints[0]) && top_endpoint_matches(top, &endpoints[1]));
	assert_int_equal(top_filter_set(top, "", &fault), 0);
	assert_true(top_endpoint_matches(top, &endpoints[0]));
	top_close(top);
}

static void what_listens_on_any_address_matches_by_its_port(void **state)
{
	struct top *top = model(1, 1);

	endpoints[0].local = endpoints[0].remote = (struct weir_ip){.version = 0};
	endpoints[0].remote_port = 0;
	assert_int_equal(top_filter_set(top, "tcp port 1000", NULL), 0);
	assert_true(top_endpoint_matches(top, &endpoints[0]));
	assert_int_equal(top_filter_set(top, "port 1001", NULL), 0);
	assert_true(!top_endpoint_matches(top, &endpoints[0]));
	top_close(top);
}

static void what_is_frozen_stays_as_it_was(void **state)
{
	struct top *top = model(3, 3);

	assert_int_equal(top_freeze(top, true, NULL), 0);
	endpoints[1].state = ENDPOINT_CLOSE_WAIT;
	assert_true(top->frozen && top->endpoint_count == 3);
	assert_int_equal(top->endpoint[1]->state, ENDPOINT_ESTABLISHED);
	int64_t shown = top->now_ns;
	assert_int_equal(top_refresh(top, NULL), 0);
	assert_int_equal(top->now_ns, shown);
	assert_int_equal(top_freeze(top, false, NULL), 0);
	assert_int_equal(top_refresh(top, NULL), 0);
	assert_true(top->now_ns > shown && !top->frozen);
	top_close(top);
}

static void flows_are_summed_by_host_and_application(void **state)
{
	struct top *top = model(0, 1);
	struct top_flow flows[3] = {
		{.hash = 1, .protocol = 6, .source = {{10, 0, 0, 1}, 4}, .destination = {{10, 0, 0, 2}, 4}, .source_port = 5, .destination_port = 80, .byte_rate = {10, 100}, .bytes = {1, 2}, .name = "HTTP", .category = "web"},
		{.hash = 2, .protocol = 6, .source = {{10, 0, 0, 3}, 4}, .destination = {{10, 0, 0, 2}, 4}, .source_port = 6, .destination_port = 80, .byte_rate = {20, 200}, .bytes = {3, 4}, .name = "HTTP", .category = "web"},
		{.hash = 3, .protocol = 17, .source = {{10, 0, 0, 3}, 4}, .destination = {{10, 0, 0, 3}, 4}, .source_port = 7, .destination_port = 53, .byte_rate = {5, 0}},
	};

	top->flow = malloc(sizeof flows);
	assert_non_null(top->flow);
	memcpy(top->flow, flows, sizeof flows);
	top->flow_count = top->flow_room = 3;
	assert_int_equal(top_group(top, true, NULL), 0);
	assert_int_equal(top->host_count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct top_host *host = &top->host[i];
		if (host->address.bytes[3] == 2)
			assert_true(host->flows == 2 && host->send_rate == 300 && host->receive_rate == 30 && host->bytes_sent == 6);
		if (host->address.bytes[3] == 3)
			assert_true(host->flows == 2 && host->send_rate == 25 && host->receive_rate == 200);
	}
	assert_int_equal(top->application_count, 2);
	assert_string_equal(top->application[0].name, "HTTP");
	assert_true(top->application[0].flows == 2 && top->application[0].byte_rate == 330 && top->application[0].bytes == 10);
	assert_string_equal(top->application[1].name, "");
	assert_int_equal(top_filter_set(top, "host 10.0.0.1", NULL), 0);
	assert_int_equal(top->host_count, 2);
	assert_int_equal(top->application_count, 1);
	top_close(top);
}

static void a_flow_finds_its_endpoint_from_either_end(void **state)
{
	struct top *top = model(100, 10);
	struct top_flow flow = {.protocol = 6, .source = {{127, 0, 0, 1}, 4}, .destination = {{10, 0, 0, 1}, 4}, .source_port = 1042, .destination_port = 443};

	assert_ptr_equal(top_endpoint_of_flow(top, &flow), &endpoints[42]);
	struct top_flow back = {.protocol = 6, .source = flow.destination, .destination = flow.source, .source_port = 443, .destination_port = 1042};
	assert_ptr_equal(top_endpoint_of_flow(top, &back), &endpoints[42]);
	flow.source_port = 1041; /* that is UDP's */
	assert_null(top_endpoint_of_flow(top, &flow));
	top_close(top);
}

/* Drops of more places than there are rows for are in the last row, and not left out. */
static void drops_that_have_no_row_are_counted_together(void **state)
{
	static const struct drop given[] = {{.reason = "A", .packets = 9, .rate = 1, .last_ns = 5}, {.reason = "B", .packets = 4, .rate = 2, .last_ns = 7}, {.reason = DROP_OTHERS, .packets = 30, .rate = 3}};
	struct drop out[3];

	(void)state;
	assert_int_equal(drops_fold(NULL, 0, out, 3), 0);
	assert_int_equal(drops_fold(given, 3, out, 3), 3);
	assert_string_equal(out[1].reason, "B");
	assert_int_equal(out[2].packets, 30);
	assert_int_equal(drops_fold(given, 3, out, 2), 2);
	assert_string_equal(out[0].reason, "A");
	assert_string_equal(out[1].reason, DROP_OTHERS);
	assert_int_equal(out[1].packets, 34);
	assert_true(out[1].rate == 5);
	assert_int_equal(out[1].last_ns, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drops_that_have_no_row_are_counted_together),
		cmocka_unit_test(flows_have_their_rates_by_direction_and_weight),
		cmocka_unit_test(who_answers_is_the_destination_though_seen_first),
		cmocka_unit_test(quiet_flows_are_forgotten),
		cmocka_unit_test(memory_stays_within_its_bound_whatever_comes),
		cmocka_unit_test(as_little_is_sampled_as_the_budget_takes),
		cmocka_unit_test(what_a_burst_leaves_to_be_passed_over_does_not_hide_what_comes_after_it),
		cmocka_unit_test(endpoints_are_looked_at_as_often_as_their_share_allows),
		cmocka_unit_test(endpoints_are_summed_by_process),
		cmocka_unit_test(more_processes_than_fit_are_counted_with_the_unknown),
		cmocka_unit_test(a_filter_that_is_none_leaves_the_one_before),
		cmocka_unit_test(what_listens_on_any_address_matches_by_its_port),
		cmocka_unit_test(what_is_frozen_stays_as_it_was),
		cmocka_unit_test(flows_are_summed_by_host_and_application),
		cmocka_unit_test(a_flow_finds_its_endpoint_from_either_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
