/*
 * Hits, and which of them are chance: campaign/audit.h. A run of four bytes is equal to one of N addresses once in 2^32 / N places, so that in gigabytes there are
 * always some. Such hits are kept until all has been searched; then each kind of them is held against what chance gives: against how many places there were, and
 * against how often decoys were found, which nobody has. docs/publishing.md tells the rule.
 */
#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>

#include "campaign/audit.h"
#include "core/xxh3.h"

#define ENTRIES_MOST 20000u /* told one by one; more are counted */
#define SLOTS (ENTRIES_MOST * 4 / 2)
#define VALUE_MOST 255
/* When chance gives fewer than this in all that was searched, one hit is a leak. */
#define EXPECTED_CERTAIN 0.02
#define CERTAINTY 0.001

struct entry {
	const char *file;
	char what[48];
	const char *view;
	uint64_t offset, packet, times;
	uint8_t kind, encoding, chance, length;
	uint8_t value[VALUE_MOST];
};

struct chance_class {
	uint64_t trials, hits, decoys;
};

struct audit_hits {
	const struct weir_originals *originals;
	struct entry *entries;
	uint32_t *slots;
	size_t count, room;
	char **files;
	size_t file_count;
	uint64_t explained, lost[AUDIT_CHANCES]; /* lost: that there was no room for */
	struct chance_class classes[AUDIT_CHANCES];
	bool failed;
};

static const char *const encoding_names[AUDIT_ENCODINGS] = {
	[AUDIT_BYTES] = "bytes",
	[AUDIT_BYTES_REVERSED] = "bytes reversed",
	[AUDIT_MAPPED] = "IPv4-mapped",
	[AUDIT_COMPATIBLE] = "IPv4-compatible",
	[AUDIT_NAT64] = "NAT64",
	[AUDIT_6TO4] = "6to4",
	[AUDIT_TEREDO] = "Teredo",
	[AUDIT_ISATAP] = "ISATAP",
	[AUDIT_EUI64] = "EUI-64",
	[AUDIT_INTERFACE_ID] = "interface identifier",
	[AUDIT_DOTTED] = "dotted",
	[AUDIT_DOTTED_REVERSED] = "dotted, reversed",
	[AUDIT_DECIMAL] = "decimal",
	[AUDIT_DECIMAL_REVERSED] = "decimal, reversed",
	[AUDIT_HEX] = "hex",
	[AUDIT_HEX_REVERSED] = "hex, reversed",
	[AUDIT_COLONS] = "with separators",
	[AUDIT_NIBBLES] = "nibbles",
	[AUDIT_TEXT] = "text",
	[AUDIT_LABELS] = "DNS labels",
};

int audit_hits_new(const struct weir_originals *originals, struct audit_hits **out, struct weir_fault *fault)
{
	struct audit_hits *hits = calloc(1, sizeof *hits);

	*out = hits;
	if (hits)
		hits->slots = calloc(SLOTS, sizeof *hits->slots);
	if (!hits || !hits->slots) {
		free(hits);
		*out = NULL;
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for what an audit finds");
	}
	hits->originals = originals;
	return 0;
}

void audit_hits_free(struct audit_hits *hits)
{
	if (!hits)
		return;
	for (size_t i = 0; i < hits->file_count; i++)
		free(hits->files[i]);
	free(hits->files);
	free(hits->entries);
	free(hits->slots);
	free(hits);
}

const struct weir_originals *audit_hits_originals(const struct audit_hits *hits) { return hits->originals; }

void audit_trials(struct audit_hits *hits, enum audit_chance chance, uint64_t trials)
{
	hits->classes[chance].trials += trials;
}

static const char *keep_file(struct audit_hits *hits, const char *file)
{
	if (hits->file_count && strcmp(hits->files[hits->file_count - 1], file) == 0)
		return hits->files[hits->file_count - 1];
	char **larger = realloc(hits->files, (hits->file_count + 1) * sizeof *larger);
	char *copy = strdup(file);
	if (larger)
		hits->files = larger;
	if (!larger || !copy) {
		free(copy);
		hits->failed = true;
		return NULL;
	}
	return hits->files[hits->file_count++] = copy;
}

