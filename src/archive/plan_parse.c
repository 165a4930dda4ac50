/*
 * The grammar of pcap-filter(7), as libpcap's grammar.y has it: `and` and `or` bind equally and to the left, and the qualifiers
 * of the last primitive carry over to an address or number that stands alone.
 *
 * `vlan`, `mpls` and `pppoes` move the offsets of everything behind them in the text, whether they hold of a packet or not. So behind
 * one that need not hold (it stands in an `or` or a `not`) a primitive no longer looks at what the decoder found: it counts as
 * true of all.
 */
#include <netdb.h>
#include <stdlib.h>

#include "archive/plan_token.h"
#include "archive/plan_tree.h"

#define NESTING_MAX 64

enum protocol_word {
	WORD_DEFAULT, WORD_LINK, WORD_IP, WORD_IP6, WORD_ARP, WORD_RARP, WORD_TRANSPORT, /* TRANSPORT: number is its protocol */
	WORD_OTHER, /* of no use for the plan */
};

enum type_word { TYPE_DEFAULT, TYPE_HOST, TYPE_NET, TYPE_PORT, TYPE_PORTRANGE, TYPE_PROTOCOL, TYPE_OTHER };

struct qualifiers {
	uint8_t protocol; /* enum protocol_word */
	uint8_t type;     /* enum type_word */
	uint8_t number;   /* of WORD_TRANSPORT */
};

struct parser {
	struct plan *plan;
	const char *at;
	struct token token;
	unsigned nesting;
	bool gave_up;     /* not understood: everything */
	bool unguarded;   /* a shift stands before that need not hold */
	bool link_moved;  /* EtherTypes are elsewhere from here on: behind MPLS and PPPoE */
};

struct result {
	uint32_t node;
	struct qualifiers qualifiers;
	bool shifts; /* has a primitive that moves offsets */
};

static struct result parse_expression(struct parser *parser, struct qualifiers carried);
static struct result parse_term(struct parser *parser, struct qualifiers carried);

static const struct {
	const char *name;
	enum protocol_word word;
	uint8_t number;
} protocol_words[] = {
	{"ip", WORD_IP, 0}, {"ip6", WORD_IP6, 0}, {"arp", WORD_ARP, 0}, {"rarp", WORD_RARP, 0},
	{"ether", WORD_LINK, 0}, {"link", WORD_LINK, 0}, {"fddi", WORD_LINK, 0}, {"tr", WORD_LINK, 0}, {"wlan", WORD_LINK, 0},
	{"ppp", WORD_LINK, 0}, {"slip", WORD_LINK, 0},
	{"tcp", WORD_TRANSPORT, 6}, {"udp", WORD_TRANSPORT, 17}, {"sctp", WORD_TRANSPORT, 132}, {"icmp", WORD_TRANSPORT, 1},
	{"icmp6", WORD_TRANSPORT, 58}, {"igmp", WORD_TRANSPORT, 2}, {"igrp", WORD_TRANSPORT, 9}, {"pim", WORD_TRANSPORT, 103},
	{"vrrp", WORD_TRANSPORT, 112}, {"carp", WORD_TRANSPORT, 112}, {"ah", WORD_TRANSPORT, 51}, {"esp", WORD_TRANSPORT, 50},
	{"atalk", WORD_OTHER, 0}, {"aarp", WORD_OTHER, 0}, {"decnet", WORD_OTHER, 0}, {"lat", WORD_OTHER, 0},
	{"sca", WORD_OTHER, 0}, {"moprc", WORD_OTHER, 0}, {"mopdl", WORD_OTHER, 0}, {"iso", WORD_OTHER, 0},
	{"esis", WORD_OTHER, 0}, {"es-is", WORD_OTHER, 0}, {"isis", WORD_OTHER, 0}, {"is-is", WORD_OTHER, 0},
	{"clnp", WORD_OTHER, 0}, {"stp", WORD_OTHER, 0}, {"ipx", WORD_OTHER, 0}, {"netbeui", WORD_OTHER, 0},
};

static void advance(struct parser *parser)
{
	parser->token = token_next(&parser->at);
}

static struct result give_up(struct parser *parser)
{
	parser->gave_up = true;
	parser->token.kind = TOKEN_END;
	return (struct result){.node = PLAN_EVERYTHING};
}

