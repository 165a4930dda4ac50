/* Names of the kernel's functions and reasons: box/linux/kernel_names.h. */
#include "box/linux/kernel_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#ifdef HAVE_BPF
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#endif

#define FUNCTIONS_MOST (1u << 20)
#define TEXT_MOST (64u << 20)
#define REASONS_MOST 4096
#define PREFIX "SKB_DROP_REASON_"

struct function {
	uint64_t address;
	uint32_t name; /* where in text */
};

struct kernel_names {
	struct function *functions; /* by address */
	size_t count, room;
	char *text;
	size_t length, size;
	char **reasons;
	uint32_t reason_count;
};

static int by_address(const void *a, const void *b)
{
	const struct function *left = a, *right = b;
	return left->address < right->address ? -1 : left->address > right->address;
}

/* 0, or WEIR_E_MEMORY; more than can be of a kernel is left out. */
static int add_function(struct kernel_names *names, uint64_t address, const char *name)
{
	size_t length = strlen(name) + 1;

	if (names->count >= FUNCTIONS_MOST || names->length + length > TEXT_MOST)
		return 0;
	if (names->count == names->room) {
		size_t room = names->room ? names->room * 2 : 1 << 16;
		struct function *grown = realloc(names->functions, room * sizeof *grown);
		if (!grown)
			return WEIR_E_MEMORY;
		names->functions = grown;
		names->room = room;
	}
	if (names->length + length > names->size) {
		size_t size = names->size ? names->size * 2 : 1 << 20;
		char *grown = realloc(names->text, size);
		if (!grown)
			return WEIR_E_MEMORY;
		names->text = grown;
		names->size = size;
	}
	memcpy(names->text + names->length, name, length);
	names->functions[names->count++] = (struct function){address, (uint32_t)names->length};
	names->length += length;
	return 0;
}

static int read_functions(struct kernel_names *names)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	char line[512], name[256], kind;
	unsigned long long address;
	int error = 0;

	while (file && !error && fgets(line, sizeof line, file)) {
		/* Without the right to see them all addresses are 0. */
		if (sscanf(line, "%llx %c %255s", &address, &kind, name) == 3 && address && (kind == 't' || kind == 'T' || kind == 'w' || kind == 'W'))
			error = add_function(names, address, name);
	}
	if (file)
		fclose(file);
	if (names->count)
		qsort(names->functions, names->count, sizeof *names->functions, by_address);
	return error;
}

#ifdef HAVE_BPF
static int read_reasons(struct kernel_names *names)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id = libbpf_get_error(btf) ? -1 : btf__find_by_name_kind(btf, "skb_drop_reason", BTF_KIND_ENUM);

	if (id > 0) {
		const struct btf_type *type = btf__type_by_id(btf, (uint32_t)id);
		const struct btf_enum *values = btf_enum(type);
		names->reasons = calloc(REASONS_MOST, sizeof *names->reasons);
		for (int i = 0; names->reasons && i < btf_vlen(type); i++) {
			const char *name = btf__name_by_offset(btf, values[i].name_off);
			uint32_t value = (uint32_t)values[i].val;
			if (!name || value >= REASONS_MOST || names->reasons[value] || strcmp(name, PREFIX "MAX") == 0)
				continue;
			names->reasons[value] = strdup(strncmp(name, PREFIX, strlen(PREFIX)) == 0 ? name + strlen(PREFIX) : name);
			if (value >= names->reason_count)
				names->reason_count = value + 1;
		}
	}
	if (!libbpf_get_error(btf))
		btf__free(btf);
	return id > 0 && !names->reasons ? WEIR_E_MEMORY : 0;
}
#else
static int read_reasons(struct kernel_names *names) { return 0; }
#endif

int kernel_names_open(struct kernel_names **names, struct weir_fault *fault)
{
	struct kernel_names *made = calloc(1, sizeof *made);

	if (!made || read_functions(made) < 0 || read_reasons(made) < 0) {
		kernel_names_close(made);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the names of the kernel's functions");
	}
	*names = made;
	return 0;
}

void kernel_names_close(struct kernel_names *names)
{
	if (!names)
		return;
	for (uint32_t i = 0; i < names->reason_count; i++)
		free(names->reasons[i]);
	free(names->reasons);
	free(names->functions);
	free(names->text);
	free(names);
}

const char *kernel_function(const struct kernel_names *names, uint64_t address)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (names->functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? names->text + names->functions[low - 1].name : "";
}

const char *kernel_drop_reason(const struct kernel_names *names, uint32_t reason)
{
	return reason < names->reason_count ? names->reasons[reason] : NULL;
}

uint32_t kernel_drop_reasons(const struct kernel_names *names) { return names->reason_count; }
