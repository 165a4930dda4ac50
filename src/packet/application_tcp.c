/* Signatures of what runs over TCP, each from the first bytes of a payload: eighty have to do, for that is what short snap lengths leave. */
#include <ctype.h>

#include "packet/application_signature.h"
#include "packet/dissect.h"

/* ---- text ---- */

static bool looks_ssh(struct sighting *s) { return BEGINS(s, "SSH-1.") || BEGINS(s, "SSH-2."); }

/* The server names itself in the first word of its greeting (RFC 5321, section 4.3.1). */
static void greeting_name(struct sighting *s)
{
	size_t end = 4;

	while (end < s->payload.length && (isalnum(s->payload.data[end]) || s->payload.data[end] == '.' || s->payload.data[end] == '-'))
		end++;
	if (end < s->payload.length && memchr(s->payload.data + 4, '.', end - 4))
		s->server_name = (struct weir_bytes){s->payload.data + 4, end - 4};
}

/* Greetings "220 …" are those of SMTP and of FTP: the words or the port tell. */
static bool looks_smtp(struct sighting *s)
{
	bool port = sighting_port(s, 25) || sighting_port(s, 587) || sighting_port(s, 2525);

	if (BEGINS(s, "220 ") || BEGINS(s, "220-")) {
		greeting_name(s);
		return contains(s, "SMTP") || (port && !contains(s, "FTP"));
	}
	return BEGINS(s, "EHLO ") || BEGINS(s, "HELO ") || BEGINS(s, "MAIL FROM:") || BEGINS(s, "RCPT TO:") || BEGINS(s, "LHLO ") ||
	       (port && (BEGINS(s, "250-") || BEGINS(s, "250 ") || BEGINS(s, "554 ") || BEGINS(s, "421 ")));
}

static bool looks_ftp(struct sighting *s)
{
	bool port = sighting_port(s, 21);

	if (BEGINS(s, "220 ") || BEGINS(s, "220-"))
		return port || contains(s, "FTP") || contains(s, "FileZilla");
	return port &&
	       (BEGINS(s, "USER ") || BEGINS(s, "PASS ") || BEGINS(s, "331 ") || BEGINS(s, "230 ") || BEGINS(s, "AUTH ") || BEGINS(s, "530 ") ||
	        BEGINS(s, "PORT ") || BEGINS(s, "PASV") || BEGINS(s, "227 ") || BEGINS(s, "FEAT") || BEGINS(s, "SYST"));
}

static bool looks_pop3(struct sighting *s)
{
	return (BEGINS(s, "+OK") && (sighting_port(s, 110) || s->payload.length > 8)) ||
	       (sighting_port(s, 110) &&
	        (BEGINS(s, "-ERR") || BEGINS(s, "USER ") || BEGINS(s, "CAPA") || BEGINS(s, "STLS") || BEGINS(s, "AUTH")));
}

static bool looks_imap(struct sighting *s)
{
	if (BEGINS(s, "* OK") || BEGINS(s, "* PREAUTH") || BEGINS(s, "* BYE") || BEGINS(s, "* CAPABILITY"))
		return true;
	return sighting_port(s, 143) &&
	       (contains(s, " CAPABILITY\r\n") || contains(s, " LOGIN ") || contains(s, " STARTTLS\r\n") || contains(s, " OK "));
}

static bool looks_rtsp(struct sighting *s)
{
	return BEGINS(s, "RTSP/1.0 ") || (byte(s, 0) >= 'A' && byte(s, 0) <= 'T' && contains(s, " RTSP/1.0\r\n")) ||
	       (contains(s, " rtsp://") && byte(s, 0) <= 'T');
}

static bool looks_sip(struct sighting *s)
{
	if (BEGINS(s, "SIP/2.0 "))
		return true;
	return (BEGINS(s, "INVITE ") || BEGINS(s, "REGISTER ") || BEGINS(s, "OPTIONS ") || BEGINS(s, "SUBSCRIBE ") || BEGINS(s, "NOTIFY ") ||
	        BEGINS(s, "ACK ") || BEGINS(s, "BYE ") || BEGINS(s, "CANCEL ") || BEGINS(s, "MESSAGE ") || BEGINS(s, "PUBLISH ") ||
	        BEGINS(s, "INFO ") || BEGINS(s, "REFER ")) &&
	       (contains(s, " sip:") || contains(s, " sips:") || contains(s, " tel:"));
}

