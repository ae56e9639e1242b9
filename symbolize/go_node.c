#include "config.h"

#include "symbolize/go_node.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/go_expand.h"
#include "symbolize/go_moduledata.h"
#include "symbolize/go_reloc.h"
#include "symbolize/go_roots.h"

#define SPAN_BYTES_MAX (UINT64_C(1) << 32) /* of variables; more is no Go program's */
#define PROBE_BYTES    16                  /* of the function table's header, that no relocation changes */
#define DEPTH_OLD      32u
#define DEPTH_DEFAULT  128u
#define DEPTH_MAX      1024u /* maxProfStackDepth (runtime/mprof.go) */

/* ---- the version */

static int
set_version(struct go_node *n, struct err *why)
{
	bool old = n->module.layout->word == 8, first = !n->module.layout->start_line;
	/* The form of the function table says something too (go_module.h). */
	uint32_t min = old ? 16 : first ? 18 : 20, max = old ? 17 : first ? 19 : GO_MINOR_NEWER;

	if (go_version_read(n->im, min, max, n->version) < 0)
		snprintf(n->version, sizeof(n->version), "a Go of unknown version");
	n->minor = go_version_minor(n->version);
	if (old || (n->minor && n->minor < GO_OLDEST))
		return err_set(why, -ENOTSUP, "built by %s: profiles can be read from Go 1.%u on",
			       n->minor ? n->version : "Go 1.16 or 1.17", GO_OLDEST);
	n->at = go_offsets_find(n->minor);
	n->guessed = !n->at;
	if (n->guessed)
		n->at = go_offsets_newest();
	return 0;
}

/* ---- where it is in memory */

/* Is the program loaded there? Its record (moduledata) points to its function table. */
static int
fits(struct go_node *n, uint64_t record, uint64_t bias)
{
	unsigned char head[PROBE_BYTES];
	uint64_t word;
	int e = memory_read(n->mem, record + bias, &word, sizeof(word));

	if (e == 0 && word == n->module.vaddr + bias)
		e = memory_read(n->mem, word, head, sizeof(head));
	else if (e == 0)
		return 0;
	if (e < 0)
		return e == -ESRCH ? e : 0;
	return !memcmp(head, n->module.base, sizeof(head));
}

/* The bias with which a mapping of a file is that part of the program. */
static bool
bias_of(const struct image *im, const struct memory_range *r, size_t segment, uint64_t *bias)
{
	const struct image_segment *s = &im->segments[segment];
	uint64_t page = s->offset & ~(uint64_t)(MEMORY_PAGE - 1);

	if (s->type != PT_LOAD || r->pgoff < page || r->pgoff >= s->offset + s->filesz)
		return false;
	*bias = r->start - (s->vaddr - s->offset + r->pgoff);
	return true;
}

static int
find_bias(struct go_node *n, uint64_t record, struct err *why)
{
	uint64_t tried = 0, bias;
	int e = fits(n, record, 0);

	for (size_t i = 0; e == 0 && i < n->mem->n_ranges; i++) {
		const struct memory_range *r = &n->mem->ranges[i];

		for (size_t k = 0; e == 0 && (r->flags & MEMORY_FILE) && k < n->im->n_segments; k++) {
			if (!bias_of(n->im, r, k, &bias) || bias == tried)
				continue;
			tried = bias;
			e = fits(n, record, bias);
			if (e > 0)
				n->bias = bias;
		}
	}
	if (e > 0)
		return 0;
	return e < 0 ? err_set(why, e, "the process has gone")
		     : err_set(why, -EBADMSG,
			       "the Go program of the executable is not in the process's memory");
}

static int
read_spans(struct go_node *n, uint64_t record, struct err *why)
{
	const uint16_t at[GO_SPANS_MAX] = { n->at->md_noptrdata, n->at->md_data, n->at->md_bss,
					    n->at->md_noptrbss };
	int e = 0;

	for (size_t i = 0; e == 0 && i < GO_SPANS_MAX; i++) {
		uint64_t pair[2];

		e = memory_read(n->mem, record + n->bias + at[i], pair, sizeof(pair));
		if (e == 0 && (pair[0] > pair[1] || pair[1] - pair[0] > SPAN_BYTES_MAX))
			e = -EBADMSG;
		if (e == 0)
			n->data[i] = (struct go_span){ pair[0], pair[1] };
	}
	return e < 0 ? err_set(why, e, "the Go program's record of itself cannot be read in memory") : 0;
}

/* ---- */

static int
open_program(struct go_node *n, struct err *why)
{
	struct go_moduledata record;
	struct go_reloc reloc;
	int e = set_version(n, why);

	if (e < 0)
		return e;
	go_reloc_init(&reloc, n->im);
	if (go_moduledata_find(&record, &n->module, &reloc) < 0)
		return err_set(why, -ENOTSUP,
			       "built by %s: the linker's record of the program was not found", n->version);
	e = find_bias(n, record.vaddr, why);
	if (e == 0)
		e = read_spans(n, record.vaddr, why);
	if (e == 0)
		e = go_roots_vote(n);
	if (e == 0)
		e = go_node_look(n, why);
	/* Bytes where a new version has something else are told by the lists that must be there. */
	if (e == 0 && n->guessed && (!n->roots.allgs || !n->roots.allm))
		e = go_node_not_known(n, "lists of goroutines and threads", why);
	return e;
}

int
go_node_open(struct go_node *n, struct memory *mem, const struct image *im, struct err *why)
{
	int e;

	memset(n, 0, sizeof(*n));
	n->mem = mem;
	n->im = im;
	ticks_now(&n->opened);
	e = go_module_open(&n->module, im, why);
	if (e < 0)
		return e == -ENOENT ? err_set(why, e, "not a Go program") : e;
	e = open_program(n, why);
	if (e < 0)
		go_node_close(n);
	return e;
}

void
go_node_close(struct go_node *n)
{
	go_expand_free(n->expand);
	go_module_close(&n->module);
	memset(n, 0, sizeof(*n));
}

int
go_node_look(struct go_node *n, struct err *why)
{
	int e = go_roots_look(n);

	return e == -ESRCH ? err_set(why, e, "the process has gone") : e;
}

int
go_node_not_known(const struct go_node *n, const char *what, struct err *why)
{
	if (!n->guessed)
		return err_set(why, -ENOTSUP, "built by %s: its %s have a form that is not known",
			       n->version, what);
	return err_set(why, -ENOTSUP,
		       "built by %s; the newest that is known is Go 1.%u, and its %s have another form",
		       n->version, n->at->minor, what);
}

uint32_t
go_node_u32(struct go_node *n, uint64_t root)
{
	uint32_t v;

	return root && memory_read(n->mem, root, &v, sizeof(v)) == 0 ? v : 0;
}

uint32_t
go_node_stack_depth(struct go_node *n)
{
	uint32_t depth;

	if (n->minor < 23)
		return DEPTH_OLD;
	depth = go_node_u32(n, n->roots.stack_depth);
	return depth > 0 && depth <= DEPTH_MAX ? depth : DEPTH_DEFAULT;
}
