/*
 * cli/top_terminal.h: a canvas on a terminal, and its keys. By ncurses, which sends what changed since the page before and nothing else.
 */
#ifndef CLI_TOP_TERMINAL_H
#define CLI_TOP_TERMINAL_H

#include <weir/error.h>

#include "cli/top_canvas.h"

/* Takes the terminal over. WEIR_E_UNSUPPORTED: this weir is built without ncurses; WEIR_E_SYSTEM: it is no terminal that ncurses knows. */
int top_terminal_open(struct weir_fault *fault);
void top_terminal_close(void); /* gives it back as it was */
void top_terminal_size(int *rows, int *columns);
void top_terminal_draw(const struct canvas *canvas);
/* Waits for a key up to so many ms: enum top_key or a character; KEY_NOTHING. */
int top_terminal_key(int wait_ms);

#endif
