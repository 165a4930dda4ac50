/* Signatures of what runs over UDP, each from one datagram's first bytes. */
#include "packet/application_signature.h"
#include "packet/dissect.h"

/* ---- names, addresses, time ---- */

static bool ask(struct sighting *s)
{
	struct dns_question question;

	if (s->payload.length < 12 || !application_dns_read(s->payload, &question))
		return false;
	memcpy(s->text, question.name, question.length);
	s->server_name = (struct weir_bytes){question.length ? (const uint8_t *)s->text : NULL, question.length};
	return true;
}
static bool looks_dns(struct sighting *s)
{
	if (!(sighting_port(s, 53) || s->first) || !ask(s))
		return false;
	/* Elsewhere than on its port a question with a name has to be there whole, of a type that people ask for. */
	if (!sighting_port(s, 53) &&
	    (s->server_name.length < 4 || !memchr(s->text, '.', s->server_name.length) || be16(s, 4) != 1 || be16(s, 2) & 0x0070)) {
		s->server_name = (struct weir_bytes){NULL, 0};
		return false;
	}
	s->goes_on = true;
	return true;
}
static bool looks_mdns(struct sighting *s) { return sighting_port(s, 5353) && ask(s); }
static bool looks_llmnr(struct sighting *s) { return sighting_port(s, 5355) && ask(s); }
static bool looks_netbios(struct sighting *s)
{
	if (sighting_port(s, 137))
		return s->payload.length >= 12 && be16(s, 4) + be16(s, 6) + be16(s, 8) <= 16;
	if (!sighting_port(s, 138) || byte(s, 0) < 0x10 || byte(s, 0) > 0x16)
		return false;
	/* What is announced behind the two names of a datagram (RFC 1002, section 4.4.2). */
	if (be32(s, 82) == 0xff534d42) {
		s->carrier = APPLICATION_NETBIOS;
		s->name = APPLICATION_SMBV1;
	}
	return true;
}
static bool looks_dhcp(struct sighting *s)
{
	return (sighting_port(s, 67) || sighting_port(s, 68)) && s->payload.length >= 28 && (byte(s, 0) == 1 || byte(s, 0) == 2) &&
	       byte(s, 2) <= 16 && byte(s, 3) <= 16 && (s->payload.length < 240 || be32(s, 236) == 0x63825363);
}
static bool looks_dhcpv6(struct sighting *s)
{
	return (sighting_port(s, 546) || sighting_port(s, 547)) && byte(s, 0) >= 1 && byte(s, 0) <= 36 && s->payload.length >= 4;
}
static bool looks_ntp(struct sighting *s)
{
	uint8_t version = byte(s, 0) >> 3 & 7, mode = byte(s, 0) & 7;
	return sighting_port(s, 123) && version >= 1 && version <= 4 && mode >= 1 && (mode >= 6 ? s->wire_length >= 8 : s->wire_length >= 48);
}
static bool looks_ptp(struct sighting *s)
{
	return (sighting_port(s, 319) || sighting_port(s, 320)) && s->payload.length >= 34 && (byte(s, 1) & 15) <= 2 &&
	       be16(s, 2) <= s->wire_length;
}
static bool looks_nat_pmp(struct sighting *s)
{
	if (!sighting_port(s, 5351) && !sighting_port(s, 5350))
		return false;
	return (byte(s, 0) == 0 && (byte(s, 1) & 0x7f) <= 2 && s->wire_length >= 2 && s->wire_length <= 16) ||
	       (byte(s, 0) == 2 && (byte(s, 1) & 0x7f) <= 2 && s->wire_length >= 24);
}

/* ---- directory, management ---- */

