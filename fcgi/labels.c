#include "config.h"

#include "fcgi/labels.h"

#include "base/wire.h"

uint8_t
labels_of_stack(const struct profile_stack *stack)
{
	return stack->flags & (WIRE_STACK_GUESS | WIRE_STACK_LATE);
}

uint32_t
labels_of(const struct profile *p, const struct profile_sample *s,
	  struct profile_label to[PROFILE_LABELS_MAX])
{
	uint32_t name = s->tid ? profile_thread_name(p, s->tid) : 0, n = 0;
	uint8_t flags = labels_of_stack(&p->stacks.at[s->stack]);

	/* A number 0 without a unit, or an empty string, is no label to a reader. */
	if (s->tid)
		to[n++] = (struct profile_label){ .key = PROFILE_WORD_TID, .num = s->tid };
	if (name)
		to[n++] = (struct profile_label){ .key = PROFILE_WORD_THREAD, .str = name };
	if (flags & WIRE_STACK_GUESS)
		to[n++] = (struct profile_label){ .key = PROFILE_WORD_STACK, .str = PROFILE_WORD_GUESS };
	if (flags & WIRE_STACK_LATE)
		to[n++] = (struct profile_label){ .key = PROFILE_WORD_STACK, .str = PROFILE_WORD_LATE };
	if (s->labels) {
		const struct profile_label_set *set = &p->label_sets.at[s->labels];

		for (uint32_t i = 0; i < set->n && n < PROFILE_LABELS_MAX; i++)
			to[n++] = p->labels.at[set->first + i];
	}
	return n;
}
