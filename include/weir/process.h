/*
 * weir/process.h: a process, as packets, flows, endpoints and events name it.
 */
#ifndef WEIR_PROCESS_H
#define WEIR_PROCESS_H

#include <stdbool.h>

#include <weir/bytes.h>

#define WEIR_NO_USER UINT32_MAX

/*
 * What is not known is 0, WEIR_NO_USER, or bytes of length 0: never a guess. Strings are views; who hands out a process says how long they
 * live. They are as the system has them: any bytes but NUL.
 */
struct weir_process {
	uint32_t pid;                 /* thread group id, in the initial pid namespace; 0: the process is not known */
	uint32_t thread_id;           /* of the thread that did it, where that is known */
	uint32_t user_id;             /* effective user id, or WEIR_NO_USER */
	struct weir_bytes name;       /* what the system calls it: on Linux comm, at most 15 bytes */
	struct weir_bytes executable; /* path of its program, as seen from the root of its mount namespace */
	struct weir_bytes user;       /* name of user_id */
};

struct weir_batch;
struct weir_packet;

/* The processes of this box that a packet belongs to, as far as they are known: pid 0: not known, or that end is not on the box that captured it. */
struct weir_packet_processes {
	struct weir_process source, destination;
	struct weir_process either; /* one of the ends, and the file does not say which (other programs' files); only when the two above are not known */
};

/*
 * What is known of a packet of a batch: from the options that the capture added, or from those of its block. False: nothing. Strings live as long as the batch. A
 * packet that has no options costs a comparison.
 */
bool weir_packet_process(const struct weir_batch *batch, const struct weir_packet *packet, struct weir_packet_processes *processes);

#endif
