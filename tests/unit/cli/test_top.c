#include "../unit.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "box/linux/counters_sources.h"
#include "cli/top_view.h"

static const char *row_of(const struct canvas *canvas, int row)
{
	static struct text text;

	text_clear(&text);
	canvas_row_text(canvas, row, &text);
	return text_string(&text);
}

static const char *put(const char *what, int width, bool ascii)
{
	static struct canvas canvas;

	canvas.ascii = ascii;
	assert_true(canvas_size(&canvas, 1, 40));
	canvas_put(&canvas, 0, 0, width, STYLE_PLAIN, what);
	return row_of(&canvas, 0);
}

static void nothing_that_a_terminal_obeys_gets_onto_the_canvas(void **state)
{
	assert_string_equal(put("a\x1b[2Jb\n\t\x7f", 40, false), "a\\x1b[2Jb\\x0a\\x09\\x7f");
	/* C1 controls, what turns the direction around, half characters. */
	assert_string_equal(put("\xc2\x9b" "31m", 40, false), "\\xc2\\x9b31m");
	assert_string_equal(put("\xe2\x80\xae" "x", 40, false), "\\xe2\\x80\\xaex");
	assert_string_equal(put("x\xff\xc3", 40, false), "x\\xff\\xc3");
	for (int c = 1; c < 256; c++) {
		const char text[2] = {(char)c, 0};
		const char *shown = put(text, 40, true);
		for (const char *at = shown; *at; at++)
			assert_true(*at >= 0x20 && *at < 0x7f);
	}
}

static void text_is_cut_at_its_width_and_says_so(void **state)
{
	assert_string_equal(put("abcdef", 6, true), "abcdef");
	assert_string_equal(put("abcdef", 4, true), "abc~");
	assert_string_equal(put("\x1b\x1b", 6, true), "\\x1b\\~");
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		skip();
	assert_string_equal(put("\xc3\xa9t\xc3\xa9", 40, false), "\xc3\xa9t\xc3\xa9");
	assert_string_equal(put("\xc3\xa9t\xc3\xa9", 40, true), "\\xc3\\xa9t\\xc3\\xa9");
	assert_string_equal(put("abcdef", 4, false), "abc\xe2\x80\xa6");
	/* Wide ones take two columns, and are not torn in two. */
	assert_string_equal(put("\xe6\xbc\xa2\xe5\xad\x97x", 5, false), "\xe6\xbc\xa2\xe5\xad\x97x");
	assert_string_equal(put("\xe6\xbc\xa2\xe5\xad\x97x", 4, false), "\xe6\xbc\xa2 \xe2\x80\xa6");
	setlocale(LC_CTYPE, "C");
}

static void bars_are_drawn_in_what_the_terminal_has(void **state)
{
	static const double values[] = {0, 1, 4, 8, 0.0001};
	char text[64];

	sparkline_text(values, 5, 5, true, text, sizeof text);
	assert_string_equal(text, " _:#_");
	sparkline_text(values, 5, 5, false, text, sizeof text);
	assert_string_equal(text, " \xe2\x96\x81\xe2\x96\x84\xe2\x96\x88\xe2\x96\x81");
	sparkline_text(values, 0, 5, true, text, sizeof text);
	assert_string_equal(text, "");
}

static void short_numbers_are_short(void **state)
{
	static const struct {
		double number;
		unsigned base;
		const char *text;
	} wanted[] = {{0, 1000, "0"},         {999, 1000, "999"},       {1000, 1000, "1.00k"}, {99949, 1000, "99.9k"}, {123456, 1000, "123k"},
	              {1023, 1024, "1.00K"}, {1536, 1024, "1.50K"}, {1e18, 1000, "1.00E"},   {0.25, 1000, "0.2"}};
	char text[FORMAT_SIZE];

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		assert_string_equal(short_number(wanted[i].number, wanted[i].base, text), wanted[i].text);
}

/* ---- a screen over endpoints of the test's own ---- */

static struct endpoint endpoints[50];
static const struct endpoint *list[50];