static bool is_operator(const struct token *token, const char *set)
{
	return token->kind == TOKEN_OPERATOR && memchr(set, token->text[0], strlen(set));
}

/* Keys that hold of a packet only where the offsets are those that the decoder found. */
static uint32_t numbers(struct parser *parser, enum posting_kind kind, unsigned needs, uint64_t least, uint64_t most)
{
	if (parser->unguarded || (needs && parser->link_moved))
		return PLAN_EVERYTHING;
	return plan_add_numbers(parser->plan, kind, needs, least, most);
}

static uint32_t ethertype(struct parser *parser, uint64_t type)
{
	return numbers(parser, POSTING_ETHERTYPE, INDEX_LINKS_TYPED, type, type);
}

static uint32_t ip_protocol(struct parser *parser, uint64_t number)
{
	return numbers(parser, POSTING_PROTOCOL, 0, number, number);
}

/* A port, of the transport that the qualifiers name, if any. */
static uint32_t ports(struct parser *parser, struct qualifiers qualifiers, uint64_t least, uint64_t most)
{
	if (least > most) {
		uint64_t other = least;
		least = most;
		most = other;
	}
	uint32_t node = numbers(parser, POSTING_PORT, 0, least, most);
	if (qualifiers.protocol == WORD_TRANSPORT)
		node = plan_join(parser->plan, PLAN_AND, ip_protocol(parser, qualifiers.number), node);
	return node;
}

/* An IPv4 address or net: `bits` of number are given, at its low end; the rest is free. */
static uint32_t ipv4_prefix(struct parser *parser, uint64_t number, unsigned bits)
{
	if (bits == 0)
		return PLAN_EVERYTHING;
	uint64_t least = number << (32 - bits) & UINT32_MAX, rest = bits == 32 ? 0 : UINT32_MAX >> bits;
	return numbers(parser, POSTING_IPV4, 0, least, least | rest);
}

static uint32_t ipv6_prefix(struct parser *parser, const uint8_t address[16], unsigned bits)
{
	struct index_key least, most;

	if (parser->unguarded)
		return PLAN_EVERYTHING;
	for (unsigned i = 0; i < 16; i++) {
		uint8_t mask = bits >= (i + 1) * 8 ? 0xff : bits <= i * 8 ? 0 : (uint8_t)(0xff00 >> (bits - i * 8));

		least.bytes[i] = address[i] & mask;
		most.bytes[i] = address[i] | (uint8_t)~mask;
	}
	return plan_add_keys(parser->plan, POSTING_IPV6, 0, &least, &most);
}

/* `tcp port 80`: a number, alone. */
static uint32_t of_number(struct parser *parser, struct qualifiers qualifiers, uint64_t number)
{
	switch (qualifiers.type) {
	case TYPE_PORT:
	case TYPE_PORTRANGE:
		return number > 0xffff ? PLAN_EVERYTHING : ports(parser, qualifiers, number, number);
	case TYPE_PROTOCOL:
		if (qualifiers.protocol == WORD_LINK)
			return number > 1500 && number <= 0xffff && number != 0x809b && number != 0x80f3 && number != 0x8137
				? ethertype(parser, number) : PLAN_EVERYTHING;
		if (qualifiers.protocol == WORD_DEFAULT || qualifiers.protocol == WORD_IP || qualifiers.protocol == WORD_IP6)
			return number <= 255 ? ip_protocol(parser, number) : PLAN_EVERYTHING;
		return PLAN_EVERYTHING;
	default:
		return PLAN_EVERYTHING;
	}
}

static bool is_address(struct qualifiers qualifiers)
{
	return (qualifiers.type == TYPE_DEFAULT || qualifiers.type == TYPE_HOST || qualifiers.type == TYPE_NET) &&
	       (qualifiers.protocol == WORD_DEFAULT || qualifiers.protocol == WORD_IP || qualifiers.protocol == WORD_IP6 ||
	        qualifiers.protocol == WORD_ARP || qualifiers.protocol == WORD_RARP);
}

/* How many leading bits of a netmask are set, or 33 when it is no prefix. */
static unsigned prefix_of_mask(uint64_t mask)
{
	unsigned bits = 0;

	while (bits < 32 && mask & UINT32_C(1) << (31 - bits))
		bits++;
	return bits == 32 || (mask & (UINT32_MAX >> bits)) == 0 ? bits : 33;
}

