/* weir links: the interfaces of this box, and every change of them. */
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "box/links.h"
#include "cli/cli.h"
#include "core/json.h"
#include "core/terminal.h"

struct options {
	bool watch, json, neighbours, utc, local;
	uint64_t count;
};

static const struct option table[] = {
	{.name = "watch", .letter = 'w', .type = OPTION_FLAG, .offset = offsetof(struct options, watch), .help = "print every change, a line each, until Ctrl-C"},
	{.name = "count", .letter = 'c', .type = OPTION_UNSIGNED, .offset = offsetof(struct options, count), .metavar = "N", .least = 1, .most = UINT64_MAX,
	 .help = "with --watch: end after so many changes"},
	{.name = "neighbours", .letter = 'n', .type = OPTION_FLAG, .offset = offsetof(struct options, neighbours), .help = "the neighbours instead: who is next to each interface"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "a JSON object an interface, neighbour or change"},
	{.name = "utc", .type = OPTION_FLAG, .offset = offsetof(struct options, utc), .help = "times in UTC (they are, unless --local)"},
	{.name = "local", .type = OPTION_FLAG, .offset = offsetof(struct options, local), .help = "times in local time"},
	{0},
};

/* What was named: shell patterns, none: all. */
struct chosen {
	int count;
	char **names;
};

static bool is_chosen(const struct chosen *chosen, const char *name)
{
	for (int i = 0; i < chosen->count; i++)
		if (fnmatch(chosen->names[i], name, 0) == 0)
			return true;
	return chosen->count == 0;
}

static const char *state_of(const struct link *link)
{
	if (!link->up)
		return "down";
	if (!link->carrier)
		return "no carrier";
	/* Links that keep no state of their own say that they do not know it. */
	return link->operational ? link_operational_name(link->operational) : "up";
}

static const char *name_of(const struct links *links, uint32_t index)
{
	const struct link *link = index ? links_by_index(links, index) : NULL;
	return link ? link->name : "";
}

static void number_cell(struct table *rows, uint32_t number)
{
	if (number == LINK_NONE)
		table_cell(rows, "%s", "");
	else
		table_cell(rows, "%u", number);
}

/* Interfaces are called what anyone in a container likes, firmware what its maker likes. */
#define SHOWN_SIZE 700
#define SHOWN(text) text_shown(text, (char[SHOWN_SIZE]){0}, SHOWN_SIZE)

/* ---- tables ---- */

static void addresses_text(const struct link *link, struct text *out)
{
	char ip[LINK_IP_SIZE];

	text_clear(out);
	for (uint32_t i = 0; i < link->address_count; i++)
		text_add_format(out, "%s%s/%u", i ? " " : "", link_ip_text(&link->addresses[i].address, ip), link->addresses[i].prefix);
}

static int print_table(const struct links *links, const struct chosen *chosen, struct weir_fault *fault)
{
	static const char *const headings[] = {"interface", "state", "Mbit/s", "duplex", "mtu", "mac", "kind", "master", "addresses", NULL};
	struct table *rows = table_new("llrlrllll", headings);
	struct text text = {0};
	char mac[LINK_MAC_SIZE];
	size_t count;
	const struct link *const *list = links_list(links, &count);

	if (!rows)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a table");
	for (size_t i = 0; i < count; i++) {
		const struct link *link = list[i];
		if (!is_chosen(chosen, link->name))
			continue;
		table_cell(rows, "%s", link->name);
		table_cell(rows, "%s", state_of(link));
		number_cell(rows, link->speed);
		table_cell(rows, "%s", link_duplex_name(link->duplex));
		table_cell(rows, "%u", link->mtu);
		table_cell(rows, "%s", link_mac_text(link->mac, link->mac_length, mac));
		table_cell(rows, "%s", link->kind[0] ? link->kind : link->driver);
		table_cell(rows, "%s", name_of(links, link->master));
		addresses_text(link, &text);
		table_cell(rows, "%s", text_string(&text));
	}
	table_print(rows, stdout);
	table_free(rows);
	text_free(&text);
	return 0;
}

