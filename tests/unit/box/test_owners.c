/* Who held a socket at a time: of sockets of every kind, passed on, shared, closed and used anew, in a network namespace of the test's own. */
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box/owners.h"
#include "core/clock.h"
#include "../unit.h"

static struct owners *owners;
static bool sees_all;

static void loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_return_code(ioctl(fd, SIOCSIFFLAGS, &request), errno);
	close(fd);
}

static int begin(void **state)
{
	struct weir_fault fault;
	static bool inside;

	if (!inside && (geteuid() || unshare(CLONE_NEWNET)))
		return 0; /* the tests are skipped */
	if (!inside)
		loopback_up();
	inside = true;
	if (owners_open(&(struct owners_options){.without_bpf = *state != NULL}, &owners, &fault))
		fail_msg("%s", fault.message);
	sees_all = owners_see_all(owners);
	/* Root that has the right to load programs and whose kernel refuses one all the same: the tests would skip what is broken. */
	if (!sees_all && !*state && strstr(owners_lack(owners), "Permission denied"))
		fail_msg("%s", owners_lack(owners));
	return 0;
}

static int end(void **state)
{
	owners_close(owners);
	owners = NULL;
	return 0;
}

static struct sockaddr_in at(uint16_t port) { return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}; }

static uint16_t port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;

	assert_return_code(getsockname(fd, (struct sockaddr *)&address, &size), errno);
	return ntohs(address.sin_port);
}

static int bound(int type, uint16_t port)
{
	int fd = socket(AF_INET, type, 0), yes = 1;
	struct sockaddr_in address = at(port);

	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes), errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), errno);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof address), errno);
	return fd;
}

/* 0: not known. */
static uint32_t holder_of(uint8_t protocol, uint16_t local, uint16_t remote, int64_t time)
{
	const struct weir_ip loopback = {.bytes = {127, 0, 0, 1}, .version = 4};
	const struct owner_tuple tuple = {.protocol = protocol, .local = loopback, .remote = loopback, .local_port = local, .remote_port = remote};
	struct weir_process process = {0};

	owners_catch_up(owners);
	owners_begin(owners);
	bool found = owners_find(owners, &tuple, time, &process);
	owners_end(owners);
	return found ? process.pid : 0;
}

static int child_of(void (*does)(int fd), int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		does(fd);
		pause();
	}
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void need_events(void)
{
	if (!owners || !sees_all)
		skip();
}

static void need_owners(void)
{
	if (!owners)
		skip(); /* it takes root, to make a network namespace */
}

static void a_connection_has_a_holder_at_each_end(void **state)
{
	need_events();
	int server = bound(SOCK_STREAM, 7201);
	assert_return_code(listen(server, 5), errno);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = at(7201);
	int64_t before = clock_wall_ns();
	assert_return_code(connect(client, (struct sockaddr *)&address, sizeof address), errno);
	int accepted = accept(server, NULL, NULL);
	uint16_t port = port_of(client);
	assert_int_equal(holder_of(IPPROTO_TCP, port, 7201, clock_wall_ns()), getpid());
	assert_int_equal(holder_of(IPPROTO_TCP, 7201, port, clock_wall_ns()), getpid());
	assert_int_equal(holder_of(IPPROTO_TCP, 7201, 9, clock_wall_ns()), getpid()); /* a SYN for the one that listens */
	assert_int_equal(holder_of(IPPROTO_TCP, 7201, 9, before - NS_PER_SECOND), 0);
	assert_int_equal(holder_of(IPPROTO_TCP, port, 7201, before - NS_PER_SECOND), 0);
	assert_int_equal(holder_of(IPPROTO_TCP, 9, 10, clock_wall_ns()), 0);
	close(client);
	close(accepted);
	close(server);
	/* What is over stays known for its time, and for the last segments. */
	assert_int_equal(holder_of(IPPROTO_TCP, port, 7201, clock_wall_ns()), getpid());
	assert_int_equal(holder_of(IPPROTO_TCP, 7201, 9, clock_wall_ns()), 0);
}

static void accept_one(int fd)
{
	int accepted = accept(fd, NULL, NULL);
	char text[8];
	if (read(accepted, text, 1) == 1 && write(accepted, text, 1) == 1)
		pause();
}

static void who_accepts_holds_it(void **state)
{
	need_events();
	int server = bound(SOCK_STREAM, 7202);
	assert_return_code(listen(server, 5), errno);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = at(7202);
	assert_return_code(connect(client, (struct sockaddr *)&address, sizeof address), errno);
	uint16_t port = port_of(client);
	int64_t waiting = clock_wall_ns();
	assert_int_equal(holder_of(IPPROTO_TCP, 7202, port, waiting), getpid()); /* nobody has accepted it: who listens */
	pid_t child = child_of(accept_one, server);
	char text = 'x';
	assert_int_equal(write(client, &text, 1), 1);
	assert_int_equal(read(client, &text, 1), 1);
	assert_int_equal(holder_of(IPPROTO_TCP, 7202, port, clock_wall_ns()), child);
	assert_int_equal(holder_of(IPPROTO_TCP, 7202, port, waiting), child); /* in hindsight it was its own from the handshake on */
	assert_int_equal(holder_of(IPPROTO_TCP, port, 7202, clock_wall_ns()), getpid());
	end_child(child);
	close(client);
	close(server);
}

static void send_one(int fd)
{
	struct sockaddr_in address = at(7999);
	sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof address);
}

