/*
 * Plants values of people into files of all kinds, in every way of writing them: plant DIR makes
 *
 *     DIR/originals.pcapng   where the values come from
 *     DIR/leaks/NNN-…        a file each with one of them
 *     DIR/clean/NNN-…        the same files with values that nobody has
 *
 * so that an audit has to find something in each of the first, and nothing in the others.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/file.h>

#include "file/stream.h"
#include "plant.h"

void fail(const char *what)
{
	fprintf(stderr, "plant: %s\n", what);
	exit(1);
}

void next_path(struct planting *planting, const char *what, char path[static 512])
{
	snprintf(path, 512, "%s/%03u-%s", planting->folder, ++planting->number, what);
}

static void write_packed(const char *path, enum weir_compression compression, const void *data, size_t length)
{
	struct stream_writer *writer;
	struct weir_fault fault;

	if (stream_writer_open(path, compression, 0, &writer, &fault) < 0 ||
	    stream_writer_write(writer, data, length, &fault) < 0 || stream_writer_finish(writer, &fault) < 0)
		fail(fault.message);
	stream_writer_close(writer);
}

void write_file(const char *path, const void *data, size_t length)
{
	write_packed(path, WEIR_COMPRESSION_NONE, data, length);
}

/* ---- ways of writing ---- */

static void add_hex(struct text *out, const uint8_t *data, size_t length, const char *between, size_t every, bool upper)
{
	for (size_t i = 0; i < length; i++)
		text_add_format(out, upper ? "%s%02X" : "%s%02x", i && i % every == 0 ? between : "", data[i]);
}

static void add_base64(struct text *out, const void *data, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *in = data;

	for (size_t i = 0; i < length; i += 3) {
		uint32_t v =
			(uint32_t)in[i] << 16 | (i + 1 < length ? (uint32_t)in[i + 1] << 8 : 0) | (i + 2 < length ? in[i + 2] : 0);
		for (unsigned j = 0; j < 4; j++)
			text_add_char(out, i + j > length ? '=' : digits[v >> (18 - 6 * j) & 63]);
	}
}

static void add_wide(struct text *out, const char *string, bool big)
{
	for (; *string; string++) {
		text_add_bytes(out, big ? "\0" : string, 1);
		text_add_bytes(out, big ? string : "\0", 1);
	}
}

static void add_percent(struct text *out, const char *string)
{
	for (; *string; string++)
		text_add_format(out, "%%%02X", (unsigned char)*string);
}

static void add_labels(struct text *out, const char *name)
{
	while (*name) {
		size_t length = strcspn(name, ".");
		text_add_char(out, (char)length);
		text_add_bytes(out, name, length);
		name += length + (name[length] == '.');
	}
	text_add_bytes(out, "", 1);
}

static void reverse(const uint8_t *in, uint8_t *out, size_t length)
{
	for (size_t i = 0; i < length; i++)
		out[i] = in[length - 1 - i];
}

struct way {
	const char *name;
	bool binary; /* not for text */
	void (*write)(struct text *out, const struct values *v);
};

#define WAY(name_) static void name_(struct text *out, const struct values *v)
#define DOT "%u.%u.%u.%u"
#define NUMBERS(a) (a)[0], (a)[1], (a)[2], (a)[3]
#define TURNED(a) (a)[3], (a)[2], (a)[1], (a)[0]

