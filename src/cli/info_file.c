/* weir info FILE: what a capture file holds. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include <weir/file.h>

#include "cli/info.h"
#include "cli/seal_options.h"
#include "core/clock.h"
#include "core/text.h"
#include "file/capture.h"
#include "file/option.h"
#include "file/sha256.h"

#define SECTIONS_TOLD 64      /* of which the texts are kept; the rest is counted */
#define TEXT_MAX 4096         /* of one option */
#define INTERFACES_PRINTED 64 /* as text; JSON has all of them */

/* Blocks that are neither packets nor descriptions. */
static const struct {
	uint32_t type;
	const char *key, *words;
} kinds[] = {
	{PCAPNG_NRB, "name_resolution", "name resolution"},
	{PCAPNG_ISB, "interface_statistics", "interface statistics"},
	{PCAPNG_JOURNAL, "systemd_journal", "systemd journal"},
	{PCAPNG_DSB, "decryption_secrets", "decryption secrets"},
	{PCAPNG_CUSTOM, "custom", "custom"},
	{PCAPNG_CUSTOM_NO_COPY, "custom_no_copy", "custom, not to be copied"},
	{0, "unknown", "unknown"},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* The counters of an interface, as its last statistics block has them. */
struct counters {
	bool has_received, has_dropped, has_system_dropped;
	uint64_t received, dropped, system_dropped;
};

struct section_texts {
	struct text hardware, system, application, comments; /* comments: one a line */
};

/* Everything that was found out about one file. */
struct summary {
	const char *path;
	struct weir_source *source;
	struct capture_walk walk;
	struct capture_tally total;
	struct counters *counters;
	uint32_t counter_count;
	uint32_t first_interface; /* of the section in hand */
	uint64_t blocks[KINDS];
	struct section_texts sections[SECTIONS_TOLD];
	uint32_t section_count;
	char hash[SHA256_HEX]; /* "" when not asked for */
	uint64_t file_bytes;
	struct weir_fault fault;
};

/* Link types whose records begin with bytes that were never on the wire: Wireshark, and so capinfos, does not count those. */
static uint32_t pseudo_header(uint16_t linktype)
{
	switch (linktype) {
	case 123: /* SUNATM */
	case 139: /* MTP2_WITH_PHDR */
	case 201: /* BLUETOOTH_HCI_H4_WITH_PHDR */
	case 254: /* BLUETOOTH_LINUX_MONITOR */
		return 4;
	case 144: /* LINUX_IRDA */
	case 177: /* LINUX_LAPD */
		return 16;
	case 196: /* SITA */
	case 209: /* I2C_LINUX */
		return 5;
	case 204: /* PPP_WITH_DIR */
		return 1;
	case 245: /* NFC_LLCP */
		return 2;
	default:
		return 0;
	}
}

static const char *linktype_words(uint16_t linktype, char *room, size_t size)
{
	/* Numbers in files are those of libpcap but for the ones that had several. */
	int dlt = linktype == 101 ? DLT_RAW : linktype == 100 ? DLT_ATM_RFC1483 : linktype;
	const char *name = pcap_datalink_val_to_description(dlt);

	snprintf(room, size, "%s (%u)", name ? name : "unknown", linktype);
	return room;
}

static int add_counters(struct summary *summary, struct weir_fault *fault)
{
	uint32_t count;

	weir_capture_interfaces(summary->source, &count);
	if (count <= summary->counter_count)
		return 0;
	uint32_t room = count < 2 * summary->counter_count ? 2 * summary->counter_count : count;
	struct counters *grown = realloc(summary->counters, room * sizeof *grown);
	if (!grown)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for interfaces");
	memset(grown + summary->counter_count, 0, (room - summary->counter_count) * sizeof *grown);
	summary->counters = grown;
	summary->counter_count = room;
	return 0;
}

static int on_statistics(struct summary *summary, const struct weir_block *block, struct weir_fault *fault)
{
	uint32_t count;

	weir_capture_interfaces(summary->source, &count);
	if (block->length < 24)
		return 0; /* too short to say anything; the reader passes on what it does not know */
	uint32_t id = weir_load32(block->data + 8, block->big_endian);
	if (id >= count - summary->first_interface)
		return 0;
	int error = add_counters(summary, fault);
	if (error)
		return error;
	struct counters *counters = &summary->counters[summary->first_interface + id];
	struct weir_cursor cursor = weir_cursor_over(block->data + 20, block->length - 24);
	struct weir_bytes value;
	uint16_t code;
	while (pcapng_option_next(&cursor, block->big_endian, &code, &value)) {
		if (value.length != 8)
			continue;
		uint64_t number = weir_load64(value.data, block->big_endian);
		if (code == PCAPNG_ISB_IFRECV) {
			counters->has_received = true;
			counters->received = number;
		} else if (code == PCAPNG_ISB_IFDROP) {
			counters->has_dropped = true;
			counters->dropped = number;
		} else if (code == PCAPNG_ISB_OSDROP) {
			counters->has_system_dropped = true;
			counters->system_dropped = number;
		}
	}
	return 0;
}

static void add_value(struct text *text, struct weir_bytes value)
{
	if (text->length)
		text_add_char(text, '\n');
	text_add_bytes(text, value.data, value.length < TEXT_MAX ? value.length : TEXT_MAX);
}

static void on_section(struct summary *summary, const struct weir_block *block)
{
	weir_capture_interfaces(summary->source, &summary->first_interface);
	if (summary->section_count >= SECTIONS_TOLD)
		return;
	struct section_texts *section = &summary->sections[summary->section_count++];
	struct weir_cursor cursor = weir_cursor_over(block->data + 24, block->length - PCAPNG_SHB_BYTES);
	struct weir_bytes value;
	uint16_t code;
	while (pcapng_option_next(&cursor, block->big_endian, &code, &value)) {
		if (code == PCAPNG_COMMENT)
			add_value(&section->comments, value);
		else if (code == PCAPNG_SHB_HARDWARE)
			add_value(&section->hardware, value);
		else if (code == PCAPNG_SHB_OS)
			add_value(&section->system, value);
		else if (code == PCAPNG_SHB_APPLICATION)
			add_value(&section->application, value);
	}
}

static int on_block(void *context, const struct weir_block *block, struct weir_fault *fault)
{
	struct summary *summary = context;

	if (block->type == PCAPNG_SHB) {
		on_section(summary, block);
		return 0;
	}
	if (block->type == PCAPNG_IDB)
		return 0;
	size_t kind = 0;
	while (kind < KINDS - 1 && kinds[kind].type != block->type)
		kind++;
	summary->blocks[kind]++;
	return block->type == PCAPNG_ISB ? on_statistics(summary, block, fault) : 0;
}

static void add_up(struct summary *summary)
{
	uint32_t count;
	const struct weir_interface *const *interfaces = weir_capture_interfaces(summary->source, &count);

	summary->total = (struct capture_tally){.first_ns = INT64_MAX, .last_ns = INT64_MIN, .cut_least = UINT32_MAX};
	for (uint32_t i = 0; i < summary->walk.interface_count; i++) {
		struct capture_tally *one = &summary->walk.interfaces[i];
		struct capture_tally *total = &summary->total;
		uint64_t pseudo = pseudo_header(interfaces[i]->linktype) * one->packets;
		one->wire_bytes -= pseudo < one->wire_bytes ? pseudo : one->wire_bytes;
		total->packets += one->packets;
		total->captured_bytes += one->captured_bytes;
		total->wire_bytes += one->wire_bytes;
		total->timed += one->timed;
		total->cut += one->cut;
		total->first_ns = one->first_ns < total->first_ns ? one->first_ns : total->first_ns;
		total->last_ns = one->last_ns > total->last_ns ? one->last_ns : total->last_ns;
		total->cut_least = one->cut_least < total->cut_least ? one->cut_least : total->cut_least;
		total->cut_most = one->cut_most > total->cut_most ? one->cut_most : total->cut_most;
	}
}

static int hash_file(struct summary *summary)
{
	int fd = open(summary->path, O_RDONLY | O_CLOEXEC);
	int failed = fd < 0 ? errno : file_sha256(fd, NULL, summary->hash);

	if (fd >= 0)
		close(fd);
	return failed ? weir_fail_errno(&summary->fault, failed, summary->path, "could not be hashed") : 0;
}

static const char *precision(uint8_t resolution, char *room, size_t size)
{
	unsigned exponent = resolution & 0x7f;

	if (resolution & 0x80)
		snprintf(room, size, "2^-%u s", exponent);
	else if (resolution == 6 || resolution == 9 || resolution == 3 || resolution == 0)
		snprintf(room, size, "%s", resolution == 6   ? "microseconds"
		                           : resolution == 9 ? "nanoseconds"
		                           : resolution == 3 ? "milliseconds"
		                                             : "seconds");
	else
		snprintf(room, size, "10^-%u s", exponent);
	return room;
}

/* The value of an interface's option as text; "" when it has none. if_filter has a byte in front that says what it is. */
static void interface_text(const struct weir_interface *interface, uint16_t wanted, struct text *text)
{
	struct weir_cursor cursor = weir_cursor_over(interface->options.data, interface->options.length);
	struct weir_bytes value;
	uint16_t code;

	text_clear(text);
	while (pcapng_option_next(&cursor, interface->big_endian, &code, &value)) {
		if (code != wanted)
			continue;
		if (code == PCAPNG_IF_FILTER) {
			if (value.length == 0 || value.data[0] != 0)
				continue; /* a BPF program, no text */
			value.data++;
			value.length--;
		}
		add_value(text, value);
	}
}

static void json_text(struct json *json, const char *key, const struct text *text)
{
	json_key(json, key);
	text->length ? json_string_bytes(json, text->data, text->length) : json_null(json);
}

static void json_count(struct json *json, const char *key, bool known, uint64_t count)
{
	json_key(json, key);
	known ? json_unsigned(json, count) : json_null(json);
}

static void json_times(struct json *json, const struct capture_tally *tally)
{
	json_key(json, "first_ns");
	tally->timed ? json_signed(json, tally->first_ns) : json_null(json);
	json_key(json, "last_ns");
	tally->timed ? json_signed(json, tally->last_ns) : json_null(json);
}

static void json_interface(const struct summary *summary, struct json *json, const struct weir_interface *interface, uint32_t i)
{
	const struct capture_tally none = {0}, *tally = i < summary->walk.interface_count ? &summary->walk.interfaces[i] : &none;
	const struct counters unknown = {0}, *counters = i < summary->counter_count ? &summary->counters[i] : &unknown;
	static const struct {
		uint16_t code;
		const char *key;
	} texts[] = {{PCAPNG_IF_NAME, "name"}, {PCAPNG_IF_DESCRIPTION, "description"}, {PCAPNG_IF_FILTER, "filter"},
	             {PCAPNG_IF_OS, "os"},     {PCAPNG_IF_HARDWARE, "hardware"},       {PCAPNG_COMMENT, "comment"}};
	struct text text = {0};
	char words[128];

	json_object(json);
	for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
		interface_text(interface, texts[k].code, &text);
		json_text(json, texts[k].key, &text);
	}
	text_free(&text);
	json_put_unsigned(json, "section", interface->section);
	json_put_unsigned(json, "linktype", interface->linktype);
	json_put_string(json, "encapsulation", linktype_words(interface->linktype, words, sizeof words));
	json_put_unsigned(json, "snaplen", interface->snaplen);
	json_put_string(json, "precision", precision(interface->resolution, words, sizeof words));
	json_put_unsigned(json, "resolution", interface->resolution);
	json_put_signed(json, "offset_seconds", interface->offset_seconds);
	json_put_unsigned(json, "packets", tally->packets);
	json_put_unsigned(json, "captured_bytes", tally->captured_bytes);
	json_put_unsigned(json, "wire_bytes", tally->wire_bytes);
	json_times(json, tally);
	json_count(json, "received", counters->has_received, counters->received);
	json_count(json, "dropped_by_interface", counters->has_dropped, counters->dropped);
	json_count(json, "dropped_by_system", counters->has_system_dropped, counters->system_dropped);
	json_end_object(json);
}

