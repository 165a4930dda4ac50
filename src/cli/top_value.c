/* Cells of tables: cli/top_view.h. */
#include <arpa/inet.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/top_view.h"
#include "packet/dissect.h"

void value_text(struct top_value *value, const char *text)
{
	value->known = *text != 0;
	value->numeric = false;
	snprintf(value->text, sizeof value->text, "%s", text);
}

void value_bytes_text(struct top_value *value, struct weir_bytes text)
{
	value->known = text.length > 0;
	value->numeric = false;
	snprintf(value->text, sizeof value->text, "%.*s", (int)(text.length < sizeof value->text ? text.length : sizeof value->text - 1),
	         text.length ? (const char *)text.data : "");
}

void value_number(struct top_value *value, double number, const char *format, ...)
{
	va_list arguments;

	value->known = value->numeric = true;
	value->number = number;
	if (!value->with_text)
		return;
	va_start(arguments, format);
	vsnprintf(value->text, sizeof value->text, format, arguments);
	va_end(arguments);
}

void value_count(struct top_value *value, uint64_t count)
{
	char text[FORMAT_SIZE];

	value_number(value, (double)count, "%s", value->with_text ? format_count(count, text) : "");
}

const char *short_number(double number, unsigned base, char out[static FORMAT_SIZE])
{
	static const char units[] = " kMGTPE";
	unsigned unit = 0;

	while (fabs(number) >= (base == 1024 ? 1000 : 999.5) && unit < 6) {
		number /= base;
		unit++;
	}
	if (unit == 0)
		snprintf(out, FORMAT_SIZE, number < 10 && number != floor(number) ? "%.1f" : "%.0f", number);
	else
		snprintf(out, FORMAT_SIZE, number < 9.995 ? "%.2f%c" : number < 99.95 ? "%.1f%c" : "%.0f%c", number,
		         base == 1024 && unit == 1 ? 'K' : units[unit]);
	return out;
}

void value_size(struct top_value *value, double bytes)
{
	char text[FORMAT_SIZE];

	value_number(value, bytes, "%s", value->with_text ? short_number(bytes, 1024, text) : "");
}

void value_rate(struct top_value *value, double per_second)
{
	char text[FORMAT_SIZE];

	if (isnan(per_second) || per_second < 0)
		return;
	value_number(value, per_second, "%s", value->with_text ? short_number(per_second, 1000, text) : "");
	if (per_second == 0)
		value->style = STYLE_DIM;
}

void value_duration(struct top_value *value, int64_t ns)
{
	double seconds = (double)ns / 1e9;

	if (seconds < 1e-3)
		value_number(value, seconds, "%.0fus", seconds * 1e6);
	else if (seconds < 1)
		value_number(value, seconds, "%.1fms", seconds * 1e3);
	else if (seconds < 100)
		value_number(value, seconds, "%.1fs", seconds);
	else if (seconds < 6000)
		value_number(value, seconds, "%.0fm", seconds / 60);
	else if (seconds < 86400 * 4)
		value_number(value, seconds, "%.0fh", seconds / 3600);
	else
		value_number(value, seconds, "%.0fd", seconds / 86400);
}

const char *address_text(const struct weir_ip *ip, uint16_t port, bool with_port, char out[static FORMAT_SIZE])
{
	char address[INET6_ADDRSTRLEN] = "*", port_text[8] = "*";

	if (ip->version)
		inet_ntop(ip->version == 4 ? AF_INET : AF_INET6, ip->bytes, address, sizeof address);
	if (port)
		snprintf(port_text, sizeof port_text, "%u", port);
	if (!with_port)
		snprintf(out, FORMAT_SIZE, "%s", address);
	else
		snprintf(out, FORMAT_SIZE, ip->version == 6 ? "[%s]:%s" : "%s:%s", address, port_text);
	return out;
}

const char *protocol_text(uint8_t protocol, bool raw, char out[static FORMAT_SIZE])
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {{1, "icmp"}, {2, "igmp"}, {6, "tcp"}, {17, "udp"}, {41, "ipv6"}, {47, "gre"}, {50, "esp"}, {51, "ah"},
	             {58, "icmp6"}, {89, "ospf"}, {132, "sctp"}, {136, "udplite"}, {255, "any"}};

	snprintf(out, FORMAT_SIZE, "%s%u", raw ? "raw:" : "", protocol);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].number == protocol)
			snprintf(out, FORMAT_SIZE, "%s%s", raw ? "raw:" : "", names[i].name);
	return out;
}

void sparkline_text(const double *values, size_t count, size_t most, bool ascii, char *out, size_t size)
{
	struct canvas canvas = {.ascii = ascii};
	struct text text = {0};

	*out = 0;
	if (!canvas_size(&canvas, 1, (int)most))
		return;
	canvas_sparkline(&canvas, 0, 0, (int)most, STYLE_PLAIN, values, count, 0);
	canvas_row_text(&canvas, 0, &text);
	snprintf(out, size, "%s", text_string(&text));
	text_free(&text);
	canvas_free(&canvas);
}
