/* What the applications of an enterprise say first, so that whoever names applications finds something. */
#include <stdio.h>
#include <string.h>

#include <weir/bytes.h>

#include "bench/gen.h"

enum talk {
	TALK_TLS, TALK_HTTP, TALK_PROXY, TALK_DNS, TALK_SMB, TALK_EPM, TALK_DCERPC, TALK_LDAP, TALK_KERBEROS, TALK_KERBEROS_UDP,
	TALK_TDS, TALK_RDP, TALK_SMTP, TALK_IMAP, TALK_POP, TALK_MYSQL, TALK_POSTGRES, TALK_ORACLE, TALK_SSH, TALK_FTP,
	TALK_NTP, TALK_SNMP, TALK_NBNS, TALK_SIP, TALK_RTP, TALK_SYSLOG, TALK_RADIUS, TALK_RTSP, TALK_QUIC, TALK_VNC,
	TALK_PRINT, TALK_NDMP, TALK_ISCSI, TALK_NFS, TALK_CITRIX, TALK_WINRM, TALK_LDAPS, TALK_IMAPS, TALK_PING, TALK_COUNT
};

const struct service services[TALK_COUNT] = {
	[TALK_TLS] = {.name = "https", .port = 443, .transport = 6, .weight = 52},
	[TALK_HTTP] = {.name = "http", .port = 80, .transport = 6, .weight = 16, .words = true},
	[TALK_PROXY] = {.name = "proxy", .port = 8080, .transport = 6, .weight = 6, .words = true},
	[TALK_DNS] = {.name = "dns", .port = 53, .transport = 17, .weight = 28, .short_lived = true, .numbered = true},
	[TALK_SMB] = {.name = "smb", .port = 445, .transport = 6, .weight = 28, .bulk = true},
	[TALK_EPM] = {.name = "epm", .port = 135, .transport = 6, .weight = 5},
	[TALK_DCERPC] = {.name = "dcerpc", .port = 49155, .transport = 6, .weight = 12},
	[TALK_LDAP] = {.name = "ldap", .port = 389, .transport = 6, .weight = 10},
	[TALK_KERBEROS] = {.name = "kerberos", .port = 88, .transport = 6, .weight = 4},
	[TALK_KERBEROS_UDP] = {.name = "kerberos", .port = 88, .transport = 17, .weight = 4, .short_lived = true},
	[TALK_TDS] = {.name = "tds", .port = 1433, .transport = 6, .weight = 10, .bulk = true},
	[TALK_RDP] = {.name = "rdp", .port = 3389, .transport = 6, .weight = 6, .bulk = true},
	[TALK_SMTP] = {.name = "smtp", .port = 25, .transport = 6, .weight = 5, .server_first = true, .words = true},
	[TALK_IMAP] = {.name = "imap", .port = 143, .transport = 6, .weight = 3, .server_first = true, .words = true},
	[TALK_POP] = {.name = "pop", .port = 110, .transport = 6, .weight = 1, .server_first = true, .words = true},
	[TALK_MYSQL] = {.name = "mysql", .port = 3306, .transport = 6, .weight = 4, .server_first = true},
	[TALK_POSTGRES] = {.name = "postgres", .port = 5432, .transport = 6, .weight = 4, .words = true},
	[TALK_ORACLE] = {.name = "oracle", .port = 1521, .transport = 6, .weight = 3},
	[TALK_SSH] = {.name = "ssh", .port = 22, .transport = 6, .weight = 4, .server_first = true},
	[TALK_FTP] = {.name = "ftp", .port = 21, .transport = 6, .weight = 1, .server_first = true, .words = true},
	[TALK_NTP] = {.name = "ntp", .port = 123, .transport = 17, .weight = 3, .short_lived = true},
	[TALK_SNMP] = {.name = "snmp", .port = 161, .transport = 17, .weight = 3, .short_lived = true},
	[TALK_NBNS] = {.name = "nbns", .port = 137, .transport = 17, .weight = 3, .short_lived = true, .numbered = true},
	[TALK_SIP] = {.name = "sip", .port = 5060, .transport = 17, .weight = 2, .words = true},
	[TALK_RTP] = {.name = "rtp", .port = 16384, .transport = 17, .weight = 2, .bulk = true},
	[TALK_SYSLOG] = {.name = "syslog", .port = 514, .transport = 17, .weight = 2, .words = true},
	[TALK_RADIUS] = {.name = "radius", .port = 1812, .transport = 17, .weight = 1, .short_lived = true},
	[TALK_RTSP] = {.name = "rtsp", .port = 554, .transport = 6, .weight = 1, .words = true},
	[TALK_QUIC] = {.name = "quic", .port = 443, .transport = 17, .weight = 8},
	[TALK_VNC] = {.name = "vnc", .port = 5900, .transport = 6, .weight = 1, .server_first = true, .bulk = true},
	[TALK_PRINT] = {.name = "print", .port = 9100, .transport = 6, .weight = 2, .words = true},
	[TALK_NDMP] = {.name = "ndmp", .port = 10000, .transport = 6, .weight = 2, .bulk = true},
	[TALK_ISCSI] = {.name = "iscsi", .port = 3260, .transport = 6, .weight = 3, .bulk = true},
	[TALK_NFS] = {.name = "nfs", .port = 2049, .transport = 6, .weight = 4, .bulk = true},
	[TALK_CITRIX] = {.name = "citrix", .port = 1494, .transport = 6, .weight = 3, .server_first = true},
	[TALK_WINRM] = {.name = "winrm", .port = 5985, .transport = 6, .weight = 2, .words = true},
	[TALK_LDAPS] = {.name = "ldaps", .port = 636, .transport = 6, .weight = 3},
	[TALK_IMAPS] = {.name = "imaps", .port = 993, .transport = 6, .weight = 4},
	[TALK_PING] = {.name = "ping", .port = 0, .transport = 1, .weight = 3},
};
const unsigned service_count = TALK_COUNT;

