/*
 * os/bpf.h: whether programs can be loaded into the kernel, and what is missing otherwise.
 */
#ifndef OS_BPF_H
#define OS_BPF_H

#include <stddef.h>

#include <weir/error.h>

/*
 * Looks before anything is loaded: 0; WEIR_E_PERMISSION: which right is missing and how to get it; WEIR_E_UNSUPPORTED: this weir is built without it, or the
 * kernel has no BTF. Also raises the limit of locked memory, which kernels before 5.11 count maps against, and makes libbpf quiet: what it last complained of
 * goes into the fault of os_bpf_fail.
 */
int os_bpf_probe(struct weir_fault *fault);

/* Fills fault from a refusal of libbpf: error is its negative errno. what: "load the programs that follow sockets". Returns the fault's code. */
int os_bpf_fail(struct weir_fault *fault, int error, const char *what);

/* The root of the cgroup v2 hierarchy, where programs for all processes are attached. WEIR_E_NOT_FOUND: none is mounted. */
int os_cgroup_root(char *path, size_t size, struct weir_fault *fault);

#endif