static int print_neighbours(const struct links *links, const struct chosen *chosen, struct weir_fault *fault)
{
	static const char *const headings[] = {"interface", "address", "mac", "state", "router", NULL};
	struct table *rows = table_new("lllll", headings);
	char text[LINK_MAC_SIZE];
	size_t count;
	const struct link_neighbour *list = links_neighbours(links, &count);

	if (!rows)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a table");
	for (size_t i = 0; i < count; i++) {
		if (!is_chosen(chosen, name_of(links, list[i].index)))
			continue;
		table_cell(rows, "%s", name_of(links, list[i].index));
		table_cell(rows, "%s", link_ip_text(&list[i].address, text));
		table_cell(rows, "%s", link_mac_text(list[i].mac, list[i].mac_length, text));
		table_cell(rows, "%s", link_neighbour_state(list[i].state));
		table_cell(rows, "%s", list[i].router ? "router" : "");
	}
	table_print(rows, stdout);
	table_free(rows);
	return 0;
}

/* Everything about those that were named, a line a fact. */
static void print_details(const struct links *links, const struct link *link)
{
	char text[LINK_MAC_SIZE];

	printf("%s: %s, %s\n", SHOWN(link->name), link->kind[0] ? SHOWN(link->kind) : link->loopback ? "loopback" : "card", state_of(link));
	printf("  index         %u\n", link->index);
	printf("  mtu           %u\n", link->mtu);
	if (link->mac_length)
		printf("  mac           %s\n", link_mac_text(link->mac, link->mac_length, text));
	if (link->speed != LINK_NONE)
		printf("  speed         %u Mbit/s%s%s%s\n", link->speed, link->duplex ? ", duplex " : "", link_duplex_name(link->duplex),
		       link->autonegotiates ? ", negotiated" : "");
	printf("  carrier       %s, changed %u times\n", link->carrier ? "yes" : "no", link->carrier_changes);
	if (link->promiscuous)
		printf("  promiscuous   yes\n");
	if (link->driver[0])
		printf("  driver        %s%s%s%s%s\n", SHOWN(link->driver), link->firmware[0] ? ", firmware " : "", SHOWN(link->firmware),
		       link->bus[0] ? ", at " : "", SHOWN(link->bus));
	if (link->ring.receive != LINK_NONE)
		printf("  ring          receive %u of %u, transmit %u of %u\n", link->ring.receive, link->ring.receive_most, link->ring.transmit, link->ring.transmit_most);
	if (link->channels != LINK_NONE)
		printf("  channels      %u of %u\n", link->channels, link->channels_most);
	printf("  queueing      %s, %u packets\n", link->queueing[0] ? SHOWN(link->queueing) : "none", link->transmit_queue);
	if (link->master)
		printf("  master        %s\n", SHOWN(name_of(links, link->master)));
	if (link->peer && link->peer != link->index) {
		if (link->peer_namespace == LINK_NONE)
			printf("  other end     %s\n", name_of(links, link->peer)[0] ? SHOWN(name_of(links, link->peer)) : "in another namespace");
		else
			printf("  other end     index %u in namespace %u\n", link->peer, link->peer_namespace);
	}
	for (uint32_t i = 0; i < link->address_count; i++) {
		const struct link_address *address = &link->addresses[i];
		printf("  address       %s/%u, %s%s%s%s\n", link_ip_text(&address->address, text), address->prefix, link_scope_name(address->scope),
		       address->tentative ? ", tentative" : "", address->deprecated ? ", deprecated" : "", address->temporary ? ", temporary" : "");
	}
	for (int on = 1; on >= 0; on--) {
		bool any = false;
		for (uint32_t i = 0; i < link->offload_count; i++) {
			if (link->offloads[i].on != on)
				continue;
			printf(any ? " %s%s" : on ? "  offloads on   %s%s" : "  offloads off  %s%s", SHOWN(link->offloads[i].name), link->offloads[i].fixed ? "*" : "");
			any = true;
		}
		if (any)
			putchar('\n');
	}
	if (link->offload_count)
		printf("                (* can't be changed)\n");
}

/* ---- JSON ---- */

static void put_number(struct json *json, const char *key, uint32_t number)
{
	json_key(json, key);
	if (number == LINK_NONE)
		json_null(json);
	else
		json_unsigned(json, number);
}

static void put_text(struct json *json, const char *key, const char *text) { json_put_string(json, key, text[0] ? text : NULL); }