static bool looks_irc(struct sighting *s)
{
	bool port = sighting_port(s, 194) || (s->destination_port >= 6660 && s->destination_port <= 6669) ||
	            (s->source_port >= 6660 && s->source_port <= 6669);

	if (BEGINS(s, "NICK ") || BEGINS(s, ":irc.") || BEGINS(s, "NOTICE AUTH") || BEGINS(s, "PRIVMSG "))
		return true;
	return (BEGINS(s, "USER ") && contains(s, " :")) ||
	       (port && (BEGINS(s, ":") || BEGINS(s, "PING ") || BEGINS(s, "PASS ") || BEGINS(s, "JOIN ") || BEGINS(s, "CAP ")));
}

static bool looks_jabber(struct sighting *s)
{
	return contains(s, "<stream:stream") || (BEGINS(s, "<?xml") && (contains(s, "jabber:") || contains(s, "<stream:"))) ||
	       BEGINS(s, "<iq ") || BEGINS(s, "<presence") || (BEGINS(s, "<message ") && contains(s, " to="));
}

static bool looks_rsync(struct sighting *s) { return BEGINS(s, "@RSYNCD:"); }
static bool looks_vnc(struct sighting *s) { return BEGINS(s, "RFB 00"); }
static bool looks_git(struct sighting *s)
{
	return s->payload.length > 16 && memcmp(s->payload.data + 4, "git-", 4) == 0 &&
	       (contains(s, "git-upload-pack") || contains(s, "git-receive-pack"));
}
static bool looks_svn(struct sighting *s) { return BEGINS(s, "( success ( ") || BEGINS(s, "( 2 ( "); }
static bool looks_stomp(struct sighting *s)
{
	return BEGINS(s, "CONNECT\naccept") || BEGINS(s, "CONNECT\nlogin") || BEGINS(s, "STOMP\n") || BEGINS(s, "CONNECTED\n");
}
static bool looks_nats(struct sighting *s) { return BEGINS(s, "INFO {\"server_id") || (BEGINS(s, "CONNECT {") && sighting_port(s, 4222)); }
static bool looks_hl7(struct sighting *s) { return BEGINS(s, "\x0bMSH|"); }
static bool looks_check_mk(struct sighting *s) { return BEGINS(s, "<<<check_mk") || BEGINS(s, "<<<cmk"); }
static bool looks_ajp(struct sighting *s)
{
	if (s->payload.length < 5)
		return false;
	uint16_t magic = be16(s, 0), length = be16(s, 2);
	return (magic == 0x1234 && length > 0 &&
	        (byte(s, 4) == 2 || byte(s, 4) == 7 || byte(s, 4) == 8 || byte(s, 4) == 10 || sighting_port(s, 8009))) ||
	       (magic == 0x4142 && length > 0 && byte(s, 4) >= 3 && byte(s, 4) <= 9);
}

static bool looks_redis(struct sighting *s)
{
	const uint8_t *p = s->payload.data;

	if (s->payload.length >= 8 && p[0] == '*' && p[1] >= '1' && p[1] <= '9' &&
	    (memcmp(p + 2, "\r\n$", 3) == 0 || (s->payload.length > 9 && memcmp(p + 3, "\r\n$", 3) == 0)))
		return true;
	return BEGINS(s, "-NOAUTH") || BEGINS(s, "+PONG\r\n") || BEGINS(s, "-WRONGPASS") ||
	       (sighting_port(s, 6379) && (BEGINS(s, "+OK\r\n") || BEGINS(s, "-ERR ") || BEGINS(s, "PING\r\n")));
}

static bool looks_memcached(struct sighting *s)
{
	const uint8_t *p = s->payload.data;

	if (sighting_port(s, 11211) && (BEGINS(s, "get ") || BEGINS(s, "gets ") || BEGINS(s, "set ") || BEGINS(s, "stats") ||
	                                BEGINS(s, "version\r\n") || BEGINS(s, "STAT ") || BEGINS(s, "VALUE ") || BEGINS(s, "STORED\r\n")))
		return true;
	return s->payload.length >= 24 && (p[0] == 0x80 || p[0] == 0x81) && p[1] < 0x25 && p[5] == 0 && sighting_port(s, 11211);
}

/* ---- Microsoft and directory ---- */

