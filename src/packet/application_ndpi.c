/*
 * nDPI: names what our own signatures can't. The only file that knows it; where it is not built in, nobody asks it.
 *
 * It is C code of others that looks at hostile bytes. So it sees only whole, well-formed packets: headers made here from the flow's addresses and ports around a copy of
 * the payload, never more than PENDING_FLOW_BYTES of a flow.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config.h"
#include "packet/application.h"

#ifdef HAVE_NDPI

#include <ndpi_api.h>

struct application_ndpi {
	struct ndpi_detection_module_struct *module; /* NULL: not asked anything since it was made, or was told to forget */
	bool failed;                                 /* there was no memory for a module: it knows nothing */
	bool making;                                 /* maker makes it: until that was joined the rest of this is its own */
	pthread_t maker;
	struct ndpi_flow_struct *flow;
	uint32_t flow_size;
	unsigned protocols;
	uint16_t numbers[NDPI_MAX_SUPPORTED_PROTOCOLS]; /* ours, by its own */
	uint8_t packet[40 + 20 + PENDING_FLOW_BYTES];
};

/* Its categories as ours. */
static uint8_t category_of(unsigned category)
{
	switch (category) {
	case NDPI_PROTOCOL_CATEGORY_MEDIA:
	case NDPI_PROTOCOL_CATEGORY_STREAMING:
		return CATEGORY_MEDIA;
	case NDPI_PROTOCOL_CATEGORY_VPN:
		return CATEGORY_VPN;
	case NDPI_PROTOCOL_CATEGORY_MAIL:
		return CATEGORY_MAIL;
	case NDPI_PROTOCOL_CATEGORY_DATA_TRANSFER:
	case NDPI_PROTOCOL_CATEGORY_FILE_SHARING:
		return CATEGORY_FILE;
	case NDPI_PROTOCOL_CATEGORY_WEB:
		return CATEGORY_WEB;
	case NDPI_PROTOCOL_CATEGORY_SOCIAL_NETWORK:
		return CATEGORY_SOCIAL;
	case NDPI_PROTOCOL_CATEGORY_DOWNLOAD_FT:
		return CATEGORY_DOWNLOAD;
	case NDPI_PROTOCOL_CATEGORY_GAME:
		return CATEGORY_GAME;
	case NDPI_PROTOCOL_CATEGORY_CHAT:
		return CATEGORY_CHAT;
	case NDPI_PROTOCOL_CATEGORY_VOIP:
		return CATEGORY_VOICE;
	case NDPI_PROTOCOL_CATEGORY_DATABASE:
		return CATEGORY_DATABASE;
	case NDPI_PROTOCOL_CATEGORY_REMOTE_ACCESS:
		return CATEGORY_REMOTE_ACCESS;
	case NDPI_PROTOCOL_CATEGORY_CLOUD:
		return CATEGORY_CLOUD;
	case NDPI_PROTOCOL_CATEGORY_NETWORK:
	case NDPI_PROTOCOL_CATEGORY_CONNECTIVITY_CHECK:
		return CATEGORY_NETWORK;
	case NDPI_PROTOCOL_CATEGORY_COLLABORATIVE:
	case NDPI_PROTOCOL_CATEGORY_PRODUCTIVITY:
		return CATEGORY_COLLABORATION;
	case NDPI_PROTOCOL_CATEGORY_RPC:
		return CATEGORY_RPC;
	case NDPI_PROTOCOL_CATEGORY_SYSTEM_OS:
		return CATEGORY_MANAGEMENT;
	case NDPI_PROTOCOL_CATEGORY_SW_UPDATE:
		return CATEGORY_UPDATE;
	case NDPI_PROTOCOL_CATEGORY_MUSIC:
		return CATEGORY_MUSIC;
	case NDPI_PROTOCOL_CATEGORY_VIDEO:
		return CATEGORY_VIDEO;
	case NDPI_PROTOCOL_CATEGORY_SHOPPING:
		return CATEGORY_SHOPPING;
	case NDPI_PROTOCOL_CATEGORY_IOT_SCADA:
		return CATEGORY_INDUSTRIAL;
	default:
		return CATEGORY_OTHER;
	}
}

