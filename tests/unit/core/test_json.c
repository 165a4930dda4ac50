#include "../unit.h"

#include "core/json.h"

static void nesting_and_commas_are_right(void **state)
{
	struct text text = {0};
	struct json json = json_into(&text);

	json_object(&json);
	json_put_string(&json, "a", "x");
	json_key(&json, "b");
	json_array(&json);
	json_unsigned(&json, 1);
	json_signed(&json, INT64_MIN);
	json_object(&json);
	json_end_object(&json);
	json_bool(&json, true);
	json_end_array(&json);
	json_put_string(&json, "c", NULL);
	json_put_double(&json, "d", 1.5);
	json_put_double(&json, "e", 1.0 / 0.0);
	json_end_object(&json);
	assert_string_equal(text_string(&text), "{\"a\":\"x\",\"b\":[1,-9223372036854775808,{},true],\"c\":null,\"d\":1.5,\"e\":null}");
	text_free(&text);
}

static void hostile_bytes_become_valid_json(void **state)
{
	static const unsigned char bytes[] = {'a', '"', '\\', '\n', 1, 0xff, 0xc3, 0xa9, 0xe2, 0x82, 0xed, 0xa0, 0x80, 0x7f, 0};
	struct text text = {0};
	struct json json = json_into(&text);

	json_string_bytes(&json, bytes, sizeof bytes);
#define R "\xef\xbf\xbd"
	assert_string_equal(text_string(&text), "\"a\\\"\\\\\\n\\u0001" R "\xc3\xa9" R R R R R "\\u007f\\u0000\"");
	text_clear(&text);
	/* U+009B begins a sequence of control on some terminals. */
	json = json_into(&text);
	json_string(&json, "a\xc2\x9b" "b\xc2\xa0");
	assert_string_equal(text_string(&text), "\"a\\u009bb\xc2\xa0\"");
	text_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nesting_and_commas_are_right),
		cmocka_unit_test(hostile_bytes_become_valid_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
