/* Times of an interface: if_tsresol and if_tsoffset of pcapng (draft-ietf-opsawg-pcapng, section 4.2), exactly. */
#include <weir/packet.h>

#define NS_PER_SECOND 1000000000

typedef __int128 wide;
typedef unsigned __int128 wide_unsigned;

static const uint64_t powers[] = {
	1u,
	10u,
	100u,
	1000u,
	10000u,
	100000u,
	1000000u,
	10000000u,
	100000000u,
	1000000000u,
	10000000000u,
	100000000000u,
	1000000000000u,
	10000000000000u,
	100000000000000u,
	1000000000000000u,
	10000000000000000u,
	100000000000000000u,
	1000000000000000000u,
	10000000000000000000u,
};
#define POWERS (sizeof powers / sizeof powers[0])

/* ticks in ns, rounded down. At most 2^64 × 10^9, which fits. */
static wide_unsigned ticks_to_ns(uint8_t resolution, uint64_t ticks)
{
	unsigned exponent = resolution & 0x7f;

	if (resolution & 0x80)
		return (wide_unsigned)ticks * NS_PER_SECOND >> exponent;
	if (exponent <= 9)
		return (wide_unsigned)ticks * powers[9 - exponent];
	return exponent - 9 < POWERS ? ticks / powers[exponent - 9] : 0;
}

/* ns in ticks, rounded down, saturating. */
static uint64_t ns_to_ticks(uint8_t resolution, wide_unsigned ns)
{
	unsigned exponent = resolution & 0x7f;
	wide_unsigned ticks;

	if (resolution & 0x80) {
		/* Seconds and the rest apart, so that nothing overflows up to 2^-64; finer ones saturate anyway. */
		wide_unsigned seconds = ns / NS_PER_SECOND, rest = ns % NS_PER_SECOND;
		if (exponent >= 64)
			return ns ? UINT64_MAX : 0;
		if (seconds >> (64 - exponent) && seconds)
			return UINT64_MAX;
		ticks = (seconds << exponent) + ((rest << exponent) / NS_PER_SECOND);
	} else if (exponent <= 9) {
		ticks = ns / powers[9 - exponent];
	} else {
		if (exponent - 9 >= POWERS)
			return ns ? UINT64_MAX : 0;
		/* ns is below 2^96 here, the power below 2^64: saturate before the product can overflow. */
		if (ns > UINT64_MAX)
			return UINT64_MAX;
		ticks = ns * powers[exponent - 9];
	}
	return ticks > UINT64_MAX ? UINT64_MAX : (uint64_t)ticks;
}

int64_t weir_interface_time(const struct weir_interface *interface, uint64_t ticks)
{
	/* Nearly all files are in µs or ns without an offset. */
	if (interface->offset_seconds == 0) {
		if (interface->resolution == 6 && ticks <= INT64_MAX / 1000)
			return (int64_t)ticks * 1000;
		if (interface->resolution == 9 && ticks <= INT64_MAX)
			return (int64_t)ticks;
	}
	wide ns = (wide)ticks_to_ns(interface->resolution, ticks) + (wide)interface->offset_seconds * NS_PER_SECOND;
	if (ns > INT64_MAX)
		return INT64_MAX;
	return ns < INT64_MIN ? INT64_MIN : (int64_t)ns;
}

uint64_t weir_interface_ticks(const struct weir_interface *interface, int64_t time_ns)
{
	wide ns = (wide)time_ns - (wide)interface->offset_seconds * NS_PER_SECOND;

	if (ns <= 0)
		return 0;
	uint64_t ticks = ns_to_ticks(interface->resolution, (wide_unsigned)ns);
	/* A tick that is no whole number of ns was rounded down when it became a time: the next one may be the one meant. */
	if ((interface->resolution & 0x80) && ticks < UINT64_MAX &&
	    ticks_to_ns(interface->resolution, ticks + 1) == (wide_unsigned)ns)
		ticks++;
	return ticks;
}