/* Over the session service of NetBIOS, or (on 445) with its header alone. */
static bool is_smb(struct sighting *s, uint16_t name)
{
	if (sighting_port(s, 139)) {
		s->carrier = APPLICATION_NETBIOS;
		s->name = name;
	}
	return true;
}
static bool looks_smb_1(struct sighting *s)
{
	return s->payload.length >= 8 && byte(s, 0) == 0 && be32(s, 4) == 0xff534d42 && is_smb(s, APPLICATION_SMBV1);
}
static bool looks_smb_23(struct sighting *s)
{
	uint32_t magic = be32(s, 4);
	return byte(s, 0) == 0 && (magic == 0xfe534d42 || magic == 0xfd534d42 || magic == 0xfc534d42) && is_smb(s, APPLICATION_SMBV23);
}
/* Session request and its answers (RFC 1002, section 4.3). */
static bool looks_nbss(struct sighting *s)
{
	return sighting_port(s, 139) && s->payload.length >= 4 &&
	       ((byte(s, 0) == 0x81 && be16(s, 2) == 68) || be32(s, 0) == 0x82000000 || (byte(s, 0) == 0x83 && be16(s, 2) == 1));
}

static bool looks_kerberos(struct sighting *s)
{
	/* A record mark, then APPLICATION 10 to 15, 20 to 22 or 30 (RFC 4120, section 7.2.2), with a length that fits in it. */
	uint32_t length = be32(s, 0);
	uint8_t tag = byte(s, 4), form = byte(s, 5);

	if (s->payload.length < 8 || length < 20 || length > 1 << 20)
		return false;
	if (!((tag >= 0x6a && tag <= 0x6f) || (tag >= 0x74 && tag <= 0x76) || tag == 0x7e))
		return false;
	return form == 0x81   ? length == byte(s, 6) + 3u
	       : form == 0x82 ? length == be16(s, 6) + 4u
	       : form == 0x83 ? true
	                      : form < 0x80 && length == form + 2u;
}

static bool looks_ldap(struct sighting *s)
{
	struct weir_cursor c = weir_cursor_over(s->payload.data, s->payload.length);

	if (weir_take8(&c) != 0x30)
		return false;
	uint8_t form = weir_take8(&c);
	if (form > 0x84 || form == 0x80)
		return false;
	weir_take(&c, form > 0x80 ? form & 0x7f : 0);
	if (weir_take8(&c) != 2)
		return false;
	uint8_t size = weir_take8(&c);
	if (size < 1 || size > 4)
		return false;
	weir_take(&c, size);
	uint8_t operation = weir_take8(&c);
	/* APPLICATION 0 to 25 (RFC 4511, section 4.2 on): constructed but unbind, delete and abandon. */
	return !c.failed && ((operation >= 0x60 && operation <= 0x79) || operation == 0x42 || operation == 0x4a || operation == 0x50);
}

static bool looks_rdp(struct sighting *s)
{
	/* TPKT and an X.224 connection request or confirm (MS-RDPBCGR, section 2.2.1.1). */
	if (be16(s, 0) != 0x0300 || s->payload.length < 11)
		return false;
	if (byte(s, 5) != 0xe0 && byte(s, 5) != 0xd0)
		return false;
	if (contains(s, "Cookie: ") || sighting_port(s, 3389))
		return true;
	return be16(s, 2) == 19 && (byte(s, 11) == 1 || byte(s, 11) == 2) && le32(s, 11) >> 16 == 8;
}

static bool looks_s7comm(struct sighting *s)
{
	return be16(s, 0) == 0x0300 && ((byte(s, 4) == 2 && byte(s, 5) == 0xf0 && (byte(s, 7) == 0x32 || byte(s, 7) == 0x72)) ||
	                                (sighting_port(s, 102) && (byte(s, 5) == 0xe0 || byte(s, 5) == 0xd0)));
}

static bool looks_tds(struct sighting *s)
{
	uint8_t type = byte(s, 0);

	if (s->payload.length < 8 || byte(s, 1) > 1 || be16(s, 2) < 8 || byte(s, 7) > 1)
		return false;
	if (type == 0x12) /* pre-login: its first option is VERSION, at an offset that its list implies */
		return byte(s, 8) == 0 && be16(s, 9) < 64 && (is_long(s, be16(s, 2)));
	if (type == 4 && is_long(s, be16(s, 2)) && byte(s, 8) == 0 && be16(s, 9) < 64 && be16(s, 11) == 6)
		return true;
	return (type == 1 || type == 2 || type == 3 || type == 4 || type == 14 || type == 16) &&
	       (sighting_port(s, 1433) || sighting_port(s, 1434));
}

/* ---- databases ---- */

static bool looks_mysql(struct sighting *s)
{
	/* The server's greeting: packet 0, protocol 10, a version in digits. Its end is a zero. */
	uint32_t length = le32(s, 0) & 0xffffff;
	return s->payload.length > 12 && byte(s, 3) == 0 && byte(s, 4) == 10 && byte(s, 5) >= '1' && byte(s, 5) <= '9' &&
	       (byte(s, 6) == '.' || byte(s, 7) == '.') && is_long(s, length + 4);
}

