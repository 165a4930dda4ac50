/* SMB 1, 2 and 3 behind NetBIOS session headers (MS-CIFS, MS-SMB2), and DCE/RPC over TCP (C706, chapter 12). */
#include "packet/dissect.h"

static const struct value_name commands1[] = {
	{0x04, "close"},
	{0x24, "locking-andx"},
	{0x25, "transaction"},
	{0x2b, "echo"},
	{0x2e, "read-andx"},
	{0x2f, "write-andx"},
	{0x32, "transaction2"},
	{0x71, "tree-disconnect"},
	{0x72, "negotiate"},
	{0x73, "session-setup-andx"},
	{0x74, "logoff-andx"},
	{0x75, "tree-connect-andx"},
	{0xa0, "nt-transact"},
	{0xa2, "nt-create-andx"},
	{0, NULL},
};

static const struct value_name commands2[] = {
	{0, "negotiate"},      {1, "session-setup"}, {2, "logoff"},    {3, "tree-connect"},  {4, "tree-disconnect"},
	{5, "create"},         {6, "close"},         {7, "flush"},     {8, "read"},          {9, "write"},
	{10, "lock"},          {11, "ioctl"},        {12, "cancel"},   {13, "echo"},         {14, "query-directory"},
	{15, "change-notify"}, {16, "query-info"},   {17, "set-info"}, {18, "oplock-break"}, {0, NULL},
};

struct smb {
	unsigned version; /* 1, 2; 3: sealed */
	uint16_t command;
	bool response;
	uint32_t status;
	uint64_t message;
};

static bool read_smb(struct weir_bytes bytes, struct smb *smb)
{
	if (bytes.length < 4 + 32)
		return false;
	const uint8_t *p = bytes.data + 4;
	*smb = (struct smb){0};
	if (memcmp(p + 1, "SMB", 3) != 0)
		return false;
	switch (p[0]) {
	case 0xff:
		smb->version = 1;
		smb->command = p[4];
		smb->status = weir_load_le32(p + 5);
		smb->response = p[9] & 0x80;
		smb->message = weir_load_le16(p + 30);
		return true;
	case 0xfe:
		smb->version = 2;
		smb->status = weir_load_le32(p + 8);
		smb->command = weir_load_le16(p + 12);
		smb->response = p[16] & 1;
		smb->message = weir_load_le64(p + 24);
		return true;
	case 0xfd:
		smb->version = 3;
		return true;
	default:
		return false;
	}
}

static void smb_text(const struct dissection *d, struct text *out)
{
	struct smb smb;

	if (!read_smb(d->bytes, &smb))
		return;
	if (smb.version == 3) {
		put(out, "SMB3 encrypted");
		return;
	}
	const char *command = name_of(smb.version == 1 ? commands1 : commands2, smb.command);
	put(out, smb.version == 1 ? "SMB " : "SMB2 ");
	if (command) {
		put_bytes(out, command, strlen(command));
	} else {
		put(out, "command ");
		put_0x(out, smb.command, 2);
	}
	put(out, smb.response ? " response" : " request");
	if (smb.response && smb.status) {
		put(out, ", status ");
		put_0x(out, smb.status, 8);
	}
}

static void smb_fields(const struct dissection *d, struct fields *f)
{
	struct smb smb;

	if (!read_smb(d->bytes, &smb))
		return;
	field_unsigned(f, "version", smb.version);
	if (smb.version == 3)
		return;
	field_unsigned(f, "command", smb.command);
	field_name(f, "command_name", smb.version == 1 ? commands1 : commands2, smb.command);
	field_bool(f, "response", smb.response);
	field_hex(f, "status", smb.status, 8);
	field_unsigned(f, "message_id", smb.message);
}

bool looks_like_smb(struct weir_bytes payload)
{
	struct smb smb;
	return read_smb(payload, &smb);
}

const struct dissector dissector_smb = {
	.kind = WEIR_LAYER_SMB,
	.fields = smb_fields,
	.text = smb_text,
};

static const struct value_name packet_types[] = {
	{0, "request"},   {2, "response"},  {3, "fault"},          {11, "bind"},
	{12, "bind-ack"}, {13, "bind-nak"}, {14, "alter-context"}, {15, "alter-context-response"},
	{16, "auth3"},    {17, "shutdown"}, {18, "cancel"},        {19, "orphaned"},
	{0, NULL},
};

