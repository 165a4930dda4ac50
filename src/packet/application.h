/*
 * packet/application.h: what the files of application naming share. The public face is weir/application.h.
 *
 * application.c           the namer: which evidence counts, and when a flow is decided
 * application_table.c     applications and their categories
 * application_ports.c     … by port and IP protocol
 * application_hosts.c     services by server name
 * application_learn.c     what one flow teaches for others: endpoints, answers of DNS
 * application_match.c     which signatures are asked
 * application_tcp.c       signatures of what runs over TCP …
 * application_udp.c       … and over UDP
 * application_hello.c     the server name in a TLS ClientHello and in an HTTP request
 * application_dcerpc.c    DCE/RPC interfaces: binds and the endpoint mapper
 * application_dns.c       questions and answers of DNS
 * application_memory.c    bounded memory: names, learned pairs, copies of payloads
 * application_state.c     … saved and loaded
 * application_ndpi.c      nDPI, where it is built in
 */
#ifndef PACKET_APPLICATION_H
#define PACKET_APPLICATION_H

#include <weir/application.h>

#include "packet/application_names.h"

/* What named a flow, the stronger the later in "how sure": see application.c. The words are in application_table.c. */
enum application_evidence {
	EVIDENCE_NONE,
	EVIDENCE_PORT,      /* a well-known port and nothing else */
	EVIDENCE_PROTOCOL,  /* the IP protocol number */
	EVIDENCE_SIGNATURE, /* bytes of the payload */
	EVIDENCE_DCERPC,    /* the interface of a bind on the flow */
	EVIDENCE_EPM,       /* the interface that the endpoint mapper gave this port to */
	EVIDENCE_SNI,       /* the server name of a TLS ClientHello */
	EVIDENCE_HOST,      /* the host of an HTTP request */
	EVIDENCE_DNS,       /* the name that the client had resolved to this address, or that it asks for */
	EVIDENCE_ENDPOINT,  /* earlier flows to the same server port */
	EVIDENCE_NDPI,      /* nDPI */
	EVIDENCE_ADDRESS,   /* a port, and a server address that nDPI knows the service of */
	EVIDENCES
};

/* ---- the table ---- */

const char *application_category_name(unsigned category);
const char *application_evidence_name(unsigned evidence);

struct application_entry {
	const char *name;
	uint8_t category;
};
extern const struct application_entry application_entries[APPLICATIONS];

/* Well-known ports, of UDP [0] and of TCP [1]. A bit for each that has an application: most ports are anybody's. Which it has is told by how many have one before it. */
#define APPLICATION_PORTS 512
struct application_ports {
	uint64_t known[2][65536 / 64];
	uint16_t before[2][65536 / 64]; /* known ports below those of the word */
	uint16_t applications[2][APPLICATION_PORTS];
};
void application_ports_fill(struct application_ports *ports);
static inline bool application_port_known(const struct application_ports *ports, bool tcp, uint16_t port)
{
	return ports->known[tcp][port / 64] >> port % 64 & 1;
}
/* The application of a well-known port, 0: none. tcp: of TCP, otherwise of UDP. */
static inline uint16_t application_of_port(const struct application_ports *ports, bool tcp, uint16_t port)
{
	uint64_t lower = ports->known[tcp][port / 64] & ((UINT64_C(1) << port % 64) - 1);

	if (!application_port_known(ports, tcp, port))
		return 0;
	return ports->applications[tcp][ports->before[tcp][port / 64] + (unsigned)__builtin_popcountll(lower)];
}
uint16_t application_of_protocol(uint8_t protocol);
uint16_t application_of_call(struct weir_bytes call); /* of ONC RPC, without record mark; 0: none that is known */

/* The service that a server name belongs to, 0: none that we know. Any case, no closing dot. */
uint16_t application_of_host(struct weir_bytes name);

/* ---- looking at a payload ---- */

struct sighting;
/* A way to tell an application: whether a payload looks like it. The function may set name, carrier and what else it finds. */
struct signature {
	uint16_t application; /* unless the function names one itself */
	bool (*looks)(struct sighting *sighting);
	uint16_t ports[3]; /* of which the flow has to have one; none: any */
	struct {
		uint8_t low, high;
	} first[3]; /* ranges of the first byte; none: any */
};

