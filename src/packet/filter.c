/* pcap-filter expressions: compiled by libpcap for each link type that is met, run on every packet. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include <weir/filter.h>

struct program {
	uint16_t linktype;
	bool swapped; /* DLT_NULL from a machine of the other byte order */
	struct bpf_program code;
};

struct weir_filter {
	char *expression; /* NULL: everything matches */
	struct program *programs;
	size_t count;
};

/* libpcap's compiler has shared state in some of its versions. */
static pthread_mutex_t compiler = PTHREAD_MUTEX_INITIALIZER;

#define LINKTYPE_NULL 0

/* Link types in files are DLT_ values, but for those that had different values on different systems. */
static int dlt_of(uint16_t linktype, bool swapped)
{
	switch (linktype) {
	case LINKTYPE_NULL:
		/* The family is in the byte order of the machine that captured: swapped it is what DLT_LOOP, always big-endian, has. */
		return swapped ? DLT_LOOP : DLT_NULL;
	case 14:
	case 101:
		return DLT_RAW;
	case 100:
		return DLT_ATM_RFC1483;
	case 102:
		return DLT_SLIP_BSDOS;
	case 103:
		return DLT_PPP_BSDOS;
	case 106:
		return DLT_ATM_CLIP;
	default:
		return linktype;
	}
}

/*
 * Whether the program asks the kernel for what only it knows of a packet, such as its direction: libpcap takes us for a live
 * capture, and would find nothing without a word.
 */
static bool asks_kernel(const struct bpf_program *code)
{
	const uint32_t ancillary = 0xfffff000; /* SKF_AD_OFF */

	for (unsigned i = 0; i < code->bf_len; i++) {
		const struct bpf_insn *instruction = &code->bf_insns[i];
		bool load = BPF_CLASS(instruction->code) == BPF_LD && BPF_MODE(instruction->code) == BPF_ABS;
		if (load && instruction->k >= ancillary)
			return true;
	}
	return false;
}

static int compile(struct weir_filter *filter, uint16_t linktype, bool swapped, struct weir_fault *fault)
{
	struct program *programs = realloc(filter->programs, (filter->count + 1) * sizeof *programs);
	if (!programs)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
	filter->programs = programs;

	struct program *program = &programs[filter->count];
	*program = (struct program){.linktype = linktype, .swapped = swapped};
	int result = 0;
	pthread_mutex_lock(&compiler);
	errno = 0;
	pcap_t *pcap = pcap_open_dead(dlt_of(linktype, swapped), 262144);
	if (!pcap) {
		result = weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
	} else if (pcap_compile(pcap, &program->code, filter->expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		/* libpcap has many words for it, but an expression that it refuses leaves errno alone. */
		result = weir_fail(fault, errno == ENOMEM ? WEIR_E_MEMORY : WEIR_E_FILTER, "filter \"%s\": %s",
		                   filter->expression, pcap_geterr(pcap));
	} else if (asks_kernel(&program->code)) {
		result = weir_fail(fault, WEIR_E_FILTER, "filter \"%s\": a recorded packet does not tell its direction", filter->expression);
		pcap_freecode(&program->code);
	} else {
		filter->count++;
	}
	if (pcap)
		pcap_close(pcap);
	pthread_mutex_unlock(&compiler);
	return result;
}

int weir_filter_new(const char *expression, uint16_t linktype, struct weir_filter **filter, struct weir_fault *fault)
{
	struct weir_filter *made = calloc(1, sizeof *made);
	int result = 0;

	*filter = NULL;
	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
	if (expression && expression[strspn(expression, " \t\n")]) {
		made->expression = strdup(expression);
		if (!made->expression)
			result = weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
		else
			result = compile(made, linktype, false, fault);
	}
	if (result < 0)
		weir_filter_free(made);
	else
		*filter = made;
	return result;
}

void weir_filter_free(struct weir_filter *filter)
{
	if (!filter)
		return;
	for (size_t i = 0; i < filter->count; i++)
		pcap_freecode(&filter->programs[i].code);
	free(filter->programs);
	free(filter->expression);
	free(filter);
}

static const struct program *find_program(const struct weir_filter *filter, uint16_t linktype, bool swapped)
{
	for (size_t i = 0; i < filter->count; i++)
		if (filter->programs[i].linktype == linktype && filter->programs[i].swapped == swapped)
			return &filter->programs[i];
	return NULL;
}

int weir_filter_prepare(struct weir_filter *filter, uint16_t linktype, struct weir_fault *fault)
{
	int result = 0;

	for (int swapped = 0; swapped <= (linktype == LINKTYPE_NULL) && filter->expression && result == 0; swapped++)
		if (!find_program(filter, linktype, swapped))
			result = compile(filter, linktype, swapped, fault);
	return result;
}

int weir_filter_match(struct weir_filter *filter, const struct weir_packet *packet, struct weir_fault *fault)
{
	if (!filter->expression)
		return 1;

	bool swapped = packet->linktype == LINKTYPE_NULL && packet->captured >= 4 &&
	               weir_load_native32(packet->data) > weir_swap32(weir_load_native32(packet->data));
	const struct program *program = find_program(filter, packet->linktype, swapped);
	if (__builtin_expect(!program, 0)) {
		int result = compile(filter, packet->linktype, swapped, fault);
		if (result < 0)
			return result;
		program = &filter->programs[filter->count - 1];
	}
	return bpf_filter(program->code.bf_insns, packet->data, packet->length, packet->captured) != 0;
}

struct filter_stage {
	struct weir_stage stage;
	struct weir_filter *filter;
};

static int stage_process(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault)
{
	struct weir_filter *filter = ((struct filter_stage *)stage)->filter;

	for (uint32_t i = 0; i < batch->count; i++) {
		struct weir_packet *packet = &batch->packets[i];
		if (i + 8 < batch->count)
			__builtin_prefetch(batch->packets[i + 8].data);
		if (packet->verdict != WEIR_KEEP)
			continue;
		int match = weir_filter_match(filter, packet, fault);
		if (match < 0)
			return match;
		if (!match)
			packet->verdict = WEIR_DROP;
	}
	return 0;
}

static void stage_close(struct weir_stage *stage)
{
	weir_filter_free(((struct filter_stage *)stage)->filter);
	free(stage);
}

static const struct weir_stage_ops filter_stage = {
	.name = "filter",
	.process = stage_process,
	.close = stage_close,
};

struct weir_stage *weir_filter_stage_new(struct weir_filter *filter)
{
	struct filter_stage *stage = malloc(sizeof *stage);
	if (!stage)
		return NULL;
	stage->stage.ops = &filter_stage;
	stage->filter = filter;
	return &stage->stage;
}