static const struct {
	const char *uuid, *name;
} interfaces[] = {
	{"e1af8308-5d1f-11c9-91a4-08002b14a0fa", "epmapper"}, {"12345778-1234-abcd-ef00-0123456789ab", "lsarpc"},
	{"12345778-1234-abcd-ef00-0123456789ac", "samr"}, {"12345678-1234-abcd-ef00-01234567cffb", "netlogon"},
	{"4b324fc8-1670-01d3-1278-5a47bf6ee188", "srvsvc"}, {"6bffd098-a112-3610-9833-46c3f87e345a", "wkssvc"},
	{"338cd001-2244-31f1-aaaa-900038001003", "winreg"}, {"367abb81-9844-35f1-ad32-98f038001003", "svcctl"},
	{"e3514235-4b06-11d1-ab04-00c04fc2dcd2", "drsuapi"}, {"99fcfec4-5260-101b-bbcb-00aa0021347a", "IOXIDResolver"},
	{"000001a0-0000-0000-c000-000000000046", "ISystemActivator"}, {"12345678-1234-abcd-ef00-0123456789ab", "spoolss"},
};

struct context {
	char uuid[37];
	uint16_t major, minor;
};

/* The UUID at p, whose first three parts are in the sender's byte order. */
static void format_uuid(const uint8_t *p, bool big, char out[37])
{
	static const char hex[] = "0123456789abcdef";
	static const uint8_t little_order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	unsigned n = 0;

	for (unsigned i = 0; i < 16; i++) {
		uint8_t byte = p[big ? i : little_order[i]];
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[n++] = '-';
		out[n++] = hex[byte >> 4];
		out[n++] = hex[byte & 15];
	}
	out[n] = '\0';
}

/* The contexts that a bind or alter-context asks for, into up to `most`: how many. */
static unsigned read_contexts(struct weir_bytes bytes, struct context *contexts, unsigned most)
{
	const uint8_t *p = bytes.data;
	bool big = !(p[4] & 0x10);
	unsigned found = 0;

	if ((p[2] != 11 && p[2] != 14) || bytes.length < 28)
		return 0;
	uint8_t count = p[24];
	for (size_t at = 28; found < count && found < most && at + 24 <= bytes.length;) {
		format_uuid(p + at + 4, big, contexts[found].uuid);
		contexts[found].major = weir_load16(p + at + (big ? 22 : 20), big);
		contexts[found].minor = weir_load16(p + at + (big ? 20 : 22), big);
		found++;
		at += 24 + p[at + 2] * 20u;
	}
	return found;
}

static const char *interface_name(const char *uuid)
{
	for (size_t i = 0; i < sizeof interfaces / sizeof interfaces[0]; i++)
		if (strcmp(interfaces[i].uuid, uuid) == 0)
			return interfaces[i].name;
	return NULL;
}

static void dcerpc_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	const char *type = name_of(packet_types, p[2]);
	struct context contexts[4];
	unsigned count = read_contexts(d->bytes, contexts, 4);

	put(out, "DCERPC ");
	put_bytes(out, type ? type : "packet", strlen(type ? type : "packet"));
	for (unsigned i = 0; i < count; i++) {
		const char *name = interface_name(contexts[i].uuid);
		put(out, ", ");
		put_bytes(out, contexts[i].uuid, 36);
		put(out, " v");
		put_unsigned(out, contexts[i].major);
		put_char(out, '.');
		put_unsigned(out, contexts[i].minor);
		if (name) {
			put(out, " (");
			put_bytes(out, name, strlen(name));
			put_char(out, ')');
		}
	}
}

static void dcerpc_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	bool big = !(p[4] & 0x10);
	struct context contexts[16];
	unsigned count = read_contexts(d->bytes, contexts, 16);

	field_unsigned(f, "packet_type", p[2]);
	field_name(f, "packet_type_name", packet_types, p[2]);
	field_unsigned(f, "fragment_length", weir_load16(p + 8, big));
	field_unsigned(f, "call_id", weir_load32(p + 12, big));
	if (p[2] == 0 && d->bytes.length >= 24)
		field_unsigned(f, "operation", weir_load16(p + 22, big));
	if (count == 0)
		return;
	fields_array(f, "interfaces");
	for (unsigned i = 0; i < count; i++) {
		const char *name = interface_name(contexts[i].uuid);
		fields_object(f, NULL);
		field_word(f, "uuid", contexts[i].uuid);
		field_unsigned(f, "major", contexts[i].major);
		field_unsigned(f, "minor", contexts[i].minor);
		if (name)
			field_word(f, "name", name);
		fields_end_object(f);
	}
	fields_end_array(f);
}

bool looks_like_dcerpc(struct weir_bytes payload)
{
	const uint8_t *p = payload.data;
	return payload.length >= 16 && p[0] == 5 && p[1] <= 1 && name_of(packet_types, p[2]) && (p[4] & 0xef) == 0 &&
	       p[5] <= 3 && p[6] == 0 && p[7] == 0 && weir_load16(p + 8, !(p[4] & 0x10)) >= 16;
}

const struct dissector dissector_dcerpc = {
	.kind = WEIR_LAYER_DCERPC,
	.fields = dcerpc_fields,
	.text = dcerpc_text,
};