static void json_sections(const struct summary *summary, struct json *json)
{
	json_key(json, "section_texts");
	json_array(json);
	for (uint32_t i = 0; i < summary->section_count; i++) {
		json_object(json);
		json_text(json, "hardware", &summary->sections[i].hardware);
		json_text(json, "os", &summary->sections[i].system);
		json_text(json, "application", &summary->sections[i].application);
		json_text(json, "comment", &summary->sections[i].comments);
		json_end_object(json);
	}
	json_end_array(json);
}

static void show_json(const struct summary *summary, struct json *json)
{
	const struct capture_tally *total = &summary->total;
	const struct weir_file_header *header = summary->source ? weir_capture_header(summary->source) : NULL;
	uint32_t count = 0;
	const struct weir_interface *const *interfaces = NULL;
	char version[16];

	if (summary->source)
		interfaces = weir_capture_interfaces(summary->source, &count);
	json_object(json);
	json_put_string(json, "path", summary->path);
	json_put_string(json, "format", header ? weir_format_name(header->format) : NULL);
	if (header) {
		json_put_string(json, "compression", weir_compression_name(header->compression));
		json_put_bool(json, "sealed", header->sealed);
		json_put_string(json, "byte_order", header->big_endian ? "big-endian" : "little-endian");
		snprintf(version, sizeof version, "%u.%u", header->version_major, header->version_minor);
		json_put_string(json, "version", version);
		json_put_unsigned(json, "snaplen", header->snaplen);
		json_put_unsigned(json, "linktype", header->linktype);
	}
	json_put_unsigned(json, "packets", total->packets);
	json_put_unsigned(json, "captured_bytes", total->captured_bytes);
	json_put_unsigned(json, "wire_bytes", total->wire_bytes);
	json_put_unsigned(json, "file_bytes", summary->file_bytes);
	json_times(json, total);
	json_count(json, "duration_ns", total->timed, total->timed ? (uint64_t)total->last_ns - (uint64_t)total->first_ns : 0);
	json_put_unsigned(json, "packets_without_time", total->packets - total->timed);
	json_put_bool(json, "time_order", !summary->walk.unsorted);
	json_put_unsigned(json, "packets_cut", total->cut);
	json_put_unsigned(json, "sections", header ? header->sections : 0);
	json_sections(summary, json);
	json_key(json, "blocks");
	json_object(json);
	for (size_t i = 0; i < KINDS; i++)
		json_put_unsigned(json, kinds[i].key, summary->blocks[i]);
	json_end_object(json);
	json_key(json, "interfaces");
	json_array(json);
	for (uint32_t i = 0; i < count; i++)
		json_interface(summary, json, interfaces[i], i);
	json_end_array(json);
	if (summary->hash[0])
		json_put_string(json, "sha256", summary->hash);
	json_key(json, "fault");
	summary->fault.code ? info_fault_json(json, &summary->fault) : json_null(json);
	json_end_object(json);
}

