/*
 * packet/sequences.h: TCP sequence numbers relative to where a connection began, as tcpdump prints them.
 */
#ifndef PACKET_SEQUENCES_H
#define PACKET_SEQUENCES_H

#include <stdbool.h>
#include <stdint.h>

/* Remembers the last 262,144 connections (4 MiB); of older ones numbers begin anew. One thread. */
struct sequences;
struct sequences *sequences_new(void);
void sequences_free(struct sequences *sequences);

/*
 * Makes *sequence and *acknowledgment relative. flow: facts->flow_hash; reversed: the direction, any that both ends see
 * alike; begin: a SYN. bases receives what was subtracted from each.
 */
void sequences_relate(struct sequences *sequences, uint64_t flow, bool reversed, bool begin, uint32_t *sequence,
                      uint32_t *acknowledgment, uint32_t bases[2]);

#endif