/* Names that newer versions of nDPI changed: we use the newer. */
static const char *newer_name(const char *name)
{
	static const struct {
		const char *old, *new;
	} renamed[] = {{"SkypeCall", "Skype_TeamsCall"}, {"Hotmail", "Outlook"}};

	for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++)
		if (strcmp(name, renamed[i].old) == 0)
			return renamed[i].new;
	return name;
}

static const char *protocol_name(const struct application_ndpi *ndpi, unsigned id)
{
	const char *name = id < ndpi->protocols ? ndpi_get_proto_name(ndpi->module, (u_int16_t)id) : NULL;
	return name ? newer_name(name) : "Unknown";
}

static uint16_t number_of(const struct application_ndpi *ndpi, unsigned id)
{
	if (id == NDPI_PROTOCOL_UNKNOWN || id >= ndpi->protocols)
		return APPLICATION_NONE;
	const char *name = protocol_name(ndpi, id);
	for (uint16_t i = 1; i < APPLICATIONS; i++)
		if (strcasecmp(application_entries[i].name, name) == 0)
			return i;
	return (uint16_t)(APPLICATIONS + id);
}

struct application_ndpi *application_ndpi_new(void)
{
	if (ndpi_get_api_version() != NDPI_API_VERSION)
		return NULL;
	struct application_ndpi *ndpi = calloc(1, sizeof *ndpi);
	if (!ndpi)
		return NULL;
	ndpi->flow_size = ndpi_detection_get_sizeof_ndpi_flow_struct();
	ndpi->flow = calloc(1, ndpi->flow_size);
	if (!ndpi->flow) {
		free(ndpi);
		return NULL;
	}
	return ndpi;
}

/* Three quarters of the time go to 48,000 networks whose services it knows, 39,000 of them of one company; there is no leaving them out. */
static void make(struct application_ndpi *ndpi)
{
	NDPI_PROTOCOL_BITMASK all;

	ndpi->module = ndpi_init_detection_module(ndpi_no_prefs);
	ndpi->failed = !ndpi->module;
	if (ndpi->failed)
		return;
	NDPI_BITMASK_SET_ALL(all);
	ndpi_set_protocol_detection_bitmask2(ndpi->module, &all);
	ndpi_finalize_initialization(ndpi->module);
	ndpi->protocols = ndpi_get_num_supported_protocols(ndpi->module);
	if (ndpi->protocols > NDPI_MAX_SUPPORTED_PROTOCOLS)
		ndpi->protocols = NDPI_MAX_SUPPORTED_PROTOCOLS;
	for (unsigned id = 0; id < ndpi->protocols; id++)
		ndpi->numbers[id] = number_of(ndpi, id);
}

/*
 * In a thread glibc's malloc takes memory from the system by the page, 1,400 calls for what a module has, each of which stops all other threads' page faults. So what it wants is
 * taken before, in larger pieces, and given back to malloc; the last piece stands behind them meanwhile, so that they stay.
 */
static void *make_beside(void *context)
{
	enum { PIECES = 64, PIECE_BYTES = 100 << 10 };
	void *pieces[PIECES];

	for (unsigned i = 0; i < PIECES; i++)
		pieces[i] = malloc(PIECE_BYTES);
	for (unsigned i = 0; i + 1 < PIECES; i++)
		free(pieces[i]);
	make(context);
	free(pieces[PIECES - 1]);
	return NULL;
}

void application_ndpi_begin(struct application_ndpi *ndpi)
{
	if (!ndpi->making && !ndpi->module && !ndpi->failed)
		ndpi->making = pthread_create(&ndpi->maker, NULL, make_beside, ndpi) == 0;
}

/* Waits for who makes it. */
static void join(struct application_ndpi *ndpi)
{
	if (ndpi->making)
		pthread_join(ndpi->maker, NULL);
	ndpi->making = false;
}

/* Makes the module when it is first needed: that takes 40 ms, of which a run with nothing to ask, or that ends, is spared. False: there is none to be had. */
static bool ready(struct application_ndpi *ndpi)
{
	join(ndpi);
	if (!ndpi->module && !ndpi->failed)
		make(ndpi);
	return !ndpi->failed;
}