/* Text from a file goes to a terminal: nothing in it may drive that. */
static void print_text(const char *label, const struct text *text)
{
	struct text clean = {0};

	if (!text->length)
		return;
	for (size_t i = 0; i < text->length; i++) {
		unsigned char c = (unsigned char)text->data[i];
		if (c == '\n')
			text_add(&clean, "; ");
		else if (c == '\t')
			text_add_char(&clean, ' ');
		else if (c < 0x20 || c == 0x7f)
			text_add_format(&clean, "\\x%02x", c);
		else
			text_add_char(&clean, (char)c);
	}
	info_line(label, "%s", text_string(&clean));
	text_free(&clean);
}

static void print_rates(const struct capture_tally *total)
{
	char first[FORMAT_SIZE], last[FORMAT_SIZE], rate[FORMAT_SIZE];

	if (!total->timed)
		return;
	uint64_t span = (uint64_t)total->last_ns - (uint64_t)total->first_ns;
	double seconds = (double)span / (double)NS_PER_SECOND;
	info_line("First packet", "%s", format_time(total->first_ns, false, 9, first));
	info_line("Last packet", "%s", format_time(total->last_ns, false, 9, last));
	info_line("Duration", "%" PRIu64 ".%09" PRIu64 " s", span / NS_PER_SECOND, span % NS_PER_SECOND);
	if (seconds > 0) {
		info_line("Data rate", "%sB/s", format_rate((double)total->wire_bytes / seconds, rate));
		info_line("Packet rate", "%.2f packets/s", (double)total->packets / seconds);
	}
}

