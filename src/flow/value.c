/* The text of columns' values, both ways: flow/value.h. */
#include <arpa/inet.h>
#include <string.h>

#include "core/clock.h"
#include "flow/value.h"
#include "packet/output.h"

#define SECONDS_PER_DAY 86400

void value_put_bytes(struct text *out, const struct weir_flow_column *column, struct weir_bytes bytes)
{
	struct weir_ip ip;

	switch (column->type) {
	case WEIR_COLUMN_IP:
		memcpy(&ip, bytes.data, sizeof ip);
		put_ip(out, ip.version, ip.bytes);
		break;
	case WEIR_COLUMN_MAC:
		put_mac(out, bytes.data);
		break;
	default:
		text_add_utf8(out, bytes.data, bytes.length);
	}
}

/* The date of a day since 1970-01-01 in the Gregorian calendar, counted in eras of 400 years that begin in March. */
static void date_of(int64_t day, int64_t *year, unsigned *month, unsigned *of_month)
{
	int64_t shifted = day + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	unsigned of_era = (unsigned)(shifted - era * 146097);
	unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned from_march = (5 * of_year + 2) / 153;

	*of_month = of_year - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = (int64_t)year_of_era + era * 400 + (*month <= 2);
}

/* int64_t ns reach from the year 1677 to 2262: always four digits. */
void value_put_time(struct text *out, int64_t ns)
{
	int64_t seconds = ns / NS_PER_SECOND, fraction = ns % NS_PER_SECOND;
	int64_t day, year;
	unsigned month, of_month;

	if (fraction < 0) {
		fraction += NS_PER_SECOND;
		seconds--;
	}
	day = seconds / SECONDS_PER_DAY;
	seconds %= SECONDS_PER_DAY;
	if (seconds < 0) {
		seconds += SECONDS_PER_DAY;
		day--;
	}
	date_of(day, &year, &month, &of_month);
	put_padded(out, (uint64_t)year, 4);
	put_char(out, '-');
	put_padded(out, month, 2);
	put_char(out, '-');
	put_padded(out, of_month, 2);
	put_char(out, 'T');
	put_padded(out, (uint64_t)seconds / 3600, 2);
	put_char(out, ':');
	put_padded(out, (uint64_t)seconds / 60 % 60, 2);
	put_char(out, ':');
	put_padded(out, (uint64_t)seconds % 60, 2);
	put_char(out, '.');
	put_padded(out, (uint64_t)fraction, 9);
	put_char(out, 'Z');
}

void value_put_number(struct text *out, const struct weir_flow_column *column, uint64_t number)
{
	if (column->type == WEIR_COLUMN_TIME) {
		value_put_time(out, (int64_t)number);
		return;
	}
	if (column->type == WEIR_COLUMN_DOUBLE) {
		double value;
		memcpy(&value, &number, sizeof value);
		text_add_format(out, "%.17g", value);
		return;
	}
	if (column->type == WEIR_COLUMN_DURATION && (int64_t)number < 0) {
		put_char(out, '-');
		number = -number;
	}
	put_unsigned(out, number);
}

bool value_parse_ip(struct weir_bytes text, struct weir_ip *ip)
{
	char copy[INET6_ADDRSTRLEN];

	*ip = (struct weir_ip){.version = 0};
	if (text.length == 0 || text.length >= sizeof copy || memchr(text.data, 0, text.length))
		return false;
	memcpy(copy, text.data, text.length);
	copy[text.length] = '\0';
	if (inet_pton(AF_INET, copy, ip->bytes) == 1)
		ip->version = 4;
	else if (inet_pton(AF_INET6, copy, ip->bytes) == 1)
		ip->version = 6;
	return ip->version != 0;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool value_parse_mac(struct weir_bytes text, uint8_t mac[static 6])
{
	if (text.length != 17)
		return false;
	for (size_t i = 0; i < 6; i++) {
		int high = hex_digit(text.data[3 * i]), low = hex_digit(text.data[3 * i + 1]);
		if (high < 0 || low < 0 || (i < 5 && text.data[3 * i + 2] != ':' && text.data[3 * i + 2] != '-'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
