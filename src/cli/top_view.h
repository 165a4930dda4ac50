/*
 * cli/top_view.h: the views of `weir top`. A view is one constant record in a file top_view_NAME.c, listed in the table of top_views.c. Views draw on a
 * canvas and know no terminal; what --once and --json show comes from the same records.
 */
#ifndef CLI_TOP_VIEW_H
#define CLI_TOP_VIEW_H

#include "box/top.h"
#include "cli/top_canvas.h"
#include "core/json.h"

struct top_screen;

/* ---- a cell of a table ---- */

struct top_value {
	bool known;     /* false: "-" */
	bool numeric;   /* sorted and written into JSON by number */
	bool with_text; /* set by who asks: text is wanted too, not only what to sort by */
	double number;
	char text[160];
	enum style style;
};

/* Each fills in a value. */
void value_text(struct top_value *value, const char *text);
void value_bytes_text(struct top_value *value, struct weir_bytes text);
void value_number(struct top_value *value, double number, const char *format, ...) __attribute__((format(printf, 3, 4)));
void value_count(struct top_value *value, uint64_t count);           /* "5,761,834" */
void value_size(struct top_value *value, double bytes);              /* "1.5M" */
void value_rate(struct top_value *value, double per_second);         /* "1.5M"; nothing when there is none */
void value_duration(struct top_value *value, int64_t ns);            /* "1.5s" */

/* "1.5M" in powers of 1000 or 1024, at most 6 characters. */
const char *short_number(double number, unsigned base, char out[static FORMAT_SIZE]);
/* "192.0.2.1:443", "[2001:db8::1]:443", "*:80" */
const char *address_text(const struct weir_ip *ip, uint16_t port, bool with_port, char out[static FORMAT_SIZE]);
const char *protocol_text(uint8_t protocol, bool raw, char out[static FORMAT_SIZE]);

/* The last values as bars, at most so many of them. */
void sparkline_text(const double *values, size_t count, size_t most, bool ascii, char *out, size_t size);

/* ---- views ---- */

struct top_column {
	const char *title;
	const char *key;    /* in JSON; NULL: it is not there */
	uint8_t width;      /* 0: what is left; several share it */
	bool right;         /* numbers */
	bool ascending;     /* sorted so at first */
	uint8_t importance; /* 0: always shown; higher ones are left out first when the screen is narrow */
	uint8_t least;      /* of those without a width, so that it is worth while; 0: 16 */
};

#define TOP_COLUMNS_MOST 24

struct top_view {
	const char *name;    /* for --view and in JSON */
	const char *title;   /* among the views at the top; NULL: it is got to from another one */
	const char *keys;    /* its own, for the help and the last line */
	int key;             /* '1' … */
	enum top_lack lack;  /* whose absence leaves it empty; TOP_LACKS: nobody's */
	bool wants_packets;
	uint8_t sort;        /* column, at first */

	/* A table: */
	const struct top_column *columns; /* a title of NULL ends it; NULL: it is no table */
	size_t (*rows)(struct top_screen *screen);
	bool (*shown)(struct top_screen *screen, size_t row); /* NULL: all */
	void (*cell)(struct top_screen *screen, size_t row, unsigned column, struct top_value *value);
	uint64_t (*identity)(struct top_screen *screen, size_t row); /* so that what is selected stays so when rows move; not 0 */
	/* Enter: what is selected is looked into. False: there is nothing more to see. */
	bool (*enter)(struct top_screen *screen, size_t row);

	/* What stands above the table, or is the view. Draws from `row` on, at most `height` rows; returns how many. NULL: nothing. */
	int (*head)(struct top_screen *screen, struct canvas *canvas, int row, int height);
	/* Text to scroll through instead of a table: added to screen->text, a line each. */
	void (*text)(struct top_screen *screen);
	/* A key of its own. False: it is none. */
	bool (*press)(struct top_screen *screen, int key);
	/* Further members of its JSON object, which is open. NULL: none. */
	void (*json)(struct top_screen *screen, struct json *json);
};

extern const struct top_view *const top_views[]; /* those with a title in order, then the others; NULL ends it */
extern const struct top_view overview_view, interfaces_view, talkers_view, flows_view, processes_view, endpoints_view, applications_view, packets_view, drops_view,
	system_view, recorder_view, process_view, flow_view, endpoint_view, packet_view, help_view;

/* ---- the screen: what a person sees of the model ---- */

struct view_state {
	uint8_t sort;
	bool descending;
	size_t selected, first; /* among the rows in their order */
	uint64_t identity;      /* of what is selected; 0: nobody chose a row yet, so that the first one is it */
};

#define TOP_VIEWS_MOST 24
#define TOP_PAGES_MOST 8

