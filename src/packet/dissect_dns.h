/* packet/dissect_dns.h: what messages in the form of DNS share. */
#ifndef PACKET_DISSECT_DNS_H
#define PACKET_DISSECT_DNS_H

#include "packet/dissect.h"

/* The fields of the header, of which the caller has seen that its 12 bytes are there. */
void dns_header_fields(struct weir_bytes message, struct fields *f);

/* The questions from *at on, which moves behind them. False when they are cut off or broken. names: of their types. */
bool dns_question_fields(struct weir_bytes message, uint32_t *at, uint16_t count, const struct value_name *names,
                         struct fields *f);

#endif