static bool same(const struct entry *a, const struct entry *b)
{
	return a->file == b->file && a->view == b->view && a->kind == b->kind && a->encoding == b->encoding &&
	       a->chance == b->chance && a->length == b->length && memcmp(a->value, b->value, a->length) == 0;
}

static void enter(struct audit_hits *hits, const struct entry *entry)
{
	uint64_t hash =
		xxh3_seeded(entry->value, entry->length, hits->originals->seed ^ (uint64_t)entry->kind << 8 ^ entry->encoding);
	uint32_t *slot;

	for (size_t at = hash % SLOTS;; at = (at + 1) % SLOTS) {
		slot = &hits->slots[at];
		if (!*slot)
			break;
		if (same(&hits->entries[*slot - 1], entry)) {
			hits->entries[*slot - 1].times++;
			return;
		}
	}
	if (hits->count == ENTRIES_MOST) {
		hits->lost[entry->chance]++;
		return;
	}
	if (hits->count == hits->room) {
		size_t room = hits->room ? hits->room * 2 : 64;
		struct entry *larger = realloc(hits->entries, room * sizeof *larger);
		if (!larger) {
			hits->failed = true;
			return;
		}
		hits->entries = larger;
		hits->room = room;
	}
	hits->entries[hits->count++] = *entry;
	*slot = (uint32_t)hits->count;
}

/* Whether what this address became stands in the packet around it: then it is no chance. */
static bool is_confirmed(const struct audit_hits *hits, const struct audit_place *place, const uint8_t *address)
{
	struct weir_ip original = {.version = 4}, image;

	if (!hits->originals->hider || !place->around || !place->facts || memcmp(address, address + 1, 3) == 0)
		return false;
	memcpy(original.bytes, address, 4);
	weir_hide_ip(hits->originals->hider, &original, &image);
	for (unsigned i = 0; i < place->facts->network_count; i++) {
		const struct weir_network *network = &place->facts->networks[i];
		if (network->version == 4 && network->flags & WEIR_NETWORK_ADDRESSES &&
		    (memcmp(place->around->data + network->source, image.bytes, 4) == 0 ||
		     memcmp(place->around->data + network->destination, image.bytes, 4) == 0))
			return true;
	}
	return false;
}

void audit_hit(struct audit_hits *hits, const struct audit_place *place, size_t offset, enum weir_original_kind kind,
               enum audit_encoding encoding, enum audit_chance chance, uint8_t flags, const void *data, size_t length)
{
	struct chance_class *class = &hits->classes[chance];

	if (flags & AUDIT_DECOY) {
		class->decoys += !audit_says_little(data, length);
		return;
	}
	if (flags & AUDIT_IMAGE && place->images) {
		hits->explained++;
		return;
	}
	if (chance != AUDIT_CERTAIN && kind == WEIR_ORIGINAL_IPV4 && is_confirmed(hits, place, data))
		chance = AUDIT_CERTAIN;
	if (chance == AUDIT_CHANCE_BYTES4 && audit_says_little(data, length))
		return;
	hits->classes[chance].hits++;
	struct entry entry = {
		.file = keep_file(hits, place->file),
		.view = place->view,
		.offset = place->base + offset,
		.packet = place->packet,
		.times = 1,
		.kind = (uint8_t)kind,
		.encoding = (uint8_t)encoding,
		.chance = (uint8_t)chance,
		.length = (uint8_t)(length < VALUE_MOST ? length : VALUE_MOST),
	};
	if (place->view)
		entry.offset = place->base;
	snprintf(entry.what, sizeof entry.what, "%s", place->what);
	memcpy(entry.value, data, entry.length);
	if (entry.file)
		enter(hits, &entry);
}

/* ---- judging ---- */

/* The chance that something that is expected so often happens so many times or more. */
static double poisson_tail(double expected, uint64_t times)
{
	double term = exp(-expected), below = 0;

	for (uint64_t k = 0; k < times && k < 10000; k++) {
		below += term;
		term *= expected / (double)(k + 1);
	}
	/* Where subtracting loses all digits the first term of the rest says enough. */
	return 1 - below > 1e-12 ? 1 - below : term;
}

struct judgement {
	double expected, each; /* in all, and of one value */
	double values;
	bool all; /* every hit of this kind is a leak */
};

