/* Words, lines and numbers of text from the kernel: box/counters_store.h. */
#include "box/counters_store.h"

bool take_line(struct weir_bytes *text, struct weir_bytes *line)
{
	if (!text->length)
		return false;
	const uint8_t *end = memchr(text->data, '\n', text->length);
	line->data = text->data;
	line->length = end ? (size_t)(end - text->data) : text->length;
	size_t taken = line->length + (end != NULL);
	text->data += taken;
	text->length -= taken;
	return true;
}

bool take_word(struct weir_bytes *line, struct weir_bytes *word)
{
	size_t begin = 0;
	while (begin < line->length && (line->data[begin] == ' ' || line->data[begin] == '\t'))
		begin++;
	size_t end = begin;
	while (end < line->length && line->data[end] != ' ' && line->data[end] != '\t')
		end++;
	*word = (struct weir_bytes){line->data + begin, end - begin};
	line->data += end;
	line->length -= end;
	return word->length > 0;
}

bool number_of(struct weir_bytes word, uint64_t *number)
{
	uint64_t value = 0;
	for (size_t i = 0; i < word.length; i++) {
		unsigned digit = word.data[i] - (unsigned)'0';
		if (digit > 9 || __builtin_mul_overflow(value, UINT64_C(10), &value) || __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*number = value;
	return word.length > 0;
}

bool take_number(struct weir_bytes *line, uint64_t *number)
{
	struct weir_bytes word;
	return take_word(line, &word) && number_of(word, number);
}

bool bytes_are(struct weir_bytes bytes, const char *string)
{
	return strlen(string) == bytes.length && memcmp(bytes.data, string, bytes.length) == 0;
}
