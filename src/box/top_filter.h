/* box/top_filter.h: the model's own part of its filter. */
#ifndef BOX_TOP_FILTER_H
#define BOX_TOP_FILTER_H

struct top_filter;
void top_filter_free(struct top_filter *filter);
/* The model looked again: what was found out about flows is over. */
void top_filter_looked(struct top_filter *filter);

#endif
