/* Reading JSON: any bytes, to the end, each string unescaped. */
#include "core/json_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_reader reader = json_reader_over(data, size);
	struct json_token token;
	struct text out = {0};
	size_t tokens = 0;

	while (json_next(&reader, &token) > JSON_ENDED) {
		/* Each token takes a byte of the input at least. */
		if (++tokens > size || token.depth > JSON_DEPTH_MAX)
			__builtin_trap();
		text_clear(&out);
		json_unescape(token.key, &out);
		json_unescape(token.value, &out);
		json_token_unsigned(&token);
		json_token_double(&token);
	}
	if (json_next(&reader, &token) > JSON_ENDED)
		__builtin_trap();
	text_free(&out);
	return 0;
}