static void print_interface(const struct summary *summary, const struct weir_interface *interface, uint32_t i)
{
	const struct capture_tally none = {0}, *tally = i < summary->walk.interface_count ? &summary->walk.interfaces[i] : &none;
	struct text text = {0};
	char words[128], resolution[64];

	printf("Interface %" PRIu32 "\n", i);
	interface_text(interface, PCAPNG_IF_NAME, &text);
	print_text("  Name", &text);
	interface_text(interface, PCAPNG_IF_DESCRIPTION, &text);
	print_text("  Description", &text);
	info_line("  Encapsulation", "%s", linktype_words(interface->linktype, words, sizeof words));
	info_line("  Snap length", "%" PRIu32 "%s", interface->snaplen, interface->snaplen ? "" : " (no limit)");
	info_line("  Precision", "%s", precision(interface->resolution, resolution, sizeof resolution));
	if (interface->offset_seconds)
		info_line("  Time offset", "%" PRId64 " s", interface->offset_seconds);
	interface_text(interface, PCAPNG_IF_FILTER, &text);
	print_text("  Filter", &text);
	interface_text(interface, PCAPNG_IF_OS, &text);
	print_text("  System", &text);
	interface_text(interface, PCAPNG_IF_HARDWARE, &text);
	print_text("  Hardware", &text);
	interface_text(interface, PCAPNG_COMMENT, &text);
	print_text("  Comment", &text);
	text_free(&text);
	info_line("  Packets", "%" PRIu64, tally->packets);
	if (i < summary->counter_count) {
		const struct counters *counters = &summary->counters[i];
		if (counters->has_received)
			info_line("  Received", "%" PRIu64, counters->received);
		if (counters->has_dropped)
			info_line("  Dropped", "%" PRIu64 " by the interface", counters->dropped);
		if (counters->has_system_dropped)
			info_line("  Dropped", "%" PRIu64 " by the system", counters->system_dropped);
	}
}

