/*
 * DCE/RPC (C706, MS-RPCE): which application an interface is of. A bind names it on the flow itself; what the endpoint mapper answers (C706, appendix O)
 * names it for a port that another flow will go to.
 */
#include "packet/application.h"

/* Interfaces by UUID, as they are written: the first sixteen digits, the last sixteen. */
static const struct interface {
	uint64_t high, low;
	uint16_t application;
} interfaces[] = {
	{0xe1af83085d1f11c9, 0x91a408002b14a0fa, APPLICATION_EPM},
	{0x4b324fc8167001d3, 0x12785a47bf6ee188, APPLICATION_SRVSVC},
	{0x6bffd098a1123610, 0x983346c3f87e345a, APPLICATION_WKSSVC},
	{0x123457781234abcd, 0xef000123456789ac, APPLICATION_SAMR},
	{0x123457781234abcd, 0xef000123456789ab, APPLICATION_LSA},
	{0x3919286ab10c11d0, 0x9ba800c04fd92ef5, APPLICATION_DSSETUP},
	{0x123456781234abcd, 0xef0001234567cffb, APPLICATION_NETLOGON},
	{0x123456781234abcd, 0xef000123456789ab, APPLICATION_SPOOLER},
	{0x76f03f96cdfd44fc, 0xa22c64950a001209, APPLICATION_SPOOLER},
	{0x338cd001224431f1, 0xaaaa900038001003, APPLICATION_REMOTE_REGISTRY},
	{0x367abb81984435f1, 0xad3298f038001003, APPLICATION_SERVICE_CONTROL},
	{0x82273fdce32a18c3, 0x3f78827929dc23ea, APPLICATION_EVENT_LOG},
	{0xf6beaff71e194fbb, 0x9f8fb89e2018337c, APPLICATION_EVENT_LOG},
	{0x1ff706820a5130e8, 0x076d740be8cee98b, APPLICATION_TASK_SCHEDULER},
	{0x378e52b0c0a911cf, 0x822d00aa0051e40f, APPLICATION_TASK_SCHEDULER},
	{0x86d3594983c94044, 0xb424db363231fd0c, APPLICATION_TASK_SCHEDULER},
	{0xe35142354b0611d1, 0xab0400c04fc2dcd2, APPLICATION_DRSUAPI},
	{0x7c44d7d431d5424c, 0xbd5e2b3e1f323d22, APPLICATION_DRSUAPI},
	{0x4fc742e04a1011cf, 0x827300aa004ae673, APPLICATION_DFS},
	{0x897e2e5f93f34376, 0x9c9cfd2277495c27, APPLICATION_DFSR},
	{0xf5cc59b44264101a, 0x8c5908002b2f8426, APPLICATION_FRS},
	{0xd049b186814f11d1, 0x9a3c00c04fc9b232, APPLICATION_FRS},
	{0xa4f1db00ca471067, 0xb31f00dd010662da, APPLICATION_MAPI},
	{0x5261574a4572206e, 0xb2686b199213b4e4, APPLICATION_MAPI},
	{0x1544f5e0613c11d1, 0x93df00c04fd7bd09, APPLICATION_MAPI},
	{0xf5cc5a184264101a, 0x8c5908002b2f8426, APPLICATION_NSPI},
	{0x4d9f4ab87d1c11cf, 0x861e0020af6e7c57, APPLICATION_DCOM},
	{0x000001a000000000, 0xc000000000000046, APPLICATION_DCOM},
	{0x99fcfec45260101b, 0xbbcb00aa0021347a, APPLICATION_DCOM},
	{0x0000013100000000, 0xc000000000000046, APPLICATION_DCOM},
	{0x0000014300000000, 0xc000000000000046, APPLICATION_DCOM},
	{0x0000013600000000, 0xc000000000000046, APPLICATION_DCOM},
	{0xf309ad18d86a11d0, 0xa07500c04fb68820, APPLICATION_WMI},
	{0x9556dc99828c11cf, 0xa37e00aa003240c7, APPLICATION_WMI},
	{0xd4781cd6e5d344df, 0xad94930efe48a887, APPLICATION_WMI},
	{0x027947e1d73111ce, 0xa357000000000001, APPLICATION_WMI},
	{0x1c1c45ee439511d2, 0xb60b00104b703efd, APPLICATION_WMI},
	{0x423ec01e2e3511d2, 0xb60400104b703efd, APPLICATION_WMI},
	{0x7c857801738111cf, 0x884d00aa004b2e24, APPLICATION_WMI},
	{0x6bffd098a1123610, 0x983346c3f874532d, APPLICATION_DHCP_SERVER},
	{0x5b821720f63b11d0, 0xaad200c04fc324db, APPLICATION_DHCP_SERVER},
	{0x50abc2a4574d40b3, 0x9d66ee4fd5fba076, APPLICATION_DNS_SERVER},
	{0x91ae60209e3c11cf, 0x8d7c00aa00c091be, APPLICATION_CERTIFICATES},
	{0xd99e6e70fc8811d0, 0xb49800a0c90312f3, APPLICATION_CERTIFICATES},
	{0xd99e6e71fc8811d0, 0xb49800a0c90312f3, APPLICATION_CERTIFICATES},
	{0x45f52c287f9f101a, 0xb52b08002b2efabe, APPLICATION_WINS},
	{0x811109bfa4e111d1, 0xab5400a0c91e9b45, APPLICATION_WINS},
	{0x3dde7c30165d11d1, 0xab8f00805f14db40, APPLICATION_BKRP},
	{0x484809d64239471b, 0xb5bc61df8c23ac48, APPLICATION_TERMINAL_SERVICES},
	{0x5ca4a760ebb111cf, 0x861100a0245420ed, APPLICATION_TERMINAL_SERVICES},
	{0xc681d488d85011d0, 0x8c5200c04fd90f7e, APPLICATION_EFS},
	{0xdf1941c5fe894e79, 0xbf10463657acf44d, APPLICATION_EFS},
	{0x5a7b91f8ff0011d0, 0xa9b200c04fb6e6fc, APPLICATION_MS_MESSENGER},
	{0xafa8bd807d8a11c9, 0xbef408002b102989, APPLICATION_REMOTE_MANAGEMENT},
	{0x8fb6d884238811d0, 0x8c3500c04fda2795, APPLICATION_W32TIME},
	{0x894de0c00d5511d3, 0xa32200c04fa321a1, APPLICATION_SHUTDOWN},
	{0xd95afe70a6d54259, 0x822e2c84da1ddb0d, APPLICATION_SHUTDOWN},
	{0x6bffd098a1123610, 0x9833012892020162, APPLICATION_BROWSER},
	{0x8d9f4e40a03d11ce, 0x8f6908003e30051b, APPLICATION_PNP},
	{0x300f353238cc11d0, 0xa3f00020af6b0add, APPLICATION_LINK_TRACKING},
	{0x4da1c422943d11d1, 0xacae00c04fc2aa3f, APPLICATION_LINK_TRACKING},
	{0xa8e0653c27444389, 0xa61d7373df8b2292, APPLICATION_SHADOW_COPY},
	{0x70b51430b6ca11d0, 0xb9b900a0c922e750, APPLICATION_IIS},
	{0xb97db8b24c6311cf, 0xbff608002be23f2f, APPLICATION_CLUSTER},
	{0xfdb3a030065f11d1, 0xbb9b00a024ea5525, APPLICATION_MSMQ},
	{0x906b0ce0c70b1067, 0xb31700dd010662da, APPLICATION_DTC},
	{0xea0a3165483411d2, 0xa6f800c04fa346cc, APPLICATION_FAX},
	{0x6099fc123eff11d0, 0xabd000c04fd91a4e, APPLICATION_FAX},
	{0xd2d79df5340011d0, 0xb40b00aa005ff586, APPLICATION_DISK_MANAGEMENT},
	{0x342cfd403c6c11ce, 0xa89308002b2e9c6d, APPLICATION_LICENSE},
	{0xccd8c074d0e54a40, 0x92b4d074faa6ba28, APPLICATION_WITNESS},
	{0x8f09f000b7ed11ce, 0xbbd200001a181cad, APPLICATION_REMOTE_ACCESS_SERVICE},
	{0xda5a86c512c24943, 0xab307f74a813d853, APPLICATION_PERFORMANCE},
	{0x6b5bdd1e528c422c, 0xaf8ca4079be4fe48, APPLICATION_FIREWALL_RPC},
};

