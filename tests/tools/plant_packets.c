/* plant: capture files with a value in each field that can hold it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plant.h"

/* ---- pcapng ---- */

void put_block(struct text *out, uint32_t type, const void *body, size_t length)
{
	uint32_t total = (uint32_t)(12 + ((length + 3) & ~(size_t)3));

	text_add_bytes(out, &type, 4);
	text_add_bytes(out, &total, 4);
	text_add_bytes(out, body, length);
	text_add_bytes(out, "\0\0\0", total - 12 - length);
	text_add_bytes(out, &total, 4);
}

static void put_option(struct text *out, uint16_t code, const char *value)
{
	uint16_t length = (uint16_t)strlen(value);

	text_add_bytes(out, &code, 2);
	text_add_bytes(out, &length, 2);
	text_add_bytes(out, value, length);
	text_add_bytes(out, "\0\0\0", (4 - length % 4) % 4);
}

void put_section(struct text *out, const char *application)
{
	struct text body = {0};

	text_add_bytes(&body, "\x4d\x3c\x2b\x1a\1\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16);
	if (application) {
		put_option(&body, 4, application);
		text_add_bytes(&body, "\0\0\0\0", 4);
	}
	put_block(out, 0x0a0d0d0a, body.data, body.length);
	text_free(&body);
}

void put_interface(struct text *out, const char *name, const char *description)
{
	struct text body = {0};

	text_add_bytes(&body, "\1\0\0\0\0\0\0\0", 8);
	if (name)
		put_option(&body, 2, name);
	if (description)
		put_option(&body, 3, description);
	text_add_bytes(&body, "\0\0\0\0", 4);
	put_block(out, 1, body.data, body.length);
	text_free(&body);
}

void put_packet(struct text *out, const void *data, size_t length, const char *comment)
{
	uint32_t head[5] = {0, 0x00060a5f, 0x1f3c2d1b, (uint32_t)length, (uint32_t)length};
	struct text body = {0};

	text_add_bytes(&body, head, sizeof head);
	text_add_bytes(&body, data, length);
	text_add_bytes(&body, "\0\0\0", (4 - length % 4) % 4);
	if (comment) {
		put_option(&body, 1, comment);
		text_add_bytes(&body, "\0\0\0\0", 4);
	}
	put_block(out, 6, body.data, body.length);
	text_free(&body);
}

/* ---- frames ---- */

static const uint8_t nobody_mac[6] = {2, 0, 0, 0, 0, 9}, nobody[4] = {198, 51, 100, 9};

static size_t ethernet(uint8_t *out, const uint8_t *destination, const uint8_t *source, uint16_t type)
{
	memcpy(out, destination, 6);
	memcpy(out + 6, source, 6);
	weir_store_be16(out + 12, type);
	return 14;
}

static size_t ipv4(uint8_t *out, const uint8_t *source, const uint8_t *destination, uint8_t protocol, size_t payload)
{
	memset(out, 0, 20);
	out[0] = 0x45;
	weir_store_be16(out + 2, (uint16_t)(20 + payload));
	out[8] = 64;
	out[9] = protocol;
	memcpy(out + 12, source, 4);
	memcpy(out + 16, destination, 4);
	return 20;
}

static size_t udp(uint8_t *out, uint16_t port, size_t payload)
{
	weir_store_be16(out, 40000);
	weir_store_be16(out + 2, port);
	weir_store_be16(out + 4, (uint16_t)(8 + payload));
	weir_store_be16(out + 6, 0);
	return 8;
}

static size_t ipv6(uint8_t *out, const uint8_t *source, const uint8_t *destination, uint8_t next, size_t payload)
{
	memset(out, 0, 8);
	out[0] = 0x60;
	weir_store_be16(out + 4, (uint16_t)payload);
	out[6] = next;
	out[7] = 255;
	memcpy(out + 8, source, 16);
	memcpy(out + 24, destination, 16);
	return 40;
}

size_t udp_frame(uint8_t *out, uint16_t port, const void *payload, size_t length)
{
	size_t at = ethernet(out, nobody_mac, nobody_mac, 0x0800);

	at += ipv4(out + at, nobody, nobody, 17, 8 + length);
	at += udp(out + at, port, length);
	memcpy(out + at, payload, length);
	return at + length;
}

void write_capture(struct planting *planting, const char *what, const void *frame, size_t length)
{
	struct text out = {0};
	char path[512];

	put_section(&out, NULL);
	put_interface(&out, NULL, NULL);
	put_packet(&out, frame, length, NULL);
	next_path(planting, what, path);
	write_file(path, out.data, out.length);
	text_free(&out);
}

/* ---- DNS ---- */

static size_t put_name(uint8_t *out, const char *name)
{
	size_t at = 0;

	while (*name) {
		size_t length = strcspn(name, ".");
		out[at++] = (uint8_t)length;
		memcpy(out + at, name, length);
		at += length;
		name += length + (name[length] == '.');
	}
	out[at++] = 0;
	return at;
}

/* A question for name, and an answer when there are data for it. */
static size_t dns(uint8_t *out, const char *name, uint16_t type, const void *data, size_t length)
{
	size_t at = 12;

	memcpy(out, data ? "\x12\x34\x81\x80\0\1\0\1\0\0\0\0" : "\x12\x34\1\0\0\1\0\0\0\0\0\0", 12);
	at += put_name(out + at, name);
	weir_store_be16(out + at, type);
	weir_store_be16(out + at + 2, 1);
	at += 4;
	if (!data)
		return at;
	memcpy(out + at, "\xc0\x0c", 2);
	weir_store_be16(out + at + 2, type);
	weir_store_be16(out + at + 4, 1);
	weir_store_be32(out + at + 6, 300);
	weir_store_be16(out + at + 10, (uint16_t)length);
	memcpy(out + at + 12, data, length);
	return at + 12 + length;
}

static void plant_dns(struct planting *planting, const struct values *v)
{
	uint8_t frame[512], message[400];
	char name[64];

	write_capture(planting, "dns-question.pcapng", frame,
	              udp_frame(frame, 53, message, dns(message, v->name, 1, NULL, 0)));
	write_capture(planting, "dns-a.pcapng", frame, udp_frame(frame, 53, message, dns(message, "a.b", 1, v->ipv4, 4)));
	write_capture(planting, "dns-aaaa.pcapng", frame,
	              udp_frame(frame, 53, message, dns(message, "a.b", 28, v->ipv6, 16)));
	snprintf(name, sizeof name, "%u.%u.%u.%u.in-addr.arpa", v->ipv4[3], v->ipv4[2], v->ipv4[1], v->ipv4[0]);
	write_capture(planting, "dns-ptr.pcapng", frame, udp_frame(frame, 53, message, dns(message, name, 12, NULL, 0)));
	size_t length = put_name(message + 300, v->name);
	write_capture(planting, "dns-cname.pcapng", frame,
	              udp_frame(frame, 53, message, dns(message, "a.b", 5, message + 300, length)));
}

/* ---- fields ---- */

static void plant_link(struct planting *planting, const struct values *v)
{
	uint8_t frame[256] = {0};
	size_t at;

	at = ethernet(frame, v->mac, nobody_mac, 0x0800);
	at += ipv4(frame + at, nobody, nobody, 17, 8);
	at += udp(frame + at, 9, 0);
	write_capture(planting, "ethernet-destination.pcapng", frame, at);
	ethernet(frame, nobody_mac, v->mac, 0x0800);
	write_capture(planting, "ethernet-source.pcapng", frame, at);
	ethernet(frame, nobody_mac, nobody_mac, 0x0800);
	memcpy(frame + at, v->ipv4, 4);
	write_capture(planting, "ethernet-trailer.pcapng", frame, at + 4);

	/* ARP (RFC 826) */
	memset(frame, 0, sizeof frame);
	at = ethernet(frame, nobody_mac, nobody_mac, 0x0806);
	memcpy(frame + at, "\0\1\x08\0\6\4\0\1", 8);
	memcpy(frame + at + 14, v->ipv4, 4);
	write_capture(planting, "arp-sender.pcapng", frame, at + 28);
	memset(frame + at + 14, 0, 4);
	memcpy(frame + at + 24, v->ipv4, 4);
	write_capture(planting, "arp-target.pcapng", frame, at + 28);
	memset(frame + at + 24, 0, 4);
	memcpy(frame + at + 8, v->mac, 6);
	write_capture(planting, "arp-hardware.pcapng", frame, at + 28);
}

static void plant_network(struct planting *planting, const struct values *v)
{
	static const uint8_t nobody6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 9};
	uint8_t frame[256] = {0};
	size_t link = ethernet(frame, nobody_mac, nobody_mac, 0x0800), at;

	at = link + ipv4(frame + link, v->ipv4, nobody, 17, 8);
	at += udp(frame + at, 9, 0);
	write_capture(planting, "ipv4-source.pcapng", frame, at);
	ipv4(frame + link, nobody, v->ipv4, 17, 8);
	write_capture(planting, "ipv4-destination.pcapng", frame, at);

	/* An option: record route (RFC 791), one address. */
	ipv4(frame + link, nobody, nobody, 17, 16);
	frame[link] = 0x47;
	memcpy(frame + link + 20, (uint8_t[]){7, 7, 8, v->ipv4[0], v->ipv4[1], v->ipv4[2], v->ipv4[3], 0}, 8);
	udp(frame + link + 28, 9, 0);
	write_capture(planting, "ipv4-option.pcapng", frame, link + 36);

	/* IP in IP, and GRE. */
	at = link + ipv4(frame + link, nobody, nobody, 4, 28);
	at += ipv4(frame + at, nobody, v->ipv4, 17, 8);
	at += udp(frame + at, 9, 0);
	write_capture(planting, "ip-in-ip.pcapng", frame, at);
	at = link + ipv4(frame + link, nobody, nobody, 47, 32);
	memcpy(frame + at, "\0\0\x08\0", 4);
	at += 4 + ipv4(frame + at + 4, v->ipv4, nobody, 17, 8);
	at += udp(frame + at, 9, 0);
	write_capture(planting, "gre.pcapng", frame, at);

	/* An ICMP error quotes a packet of the host. */
	at = link + ipv4(frame + link, nobody, nobody, 1, 36);
	memcpy(frame + at, "\3\1\0\0\0\0\0\0", 8);
	at += 8 + ipv4(frame + at + 8, v->ipv4, nobody, 17, 8);
	at += udp(frame + at, 9, 0);
	write_capture(planting, "icmp-quote.pcapng", frame, at);

	/* A TCP option that nobody knows. */
	at = link + ipv4(frame + link, nobody, nobody, 6, 28);
	memset(frame + at, 0, 28);
	memcpy(frame + at, "\x9c\x40\0\x09", 4);
	frame[at + 12] = 0x70;
	frame[at + 13] = 2;
	memcpy(frame + at + 20, (uint8_t[]){253, 8, 0xf9, 0x89, v->ipv4[0], v->ipv4[1], v->ipv4[2], v->ipv4[3]}, 8);
	write_capture(planting, "tcp-option.pcapng", frame, at + 28);

	/* IPv6: header, neighbour solicitation with target and link-layer address. */
	link = ethernet(frame, nobody_mac, nobody_mac, 0x86dd);
	at = link + ipv6(frame + link, v->ipv6, nobody6, 17, 8);
	at += udp(frame + at, 9, 0);
	write_capture(planting, "ipv6-source.pcapng", frame, at);
	ipv6(frame + link, nobody6, v->ipv6, 17, 8);
	write_capture(planting, "ipv6-destination.pcapng", frame, at);
	at = link + ipv6(frame + link, nobody6, nobody6, 58, 32);
	memset(frame + at, 0, 32);
	frame[at] = 135;
	memcpy(frame + at + 8, v->ipv6, 16);
	write_capture(planting, "nd-target.pcapng", frame, at + 32);
	memcpy(frame + at + 8, nobody6, 16);
	frame[at + 24] = frame[at + 25] = 1;
	memcpy(frame + at + 26, v->mac, 6);
	write_capture(planting, "nd-link-layer.pcapng", frame, at + 32);
}