static bool looks_postgresql(struct sighting *s)
{
	uint32_t length = be32(s, 0), code = be32(s, 4);

	if (s->payload.length >= 8 && is_long(s, length) &&
	    (code == 0x00030000 || code == 0x04d2162f || code == 0x04d21630 || code == 0x04d2162e || code == 0x00020000))
		return true;
	return sighting_port(s, 5432) && s->payload.length >= 9 && be32(s, 1) >= 4 && be32(s, 1) < 1 << 24 &&
	       strchr("RSQPBETCDZKXpN", byte(s, 0));
}

static bool looks_oracle(struct sighting *s)
{
	uint8_t type = byte(s, 4);

	if (s->payload.length < 8 || byte(s, 5) != 0 || be16(s, 6) != 0)
		return false;
	if (is_long(s, be16(s, 0)) && be16(s, 2) == 0 && (type == 1 || type == 2 || type == 4 || type == 5 || type == 11) &&
	    (type == 11 ? s->wire_length == 8 : s->wire_length > 8))
		return type != 1 || be16(s, 8) >= 300 || sighting_port(s, 1521);
	return sighting_port(s, 1521) && (type == 6 || type == 12 || type == 14);
}

static bool looks_mongodb(struct sighting *s)
{
	uint32_t length = le32(s, 0), operation = le32(s, 12);

	if (s->payload.length < 16 || length < 16 || length > 48000000 + 16384)
		return false;
	if (operation == 1)
		return le32(s, 8) != 0 && (is_long(s, length) || sighting_port(s, 27017));
	return (operation >= 2001 && operation <= 2007) || (operation >= 2010 && operation <= 2013 && length >= s->wire_length);
}

static bool looks_cassandra(struct sighting *s)
{
	return (sighting_port(s, 9042)) && s->payload.length >= 9 && (byte(s, 0) & 0x7f) >= 3 && (byte(s, 0) & 0x7f) <= 5 &&
	       byte(s, 4) <= 0x10 && be32(s, 5) < 1 << 28;
}

static bool looks_drda(struct sighting *s)
{
	return s->payload.length >= 10 && byte(s, 2) == 0xd0 && be16(s, 0) >= 10 && be16(s, 6) + 6u == be16(s, 0) &&
	       be16(s, 0) <= s->wire_length;
}

static bool looks_elastic(struct sighting *s) { return BEGINS(s, "ES\0\0") && s->payload.length >= 10; }

/* ---- messages, calls, control ---- */

