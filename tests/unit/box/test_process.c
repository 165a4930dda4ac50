/* What is read of processes, and which container a cgroup names. */
#include <unistd.h>

#include <weir/process.h>

#include "core/clock.h"
#include "os/process.h"
#include "../unit.h"

static void our_own_process_is_as_we_know_it(void **state)
{
	struct os_process process;

	assert_int_equal(os_process_read((uint32_t)getpid(), &process, NULL), 0);
	assert_int_equal(process.parent, getppid());
	assert_int_equal(process.user_id, geteuid());
	assert_true(process.threads >= 1);
	assert_string_equal(process.name, "test_box_proces"); /* 15 of it */
	assert_non_null(strstr(process.executable, "/test_box_process"));
	/* It has begun before now, and not long before. */
	assert_true(process.started_ns <= clock_wall_ns() + NS_PER_SECOND && process.started_ns > clock_wall_ns() - 3600 * NS_PER_SECOND);
	assert_int_equal(os_process_read(UINT32_MAX, &process, NULL), WEIR_E_NOT_FOUND);
}

static void check(const char *path, const char *expected)
{
	struct weir_bytes id = os_container_of(path);

	assert_int_equal(id.length, strlen(expected));
	assert_memory_equal(id.length ? id.data : (const uint8_t *)"", expected, id.length);
}

static void containers_are_known_by_their_cgroups(void **state)
{
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	check("/docker/" ID, ID);
	check("/system.slice/docker-" ID ".scope", ID);
	check("/machine.slice/libpod-" ID ".scope/container", ID);
	check("/kubepods/burstable/pod00000000-0000-0000-0000-000000000000/" ID, ID);
	check("/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope", ID);
	check("/lxc/web1", "web1");
	check("/lxc.payload.web1/system.slice/x.service", "web1");
	check("/machine.slice/systemd-nspawn@web1.service/payload", "web1");
	check("/user.slice/user-1000.slice/session-3.scope", "");
	check("/", "");
	check("", "");
	check("/docker/" ID "0", ""); /* too long for an id */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_process_is_as_we_know_it),
		cmocka_unit_test(containers_are_known_by_their_cgroups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