static size_t dhcp(uint8_t *out, const uint8_t *yours, const uint8_t *mac, const char *host)
{
	size_t length = strlen(host);

	memset(out, 0, 300);
	memcpy(out, "\2\1\6\0\x12\x34\x56\x78", 8);
	memcpy(out + 16, yours, 4);
	memcpy(out + 28, mac, 6);
	memcpy(out + 236, "\x63\x82\x53\x63\x35\1\5\x0c", 8);
	out[244] = (uint8_t)length;
	memcpy(out + 245, host, length);
	out[245 + length] = 255;
	return 246 + length;
}

static void plant_applications(struct planting *planting, const struct values *v)
{
	uint8_t frame[512], message[400];
	char request[256];

	plant_dns(planting, v);
	write_capture(planting, "dhcp-yours.pcapng", frame,
	              udp_frame(frame, 68, message, dhcp(message, v->ipv4, nobody_mac, "abc")));
	write_capture(planting, "dhcp-hardware.pcapng", frame,
	              udp_frame(frame, 68, message, dhcp(message, nobody, v->mac, "abc")));
	write_capture(planting, "dhcp-host.pcapng", frame,
	              udp_frame(frame, 68, message, dhcp(message, nobody, nobody_mac, v->host)));
	snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", v->name);
	write_capture(planting, "http-host.pcapng", frame, udp_frame(frame, 80, request, strlen(request)));
	write_capture(planting, "payload.pcapng", frame, udp_frame(frame, 4711, v->payload, sizeof v->payload));
}

