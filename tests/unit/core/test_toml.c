#include "../unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/toml.h"

static struct toml *parse(const char *text)
{
	struct toml *toml;
	struct weir_fault fault;

	if (toml_parse(text, strlen(text), "test.toml", &toml, &fault))
		fail_msg("%s", fault.message);
	return toml;
}

static const struct toml_value *get(const struct toml *toml, const char *table, const char *key)
{
	const struct toml_value *value = toml_get(table ? toml_get(toml_root(toml), table) : toml_root(toml), key);

	assert_non_null(value);
	return value;
}

static void values_of_every_kind_are_read(void **state)
{
	struct toml *toml = parse("a = \"x\\\"\\u00e9\\n\"\n'b c' = 'C:\\x'\nn = [1, -2_000, 0xff,\n 0o17, 0b101, # "
	                          "five\n]\nr = [1.5e3, -inf, nan]\n"
	                          "t = { yes = true, no = false }\nlong = \"\"\"\n  one \\\n   two\"\" \"\"\"\nd = "
	                          "2026-11-26T10:00:00.5+01:00\n");
	static const int64_t numbers[] = {1, -2000, 255, 15, 5};
	const struct toml_value *n = get(toml, NULL, "n")->first;

	assert_string_equal(get(toml, NULL, "a")->string, "x\"\xc3\xa9\n");
	assert_string_equal(get(toml, NULL, "b c")->string, "C:\\x");
	for (size_t i = 0; i < 5; i++, n = n->next)
		assert_true(n->kind == TOML_INTEGER && n->integer == numbers[i]);
	assert_null(n);
	const struct toml_value *r = get(toml, NULL, "r")->first;
	assert_true(r->kind == TOML_FLOAT && r->real > 1499 && r->real < 1501);
	assert_true(isinf(r->next->real) && r->next->real < 0 && isnan(r->next->next->real));
	assert_true(get(toml, "t", "yes")->truth && !get(toml, "t", "no")->truth);
	assert_string_equal(get(toml, NULL, "long")->string, "  one two\"\" ");
	assert_int_equal(get(toml, NULL, "d")->kind, TOML_MOMENT);
	assert_int_equal(get(toml, NULL, "long")->line, 8);
	toml_free(toml);
}

static void tables_are_nested_by_headers_and_dots(void **state)
{
	struct toml *toml = parse("a.b = 1\n[t.u]\nx = 1\n[t]\ny = 2\n[[s]]\nn = 1\n[s.i]\nm = 3\n[[s]]\nn = 2\n");
	const struct toml_value *s = get(toml, NULL, "s");

	assert_int_equal(toml_get(get(toml, NULL, "a"), "b")->integer, 1);
	assert_int_equal(toml_get(get(toml, "t", "u"), "x")->integer, 1);
	assert_int_equal(get(toml, "t", "y")->integer, 2);
	assert_int_equal(toml_get(toml_get(s->first, "i"), "m")->integer, 3);
	assert_int_equal(toml_get(s->first->next, "n")->integer, 2);
	toml_free(toml);
}

/* The text, and what the fault says. */
static const struct {
	const char *text, *fault;
} bad[] = {
	{"a = 1\na = 2\n", "line 2: 'a' is defined twice: line 1 has it already"},
	{"[a]\n[a]\n", "line 2: 'a' is defined twice"},
	{"a = {}\n[a.b]\n", "line 2: 'a' is defined twice"},
	{"a.b = 1\n[a]\n", "line 2: 'a' is defined twice"},
	{"[a.b]\n[a]\nb.c = 1\n", "line 3: 'b' is defined twice"},
	{"a = []\n[[a]]\n", "line 2: 'a' is defined twice"},
	{"a = { b = 1, }\n", "line 1: a key is missing"},
	{"a = { b = 1\n}\n", "line 1: a table in one line"},
	{"\na\n", "line 2: 'a' has no = behind it"},
	{"a = \n", "line 1: a value is missing"},
	{"a = x\n", "line 1: 'x' is no value: strings stand in quotes"},
	{"a = 01\n", "line 1: '01' is no value"},
	{"a = 1__0\n", "line 1: '1__0' is no value"},
	{"a = 1.\n", "line 1: '1.' is no value"},
	{"a = 9223372036854775808\n", "line 1: '9223372036854775808' is no value"},
	{"a = 2026-02-30\n", "line 1: '2026-02-30' is no date or time"},
	{"a = \"x\n", "line 1: the string does not end in its line"},
	{"\na = '''x\n", "line 3: the string that begins in line 2 does not end"},
	{"a = \"\\q\"\n", "line 1: a backslash in a string"},
	{"a = \"\\ud800\"\n", "line 1: U+D800 is no character"},
	{"a = \"\\u0000\"\n", "line 1: U+0000 is no character"},
	{"a = 1 b = 2\n", "line 1: something stands behind"},
	{"a = 1\r", "line 1: something stands behind"},
	{"# \x01\n", "line 1: a control character in a comment"},
	{"a = '\xff'\n", "line 1: a byte that is no UTF-8"},
	{"[a\n", "line 1: the name of a table ends with ]"},
	{"[[a]\n", "line 1: the name of a table ends with ]]"},
	{"a = [1 2]\n", "line 1: an array goes on with , or ends with ]"},
};

static void what_is_no_toml_is_refused_with_its_line(void **state)
{
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct toml *toml;
		struct weir_fault fault;
		assert_int_equal(toml_parse(bad[i].text, strlen(bad[i].text), "test.toml", &toml, &fault), WEIR_E_FORMAT);
		if (strncmp(fault.message, bad[i].fault, strlen(bad[i].fault)) != 0)
			fail_msg("%s: \"%s\" instead of \"%s\"", bad[i].text, fault.message, bad[i].fault);
		assert_string_equal(fault.file, "test.toml");
	}
}

static int parse_repeated(const char *what, size_t times)
{
	size_t length = strlen(what);
	char *text = malloc(length * times + 4);
	struct toml *toml;

	assert_non_null(text);
	memcpy(text, "a = ", 4);
	for (size_t i = 0; i < times; i++)
		memcpy(text + 4 + i * length, what, length);
	int error = toml_parse(text, 4 + length * times, "test.toml", &toml, NULL);
	toml_free(toml);
	free(text);
	return error;
}

static void what_is_too_deep_or_too_much_is_refused(void **state)
{
	char text[TOML_VALUES_MAX * 3 + 16], *at = text;
	struct toml *toml;

	assert_int_equal(parse_repeated("[", 100000), WEIR_E_LIMIT);
	assert_int_equal(parse_repeated("{a=", 100000), WEIR_E_LIMIT);
	assert_int_equal(parse_repeated("1", TOML_BYTES_MAX), WEIR_E_LIMIT);
	at += sprintf(at, "a = [");
	for (size_t i = 0; i <= TOML_VALUES_MAX; i++)
		at += sprintf(at, "1,");
	assert_int_equal(toml_parse(text, (size_t)(at - text), "test.toml", &toml, NULL), WEIR_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_every_kind_are_read),
		cmocka_unit_test(tables_are_nested_by_headers_and_dots),
		cmocka_unit_test(what_is_no_toml_is_refused_with_its_line),
		cmocka_unit_test(what_is_too_deep_or_too_much_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