WAY(ipv4_dotted) { text_add_format(out, DOT, NUMBERS(v->ipv4)); }
WAY(ipv4_dashes) { text_add_format(out, "ip-%u-%u-%u-%u", NUMBERS(v->ipv4)); }
WAY(ipv4_padded) { text_add_format(out, "%03u.%03u.%03u.%03u", NUMBERS(v->ipv4)); }
WAY(ipv4_port) { text_add_format(out, DOT ":443", NUMBERS(v->ipv4)); }
WAY(ipv4_zone) { text_add_format(out, DOT ".in-addr.arpa", TURNED(v->ipv4)); }
WAY(ipv4_turned) { text_add_format(out, "dsl-%u-%u-%u-%u", TURNED(v->ipv4)); }
WAY(ipv4_hex) { add_hex(out, v->ipv4, 4, "", 4, false); }
WAY(ipv4_0x) { text_add(out, "0x"), add_hex(out, v->ipv4, 4, "", 4, true); }
WAY(ipv4_hex_turned)
{
	uint8_t turned[4];
	reverse(v->ipv4, turned, 4);
	add_hex(out, turned, 4, "", 4, false);
}
WAY(ipv4_decimal) { text_add_format(out, "%u", weir_load_be32(v->ipv4)); }
WAY(ipv4_decimal_turned) { text_add_format(out, "%u", weir_load_le32(v->ipv4)); }
WAY(ipv4_mapped) { text_add_format(out, "::ffff:" DOT, NUMBERS(v->ipv4)); }
WAY(ipv4_mapped_hex) { text_add_format(out, "::FFFF:%x:%x", weir_load_be16(v->ipv4), weir_load_be16(v->ipv4 + 2)); }
WAY(ipv4_compatible) { text_add_format(out, "::%x:%x", weir_load_be16(v->ipv4), weir_load_be16(v->ipv4 + 2)); }
WAY(ipv4_nat64) { text_add_format(out, "64:ff9b::%x:%x", weir_load_be16(v->ipv4), weir_load_be16(v->ipv4 + 2)); }
WAY(ipv4_6to4) { text_add_format(out, "2002:%x:%x::1", weir_load_be16(v->ipv4), weir_load_be16(v->ipv4 + 2)); }
WAY(ipv4_isatap) { text_add_format(out, "fe80::5efe:%x:%x", weir_load_be16(v->ipv4), weir_load_be16(v->ipv4 + 2)); }
WAY(ipv4_base64)
{
	struct text plain = {0};
	ipv4_dotted(&plain, v);
	add_base64(out, plain.data, plain.length);
	text_free(&plain);
}
WAY(ipv4_percent)
{
	struct text plain = {0};
	ipv4_dotted(&plain, v);
	add_percent(out, plain.data);
	text_free(&plain);
}
WAY(ipv4_bytes) { text_add_bytes(out, v->ipv4, 4); }
WAY(ipv4_bytes_turned)
{
	uint8_t turned[4];
	reverse(v->ipv4, turned, 4);
	text_add_bytes(out, turned, 4);
}
WAY(ipv4_bytes_mapped) { text_add_bytes(out, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12), text_add_bytes(out, v->ipv4, 4); }
WAY(ipv4_bytes_nat64) { text_add_bytes(out, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12), text_add_bytes(out, v->ipv4, 4); }
WAY(ipv4_bytes_6to4)
{
	text_add_bytes(out, "\x20\x02", 2), text_add_bytes(out, v->ipv4, 4),
		text_add_bytes(out, "\0\0\0\0\0\0\0\0\0\1", 10);
}
WAY(ipv4_bytes_isatap) { text_add_bytes(out, "\xfe\x80\0\0\0\0\0\0\0\0\x5e\xfe", 12), text_add_bytes(out, v->ipv4, 4); }
WAY(ipv4_wide)
{
	struct text plain = {0};
	ipv4_dotted(&plain, v);
	add_wide(out, plain.data, false);
	text_free(&plain);
}
WAY(ipv4_labels)
{
	struct text plain = {0};
	ipv4_zone(&plain, v);
	add_labels(out, plain.data);
	text_free(&plain);
}