static void plant_blocks(struct planting *planting, const struct values *v)
{
	struct {
		const char *what, *application, *name, *description;
	} places[] = {
		{"section-option.pcapng", v->host, NULL, NULL},
		{"interface-name.pcapng", NULL, v->host, NULL},
		{"interface-description.pcapng", NULL, NULL, v->name},
	};
	struct text out = {0};
	char path[512];

	for (size_t i = 0; i < 3; i++) {
		text_clear(&out);
		put_section(&out, places[i].application);
		put_interface(&out, places[i].name, places[i].description);
		next_path(planting, places[i].what, path);
		write_file(path, out.data, out.length);
	}
	/* A name resolution block: an address and its name. */
	uint8_t record[64] = {1, 0, 8, 0};
	for (unsigned way = 0; way < 2; way++) {
		memcpy(record + 4, way == 0 ? v->ipv4 : nobody, 4);
		memcpy(record + 8, "abc\0\0\0\0", 8);
		size_t length = 16;
		if (way == 1) {
			weir_store_le16(record + 2, (uint16_t)(5 + strlen(v->name)));
			memset(record + 8, 0, sizeof record - 8);
			memcpy(record + 8, v->name, strlen(v->name));
			length = (8 + strlen(v->name) + 1 + 3) / 4 * 4 + 4;
		}
		text_clear(&out);
		put_section(&out, NULL);
		put_interface(&out, NULL, NULL);
		put_block(&out, 4, record, length);
		next_path(planting, way == 0 ? "resolution-address.pcapng" : "resolution-name.pcapng", path);
		write_file(path, out.data, out.length);
	}
	text_clear(&out);
	put_section(&out, NULL);
	put_interface(&out, NULL, NULL);
	memcpy(record, "\xff\xff\0\0", 4);
	memcpy(record + 4, v->ipv4, 4);
	put_block(&out, 0x0bad, record, 8);
	next_path(planting, "custom-block.pcapng", path);
	write_file(path, out.data, out.length);
	text_free(&out);
}