/* Behind an IPv4 address or net number: "/24", "mask 255.255.255.0", or nothing. */
static uint32_t of_ipv4(struct parser *parser, struct qualifiers qualifiers)
{
	uint64_t number = parser->token.number;
	unsigned bits = parser->token.bits;

	advance(parser);
	if (token_is(&parser->token, "/")) {
		advance(parser);
		uint64_t prefix = parser->token.number;
		if (parser->token.kind != TOKEN_NUMBER || prefix > 32)
			return give_up(parser).node;
		advance(parser);
		/* 10.1/12 is 10.1.0.0/12. libpcap refuses bits outside of the prefix. */
		number = bits == 0 ? number : number << (32 - bits);
		number = prefix == 0 ? 0 : number >> (32 - prefix);
		bits = (unsigned)prefix;
	} else if (token_is(&parser->token, "mask")) {
		advance(parser);
		if (parser->token.kind != TOKEN_IPV4)
			return give_up(parser).node;
		uint64_t mask = parser->token.number << (32 - parser->token.bits);
		advance(parser);
		unsigned prefix = prefix_of_mask(mask);
		if (prefix > 32)
			return PLAN_EVERYTHING;
		number = prefix == 0 ? 0 : (number << (32 - bits) & UINT32_MAX) >> (32 - prefix);
		bits = prefix;
	}
	return is_address(qualifiers) ? ipv4_prefix(parser, number, bits) : PLAN_EVERYTHING;
}

static uint32_t of_ipv6(struct parser *parser, struct qualifiers qualifiers)
{
	uint8_t address[16];
	unsigned bits = 128;

	memcpy(address, parser->token.address, sizeof address);
	advance(parser);
	if (token_is(&parser->token, "/")) {
		advance(parser);
		if (parser->token.kind != TOKEN_NUMBER || parser->token.number > 128)
			return give_up(parser).node;
		bits = (unsigned)parser->token.number;
		advance(parser);
	}
	return is_address(qualifiers) ? ipv6_prefix(parser, address, bits) : PLAN_EVERYTHING;
}

static uint32_t of_mac(struct parser *parser, struct qualifiers qualifiers)
{
	uint64_t number = parser->token.number;

	advance(parser);
	if (qualifiers.protocol != WORD_LINK || (qualifiers.type != TYPE_HOST && qualifiers.type != TYPE_DEFAULT))
		return PLAN_EVERYTHING;
	return numbers(parser, POSTING_MAC, INDEX_LINKS_ETHERNET, number, number);
}

static bool copy_word(const struct token *token, char *word, size_t size)
{
	if (token->length >= size)
		return false;
	memcpy(word, token->text, token->length);
	word[token->length] = 0;
	return true;
}

/* A port by its name: what the services database says of it, for any transport. */
static uint32_t of_port_name(struct parser *parser, struct qualifiers qualifiers, const char *name)
{
	static const char *const transports[] = {"tcp", "udp", "sctp"};
	uint32_t node = PLAN_EVERYTHING;
	bool found = false;

	for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++) {
		struct servent entry, *result = NULL;
		char buffer[1024];

		if (getservbyname_r(name, transports[i], &entry, buffer, sizeof buffer, &result) != 0 || !result)
			continue;
		uint16_t port = weir_load_be16(&(uint16_t){(uint16_t)entry.s_port});
		uint32_t one = ports(parser, qualifiers, port, port);
		node = found ? plan_join(parser->plan, PLAN_OR, node, one) : one;
		found = true;
	}
	return node;
}

static uint32_t of_protocol_name(struct parser *parser, struct qualifiers qualifiers, const char *name)
{
	if (qualifiers.protocol == WORD_LINK) {
		if (strcmp(name, "ip") == 0)
			return ethertype(parser, 0x0800);
		if (strcmp(name, "arp") == 0)
			return ethertype(parser, 0x0806);
		if (strcmp(name, "ip6") == 0)
			return ethertype(parser, 0x86dd);
		return PLAN_EVERYTHING;
	}
	struct protoent entry, *result = NULL;
	char buffer[1024];

	if (getprotobyname_r(name, &entry, buffer, sizeof buffer, &result) != 0 || !result || result->p_proto < 0)
		return PLAN_EVERYTHING;
	return of_number(parser, qualifiers, (uint64_t)result->p_proto);
}