static void put_addresses(struct json *json, const struct link *link)
{
	char ip[LINK_IP_SIZE];

	json_key(json, "addresses");
	json_array(json);
	for (uint32_t i = 0; i < link->address_count; i++) {
		const struct link_address *address = &link->addresses[i];
		json_object(json);
		json_put_string(json, "address", link_ip_text(&address->address, ip));
		json_put_unsigned(json, "prefix", address->prefix);
		json_put_string(json, "scope", link_scope_name(address->scope));
		json_put_bool(json, "tentative", address->tentative);
		json_put_bool(json, "deprecated", address->deprecated);
		json_put_bool(json, "temporary", address->temporary);
		json_end_object(json);
	}
	json_end_array(json);
}

static void put_offloads(struct json *json, const struct link *link)
{
	json_key(json, "offloads");
	json_object(json);
	for (uint32_t i = 0; i < link->offload_count; i++) {
		json_key(json, link->offloads[i].name);
		json_object(json);
		json_put_bool(json, "on", link->offloads[i].on);
		json_put_bool(json, "fixed", link->offloads[i].fixed);
		json_end_object(json);
	}
	json_end_object(json);
}

static void put_link(struct json *json, const struct links *links, const struct link *link)
{
	char mac[LINK_MAC_SIZE];

	json_object(json);
	json_put_string(json, "interface", link->name);
	json_put_unsigned(json, "index", link->index);
	json_put_string(json, "state", state_of(link));
	json_put_bool(json, "up", link->up);
	json_put_bool(json, "carrier", link->carrier);
	json_put_bool(json, "running", link->running);
	json_put_string(json, "operational", link_operational_name(link->operational));
	json_put_unsigned(json, "carrier_changes", link->carrier_changes);
	json_put_bool(json, "promiscuous", link->promiscuous);
	json_put_bool(json, "loopback", link->loopback);
	put_text(json, "kind", link->kind);
	put_number(json, "speed", link->speed);
	put_text(json, "duplex", link_duplex_name(link->duplex));
	json_put_bool(json, "autonegotiates", link->autonegotiates);
	json_put_unsigned(json, "mtu", link->mtu);
	put_text(json, "mac", link_mac_text(link->mac, link->mac_length, mac));
	put_text(json, "driver", link->driver);
	put_text(json, "firmware", link->firmware);
	put_text(json, "bus", link->bus);
	put_number(json, "ring_receive", link->ring.receive);
	put_number(json, "ring_receive_most", link->ring.receive_most);
	put_number(json, "ring_transmit", link->ring.transmit);
	put_number(json, "ring_transmit_most", link->ring.transmit_most);
	put_number(json, "channels", link->channels);
	put_number(json, "channels_most", link->channels_most);
	put_text(json, "queueing", link->queueing);
	json_put_unsigned(json, "transmit_queue", link->transmit_queue);
	put_text(json, "master", name_of(links, link->master));
	put_number(json, "peer", link->peer ? link->peer : LINK_NONE);
	put_number(json, "peer_namespace", link->peer_namespace);
	put_addresses(json, link);
	put_offloads(json, link);
	json_end_object(json);
}

static void put_neighbour(struct json *json, const struct links *links, const struct link_neighbour *neighbour)
{
	char text[LINK_MAC_SIZE];

	json_object(json);
	json_put_string(json, "interface", name_of(links, neighbour->index));
	json_put_string(json, "address", link_ip_text(&neighbour->address, text));
	put_text(json, "mac", link_mac_text(neighbour->mac, neighbour->mac_length, text));
	json_put_string(json, "state", link_neighbour_state(neighbour->state));
	json_put_bool(json, "router", neighbour->router);
	json_end_object(json);
}

static void print_json(const struct links *links, const struct chosen *chosen, bool neighbours)
{
	struct text text = {0};
	size_t count, neighbour_count;
	const struct link *const *list = links_list(links, &count);
	const struct link_neighbour *next = links_neighbours(links, &neighbour_count);

	for (size_t i = 0; i < (neighbours ? neighbour_count : count); i++) {
		struct json json = json_into(&text);
		if (!is_chosen(chosen, neighbours ? name_of(links, next[i].index) : list[i]->name))
			continue;
		text_clear(&text);
		if (neighbours)
			put_neighbour(&json, links, &next[i]);
		else
			put_link(&json, links, list[i]);
		puts(text_string(&text));
	}
	text_free(&text);
}

/* ---- changes ---- */