void plant_fields(struct planting *planting, const struct values *values)
{
	plant_link(planting, values);
	plant_network(planting, values);
	plant_applications(planting, values);
	plant_blocks(planting, values);
}

/* The capture that all values are in, where they are gathered from. */
void write_originals(const char *path, const struct values *v)
{
	static const uint8_t other_mac[6] = {0x8c, 0x16, 0x45, 0xb7, 0x02, 0x9e};
	uint8_t frame[512], message[400];
	struct text out = {0};
	size_t at;

	put_section(&out, NULL);
	put_interface(&out, NULL, NULL);
	at = ethernet(frame, v->mac, other_mac, 0x0800);
	at += ipv4(frame + at, v->ipv4, v->other_ipv4, 17, 8 + sizeof v->payload);
	at += udp(frame + at, 4711, sizeof v->payload);
	memcpy(frame + at, v->payload, sizeof v->payload);
	put_packet(&out, frame, at + sizeof v->payload, NULL);
	at = ethernet(frame, v->mac, other_mac, 0x86dd);
	at += ipv6(frame + at, v->ipv6, v->ipv6, 17, 8);
	at += udp(frame + at, 9, 0);
	put_packet(&out, frame, at, NULL);
	for (unsigned i = 0; i < 2; i++) {
		at = i == 0 ? udp_frame(frame, 53, message, dns(message, v->name, 1, NULL, 0))
		            : udp_frame(frame, 68, message, dhcp(message, v->ipv4, v->mac, v->host));
		ethernet(frame, v->mac, other_mac, 0x0800);
		put_packet(&out, frame, at, NULL);
	}
	write_file(path, out.data, out.length);
	text_free(&out);
}