static void a_udp_socket_goes_to_who_used_it_last(void **state)
{
	need_events();
	int fd = bound(SOCK_DGRAM, 7203), sink = bound(SOCK_DGRAM, 7999);
	int64_t first = clock_wall_ns();
	assert_int_equal(holder_of(IPPROTO_UDP, 7203, 7999, first), getpid());
	pid_t child = child_of(send_one, fd);
	struct pollfd ready = {.fd = sink, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, 5000), 1);
	/* It has sent when the packet is here, and said so when it has come back from the kernel. */
	for (int i = 0; i < 1000 && holder_of(IPPROTO_UDP, 7203, 7999, clock_wall_ns()) != (uint32_t)child; i++)
		usleep(1000);
	assert_int_equal(holder_of(IPPROTO_UDP, 7203, 7999, clock_wall_ns()), child);
	assert_int_equal(holder_of(IPPROTO_UDP, 7203, 7999, first), getpid());
	end_child(child);
	close(fd);
	close(sink);
	assert_int_equal(holder_of(IPPROTO_UDP, 7203, 7999, clock_wall_ns()), 0); /* nobody's */
}

static void a_udp_socket_without_bind_is_known_from_its_first_packet(void **state)
{
	need_events();
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int64_t before = clock_wall_ns();
	send_one(fd);
	uint16_t port = port_of(fd);
	assert_int_equal(holder_of(IPPROTO_UDP, port, 7999, clock_wall_ns()), getpid());
	assert_int_equal(holder_of(IPPROTO_UDP, port, 1, before - NS_PER_SECOND), 0);
	close(fd);
}

/* Bound to any address of IPv6, it takes what comes by IPv4 as well, unless it was told not to. */
static void a_udp_socket_of_ipv6_takes_ipv4(void **state)
{
	need_events();
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(7207)}, any_only = {.sin6_family = AF_INET6, .sin6_port = htons(7208)};
	int both = socket(AF_INET6, SOCK_DGRAM, 0), only = socket(AF_INET6, SOCK_DGRAM, 0), yes = 1, no = 0;
	assert_return_code(setsockopt(both, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no), errno);
	assert_return_code(setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes), errno);
	assert_return_code(bind(both, (const struct sockaddr *)&any, sizeof any), errno);
	assert_return_code(bind(only, (const struct sockaddr *)&any_only, sizeof any_only), errno);
	assert_int_equal(holder_of(IPPROTO_UDP, 7207, 1, clock_wall_ns()), getpid());
	assert_int_equal(holder_of(IPPROTO_UDP, 7208, 1, clock_wall_ns()), 0);
	close(both);
	close(only);
}

static void bind_7204(int fd)
{
	bound(SOCK_DGRAM, 7204);
	if (write(fd, "x", 1) != 1)
		_exit(1);
}

static void several_processes_on_one_port_name_nobody(void **state)
{
	int pipes[2];
	char text;

	need_events();
	assert_return_code(pipe(pipes), errno);
	int fd = bound(SOCK_DGRAM, 7204), again = bound(SOCK_DGRAM, 7204);
	assert_int_equal(holder_of(IPPROTO_UDP, 7204, 1, clock_wall_ns()), getpid()); /* both are ours */
	pid_t child = child_of(bind_7204, pipes[1]);
	assert_int_equal(read(pipes[0], &text, 1), 1);
	assert_int_equal(holder_of(IPPROTO_UDP, 7204, 1, clock_wall_ns()), 0);
	end_child(child);
	close(fd);
	close(again);
	close(pipes[0]);
	close(pipes[1]);
}

static void what_was_there_before_is_known(void **state)
{
	need_owners();
	int fd = bound(SOCK_DGRAM, 7205);

	end(state);
	begin(state);
	assert_int_equal(holder_of(IPPROTO_UDP, 7205, 1, clock_wall_ns()), getpid());
	close(fd);
}

static void the_looks_find_what_stays(void **state)
{
	need_owners();
	int fd = bound(SOCK_DGRAM, 7206);

	assert_false(sees_all);
	assert_true(strlen(owners_lack(owners)) > 0);
	for (int i = 0; i < 100 && holder_of(IPPROTO_UDP, 7206, 1, clock_wall_ns()) == 0; i++)
		usleep(50000);
	assert_int_equal(holder_of(IPPROTO_UDP, 7206, 1, clock_wall_ns()), getpid());
	close(fd);
	for (int i = 0; i < 100 && holder_of(IPPROTO_UDP, 7206, 1, clock_wall_ns()) != 0; i++)
		usleep(50000);
	assert_int_equal(holder_of(IPPROTO_UDP, 7206, 1, clock_wall_ns()), 0);
}

int main(void)
{
	static int yes = 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_connection_has_a_holder_at_each_end, begin, end),
		cmocka_unit_test_setup_teardown(who_accepts_holds_it, begin, end),
		cmocka_unit_test_setup_teardown(a_udp_socket_goes_to_who_used_it_last, begin, end),
		cmocka_unit_test_setup_teardown(a_udp_socket_without_bind_is_known_from_its_first_packet, begin, end),
		cmocka_unit_test_setup_teardown(a_udp_socket_of_ipv6_takes_ipv4, begin, end),
		cmocka_unit_test_setup_teardown(several_processes_on_one_port_name_nobody, begin, end),
		cmocka_unit_test_setup_teardown(what_was_there_before_is_known, begin, end),
		cmocka_unit_test_prestate_setup_teardown(what_was_there_before_is_known, begin, end, &yes),
		cmocka_unit_test_prestate_setup_teardown(the_looks_find_what_stays, begin, end, &yes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