/* Signatures by the first byte of a payload and by the low byte of a port: most are out of the question by those alone. */
#define SIGNATURES 128
struct signature_set {
	uint64_t by_first[256][SIGNATURES / 64];
	uint64_t by_port[256][SIGNATURES / 64];
};
struct application_candidates {
	struct signature_set tcp, udp;
};
void application_sort(const struct signature *signatures, size_t count, struct signature_set *set);
void application_candidates_tcp(struct application_candidates *candidates);
void application_candidates_udp(struct application_candidates *candidates);
/* Asks those in question, in order; the first that says yes names the sighting. */
void application_match(struct sighting *sighting, const struct signature *signatures, const struct signature_set *set);

struct sighting {
	const struct application_candidates *candidates;
	struct weir_bytes payload;              /* never empty */
	uint32_t wire_length;                   /* of the payload; more than payload.length: cut off */
	uint8_t slack;             /* it may have been so much longer: ESP's padding was cut off */
	uint16_t source_port, destination_port; /* of the flow */
	bool tcp, reversed;
	bool first; /* the first payload of the flow that was seen */
	/* what was found; name 0: nothing */
	uint16_t name, carrier;
	uint8_t evidence;
	bool goes_on;                  /* the name is sound, but more of the flow is to be looked at (answers, a hello cut in two) */
	bool nameless;                 /* TLS or QUIC, whole, but without a server name that says anything */
	bool unfinished;               /* with goes_on: the payload is the beginning of a message that continues in the next segment */
	struct weir_bytes server_name; /* into payload or into text; data NULL: none */
	char text[256];
};

/* Fills what was found. */
void application_look_tcp(struct sighting *sighting);
void application_look_udp(struct sighting *sighting);

#define RTP_HEADER 12

/* What the kept datagrams of a flow are when nothing else is known: RTP or RTCP (RFC 3550) by their regular headers; 0: neither. */
uint16_t application_of_media(struct weir_bytes kept);

static inline bool sighting_port(const struct sighting *s, uint16_t port) { return s->source_port == port || s->destination_port == port; }

static inline bool sighting_begins(const struct sighting *s, const char *text, size_t length)
{
	return s->payload.length >= length && memcmp(s->payload.data, text, length) == 0;
}
#define BEGINS(s, text) sighting_begins(s, text, sizeof text - 1)

/* The server name of a ClientHello, a handshake message without record header, as far as it is there. *whole: all of it was there. */
struct weir_bytes application_hello_name(struct weir_bytes handshake, bool *whole);
/* Both fill the sighting and return whether it is that protocol. */
bool application_look_tls(struct sighting *sighting);
bool application_look_http(struct sighting *sighting);

/* ---- HTTP ---- */

/* The host that a request names, without its port; empty: none, or not one that a host can have. A view. */
struct weir_bytes application_http_host(struct weir_bytes request);

/* ---- DNS ---- */

struct dns_question {
	char name[256]; /* in lower case, without the closing dot */
	size_t length;
	bool response;
};

/* Whether this is a DNS message, and what it asks. message is without the length of DNS over TCP. */
bool application_dns_read(struct weir_bytes message, struct dns_question *question);

/* Calls learn for each address in the answer section that is there. */
typedef void application_dns_learn(void *context, const struct weir_ip *address, uint32_t ttl);
void application_dns_answers(struct weir_bytes message, application_dns_learn *learn, void *context);

/* ---- DCE/RPC ---- */

/* The application of an interface UUID as it stands on the wire (little: in little-endian order), 0: not known. */
uint16_t application_of_interface(const uint8_t *uuid, bool little);
/* The interface's application of the first known context in a bind or alter-context, 0: none. */
uint16_t application_dcerpc_bind(struct weir_bytes pdu);

/* Calls learn for each TCP endpoint in an ept_map response. */
typedef void application_epm_learn(void *context, uint16_t name, uint16_t port);
void application_epm_towers(struct weir_bytes pdu, application_epm_learn *learn, void *context);

/* ---- bounded memory ---- */

/*
 * Learned pairs: a table of buckets of four, the last used first. A fifth doubles the table, as long as it may grow, and else pushes out the last, of which the
 * caller hears. Small while little is known: most of what is looked for then is not there, anywhere in it, and is found missing in a cache.
 */
struct pair {
	uint64_t key; /* 0: free */
	uint64_t value;
};
struct pairs {
	struct pair (*buckets)[4];
	uint64_t mask; /* buckets - 1 */
	uint64_t most; /* what mask may become */
};
int pairs_new(struct pairs *pairs, uint64_t bytes);
void pairs_free(struct pairs *pairs);
/* Calls for what a look at this key reads. */
static inline void pairs_prefetch(const struct pairs *pairs, uint64_t key) { __builtin_prefetch(pairs->buckets[key >> 32 & pairs->mask], 1); }
/* The pair of this key, now the first of its bucket; NULL: none. */
struct pair *pairs_find(struct pairs *pairs, uint64_t key);
/* Likewise, with value 0 when it is new; *out gets what was pushed out for it (key 0: nothing). */
struct pair *pairs_put(struct pairs *pairs, uint64_t key, struct pair *out);

