/* What the stack drops is counted by reason and place: a datagram to a port that nobody has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box/drops.h"

/* A network namespace of our own, with its loopback up. */
static int own_network(void)
{
	if (unshare(CLONE_NEWNET))
		return -1;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int result = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return result;
}

static const struct drop *find(const struct drops *drops, uint16_t port)
{
	size_t count;
	const struct drop *list = drops_list(drops, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].reason, "NO_SOCKET") == 0 && list[i].protocol == IPPROTO_UDP && list[i].destination_port == port)
			return &list[i];
	return NULL;
}

static void a_datagram_to_nobody_is_counted_with_its_reason(void **state)
{
	struct weir_fault fault;
	struct drops *drops;

	weir_fault_clear(&fault);
	if (own_network())
		skip();
	int error = drops_open(&drops, &fault);
	if (error == WEIR_E_PERMISSION || error == WEIR_E_UNSUPPORTED) {
		print_message("%s\n", fault.message);
		skip();
	}
	assert_int_equal(error, 0);
	assert_int_equal(drops_refresh(drops, &fault), 0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(34567), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (int i = 0; i < 3; i++)
		assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&nobody, sizeof nobody), 1);
	assert_int_equal(drops_refresh(drops, &fault), 0);
	const struct drop *drop = find(drops, 34567);
	/* Another test's datagram may be the last of this place by now; then there is no place of ours to look at. */
	if (drop) {
		assert_true(drop->packets >= 3);
		assert_true(drop->rate > 0);
		assert_int_equal(drop->source.version, 4);
		assert_memory_equal(drop->destination.bytes, "\x7f\0\0\1", 4);
		assert_true(drop->last_ns > 0);
	}
	size_t count;
	const struct drop *list = drops_list(drops, &count);
	assert_true(count > 0);
	for (size_t i = 1; i < count; i++)
		assert_true(list[i - 1].packets >= list[i].packets);
	close(fd);
	drops_close(drops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_datagram_to_nobody_is_counted_with_its_reason)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