static struct judgement judge_class(const struct audit_hits *hits, enum audit_chance chance)
{
	const struct chance_class *class = &hits->classes[chance];
	double values =
		chance == AUDIT_CHANCE_BYTES6 ? (double)hits->originals->macs.count : (double)hits->originals->ipv4_held;
	double space = chance == AUDIT_CHANCE_BYTES6 ? 281474976710656.0 : 4294967296.0;
	struct judgement j = {.values = values};

	if (chance == AUDIT_CERTAIN) {
		j.all = true;
		return j;
	}
	j.each = (double)class->trials / space;
	j.expected = j.each * values;
	if (chance == AUDIT_CHANCE_NAME) {
		j.values = (double)hits->originals->short_names;
		j.expected = (double)class->trials * hits->originals->short_name_chance;
		j.each = j.values > 0 ? j.expected / j.values : 0;
	}
	if ((double)class->decoys > j.expected) {
		j.expected = (double)class->decoys;
		j.each = values > 0 ? j.expected / values : 0;
	}
	j.all = j.expected < EXPECTED_CERTAIN || (double)class->hits > j.expected + 6 * sqrt(j.expected) + 3;
	return j;
}

static void put_value(const struct entry *entry, char *out, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct text hex = {0};

	switch (entry->kind) {
	case WEIR_ORIGINAL_IPV4:
	case WEIR_ORIGINAL_IPV6:
		if (entry->length == 4 || (entry->length == 16 && entry->encoding != AUDIT_BYTES_REVERSED)) {
			inet_ntop(entry->length == 4 ? AF_INET : AF_INET6, entry->value, text, sizeof text);
			snprintf(out, size, "%s", text);
			return;
		}
		break;
	case WEIR_ORIGINAL_NAME:
		if (entry->encoding == AUDIT_TEXT) {
			text_add_utf8(&hex, entry->value, entry->length);
			snprintf(out, size, "%s", text_string(&hex));
			text_free(&hex);
			return;
		}
		break;
	default:
		break;
	}
	for (size_t i = 0; i < entry->length; i++)
		text_add_format(&hex, "%s%02x", i && entry->kind == WEIR_ORIGINAL_MAC ? ":" : "", entry->value[i]);
	snprintf(out, size, "%s", text_string(&hex));
	text_free(&hex);
}

static void tell(const struct entry *entry, const struct weir_audit_options *options)
{
	char encoding[64];
	struct weir_audit_hit hit = {
		.file = entry->file,
		.offset = entry->offset,
		.packet = entry->packet,
		.place = entry->what,
		.encoding = encoding,
		.kind = (enum weir_original_kind)entry->kind,
		.times = entry->times,
	};

	snprintf(encoding, sizeof encoding, "%s%s%s", entry->view ? entry->view : "", entry->view ? ": " : "",
	         encoding_names[entry->encoding]);
	put_value(entry, hit.value, sizeof hit.value);
	if (options->found)
		options->found(options->context, &hit);
}

int audit_hits_judge(struct audit_hits *hits, const struct weir_audit_options *options,
                     struct weir_audit_result *result, struct weir_fault *fault)
{
	struct judgement judgements[AUDIT_CHANCES];

	for (unsigned i = 0; i < AUDIT_CHANCES; i++)
		judgements[i] = judge_class(hits, (enum audit_chance)i);
	for (size_t i = 0; i < hits->count; i++) {
		const struct entry *entry = &hits->entries[i];
		const struct judgement *j = &judgements[entry->chance];
		if (!j->all && poisson_tail(j->each, entry->times) * j->values >= CERTAINTY) {
			result->by_chance += entry->times;
			continue;
		}
		result->leaks++;
		result->times += entry->times;
		tell(entry, options);
	}
	for (unsigned i = 0; i < AUDIT_CHANCES; i++)
		if (!judgements[i].all)
			result->expected_by_chance += judgements[i].expected;
	result->explained += hits->explained;
	if (hits->failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for what an audit finds");
	for (unsigned i = 0; i < AUDIT_CHANCES; i++) {
		*(judgements[i].all ? &result->leaks : &result->by_chance) += hits->lost[i];
		result->times += judgements[i].all ? hits->lost[i] : 0;
	}
	return 0;
}
