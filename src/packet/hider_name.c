/*
 * Hiding names, label by label: a keyed permutation of all labels of the same shape: as long, with letters, digits and other characters in the same places. So equal
 * labels stay equal, others stay different, and what parsed before parses afterwards. Letters are taken without their case, which stays as it was.
 */
#include "packet/hider.h"

#define CHUNK                                                                                                          \
	63 /* a label of DNS is no longer (RFC 1035, section 2.3.4); longer names of others are hidden in pieces */
#define ROUNDS 10

/* How many characters of its kind there are; 0: it stays as it is. What is no printable ASCII counts as a letter, and becomes one. */
static uint8_t radix_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return 10;
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c < ' ' || c >= 0x7f ? 26 : 0;
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

/* The characters of a label that change, as numbers below their radix. */
struct symbols {
	uint8_t values[CHUNK], radix[CHUNK], at[CHUNK];
	uint8_t count;
	uint8_t shape[8]; /* stands for the kinds of all characters and their order */
};

static void take_symbols(struct hide_context *context, const uint8_t *label, size_t length, struct symbols *s)
{
	uint8_t kinds[CHUNK];

	s->count = 0;
	for (size_t i = 0; i < length; i++) {
		uint8_t radix = radix_of(label[i]);
		kinds[i] = radix ? radix : label[i];
		if (!radix)
			continue;
		s->at[s->count] = (uint8_t)i;
		s->radix[s->count] = radix;
		s->values[s->count++] = (uint8_t)(radix == 10                          ? label[i] - '0'
		                                  : label[i] >= 'a' && label[i] <= 'z' ? label[i] - 'a'
		                                                                       : label[i] % 26);
	}
	cipher_prf(context->names, HIDE_LABEL_CLASSES, kinds, length, s->shape, sizeof s->shape);
}

/* One round: what is at [to, to + count) is moved on by what the other half says. */
static void turn(struct hide_context *context, struct symbols *s, uint8_t round, uint8_t from, uint8_t from_count,
                 uint8_t to, uint8_t to_count)
{
	uint8_t data[sizeof s->shape + 1 + CHUNK], stream[CHUNK];

	memcpy(data, s->shape, sizeof s->shape);
	data[sizeof s->shape] = round;
	memcpy(data + sizeof s->shape + 1, s->values + from, from_count);
	cipher_prf(context->names, HIDE_LABEL, data, sizeof s->shape + 1 + from_count, stream, to_count);
	for (uint8_t i = 0; i < to_count; i++)
		s->values[to + i] = (uint8_t)((s->values[to + i] + stream[i]) % s->radix[to + i]);
}

/* A label in lower case, at most CHUNK bytes, in place. */
static void permute_label(struct hide_context *context, uint8_t *label, size_t length)
{
	struct symbols s;

	take_symbols(context, label, length, &s);
	uint8_t left = s.count / 2, right = (uint8_t)(s.count - left);
	for (uint8_t round = 0; round < ROUNDS && s.count; round++) {
		if (round % 2 == 0)
			turn(context, &s, round, 0, left, left, right);
		else
			turn(context, &s, round, left, right, 0, left);
	}
	for (uint8_t i = 0; i < s.count; i++)
		label[s.at[i]] = (uint8_t)((s.radix[i] == 10 ? '0' : 'a') + s.values[i]);
}

static void blacken(uint8_t *label, size_t length)
{
	for (size_t i = 0; i < length && i < CHUNK; i++) {
		uint8_t radix = radix_of(label[i]);
		label[i] = radix == 10 ? '0' : radix ? 'x' : label[i];
	}
}

/* What is the same everywhere and says how a name is to be read. */
static bool is_structure(const uint8_t *label, size_t length)
{
	static const char *const words[] = {"arpa", "in-addr", "ip6",       "local", "_tcp",
	                                    "_udp", "_dns-sd", "_services", "_sub",  "*"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i]) == length && memcmp(words[i], label, length) == 0)
			return true;
	return false;
}

static void hide_lower(struct hide_context *context, uint8_t *label, size_t length)
{
	uint64_t hash = length;

	if (is_structure(label, length))
		return;
	if (length > HIDE_LABEL_CACHED) {
		permute_label(context, label, length);
		return;
	}
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ label[i]) * UINT64_C(0x100000001b3);
	struct hide_label_entry *entry = &context->labels[(hash * UINT64_C(0x9e3779b97f4a7c15)) >> 53];
	_Static_assert(HIDE_LABEL_CACHE == 1 << 11, "the hash has eleven bits");
	if (entry->length != length || memcmp(entry->in, label, length) != 0) {
		memcpy(entry->in, label, length);
		memcpy(entry->out, label, length);
		entry->length = (uint8_t)length;
		permute_label(context, entry->out, length);
	}
	memcpy(label, entry->out, length);
}

static void hide_chunk(struct hide_context *context, const uint8_t *in, uint8_t *out, size_t length)
{
	uint8_t label[CHUNK];

	for (size_t i = 0; i < length; i++)
		label[i] = lower(in[i]);
	if (context->hider->hide.names.technique != WEIR_HIDE_BLACK)
		hide_lower(context, label, length);
	else if (!is_structure(label, length))
		blacken(label, length);
	for (size_t i = 0; i < length; i++) {
		bool upper = in[i] >= 'A' && in[i] <= 'Z' && label[i] >= 'a' && label[i] <= 'z';
		out[i] = (uint8_t)(upper ? label[i] - 32 : label[i]);
	}
}

