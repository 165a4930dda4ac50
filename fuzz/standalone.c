/*
 * Runs a fuzz target as an ordinary program over files and folders, so that what fuzzing once found is tested by every
 * `make check`, with whatever compiler there is. Speaks TAP: one test a file.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count;

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat status;
	uint8_t *data = NULL;
	int result = -1;

	if (!file || fstat(fileno(file), &status) != 0)
		goto done;
	/* Exactly as large as the file, so that the sanitizer sees a read behind its end. */
	data = malloc(status.st_size ? (size_t)status.st_size : 1);
	if (!data || fread(data, 1, (size_t)status.st_size, file) != (size_t)status.st_size)
		goto done;
	LLVMFuzzerTestOneInput(data, (size_t)status.st_size);
	result = 0;
done:
	printf("%sok %d - %s\n", result == 0 ? "" : "not ", ++count, path);
	fflush(stdout);
	free(data);
	if (file)
		fclose(file);
	return result;
}

static int run_path(const char *path);

static int run_folder(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);
	int result = n < 0 ? -1 : 0;

	for (int i = 0; i < n; i++) {
		char name[4096];
		snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && run_path(name) != 0)
			result = -1;
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return result;
}

static int run_path(const char *path)
{
	struct stat status;
	if (stat(path, &status) != 0)
		return run_file(path);
	return S_ISDIR(status.st_mode) ? run_folder(path) : run_file(path);
}

int main(int argc, char **argv)
{
	int result = 0;

	for (int i = 1; i < argc; i++)
		if (run_path(argv[i]) != 0)
			result = 1;
	printf("1..%d\n", count);
	return result;
}