void application_ndpi_forget(struct application_ndpi *ndpi)
{
	join(ndpi);
	if (ndpi->module)
		ndpi_exit_detection_module(ndpi->module);
	ndpi->module = NULL;
	ndpi->failed = false;
}

void application_ndpi_free(struct application_ndpi *ndpi)
{
	if (!ndpi)
		return;
	application_ndpi_forget(ndpi);
	free(ndpi->flow);
	free(ndpi);
}

const char *application_ndpi_version(void) { return ndpi_revision(); }

/* Makes the IP packet of one payload. Its length. */
static uint16_t rebuild(struct application_ndpi *ndpi, const struct weir_application_flow *flow, const struct kept *kept,
                        const uint8_t *payload)
{
	uint8_t *p = ndpi->packet;
	const struct weir_ip *from = kept->reversed ? flow->destination : flow->source, *to = kept->reversed ? flow->source : flow->destination;
	unsigned transport = flow->protocol == 6 ? 20 : 8, network = from->version == 4 ? 20 : 40;

	memset(p, 0, network + transport);
	if (from->version == 4) {
		p[0] = 0x45;
		weir_store_be16(p + 2, (uint16_t)(20 + transport + kept->length));
		p[8] = 64;
		p[9] = flow->protocol;
		memcpy(p + 12, from->bytes, 4);
		memcpy(p + 16, to->bytes, 4);
	} else {
		p[0] = 0x60;
		weir_store_be16(p + 4, (uint16_t)(transport + kept->length));
		p[6] = flow->protocol;
		p[7] = 64;
		memcpy(p + 8, from->bytes, 16);
		memcpy(p + 24, to->bytes, 16);
	}
	uint8_t *t = p + network;
	weir_store_be16(t, kept->reversed ? flow->destination_port : flow->source_port);
	weir_store_be16(t + 2, kept->reversed ? flow->source_port : flow->destination_port);
	if (flow->protocol == 6) {
		weir_store_be32(t + 4, kept->sequence);
		t[12] = 0x50;
		t[13] = kept->tcp_flags & 0x18; /* ACK and PSH: SYN, FIN and RST would begin or end what we only copied */
		weir_store_be16(t + 14, 65535);
	} else {
		weir_store_be16(t + 4, (uint16_t)(8 + kept->length));
	}
	memcpy(t + transport, payload, kept->length);
	return (uint16_t)(network + transport + kept->length);
}

/*
 * Its looks for text read every byte of every payload, some of them seven times, and took half of its time on payloads that have none. What each of them wants at
 * the least, found at once. (Read in nDPI 4.2; where another version looks for more, that is not found.)
 */
struct marks {
	bool word;    /* a payload begins with three letters: commands of FTP, methods of RTSP */
	bool line;    /* one has a line that ends, as each header has that is looked for, or is as short as what Ookla begins with */
	bool object;  /* one begins as JSON does: mining */
	bool small;   /* one has no more than five bytes, or begins with zero: Steam, TVUPlayer */
	bool torrent; /* one may be of BitTorrent: its dictionaries, or a header of its transport */
};

