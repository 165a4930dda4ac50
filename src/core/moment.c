/* Moments as text: core/text.h. */
#include <string.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/text.h"

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

const char *format_time(int64_t ns, bool local, int digits, char out[static FORMAT_SIZE])
{
	time_t seconds = floor_div(ns, NS_PER_SECOND);
	int64_t fraction = ns % NS_PER_SECOND;
	struct tm tm;

	/* Whole seconds before the first time that there is are none. */
	if (fraction < 0)
		fraction += NS_PER_SECOND;
	if (!(local ? localtime_r(&seconds, &tm) : gmtime_r(&seconds, &tm))) {
		snprintf(out, FORMAT_SIZE, "@%lld", (long long)seconds);
		return out;
	}
	size_t length = strftime(out, FORMAT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	if (digits > 0) {
		char decimals[12];
		snprintf(decimals, sizeof decimals, "%09lld", (long long)fraction);
		length += (size_t)snprintf(out + length, FORMAT_SIZE - length, ".%.*s", digits > 9 ? 9 : digits, decimals);
	}
	if (local) {
		char zone[8];
		strftime(zone, sizeof zone, "%z", &tm);
		snprintf(out + length, FORMAT_SIZE - length, "%.3s:%.2s", zone, zone + 3);
	} else {
		snprintf(out + length, FORMAT_SIZE - length, "Z");
	}
	return out;
}

/* Takes exactly `digits` digits. */
static bool take_digits(const char **at, int digits, int *value)
{
	*value = 0;
	for (int i = 0; i < digits; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		*value = *value * 10 + (**at - '0');
	}
	return true;
}

static bool take_char(const char **at, const char *any)
{
	if (**at == '\0' || !strchr(any, **at))
		return false;
	(*at)++;
	return true;
}

/* ".123" → ns; true also when there is none. */
static bool take_fraction(const char **at, int64_t *ns)
{
	int64_t unit = NS_PER_SECOND / 10;

	*ns = 0;
	if (!take_char(at, ".,"))
		return true;
	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
		*ns += unit * (**at - '0');
	return true;
}

/* "@1700000000.5" and "1700000000". */
static bool parse_epoch(const char *at, int64_t *ns)
{
	if (*at == '@')
		at++;
	bool negative = *at == '-' && at++;
	const char *first = at;
	int64_t seconds = 0, fraction;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (seconds > INT64_C(900000000))
			if (seconds > INT64_MAX / NS_PER_SECOND / 10)
				return false;
		seconds = seconds * 10 + (*at - '0');
	}
	if (at == first || !take_fraction(&at, &fraction) || *at || seconds > INT64_MAX / NS_PER_SECOND - 1)
		return false;
	*ns = seconds * NS_PER_SECOND + fraction;
	if (negative)
		*ns = -*ns;
	return true;
}

/* "10:00", "10:00:00.5" into tm and fraction. */
static bool take_clock(const char **at, struct tm *tm, int64_t *fraction)
{
	if (!take_digits(at, 2, &tm->tm_hour) || !take_char(at, ":") || !take_digits(at, 2, &tm->tm_min))
		return false;
	if (take_char(at, ":") && (!take_digits(at, 2, &tm->tm_sec) || !take_fraction(at, fraction)))
		return false;
	return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

/* "Z", "+02:00", "+0200"; *local says what to take when there is none, *offset the seconds to subtract. */
static bool take_zone(const char **at, bool *local, int *offset)
{
	int hours, minutes;

	*offset = 0;
	if (**at == '\0')
		return true;
	*local = false;
	if (take_char(at, "Zz"))
		return true;
	int sign = **at == '-' ? -1 : 1;
	if (!take_char(at, "+-") || !take_digits(at, 2, &hours))
		return false;
	take_char(at, ":");
	if (!take_digits(at, 2, &minutes))
		return false;
	*offset = sign * (hours * 3600 + minutes * 60);
	return true;
}

static bool parse_calendar(const char *string, int64_t now_ns, bool local, int64_t *ns)
{
	const char *at = string;
	time_t now = floor_div(now_ns, NS_PER_SECOND);
	struct tm tm = {0}, today;
	int64_t fraction = 0;
	int offset, year, month;

	if (strlen(string) > 2 && string[2] == ':') {
		if (!(local ? localtime_r(&now, &today) : gmtime_r(&now, &today)))
			return false;
		tm.tm_year = today.tm_year;
		tm.tm_mon = today.tm_mon;
		tm.tm_mday = today.tm_mday;
		if (!take_clock(&at, &tm, &fraction))
			return false;
	} else {
		if (!take_digits(&at, 4, &year) || !take_char(&at, "-") || !take_digits(&at, 2, &month) || !take_char(&at, "-") ||
		    !take_digits(&at, 2, &tm.tm_mday))
			return false;
		if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || year < 1678 || year > 2261)
			return false;
		tm.tm_year = year - 1900;
		tm.tm_mon = month - 1;
		if (take_char(&at, "Tt ") && !take_clock(&at, &tm, &fraction))
			return false;
	}
	if (!take_zone(&at, &local, &offset) || *at)
		return false;
	tm.tm_isdst = -1;
	int day = tm.tm_mday;
	time_t seconds = local ? mktime(&tm) : timegm(&tm);
	if (tm.tm_mday != day && tm.tm_sec < 60 && tm.tm_hour != 0)
		return false; /* the 31st of a month that has none */
	*ns = ((int64_t)seconds - offset) * NS_PER_SECOND + fraction;
	return true;
}

int parse_moment(const char *string, int64_t now_ns, bool local, int64_t *ns, struct weir_fault *fault)
{
	if (strcmp(string, "now") == 0) {
		*ns = now_ns;
		return 0;
	}
	if (string[0] == '-') {
		int64_t before;
		int error = parse_duration(string + 1, &before, fault);
		if (error)
			return error;
		*ns = now_ns - before;
		return 0;
	}
	if (parse_epoch(string, ns) || parse_calendar(string, now_ns, local, ns))
		return 0;
	return weir_fail(fault, WEIR_E_USAGE,
	                 "'%s' is no time: write it as 2026-11-23T10:00:00Z, 10:00, @1700000000, -10m or now", string);
}
