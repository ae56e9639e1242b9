/*
 * go_rules.h - what differs between Go's versions in how a profile is shown.
 *
 * From runtime/pprof and runtime/traceback.go of each version from 1.18 to 1.27.
 */
#ifndef PPD_FCGI_GO_RULES_H
#define PPD_FCGI_GO_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GO_HEAP_NEVER_EQUAL                                                                                \
	1u                       /* the head of a heap text shows no allocated bytes equal to those in use \
				  */
#define GO_STACKS_128        2u  /* pcs of a goroutine's stack in its profile; before: 32 */
#define GO_THREADS_PADDED    4u  /* a thread's stack is always shown as an array of 32 pcs */
#define GO_INTERNAL_RUNTIME  8u  /* internal/runtime/... counts as the runtime too */
#define GO_BLOCK_SIZE_ALWAYS 16u /* the label "bytes" is the block's size, known or not */
#define GO_MUTEX_SCALED      32u /* the counts are stored multiplied by the fraction */
#define GO_ELIDED_MIDDLE     64u /* a deep stack is shown with both its ends; before: its first 100 calls */
#define GO_EXPORTED_METHODS  128u /* exported methods of the runtime are shown in stacks */
#define GO_CLEANERS_SHOWN    256u /* and so are runtime.runFinalizers and runtime.runCleanups */
#define GO_HEAD_LABELS                                                                                     \
	512u /* a goroutine's head shows its labels (GODEBUG=tracebacklabels=1 is the default) */
#define GO_BUBBLES       1024u /* synctest bubbles are called so; before: groups */
#define GO_SHAPES_DOTTED 2048u /* texts have [...] for what stands in brackets in a function's name */
#define GO_SHAPES_TWICE  4096u /* and twice, in that of a generic method of a generic type */

/* The GO_* of Go 1.minor. */
uint32_t go_rules(uint32_t minor);

/* How many pcs of a goroutine's stack its profile has. */
static inline uint32_t
go_rules_stack_max(uint32_t rules)
{
	return (rules & GO_STACKS_128) ? 128 : 32;
}

/* Does a stack's profile leave such a function out at its leaf? */
bool go_rules_is_runtime(uint32_t rules, const char *name);

#define GO_NAME_PARTS 5

/* A name as texts have it, in pieces of it and of "[...]". */
struct go_name {
	struct {
		const char *at;
		size_t n;
	} part[GO_NAME_PARTS];
	size_t n;
};
void go_rules_name(uint32_t rules, const char *name, struct go_name *to);

/* Is a function shown in a goroutine's stack? first: none was so far. */
bool go_rules_shows(uint32_t rules, const char *name, bool first);

#endif