static bool looks_kerberos(struct sighting *s)
{
	uint8_t tag = byte(s, 0), form = byte(s, 1);

	if (s->payload.length < 20 || !((tag >= 0x6a && tag <= 0x6f) || (tag >= 0x74 && tag <= 0x76) || tag == 0x7e))
		return false;
	return form == 0x81   ? byte(s, 2) + 3u == s->wire_length
	       : form == 0x82 ? be16(s, 2) + 4u == s->wire_length
	                      : form + 2u == s->wire_length;
}
/* A sequence in BER, its length, then an integer of one to `most` bytes: where it ends; 0: not that. */
static size_t ber_head(const struct sighting *s, unsigned most)
{
	struct weir_cursor c = weir_cursor_over(s->payload.data, s->payload.length);

	if (weir_take8(&c) != 0x30)
		return 0;
	uint8_t form = weir_take8(&c);
	if (form > 0x84 || form == 0x80)
		return 0;
	weir_take(&c, form > 0x80 ? form & 0x7f : 0);
	uint8_t type = weir_take8(&c), size = weir_take8(&c);
	if (type != 2 || size < 1 || size > most || !weir_take(&c, size))
		return 0;
	return (size_t)(c.at - s->payload.data);
}
static bool looks_snmp(struct sighting *s)
{
	size_t at = ber_head(s, 1);
	if (!at)
		return false;
	uint8_t version = byte(s, at - 1);
	if ((version == 0 || version == 1) && byte(s, at) == 4)
		return byte(s, at + 1) < 0x80 &&
		       ((byte(s, at + 2u + byte(s, at + 1)) & 0xe0) == 0xa0 || at + 2u + byte(s, at + 1) >= s->payload.length);
	return version == 3 && byte(s, at) == 0x30;
}
static bool looks_ldap(struct sighting *s)
{
	size_t at = sighting_port(s, 389) ? ber_head(s, 4) : 0;
	return at && byte(s, at) >= 0x60 && byte(s, at) <= 0x79;
}
static bool looks_syslog(struct sighting *s)
{
	size_t at = 1;

	if (byte(s, 0) != '<' || s->payload.length < 8)
		return false;
	while (at < 4 && byte(s, at) >= '0' && byte(s, at) <= '9')
		at++;
	if (at == 1 || byte(s, at) != '>')
		return false;
	uint8_t next = byte(s, at + 1);
	return sighting_port(s, 514) || (next >= '0' && next <= '9') || (next >= 'A' && next <= 'Z') || next == ' ';
}
static bool looks_radius(struct sighting *s)
{
	uint8_t code = byte(s, 0);
	bool port =
		sighting_port(s, 1812) || sighting_port(s, 1813) || sighting_port(s, 1645) || sighting_port(s, 1646) || sighting_port(s, 3799);
	uint16_t length = be16(s, 2);

	if (s->payload.length < 20 || code == 0 || (code > 13 && (code < 40 || code > 45)))
		return false;
	return port ? length >= 20 && length <= 4096
	            : length == s->wire_length && length > 22 && byte(s, 20) > 0 && byte(s, 21) >= 3 && byte(s, 21) + 20u <= length &&
	                  s->wire_length <= 4096;
}
static bool looks_netflow(struct sighting *s)
{
	uint16_t version = be16(s, 0), count = be16(s, 2);

	if (version == 5 && s->payload.length >= 24)
		return count >= 1 && count <= 30 && 24u + count * 48u == s->wire_length;
	if (version == 1 || version == 7)
		return sighting_port(s, 2055) && count >= 1 && count <= 64 && s->wire_length >= 68;
	/* Version 9: a time between 2000 and 2100, then a set. */
	return version == 9 && s->payload.length >= 24 && count >= 1 && count <= 512 && be32(s, 8) > 946684800 &&
	       (be16(s, 20) <= 1 || be16(s, 20) > 255) && be16(s, 22) >= 4 && be16(s, 22) + 20u <= s->wire_length;
}
static bool looks_ipfix(struct sighting *s)
{
	s->carrier = APPLICATION_NETFLOW; /* its tenth version */
	return s->payload.length >= 20 && be16(s, 0) == 10 && be16(s, 2) == s->wire_length && be32(s, 4) > 946684800 &&
	       (be16(s, 16) == 2 || be16(s, 16) == 3 || be16(s, 16) > 255) && be16(s, 18) >= 4;
}
static bool looks_sflow(struct sighting *s)
{
	uint32_t version = be32(s, 0), kind = be32(s, 4);
	return s->payload.length >= 24 && (version == 5 || version == 4 || version == 2) && (kind == 1 || kind == 2) &&
	       (sighting_port(s, 6343) || (version == 5 && be32(s, kind == 1 ? 24 : 36) < 1024 && s->wire_length > 28));
}
static bool looks_ipmi(struct sighting *s)
{
	return s->payload.length >= 4 && byte(s, 0) == 6 && byte(s, 1) == 0 && byte(s, 2) == 0xff &&
	       ((byte(s, 3) & 0x1f) == 7 || (byte(s, 3) & 0x1f) == 6);
}
static bool looks_collectd(struct sighting *s) { return sighting_port(s, 25826) && be16(s, 0) == 0 && be16(s, 2) > 4 && be16(s, 2) < 128; }
static bool looks_zabbix(struct sighting *s) { return BEGINS(s, "ZBXD\1"); }
static bool looks_wsd(struct sighting *s) { return sighting_port(s, 3702) && BEGINS(s, "<?xml"); }
static bool looks_ssdp(struct sighting *s)
{
	return BEGINS(s, "M-SEARCH * HTTP/1.1") || BEGINS(s, "NOTIFY * HTTP/1.1") ||
	       (BEGINS(s, "HTTP/1.1 200 OK") && (sighting_port(s, 1900) || contains(s, "\nST:") || contains(s, "\nUSN:") ||
	                                         contains(s, "\nEXT:") || contains(s, "ache-control:")));
}
static bool looks_wake(struct sighting *s)
{
	return s->wire_length >= 102 && be32(s, 0) == 0xffffffff && be16(s, 4) == 0xffff && s->payload.length >= 18 &&
	       memcmp(s->payload.data + 6, s->payload.data + 12, 6) == 0;
}
static bool looks_sql_browser(struct sighting *s)
{
	return sighting_port(s, 1434) && byte(s, 0) >= 2 && byte(s, 0) <= 15 && (byte(s, 0) < 4 ? s->wire_length == 1 : 1);
}