static const char *ipv6_text(const struct values *v)
{
	static char text[INET6_ADDRSTRLEN];
	return inet_ntop(AF_INET6, v->ipv6, text, sizeof text);
}
static void nibbles(struct text *out, const struct values *v)
{
	for (int i = 15; i >= 0; i--)
		text_add_format(out, "%x.%x.", v->ipv6[i] & 15, v->ipv6[i] >> 4);
	text_add(out, "ip6.arpa");
}
WAY(ipv6_usual) { text_add(out, ipv6_text(v)); }
WAY(ipv6_brackets) { text_add_format(out, "[%s]:80", ipv6_text(v)); }
WAY(ipv6_upper)
{
	for (const char *c = ipv6_text(v); *c; c++)
		text_add_char(out, (char)toupper((unsigned char)*c));
}
WAY(ipv6_expanded) { add_hex(out, v->ipv6, 16, ":", 2, false); }
WAY(ipv6_hex) { add_hex(out, v->ipv6, 16, "", 16, false); }
WAY(ipv6_zone) { nibbles(out, v); }
WAY(ipv6_base64) { add_base64(out, v->ipv6, 16); }
WAY(ipv6_bytes) { text_add_bytes(out, v->ipv6, 16); }
WAY(ipv6_bytes_turned)
{
	uint8_t turned[16];
	reverse(v->ipv6, turned, 16);
	text_add_bytes(out, turned, 16);
}
WAY(ipv6_interface) { text_add_bytes(out, v->ipv6 + 8, 8); }
WAY(ipv6_wide) { add_wide(out, ipv6_text(v), true); }
WAY(ipv6_labels)
{
	struct text plain = {0};
	nibbles(&plain, v);
	add_labels(out, plain.data);
	text_free(&plain);
}

WAY(mac_colons) { add_hex(out, v->mac, 6, ":", 1, false); }
WAY(mac_dashes) { add_hex(out, v->mac, 6, "-", 1, true); }
WAY(mac_dots) { add_hex(out, v->mac, 6, ".", 2, false); }
WAY(mac_hex) { add_hex(out, v->mac, 6, "", 6, false); }
WAY(mac_ipv6)
{
	text_add_format(out, "fe80::%x:%xff:fe%02x:%x", (v->mac[0] ^ 2) << 8 | v->mac[1], v->mac[2], v->mac[3],
	                weir_load_be16(v->mac + 4));
}
WAY(mac_base64)
{
	struct text plain = {0};
	mac_colons(&plain, v);
	add_base64(out, plain.data, plain.length);
	text_free(&plain);
}
WAY(mac_bytes) { text_add_bytes(out, v->mac, 6); }
WAY(mac_bytes_turned)
{
	uint8_t turned[6];
	reverse(v->mac, turned, 6);
	text_add_bytes(out, turned, 6);
}
WAY(mac_eui64)
{
	text_add_bytes(out, (uint8_t[]){v->mac[0] ^ 2, v->mac[1], v->mac[2], 0xff, 0xfe, v->mac[3], v->mac[4], v->mac[5]},
	               8);
}

WAY(name_text) { text_add(out, v->name); }
WAY(name_upper)
{
	for (const char *c = v->name; *c; c++)
		text_add_char(out, (char)toupper((unsigned char)*c));
}
WAY(name_domain) { text_add(out, strchr(v->name, '.') + 1); }
WAY(name_mail) { text_add_format(out, "mailto:someone@%s?subject=x", v->name); }
WAY(name_host) { text_add(out, v->host); }
WAY(name_percent) { add_percent(out, v->name); }
WAY(name_base64) { add_base64(out, v->name, strlen(v->name)); }
WAY(name_hex) { add_hex(out, (const uint8_t *)v->name, strlen(v->name), "", 64, false); }
WAY(name_labels) { add_labels(out, v->name); }
WAY(name_wide) { add_wide(out, v->name, false); }
WAY(name_wide_big) { add_wide(out, v->name, true); }
WAY(name_netbios)
{
	char padded[17];
	snprintf(padded, sizeof padded, "%-16s", v->host);
	for (unsigned i = 0; i < 16; i++) {
		unsigned char c = (unsigned char)toupper((unsigned char)padded[i]);
		text_add_char(out, (char)('A' + (c >> 4)));
		text_add_char(out, (char)('A' + (c & 15)));
	}
}

WAY(payload_hex) { add_hex(out, v->payload, 16, "", 32, false); }
WAY(payload_colons) { add_hex(out, v->payload, 16, ":", 1, false); }
WAY(payload_base64) { add_base64(out, v->payload, sizeof v->payload); }
WAY(payload_bytes) { text_add_bytes(out, v->payload + 3, 12); }

