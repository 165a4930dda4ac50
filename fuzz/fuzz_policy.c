/* Any bytes as a policy: what is accepted is bounded and says what it may say. */
#include <stdlib.h>

#include <weir/decode.h>
#include <weir/policy.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_policy *policy;

	if (size > 1U << 12 || weir_policy_parse((const char *)data, size, "fuzz", &policy, NULL))
		return 0;
	for (size_t i = 0; i < policy->keep.rule_count; i++)
		if (!policy->keep.rules[i].match || policy->keep.rules[i].amount > WEIR_KEEP_NO_PACKET ||
		    policy->keep.rules[i].protocol >= WEIR_LAYER_KINDS)
			abort();
	for (size_t i = 0; i < policy->hide.internal_count; i++)
		if (policy->hide.internal[i].bits > (policy->hide.internal[i].address.version == 4 ? 32 : 128))
			abort();
	if (policy->hide.ipv4.bits > 32 || policy->hide.ipv6.bits > 128 ||
	    (weir_policy_needs_key(policy) && !policy->hides))
		abort();
	weir_policy_free(policy);
	return 0;
}