static bool is_letter(uint8_t byte) { return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z'; }

static bool has_line(const uint8_t *payload, size_t length)
{
	for (const uint8_t *at = payload, *end = payload + length; (at = memchr(at, '\r', (size_t)(end - at))); at++)
		if (at + 1 < end && at[1] == '\n')
			return true;
	return length == 3 || length == 23 || length == 40;
}

/*
 * Version 1 of its transport (BEP 29), what nDPI takes for that, and what is told by text. Not version 0, of which there has been none for ten years: nDPI compares its time with
 * the clock of whoever reads, so that the same packets had other names the next day.
 */
static bool may_be_torrent(const uint8_t *payload, size_t length)
{
	if (length >= 20 && (payload[0] & 15) == 1 && payload[0] >> 4 <= 4 && payload[1] <= 2)
		return true;
	if (length >= 20 && payload[0] == 0x60 && weir_load_be32(payload + 1) == 0)
		return true;
	return payload[0] == 'd' || memmem(payload, length, "BitTorrent", 10);
}

static struct marks marks_of(struct weir_bytes whole, bool tcp)
{
	struct marks marks = {0};
	struct kept kept;

	for (size_t at = 0, left = tcp ? NDPI_UNNAMED_TCP : NDPI_UNNAMED_UDP; left-- && at + sizeof kept < whole.length; at += sizeof kept + kept.length) {
		const uint8_t *payload = whole.data + at + sizeof kept;
		memcpy(&kept, whole.data + at, sizeof kept);
		size_t rest = whole.length - at - sizeof kept, length = kept.length < rest ? kept.length : rest;
		if (length == 0)
			continue;
		marks.word |= length >= 3 && is_letter(payload[0]) && is_letter(payload[1]) && is_letter(payload[2]);
		marks.object |= payload[0] == '{';
		marks.small |= length <= 5 || payload[0] == 0;
		marks.line = marks.line || has_line(payload, length);
		marks.torrent = marks.torrent || (!tcp && may_be_torrent(payload, length));
	}
	return marks;
}

/* Whether one of the ports is in a range. */
static bool has_port(const struct weir_application_flow *flow, uint16_t low, uint16_t high)
{
	return (flow->source_port >= low && flow->source_port <= high) || (flow->destination_port >= low && flow->destination_port <= high);
}

/* Spares it looks that can find nothing. RTSP over TCP our own look has found, by the same marks. */
static void exclude(struct ndpi_flow_struct *ndpi_flow, const struct weir_application_flow *flow, struct weir_bytes whole)
{
	bool tcp = flow->protocol == 6;
	struct marks marks = marks_of(whole, tcp);
	const struct {
		bool excluded;
		uint16_t protocol;
	} looks[] = {
		{tcp ? !marks.word : true, NDPI_PROTOCOL_FTP_CONTROL},
		{tcp || !marks.word || !marks.line, NDPI_PROTOCOL_RTSP},
		{tcp && !marks.line, NDPI_PROTOCOL_HTTP},
		{tcp && !marks.line && !marks.small, NDPI_PROTOCOL_STEAM},
		{tcp && !marks.line && !marks.small, NDPI_PROTOCOL_TVUPLAYER},
		{tcp && !marks.object && !has_port(flow, 8333, 8333) && !has_port(flow, 30300, 30305), NDPI_PROTOCOL_MINING},
		/* With a port below 1024 it looks only at who spoke BitTorrent before; its own ports it guesses by, unless it is excluded. */
		{!tcp && !marks.torrent && !has_port(flow, 0, 1023) && !has_port(flow, 6771, 6999) && !has_port(flow, 51413, 51413), NDPI_PROTOCOL_BITTORRENT},
	};

	for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++)
		if (looks[i].excluded)
			NDPI_ADD_PROTOCOL_TO_BITMASK(ndpi_flow->excluded_protocol_bitmask, looks[i].protocol);
}

