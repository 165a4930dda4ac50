/* Counters: parsers, names, rates, what goes away. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "box/counters_store.h"

#define SECOND INT64_C(1000000000)

static struct counters *begin(const char *const *names, size_t count)
{
	struct counters *counters = NULL;
	struct weir_fault fault;
	assert_int_equal(counters_new(counter_sources, names, count, &counters, &fault), 0);
	return counters;
}

static size_t source_of(const char *path)
{
	for (size_t i = 0; counter_sources[i]; i++)
		if (counter_sources[i]->path && strcmp(counter_sources[i]->path, path) == 0)
			return i;
	fail_msg("no source reads %s", path);
	return 0;
}

static void feed(struct counters *counters, const char *path, const char *text, int64_t now_ns)
{
	/* In memory of its own size, so that a sanitizer sees a read behind its end. */
	size_t length = strlen(text);
	uint8_t *copy = malloc(length ? length : 1);
	memcpy(copy, text, length);
	counters_feed(counters, source_of(path), (struct weir_bytes){copy, length}, now_ns);
	free(copy);
}

static const struct counter *named(const struct counters *counters, const char *group, const char *instance, const char *name)
{
	const struct counter *counter = counters_named(counters, group, instance, name);
	if (!counter)
		fail_msg("%s.%s.%s is missing", group, instance, name);
	return counter;
}

static uint64_t value(const struct counters *counters, const char *group, const char *instance, const char *name)
{
	return named(counters, group, instance, name)->whole;
}

#define DEV "Inter-|   Receive\n face |bytes\n"

static void interfaces_have_exact_values_and_rates(void **state)
{
	struct counters *counters = begin(NULL, 0);
	feed(counters, "/proc/net/dev", DEV "  lo: 18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0:1000 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", SECOND);
	assert_true(value(counters, "interface", "lo", "received_bytes") == UINT64_MAX);
	assert_int_equal(value(counters, "interface", "lo", "sent_compressed"), 16);
	assert_true(isnan(named(counters, "interface", "eth0", "received_bytes")->rate));
	feed(counters, "/proc/net/dev", DEV "  lo: 5 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0:3000 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", 3 * SECOND);
	assert_true(named(counters, "interface", "eth0", "received_bytes")->rate == 1000.0);
	assert_true(isnan(named(counters, "interface", "lo", "received_bytes")->rate));
	counters_close(counters);
}

static void what_goes_away_keeps_its_place_and_comes_back(void **state)
{
	struct counters *counters = begin(NULL, 0);
	const char *both = DEV "  a: 1 2\n  b: 3 4\n", *one = DEV "  b: 30 40\n";
	size_t count;
	feed(counters, "/proc/net/dev", both, SECOND);
	const struct counter *list = counters_list(counters, &count);
	assert_int_equal(count, 4);
	assert_string_equal(list[0].instance, "a");
	feed(counters, "/proc/net/dev", one, 2 * SECOND);
	list = counters_list(counters, &count);
	assert_int_equal(count, 4);
	assert_false(list[0].there);
	assert_false(list[1].there);
	assert_true(list[2].there);
	assert_true(list[2].rate == 27.0);
	feed(counters, "/proc/net/dev", DEV "  c: 1 1\n  b: 31 40\n", 3 * SECOND);
	assert_false(named(counters, "interface", "a", "received_bytes")->there);
	feed(counters, "/proc/net/dev", DEV "  a: 9 9\n  b: 31 40\n", 4 * SECOND);
	assert_true(named(counters, "interface", "a", "received_bytes")->there);
	assert_true(isnan(named(counters, "interface", "a", "received_bytes")->rate));
	assert_false(named(counters, "interface", "c", "received_bytes")->there);
	counters_close(counters);
}

static void patterns_choose_by_name_or_its_start(void **state)
{
	const char *names[] = {"interface.eth*", "TCP.RetransSegs", "cpu.*.idle"};
	struct counters *counters = begin(names, 3);
	size_t count;
	feed(counters, "/proc/net/dev", DEV " lo: 1 2\n eth0.5: 1 2\n", SECOND);
	feed(counters, "/proc/net/snmp", "Tcp: RetransSegs InSegs\nTcp: 7 8\nIp: DefaultTTL\nIp: 64\n", SECOND);
	feed(counters, "/proc/stat", "cpu 1 2 3 4\ncpu0 1 2 3 4\nctxt 5\n", SECOND);
	const struct counter *list = counters_list(counters, &count);
	assert_int_equal(count, 5);
	assert_string_equal(list[0].instance, "eth0.5");
	assert_string_equal(list[2].name, "RetransSegs");
	assert_string_equal(list[3].instance, "all");
	assert_string_equal(list[4].name, "idle");
	counters_close(counters);
}