/* Names of servers, each kept once and counted. A reference is a number, 0: no name. */
struct names;
struct names *names_new(uint64_t bytes);
void names_free(struct names *names);
uint32_t names_hold(struct names *names, struct weir_bytes name); /* 0: no room, or longer than 255 */
void names_hold_again(struct names *names, uint32_t name);
void names_drop(struct names *names, uint32_t name);
struct weir_bytes names_text(const struct names *names, uint32_t name);
/* What the caller keeps of a name: its service. UINT16_MAX: not looked up yet. */
uint16_t *names_service(struct names *names, uint32_t name);
bool names_valid(const struct names *names, uint32_t name);

/* One payload that is kept of an undecided flow. */
struct kept {
	uint16_t length; /* bytes kept */
	uint8_t reversed;
	uint8_t tcp_flags;
	uint32_t wire_length; /* of the payload */
	uint32_t sequence;    /* TCP */
};

/* Copies of payloads of undecided flows. What is full forgets the oldest. */
struct pending;
struct pending *pending_new(uint64_t bytes);
void pending_free(struct pending *pending);
/* Adds a payload to *reference (0: new), as much of it as there is room for. False: nothing kept. */
bool pending_add(struct pending *pending, uint32_t *reference, int64_t time_ns, const struct kept *kept, const uint8_t *data);
/* All of what was kept, one struct kept and its bytes after the other, in memory that lives until the next call. Empty: forgotten. */
struct weir_bytes pending_read(struct pending *pending, uint32_t reference, int64_t *time_ns);
void pending_drop(struct pending *pending, uint32_t *reference);

#define PENDING_FLOW_BYTES 8192 /* of one flow, headers included: a hello and the certificate that answers it */

int names_save(const struct names *names, struct weir_state *state, struct weir_fault *fault);
int names_load(struct names *names, struct weir_state *state, struct weir_fault *fault);
int pairs_save(const struct pairs *pairs, struct weir_state *state, struct weir_fault *fault);
int pairs_load(struct pairs *pairs, struct weir_state *state, struct weir_fault *fault);
int pending_save(struct pending *pending, struct weir_state *state, struct weir_fault *fault);
int pending_load(struct pending *pending, struct weir_state *state, struct weir_fault *fault);

/* ---- nDPI ---- */

/*
 * How many packets nDPI is shown that say nothing to it. What it names it names by the first, or by a request and its answer: of some 5,600 flows that it named in captures of
 * the world and of simulators, each by the first packet. Of those that it can't name it would look at all eight, each of them some 5 us.
 */
#define NDPI_UNNAMED_TCP 3
#define NDPI_UNNAMED_UDP 2

struct application_ndpi;
struct application_ndpi_verdict {
	uint16_t name, carrier; /* our numbers; from APPLICATIONS on: names that nDPI alone has. 0: not known */
	bool guessed;           /* by port or address alone … */
	bool by_address;        /* … by address */
	char server_name[256];  /* "": none */
};

/* NULL: not built in, or another version than it was built with. */
struct application_ndpi *application_ndpi_new(void);
void application_ndpi_free(struct application_ndpi *ndpi);
/* Makes it ready beside the caller. Where there is no thread to be had it is made ready when it is needed first, as without this. */
void application_ndpi_begin(struct application_ndpi *ndpi);
/* Forgets what it learned of flows. */
void application_ndpi_forget(struct application_ndpi *ndpi);
const char *application_ndpi_version(void); /* "" when it is not built in */
/* Feeds it the packets that were kept of one flow. */
void application_ndpi_look(struct application_ndpi *ndpi, const struct weir_application_flow *flow, struct weir_bytes kept, int64_t time_ns,
                           struct application_ndpi_verdict *verdict);
uint16_t application_ndpi_host(struct application_ndpi *ndpi, struct weir_bytes name);
/* The service whose own address this is, 0: none that is known. */
uint16_t application_ndpi_address(struct application_ndpi *ndpi, const struct weir_ip *address);
/* Of numbers from APPLICATIONS on. */
struct application_entry application_ndpi_entry(struct application_ndpi *ndpi, uint16_t number);

#endif