static void print_header(const struct summary *summary)
{
	const struct weir_file_header *header = weir_capture_header(summary->source);
	uint32_t count;
	const struct weir_interface *const *interfaces = weir_capture_interfaces(summary->source, &count);
	char words[128];

	info_line("Format", "%s %u.%u, %s", weir_format_name(header->format), header->version_major, header->version_minor,
	          header->big_endian ? "big-endian" : "little-endian");
	info_line("Compression", "%s", weir_compression_name(header->compression));
	if (header->sealed)
		info_line("Sealed", "yes, with age");
	bool mixed = false;
	for (uint32_t i = 1; i < count; i++)
		mixed |= interfaces[i]->linktype != interfaces[0]->linktype;
	if (count)
		info_line("Encapsulation", "%s", mixed ? "per interface" : linktype_words(interfaces[0]->linktype, words, sizeof words));
	if (header->format != WEIR_FORMAT_PCAPNG) {
		info_line("Precision", "%s", count ? precision(interfaces[0]->resolution, words, sizeof words) : "");
		info_line("Snap length", "%" PRIu32 "%s", header->snaplen, header->snaplen ? "" : " (no limit)");
	}
}

static void show_text(const struct summary *summary)
{
	const struct capture_tally *total = &summary->total;
	const struct weir_file_header *header = weir_capture_header(summary->source);
	uint32_t count;
	const struct weir_interface *const *interfaces = weir_capture_interfaces(summary->source, &count);

	print_header(summary);
	info_line("Packets", "%" PRIu64, total->packets);
	if (summary->file_bytes)
		info_line("File size", "%" PRIu64 " bytes", summary->file_bytes);
	info_line("Captured", "%" PRIu64 " bytes", total->captured_bytes);
	info_line("On the wire", "%" PRIu64 " bytes", total->wire_bytes);
	if (total->cut)
		info_line("Cut", "%" PRIu64 " packets, to %" PRIu32 " to %" PRIu32 " bytes", total->cut, total->cut_least,
		          total->cut_most);
	print_rates(total);
	if (total->packets)
		info_line("Mean packet", "%.2f bytes", (double)total->wire_bytes / (double)total->packets);
	if (total->timed < total->packets)
		info_line("Without time", "%" PRIu64 " packets", total->packets - total->timed);
	info_line("Time order", "%s", summary->walk.unsorted ? "no" : "strict");
	if (summary->hash[0])
		info_line("SHA-256", "%s", summary->hash);
	if (header->format != WEIR_FORMAT_PCAPNG)
		return;
	info_line("Sections", "%" PRIu32, header->sections);
	for (uint32_t i = 0; i < summary->section_count; i++) {
		print_text("Hardware", &summary->sections[i].hardware);
		print_text("System", &summary->sections[i].system);
		print_text("Application", &summary->sections[i].application);
		print_text("Comment", &summary->sections[i].comments);
	}
	for (size_t i = 0; i < KINDS; i++)
		if (summary->blocks[i])
			info_line("Blocks", "%" PRIu64 " %s", summary->blocks[i], kinds[i].words);
	info_line("Interfaces", "%" PRIu32, count);
	for (uint32_t i = 0; i < count && i < INTERFACES_PRINTED; i++)
		print_interface(summary, interfaces[i], i);
	if (count > INTERFACES_PRINTED)
		printf("… and %" PRIu32 " more interfaces (--json has them)\n", count - INTERFACES_PRINTED);
}