/* ONC RPC: a call, or a reply from where files and portmappers are. */
static bool looks_sun_rpc(struct sighting *s)
{
	if (s->payload.length >= 24 && be32(s, 4) == 1 && be32(s, 8) <= 1 && (sighting_port(s, 2049) || sighting_port(s, 111))) {
		s->name = sighting_port(s, 2049) ? APPLICATION_NFS : APPLICATION_PORTMAP;
		return true;
	}
	return s->payload.length >= 24 && be32(s, 4) == 0 && be32(s, 8) == 2 && (s->name = application_of_call(s->payload)) != APPLICATION_NONE;
}

/* ---- voice and meetings ---- */

static bool looks_sip(struct sighting *s)
{
	if (BEGINS(s, "SIP/2.0 "))
		return true;
	/* Keep-alives: blanks on its port. */
	if ((sighting_port(s, 5060) || sighting_port(s, 5061)) && s->wire_length <= 4 && (byte(s, 0) == '\r' || byte(s, 0) == 0))
		return true;
	return byte(s, 0) >= 'A' && byte(s, 0) <= 'U' && (contains(s, " sip:") || contains(s, " sips:") || contains(s, " SIP/2.0\r\n")) &&
	       s->payload.length > 12;
}

/*
 * STUN (RFC 8489): the two top bits clear, a length that is the datagram's, the magic cookie; without the cookie (RFC 3489) only on its port. Attributes of
 * their own tell who meets.
 */
static bool looks_stun(struct sighting *s)
{
	uint16_t type = be16(s, 0), length = be16(s, 2);

	if (s->payload.length < 20 || type & 0xc000 || length + 20u != s->wire_length || length % 4)
		return false;
	if (be32(s, 4) != 0x2112a442 && !((sighting_port(s, 3478) || sighting_port(s, 3479)) && (type & 0xfeef) <= 3))
		return false;
	s->name = APPLICATION_STUN;
	for (size_t at = 20; at + 4 <= s->payload.length;) {
		uint16_t attribute = be16(s, at);
		if (attribute == 0x8054 || attribute == 0x8055 || attribute == 0x8056 || attribute == 0x8070 || attribute == 0x8008 ||
		    attribute == 0x8006 || attribute == 0x24df) {
			s->carrier = APPLICATION_STUN;
			s->name = APPLICATION_SKYPE_TEAMS_CALL;
			break;
		}
		if (attribute == 0x4000 || attribute == 0x4002 || attribute == 0x4003 || attribute == 0x4004 || attribute == 0x4007) {
			s->carrier = APPLICATION_STUN;
			s->name = APPLICATION_WHATSAPP_CALL;
			break;
		}
		if (attribute == 0x0101 && be16(s, at + 2) == 20) {
			s->carrier = APPLICATION_STUN;
			s->name = APPLICATION_ZOOM;
			break;
		}
		at += 4u + ((be16(s, at + 2) + 3u) & ~3u);
	}
	s->goes_on = s->name == APPLICATION_STUN && s->first; /* the other side may say more */
	return true;
}

