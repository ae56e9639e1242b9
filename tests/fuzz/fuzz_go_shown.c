/*
 * A reading as a child that was taken over may write it, made a profile and a text of: no bad access, and
 * no more memory than a profile may have. Input: as of fuzz_reading.
 */
#include "config.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/reading.h"
#include "base/wire.h"
#include "fcgi/enc_pprof.h"
#include "fcgi/go_comments.h"
#include "fcgi/go_hidden.h"
#include "fcgi/go_profile.h"
#include "fcgi/go_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text of deep stacks of many goroutines is long; that it ends somewhere is tested elsewhere. */
#define TEXT_MAX (1u << 20)

static int
count(void *ctx, const void *bytes, size_t n)
{
	size_t *total = ctx;

	(void)bytes;
	*total += n;
	return *total > TEXT_MAX ? -1 : 0;
}

/* Each place that has none a name by its number: the runtime's, inlined ones, none. */
static void
name_places(struct profile *p)
{
	static const char *const names[] = { "runtime.gopark", "main.f[go.shape.int]",
					     "runtime.goexit", "runtime.gopanic",
					     "x.(*T).m",       "nodot" };

	for (uint32_t i = 0; i < p->places.n; i++) {
		uint32_t which = (uint32_t)(p->places.at[i].at % 7);
		struct profile_answer_is is = { .vaddr = p->places.at[i].at,
						.entry = p->places.at[i].at & ~UINT64_C(63),
						.flags = (uint8_t)(p->places.at[i].at & 31),
						.line = p->lines.n };

		if (p->places.at[i].n_lines || p->places.at[i].object == PROFILE_NONE || which == 6)
			continue;
		for (uint32_t k = which; k < 6 && is.n_lines < 3; k++) {
			uint32_t name = strings_text(&p->strings, names[k]);
			struct profile_line line = { name, name, 0, k, 0 };

			if (name == STRINGS_NONE || profile_line_add(p, &line) < 0)
				return;
			is.n_lines++;
		}
		profile_answer(p, i, &is);
	}
}

static void
show_text(struct profile *p, const struct reading *r, const struct go_places *g, bool dump)
{
	struct go_text t;
	size_t total = 0;
	struct sink *to = malloc(sizeof(*to));

	if (!to)
		abort();
	if (go_text_init(&t, p, r, g, "fuzz", dump) == 0) {
		sink_init(to, count, &total);
		go_text_write(&t, to);
		sink_flush(to);
	}
	go_text_fini(&t);
	free(to);
}

static void
show_profile(struct profile *p, const struct reading *r, const struct go_places *g)
{
	struct comments_node node = { "node", "/bin/node", 1 };
	struct go_comments c = { .name = "fuzz", .node = &node, .reading = r, .gc = true };
	struct go_samples s = { .r = r, .g = g, .part = GO_PART_BEFORE, .ticks_per_second = 1e9 };
	struct go_hidden h;
	struct sink to;
	size_t total = 0;

	if (go_hidden_init(&h, p, r) == 0) {
		for (int i = 0; i < 3 && go_hidden_turn(&h, p, r, g) > 0; i++)
			name_places(p);
		go_hidden_end(&h, r);
		s.hidden = h.n;
		sink_init(&to, count, &total);
		p->delta = r->head->go_minor & 1;
		if (go_profile_begin(p, r, "alloc_space") == 0 &&
		    (!p->delta || go_profile_add(p, &s) == 0)) {
			s.part = GO_PART_WHOLE;
			if (go_profile_add(p, &s) == 0 && profile_finish(p, &c.made_up) == 0 &&
			    go_comments_add(p, &c) == 0)
				enc_pprof(p, 1, &to);
		}
	}
	go_hidden_fini(&h);
}

static void
show(const struct reading *r)
{
	static const struct profile_map_is is = { .id = 1,
						  .object = 1,
						  .kind = WIRE_MAP_FILE,
						  .flags = WIRE_MAP_MAIN,
						  .start = 0x1000,
						  .end = 0x800000,
						  .path = "/bin/node",
						  .path_n = 9 };
	struct profile *p = malloc(sizeof(*p));
	struct go_places g = { 0 };

	if (!p)
		abort();
	if (profile_init(p) == 0 && profile_map_add(p, &is) >= 0 && go_places_init(&g, p, r, true) == 0) {
		name_places(p);
		show_text(p, r, &g, false);
		show_text(p, r, &g, true);
		show_profile(p, r, &g);
	}
	if (p->room.used > p->room.max)
		abort();
	go_places_fini(&g);
	profile_fini(p);
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t bytes = size;
	struct reading r;
	int fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (size >= sizeof(struct reading_head) &&
	    pwrite(fd, &bytes, sizeof(bytes), offsetof(struct reading_head, bytes)) != sizeof(bytes))
		abort();
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		abort();
	if (reading_open(&r, fd, NULL) == 0) {
		/* No snapshot is made of the rates. */
		if (r.head->kind != READING_RATES)
			show(&r);
		reading_close(&r);
	}
	close(fd);
	return 0;
}