static void summary_free(struct summary *summary)
{
	for (uint32_t i = 0; i < summary->section_count; i++) {
		text_free(&summary->sections[i].hardware);
		text_free(&summary->sections[i].system);
		text_free(&summary->sections[i].application);
		text_free(&summary->sections[i].comments);
	}
	capture_walk_free(&summary->walk);
	weir_source_close(summary->source);
	free(summary->counters);
	free(summary);
}

static void look(struct summary *summary, bool hash)
{
	int error = weir_capture_open(summary->path, seal_capture_options(), &summary->source, &summary->fault);

	if (!error) {
		summary->walk.block = on_block;
		summary->walk.context = summary;
		error = capture_walk(summary->source, &summary->walk, &summary->fault);
		add_up(summary);
		summary->file_bytes = weir_capture_size(summary->source);
	}
	if (hash && strcmp(summary->path, "-") != 0 && (!error || exit_status_of(error) == EXIT_FAULT_IN_DATA)) {
		struct weir_fault damage = summary->fault;
		/* The damage that was found before matters more than a failure to hash. */
		if (hash_file(summary) < 0 && damage.code)
			summary->fault = damage;
	}
}

static bool is_file(const char *path)
{
	(void)path;
	return true;
}

static int show_file(struct info *info, const char *path)
{
	struct summary *summary = calloc(1, sizeof *summary);
	int status = EXIT_FINE;

	if (!summary) {
		warn(info->command, "no memory");
		return EXIT_COULD_NOT;
	}
	summary->path = path;
	weir_fault_clear(&summary->fault);
	look(summary, info->hash);
	if (info->json) {
		show_json(summary, info->json);
	} else if (summary->source) {
		printf("%s", info->shown++ ? "\n" : "");
		info_line("File", "%s", path);
		show_text(summary);
		fflush(stdout);
	}
	if (summary->fault.code)
		status = report(info->command, &summary->fault);
	summary_free(summary);
	return status;
}

const struct info_kind info_file = {
	.is = is_file,
	.show = show_file,
};