static bool looks_dtls(struct sighting *s)
{
	return s->payload.length >= 13 && byte(s, 0) >= 20 && byte(s, 0) <= 25 && byte(s, 1) == 0xfe && (byte(s, 2) >= 0xfc) &&
	       be16(s, 3) <= 1 && be16(s, 11) + 13u <= s->wire_length && be16(s, 11) > 0;
}
static bool is_quic(const struct sighting *s)
{
	/* gQUIC: a version "Q0.." or "T0.." in long and old public headers. */
	uint32_t version = be32(s, 1) & 0xffff0000, old = be32(s, 9) & 0xffff0000;

	if (looks_like_quic(s->payload))
		return true;
	return s->payload.length >= 16 &&
	       ((byte(s, 0) & 0x80 && (version == 0x51300000 || version == 0x54300000)) || ((byte(s, 0) & 0x09) == 0x09 && old == 0x51300000));
}
static bool looks_quic(struct sighting *s)
{
	/* A client's first datagrams are whole and have the hello in them, encrypted with a key that anyone can derive. */
	return is_quic(s) && ((s->nameless = !s->reversed && s->payload.length == s->wire_length && s->wire_length >= 1200), true);
}
static bool looks_mgcp(struct sighting *s)
{
	static const char verbs[] = "AUEP AUCX CRCX DLCX EPCF MDCX NTFY RQNT RSIP ";
	if (s->payload.length < 16 || byte(s, 4) != ' ')
		return false;
	char verb[6] = {(char)byte(s, 0), (char)byte(s, 1), (char)byte(s, 2), (char)byte(s, 3), ' ', 0};
	return (verb[0] != ' ' && strstr(verbs, verb) && contains(s, "MGCP ")) ||
	       (sighting_port(s, 2427) && byte(s, 3) == ' ' && byte(s, 0) >= '1' && byte(s, 0) <= '5');
}
static bool looks_megaco(struct sighting *s) { return BEGINS(s, "!/1 ") || BEGINS(s, "!/2 ") || BEGINS(s, "MEGACO/"); }
static bool looks_iax(struct sighting *s)
{
	return sighting_port(s, 4569) && s->payload.length >= 12 && byte(s, 0) & 0x80 && byte(s, 10) <= 12;
}
static bool looks_zoom(struct sighting *s)
{
	/* Zoom's media encapsulation goes to the ports 8801 to 8810: a type, a sequence number and the direction at byte 7. */
	bool port = (s->destination_port >= 8801 && s->destination_port <= 8810) || (s->source_port >= 8801 && s->source_port <= 8810);
	return port && s->payload.length >= 8 && (byte(s, 0) == 5 || byte(s, 0) <= 7) &&
	       (byte(s, 7) == 0 || byte(s, 7) == 4 || byte(s, 0) == 1 || byte(s, 0) == 2 || byte(s, 0) == 3);
}
static bool looks_discord(struct sighting *s)
{
	/* IP discovery: type 1 or 2, length 70, 74 bytes in all; keep-alives of 8 bytes stand on the same ports. */
	if (s->wire_length == 74 && (be16(s, 0) == 1 || be16(s, 0) == 2) && be16(s, 2) == 70)
		return true;
	bool port = (s->source_port >= 50000 && s->source_port <= 50100) || (s->destination_port >= 50000 && s->destination_port <= 50100);
	return port && s->wire_length == 8 &&
	       ((byte(s, 0) == 0x13 && byte(s, 1) == 0x37) || be32(s, 0) == 0x1337cafe || be32(s, 0) == 0x1337f001);
}
static bool looks_teamspeak(struct sighting *s) { return BEGINS(s, "TS3INIT1"); }

/* ---- tunnels ---- */

