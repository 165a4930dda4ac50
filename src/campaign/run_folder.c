/* The folder of a run: campaign/run_folder.h. */
#include "campaign/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"
#include "os/files.h"

#define FILES_PREFIX "weir-run-"

int run_folder_name(const struct weir_run_options *options, struct run *run, struct weir_fault *fault)
{
	time_t seconds = (time_t)(run->started_ns / NS_PER_SECOND);
	struct tm utc;
	char name[64];

	gmtime_r(&seconds, &utc);
	strftime(name, sizeof name, "%Y%m%dT%H%M%SZ", &utc);
	int length = options->out         ? snprintf(run->folder, sizeof run->folder, "%s", options->out)
	             : options->campaign ? snprintf(run->folder, sizeof run->folder, "%s/runs/%s", options->campaign, name)
	                                  : snprintf(run->folder, sizeof run->folder, FILES_PREFIX "%s", name);
	return length < (int)sizeof run->folder ? 0 : weir_fail(fault, WEIR_E_LIMIT, "the name of the run's folder is too long");
}

/* Makes a folder that nobody else has, named by the second in which the run began. */
static int make_new(struct run *run, struct weir_fault *fault)
{
	size_t length = strlen(run->folder);
	char *slash = strrchr(run->folder, '/');
	int error = 0;

	if (slash && slash != run->folder) {
		*slash = '\0';
		error = os_make_folders(run->folder, fault);
		*slash = '/';
	}
	for (unsigned number = 2; !error && mkdir(run->folder, 0777) != 0; number++) {
		if (errno != EEXIST)
			return weir_fail_errno(fault, errno, run->folder, "can't be made");
		/* Two digits, so that the latest is the last by name. */
		int more = snprintf(run->folder + length, sizeof run->folder - length, "-%02u", number);
		if (number > 99 || more >= (int)(sizeof run->folder - length))
			return weir_fail_at(fault, WEIR_E_LIMIT, run->folder, WEIR_NOWHERE, WEIR_NOWHERE, "there are too many runs of this second");
	}
	return error;
}

int run_folder_make(struct run *run, bool resumed, struct weir_fault *fault)
{
	static const char *const folders[] = {"flows", "packets"};
	char path[PATH_MAX];
	int error = run->options->out || resumed ? os_make_folders(run->folder, fault) : make_new(run, fault);

	for (size_t i = 0; !error && i < 2; i++) {
		if (i == 0 ? !(run->plan.stages & WEIR_RUN_FLOWS) : !run->plan.packets)
			continue;
		error = path_in(run->folder, folders[i], path, fault);
		if (!error)
			error = os_make_folders(path, fault);
	}
	return error;
}