void application_ndpi_look(struct application_ndpi *ndpi, const struct weir_application_flow *flow, struct weir_bytes whole,
                           int64_t time_ns, struct application_ndpi_verdict *verdict)
{
	ndpi_protocol protocol = {0};
	struct kept kept;
	u_int8_t guessed = 0;

	if (!ready(ndpi))
		return;
	unsigned left = flow->protocol == 6 ? NDPI_UNNAMED_TCP : NDPI_UNNAMED_UDP;
	memset(ndpi->flow, 0, ndpi->flow_size);
	exclude(ndpi->flow, flow, whole);
	for (size_t at = 0; at + sizeof kept <= whole.length && left; at += sizeof kept + kept.length) {
		memcpy(&kept, whole.data + at, sizeof kept);
		if (kept.length > whole.length - at - sizeof kept)
			break;
		uint16_t length = rebuild(ndpi, flow, &kept, whole.data + at + sizeof kept);
		protocol =
			ndpi_detection_process_packet(ndpi->module, ndpi->flow, ndpi->packet, length, (u_int64_t)(time_ns > 0 ? time_ns / 1000000 : 0));
		if (protocol.app_protocol == NDPI_PROTOCOL_UNKNOWN)
			left--;
		else if (!ndpi_extra_dissection_possible(ndpi->module, ndpi->flow))
			break;
	}
	if (protocol.app_protocol == NDPI_PROTOCOL_UNKNOWN && protocol.master_protocol == NDPI_PROTOCOL_UNKNOWN)
		protocol = ndpi_detection_giveup(ndpi->module, ndpi->flow, 1, &guessed);
	unsigned app = protocol.app_protocol, master = protocol.master_protocol;
	if (app == NDPI_PROTOCOL_UNKNOWN) {
		app = master;
		master = NDPI_PROTOCOL_UNKNOWN;
	}
	verdict->name = app < ndpi->protocols ? ndpi->numbers[app] : APPLICATION_NONE;
	verdict->carrier = master != app && master < ndpi->protocols ? ndpi->numbers[master] : APPLICATION_NONE;
	verdict->guessed = guessed || ndpi->flow->confidence < NDPI_CONFIDENCE_DPI_CACHE;
	verdict->by_address = ndpi->flow->confidence == NDPI_CONFIDENCE_MATCH_BY_IP;
	/* What it calls a host name may be anything that was in a payload. */
	size_t length = 0;
	for (const char *from = ndpi->flow->host_server_name; length < sizeof ndpi->flow->host_server_name && from[length]; length++) {
		if (from[length] <= ' ' || from[length] >= 127) {
			length = 0;
			break;
		}
		verdict->server_name[length] = from[length];
	}
	verdict->server_name[length] = '\0';
	ndpi_free_flow_data(ndpi->flow);
}

uint16_t application_ndpi_host(struct application_ndpi *ndpi, struct weir_bytes name)
{
	char text[256];
	ndpi_protocol_match_result match = {0};

	if (name.length == 0 || name.length >= sizeof text || !ready(ndpi))
		return APPLICATION_NONE;
	memcpy(text, name.data, name.length);
	text[name.length] = '\0';
	int id = ndpi_match_string_subprotocol(ndpi->module, text, (u_int)name.length, &match);
	return id > 0 && (unsigned)id < ndpi->protocols ? ndpi->numbers[id] : APPLICATION_NONE;
}

uint16_t application_ndpi_address(struct application_ndpi *ndpi, const struct weir_ip *address)
{
	struct in_addr in;

	if (address->version != 4 || !ready(ndpi))
		return APPLICATION_NONE;
	memcpy(&in, address->bytes, sizeof in);
	u_int16_t id = ndpi_network_ptree_match(ndpi->module, &in);
	return id < ndpi->protocols ? ndpi->numbers[id] : APPLICATION_NONE;
}

struct application_entry application_ndpi_entry(struct application_ndpi *ndpi, uint16_t number)
{
	unsigned id = number - APPLICATIONS;

	if (!ndpi || !ready(ndpi) || id >= ndpi->protocols)
		return (struct application_entry){NULL, CATEGORY_NONE};
	return (struct application_entry){protocol_name(ndpi, id), category_of(ndpi_get_proto_defaults(ndpi->module)[id].protoCategory)};
}

#else

struct application_ndpi *application_ndpi_new(void) { return NULL; }
void application_ndpi_begin(struct application_ndpi *ndpi) {}
void application_ndpi_forget(struct application_ndpi *ndpi) {}
void application_ndpi_free(struct application_ndpi *ndpi) {}
const char *application_ndpi_version(void) { return ""; }
void application_ndpi_look(struct application_ndpi *ndpi, const struct weir_application_flow *flow, struct weir_bytes kept, int64_t time_ns,
                           struct application_ndpi_verdict *verdict)
{
}
uint16_t application_ndpi_host(struct application_ndpi *ndpi, struct weir_bytes name) { return APPLICATION_NONE; }
uint16_t application_ndpi_address(struct application_ndpi *ndpi, const struct weir_ip *address) { return APPLICATION_NONE; }
struct application_entry application_ndpi_entry(struct application_ndpi *ndpi, uint16_t number)
{
	return (struct application_entry){NULL, CATEGORY_NONE};
}

#endif