static struct head heads[TALK_COUNT][2][HEAD_VARIANTS];

const struct head *service_head(unsigned service, bool server, unsigned variant)
{
	return &heads[service][server][variant % HEAD_VARIANTS];
}

static const char *const names[HEAD_VARIANTS] = {
	"mail.corp.example.org", "intranet.corp.example.org", "www.example.com", "cdn.example.net", "teams.example.com", "update.example.net",
	"wiki.corp.example.org", "build.corp.example.org", "sso.corp.example.org", "files.corp.example.org", "api.example.com",
	"video.example.net", "erp.corp.example.org", "tickets.corp.example.org", "news.example.org", "crm.example.com"};

static void add(struct head *h, const void *data, size_t length)
{
	size_t room = HEAD_MAX - (size_t)h->length;

	length = length < room ? length : room;
	memcpy(h->data + h->length, data, length);
	h->length = (uint16_t)(h->length + length);
}

#define ADD(h, ...) add(h, (const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__})

static void add16(struct head *h, size_t value) { ADD(h, (uint8_t)(value >> 8), (uint8_t)value); }
static void text(struct head *h, const char *words) { add(h, words, strlen(words)); }

static void add_noise(struct head *h, struct random *random, unsigned length)
{
	while (length--)
		ADD(h, (uint8_t)(random_next(random) >> 32));
}

/* ClientHello (RFC 8446) with the server's name before anything else, and ServerHello. */
static void make_tls(struct head *h, struct random *random, bool server, const char *name)
{
	size_t n = strlen(name);

	if (server) {
		ADD(h, 0x16, 3, 3, 0, 74, 2, 0, 0, 70, 3, 3);
		add_noise(h, random, 32);
		ADD(h, 0, 0x13, 0x01, 0, 0, 30, 0, 43, 0, 2, 3, 4, 0, 51, 0, 20, 0, 29, 0, 16);
		add_noise(h, random, 16);
		return;
	}
	size_t extensions = 9 + n + 7 + 10, hello = 2 + 32 + 1 + 2 + 6 + 2 + 2 + extensions;
	ADD(h, 0x16, 3, 1);
	add16(h, hello + 4);
	ADD(h, 1, 0);
	add16(h, hello);
	ADD(h, 3, 3);
	add_noise(h, random, 32);
	ADD(h, 0, 0, 6, 0x13, 1, 0x13, 2, 0xc0, 0x2f, 1, 0);
	add16(h, extensions);
	ADD(h, 0, 0);
	add16(h, n + 5);
	add16(h, n + 3);
	ADD(h, 0);
	add16(h, n);
	text(h, name);
	ADD(h, 0, 43, 0, 3, 2, 3, 4);
	ADD(h, 0, 10, 0, 6, 0, 4, 0, 29, 0, 23);
}

