/* IEEE 802.11 frames, and radiotap's header before them. */
#include "packet/dissect.h"

static const char *const management[16] = {
	"Assoc Request",    "Assoc Response", "ReAssoc Request",      "ReAssoc Response",
	"Probe Request",    "Probe Response", "Timing Advertisement", "Reserved",
	"Beacon",           "ATIM",           "Disassociation",       "Authentication",
	"DeAuthentication", "Action",         "Action No Ack",        "Reserved",
};

static const char *const control[16] = {
	"Reserved",
	"Reserved",
	"Trigger",
	"TACK",
	"Beamforming Report Poll",
	"NDP Announcement",
	"Control Frame Extension",
	"Control Wrapper",
	"BAR",
	"BA",
	"Power Save-Poll",
	"Request-To-Send",
	"Clear-To-Send",
	"Acknowledgment",
	"CF-End",
	"CF-End+CF-Ack",
};

static const char *const data[16] = {
	"Data",     "Data+CF-Ack",     "Data+CF-Poll",     "Data+CF-Ack+CF-Poll",
	"Null",     "CF-Ack",          "CF-Poll",          "CF-Ack+CF-Poll",
	"QoS Data", "QoS Data+CF-Ack", "QoS Data+CF-Poll", "QoS Data+CF-Ack+CF-Poll",
	"QoS Null", "Reserved",        "QoS CF-Poll",      "QoS CF-Ack+CF-Poll",
};

static const char *frame_name(uint16_t control_field)
{
	unsigned type = control_field >> 2 & 3, subtype = control_field >> 4 & 15;
	return type == 0 ? management[subtype] : type == 1 ? control[subtype] : type == 2 ? data[subtype] : "Reserved";
}

/* The element `id` of a management frame's body: its data, or an empty view. */
static struct weir_bytes find_element(const struct dissection *d, uint8_t id)
{
	unsigned subtype = d->layer->value >> 4 & 15;
	/* Fixed parameters before the elements. */
	size_t at = 24 + (subtype == 8 || subtype == 5   ? 12u
	                  : subtype == 0                 ? 4u
	                  : subtype == 2                 ? 10u
	                  : subtype == 1 || subtype == 3 ? 6u
	                                                 : 0u);

	while (at + 2 <= d->bytes.length) {
		const uint8_t *p = d->bytes.data + at;
		if (p[1] > d->bytes.length - at - 2)
			break;
		if (p[0] == id)
			return (struct weir_bytes){p + 2, p[1]};
		at += 2u + p[1];
	}
	return (struct weir_bytes){NULL, 0};
}

static bool has_elements(uint16_t field)
{
	unsigned subtype = field >> 4 & 15;
	return (field >> 2 & 3) == 0 && (subtype <= 5 || subtype == 8) && !(field & 0x4000);
}

static bool has_network_name(uint16_t field)
{
	unsigned subtype = field >> 4 & 15;
	return has_elements(field) && subtype != 1 && subtype != 3;
}

static void ieee80211_text(const struct dissection *d, struct text *out)
{
	uint16_t field = d->layer->value;
	unsigned behind = kind_behind(d);

	if (behind != WEIR_LAYER_NONE && behind != WEIR_LAYER_LLC)
		return;
	if (d->options->link && d->bytes.length >= 24) {
		put(out, "DA/RA:");
		put_mac(out, d->bytes.data + 4);
		put(out, " SA/TA:");
		put_mac(out, d->bytes.data + 10);
		put_char(out, ' ');
	}
	if (behind == WEIR_LAYER_LLC)
		return;
	const char *name = frame_name(field);
	if ((field >> 2 & 3) == 2 && field & 0x4000) {
		put(out, "Data IV:");
		put_hex(out, d->bytes.length >= 28 ? weir_load_le32(d->bytes.data + 24) & 0xffffff : 0, 1);
		return;
	}
	put_bytes(out, name, strlen(name));
	if (has_network_name(field)) {
		struct weir_bytes network = find_element(d, 0);
		put(out, " (");
		put_visible(out, network.data, network.length);
		put_char(out, ')');
	}
	if (field >> 2 == 0x1d && d->bytes.length >= 10) {
		put(out, " RA:");
		put_mac(out, d->bytes.data + 4);
	}
	if ((field & 0xfc) == 0x80 || (field & 0xfc) == 0x50) {
		struct weir_bytes channel = find_element(d, 3);
		if (d->bytes.length >= 36)
			put(out, weir_load_le16(d->bytes.data + 34) & 1 ? " ESS" : " IBSS");
		if (channel.length == 1) {
			put(out, " CH: ");
			put_unsigned(out, channel.data[0]);
		}
		if (d->bytes.length >= 36 && weir_load_le16(d->bytes.data + 34) & 0x10)
			put(out, ", PRIVACY");
	}
}

