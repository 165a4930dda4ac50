#include "archive/plan.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "archive/plan_tree.h"

static uint32_t add(struct plan *plan, const struct plan_node *node)
{
	if (plan->count == plan->capacity) {
		uint32_t capacity = plan->capacity ? plan->capacity * 2 : 16;
		struct plan_node *nodes = realloc(plan->nodes, capacity * sizeof *nodes);

		if (!nodes) {
			plan->failed = true;
			return PLAN_EVERYTHING;
		}
		plan->nodes = nodes;
		plan->capacity = capacity;
	}
	plan->nodes[plan->count] = *node;
	return plan->count++;
}

uint32_t plan_add_keys(struct plan *plan, enum posting_kind kind, unsigned needs, const struct index_key *least,
                       const struct index_key *most)
{
	return add(plan, &(struct plan_node){.type = PLAN_KEYS, .kind = (uint8_t)kind, .needs = (uint8_t)needs, .least = *least,
	                                     .most = *most});
}

uint32_t plan_add_numbers(struct plan *plan, enum posting_kind kind, unsigned needs, uint64_t least, uint64_t most)
{
	struct index_key low = index_key_number(least), high = index_key_number(most);
	return plan_add_keys(plan, kind, needs, &low, &high);
}

uint32_t plan_join(struct plan *plan, enum plan_node_type type, uint32_t left, uint32_t right)
{
	if (type == PLAN_OR && (left == PLAN_EVERYTHING || right == PLAN_EVERYTHING))
		return PLAN_EVERYTHING;
	if (left == PLAN_EVERYTHING)
		return right;
	if (right == PLAN_EVERYTHING)
		return left;
	return add(plan, &(struct plan_node){.type = (uint8_t)type, .left = left, .right = right});
}

int plan_new(const char *expression, struct plan **out, struct weir_fault *fault)
{
	struct plan *plan = calloc(1, sizeof *plan);

	*out = NULL;
	if (!plan)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the plan of a filter");
	add(plan, &(struct plan_node){.type = PLAN_ALL});
	if (!plan->failed)
		plan->root = plan_parse(plan, expression ? expression : "");
	if (!plan->failed)
		plan->chunks = malloc(plan->count * sizeof *plan->chunks);
	if (!plan->chunks) {
		plan_free(plan);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the plan of a filter");
	}
	*out = plan;
	return 0;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	free(plan->nodes);
	free(plan->chunks);
	free(plan);
}

bool plan_is_all(const struct plan *plan)
{
	return plan->root == PLAN_EVERYTHING;
}

uint64_t plan_chunks(struct plan *plan, const struct index *index)
{
	if (plan->root == PLAN_EVERYTHING || !(index->links & INDEX_LINKS_KNOWN))
		return index->all;
	for (uint32_t i = 0; i <= plan->root; i++) {
		const struct plan_node *node = &plan->nodes[i];

		switch (node->type) {
		case PLAN_KEYS:
			plan->chunks[i] = (index->links & node->needs) == node->needs
				? index_chunks_with(index, node->kind, &node->least, &node->most) : index->all;
			break;
		case PLAN_AND:
			plan->chunks[i] = plan->chunks[node->left] & plan->chunks[node->right];
			break;
		case PLAN_OR:
			plan->chunks[i] = plan->chunks[node->left] | plan->chunks[node->right];
			break;
		default:
			plan->chunks[i] = index->all;
		}
	}
	return plan->chunks[plan->root] | index->irregular;
}

/* A text of bounded size that is cut with an ellipsis. */
struct description {
	char *text;
	size_t size, length;
	bool cut;
};

static void put(struct description *out, const char *string)
{
	size_t length = strlen(string), left = out->size - out->length;

	if (out->cut)
		return;
	if (length + sizeof " …" > left) {
		string = " …";
		length = left > sizeof " …" ? strlen(string) : 0;
		out->cut = true;
	}
	memcpy(out->text + out->length, string, length);
	out->length += length;
	out->text[out->length] = 0;
}

static void put_number(struct description *out, enum posting_kind kind, const struct index_key *key)
{
	uint64_t number = weir_load_be64(key->bytes + 8);
	char word[INET6_ADDRSTRLEN];

	switch (kind) {
	case POSTING_IPV4:
		snprintf(word, sizeof word, "%u.%u.%u.%u", (unsigned)(number >> 24) & 255, (unsigned)(number >> 16) & 255,
		         (unsigned)(number >> 8) & 255, (unsigned)number & 255);
		break;
	case POSTING_IPV6:
		inet_ntop(AF_INET6, key->bytes, word, sizeof word);
		break;
	case POSTING_MAC:
		snprintf(word, sizeof word, "%02x:%02x:%02x:%02x:%02x:%02x", (unsigned)(number >> 40) & 255,
		         (unsigned)(number >> 32) & 255, (unsigned)(number >> 24) & 255, (unsigned)(number >> 16) & 255,
		         (unsigned)(number >> 8) & 255, (unsigned)number & 255);
		break;
	case POSTING_ETHERTYPE:
		snprintf(word, sizeof word, "0x%04x", (unsigned)number & 0xffff);
		break;
	default:
		snprintf(word, sizeof word, "%u", (unsigned)number);
	}
	put(out, word);
}

static void put_keys(struct description *out, const struct plan_node *node)
{
	static const char *const names[POSTING_KINDS] = {"ipv4 ", "ipv6 ", "mac ", "port ", "protocol ", "ethertype ", "vlan "};

	put(out, names[node->kind]);
	put_number(out, node->kind, &node->least);
	if (memcmp(&node->least, &node->most, sizeof node->least) != 0) {
		put(out, "–");
		put_number(out, node->kind, &node->most);
	}
}

#define DESCRIBE_DEPTH 24

static void describe(const struct plan *plan, uint32_t number, unsigned depth, unsigned above, struct description *out)
{
	const struct plan_node *node = &plan->nodes[number];
	bool join = node->type == PLAN_AND || node->type == PLAN_OR;
	bool nested = join && above != PLAN_ALL && above != node->type;

	if (out->cut)
		return;
	if (depth == DESCRIBE_DEPTH) {
		put(out, "…");
		return;
	}
	if (nested)
		put(out, "(");
	if (join) {
		describe(plan, node->left, depth + 1, node->type, out);
		put(out, node->type == PLAN_AND ? " and " : " or ");
		describe(plan, node->right, depth + 1, node->type, out);
	} else if (node->type == PLAN_KEYS) {
		put_keys(out, node);
	} else {
		put(out, "everything");
	}
	if (nested)
		put(out, ")");
}

void plan_describe(const struct plan *plan, char *text, size_t size)
{
	struct description out = {.text = text, .size = size};

	if (size)
		text[0] = 0;
	if (size > 16)
		describe(plan, plan->root, 0, PLAN_ALL, &out);
}
