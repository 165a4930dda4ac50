/* manifest.json: what a run read, how, and what it made of it. */
#include <sys/utsname.h>

#include "archive/gaps.h"
#include "campaign/run.h"
#include "config.h"
#include "core/clock.h"
#include "core/json.h"
#include "os/files.h"

static void put_time(struct json *json, const char *key, int64_t ns)
{
	char text[FORMAT_SIZE];

	if (ns == INT64_MAX || ns == INT64_MIN)
		json_put_string(json, key, NULL);
	else
		json_put_string(json, key, format_time(ns, false, 9, text));
}

static void put_outputs(struct json *json, const struct run *run)
{
	json_key(json, "outputs");
	json_array(json);
	for (size_t i = 0; i < run->output_count; i++) {
		const struct run_output *output = &run->outputs[i];
		json_object(json);
		json_put_string(json, "path", output->path);
		json_put_unsigned(json, "bytes", output->bytes);
		json_put_unsigned(json, "records", output->records);
		json_put_string(json, "sha256", output->sha256);
		json_end_object(json);
	}
	json_end_array(json);
}

static void put_packets(struct json *json, const struct run_tally *tally)
{
	json_key(json, "packets");
	json_object(json);
	json_put_unsigned(json, "read", tally->packets);
	json_put_unsigned(json, "captured_bytes", tally->captured_bytes);
	json_put_unsigned(json, "wire_bytes", tally->wire_bytes);
	put_time(json, "first", tally->first_ns);
	put_time(json, "last", tally->last_ns);
	json_put_unsigned(json, "kept", tally->kept);
	json_put_unsigned(json, "duplicates", tally->duplicates);
	json_key(json, "vantages");
	json_array(json);
	for (uint32_t i = 0; i < tally->vantage_count; i++) {
		const struct tally_vantage *vantage = &tally->vantages[i];
		json_object(json);
		json_put_string(json, "name", vantage->name);
		json_put_unsigned(json, "packets", vantage->packets);
		json_put_unsigned(json, "wire_bytes", vantage->wire_bytes);
		json_put_unsigned(json, "kept", vantage->kept);
		json_put_unsigned(json, "duplicates", vantage->duplicates);
		put_time(json, "first", vantage->first_ns);
		put_time(json, "last", vantage->last_ns);
		json_end_object(json);
	}
	json_end_array(json);
	json_end_object(json);
}

static void put_pairs(struct json *json, const struct run *run)
{
	size_t count = 0;
	const struct weir_dedup_pair *pairs = run->dedup ? weir_dedup_pairs(run->dedup, &count) : NULL;

	json_key(json, "duplicates");
	json_array(json);
	for (size_t i = 0; i < count; i++) {
		uint64_t all = pairs[i].exact + pairs[i].routed;
		json_object(json);
		json_put_unsigned(json, "first_interface", pairs[i].first);
		json_put_unsigned(json, "second_interface", pairs[i].second);
		json_put_string(json, "first", run_tally_vantage(run->tally, pairs[i].first));
		json_put_string(json, "second", run_tally_vantage(run->tally, pairs[i].second));
		json_put_unsigned(json, "exact", pairs[i].exact);
		json_put_unsigned(json, "routed", pairs[i].routed);
		json_put_unsigned(json, "bytes", pairs[i].bytes);
		json_put_signed(json, "delay_min_ns", pairs[i].delay_min_ns);
		json_put_signed(json, "delay_mean_ns", all ? pairs[i].delay_sum_ns / (int64_t)all : 0);
		json_put_signed(json, "delay_max_ns", pairs[i].delay_max_ns);
		json_end_object(json);
	}
	json_end_array(json);
}

static void put_stages(struct json *json, const struct run *run)
{
	if (run->decapsulate) {
		struct weir_decapsulate_statistics esp;
		weir_decapsulate_statistics(run->decapsulate, &esp);
		json_key(json, "esp");
		json_object(json);
		json_put_unsigned(json, "packets", esp.esp);
		json_put_unsigned(json, "opened", esp.opened);
		json_put_unsigned(json, "encrypted", esp.encrypted);
		json_put_unsigned(json, "undecided", esp.undecided);
		json_put_unsigned(json, "associations", esp.associations);
		json_put_unsigned(json, "associations_null", esp.associations_null);
		json_end_object(json);
	}
	if (run->flow) {
		struct weir_flow_statistics flows;
		weir_flow_stage_statistics(run->flow, &flows);
		json_key(json, "flows");
		json_object(json);
		json_put_unsigned(json, "records", flows.records);
		json_put_unsigned(json, "packets", flows.packets);
		json_put_unsigned(json, "packets_without_ip", flows.no_ip);
		json_put_unsigned(json, "most_at_once", flows.most_active);
		json_put_unsigned(json, "cut_for_memory", flows.cut);
		json_end_object(json);
	}
}

