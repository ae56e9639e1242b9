#include "config.h"

#include "fcgi/labels.h"

#include <errno.h>

#include "base/wire.h"

int
labels_init(struct labels *l, struct profile *p)
{
	const struct {
		uint32_t *to;
		const char *word;
	} words[] = {
		{ &l->tid, "tid" },     { &l->thread, "thread" }, { &l->stack, "stack" },
		{ &l->guess, "guess" }, { &l->late, "late" },
	};

	l->p = p;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		*words[i].to = strings_text(&p->strings, words[i].word);
		if (*words[i].to == STRINGS_NONE)
			return -ENOMEM;
	}
	return 0;
}

uint8_t
labels_of_stack(const struct profile_stack *stack)
{
	return stack->flags & (WIRE_STACK_GUESS | WIRE_STACK_LATE);
}

uint32_t
labels_of(const struct labels *l, const struct profile_sample *s, struct profile_label to[PROFILE_LABELS_MAX])
{
	const struct profile *p = l->p;
	uint32_t name = s->tid ? profile_thread_name(p, s->tid) : 0, n = 0;
	uint8_t flags = labels_of_stack(&p->stacks.at[s->stack]);

	/* A number 0 without a unit, or an empty string, is no label to a reader. */
	if (s->tid)
		to[n++] = (struct profile_label){ .key = l->tid, .num = s->tid };
	if (name)
		to[n++] = (struct profile_label){ .key = l->thread, .str = name };
	if (flags & WIRE_STACK_GUESS)
		to[n++] = (struct profile_label){ .key = l->stack, .str = l->guess };
	if (flags & WIRE_STACK_LATE)
		to[n++] = (struct profile_label){ .key = l->stack, .str = l->late };
	if (s->labels) {
		const struct profile_label_set *set = &p->label_sets.at[s->labels];

		for (uint32_t i = 0; i < set->n && n < PROFILE_LABELS_MAX; i++)
			to[n++] = p->labels.at[set->first + i];
	}
	return n;
}
