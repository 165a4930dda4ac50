/*
 * box/linux/kernel_names.h: what the kernel calls its functions (/proc/kallsyms) and its reasons to drop packets (its BTF).
 */
#ifndef BOX_LINUX_KERNEL_NAMES_H
#define BOX_LINUX_KERNEL_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

struct kernel_names;

/* Never fails for want of rights: what can't be read has no names. WEIR_E_MEMORY. Some 4 MiB. */
int kernel_names_open(struct kernel_names **names, struct weir_fault *fault);
void kernel_names_close(struct kernel_names *names);

/* The function that an address lies in, "" when that is not known. */
const char *kernel_function(const struct kernel_names *names, uint64_t address);

/* A reason without SKB_DROP_REASON_; NULL: the kernel has none of that number. Reasons run from 0 to below kernel_drop_reasons. */
const char *kernel_drop_reason(const struct kernel_names *names, uint32_t reason);
uint32_t kernel_drop_reasons(const struct kernel_names *names);

#endif