static bool looks_ipsec(struct sighting *s)
{
	if (sighting_port(s, 4500))
		return s->wire_length == 1 ? byte(s, 0) == 0xff : s->payload.length >= 8;
	return sighting_port(s, 500) && looks_like_isakmp(s->payload);
}
static bool looks_wireguard(struct sighting *s)
{
	uint32_t type = be32(s, 0);
	return (type == 0x01000000 && s->wire_length == 148) || (type == 0x02000000 && s->wire_length == 92) ||
	       (type == 0x03000000 && s->wire_length == 64) ||
	       (type == 0x04000000 && s->wire_length >= 32 && s->wire_length % 16 == 0 && sighting_port(s, 51820));
}
static bool looks_openvpn(struct sighting *s)
{
	/* The first reset of a client or server (opcodes 7, 8, 10), key 0. */
	uint8_t opcode = byte(s, 0) >> 3;
	if ((byte(s, 0) & 7) == 0 && (opcode == 7 || opcode == 8 || opcode == 10) && s->wire_length >= 14 && s->wire_length <= 512)
		return sighting_port(s, 1194) || (s->wire_length == 14 && byte(s, 9) == 0 && be32(s, 10) == 0 && s->payload.length == 14);
	return sighting_port(s, 1194) && opcode >= 1 && opcode <= 10;
}
static bool looks_l2tp(struct sighting *s) { return sighting_port(s, 1701) && (byte(s, 1) & 15) == 2 && s->payload.length >= 6; }
static bool looks_teredo(struct sighting *s) { return sighting_port(s, 3544) && (be16(s, 0) <= 1 || byte(s, 0) >> 4 == 6); }
static bool looks_ayiya(struct sighting *s) { return sighting_port(s, 5072) && s->payload.length >= 44; }
static bool looks_gtp(struct sighting *s)
{
	uint8_t version = byte(s, 0) >> 5;
	if (s->payload.length < 8 || version > 2)
		return false;
	if (sighting_port(s, 2123) || sighting_port(s, 2152) || sighting_port(s, 3386)) {
		s->name = sighting_port(s, 2152) ? APPLICATION_GTP_U : sighting_port(s, 2123) ? APPLICATION_GTP_C : APPLICATION_GTP_PRIME;
		s->carrier = APPLICATION_GTP;
		return be16(s, 2) + (version == 2 ? 4u : 8u) <= s->wire_length + 12;
	}
	return false;
}
static bool looks_pfcp(struct sighting *s) { return sighting_port(s, 8805) && byte(s, 0) >> 5 == 1 && be16(s, 2) + 4u <= s->wire_length; }
static bool looks_vxlan(struct sighting *s) { return sighting_port(s, 4789) && s->payload.length >= 8; }
static bool looks_geneve(struct sighting *s) { return sighting_port(s, 6081) && s->payload.length >= 8; }
static bool looks_capwap(struct sighting *s) { return (sighting_port(s, 5246) || sighting_port(s, 5247)) && s->payload.length >= 8; }
static bool looks_lisp(struct sighting *s) { return (sighting_port(s, 4341) || sighting_port(s, 4342)) && s->payload.length >= 8; }
static bool looks_zerotier(struct sighting *s) { return sighting_port(s, 9993) && s->payload.length >= 27; }

/* ---- routers ---- */

static bool looks_rip(struct sighting *s)
{
	return sighting_port(s, 520) && byte(s, 0) >= 1 && byte(s, 0) <= 2 && byte(s, 1) >= 1 && byte(s, 1) <= 2;
}
static bool looks_ripng(struct sighting *s) { return sighting_port(s, 521) && byte(s, 0) >= 1 && byte(s, 0) <= 2 && byte(s, 1) == 1; }
static bool looks_hsrp(struct sighting *s) { return sighting_port(s, 1985) || sighting_port(s, 2029); }
static bool looks_glbp(struct sighting *s) { return sighting_port(s, 3222); }
static bool looks_bfd(struct sighting *s)
{
	return (sighting_port(s, 3784) || sighting_port(s, 3785) || sighting_port(s, 4784)) && byte(s, 0) >> 5 == 1 && s->payload.length >= 8;
}
static bool looks_ldp(struct sighting *s) { return sighting_port(s, 646) && be16(s, 0) == 1; }

/* ---- files, devices, industry, peers ---- */

