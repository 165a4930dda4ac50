/* Which signatures are asked about a payload. */
#include "packet/application.h"

static bool begins_with(const struct signature *signature, unsigned byte)
{
	bool any = true;

	for (unsigned i = 0; i < 3; i++) {
		if (signature->first[i].high == 0)
			continue;
		any = false;
		if (byte >= signature->first[i].low && byte <= signature->first[i].high)
			return true;
	}
	return any;
}

static bool may_have_port(const struct signature *signature, unsigned low_byte)
{
	if (signature->ports[0] == 0)
		return true;
	for (unsigned i = 0; i < 3 && signature->ports[i]; i++)
		if ((signature->ports[i] & 0xff) == low_byte)
			return true;
	return false;
}

void application_sort(const struct signature *signatures, size_t count, struct signature_set *set)
{
	memset(set, 0, sizeof *set);
	for (unsigned byte = 0; byte < 256; byte++)
		for (size_t i = 0; i < count && i < SIGNATURES; i++) {
			if (begins_with(&signatures[i], byte))
				set->by_first[byte][i / 64] |= UINT64_C(1) << i % 64;
			if (may_have_port(&signatures[i], byte))
				set->by_port[byte][i / 64] |= UINT64_C(1) << i % 64;
		}
}

static bool has_port(const struct signature *signature, const struct sighting *s)
{
	if (signature->ports[0] == 0)
		return true;
	for (unsigned i = 0; i < 3 && signature->ports[i]; i++)
		if (sighting_port(s, signature->ports[i]))
			return true;
	return false;
}

void application_match(struct sighting *s, const struct signature *signatures, const struct signature_set *set)
{
	const uint64_t *first = set->by_first[s->payload.data[0]], *source = set->by_port[s->source_port & 0xff],
				   *destination = set->by_port[s->destination_port & 0xff];

	for (unsigned word = 0; word < SIGNATURES / 64; word++)
		for (uint64_t bits = first[word] & (source[word] | destination[word]); bits; bits &= bits - 1) {
			const struct signature *signature = &signatures[word * 64 + (unsigned)__builtin_ctzll(bits)];
			if (!has_port(signature, s))
				continue;
			if (!signature->looks(s)) {
				s->name = s->carrier = APPLICATION_NONE;
				s->server_name = (struct weir_bytes){NULL, 0};
				continue;
			}
			if (!s->name)
				s->name = signature->application;
			if (!s->evidence)
				s->evidence = EVIDENCE_SIGNATURE;
			return;
		}
}
