/* box/trace_weir.h: the ids of weir's own events. */
#ifndef BOX_TRACE_WEIR_H
#define BOX_TRACE_WEIR_H

enum { WEIR_EVENT_START = 1, WEIR_EVENT_STOP, WEIR_EVENT_LOST, WEIR_EVENT_MESSAGE };

#endif