int run_folder_enter_plan(struct run *run, struct weir_fault *fault)
{
	char path[PATH_MAX];
	struct text text = {0};
	struct json json = json_into(&text);
	int error = path_in(run->folder, "run.json", path, fault);

	run_plan_write(&run->plan, true, &json);
	text_add_char(&text, '\n');
	if (!error && text.failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the plan of the run");
	if (!error)
		error = os_write_file(path, text.data, text.length, fault);
	text_free(&text);
	return error;
}

/* Parameters that are asked for, without what depends on the moment of asking. */
static bool same_parameters(const struct run_plan *a, const struct run_plan *b, bool from_too)
{
	struct run_plan plans[2] = {*a, *b};
	struct text texts[2] = {{0}};

	for (int i = 0; i < 2; i++) {
		plans[i].to_ns = 0;
		plans[i].part_count = 0;
		plans[i].campaign = NULL; /* however its path was written */
		plans[i].dedup.seed = 0;
		if (!from_too)
			plans[i].from_ns = 0;
		struct json json = json_into(&texts[i]);
		run_plan_write(&plans[i], false, &json);
	}
	bool same = strcmp(text_string(&texts[0]), text_string(&texts[1])) == 0;
	text_free(&texts[0]);
	text_free(&texts[1]);
	return same;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * The names of the runs of a campaign (NULL: of files, in the folder where one stands), the latest last: they are named by time. *count of them; each and
 * the list are free()d.
 */
static char **list_runs(const char *campaign, size_t *count)
{
	char path[PATH_MAX] = ".", **names = NULL;
	const char *prefix = campaign ? "" : FILES_PREFIX;
	DIR *directory = !campaign || path_in(campaign, "runs", path, NULL) == 0 ? opendir(path) : NULL;

	*count = 0;
	if (!directory)
		return NULL;
	for (struct dirent *entry; (entry = readdir(directory));) {
		bool is_run = entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
		char **more = is_run ? realloc(names, (*count + 1) * sizeof *more) : NULL;
		if (!more)
			continue;
		names = more;
		if (asprintf(&names[*count], "%s/%s", path, entry->d_name) >= 0)
			++*count;
	}
	closedir(directory);
	if (*count)
		qsort(names, *count, sizeof *names, by_name);
	return names;
}

static void free_names(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static bool same_file(const struct run_input *a, const struct run_input *b)
{
	bool unchanged = !a->changed_ns || !b->changed_ns || a->changed_ns == b->changed_ns;

	return unchanged && a->bytes == b->bytes && strcmp(a->path, b->path) == 0;
}

static bool same_files(const struct run_plan *a, const struct run_plan *b)
{
	bool same = a->input_count == b->input_count;

	for (size_t i = 0; same && i < a->input_count; i++)
		same = same_file(&a->inputs[i], &b->inputs[i]);
	return same;
}

/* Whether an interrupted run is of what is asked for now. It may end earlier: what came since is for the next one. */
static bool is_asked_for(const struct run *run, const struct run_plan *found)
{
	return same_parameters(found, &run->plan, !run->options->since_last) && (!run->campaign || found->to_ns <= run->options->to_ns) &&
	       (run->campaign ? found->campaign != NULL : same_files(found, &run->plan));
}

/* The latest run of the campaign, or of these files, that was interrupted and has these parameters: then *found is its plan. */
static bool find_interrupted(struct run *run, struct run_plan *found)
{
	size_t count;
	char **names = list_runs(run->options->campaign, &count);
	bool is = false;

	for (size_t i = count; !is && i-- > 0;) {
		if (!has(names[i], "run.json") || has(names[i], "manifest.json") || run_read_plan(names[i], "run.json", "$", found, NULL) < 0)
			continue;
		is = is_asked_for(run, found);
		if (is)
			snprintf(run->folder, sizeof run->folder, "%s", names[i]);
		else
			run_plan_free(found);
	}
	free_names(names, count);
	return is;
}

int64_t run_folder_end_of_last(const char *campaign)
{
	size_t count;
	char **names = list_runs(campaign, &count);
	int64_t end_ns = WEIR_TIME_FIRST;

	for (size_t i = 0; i < count; i++) {
		struct run_plan plan;
		if (!has(names[i], "manifest.json") || run_read_plan(names[i], "manifest.json", "$.plan", &plan, NULL) < 0)
			continue;
		if (plan.campaign && plan.to_ns > end_ns)
			end_ns = plan.to_ns;
		run_plan_free(&plan);
	}
	free_names(names, count);
	return end_ns;
}

int run_folder_interrupted(struct run *run, bool *resumed, struct weir_fault *fault)
{
	struct run_plan found;
	int error;

	*resumed = false;
	if (!run->options->out) {
		if (!find_interrupted(run, &found))
			return 0;
	} else {
		if (has(run->folder, "manifest.json"))
			return weir_fail_at(fault, WEIR_E_USAGE, run->folder, WEIR_NOWHERE, WEIR_NOWHERE, "holds a whole run already: give another folder with -o");
		if (!has(run->folder, "run.json"))
			return 0;
		error = run_read_plan(run->folder, "run.json", "$", &found, fault);
		if (error)
			return error;
		if (!is_asked_for(run, &found)) {
			run_plan_free(&found);
			return weir_fail_at(fault, WEIR_E_USAGE, run->folder, WEIR_NOWHERE, WEIR_NOWHERE,
			                    "holds an interrupted run of other inputs or with other parameters: give them, or another folder with -o");
		}
	}
	run_plan_free(&run->plan);
	run->plan = found;
	*resumed = true;
	return 0;
}