static bool looks_tftp(struct sighting *s)
{
	if (sighting_port(s, 69) && be16(s, 0) >= 1 && be16(s, 0) <= 6)
		return true;
	return (be16(s, 0) == 1 || be16(s, 0) == 2) && s->payload.length > 8 && (contains(s, "octet") || contains(s, "netascii"));
}
static bool looks_coap(struct sighting *s)
{
	return (sighting_port(s, 5683) || sighting_port(s, 5684)) && byte(s, 0) >> 6 == 1 && (byte(s, 0) & 15) <= 8;
}
static bool looks_someip(struct sighting *s)
{
	uint8_t kind = byte(s, 14);
	return s->payload.length >= 16 && be32(s, 4) + 8 <= s->wire_length && be32(s, 4) >= 8 && byte(s, 12) == 1 &&
	       (kind <= 2 || kind == 0x80 || kind == 0x81 || kind == 0x40 || kind == 0x41 || kind == 0x42 || kind == 0xc0 || kind == 0xc1) &&
	       (byte(s, 15) <= 0x0a) &&
	       (be32(s, 0) == 0xffff8100 || be32(s, 0) == 0xffff0000 || be32(s, 0) == 0xffff8000 || sighting_port(s, 30490) ||
	        sighting_port(s, 30491) || sighting_port(s, 30501));
}
static bool looks_bacnet(struct sighting *s) { return sighting_port(s, 47808) && byte(s, 0) == 0x81 && be16(s, 2) == s->wire_length; }
static bool looks_knx(struct sighting *s) { return be16(s, 0) == 0x0610 && be16(s, 4) == s->wire_length; }
static bool looks_dnp3(struct sighting *s) { return be16(s, 0) == 0x0564 && byte(s, 2) >= 5 && s->payload.length >= 10; }
static bool looks_ethernet_ip(struct sighting *s) { return (sighting_port(s, 44818) || sighting_port(s, 2222)) && s->payload.length >= 18; }
static bool looks_memcached(struct sighting *s)
{
	return sighting_port(s, 11211) && s->payload.length > 8 && be16(s, 4) >= 1 && be16(s, 6) == 0;
}
static bool looks_bittorrent(struct sighting *s)
{
	return BEGINS(s, "d1:ad2:id20:") || BEGINS(s, "d1:rd2:id20:") || BEGINS(s, "d1:el") || BEGINS(s, "BT-SEARCH * HTTP/1.1") ||
	       (be32(s, 0) == 0x00000417 && be32(s, 4) == 0x27101980);
}
static bool looks_dropbox(struct sighting *s) { return sighting_port(s, 17500) && (BEGINS(s, "{\"") || contains(s, "host_int")); }
static bool looks_spotify(struct sighting *s) { return BEGINS(s, "SpotUdp"); }
static bool looks_xdmcp(struct sighting *s)
{
	return sighting_port(s, 177) && be16(s, 0) == 1 && be16(s, 2) <= 16 && be16(s, 4) + 6u == s->wire_length;
}
static bool looks_citrix(struct sighting *s)
{
	return sighting_port(s, 1604) && s->payload.length >= 10 && s->wire_length == weir_load_le16(s->payload.data);
}
static bool looks_rdp(struct sighting *s)
{
	return sighting_port(s, 3389) && s->payload.length >= 12 && (be32(s, 0) == 0xffffffff || byte(s, 0) != 0);
}
static bool looks_mpeg_ts(struct sighting *s)
{
	return byte(s, 0) == 0x47 && s->wire_length >= 188 && s->wire_length % 188 == 0 && (s->payload.length <= 188 || byte(s, 188) == 0x47);
}
static bool looks_steam(struct sighting *s)
{
	return be32(s, 0) == 0xffffffff && (contains(s, "Source Engine Query") || BEGINS(s, "\xff\xff\xff\xff!L_\xa0"));
}