/* What a view that was got to from another is about. */
struct top_subject {
	uint32_t pid;
	uint64_t endpoint, flow, packet; /* id; hash; number */
	char name[80];
};

struct top_page {
	const struct top_view *view;
	struct top_subject subject;
	size_t first; /* line of the text that is shown first */
};

struct sort_key {
	double number;
	char text[24];
	uint32_t row;
};

struct top_screen {
	struct top *top;
	struct view_state states[TOP_VIEWS_MOST]; /* by place in top_views */
	struct top_page pages[TOP_PAGES_MOST];
	unsigned page; /* that is shown; what is before is gone back to */
	bool flat;     /* endpoints one by one, not by process */
	bool by_flow;  /* talkers are flows, not hosts */
	bool ascii;    /* the terminal has no other characters */
	bool hex;      /* packets as bytes, not as a tree */
	bool local;    /* times in local time */
	int64_t interval_ns;
	bool quit;
	bool prompting;
	char prompt[400];
	char message[400]; /* shown until the next key */
	struct text text;  /* of a view with text */
	struct sort_key *order;
	size_t order_count, order_room;
	struct top_history endpoint_history[2]; /* of the endpoint that is looked into: sent, received */
	uint64_t endpoint_looked; /* top->looks when it grew last */
	size_t rows_shown;         /* of the table, when it was drawn last: how far a page goes */
	struct printer *printer;   /* of packets, a line each; NULL until it is needed */
	struct top_packet packet;  /* that is looked into: a copy, since the ring goes on; its data is the screen's */
};

/* Keys as the terminal gives them: characters, and these. */
enum top_key {
	KEY_NOTHING = -1,
	TOP_KEY_UP = 0x110000,
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_BACK_TAB,
	TOP_KEY_BACKSPACE,
	TOP_KEY_RESIZE,
	TOP_KEY_ENTER = '\n',
	TOP_KEY_ESCAPE = 27,
};

void screen_init(struct top_screen *screen, struct top *top);
void screen_free(struct top_screen *screen);
const struct top_view *screen_view(const struct top_screen *screen); /* that is shown: processes for endpoints and so on */
struct view_state *screen_state(struct top_screen *screen);
struct top_subject *screen_subject(struct top_screen *screen);
void screen_show(struct top_screen *screen, const struct top_view *view); /* instead of everything */
bool screen_enter(struct top_screen *screen, const struct top_view *view, const struct top_subject *subject); /* above what is shown */
void screen_press(struct top_screen *screen, int key);
void screen_refreshed(struct top_screen *screen); /* the model looked again */
void screen_draw(struct top_screen *screen, struct canvas *canvas);

/* Puts the rows of the view that match in order into screen->order. */
int screen_sort(struct top_screen *screen, const struct top_view *view, uint8_t sort, bool descending);
/* Draws rows of a view in their order from `from` on as a table with a heading; selected: SIZE_MAX for none. Rows used. */
int screen_table(struct top_screen *screen, struct canvas *canvas, const struct top_view *view, int row, int height, uint8_t sort, bool descending,
                 size_t from, size_t selected);

/* Everything of a view as text, or as a JSON object. */
int screen_print(struct top_screen *screen, const struct top_view *view, int columns, FILE *out);
void screen_json(struct top_screen *screen, const struct top_view *view, struct json *json);

/* Adds a line "title  what" to the screen's text; what may be any bytes. Nothing: "-". */
void screen_line(struct top_screen *screen, const char *title, const void *what, size_t length);

/* What several views show of endpoints and flows. */
void endpoint_identity_text(const struct endpoint *endpoint, char *out, size_t size);
const struct endpoint *endpoint_with_id(const struct top *top, uint64_t id);
uint64_t endpoint_identity(const struct endpoint *endpoint);
const struct top_flow *flow_with_hash(const struct top *top, uint64_t hash);

/* top_counters.c: instances of a group of counters in their order, a row each. */
size_t counter_instances(struct top *top, const char *group);
const char *counter_instance(struct top *top, const char *group, size_t row); /* NULL: there are fewer */
uint64_t counter_identity(const char *instance);
/* A rate a second of a counter into a cell, or what it stands at. */
void counter_rate_cell(const struct top *top, const char *group, const char *instance, const char *name, struct top_value *value);
void counter_value_cell(const struct top *top, const char *group, const char *instance, const char *name, struct top_value *value);
/* The last rates; how many there are. */
size_t counter_rates(const struct top *top, const char *group, const char *instance, const char *name, double out[static COUNTERS_HISTORY]);

/* top_view_system.c: CPU, memory, pressure and disks in two or three lines. How many. */
int system_lines(struct top_screen *screen, struct canvas *canvas, int row);

#endif
