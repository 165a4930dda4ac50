/* os/secret.h: asking a person for a secret at the terminal. */
#ifndef OS_SECRET_H
#define OS_SECRET_H

#include <weir/error.h>

/*
 * Shows the prompt on the terminal and reads a line from it that is not shown, whatever standard input and output are. 0; WEIR_E_PERMISSION when there is no
 * terminal; WEIR_E_LIMIT when the line does not fit into size bytes with its terminator.
 */
int os_ask_secret(const char *prompt, char *secret, size_t size, struct weir_fault *fault);

#endif
