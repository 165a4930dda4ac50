/* A canvas on a terminal: cli/top_terminal.h. */
#include "cli/top_terminal.h"

#include "config.h"

#ifdef HAVE_NCURSES

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/top_view.h"

static SCREEN *terminal;
static attr_t attributes[STYLES];

/* How each style looks: in colours, and without. */
static const struct {
	short foreground, background; /* -1: the terminal's own */
	attr_t coloured, plain;
} looks[STYLES] = {
	[STYLE_PLAIN] = {-1, -1, A_NORMAL, A_NORMAL},
	[STYLE_BOLD] = {-1, -1, A_BOLD, A_BOLD},
	[STYLE_DIM] = {COLOR_BLUE, -1, A_NORMAL, A_NORMAL},
	[STYLE_HEADING] = {COLOR_CYAN, -1, A_BOLD, A_UNDERLINE},
	[STYLE_BAR] = {COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_NORMAL},
	[STYLE_CHOSEN] = {COLOR_BLACK, COLOR_WHITE, A_NORMAL, A_REVERSE},
	[STYLE_GOOD] = {COLOR_GREEN, -1, A_NORMAL, A_NORMAL},
	[STYLE_WARNING] = {COLOR_YELLOW, -1, A_NORMAL, A_BOLD},
	[STYLE_BAD] = {COLOR_RED, -1, A_BOLD, A_BOLD},
	[STYLE_RECEIVE] = {COLOR_GREEN, -1, A_NORMAL, A_NORMAL},
	[STYLE_SEND] = {COLOR_MAGENTA, -1, A_NORMAL, A_NORMAL},
};

static void choose_looks(void)
{
	const char *no_colour = getenv("NO_COLOR");
	bool colour = has_colors() && !(no_colour && *no_colour) && start_color() == OK && COLORS >= 8;
	bool own = colour && use_default_colors() == OK;

	for (short i = 0; i < STYLES; i++) {
		attributes[i] = colour ? looks[i].coloured : looks[i].plain;
		if (!colour || (looks[i].foreground < 0 && looks[i].background < 0))
			continue;
		init_pair((short)(i + 1), looks[i].foreground < 0 ? (own ? -1 : COLOR_WHITE) : looks[i].foreground,
		          looks[i].background < 0 ? (own ? -1 : COLOR_BLACK) : looks[i].background);
		attributes[i] |= (attr_t)COLOR_PAIR(i + 1);
	}
}

int top_terminal_open(struct weir_fault *fault)
{
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return weir_fail(fault, WEIR_E_SYSTEM, "TERM=%s is no terminal that is known here; --once prints without one",
		                 getenv("TERM") ? getenv("TERM") : "");
	set_term(terminal);
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	set_escdelay(25);
	/* The default would scroll and jump; what changed is sent and nothing more. */
	idlok(stdscr, FALSE);
	leaveok(stdscr, TRUE);
	choose_looks();
	return 0;
}

void top_terminal_close(void)
{
	if (!terminal)
		return;
	endwin();
	delscreen(terminal);
	terminal = NULL;
}

void top_terminal_size(int *rows, int *columns) { getmaxyx(stdscr, *rows, *columns); }

static void draw_row(const struct canvas *canvas, int row, int columns)
{
	const struct glyph *glyphs = &canvas->glyphs[(size_t)row * (size_t)canvas->columns];
	wchar_t run[256];

	move(row, 0);
	for (int i = 0; i < columns;) {
		enum style style = glyphs[i].style;
		int length = 0;
		for (; i < columns && glyphs[i].style == style && length < 255; i++)
			if (glyphs[i].character)
				run[length++] = glyphs[i].character;
		attrset((int)attributes[style]);
		addnwstr(run, length);
	}
}

void top_terminal_draw(const struct canvas *canvas)
{
	int rows, columns;

	top_terminal_size(&rows, &columns);
	erase();
	for (int row = 0; row < canvas->rows && row < rows; row++)
		draw_row(canvas, row, canvas->columns < columns ? canvas->columns : columns);
	wnoutrefresh(stdscr);
	doupdate();
}

int top_terminal_key(int wait_ms)
{
	static const struct {
		wint_t from;
		int to;
	} keys[] = {
		{KEY_UP, TOP_KEY_UP},       {KEY_DOWN, TOP_KEY_DOWN},           {KEY_LEFT, TOP_KEY_LEFT}, {KEY_RIGHT, TOP_KEY_ENTER},
		{KEY_PPAGE, TOP_KEY_PAGE_UP}, {KEY_NPAGE, TOP_KEY_PAGE_DOWN}, {KEY_HOME, TOP_KEY_HOME}, {KEY_END, TOP_KEY_END},
		{KEY_BTAB, TOP_KEY_BACK_TAB}, {KEY_BACKSPACE, TOP_KEY_BACKSPACE}, {KEY_ENTER, TOP_KEY_ENTER}, {KEY_RESIZE, TOP_KEY_RESIZE},
	};
	wint_t key;

	timeout(wait_ms);
	switch (get_wch(&key)) {
	case OK: return key == 8 || key == 127 ? TOP_KEY_BACKSPACE : (int)key;
	case KEY_CODE_YES:
		for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
			if (keys[i].from == key)
				return keys[i].to;
		return KEY_NOTHING;
	default: return KEY_NOTHING;
	}
}

#else

int top_terminal_open(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_UNSUPPORTED, "this weir was built without ncurses: --once prints what the screen would show");
}

void top_terminal_close(void) {}
void top_terminal_size(int *rows, int *columns) { *rows = 24, *columns = 80; }
void top_terminal_draw(const struct canvas *canvas) { (void)canvas; }
int top_terminal_key(int wait_ms)
{
	(void)wait_ms;
	return -1;
}

#endif