static void open_screen(struct top_screen *screen)
{
	struct top *top = calloc(1, sizeof *top);

	assert_non_null(top);
	for (size_t i = 0; i < 50; i++) {
		endpoints[i] = (struct endpoint){
			.id = i + 1,
			.protocol = 6,
			.state = ENDPOINT_ESTABLISHED,
			.local = {{127, 0, 0, 1}, 4},
			.remote = {{10, 0, 0, 1}, 4},
			.local_port = (uint16_t)(1000 + i),
			.remote_port = 443,
			.process = {.pid = (uint32_t)(i % 5), .user_id = WEIR_NO_USER},
			.bytes_sent = i,
			.bytes_received = ENDPOINT_UNKNOWN,
			.send_rate = i == 7 ? -1 : (double)i,
			.receive_rate = -1,
			.rtt_ns = ENDPOINT_UNKNOWN,
			.opened_ns = WEIR_NO_TIME,
		};
		list[i] = &endpoints[i];
	}
	top->endpoint = list;
	top->endpoint_count = 50;
	assert_int_equal(top_group(top, true, NULL), 0);
	screen_init(screen, top);
	screen->ascii = true;
}

static void close_screen(struct top_screen *screen)
{
	struct top *top = screen->top;

	screen_free(screen);
	top_close(top);
}

static void rows_are_sorted_by_any_column_either_way(void **state)
{
	struct top_screen screen;

	open_screen(&screen);
	assert_int_equal(screen_sort(&screen, &endpoints_view, endpoints_view.sort, true), 0);
	assert_int_equal(screen.order_count, 50);
	assert_int_equal(screen.order[0].row, 49);
	/* What is not known is less than anything. */
	assert_int_equal(screen.order[49].row, 7);
	assert_int_equal(screen_sort(&screen, &endpoints_view, endpoints_view.sort, false), 0);
	assert_int_equal(screen.order[0].row, 7);
	assert_int_equal(screen.order[1].row, 0);
	for (uint8_t column = 0; endpoints_view.columns[column].title; column++) {
		assert_int_equal(screen_sort(&screen, &endpoints_view, column, true), 0);
		assert_int_equal(screen.order_count, 50);
	}
	close_screen(&screen);
}

static void keys_go_through_views_and_into_what_is_selected(void **state)
{
	struct canvas canvas = {.ascii = true};
	struct top_screen screen;

	open_screen(&screen);
	assert_ptr_equal(screen_view(&screen), &overview_view);
	screen_press(&screen, '4');
	assert_ptr_equal(screen_view(&screen), &processes_view);
	screen_press(&screen, 'g');
	assert_ptr_equal(screen_view(&screen), &endpoints_view);
	screen_press(&screen, '\t');
	assert_ptr_equal(screen_view(&screen), &applications_view);
	screen_press(&screen, TOP_KEY_BACK_TAB);
	assert_ptr_equal(screen_view(&screen), &endpoints_view);
	assert_true(canvas_size(&canvas, 24, 80));
	screen_draw(&screen, &canvas);
	screen_press(&screen, TOP_KEY_DOWN);
	/* What was selected stays selected when it moves. */
	endpoints[48].send_rate = 1;
	assert_true(canvas_size(&canvas, 24, 80));
	screen_draw(&screen, &canvas);
	assert_int_equal(screen.order[screen_state(&screen)->selected].row, 48);
	screen_press(&screen, TOP_KEY_ENTER);
	assert_ptr_equal(screen_view(&screen), &endpoint_view);
	assert_int_equal(screen_subject(&screen)->endpoint, 49);
	assert_true(canvas_size(&canvas, 24, 80));
	screen_draw(&screen, &canvas);
	screen_press(&screen, '?');
	assert_ptr_equal(screen_view(&screen), &help_view);
	screen_press(&screen, TOP_KEY_ESCAPE);
	screen_press(&screen, TOP_KEY_ESCAPE);
	assert_ptr_equal(screen_view(&screen), &endpoints_view);
	screen_press(&screen, 'q');
	assert_true(screen.quit);
	canvas_free(&canvas);
	close_screen(&screen);
}

static void a_filter_is_typed_corrected_and_refused(void **state)
{
	struct top_screen screen;

	open_screen(&screen);
	screen_press(&screen, '/');
	for (const char *c = "port 10077"; *c; c++)
		screen_press(&screen, *c);
	screen_press(&screen, TOP_KEY_BACKSPACE);
	screen_press(&screen, TOP_KEY_ENTER);
	assert_string_equal(top_filter_text(screen.top), "port 1007");
	assert_int_equal(screen_sort(&screen, &endpoints_view, 0, true), 0);
	assert_int_equal(screen.order_count, 1);
	screen_press(&screen, '/');
	screen_press(&screen, '(');
	screen_press(&screen, TOP_KEY_ENTER);
	assert_string_equal(top_filter_text(screen.top), "port 1007");
	assert_true(screen.message[0]);
	screen_press(&screen, '\\');
	assert_string_equal(top_filter_text(screen.top), "");
	close_screen(&screen);
}