static const struct way ways[] = {
	{"ipv4-dotted", false, ipv4_dotted},
	{"ipv4-dashes", false, ipv4_dashes},
	{"ipv4-padded", false, ipv4_padded},
	{"ipv4-port", false, ipv4_port},
	{"ipv4-zone", false, ipv4_zone},
	{"ipv4-turned", false, ipv4_turned},
	{"ipv4-hex", false, ipv4_hex},
	{"ipv4-0x", false, ipv4_0x},
	{"ipv4-hex-turned", false, ipv4_hex_turned},
	{"ipv4-decimal", false, ipv4_decimal},
	{"ipv4-decimal-turned", false, ipv4_decimal_turned},
	{"ipv4-mapped", false, ipv4_mapped},
	{"ipv4-mapped-hex", false, ipv4_mapped_hex},
	{"ipv4-compatible", false, ipv4_compatible},
	{"ipv4-nat64", false, ipv4_nat64},
	{"ipv4-6to4", false, ipv4_6to4},
	{"ipv4-isatap", false, ipv4_isatap},
	{"ipv4-base64", false, ipv4_base64},
	{"ipv4-percent", false, ipv4_percent},
	{"ipv4-bytes", true, ipv4_bytes},
	{"ipv4-bytes-turned", true, ipv4_bytes_turned},
	{"ipv4-bytes-mapped", true, ipv4_bytes_mapped},
	{"ipv4-bytes-nat64", true, ipv4_bytes_nat64},
	{"ipv4-bytes-6to4", true, ipv4_bytes_6to4},
	{"ipv4-bytes-isatap", true, ipv4_bytes_isatap},
	{"ipv4-wide", true, ipv4_wide},
	{"ipv4-labels", true, ipv4_labels},
	{"ipv6-usual", false, ipv6_usual},
	{"ipv6-brackets", false, ipv6_brackets},
	{"ipv6-upper", false, ipv6_upper},
	{"ipv6-expanded", false, ipv6_expanded},
	{"ipv6-hex", false, ipv6_hex},
	{"ipv6-zone", false, ipv6_zone},
	{"ipv6-base64", false, ipv6_base64},
	{"ipv6-bytes", true, ipv6_bytes},
	{"ipv6-bytes-turned", true, ipv6_bytes_turned},
	{"ipv6-interface", true, ipv6_interface},
	{"ipv6-wide", true, ipv6_wide},
	{"ipv6-labels", true, ipv6_labels},
	{"mac-colons", false, mac_colons},
	{"mac-dashes", false, mac_dashes},
	{"mac-dots", false, mac_dots},
	{"mac-hex", false, mac_hex},
	{"mac-ipv6", false, mac_ipv6},
	{"mac-base64", false, mac_base64},
	{"mac-bytes", true, mac_bytes},
	{"mac-bytes-turned", true, mac_bytes_turned},
	{"mac-eui64", true, mac_eui64},
	{"name-text", false, name_text},
	{"name-upper", false, name_upper},
	{"name-domain", false, name_domain},
	{"name-mail", false, name_mail},
	{"name-host", false, name_host},
	{"name-percent", false, name_percent},
	{"name-base64", false, name_base64},
	{"name-hex", false, name_hex},
	{"name-labels", true, name_labels},
	{"name-wide", true, name_wide},
	{"name-wide-big", true, name_wide_big},
	{"name-netbios", false, name_netbios},
	{"payload-hex", false, payload_hex},
	{"payload-colons", false, payload_colons},
	{"payload-base64", false, payload_base64},
	{"payload-bytes", true, payload_bytes},
};

/* ---- places ---- */

static void in_file(struct planting *planting, const char *way, const struct text *value, const char *before,
                    const char *behind, const char *ending, enum weir_compression compression)
{
	struct text out = {0};
	char what[64], path[512];

	text_add(&out, before);
	text_add_bytes(&out, value->data, value->length);
	text_add(&out, behind);
	snprintf(what, sizeof what, "%s%s", way, ending);
	next_path(planting, what, path);
	write_packed(path, compression, out.data, out.length);
	text_free(&out);
}

static void in_payload(struct planting *planting, const char *way, const struct text *value)
{
	uint8_t frame[512];
	char what[64];

	snprintf(what, sizeof what, "%s.pcapng", way);
	write_capture(planting, what, frame, udp_frame(frame, 4711, value->data, value->length));
}