/* "6000-6008" */
static uint32_t of_range(struct parser *parser, struct qualifiers qualifiers, const char *text)
{
	unsigned long least, most;
	char *end;

	least = strtoul(text, &end, 10);
	if (end == text || *end != '-')
		return PLAN_EVERYTHING;
	const char *second = end + 1;
	most = strtoul(second, &end, 10);
	if (end == second || *end || least > 0xffff || most > 0xffff)
		return PLAN_EVERYTHING;
	return ports(parser, qualifiers, least, most);
}

static uint32_t of_name(struct parser *parser, struct qualifiers qualifiers)
{
	char name[64];
	bool fits = copy_word(&parser->token, name, sizeof name);

	advance(parser);
	if (!fits)
		return PLAN_EVERYTHING;
	switch (qualifiers.type) {
	case TYPE_PORT:
		return of_port_name(parser, qualifiers, name);
	case TYPE_PORTRANGE:
		return of_range(parser, qualifiers, name);
	case TYPE_PROTOCOL:
		return of_protocol_name(parser, qualifiers, name);
	default:
		return PLAN_EVERYTHING;
	}
}

static uint32_t of_plain_number(struct parser *parser, struct qualifiers qualifiers)
{
	uint64_t number = parser->token.number;

	if (!is_address(qualifiers)) {
		advance(parser);
		return of_number(parser, qualifiers, number);
	}
	/* `net 10` is 10.0.0.0/8; `host 10` is 0.0.0.10, `net 10/8` is refused by some versions. */
	parser->token.bits = 32;
	if (qualifiers.type == TYPE_NET) {
		while (number && !(number & 0xff000000)) {
			number <<= 8;
			parser->token.bits -= 8;
		}
		parser->token.number = parser->token.bits ? number >> (32 - parser->token.bits) : 0;
		if (number == 0)
			parser->token.bits = 0;
	}
	return of_ipv4(parser, qualifiers);
}

/* What stands behind qualifiers, or alone with those that carried over. */
static struct result parse_identifier(struct parser *parser, struct qualifiers qualifiers)
{
	struct result result = {.qualifiers = qualifiers};

	switch (parser->token.kind) {
	case TOKEN_NUMBER:
		result.node = of_plain_number(parser, qualifiers);
		break;
	case TOKEN_IPV4:
		result.node = of_ipv4(parser, qualifiers);
		break;
	case TOKEN_IPV6:
		result.node = of_ipv6(parser, qualifiers);
		break;
	case TOKEN_MAC:
		result.node = of_mac(parser, qualifiers);
		break;
	case TOKEN_WORD:
	case TOKEN_ESCAPED:
		result.node = of_name(parser, qualifiers);
		break;
	case TOKEN_NOT:
	case TOKEN_OPEN:
		/* `src not src not …` would nest without parentheses. */
		if (++parser->nesting > NESTING_MAX)
			return give_up(parser);
		result = parse_term(parser, qualifiers);
		parser->nesting--;
		return result;
	default:
		return give_up(parser);
	}
	return result;
}

/* Over `tcp[13] & 2 != 0`, `len > 100`, …: up to the next `and`, `or`, ')' outside of its parentheses. */
static struct result skip_arithmetic(struct parser *parser)
{
	unsigned depth = 0;

	for (;; advance(parser)) {
		switch (parser->token.kind) {
		case TOKEN_OPEN:
			depth++;
			break;
		case TOKEN_CLOSE:
			if (depth == 0)
				return (struct result){.node = PLAN_EVERYTHING, .qualifiers.type = TYPE_OTHER};
			depth--;
			break;
		case TOKEN_AND:
		case TOKEN_OR:
		case TOKEN_END:
			if (depth)
				return give_up(parser);
			return (struct result){.node = PLAN_EVERYTHING, .qualifiers.type = TYPE_OTHER};
		case TOKEN_NOT:
		case TOKEN_ESCAPED:
			return give_up(parser);
		default:
			break;
		}
	}
}

#define ARITHMETIC "+-*/%&|^<>=!"