static bool looks_amqp(struct sighting *s) { return BEGINS(s, "AMQP"); }
static bool looks_mqtt(struct sighting *s)
{
	if ((byte(s, 0) & 0xf0) == 0x10)
		for (size_t at = 2; at <= 5; at++)
			if (s->payload.length > at + 6 && (memcmp(s->payload.data + at, "\0\4MQTT", 6) == 0 ||
			                                   (s->payload.length > at + 8 && memcmp(s->payload.data + at, "\0\6MQIsdp", 8) == 0)))
				return true;
	return sighting_port(s, 1883) && s->wire_length >= 2 && byte(s, 0) >= 0x20 && byte(s, 0) < 0xf0 && is_long(s, byte(s, 1) + 2u);
}
static bool looks_ibm_mq(struct sighting *s) { return BEGINS(s, "TSH ") || BEGINS(s, "TSHM") || BEGINS(s, "\xe3\xe2\xc8\x40"); }
static bool looks_fix(struct sighting *s) { return BEGINS(s, "8=FIX.") || BEGINS(s, "8=FIXT."); }
static bool looks_zeromq(struct sighting *s)
{
	return s->payload.length >= 10 && byte(s, 0) == 0xff && byte(s, 9) == 0x7f && be32(s, 1) == 0;
}
static bool looks_corba(struct sighting *s) { return BEGINS(s, "GIOP\1"); }
static bool looks_rmi(struct sighting *s) { return BEGINS(s, "JRMI"); }
static bool looks_diameter(struct sighting *s)
{
	return s->payload.length >= 20 && byte(s, 0) == 1 && byte(s, 1) == 0 && be16(s, 2) >= 20 && be16(s, 2) % 4 == 0 &&
	       (byte(s, 4) & 0x0f) == 0 && byte(s, 5) <= 1 && be16(s, 6) >= 257 && (sighting_port(s, 3868) || is_long(s, be16(s, 2)));
}
static bool looks_pptp(struct sighting *s) { return s->payload.length >= 12 && be32(s, 4) == 0x1a2b3c4d && be16(s, 2) == 1; }
static bool looks_zabbix(struct sighting *s) { return BEGINS(s, "ZBXD\1"); }
static bool looks_citrix(struct sighting *s)
{
	return BEGINS(s, "\x7f\x7fICA") || BEGINS(s, "\x1a"
	                                             "CGP/01");
}
static bool looks_nbd(struct sighting *s) { return BEGINS(s, "NBDMAGIC"); }
static bool looks_x11(struct sighting *s)
{
	return s->payload.length >= 12 &&
	       ((byte(s, 0) == 'l' && byte(s, 1) == 0 && byte(s, 2) == 11 && byte(s, 3) == 0) || (byte(s, 0) == 'B' && be16(s, 2) == 11));
}
static bool looks_spice(struct sighting *s) { return BEGINS(s, "REDQ"); }
static bool looks_teamviewer(struct sighting *s)
{
	return (be16(s, 0) == 0x1724 || be16(s, 0) == 0x1130) && (sighting_port(s, 5938) || byte(s, 2) == 0x0b || byte(s, 2) == 0x0a);
}
static bool looks_bgp(struct sighting *s)
{
	return s->payload.length >= 19 && be32(s, 0) == 0xffffffff && be32(s, 4) == 0xffffffff && be32(s, 8) == 0xffffffff &&
	       byte(s, 18) >= 1 && byte(s, 18) <= 5;
}
static bool looks_ldp(struct sighting *s) { return sighting_port(s, 646) && be16(s, 0) == 1 && s->payload.length >= 10; }
static bool looks_rtmp(struct sighting *s)
{
	return s->payload.length >= 9 && byte(s, 0) == 3 && be32(s, 5) == 0 && s->wire_length >= 1400 && sighting_port(s, 1935);
}
static bool looks_bittorrent(struct sighting *s)
{
	return BEGINS(s, "\x13"
	                 "BitTorrent protocol") ||
	       BEGINS(s, "GET /announce?info_hash=");
}
static bool looks_socks(struct sighting *s)
{
	if (!s->first)
		return false;
	if (byte(s, 0) == 5 && byte(s, 1) >= 1 && byte(s, 1) <= 4 && is_long(s, byte(s, 1) + 2u))
		return sighting_port(s, 1080) || byte(s, 2) <= 2;
	return byte(s, 0) == 4 && byte(s, 1) >= 1 && byte(s, 1) <= 2 && s->wire_length >= 9 && s->wire_length < 128 && sighting_port(s, 1080);
}
static bool looks_telnet(struct sighting *s)
{
	return s->payload.length >= 3 && byte(s, 0) == 0xff && byte(s, 1) >= 0xfa && byte(s, 1) <= 0xfe && byte(s, 2) < 0x40 &&
	       (sighting_port(s, 23) || byte(s, 3) == 0xff || s->wire_length == 3);
}
static bool looks_skinny(struct sighting *s)
{
	return sighting_port(s, 2000) && s->payload.length >= 12 && le32(s, 0) + 8 <= s->wire_length && le32(s, 0) >= 4 && le32(s, 4) <= 0x16;
}
static bool looks_h323(struct sighting *s) { return sighting_port(s, 1720) && be16(s, 0) == 0x0300 && byte(s, 4) == 8; }
static bool looks_lpd(struct sighting *s) { return sighting_port(s, 515) && byte(s, 0) >= 1 && byte(s, 0) <= 5; }
static bool looks_jetdirect(struct sighting *s)
{
	return BEGINS(s, "\x1b%-12345X") || (sighting_port(s, 9100) && (BEGINS(s, "@PJL") || BEGINS(s, "%!PS")));
}
static bool looks_websocket(struct sighting *s)
{
	/* A masked text or binary frame from the client whose length is the segment's; without the handshake all there is. */
	uint8_t length = byte(s, 1) & 0x7f;
	return (byte(s, 0) == 0x81 || byte(s, 0) == 0x82) && byte(s, 1) & 0x80 && length > 0 && length < 126 && is_long(s, length + 6u);
}

static bool looks_afp(struct sighting *s)
{
	return sighting_port(s, 548) && s->payload.length >= 16 && byte(s, 0) <= 1 && byte(s, 1) >= 1 && byte(s, 1) <= 8;
}
static bool looks_iscsi(struct sighting *s)
{
	return s->payload.length >= 48 && (byte(s, 0) == 0x43 || byte(s, 0) == 0x23 || sighting_port(s, 3260)) &&
	       (contains(s, "InitiatorName=") || sighting_port(s, 3260));
}
static bool looks_ndmp(struct sighting *s)
{
	return sighting_port(s, 10000) && s->payload.length >= 28 && byte(s, 0) == 0x80 && be32(s, 12) <= 1 && be32(s, 16) >= 0x100 &&
	       be32(s, 16) < 0xc00;
}