static void in_comment(struct planting *planting, const char *way, const struct text *value)
{
	struct text out = {0};
	uint8_t frame[64];
	char what[64], path[512];

	put_section(&out, NULL);
	put_interface(&out, NULL, NULL);
	put_packet(&out, frame, udp_frame(frame, 9, "", 0), value->data);
	snprintf(what, sizeof what, "%s-comment.pcapng.zst", way);
	next_path(planting, what, path);
	write_packed(path, WEIR_COMPRESSION_ZSTD, out.data, out.length);
	text_free(&out);
}

static void write_flows(struct planting *planting, const char *what, const struct weir_flow *flow)
{
	struct weir_flow_sink *sink;
	struct weir_fault fault;
	char path[512];

	next_path(planting, what, path);
	if (weir_flow_parquet_open(path, NULL, &sink, &fault) < 0 || sink->ops->write(sink, flow, 1, &fault) < 0 ||
	    sink->ops->finish(sink, &fault) < 0)
		fail(fault.message);
	sink->ops->close(sink);
}

static void plain_flow(struct weir_flow *flow)
{
	weir_flow_clear(flow);
	flow->source = flow->destination = (struct weir_ip){.bytes = {198, 51, 100, 9}, .version = 4};
	flow->protocol = 17;
	flow->ip_version = 4;
	flow->forward.first_ns = flow->forward.last_ns = INT64_C(1700000000000000000);
	flow->forward.packets = 1;
}

static void in_parquet(struct planting *planting, const char *way, const struct text *value)
{
	struct weir_flow flow;
	char what[64];

	/* Text alone: other bytes are replaced when it is written, and there is no leak. */
	for (size_t i = 0, step; i < value->length; i += step)
		if ((step = utf8_length(value->data + i, value->length - i)) == 0)
			return;
	plain_flow(&flow);
	flow.server_name = (struct weir_bytes){(const uint8_t *)value->data, value->length};
	snprintf(what, sizeof what, "%s.parquet", way);
	write_flows(planting, what, &flow);
}

/* Columns of their own. */
static void plant_columns(struct planting *planting, const struct values *v)
{
	struct weir_flow flow;

	plain_flow(&flow);
	memcpy(flow.source.bytes, v->ipv4, 4);
	write_flows(planting, "column-source.parquet", &flow);
	plain_flow(&flow);
	flow.outer_destination.version = 6;
	memcpy(flow.outer_destination.bytes, v->ipv6, 16);
	write_flows(planting, "column-outer.parquet", &flow);
	plain_flow(&flow);
	flow.has_macs = true;
	memcpy(flow.source_mac, v->mac, 6);
	write_flows(planting, "column-mac.parquet", &flow);
	plain_flow(&flow);
	flow.forward.captured_bytes = weir_load_be32(v->ipv4);
	write_flows(planting, "column-number.parquet", &flow);
	plain_flow(&flow);
	flow.vantages = (struct weir_bytes){(const uint8_t *)v->host, strlen(v->host)};
	write_flows(planting, "column-vantages.parquet", &flow);
}

static void in_database(struct planting *planting, const char *way, const struct text *value, bool binary)
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	char what[64], path[512];

	snprintf(what, sizeof what, "%s.db", way);
	next_path(planting, what, path);
	remove(path);
	if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, "CREATE TABLE t(a)", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "INSERT INTO t VALUES(?)", -1, &statement, NULL) != SQLITE_OK)
		fail("a database can't be made");
	if (binary)
		sqlite3_bind_blob(statement, 1, value->data, (int)value->length, SQLITE_STATIC);
	else
		sqlite3_bind_text(statement, 1, value->data, (int)value->length, SQLITE_STATIC);
	sqlite3_step(statement);
	sqlite3_finalize(statement);
	sqlite3_close(db);
}