static void make_http(struct head *h, bool server, const char *name, const char *what)
{
	char line[HEAD_MAX];

	if (server)
		snprintf(line, sizeof line, "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 48213\r\n\r\n<!doctype html>");
	else
		snprintf(line, sizeof line, "%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n", what, name);
	text(h, line);
}

static void add_name(struct head *h, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");
		ADD(h, (uint8_t)n);
		add(h, name, n);
		name += n + (name[n] == '.');
	}
	ADD(h, 0);
}

static void make_dns(struct head *h, bool server, const char *name, unsigned variant)
{
	ADD(h, 0, 0, server ? 0x81 : 1, server ? 0x80 : 0, 0, 1, 0, server, 0, 0, 0, 0);
	add_name(h, name);
	ADD(h, 0, 1, 0, 1);
	if (server)
		ADD(h, 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 10, 20, 0, (uint8_t)(variant * 3 + 1));
}

/* A name of NetBIOS (RFC 1001): two letters a byte. */
static void make_nbns(struct head *h, bool server, unsigned variant)
{
	char name[17];

	snprintf(name, sizeof name, "SERVER%02u        ", variant);
	ADD(h, 0, 0, server ? 0x85 : 1, server ? 0 : 0x10, 0, !server, 0, server, 0, 0, 0, 0, 32);
	for (int i = 0; i < 16; i++)
		ADD(h, (uint8_t)('A' + (name[i] >> 4 & 15)), (uint8_t)('A' + (name[i] & 15)));
	ADD(h, 0, 0, 32, 0, 1);
	if (server)
		ADD(h, 0, 4, 0x93, 0xe0, 0, 6, 0, 0, 10, 20, 0, (uint8_t)(variant * 3 + 1));
}

/* SMB2 NEGOTIATE. */
static void make_smb(struct head *h, struct random *random, bool server)
{
	ADD(h, 0, 0, 0, 102, 0xfe, 'S', 'M', 'B', 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, server, 0, 0, 0);
	for (int i = 0; i < 44; i++)
		ADD(h, 0);
	if (server)
		ADD(h, 65, 0, 1, 0, 0x11, 3, 0, 0);
	else
		ADD(h, 36, 0, 1, 0, 1, 0, 0, 0);
	add_noise(h, random, 30);
}

static const uint8_t interfaces[][16] = {
	{0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa}, /* endpoint mapper */
	{0x35, 0x42, 0x51, 0xe3, 0x06, 0x4b, 0xd1, 0x11, 0xab, 0x04, 0x00, 0xc0, 0x4f, 0xc2, 0xdc, 0xd2}, /* drsuapi */
	{0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xac}, /* samr */
	{0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab}, /* lsarpc */
	{0x78, 0x56, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0xcf, 0xfb}, /* netlogon */
	{0x00, 0xdb, 0xf1, 0xa4, 0x47, 0xca, 0x67, 0x10, 0xb3, 0x1f, 0x00, 0xdd, 0x01, 0x06, 0x62, 0xda}, /* emsmdb */
};

static void make_dcerpc(struct head *h, bool server, unsigned interface)
{
	static const uint8_t ndr[] = {0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0};

	if (server) {
		ADD(h, 5, 0, 12, 3, 0x10, 0, 0, 0, 60, 0, 0, 0, 2, 0, 0, 0, 0xb8, 0x10, 0xb8, 0x10, 0x34, 0x12, 0, 0, 4, 0, '1', '3', '5', 0, 0, 0, 1, 0, 0, 0,
		    0, 0, 0, 0);
		add(h, ndr, sizeof ndr);
		return;
	}
	ADD(h, 5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 2, 0, 0, 0, 0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0);
	add(h, interfaces[interface], 16);
	ADD(h, 1, 0, 0, 0);
	add(h, ndr, sizeof ndr);
}