/* ---- industry ---- */

static bool looks_modbus(struct sighting *s)
{
	return s->payload.length >= 8 && be16(s, 2) == 0 && be16(s, 4) >= 2 && be16(s, 4) <= 254 &&
	       (sighting_port(s, 502) && be16(s, 4) + 6u <= s->wire_length);
}
static bool looks_dnp3(struct sighting *s) { return be16(s, 0) == 0x0564 && byte(s, 2) >= 5 && s->payload.length >= 10; }
static bool looks_iec104(struct sighting *s)
{
	return byte(s, 0) == 0x68 && byte(s, 1) >= 4 && byte(s, 1) + 2u <= s->wire_length && sighting_port(s, 2404);
}
static bool looks_ethernet_ip(struct sighting *s)
{
	return sighting_port(s, 44818) && s->payload.length >= 24 && weir_load_le16(s->payload.data + 2) + 24u <= s->wire_length;
}
static bool looks_opc_ua(struct sighting *s)
{
	return (BEGINS(s, "HELF") || BEGINS(s, "ACKF") || BEGINS(s, "OPNF")) && is_long(s, le32(s, 4));
}
static bool looks_dicom(struct sighting *s)
{
	return s->payload.length >= 10 && be16(s, 0) == 0x0100 && be16(s, 6) == 1 && is_long(s, be32(s, 2) + 6) && s->wire_length > 74;
}
static bool looks_someip(struct sighting *s)
{
	return s->payload.length >= 16 && is_long(s, be32(s, 4) + 8) && byte(s, 12) == 1 &&
	       (sighting_port(s, 30490) || sighting_port(s, 30491) || sighting_port(s, 30501));
}

/* ONC RPC with its record mark (RFC 5531, section 11): a call of version 2. The programs that have names are those of files and directories. */
static bool looks_sun_rpc(struct sighting *s)
{
	if (s->payload.length < 28 || (be32(s, 0) & 0x7fffffff) > 1 << 21)
		return false;
	if (be32(s, 8) == 1) { /* a reply: accepted or denied; which program, the port tells */
		if (be32(s, 12) > 1 || !(sighting_port(s, 2049) || sighting_port(s, 111)))
			return false;
		s->name = sighting_port(s, 2049) ? APPLICATION_NFS : APPLICATION_PORTMAP;
		return true;
	}
	if (be32(s, 8) != 0 || be32(s, 12) != 2)
		return false;
	s->name = application_of_call((struct weir_bytes){s->payload.data + 4, s->payload.length - 4});
	return s->name != APPLICATION_NONE;
}

static bool looks_dns(struct sighting *s)
{
	struct dns_question question;
	uint16_t length = be16(s, 0);

	if (s->payload.length < 14 || length < 12 || !(sighting_port(s, 53) || is_long(s, length + 2u)))
		return false;
	struct weir_bytes message = {s->payload.data + 2, s->payload.length - 2 < length ? s->payload.length - 2 : length};
	if (!application_dns_read(message, &question) || (!sighting_port(s, 53) && question.length == 0))
		return false;
	memcpy(s->text, question.name, question.length);
	s->server_name = (struct weir_bytes){(const uint8_t *)s->text, question.length};
	s->goes_on = true;
	return true;
}

/* An interface that has a name of its own is told by DCE_RPC and that name. */
static bool looks_dce_rpc(struct sighting *s)
{
	if (!looks_like_dcerpc(s->payload))
		return false;
	uint8_t type = s->payload.data[2];
	uint16_t name = type == 11 || type == 14 ? application_dcerpc_bind(s->payload) : 0;
	s->name = APPLICATION_DCE_RPC;
	s->evidence = EVIDENCE_SIGNATURE;
	if (name) {
		s->carrier = APPLICATION_DCE_RPC;
		s->name = name;
		s->evidence = EVIDENCE_DCERPC;
	}
	/* What the endpoint mapper answers is learned from; and without a bind there may be an alter-context. */
	s->goes_on = name == APPLICATION_EPM || sighting_port(s, 135);
	return true;
}