/* A frame that decompressors skip, and a gzip header with a name. */
static void plant_between_frames(struct planting *planting, const struct values *v)
{
	uint8_t out[512];
	char path[512];
	size_t length = strlen(v->name);

	next_path(planting, "skipped-frame.zst", path);
	write_packed(path, WEIR_COMPRESSION_ZSTD, "nothing", 7);
	FILE *file = fopen(path, "ab");
	memcpy(out, "\x50\x2a\x4d\x18", 4);
	weir_store_le32(out + 4, (uint32_t)length);
	memcpy(out + 8, v->name, length);
	if (!file || fwrite(out, 1, 8 + length, file) != 8 + length || fclose(file) != 0)
		fail("a frame can't be added");
	/* ID, deflate, FNAME; then what the name is, and an empty block. */
	memcpy(out, "\x1f\x8b\x08\x08\0\0\0\0\0\x03", 10);
	memcpy(out + 10, v->name, length + 1);
	memcpy(out + 11 + length, "\x03\0\0\0\0\0\0\0\0\0", 10);
	next_path(planting, "name-in-header.gz", path);
	write_file(path, out, 21 + length);
}

static void plant_all(const char *folder, const struct values *v)
{
	struct planting planting = {.folder = folder};
	struct text value = {0};
	char what[300], path[512];

	if (mkdir(folder, 0777) < 0 && errno != EEXIST)
		fail("a folder can't be made");
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		text_clear(&value);
		ways[i].write(&value, v);
		if (value.failed)
			fail("no memory");
		in_payload(&planting, ways[i].name, &value);
		in_parquet(&planting, ways[i].name, &value);
		in_database(&planting, ways[i].name, &value, ways[i].binary);
		if (ways[i].binary) {
			in_file(&planting, ways[i].name, &value, "\x7f", "\x7f", ".bin.lz4", WEIR_COMPRESSION_LZ4);
			continue;
		}
		in_comment(&planting, ways[i].name, &value);
		in_file(&planting, ways[i].name, &value, "A note: ", ", and more.\n", ".md", WEIR_COMPRESSION_NONE);
		in_file(&planting, ways[i].name, &value, "{\"a\":\"", "\"}\n", ".json.zst", WEIR_COMPRESSION_ZSTD);
		in_file(&planting, ways[i].name, &value, "<td>", "</td>", ".html.gz", WEIR_COMPRESSION_GZIP);
		snprintf(what, sizeof what, "%s %s", ways[i].name, value.data);
		if (strchr(what, '/'))
			continue;
		next_path(&planting, what, path);
		write_file(path, "x", 1);
	}
	plant_fields(&planting, v);
	plant_columns(&planting, v);
	plant_between_frames(&planting, v);
	text_free(&value);
}

int main(int argc, char **argv)
{
	static const struct values originals = {
		.ipv4 = {100, 73, 241, 17},
		.other_ipv4 = {87, 201, 33, 140},
		.ipv6 = {0x2a, 0x02, 0x80, 0x71, 0x05, 0x1d, 0x9a, 0x3c, 0x4d, 0x21, 0x77, 0xfe, 0x81, 0xba, 0xc3, 0xe9},
		.mac = {0x3c, 0xa9, 0xf4, 0x52, 0x8b, 0x7d},
		.name = "lager7.kranich-institut.example",
		.host = "buero-pc-17",
		.payload = "Strictly secret\x93\x17\xe2 42!",
	};
	static const struct values twins = {
		.ipv4 = {101, 64, 222, 93},
		.other_ipv4 = {88, 142, 77, 31},
		.ipv6 = {0x2a, 0x00, 0x1b, 0x70, 0x42, 0x0c, 0x3d, 0x9e, 0x91, 0xc4, 0x5a, 0x0b, 0x6e, 0xd2, 0x38, 0xf7},
		.mac = {0x48, 0x5b, 0x39, 0x0c, 0xee, 0x26},
		.name = "obst3.reiher-akademie.test",
		.host = "halle-nb-29",
		.payload = "Totally open\x81\x92\xa3 to all",
	};
	char path[512];

	if (argc != 2)
		fail("usage: plant DIR");
	if (mkdir(argv[1], 0777) < 0 && errno != EEXIST)
		fail("the folder can't be made");
	snprintf(path, sizeof path, "%s/originals.pcapng", argv[1]);
	write_originals(path, &originals);
	snprintf(path, sizeof path, "%s/leaks", argv[1]);
	plant_all(path, &originals);
	snprintf(path, sizeof path, "%s/clean", argv[1]);
	plant_all(path, &twins);
	return 0;
}