static void softnet_is_hexadecimal_wraps_and_is_summed(void **state)
{
	struct counters *counters = begin(NULL, 0);
	feed(counters, "/proc/net/softnet_stat", "fffffff0 00000001 0000000a 0 0 0 0 0 0 0 0 2 3\n00000010 0 0 0 0 0 0 0 0 0 0 1 7\n", SECOND);
	assert_int_equal(value(counters, "softnet", "cpu3", "processed"), 0xfffffff0);
	assert_int_equal(value(counters, "softnet", "cpu3", "time_squeeze"), 10);
	assert_int_equal(value(counters, "softnet", "all", "backlog"), 3);
	feed(counters, "/proc/net/softnet_stat", "00000010 00000001 0000000a 0 0 0 0 0 0 0 0 2 3\n00000010 0 0 0 0 0 0 0 0 0 0 1 7\n", 2 * SECOND);
	assert_true(named(counters, "softnet", "cpu3", "processed")->rate == 32.0);
	counters_close(counters);
}

static void protocols_take_pairs_of_lines_that_belong_together(void **state)
{
	struct counters *counters = begin(NULL, 0);
	feed(counters, "/proc/net/snmp", "Tcp: MaxConn CurrEstab\nTcp: -1 4\nUdp: InDatagrams\nIp: 5\nUdp: NoPorts Odd\nUdp: 3 x\n", SECOND);
	assert_true(named(counters, "tcp", "", "MaxConn")->value == -1.0);
	assert_int_equal(named(counters, "tcp", "", "CurrEstab")->kind, COUNTER_LEVEL);
	assert_null(counters_named(counters, "udp", "", "InDatagrams"));
	assert_int_equal(value(counters, "udp", "", "NoPorts"), 3);
	assert_null(counters_named(counters, "udp", "", "Odd"));
	feed(counters, "/proc/net/netstat", "TcpExt: ListenDrops\nTcpExt: 9\nIpExt: InOctets\nIpExt: 77\n", SECOND);
	assert_int_equal(value(counters, "tcpext", "", "ListenDrops"), 9);
	assert_int_equal(named(counters, "ipext", "", "InOctets")->unit, COUNTER_BYTES);
	feed(counters, "/proc/net/snmp6", "Ip6InReceives  5\nUdpLite6InErrors 6\nOther 7\nIp6 8\n", SECOND);
	assert_int_equal(value(counters, "ip6", "", "InReceives"), 5);
	assert_int_equal(value(counters, "udplite6", "", "InErrors"), 6);
	counters_close(counters);
}

static void disks_tell_waits_and_come_when_they_are_used(void **state)
{
	struct counters *counters = begin(NULL, 0);
	feed(counters, "/proc/diskstats", " 7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n 8 0 sda 10 0 8 50 4 0 16 40 1 60 90 0 0 0 0 2 6\n", SECOND);
	assert_null(counters_named(counters, "disk", "loop0", "reads"));
	assert_int_equal(value(counters, "disk", "sda", "written_bytes"), 8192);
	assert_int_equal(value(counters, "disk", "sda", "write_wait"), 10000000); /* since the disk came */
	assert_int_equal(value(counters, "disk", "sda", "flush_wait"), 3000000);
	feed(counters, "/proc/diskstats", " 8 0 sda 10 0 8 50 6 0 16 80 3 560 90 0 0 0 0 2 6\n", 2 * SECOND);
	assert_int_equal(value(counters, "disk", "sda", "write_wait"), 20000000); /* 40 ms for 2 */
	assert_int_equal(value(counters, "disk", "sda", "read_wait"), 0);
	assert_int_equal(value(counters, "disk", "sda", "in_flight"), 3);
	assert_true(fabs(named(counters, "disk", "sda", "busy_time")->rate - 0.5e9) < 1); /* half of the second */
	/* Milliseconds begin anew past 32 bits; a disk that was exchanged begins anew with everything. */
	feed(counters, "/proc/diskstats", " 8 0 sda 10 0 8 50 6 0 16 4294967290 3 4294967290 90 0 0 0 0 2 6\n", 3 * SECOND);
	feed(counters, "/proc/diskstats", " 8 0 sda 10 0 8 50 7 0 16 4 3 494 90 0 0 0 0 2 6\n", 4 * SECOND);
	assert_true(fabs(named(counters, "disk", "sda", "busy_time")->rate - 0.5e9) < 1);
	assert_int_equal(value(counters, "disk", "sda", "write_wait"), 10000000);
	feed(counters, "/proc/diskstats", " 8 0 sda 1 0 8 5 1 0 16 1 3 1 9 0 0 0 0 0 0\n", 5 * SECOND);
	assert_true(isnan(named(counters, "disk", "sda", "busy_time")->rate));
	counters_close(counters);
}