static const struct signature signatures[] = {
	{.application = APPLICATION_MDNS, .looks = looks_mdns, .ports = {5353}},
	{.application = APPLICATION_LLMNR, .looks = looks_llmnr, .ports = {5355}},
	{.application = APPLICATION_DNS, .looks = looks_dns},
	{.application = APPLICATION_QUIC, .looks = looks_quic},
	{.application = APPLICATION_NTP, .looks = looks_ntp, .ports = {123}},
	{.application = APPLICATION_DHCP, .looks = looks_dhcp, .ports = {67, 68}},
	{.application = APPLICATION_NETBIOS, .looks = looks_netbios, .ports = {137, 138}},
	{.application = APPLICATION_KERBEROS, .looks = looks_kerberos, .first = {{0x6a, 0x7e}}},
	{.application = APPLICATION_SNMP, .looks = looks_snmp, .first = {{0x30, 0x30}}},
	{.application = APPLICATION_LDAP, .looks = looks_ldap, .ports = {389}, .first = {{0x30, 0x30}}},
	{.application = APPLICATION_STUN, .looks = looks_stun, .first = {{0, 0x3f}}},
	{.application = APPLICATION_DTLS, .looks = looks_dtls, .first = {{20, 25}}},
	{.application = APPLICATION_SIP, .looks = looks_sip, .first = {{'A', 'U'}, {0, '\r'}}},
	{.application = APPLICATION_SSDP, .looks = looks_ssdp, .first = {{'H', 'N'}}},
	{.application = APPLICATION_SYSLOG, .looks = looks_syslog, .first = {{'<', '<'}}},
	{.application = APPLICATION_IPSEC, .looks = looks_ipsec, .ports = {500, 4500}},
	{.application = APPLICATION_RADIUS, .looks = looks_radius, .first = {{1, 45}}},
	{.application = APPLICATION_DHCPV6, .looks = looks_dhcpv6, .ports = {546, 547}},
	{.application = APPLICATION_SFLOW, .looks = looks_sflow, .first = {{0, 1}}},
	{.application = APPLICATION_NETFLOW, .looks = looks_netflow, .first = {{0, 1}}},
	{.application = APPLICATION_IPFIX, .looks = looks_ipfix, .first = {{0, 1}}},
	{.application = APPLICATION_NONE, .looks = looks_sun_rpc},
	{.application = APPLICATION_NONE, .looks = looks_gtp, .ports = {2123, 2152, 3386}},
	{.application = APPLICATION_PFCP, .looks = looks_pfcp, .ports = {8805}},
	{.application = APPLICATION_VXLAN, .looks = looks_vxlan, .ports = {4789}},
	{.application = APPLICATION_GENEVE, .looks = looks_geneve, .ports = {6081}},
	{.application = APPLICATION_WIREGUARD, .looks = looks_wireguard, .first = {{1, 4}}},
	{.application = APPLICATION_L2TP, .looks = looks_l2tp, .ports = {1701}},
	{.application = APPLICATION_TEREDO, .looks = looks_teredo, .ports = {3544}},
	{.application = APPLICATION_AYIYA, .looks = looks_ayiya, .ports = {5072}},
	{.application = APPLICATION_CAPWAP, .looks = looks_capwap, .ports = {5246, 5247}},
	{.application = APPLICATION_LISP, .looks = looks_lisp, .ports = {4341, 4342}},
	{.application = APPLICATION_PTP, .looks = looks_ptp, .ports = {319, 320}},
	{.application = APPLICATION_NAT_PMP, .looks = looks_nat_pmp, .ports = {5350, 5351}},
	{.application = APPLICATION_WSD, .looks = looks_wsd, .ports = {3702}},
	{.application = APPLICATION_IPMI, .looks = looks_ipmi, .first = {{6, 6}}},
	{.application = APPLICATION_COLLECTD, .looks = looks_collectd, .ports = {25826}},
	{.application = APPLICATION_ZABBIX, .looks = looks_zabbix, .first = {{'Z', 'Z'}}},
	{.application = APPLICATION_WAKE_ON_LAN, .looks = looks_wake, .first = {{0xff, 0xff}}},
	{.application = APPLICATION_SQL_BROWSER, .looks = looks_sql_browser, .ports = {1434}},
	{.application = APPLICATION_MGCP, .looks = looks_mgcp, .first = {{'1', '5'}, {'A', 'R'}}},
	{.application = APPLICATION_MEGACO, .looks = looks_megaco, .first = {{'!', 'M'}}},
	{.application = APPLICATION_IAX, .looks = looks_iax, .ports = {4569}},
	{.application = APPLICATION_ZOOM, .looks = looks_zoom, .first = {{0, 7}}},
	{.application = APPLICATION_DISCORD, .looks = looks_discord, .first = {{0, 1}, {0x13, 0x13}}},
	{.application = APPLICATION_TEAMSPEAK, .looks = looks_teamspeak, .first = {{'T', 'T'}}},
	{.application = APPLICATION_RIP, .looks = looks_rip, .ports = {520}},
	{.application = APPLICATION_RIPNG, .looks = looks_ripng, .ports = {521}},
	{.application = APPLICATION_HSRP, .looks = looks_hsrp, .ports = {1985, 2029}},
	{.application = APPLICATION_GLBP, .looks = looks_glbp, .ports = {3222}},
	{.application = APPLICATION_BFD, .looks = looks_bfd, .ports = {3784, 3785, 4784}},
	{.application = APPLICATION_LDP, .looks = looks_ldp, .ports = {646}},
	{.application = APPLICATION_TFTP, .looks = looks_tftp, .first = {{0, 1}}},
	{.application = APPLICATION_COAP, .looks = looks_coap, .ports = {5683, 5684}},
	{.application = APPLICATION_SOMEIP, .looks = looks_someip},
	{.application = APPLICATION_BACNET, .looks = looks_bacnet, .ports = {47808}},
	{.application = APPLICATION_KNX, .looks = looks_knx, .first = {{6, 6}}},
	{.application = APPLICATION_DNP3, .looks = looks_dnp3, .first = {{5, 5}}},
	{.application = APPLICATION_ETHERNET_IP, .looks = looks_ethernet_ip, .ports = {44818, 2222}},
	{.application = APPLICATION_MEMCACHED, .looks = looks_memcached, .ports = {11211}},
	{.application = APPLICATION_BITTORRENT, .looks = looks_bittorrent, .first = {{'B', 'd'}, {0, 1}}},
	{.application = APPLICATION_DROPBOX, .looks = looks_dropbox, .ports = {17500}},
	{.application = APPLICATION_SPOTIFY, .looks = looks_spotify, .first = {{'S', 'S'}}},
	{.application = APPLICATION_XDMCP, .looks = looks_xdmcp, .ports = {177}},
	{.application = APPLICATION_CITRIX, .looks = looks_citrix, .ports = {1604}},
	{.application = APPLICATION_STEAM, .looks = looks_steam, .first = {{0xff, 0xff}}},
	{.application = APPLICATION_MPEG_TS, .looks = looks_mpeg_ts, .first = {{'G', 'G'}}},
	{.application = APPLICATION_OPENVPN, .looks = looks_openvpn},
	{.application = APPLICATION_ZEROTIER, .looks = looks_zerotier, .ports = {9993}},
	{.application = APPLICATION_RDP, .looks = looks_rdp, .ports = {3389}},
};

