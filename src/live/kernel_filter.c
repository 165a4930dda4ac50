/* live/kernel_filter.c: pcap-filter expressions as programs that the kernel runs on a packet socket. */
#include "live/kernel_filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "live/link.h"

#define SLL2_BYTES 20

/*
 * Only a handle that is active on a Linux device makes libpcap look for stripped VLAN tags with the kernel's extensions, and
 * there is no public way to ask for that otherwise. Its ring is small, and it is closed again before ours is opened.
 */
static pcap_t *handle_open(const char *interface, bool cooked, uint32_t snaplen, char *error)
{
	pcap_t *handle = pcap_create(interface, error);
	if (!handle)
		return NULL;
	pcap_set_snaplen(handle, (int)snaplen);
	pcap_set_buffer_size(handle, 1 << 20);
	pcap_set_timeout(handle, 10);
	int status = pcap_activate(handle);
	if (status >= 0 && cooked)
		status = pcap_set_datalink(handle, DLT_LINUX_SLL2);
	if (status >= 0)
		return handle;
	snprintf(error, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(handle)[0] ? pcap_geterr(handle) : pcap_statustostr(status));
	pcap_close(handle);
	return NULL;
}

/* Where a cooked socket has the fields of the SLL2 header that the program was compiled for. False: it has not. */
static bool cooked_offset(uint32_t *k)
{
	if ((int32_t)*k < 0) /* an extension already */
		return true;
	if (*k >= SLL2_BYTES) {
		*k -= SLL2_BYTES;
		return true;
	}
	switch (*k) {
	case 0:
		*k = (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL);
		return true;
	case 4:
		*k = (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX);
		return true;
	case 8:
		*k = (uint32_t)(SKF_AD_OFF + SKF_AD_HATYPE);
		return true;
	case 10:
		*k = (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE);
		return true;
	default:
		return false;
	}
}

static int program_copy(const struct bpf_program *compiled, bool cooked, uint32_t snaplen, struct sock_fprog *program,
                        struct weir_fault *fault)
{
	if (compiled->bf_len > BPF_MAXINSNS)
		return weir_fail(fault, WEIR_E_FILTER, "the filter is too long for the kernel (%u instructions, %d at most)",
		                 compiled->bf_len, BPF_MAXINSNS);
	program->filter = calloc(compiled->bf_len, sizeof *program->filter);
	program->len = (unsigned short)compiled->bf_len;
	if (!program->filter)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the filter");
	for (unsigned i = 0; i < compiled->bf_len; i++) {
		const struct bpf_insn *from = &compiled->bf_insns[i];
		struct sock_filter *to = &program->filter[i];
		*to = (struct sock_filter){from->code, from->jt, from->jf, from->k};
		unsigned class = BPF_CLASS(to->code), mode = BPF_MODE(to->code);
		if (class == BPF_RET && to->k)
			to->k = snaplen;
		bool load = (class == BPF_LD && (mode == BPF_ABS || mode == BPF_IND)) || (class == BPF_LDX && mode == BPF_MSH);
		if (cooked && load && !cooked_offset(&to->k)) {
			free(program->filter);
			program->filter = NULL;
			return weir_fail(fault, WEIR_E_FILTER,
			                 "the filter asks for a part of the link header that this interface does not have");
		}
	}
	return 0;
}

int kernel_filter_compile(const char *interface, bool cooked, const char *expression, uint32_t snaplen,
                          struct sock_fprog *program, struct weir_fault *fault)
{
	if (!expression || !expression[0]) {
		struct bpf_insn all = {BPF_RET | BPF_K, 0, 0, snaplen};
		return program_copy(&(struct bpf_program){1, &all}, false, snaplen, program, fault);
	}
	char error[PCAP_ERRBUF_SIZE] = "";
	pcap_t *handle = handle_open(cooked ? "any" : interface, cooked, snaplen, error);
	if (!handle && !cooked) /* it is down: another one of the commonest kind does as well */
		handle = handle_open("lo", false, snaplen, error);
	if (!handle)
		return weir_fail(fault, WEIR_E_SYSTEM, "cannot compile a filter for %s: %s", interface, error);
	struct bpf_program compiled;
	int status;
	if (pcap_compile(handle, &compiled, expression, 1, PCAP_NETMASK_UNKNOWN)) {
		status = weir_fail(fault, WEIR_E_FILTER, "filter \"%s\": %s", expression, pcap_geterr(handle));
	} else {
		status = program_copy(&compiled, cooked, snaplen, program, fault);
		pcap_freecode(&compiled);
	}
	pcap_close(handle);
	return status;
}

int kernel_filter_attach(int socket, const struct sock_fprog *program, struct weir_fault *fault)
{
	if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, program, sizeof *program))
		return weir_fail_errno(fault, errno, NULL, "the kernel does not take the filter");
	return 0;
}

int kernel_filter_block(int socket)
{
	struct sock_filter nothing = {BPF_RET | BPF_K, 0, 0, 0};
	struct sock_fprog program = {1, &nothing};
	return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) ? -errno : 0;
}
