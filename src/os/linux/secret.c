/* Asking at the terminal: os/secret.h. */
#include "os/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <weir/key.h>

/* Reads up to the end of the line. 0 or an errno; E2BIG when it is too long. */
static int read_line(int fd, char *line, size_t size)
{
	size_t length = 0;

	for (;;) {
		char c;
		ssize_t n = read(fd, &c, 1);
		if (n < 0)
			return errno;
		if (n == 0 && !length)
			return ENODATA;
		if (n == 0 || c == '\n')
			break;
		if (length == size - 1)
			return E2BIG;
		line[length++] = c;
	}
	line[length] = '\0';
	return 0;
}

int os_ask_secret(const char *prompt, char *secret, size_t size, struct weir_fault *fault)
{
	struct termios shown, hidden;
	sigset_t all, before;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || tcgetattr(fd, &shown) < 0) {
		if (fd >= 0)
			close(fd);
		return weir_fail(
			fault, WEIR_E_PERMISSION,
			"a passphrase is needed, and there is no terminal to ask at (WEIR_PASSPHRASE_FILE names a file)");
	}
	hidden = shown;
	hidden.c_lflag &= (tcflag_t) ~(ECHO | ECHONL);
	/* A signal must not leave the terminal without its echo; Ctrl-C is kept until the line ends. */
	sigemptyset(&all);
	sigaddset(&all, SIGINT);
	sigaddset(&all, SIGTSTP);
	sigprocmask(SIG_BLOCK, &all, &before);
	tcsetattr(fd, TCSAFLUSH, &hidden);
	int failed = write(fd, prompt, strlen(prompt)) < 0 ? errno : read_line(fd, secret, size);
	tcsetattr(fd, TCSAFLUSH, &shown);
	if (write(fd, "\n", 1) < 0 && !failed)
		failed = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(fd);
	if (!failed)
		return 0;
	weir_wipe(secret, size);
	if (failed == E2BIG)
		return weir_fail(fault, WEIR_E_LIMIT, "the passphrase is longer than %zu bytes", size - 1);
	return weir_fail_errno(fault, failed, "/dev/tty", "no passphrase could be read");
}