static void make_kerberos(struct head *h, struct random *random, bool server, bool over_tcp)
{
	if (over_tcp)
		ADD(h, 0, 0, 0, 134);
	ADD(h, server ? 0x6b : 0x6a, 0x81, 131, 0x30, 0x81, 128, server ? 0xa0 : 0xa1, 3, 2, 1, 5, server ? 0xa1 : 0xa2, 3, 2, 1, server ? 11 : 10);
	ADD(h, 0xa4, 0x74, 0x30, 0x72, 0xa0, 7, 3, 5, 0, 0x40, 0x81, 0, 0x10, 0xa2, 18, 0x1b, 16);
	text(h, "CORP.EXAMPLE.ORG");
	add_noise(h, random, 85);
}

static void make_ndmp(struct head *h, bool server, unsigned message)
{
	ADD(h, 0x80, 0, 0, 28, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, server, 0, 0, (uint8_t)(message >> 8), (uint8_t)message, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4);
}

static void make_nfs(struct head *h, struct random *random, bool server)
{
	ADD(h, 0x80, 0, 0, server ? 24 : 40);
	add_noise(h, random, 4);
	if (server)
		ADD(h, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	else
		ADD(h, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0x86, 0xa3, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

/* Those whose first words are a line each. */
static const struct {
	enum talk talk;
	const char *client, *server;
} lines[] = {
	{TALK_SMTP, "EHLO client.corp.example.org\r\n", "220 mail.corp.example.org ESMTP Postfix\r\n"},
	{TALK_IMAP, "a001 CAPABILITY\r\n", "* OK [CAPABILITY IMAP4rev1 STARTTLS] Dovecot ready.\r\n"},
	{TALK_POP, "CAPA\r\n", "+OK POP3 server ready\r\n"},
	{TALK_SSH, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "SSH-2.0-OpenSSH_8.9p1 Ubuntu-3\r\n"},
	{TALK_FTP, "USER backup\r\n", "220 ProFTPD Server ready.\r\n"},
	{TALK_SYSLOG, "<134>1 2026-01-01T00:00:00Z host app 1 - - job done", "<134>1 2026-01-01T00:00:00Z host app 1 - - job done"},
	{TALK_RTSP, "DESCRIBE rtsp://camera1.corp.example.org/stream RTSP/1.0\r\nCSeq: 2\r\n\r\n", "RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n"},
	{TALK_VNC, "RFB 003.008\n", "RFB 003.008\n"},
	{TALK_PRINT, "\x1b%-12345X@PJL JOB NAME=\"report\"\r\n@PJL SET RESOLUTION=600\r\n", "@PJL USTATUS JOB\r\nSTART\r\n"},
	{TALK_CITRIX, "\x7f\x7f\x49\x43\x41", "\x7f\x7f\x49\x43\x41"},
	{TALK_SIP, "INVITE sip:1001@corp.example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.20.0.4:5060\r\nFrom: <sip:1002@corp.example.org>\r\n\r\n",
	 "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 10.20.0.4:5060\r\n\r\n"},
};

static void make_database(struct head *h, struct random *random, enum talk talk, bool server)
{
	switch (talk) {
	case TALK_TDS: /* pre-login, tabular result */
		ADD(h, server ? 4 : 0x12, 1, 0, 47, 0, 0, 1, 0, 0, 0, 26, 0, 6, 1, 0, 32, 0, 1, 2, 0, 33, 0, 1, 3, 0, 34, 0, 4, 4, 0, 38, 0, 1, 0xff, 11, 0, 12,
		    56, 0, 0, 2, 0, 0, 0, 1, 0, 0);
		break;
	case TALK_MYSQL:
		if (server) {
			ADD(h, 73, 0, 0, 0, 10);
			text(h, "8.0.36");
			ADD(h, 0);
		} else {
			ADD(h, 66, 0, 0, 1, 0x85, 0xa6, 0xff, 1, 0, 0, 0, 1, 33);
		}
		add_noise(h, random, 40);
		break;
	case TALK_POSTGRES:
		if (server) {
			ADD(h, 'R', 0, 0, 0, 12, 0, 0, 0, 5, 1, 2, 3, 4);
		} else {
			ADD(h, 0, 0, 0, 33, 0, 3, 0, 0);
			add(h, "user\0app\0database\0erp\0", 23);
		}
		break;
	default: /* Oracle's TNS connect, accept */
		ADD(h, 0, 0xb0, 0, 0, server ? 2 : 1, 0, 0, 0, 1, 0x36, 1, 0x2c, 0, 0, 8, 0, 0x7f, 0xff);
		text(h, server ? "" : "(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=erp)))");
		break;
	}
}

static void make_datagram(struct head *h, struct random *random, enum talk talk, bool server)
{
	switch (talk) {
	case TALK_NTP:
		ADD(h, server ? 0x24 : 0x23, 2, 6, 0xe9);
		add_noise(h, random, 44);
		break;
	case TALK_SNMP:
		ADD(h, 0x30, 39, 2, 1, 1, 4, 6, 'p', 'u', 'b', 'l', 'i', 'c', server ? 0xa2 : 0xa0, 26, 2, 4);
		add_noise(h, random, 4);
		ADD(h, 2, 1, 0, 2, 1, 0, 0x30, 12, 0x30, 10, 6, 6, 0x2b, 6, 1, 2, 1, 1, 5, 0);
		break;
	case TALK_RTP:
		ADD(h, 0x80, 8);
		add_noise(h, random, 170);
		break;
	case TALK_RADIUS:
		ADD(h, server ? 2 : 1, 7, 0, 28);
		add_noise(h, random, 16);
		ADD(h, 1, 8, 'u', 's', 'e', 'r', '0', '1');
		break;
	default: /* QUIC version 1, initial */
		ADD(h, 0xc3, 0, 0, 0, 1, 8);
		add_noise(h, random, 8);
		ADD(h, 0, 0, 0x44, 0x96);
		add_noise(h, random, 120);
		break;
	}
}

static void make_other(struct head *h, struct random *random, enum talk talk, bool server)
{
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		if (lines[i].talk == talk) {
			text(h, server ? lines[i].server : lines[i].client);
			return;
		}
	}
	switch (talk) {
	case TALK_LDAP:
		if (server)
			ADD(h, 0x30, 0x0c, 2, 1, 1, 0x61, 7, 0x0a, 1, 0, 4, 0, 4, 0);
		else
			ADD(h, 0x30, 0x0c, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0);
		break;
	case TALK_RDP: /* X.224 connection request, confirm */
		if (server)
			ADD(h, 3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 2, 0, 0, 0);
		else
			ADD(h, 3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0);
		break;
	case TALK_ISCSI:
		ADD(h, server ? 0x23 : 0x43, 0x87, 0, 0, 0, 0, 0, 0);
		add_noise(h, random, 40);
		break;
	case TALK_PING:
		text(h, "abcdefghijklmnopqrstuvwabcdefghi");
		break;
	default:
		make_datagram(h, random, talk, server);
	}
}

static void make(struct head *h, struct random *random, enum talk talk, bool server, unsigned variant)
{
	switch (talk) {
	case TALK_TLS:
	case TALK_LDAPS:
	case TALK_IMAPS:
		make_tls(h, random, server, names[variant]);
		break;
	case TALK_HTTP:
		make_http(h, server, names[variant], "GET /index.html");
		break;
	case TALK_PROXY:
		make_http(h, server, names[variant], "GET http://www.example.com/");
		break;
	case TALK_WINRM:
		make_http(h, server, names[variant], "POST /wsman");
		break;
	case TALK_DNS:
		make_dns(h, server, names[variant], variant);
		break;
	case TALK_NBNS:
		make_nbns(h, server, variant);
		break;
	case TALK_SMB:
		make_smb(h, random, server);
		break;
	case TALK_EPM:
		make_dcerpc(h, server, 0);
		break;
	case TALK_DCERPC:
		make_dcerpc(h, server, 1 + variant % 5);
		break;
	case TALK_KERBEROS:
	case TALK_KERBEROS_UDP:
		make_kerberos(h, random, server, talk == TALK_KERBEROS);
		break;
	case TALK_TDS:
	case TALK_MYSQL:
	case TALK_POSTGRES:
	case TALK_ORACLE:
		make_database(h, random, talk, server);
		break;
	case TALK_NDMP:
		make_ndmp(h, server, 0x900);
		break;
	case TALK_NFS:
		make_nfs(h, random, server);
		break;
	default:
		make_other(h, random, talk, server);
	}
}

void services_make(struct random *random)
{
	for (unsigned talk = 0; talk < TALK_COUNT; talk++)
		for (unsigned server = 0; server < 2; server++)
			for (unsigned variant = 0; variant < HEAD_VARIANTS; variant++)
				make(&heads[talk][server][variant], random, talk, server, variant);
}