/* Whether the parenthesis at hand is one of arithmetic: an operator stands behind its end. */
static bool opens_arithmetic(const struct parser *parser)
{
	const char *at = parser->at;
	unsigned depth = 1;

	while (depth) {
		struct token token = token_next(&at);

		if (token.kind == TOKEN_END)
			return false;
		depth += token.kind == TOKEN_OPEN;
		depth -= token.kind == TOKEN_CLOSE;
	}
	struct token behind = token_next(&at);
	return is_operator(&behind, ARITHMETIC);
}

static struct token peek(const struct parser *parser)
{
	const char *at = parser->at;
	return token_next(&at);
}

/* The direction words; they do not matter, the postings hold both sides. False: words of 802.11 that are not understood. */
static void skip_direction(struct parser *parser)
{
	if (!token_is(&parser->token, "src") && !token_is(&parser->token, "dst"))
		return;
	advance(parser);
	if (parser->token.kind != TOKEN_AND && parser->token.kind != TOKEN_OR)
		return;
	struct token next = peek(parser);
	if (token_is(&next, "src") || token_is(&next, "dst")) {
		advance(parser);
		advance(parser);
	}
}

static bool take_type(struct parser *parser, struct qualifiers *qualifiers)
{
	static const struct {
		const char *name;
		enum type_word type;
	} types[] = {
		{"host", TYPE_HOST}, {"net", TYPE_NET}, {"port", TYPE_PORT}, {"portrange", TYPE_PORTRANGE},
		{"proto", TYPE_PROTOCOL}, {"protochain", TYPE_OTHER}, {"gateway", TYPE_OTHER},
	};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (token_is(&parser->token, types[i].name)) {
			qualifiers->type = (uint8_t)types[i].type;
			advance(parser);
			return true;
		}
	return false;
}

/* A protocol's name that stands alone. */
static uint32_t of_protocol_word(struct parser *parser, struct qualifiers qualifiers)
{
	switch (qualifiers.protocol) {
	case WORD_IP:
		return ethertype(parser, 0x0800);
	case WORD_IP6:
		return ethertype(parser, 0x86dd);
	case WORD_ARP:
		return ethertype(parser, 0x0806);
	case WORD_RARP:
		return ethertype(parser, 0x8035);
	case WORD_TRANSPORT:
		return ip_protocol(parser, qualifiers.number);
	default:
		return PLAN_EVERYTHING;
	}
}

static struct result leaf(uint32_t node)
{
	return (struct result){.node = node, .qualifiers.type = TYPE_OTHER};
}

/* `vlan [ID]`, `mpls [LABEL]`, `pppoes [SESSION]`, `geneve [VNI]`, `vxlan [VNI]` */
static bool parse_shift(struct parser *parser, struct result *result)
{
	bool vlan = token_is(&parser->token, "vlan"), mpls = token_is(&parser->token, "mpls");
	bool pppoe = token_is(&parser->token, "pppoes");

	if (!vlan && !mpls && !pppoe && !token_is(&parser->token, "geneve") && !token_is(&parser->token, "vxlan"))
		return false;
	advance(parser);
	*result = leaf(PLAN_EVERYTHING);
	result->shifts = true;
	if (parser->token.kind == TOKEN_NUMBER) {
		if (vlan && parser->token.number < 4096)
			result->node = numbers(parser, POSTING_VLAN, 0, parser->token.number, parser->token.number);
		advance(parser);
	}
	if (mpls || pppoe)
		parser->link_moved = true;
	/* What stands behind these two looks into the tunnel, by rules that are not the decoder's. */
	if (!vlan && !mpls && !pppoe)
		parser->unguarded = true;
	return true;
}

/* Primitives of one word, or of one and a number, that the index has nothing for. */
static bool parse_other(struct parser *parser, struct result *result)
{
	static const struct {
		const char *name;
		bool number;
	} words[] = {
		{"less", true}, {"greater", true}, {"ifindex", true}, {"inbound", false}, {"outbound", false}, {"pppoed", false},
		{"broadcast", false}, {"multicast", false},
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (!token_is(&parser->token, words[i].name))
			continue;
		advance(parser);
		*result = leaf(PLAN_EVERYTHING);
		if (words[i].number && parser->token.kind != TOKEN_NUMBER)
			*result = give_up(parser);
		else if (words[i].number)
			advance(parser);
		return true;
	}
	return false;
}