static const struct signature signatures[] = {
	{.application = APPLICATION_SMBV23, .looks = looks_smb_23, .first = {{0, 1}}},
	{.application = APPLICATION_SMBV1, .looks = looks_smb_1, .first = {{0, 1}}},
	{.application = APPLICATION_DCE_RPC, .looks = looks_dce_rpc, .first = {{5, 5}}},
	{.application = APPLICATION_SSH, .looks = looks_ssh, .first = {{'S', 'S'}}},
	{.application = APPLICATION_LDAP, .looks = looks_ldap, .first = {{0x30, 0x30}}},
	{.application = APPLICATION_KERBEROS, .looks = looks_kerberos, .first = {{0, 1}}},
	{.application = APPLICATION_S7COMM, .looks = looks_s7comm, .first = {{3, 3}}},
	{.application = APPLICATION_RDP, .looks = looks_rdp, .first = {{3, 3}}},
	{.application = APPLICATION_H323, .looks = looks_h323, .ports = {1720}, .first = {{3, 3}}},
	{.application = APPLICATION_SMTP, .looks = looks_smtp, .first = {{'2', '5'}, {'E', 'R'}}},
	{.application = APPLICATION_FTP_CONTROL, .looks = looks_ftp, .first = {{'2', '5'}, {'A', 'U'}}},
	{.application = APPLICATION_POP3, .looks = looks_pop3, .first = {{'+', '-'}, {'A', 'U'}}},
	{.application = APPLICATION_IMAP, .looks = looks_imap, .first = {{'*', '*'}, {'0', 'z'}}},
	{.application = APPLICATION_NETBIOS, .looks = looks_nbss, .ports = {139}},
	{.application = APPLICATION_TDS, .looks = looks_tds, .first = {{1, 0x12}}},
	{.application = APPLICATION_MYSQL, .looks = looks_mysql},
	{.application = APPLICATION_POSTGRESQL, .looks = looks_postgresql, .first = {{0, 1}, {'A', 'Z'}, {'a', 'z'}}},
	{.application = APPLICATION_ORACLE, .looks = looks_oracle, .first = {{0, 0x20}}},
	{.application = APPLICATION_MONGODB, .looks = looks_mongodb},
	{.application = APPLICATION_REDIS, .looks = looks_redis, .first = {{'*', '-'}, {'P', 'P'}}},
	{.application = APPLICATION_CASSANDRA, .looks = looks_cassandra, .ports = {9042}},
	{.application = APPLICATION_MEMCACHED, .looks = looks_memcached, .ports = {11211}},
	{.application = APPLICATION_DRDA, .looks = looks_drda, .first = {{0, 0x7f}}},
	{.application = APPLICATION_ELASTICSEARCH, .looks = looks_elastic, .first = {{'E', 'E'}}},
	{.application = APPLICATION_RTSP, .looks = looks_rtsp, .first = {{'A', 'T'}}},
	{.application = APPLICATION_SIP, .looks = looks_sip, .first = {{'A', 'T'}}},
	{.application = APPLICATION_VNC, .looks = looks_vnc, .first = {{'R', 'R'}}},
	{.application = APPLICATION_TELNET, .looks = looks_telnet, .first = {{0xff, 0xff}}},
	{.application = APPLICATION_BGP, .looks = looks_bgp, .first = {{0xff, 0xff}}},
	{.application = APPLICATION_LDP, .looks = looks_ldp, .ports = {646}},
	{.application = APPLICATION_RSYNC, .looks = looks_rsync, .first = {{'@', '@'}}},
	{.application = APPLICATION_GIT, .looks = looks_git, .first = {{'0', '9'}}},
	{.application = APPLICATION_SVN, .looks = looks_svn, .first = {{'(', '('}}},
	{.application = APPLICATION_STOMP, .looks = looks_stomp, .first = {{'C', 'S'}}},
	{.application = APPLICATION_NATS, .looks = looks_nats, .first = {{'C', 'I'}}},
	{.application = APPLICATION_AMQP, .looks = looks_amqp, .first = {{'A', 'A'}}},
	{.application = APPLICATION_MQTT, .looks = looks_mqtt, .first = {{0x10, 0xef}}},
	{.application = APPLICATION_IBM_MQ, .looks = looks_ibm_mq, .first = {{'T', 'T'}, {0xe3, 0xe3}}},
	{.application = APPLICATION_FIX, .looks = looks_fix, .first = {{'8', '8'}}},
	{.application = APPLICATION_ZEROMQ, .looks = looks_zeromq, .first = {{0xff, 0xff}}},
	{.application = APPLICATION_CORBA, .looks = looks_corba, .first = {{'G', 'G'}}},
	{.application = APPLICATION_RMI, .looks = looks_rmi, .first = {{'J', 'J'}}},
	{.application = APPLICATION_DIAMETER, .looks = looks_diameter, .first = {{1, 1}}},
	{.application = APPLICATION_PPTP, .looks = looks_pptp, .first = {{0, 1}}},
	{.application = APPLICATION_ZABBIX, .looks = looks_zabbix, .first = {{'Z', 'Z'}}},
	{.application = APPLICATION_CITRIX, .looks = looks_citrix, .first = {{0x7f, 0x7f}, {0x1a, 0x1a}}},
	{.application = APPLICATION_NBD, .looks = looks_nbd, .first = {{'N', 'N'}}},
	{.application = APPLICATION_SPICE, .looks = looks_spice, .first = {{'R', 'R'}}},
	{.application = APPLICATION_X11, .looks = looks_x11, .first = {{'l', 'l'}, {'B', 'B'}}},
	{.application = APPLICATION_TEAMVIEWER, .looks = looks_teamviewer, .first = {{0x11, 0x17}}},
	{.application = APPLICATION_RTMP, .looks = looks_rtmp, .ports = {1935}, .first = {{3, 3}}},
	{.application = APPLICATION_BITTORRENT, .looks = looks_bittorrent, .first = {{0x13, 0x13}, {'G', 'G'}}},
	{.application = APPLICATION_JABBER, .looks = looks_jabber, .first = {{'<', '<'}}},
	{.application = APPLICATION_IRC, .looks = looks_irc, .first = {{'A', 'Z'}, {':', ':'}}},
	{.application = APPLICATION_AJP, .looks = looks_ajp, .first = {{0x12, 0x12}, {0x41, 0x41}}},
	{.application = APPLICATION_HL7, .looks = looks_hl7, .first = {{0x0b, 0x0b}}},
	{.application = APPLICATION_CHECKMK, .looks = looks_check_mk, .first = {{'<', '<'}}},
	{.application = APPLICATION_NONE, .looks = looks_sun_rpc, .first = {{0x80, 0x80}, {0, 1}}},
	{.application = APPLICATION_AFP, .looks = looks_afp, .ports = {548}},
	{.application = APPLICATION_ISCSI, .looks = looks_iscsi, .first = {{0, 0x7f}}},
	{.application = APPLICATION_NDMP, .looks = looks_ndmp, .ports = {10000}},
	{.application = APPLICATION_SKINNY, .looks = looks_skinny, .ports = {2000}},
	{.application = APPLICATION_LPD, .looks = looks_lpd, .ports = {515}},
	{.application = APPLICATION_JETDIRECT, .looks = looks_jetdirect, .first = {{0x1b, 0x1b}, {'%', '@'}}},
	{.application = APPLICATION_DNP3, .looks = looks_dnp3, .first = {{5, 5}}},
	{.application = APPLICATION_MODBUS, .looks = looks_modbus, .ports = {502}},
	{.application = APPLICATION_IEC104, .looks = looks_iec104, .ports = {2404}},
	{.application = APPLICATION_ETHERNET_IP, .looks = looks_ethernet_ip, .ports = {44818}},
	{.application = APPLICATION_OPC_UA, .looks = looks_opc_ua, .first = {{'A', 'O'}}},
	{.application = APPLICATION_DICOM, .looks = looks_dicom, .first = {{1, 1}}},
	{.application = APPLICATION_SOMEIP, .looks = looks_someip, .ports = {30490, 30491, 30501}},
	{.application = APPLICATION_SOCKS, .looks = looks_socks, .first = {{4, 5}}},
	{.application = APPLICATION_WEBSOCKET, .looks = looks_websocket, .first = {{0x81, 0x82}}},
	{.application = APPLICATION_DNS, .looks = looks_dns, .first = {{0, 0x20}}},
};

void application_look_tcp(struct sighting *s)
{
	if (application_look_tls(s))
		return;
	/* Trackers are asked over HTTP; what asks them is more than that. */
	if (looks_bittorrent(s)) {
		s->name = APPLICATION_BITTORRENT;
		s->evidence = EVIDENCE_SIGNATURE;
		return;
	}
	if (application_look_http(s))
		return;
	if (sighting_port(s, 53) && looks_dns(s)) {
		s->name = APPLICATION_DNS;
		s->evidence = EVIDENCE_SIGNATURE;
		return;
	}
	application_match(s, signatures, &s->candidates->tcp);
}

void application_candidates_tcp(struct application_candidates *candidates)
{
	application_sort(signatures, sizeof signatures / sizeof signatures[0], &candidates->tcp);
}
