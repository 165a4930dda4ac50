#include "../unit.h"

#include "core/json_read.h"

static void every_value_comes_in_order_with_its_key_and_depth(void **state)
{
	static const char data[] = " {\"a\": 1, \"b\" : [true, null, {\"c\":\"x\"}], \"d\":-1.5e+3} \n";
	static const struct {
		enum json_kind kind;
		unsigned depth;
		const char *key;
	} wanted[] = {
		{JSON_OBJECT, 0, NULL}, {JSON_NUMBER, 1, "a"}, {JSON_ARRAY, 1, "b"},        {JSON_TRUE, 2, NULL},      {JSON_NULL, 2, NULL},
		{JSON_OBJECT, 2, NULL}, {JSON_STRING, 3, "c"}, {JSON_OBJECT_END, 2, NULL}, {JSON_ARRAY_END, 1, NULL}, {JSON_NUMBER, 1, "d"},
		{JSON_OBJECT_END, 0, NULL}, {JSON_ENDED, 0, NULL}, {JSON_ENDED, 0, NULL},
	};
	struct json_reader reader = json_reader_over(data, sizeof data - 1);
	struct json_token token;

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		assert_int_equal(json_next(&reader, &token), wanted[i].kind);
		assert_int_equal(token.kind, wanted[i].kind);
		assert_int_equal(token.depth, wanted[i].depth);
		assert_int_equal(token.has_key, wanted[i].key != NULL);
		if (wanted[i].key)
			assert_true(json_token_is(token.key, wanted[i].key));
		if (i == 9)
			assert_true(json_token_double(&token) == -1500);
	}
}

static enum json_kind last_of(const char *text)
{
	struct json_reader reader = json_reader_over(text, strlen(text));
	struct json_token token;

	while (json_next(&reader, &token) > JSON_ENDED)
		;
	return token.kind;
}

static void what_is_no_json_is_broken_and_stays_so(void **state)
{
	static const char *const bad[] = {"", "{", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "\"x", "\"\x01\"", "tru", "-", "1.", "1e", "1 2",
	                                  "[}", "{]", "]", "\"\\"};
	char deep[2 * JSON_DEPTH_MAX + 3];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(last_of(bad[i]), JSON_BROKEN);
	assert_int_equal(last_of("[1,2]"), JSON_ENDED);
	memset(deep, '[', JSON_DEPTH_MAX + 1);
	memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	deep[2 * JSON_DEPTH_MAX + 2] = 0;
	assert_int_equal(last_of(deep), JSON_BROKEN);
	deep[2 * JSON_DEPTH_MAX + 1] = 0;
	assert_int_equal(last_of(deep + 1), JSON_ENDED);
}

static void escapes_are_resolved_and_half_ones_are_replaced(void **state)
{
	static const char from[] = "a\\\"\\\\\\n\\u00e9\\ud83d\\ude00\\ud83d\\u12";
	struct text out = {0};

	json_unescape((struct weir_bytes){(const uint8_t *)from, sizeof from - 1}, &out);
	assert_string_equal(text_string(&out), "a\"\\\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd" "12");
	text_free(&out);
}

static void numbers_that_do_not_fit_are_zero(void **state)
{
	struct json_token token = {.kind = JSON_NUMBER, .value = {(const uint8_t *)"18446744073709551615", 20}};

	assert_true(json_token_unsigned(&token) == UINT64_MAX);
	token.value = (struct weir_bytes){(const uint8_t *)"18446744073709551616", 20};
	assert_true(json_token_unsigned(&token) == 0);
	token.value = (struct weir_bytes){(const uint8_t *)"-1", 2};
	assert_true(json_token_unsigned(&token) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_comes_in_order_with_its_key_and_depth),
		cmocka_unit_test(what_is_no_json_is_broken_and_stays_so),
		cmocka_unit_test(escapes_are_resolved_and_half_ones_are_replaced),
		cmocka_unit_test(numbers_that_do_not_fit_are_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