uint16_t application_of_media(struct weir_bytes whole)
{
	struct kept kept;
	uint32_t sources[2] = {0, 0};
	uint16_t last[2] = {0, 0};
	unsigned rtp = 0, rtcp = 0, packets = 0;

	for (size_t at = 0; at + sizeof kept <= whole.length; at += sizeof kept + kept.length, packets++) {
		memcpy(&kept, whole.data + at, sizeof kept);
		const uint8_t *p = whole.data + at + sizeof kept;
		unsigned way = kept.reversed & 1;
		if (kept.length > whole.length - at - sizeof kept || kept.length < RTP_HEADER || p[0] >> 6 != 2)
			return APPLICATION_NONE;
		if (p[1] >= 200 && p[1] <= 207) {
			rtcp += (weir_load_be16(p + 2) + 1u) * 4 <= kept.wire_length;
			continue;
		}
		/* Of one source, with numbers that go up a little. */
		uint16_t step = (uint16_t)(weir_load_be16(p + 2) - last[way]);
		rtp +=
			sources[way] == weir_load_be32(p + 8) && sources[way] && step > 0 && step < 32 && ((p[1] & 0x7f) <= 34 || (p[1] & 0x7f) >= 96);
		sources[way] = weir_load_be32(p + 8);
		last[way] = weir_load_be16(p + 2);
	}
	if (rtp >= 2)
		return APPLICATION_RTP;
	return rtcp && rtcp == packets ? APPLICATION_RTCP : APPLICATION_NONE;
}

void application_look_udp(struct sighting *s) { application_match(s, signatures, &s->candidates->udp); }

void application_candidates_udp(struct application_candidates *candidates)
{
	application_sort(signatures, sizeof signatures / sizeof signatures[0], &candidates->udp);
}