static bool take_protocol(struct parser *parser, struct qualifiers *qualifiers)
{
	for (size_t i = 0; i < sizeof protocol_words / sizeof protocol_words[0]; i++)
		if (token_is(&parser->token, protocol_words[i].name)) {
			qualifiers->protocol = (uint8_t)protocol_words[i].word;
			qualifiers->number = protocol_words[i].number;
			advance(parser);
			return true;
		}
	return false;
}

/* Begins with a word: `tcp port 80`, `src 10.0.0.1`, `vlan 5`, `len > 100`, or a name to which qualifiers carry over. */
static struct result parse_words(struct parser *parser, struct qualifiers carried)
{
	struct qualifiers qualifiers = {0};
	struct token next = peek(parser);
	struct result result;

	if (is_operator(&next, "["))
		return skip_arithmetic(parser);
	if (parse_shift(parser, &result) || parse_other(parser, &result))
		return result;
	if (is_operator(&next, ARITHMETIC))
		return skip_arithmetic(parser);

	bool protocol = take_protocol(parser, &qualifiers);
	if (protocol && parse_other(parser, &result)) /* ip broadcast, ether multicast */
		return result;
	bool direction = token_is(&parser->token, "src") || token_is(&parser->token, "dst");
	skip_direction(parser);
	if (take_type(parser, &qualifiers) || direction)
		return parse_identifier(parser, qualifiers);
	if (protocol)
		return leaf(of_protocol_word(parser, qualifiers));
	if (carried.type == TYPE_OTHER || (carried.type == TYPE_DEFAULT && carried.protocol == WORD_DEFAULT))
		return give_up(parser);
	return parse_identifier(parser, carried);
}

static struct result parse_parentheses(struct parser *parser, struct qualifiers carried)
{
	if (opens_arithmetic(parser))
		return skip_arithmetic(parser);
	if (++parser->nesting > NESTING_MAX)
		return give_up(parser);
	advance(parser);
	struct result result = parse_expression(parser, carried);
	parser->nesting--;
	if (parser->token.kind != TOKEN_CLOSE)
		return give_up(parser);
	advance(parser);
	result.qualifiers = carried;
	return result;
}

static struct result parse_term(struct parser *parser, struct qualifiers carried)
{
	bool negated = false;
	struct result result;

	while (parser->token.kind == TOKEN_NOT) {
		negated = true;
		advance(parser);
	}
	switch (parser->token.kind) {
	case TOKEN_OPEN:
		result = parse_parentheses(parser, carried);
		break;
	case TOKEN_WORD:
		result = parse_words(parser, carried);
		break;
	case TOKEN_OPERATOR:
		result = skip_arithmetic(parser);
		break;
	case TOKEN_NUMBER: {
		struct token next = peek(parser);

		/* A number that begins arithmetic; behind `/` it is a net. */
		if (is_operator(&next, ARITHMETIC) && !(token_is(&next, "/") && carried.type == TYPE_NET))
			result = skip_arithmetic(parser);
		else
			result = parse_identifier(parser, carried);
		break;
	}
	case TOKEN_END:
	case TOKEN_CLOSE:
	case TOKEN_AND:
	case TOKEN_OR:
		return give_up(parser);
	default:
		result = parse_identifier(parser, carried);
	}
	if (negated) {
		result.node = PLAN_EVERYTHING;
		parser->unguarded |= result.shifts;
	}
	return result;
}

static struct result parse_expression(struct parser *parser, struct qualifiers carried)
{
	struct result left = parse_term(parser, carried);

	while (parser->token.kind == TOKEN_AND || parser->token.kind == TOKEN_OR) {
		bool either = parser->token.kind == TOKEN_OR;

		parser->unguarded |= either && left.shifts;
		advance(parser);
		struct result right = parse_term(parser, left.qualifiers);
		parser->unguarded |= either && right.shifts;
		left.node = plan_join(parser->plan, either ? PLAN_OR : PLAN_AND, left.node, right.node);
		left.qualifiers = right.qualifiers;
		left.shifts |= right.shifts;
	}
	return left;
}

uint32_t plan_parse(struct plan *plan, const char *expression)
{
	struct parser parser = {.plan = plan, .at = expression};

	advance(&parser);
	if (parser.token.kind == TOKEN_END)
		return PLAN_EVERYTHING;
	struct result result = parse_expression(&parser, (struct qualifiers){0});
	if (parser.gave_up || parser.token.kind != TOKEN_END)
		return PLAN_EVERYTHING;
	return result.node;
}