uint16_t application_of_interface(const uint8_t *uuid, bool little)
{
	uint64_t high = little ? (uint64_t)weir_load_le32(uuid) << 32 | (uint64_t)weir_load_le16(uuid + 4) << 16 | weir_load_le16(uuid + 6)
	                       : weir_load_be64(uuid);
	uint64_t low = weir_load_be64(uuid + 8);

	for (size_t i = 0; i < sizeof interfaces / sizeof interfaces[0]; i++)
		if (interfaces[i].low == low && interfaces[i].high == high)
			return interfaces[i].application;
	return APPLICATION_NONE;
}

uint16_t application_dcerpc_bind(struct weir_bytes pdu)
{
	struct weir_cursor c = weir_cursor_over(pdu.data, pdu.length);
	const uint8_t *header = weir_take(&c, 16);

	if (!header)
		return APPLICATION_NONE;
	bool little = header[4] & 0x10;
	weir_take(&c, 8); /* fragment sizes, association */
	unsigned contexts = weir_take8(&c);
	weir_take(&c, 3);
	for (unsigned i = 0; i < contexts; i++) {
		weir_take(&c, 2);
		unsigned transfers = weir_take8(&c);
		weir_take8(&c);
		const uint8_t *uuid = weir_take(&c, 16);
		if (!uuid)
			break;
		uint16_t application = application_of_interface(uuid, little);
		if (application)
			return application;
		weir_take(&c, 4 + transfers * 20u);
	}
	return APPLICATION_NONE;
}

