/*
 * box/trace_format.h: the blocks of traces in pcapng files, docs/trace-format.md. Each is a Custom Block that may be copied (0x00000BAD) of WEIR_PEN and begins
 * with a magic; what is behind it is little-endian in sections of either byte order.
 */
#ifndef BOX_TRACE_FORMAT_H
#define BOX_TRACE_FORMAT_H

#define TRACE_BLOCK 0x00000BADu
#define TRACE_PROVIDER_MAGIC "wTrP"
#define TRACE_EVENT_MAGIC "wTrE"
#define TRACE_LOSS_MAGIC "wTrL"

#define TRACE_BLOCK_HEAD 12 /* type, length, PEN */
#define TRACE_EVENT_HEAD 72 /* magic and header, before the payload */
#define TRACE_LOSS_BYTES 44 /* magic, provider, 0, CPU, time, sent, kept, lost */

#endif