static void every_view_is_drawn_at_every_size(void **state)
{
	struct canvas canvas = {.ascii = true};
	struct top_screen screen;

	open_screen(&screen);
	for (size_t i = 0; top_views[i]; i++) {
		screen_show(&screen, top_views[i]);
		for (int rows = 1; rows < 60; rows += rows < 30 ? 1 : 7) {
			for (int columns = 1; columns < 250; columns += columns < 30 ? 1 : 37) {
				assert_true(canvas_size(&canvas, rows, columns));
				screen_draw(&screen, &canvas);
			}
		}
	}
	canvas_free(&canvas);
	close_screen(&screen);
}

static void everything_is_printed_however_much_there_is(void **state)
{
	const size_t many = 20500;
	const struct endpoint **all = calloc(many, sizeof *all);
	struct top_screen screen;
	char *out = NULL;
	size_t length = 0, lines = 0;
	FILE *file = open_memstream(&out, &length);

	open_screen(&screen);
	assert_non_null(all);
	assert_non_null(file);
	for (size_t i = 0; i < many; i++)
		all[i] = &endpoints[i % 50];
	screen.top->endpoint = all;
	screen.top->endpoint_count = many;
	snprintf(screen.top->lack[TOP_LACK_ENDPOINTS], TOP_LACK_SIZE, "%0100d %0100d", 1, 2);
	screen.flat = true;
	screen_show(&screen, &endpoints_view);
	assert_int_equal(screen_print(&screen, &endpoints_view, 80, file), 0);
	fclose(file);
	for (size_t i = 0; i < length; i++)
		lines += out[i] == '\n';
	assert_int_equal(lines, 1 + many + 4);
	free(out);
	free(all);
	close_screen(&screen);
}

static void the_time_of_a_packet_is_whole_in_json(void **state)
{
	static const uint8_t bytes[64];
	struct top_packet packet = {.number = 1, .time_ns = INT64_C(1764201600123456000), .captured = 64, .length = 64, .linktype = 1, .data = bytes};
	struct top_packets *packets = malloc(sizeof *packets);
	struct top_screen screen;
	struct text text = {0};
	struct json json = json_into(&text);

	assert_non_null(packets);
	*packets = (struct top_packets){.count = 1, .packets = &packet};
	open_screen(&screen);
	screen.top->packets = packets;
	screen_show(&screen, &packets_view);
	json_object(&json);
	screen_json(&screen, &packets_view, &json);
	json_end_object(&json);
	assert_non_null(strstr(text_string(&text), "\"time\":1764201600.1234"));
	text_free(&text);
	close_screen(&screen);
}

static void work_of_low_priority_is_work(void **state)
{
	static const struct counter_source *const sources[] = {&cpu_source, NULL};
	static const char before[] = "cpu 0 100 0 100 0 0 0 0 0 0\n", after[] = "cpu 0 190 0 110 0 0 0 0 0 0\n";
	struct canvas canvas = {.ascii = true};
	struct top_screen screen;

	open_screen(&screen);
	assert_int_equal(counters_new(sources, NULL, 0, &screen.top->counters, NULL), 0);
	counters_feed(screen.top->counters, 0, bytes_of(before), 1000000000);
	counters_feed(screen.top->counters, 0, bytes_of(after), 2000000000);
	assert_true(canvas_size(&canvas, 5, 120));
	assert_true(system_lines(&screen, &canvas, 0) >= 1);
	assert_non_null(strstr(row_of(&canvas, 0), " 90% user 90.0%"));
	canvas_free(&canvas);
	close_screen(&screen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_that_a_terminal_obeys_gets_onto_the_canvas),
		cmocka_unit_test(text_is_cut_at_its_width_and_says_so),
		cmocka_unit_test(bars_are_drawn_in_what_the_terminal_has),
		cmocka_unit_test(short_numbers_are_short),
		cmocka_unit_test(rows_are_sorted_by_any_column_either_way),
		cmocka_unit_test(keys_go_through_views_and_into_what_is_selected),
		cmocka_unit_test(a_filter_is_typed_corrected_and_refused),
		cmocka_unit_test(every_view_is_drawn_at_every_size),
		cmocka_unit_test(everything_is_printed_however_much_there_is),
		cmocka_unit_test(the_time_of_a_packet_is_whole_in_json),
		cmocka_unit_test(work_of_low_priority_is_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