static const char *colour_of(const struct link_event *event)
{
	switch (event->kind) {
	case LINK_CAME:
	case LINK_UP:
	case LINK_CARRIER:
	case LINK_ADDRESS_ADDED:
	case LINK_NEIGHBOUR_CAME:
	case LINK_ROUTE_ADDED:
		return "\033[32m";
	case LINK_CHANGED:
	case LINK_NEIGHBOUR_CHANGED:
		return "\033[33m";
	default:
		return "\033[31m";
	}
}

static void print_event(const struct link_event *event, const struct options *options)
{
	bool colour = terminal_colour(stdout);
	char time[FORMAT_SIZE];

	printf("%s %s%-10s %s%s%s%s\n", format_time(event->time_ns, options->local, 6, time), colour ? colour_of(event) : "", event->index ? SHOWN(event->name) : "-",
	       link_event_name(event->kind), event->detail[0] ? ": " : "", SHOWN(event->detail), colour ? "\033[0m" : "");
}

static void print_event_json(const struct link_event *event)
{
	struct text text = {0};
	struct json json = json_into(&text);
	char time[FORMAT_SIZE];

	json_object(&json);
	json_put_string(&json, "time", format_time(event->time_ns, false, 9, time));
	put_text(&json, "interface", event->name);
	put_number(&json, "index", event->index ? event->index : LINK_NONE);
	json_put_string(&json, "event", link_event_name(event->kind));
	put_text(&json, "detail", event->detail);
	put_number(&json, "speed", event->speed);
	json_end_object(&json);
	puts(text_string(&text));
	text_free(&text);
}

static int watch(struct links *links, const struct options *options, const struct chosen *chosen, struct weir_fault *fault)
{
	struct pollfd waiting = {.fd = links_descriptor(links), .events = POLLIN};
	uint64_t left = options->count ? options->count : UINT64_MAX;
	struct link_event event;
	int more = 0;

	while (left && !*stop_requested() && more >= 0 && !ferror(stdout)) {
		more = links_next(links, &event, fault);
		if (more > 0 && (event.index == 0 || is_chosen(chosen, event.name))) {
			if (options->json)
				print_event_json(&event);
			else
				print_event(&event, options);
			left--;
		}
		if (more == 0) {
			fflush(stdout);
			poll(&waiting, 1, 200);
		}
	}
	return more < 0 ? more : 0;
}

/* A name without a pattern's characters has to be one. */
static int check_names(const struct links *links, const struct chosen *chosen, struct weir_fault *fault)
{
	size_t count;
	const struct link *const *list = links_list(links, &count);

	for (int k = 0; k < chosen->count; k++) {
		struct chosen one = {1, chosen->names + k};
		bool found = strpbrk(chosen->names[k], "*?[");
		for (size_t i = 0; i < count && !found; i++)
			found = is_chosen(&one, list[i]->name);
		if (!found)
			return weir_fail(fault, WEIR_E_NOT_FOUND, "there is no interface '%s'", chosen->names[k]);
	}
	return 0;
}

static int show(struct links *links, const struct options *options, const struct chosen *chosen, struct weir_fault *fault)
{
	size_t count;
	const struct link *const *list = links_list(links, &count);
	int error = check_names(links, chosen, fault);

	if (error || options->watch)
		return error ? error : watch(links, options, chosen, fault);
	if (options->json)
		print_json(links, chosen, options->neighbours);
	else if (options->neighbours)
		error = print_neighbours(links, chosen, fault);
	else if (chosen->count == 0)
		error = print_table(links, chosen, fault);
	else
		for (size_t i = 0; i < count; i++)
			if (is_chosen(chosen, list[i]->name))
				print_details(links, list[i]);
	return error;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	const struct chosen chosen = {argc, argv};
	struct links *links = NULL;
	struct weir_fault fault = {0};

	catch_interrupts();
	int error = links_open(options->watch, &links, &fault);
	if (!error && !options->watch)
		error = links_refresh(links, true, &fault);
	if (!error)
		error = show(links, options, &chosen, &fault);
	links_close(links);
	if (error < 0)
		return report(command, &fault);
	return EXIT_FINE;
}

const struct command links_command = {
	.name = "links",
	.summary = "the interfaces of this box, and every change of them",
	.usage = "[IF...]",
	.description = "Prints a line an interface; of those that are named (shell patterns may name them) everything: driver, ring, offloads, addresses. With\n"
				   "--watch every change, as the kernel tells it: links that come and go, carriers, speeds, addresses, neighbours, default routes. Takes no right.",
	.options = table,
	.options_size = sizeof(struct options),
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