static void hide_label(struct hide_context *context, const uint8_t *in, uint8_t *out, size_t length)
{
	while (length > CHUNK) {
		hide_chunk(context, in, out, CHUNK);
		in += CHUNK;
		out += CHUNK;
		length -= CHUNK;
	}
	if (length)
		hide_chunk(context, in, out, length);
}

/* ---- names that are addresses ---- */

static bool label_is(const struct hide_label *label, const char *word)
{
	size_t length = strlen(word);

	if (label->length != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (lower(label->in[i]) != (uint8_t)word[i])
			return false;
	return true;
}

/* The number of a label of one to three digits; -1: it is none, or more than an octet. */
static int octet_of(const struct hide_label *label)
{
	int value = 0;

	if (label->length == 0 || label->length > 3)
		return -1;
	for (uint8_t i = 0; i < label->length; i++) {
		if (label->in[i] < '0' || label->in[i] > '9')
			return -1;
		value = value * 10 + label->in[i] - '0';
	}
	return value <= 255 ? value : -1;
}

static int nibble_of(const struct hide_label *label)
{
	uint8_t c = label->length == 1 ? lower(label->in[0]) : 0;

	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* An octet in the room of the one that it replaces: with zeros before it, or without its first digits. */
static void put_octet(uint8_t *out, uint8_t width, uint8_t value)
{
	for (uint8_t i = width; i-- > 0; value /= 10)
		out[i] = (uint8_t)('0' + value % 10);
}

/* The `count` labels before in-addr.arpa, the last of them an address's first octet. False: they are no address. */
static bool hide_reverse_ipv4(struct hide_context *context, const struct hide_label *labels, size_t count)
{
	uint8_t address[4] = {0};
	size_t octets = count < 4 ? count : 4;

	for (size_t i = 0; i < octets; i++) {
		int octet = octet_of(&labels[count - 1 - i]);
		if (octet < 0)
			return false;
		address[i] = (uint8_t)octet;
	}
	hide_ipv4(context, address);
	for (size_t i = 0; i < octets; i++)
		if (labels[count - 1 - i].out)
			put_octet(labels[count - 1 - i].out, labels[count - 1 - i].length, address[i]);
	/* What stands before an address is a name like others. */
	for (size_t i = 0; i + octets < count; i++)
		if (labels[i].out)
			hide_label(context, labels[i].in, labels[i].out, labels[i].length);
	return true;
}

static bool hide_reverse_ipv6(struct hide_context *context, const struct hide_label *labels, size_t count)
{
	uint8_t address[16] = {0};
	size_t nibbles = count < 32 ? count : 32;

	for (size_t i = 0; i < nibbles; i++) {
		int nibble = nibble_of(&labels[count - 1 - i]);
		if (nibble < 0)
			return false;
		address[i / 2] |= (uint8_t)(i % 2 ? nibble : nibble << 4);
	}
	hide_ipv6(context, address);
	for (size_t i = 0; i < nibbles; i++)
		if (labels[count - 1 - i].out)
			*labels[count - 1 - i].out =
				(uint8_t) "0123456789abcdef"[i % 2 ? address[i / 2] & 15 : address[i / 2] >> 4];
	for (size_t i = 0; i + nibbles < count; i++)
		if (labels[i].out)
			hide_label(context, labels[i].in, labels[i].out, labels[i].length);
	return true;
}

void hide_labels(struct hide_context *context, const struct hide_label *labels, size_t count)
{
	bool arpa = count >= 3 && label_is(&labels[count - 1], "arpa");

	if (arpa && label_is(&labels[count - 2], "in-addr") && hide_reverse_ipv4(context, labels, count - 2))
		return;
	if (arpa && label_is(&labels[count - 2], "ip6") && hide_reverse_ipv6(context, labels, count - 2))
		return;
	if (context->hider->hide.names.technique == WEIR_HIDE_NOTHING)
		return;
	for (size_t i = 0; i < count; i++)
		if (labels[i].out)
			hide_label(context, labels[i].in, labels[i].out, labels[i].length);
}

/* Four labels that are octets, and nothing else. */
static bool hide_dotted_ipv4(struct hide_context *context, const struct hide_label *labels, size_t count)
{
	uint8_t address[4];

	for (size_t i = 0; i < 4; i++) {
		int octet = i < count ? octet_of(&labels[i]) : -1;
		if (octet < 0)
			return false;
		address[i] = (uint8_t)octet;
	}
	if (count != 4)
		return false;
	hide_ipv4(context, address);
	for (size_t i = 0; i < 4; i++)
		put_octet(labels[i].out, labels[i].length, address[i]);
	return true;
}

void hide_name(struct hide_context *context, uint8_t *name, size_t length)
{
	struct hide_label labels[HIDE_LABELS_MAX];
	size_t count = 0, start = 0;

	for (size_t i = 0; i <= length; i++) {
		bool end = i == length || name[i] == '.';
		/* What is longer than any label is cut where it is full; labels beyond those that there is room for are one. */
		if (!end && i - start < 255)
			continue;
		if (i > start && count < HIDE_LABELS_MAX)
			labels[count++] = (struct hide_label){name + start, name + start, (uint8_t)(i - start)};
		else if (i > start)
			hide_label(context, name + start, name + start, i - start);
		start = end ? i + 1 : i;
	}
	if (!hide_dotted_ipv4(context, labels, count))
		hide_labels(context, labels, count);
}
