/* Netlink's attributes with every length that they can have, and what links become by messages made by hand. */
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "box/linux/links_store.h"
#include "box/linux/netlink.h"
#include "../unit.h"

static void attributes_end_where_they_are_not_whole(void **state)
{
	static const uint8_t two[] = {5, 0, 1, 0, 0xaa, 0, 0, 0, 6, 0, 2, 0x80, 0xbb, 0xcc};
	struct netlink_attribute attribute;

	/* However much is cut off: those that are whole, and never a byte behind the end (the sanitizers look). */
	for (size_t length = 0; length <= sizeof two; length++) {
		uint8_t *exact = malloc(length ? length : 1);
		size_t found = 0;
		memcpy(exact, two, length);
		for (struct weir_bytes left = {exact, length}; netlink_next(&left, &attribute); found++) {
			assert_int_equal(attribute.type, found + 1); /* without the bit that tells of nested ones */
			assert_int_equal(attribute.value.length, found + 1);
			assert_int_equal(attribute.value.data[0], found ? 0xbb : 0xaa);
		}
		assert_int_equal(found, length == sizeof two ? 2 : length >= 5 ? 1 : 0);
		free(exact);
	}
	/* Lengths that are none: less than their own head, more than there is. */
	for (unsigned wrong = 0; wrong < 4; wrong++) {
		const uint8_t bytes[] = {(uint8_t)wrong, 0, 1, 0, 0, 0, 0, 0};
		struct weir_bytes left = {bytes, sizeof bytes};
		assert_false(netlink_next(&left, &attribute));
	}
	const uint8_t much[] = {0xff, 0xff, 1, 0};
	struct weir_bytes left = {much, sizeof much};
	assert_false(netlink_next(&left, &attribute));
}

static void a_head_is_there_or_not(void **state)
{
	static const uint8_t body[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	struct weir_bytes rest;
	uint8_t head[6];

	for (size_t length = 0; length <= sizeof body; length++) {
		const struct netlink_message message = {.body = {body, length}};
		assert_int_equal(netlink_head(&message, head, sizeof head, &rest), length >= sizeof head);
		if (length >= sizeof head)
			assert_int_equal(rest.length, length == 9 ? 1 : 0);
	}
	assert_int_equal(netlink_number((struct weir_bytes){body, 0}), 0);
	assert_int_equal(netlink_number((struct weir_bytes){body, 1}), 1);
	assert_int_equal(netlink_number((struct weir_bytes){body, 4}), weir_load_native32(body));
}

static size_t put(uint8_t *at, uint16_t type, const void *value, size_t length)
{
	const struct nlattr head = {.nla_len = (uint16_t)(sizeof head + length), .nla_type = type};

	memcpy(at, &head, sizeof head);
	memcpy(at + sizeof head, value, length);
	return NLA_ALIGN(sizeof head + length);
}

/* What a wireless driver tells of a scan or a network that it joined: a message of a link with flags and nothing else of it. */
static void what_a_driver_tells_changes_no_link(void **state)
{
	struct links_store *store = calloc(1, sizeof *store);
	const struct ifinfomsg head = {.ifi_family = AF_UNSPEC, .ifi_index = 7};
	const uint32_t master = 3;
	uint8_t body[128] = {0};
	size_t length = sizeof head;

	assert_non_null(store);
	store->drivers = -1;
	memcpy(body, &head, sizeof head);
	length += put(body + length, IFLA_IFNAME, "wlan0", 6);
	length += put(body + length, IFLA_MASTER, &master, sizeof master);
	links_store_take(store, &(struct netlink_message){.type = RTM_NEWLINK, .body = {body, length}}, 1);
	store->telling = true;
	length = sizeof head + put(body + sizeof head, IFLA_WIRELESS, "????", 4);
	links_store_take(store, &(struct netlink_message){.type = RTM_NEWLINK, .body = {body, length}}, 2);
	assert_int_equal(store->count, 1);
	assert_int_equal(store->list[0]->master, 3);
	assert_int_equal(store->waiting, 0);
	links_store_free(store);
	free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes_end_where_they_are_not_whole),
		cmocka_unit_test(a_head_is_there_or_not),
		cmocka_unit_test(what_a_driver_tells_changes_no_link),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