static void put_clocks(struct json *json, const struct run *run)
{
	json_key(json, "clocks");
	json_array(json);
	for (size_t i = 0; i < run->clock_count; i++) {
		const struct run_clock *clock = &run->clocks[i];
		json_object(json);
		json_put_string(json, "name", clock->name);
		json_put_string(json, "basis", clock->basis);
		json_put_unsigned(json, "shared_packets", clock->shared);
		json_put_unsigned(json, "times_set", clock->steps);
		json_put_double(json, "drift", clock->drift);
		json_key(json, "knots");
		json_array(json);
		for (size_t k = 0; k < clock->count; k++) {
			json_object(json);
			json_put_signed(json, "time_ns", clock->knots[k].time_ns);
			json_put_signed(json, "correction_ns", clock->knots[k].correction_ns);
			json_put_signed(json, "uncertainty_ns", clock->knots[k].uncertainty_ns);
			json_end_object(json);
		}
		json_end_array(json);
		json_end_object(json);
	}
	json_end_array(json);
}

static void put_loss(void *context, const struct weir_loss *loss)
{
	struct json *json = context;

	json_object(json);
	json_put_string(json, "node", loss->node);
	json_put_string(json, "interface", loss->interface);
	json_put_string(json, "cause", weir_loss_name(loss->cause));
	put_time(json, "from", loss->from_ns);
	put_time(json, "to", loss->to_ns);
	if (loss->packets != WEIR_UNKNOWN_COUNT)
		json_put_unsigned(json, "packets", loss->packets);
	if (loss->bytes != WEIR_UNKNOWN_COUNT)
		json_put_unsigned(json, "bytes", loss->bytes);
	json_put_string(json, "detail", loss->detail);
	json_end_object(json);
}

static void put_damage(struct json *json, const struct run_damage *damage)
{
	json_object(json);
	json_put_string(json, "cause", weir_loss_name(WEIR_LOSS_DAMAGE));
	json_put_string(json, "file", damage->file);
	json_put_unsigned(json, "from_byte", damage->from);
	json_put_unsigned(json, "to_byte", damage->to);
	json_put_unsigned(json, "packets_before", damage->packets_before);
	if (damage->packets != WEIR_UNKNOWN_COUNT)
		json_put_unsigned(json, "packets", damage->packets);
	put_time(json, "from", damage->before_ns);
	put_time(json, "to", damage->after_ns);
	json_put_string(json, "detail", damage->cause);
	json_end_object(json);
}

static int put_losses(struct json *json, struct run *run, struct weir_fault *fault)
{
	int error = 0;

	json_key(json, "losses");
	json_array(json);
	if (run->campaign)
		error = gaps_between(run->campaign, run->plan.from_ns, run->plan.to_ns, NULL, NULL, put_loss, json, fault);
	for (size_t i = 0; i < run->damage_count; i++)
		put_damage(json, &run->damages[i]);
	json_end_array(json);
	json_put_unsigned(json, "damages", run->all_damages);
	json_put_unsigned(json, "damaged_bytes", run->damaged_bytes);
	return error;
}

/* What is not the same when the run is made again. */
static void put_this_time(struct json *json, const struct run *run)
{
	struct utsname machine;
	int64_t now_ns = clock_wall_ns();

	json_key(json, "run");
	json_object(json);
	put_time(json, "started", run->started_ns);
	put_time(json, "ended", now_ns);
	json_put_double(json, "seconds", (double)(now_ns - run->started_ns) / 1e9);
	json_put_double(json, "seconds_waiting_for_hashes", (double)run->hashing_ns / 1e9);
	json_put_signed(json, "threads", run->threads);
	if (uname(&machine) == 0) {
		json_put_string(json, "host", machine.nodename);
		json_put_string(json, "system", machine.sysname);
		json_put_string(json, "release", machine.release);
		json_put_string(json, "machine", machine.machine);
	}
	json_end_object(json);
}

int run_manifest_write(struct run *run, struct weir_fault *fault)
{
	struct text text = {0};
	struct json json = json_into(&text);
	char path[PATH_MAX];

	json_object(&json);
	json_put_string(&json, "weir", WEIR_VERSION);
	json_key(&json, "plan");
	run_plan_write(&run->plan, true, &json);
	put_outputs(&json, run);
	put_packets(&json, run->tally);
	put_pairs(&json, run);
	put_stages(&json, run);
	put_clocks(&json, run);
	int error = put_losses(&json, run, fault);
	put_this_time(&json, run);
	json_end_object(&json);
	text_add_char(&text, '\n');
	if (!error && text.failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the manifest");
	if (!error && snprintf(path, sizeof path, "%s/manifest.json", run->folder) >= (int)sizeof path)
		error = weir_fail(fault, WEIR_E_LIMIT, "the name of the run's folder is too long");
	if (!error)
		error = os_write_file(path, text.data, text.length, fault);
	text_free(&text);
	return error;
}
