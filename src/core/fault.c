/* The error type of the library: weir/error.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>

static const struct {
	int code;
	const char *name;
} names[] = {
	{WEIR_OK, "ok"},
	{WEIR_E_USAGE, "usage"},
	{WEIR_E_FILTER, "filter"},
	{WEIR_E_FORMAT, "format"},
	{WEIR_E_TRUNCATED, "truncated"},
	{WEIR_E_CORRUPT, "corrupt"},
	{WEIR_E_UNSUPPORTED, "unsupported"},
	{WEIR_E_IO, "io"},
	{WEIR_E_NO_SPACE, "no-space"},
	{WEIR_E_MEMORY, "memory"},
	{WEIR_E_PERMISSION, "permission"},
	{WEIR_E_NOT_FOUND, "not-found"},
	{WEIR_E_LIMIT, "limit"},
	{WEIR_E_INTERRUPTED, "interrupted"},
	{WEIR_E_BUSY, "busy"},
	{WEIR_E_SYSTEM, "system"},
};

const char *weir_error_name(int code)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].code == code)
			return names[i].name;
	return "unknown";
}

void weir_fault_clear(struct weir_fault *fault)
{
	if (fault)
		*fault = (struct weir_fault){.offset = WEIR_NOWHERE, .packet = WEIR_NOWHERE};
}

static void set_file(struct weir_fault *fault, const char *file)
{
	static const char ellipsis[] = "…";
	size_t length = file ? strlen(file) : 0;

	if (length < sizeof fault->file) {
		memcpy(fault->file, file ? file : "", length + 1);
		return;
	}
	/* The end of a path tells more than its beginning. */
	size_t kept = sizeof fault->file - sizeof ellipsis;
	memcpy(fault->file, ellipsis, sizeof ellipsis - 1);
	memcpy(fault->file + sizeof ellipsis - 1, file + length - kept, kept + 1);
}

static int fill(struct weir_fault *fault, int code, int system, const char *file, int64_t offset, int64_t packet,
                const char *format, va_list arguments)
{
	if (!fault)
		return code;
	fault->code = code;
	fault->system = system;
	fault->offset = offset;
	fault->packet = packet;

	/* The arguments may point into the fault itself (an error that is told again with more words). */
	char message[sizeof fault->message];
	vsnprintf(message, sizeof message, format, arguments);
	set_file(fault, file);
	memcpy(fault->message, message, sizeof message);
	return code;
}

int weir_fail(struct weir_fault *fault, enum weir_error code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fill(fault, code, 0, NULL, WEIR_NOWHERE, WEIR_NOWHERE, format, arguments);
	va_end(arguments);
	return code;
}

int weir_fail_at(struct weir_fault *fault, enum weir_error code, const char *file, int64_t offset, int64_t packet,
                 const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fill(fault, code, 0, file, offset, packet, format, arguments);
	va_end(arguments);
	return code;
}

static int code_of(int system)
{
	switch (system) {
	case ENOSPC:
	case EDQUOT:
		return WEIR_E_NO_SPACE;
	case EACCES:
	case EPERM:
	case EROFS:
		return WEIR_E_PERMISSION;
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return WEIR_E_NOT_FOUND;
	case ENOMEM:
		return WEIR_E_MEMORY;
	default:
		return WEIR_E_IO;
	}
}

int weir_fail_errno(struct weir_fault *fault, int system, const char *file, const char *format, ...)
{
	int code = code_of(system);
	va_list arguments;
	va_start(arguments, format);
	fill(fault, code, system, file, WEIR_NOWHERE, WEIR_NOWHERE, format, arguments);
	va_end(arguments);
	if (fault) {
		size_t length = strlen(fault->message);
		snprintf(fault->message + length, sizeof fault->message - length, ": %s", strerror(system));
	}
	return code;
}

const char *weir_fault_text(const struct weir_fault *fault, char *text, size_t size)
{
	size_t used = 0;

	if (size == 0)
		return text;
	text[0] = '\0';
#define APPEND(...)                                                              \
	do {                                                                         \
		int n = snprintf(text + used, size - used, __VA_ARGS__);                 \
		used = n < 0 || (size_t)n >= size - used ? size - 1 : used + (size_t)n; \
	} while (0)
	if (fault->file[0])
		APPEND("%s: ", fault->file);
	if (fault->offset >= 0)
		APPEND("offset %" PRId64 ": ", fault->offset);
	if (fault->packet >= 0)
		APPEND("packet %" PRId64 ": ", fault->packet);
	APPEND("%s", fault->message);
#undef APPEND
	return text;
}