/* One tower: floors, each a left and a right side with their lengths. The first is the interface, the fourth TCP's port. */
static void read_tower(struct weir_cursor c, application_epm_learn *learn, void *context)
{
	unsigned floors = weir_take_le16(&c);
	uint16_t application = APPLICATION_NONE;

	for (unsigned i = 0; i < floors && i < 8; i++) {
		uint16_t left_length = weir_take_le16(&c);
		const uint8_t *left = weir_take(&c, left_length);
		uint16_t right_length = weir_take_le16(&c);
		const uint8_t *right = weir_take(&c, right_length);
		if (!left || !right || left_length == 0)
			return;
		if (i == 0 && left[0] == 0x0d && left_length >= 17)
			application = application_of_interface(left + 1, true);
		if (left[0] == 0x07 && right_length == 2 && application) {
			learn(context, application, weir_load_be16(right));
			return;
		}
	}
}

void application_epm_towers(struct weir_bytes pdu, application_epm_learn *learn, void *context)
{
	struct weir_cursor c = weir_cursor_over(pdu.data, pdu.length);
	const uint8_t *header = weir_take(&c, 24);

	/* A response in little-endian NDR; big-endian servers of this kind are not met. */
	if (!header || header[2] != 2 || !(header[4] & 0x10))
		return;
	weir_take(&c, 20); /* entry handle */
	uint32_t count = weir_take_le32(&c);
	weir_take(&c, 12); /* conformant and varying array: maximum, offset, actual */
	if (c.failed || count > 64 || !weir_take(&c, (size_t)count * 4))
		return;
	const uint8_t *start = pdu.data;
	for (uint32_t i = 0; i < count; i++) {
		while ((c.at - start) % 4 && weir_take(&c, 1))
			;
		weir_take(&c, 4); /* maximum of the tower's bytes */
		uint32_t length = weir_take_le32(&c);
		/* The last may be cut off: what is there of it may do. */
		size_t there = weir_cursor_left(&c) < length ? weir_cursor_left(&c) : length;
		if (c.failed)
			return;
		const uint8_t *tower = weir_take(&c, there);
		if (!tower)
			return;
		read_tower(weir_cursor_over(tower, there), learn, context);
	}
}

/* ---- ONC RPC (RFC 5531) ---- */

static uint16_t application_of_program(uint32_t program)
{
	switch (program) {
	case 100000:
		return APPLICATION_PORTMAP;
	case 100003:
	case 100005:
	case 100021:
	case 100024:
	case 100227:
		return APPLICATION_NFS; /* with mounting, locks, their status and ACLs */
	case 100004:
	case 100007:
	case 100009:
		return APPLICATION_NIS;
	default:
		return program >= 100000 && program < 400000 ? APPLICATION_SUN_RPC : APPLICATION_NONE;
	}
}

/* The program of a call; of a question to the portmapper for a program's port (RFC 1833) that program. */
uint16_t application_of_call(struct weir_bytes call)
{
	struct weir_cursor c = weir_cursor_over(call.data, call.length);

	weir_take(&c, 12);
	uint16_t application = application_of_program(weir_take_be32(&c));
	uint32_t version = weir_take_be32(&c), procedure = weir_take_be32(&c);
	if (c.failed || application != APPLICATION_PORTMAP || version < 2 || version > 4 || procedure != 3)
		return application;
	for (unsigned i = 0; i < 2; i++) { /* credentials, verifier */
		weir_take(&c, 4);
		uint32_t length = weir_take_be32(&c);
		weir_take(&c, length <= 400 ? (length + 3) & ~3u : SIZE_MAX);
	}
	uint16_t asked = application_of_program(weir_take_be32(&c));
	return !c.failed && asked ? asked : application;
}