static void ieee80211_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	uint16_t field = d->layer->value;

	field_unsigned(f, "type", field >> 2 & 3);
	field_unsigned(f, "subtype", field >> 4 & 15);
	field_word(f, "name", frame_name(field));
	field_hex(f, "flags", field >> 8, 2);
	field_bool(f, "retry", field & 0x0800);
	field_bool(f, "protected", field & 0x4000);
	if (d->bytes.length >= 4)
		field_unsigned(f, "duration", weir_load_le16(p + 2));
	if (d->bytes.length >= 10)
		field_mac(f, "address1", p + 4);
	if (d->bytes.length >= 16 && (field & 0xfc) != 0xd4 && (field & 0xfc) != 0xc4)
		field_mac(f, "address2", p + 10);
	if (d->bytes.length >= 24 && (field >> 2 & 3) != 1) {
		field_mac(f, "address3", p + 16);
		field_unsigned(f, "sequence", weir_load_le16(p + 22) >> 4);
		field_unsigned(f, "fragment", weir_load_le16(p + 22) & 15);
	}
	if ((field >> 2 & 3) != 1 && d->facts->link_source) {
		field_mac(f, "source", d->packet->data + d->facts->link_source);
		field_mac(f, "destination", d->packet->data + d->facts->link_destination);
	}
	if (has_network_name(field)) {
		struct weir_bytes network = find_element(d, 0), channel = find_element(d, 3);
		if (network.data)
			field_text(f, "ssid", network.data, network.length);
		if (channel.length == 1)
			field_unsigned(f, "channel", channel.data[0]);
	}
}

const struct dissector dissector_ieee80211 = {
	.kind = WEIR_LAYER_IEEE80211,
	.fields = ieee80211_fields,
	.text = ieee80211_text,
};

/* Size and alignment of radiotap's fields 0 to 14. */
static const struct {
	uint8_t size, alignment;
} radiotap_fields_sizes[15] = {
	{8, 8}, {1, 1}, {1, 1}, {4, 2}, {2, 2}, {1, 1}, {1, 1}, {2, 2},
	{2, 2}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {2, 2},
};

/* Where each of the first 15 fields of the first word stands, 0 when it is not there. */
static void find_radiotap(struct weir_bytes bytes, uint16_t at[15])
{
	uint32_t length = weir_load_le16(bytes.data + 2), offset = 4, present;

	memset(at, 0, 15 * sizeof at[0]);
	if (length > bytes.length)
		return;
	do {
		if (offset + 4 > length)
			return;
		present = weir_load_le32(bytes.data + offset);
		offset += 4;
	} while (present & 0x80000000);
	present = weir_load_le32(bytes.data + 4);
	for (unsigned i = 0; i < 15; i++) {
		if (!(present & 1u << i))
			continue;
		uint32_t alignment = radiotap_fields_sizes[i].alignment;
		offset = (offset + alignment - 1) & ~(alignment - 1);
		if (offset + radiotap_fields_sizes[i].size > length)
			return;
		at[i] = (uint16_t)offset;
		offset += radiotap_fields_sizes[i].size;
	}
}

static void radiotap_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint16_t at[15];

	find_radiotap(d->bytes, at);
	if (at[0]) {
		put_unsigned(out, weir_load_le64(p + at[0]));
		put(out, "us tsft ");
	}
	if (at[2]) {
		put_unsigned(out, p[at[2]] / 2);
		put(out, p[at[2]] & 1 ? ".5 Mb/s " : ".0 Mb/s ");
	}
	if (at[3]) {
		put_unsigned(out, weir_load_le16(p + at[3]));
		put(out, " MHz ");
	}
	if (at[5]) {
		int8_t signal = (int8_t)p[at[5]];
		put(out, signal < 0 ? "-" : "");
		put_unsigned(out, (unsigned)(signal < 0 ? -signal : signal));
		put(out, "dBm signal ");
	}
}

static void radiotap_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	uint16_t at[15];

	field_unsigned(f, "length", d->layer->value);
	find_radiotap(d->bytes, at);
	if (at[0])
		field_unsigned(f, "tsft", weir_load_le64(p + at[0]));
	if (at[1])
		field_hex(f, "flags", p[at[1]], 2);
	if (at[2])
		field_unsigned(f, "rate_kbps", p[at[2]] * 500u);
	if (at[3])
		field_unsigned(f, "frequency_mhz", weir_load_le16(p + at[3]));
	if (at[5]) {
		int8_t signal = (int8_t)p[at[5]];
		field_key(f, "signal_dbm");
		put(f->out, signal < 0 ? "-" : "");
		put_unsigned(f->out, (unsigned)(signal < 0 ? -signal : signal));
	}
}

const struct dissector dissector_radiotap = {
	.kind = WEIR_LAYER_RADIOTAP,
	.fields = radiotap_fields,
	.text = radiotap_text,
};