static void cpus_interrupts_memory_and_pressure_are_read(void **state)
{
	struct counters *counters = begin(NULL, 0);
	feed(counters, "/proc/stat", "cpu  9 0 0 0\ncpu1 9 0 0 100 0 0 0 0 0 0\nintr 5 6\nctxt 12\nprocesses 3\nprocs_running 2\n", SECOND);
	assert_int_equal(value(counters, "cpu", "cpu1", "idle") % 1000000000, 0);
	assert_int_equal(value(counters, "cpu", "", "context_switches"), 12);
	feed(counters, "/proc/interrupts", "       CPU0 CPU2\n 9: 4 0 IO-APIC x\nNMI: 1 2 text\nERR: 7\n", SECOND);
	assert_int_equal(value(counters, "interrupt", "9.cpu0", "count"), 4);
	assert_null(counters_named(counters, "interrupt", "9.cpu2", "count"));
	assert_int_equal(value(counters, "interrupt", "cpu2", "count"), 2);
	assert_int_equal(value(counters, "interrupt", "ERR", "count"), 7);
	assert_int_equal(value(counters, "interrupt", "all", "count"), 14);
	feed(counters, "/proc/meminfo", "MemTotal: 100 kB\nHugePages_Total: 3\nBad 5 kB\nHuge: 18446744073709551615 kB\n", SECOND);
	assert_int_equal(value(counters, "memory", "", "MemTotal"), 102400);
	assert_int_equal(value(counters, "memory", "", "HugePages_Total"), 3);
	assert_null(counters_named(counters, "memory", "", "Huge"));
	feed(counters, "/proc/pressure/io", "some avg10=12.34 avg60=0.00 total=5\nfull avg10=bad total=x\nother a=1.00\n", SECOND);
	assert_true(fabs(named(counters, "pressure", "io.some", "avg10")->value - 0.1234) < 1e-12);
	assert_int_equal(value(counters, "pressure", "io.some", "total"), 5000);
	assert_null(counters_named(counters, "pressure", "io.full", "avg10"));
	counters_close(counters);
}

static void names_that_are_too_long_or_come_twice_are_not_taken(void **state)
{
	struct counters *counters = begin(NULL, 0);
	size_t count;
	char text[400];
	snprintf(text, sizeof text, DEV " %0100d: 1 2\n :5\n: 6\n a: 1 x\n a: 9 9\n", 0);
	feed(counters, "/proc/net/dev", text, SECOND);
	counters_list(counters, &count);
	assert_int_equal(count, 2); /* of a: the first byte count, and the packets of the second line */
	assert_int_equal(value(counters, "interface", "a", "received_bytes"), 1);
	counters_close(counters);
}

static void more_than_there_may_be_are_left_out(void **state)
{
	struct counters *counters = begin(NULL, 0);
	size_t count, room = 4 << 20, length = 0;
	char *text = malloc(room);
	length += (size_t)sprintf(text, DEV);
	for (unsigned i = 0; i < 70000; i++)
		length += (size_t)snprintf(text + length, room - length, "i%u: 1 2 3\n", i);
	feed(counters, "/proc/net/dev", text, SECOND);
	counters_list(counters, &count);
	assert_int_equal(count, COUNTERS_MOST);
	free(text);
	counters_close(counters);
}

static void the_system_is_read_with_history(void **state)
{
	struct counters *counters;
	struct weir_fault fault;
	const char *none[] = {"no.such.counter"}, *some[] = {"cpu.context_switches", "memory.MemFree"};
	double history[COUNTERS_HISTORY];
	size_t count;
	assert_int_equal(counters_open(none, 1, &counters, &fault), WEIR_E_NOT_FOUND);
	assert_int_equal(counters_open(some, 2, &counters, &fault), 0);
	assert_int_equal(counters_refresh(counters, &fault), 0);
	const struct counter *list = counters_list(counters, &count);
	assert_int_equal(count, 2);
	assert_true(isnan(list[0].rate));
	assert_int_equal(counters_history(counters, &list[0], history), 0);
	assert_int_equal(counters_history(counters, &list[1], history), 1);
	for (int i = 0; i < 70; i++)
		assert_int_equal(counters_refresh(counters, &fault), 0);
	list = counters_list(counters, &count);
	assert_true(list[0].rate >= 0);
	assert_int_equal(counters_history(counters, &list[0], history), COUNTERS_HISTORY);
	assert_true(history[COUNTERS_HISTORY - 1] == (double)(float)list[0].rate);
	counters_close(counters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interfaces_have_exact_values_and_rates),
		cmocka_unit_test(what_goes_away_keeps_its_place_and_comes_back),
		cmocka_unit_test(patterns_choose_by_name_or_its_start),
		cmocka_unit_test(softnet_is_hexadecimal_wraps_and_is_summed),
		cmocka_unit_test(protocols_take_pairs_of_lines_that_belong_together),
		cmocka_unit_test(disks_tell_waits_and_come_when_they_are_used),
		cmocka_unit_test(cpus_interrupts_memory_and_pressure_are_read),
		cmocka_unit_test(names_that_are_too_long_or_come_twice_are_not_taken),
		cmocka_unit_test(more_than_there_may_be_are_left_out),
		cmocka_unit_test(the_system_is_read_with_history),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
