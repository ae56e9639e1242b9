#include "config.h"

#include "symbolize/dwarf.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/dwarf_attrs.h"
#include "symbolize/dwarf_names.h"
#include "symbolize/dwarf_reader.h"
#include "symbolize/dwarf_sections.h"
#include "symbolize/dwarf_split.h"
#include "symbolize/dwarf_units.h"

#define SPLITS_MAX      512                 /* split files open at a time */
#define FUNCS_TOTAL_MAX ((size_t)1 << 22)   /* function ranges kept: 64 MB */
#define READ_KEEP       ((uint64_t)8 << 20) /* bytes read before their pages are given back */

/* ---- opening ---- */

/* libdw would look for the file itself if it had none: it is always given one. */
static int
alt_open(struct dwarf_reader *d)
{
	static const unsigned char nothing[16];
	struct dwarf_span spans[DWARF_SECTIONS] = {[DWARF_INFO] = {nothing, sizeof(nothing)}};
	struct dwarf_span id;
	const char *name;
	int fd, r;

	if (!dwarf_sections_altlink(&d->sections, &name, &id))
		return 0;
	fd = d->files.open ? d->files.open(d->files.ctx, WIRE_FILE_ALTLINK, name, strlen(name)) : -ENOENT;
	if (fd >= 0) {
		r = dwarf_sections_open(&d->alt, fd, false, NULL);
		close(fd);
		if (r == 0 && (!d->alt.dw || !dwarf_sections_has_build_id(&d->alt, id)))
			dwarf_sections_close(&d->alt);
	}
	r = d->alt.dw ? 0 : dwarf_sections_make(&d->alt, spans, NULL);
	if (r == 0)
		dwarf_setalt(d->sections.dw, d->alt.dw);
	return r;
}

int
dwarf_open(struct dwarf_reader **out, int fd, const struct dwarf_files *files, struct err *why)
{
	struct dwarf_reader *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_set(why, -ENOMEM, "dwarf: no memory");
	if (files)
		d->files = *files;
	r = dwarf_sections_open(&d->sections, fd, false, why);
	if (r == 0 && !d->sections.dw)
		r = err_set(why, -ENOENT, "dwarf: a package of split units has no addresses");
	if (r == 0 && (r = alt_open(d)) < 0)
		err_set(why, r, "dwarf: .gnu_debugaltlink");
	if (r == 0)
		r = dwarf_units_read(&d->units, &d->sections, &d->alt, why);
	if (r < 0) {
		dwarf_free(d);
		return r;
	}
	*out = d;
	return 0;
}

void
dwarf_free(struct dwarf_reader *d)
{
	if (!d)
		return;
	dwarf_units_free(&d->units);
	dwarf_sections_close(&d->package);
	dwarf_sections_close(&d->sections);
	dwarf_sections_close(&d->alt);
	free(d);
}

/* ---- split units ---- */

/* Ask for the unit's file under the path the compiler wrote, then as it is named relative to it. */
static int
split_ask(struct dwarf_reader *d, const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd = -ENOENT, n;

	if (!d->files.open)
		return -ENOENT;
	if (*name != '/' && dir) {
		n = snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (n > 0 && (size_t)n < sizeof(path))
			fd = d->files.open(d->files.ctx, WIRE_FILE_DWO, path, (size_t)n);
	}
	return fd >= 0 ? fd : d->files.open(d->files.ctx, WIRE_FILE_DWO, name, strnlen(name, PATH_MAX));
}

static void
split_open(struct dwarf_reader *d, struct dwarf_unit *unit)
{
	struct dwarf_attrs attrs;
	uint64_t id = unit->tree.dwo_id;
	const char *name;
	int fd, r = -ENOENT;

	unit->split_tried = true;
	dwarf_attrs_read(&unit->tree.root, &attrs);
	name = dwarf_attrs_string(&attrs, DWARF_DWO_NAME, &d->sections, unit->tree.str_offsets, &d->alt);
	if (unit->tree.ranges.version < 5 &&
	    !dwarf_attrs_number(&attrs, DWARF_GNU_DWO_ID, &d->sections, &id))
		return;
	if (d->package.span[DWARF_CU_INDEX].size)
		r = dwarf_split_open(&unit->split, &d->package, -1, id, NULL);
	if (r < 0 && name) {
		fd = split_ask(d, unit->comp_dir, name);
		if (fd >= 0) {
			r = dwarf_split_open(&unit->split, &d->package, fd, id, NULL);
			close(fd);
		}
	}
	if (r == 0) {
		dwarf_tree_bind_split(&unit->split->tree, &unit->tree, &attrs);
		d->splits++;
	}
}

/* ---- what is kept between calls ---- */

static void
unit_forget(struct dwarf_reader *d, struct dwarf_unit *unit)
{
	d->funcs -= unit->funcs.n;
	d->splits -= unit->split != NULL;
	dwarf_unit_forget(unit);
}

/* Keep what earlier calls left within bounds; simply all of it is forgotten when it is too much.
 * Names of split units are copied (dwarf_names.c), so nobody holds on to them. */
static void
units_trim(struct dwarf_reader *d)
{
	if (d->splits < SPLITS_MAX && d->funcs < FUNCS_TOTAL_MAX)
		return;
	for (size_t i = 0; i < d->units.n; i++)
		unit_forget(d, &d->units.v[i]);
}

static void
pages_release(struct dwarf_reader *d, uint64_t keep)
{
	if (d->read <= keep)
		return;
	dwarf_sections_release(&d->sections);
	dwarf_sections_release(&d->alt);
	dwarf_sections_release(&d->package);
	d->read = 0;
}

/* ---- naming ---- */

struct by_unit {
	size_t unit;
	struct chain *chain;
};

static int
by_unit_compare(const void *a, const void *b)
{
	const struct by_unit *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return x->chain < y->chain ? -1 : x->chain > y->chain;
}

int
dwarf_name(struct dwarf_reader *d, struct chain *chains, size_t n, struct arena *a, struct err *why)
{
	struct by_unit *sorted = calloc(n ? n : 1, sizeof(*sorted));
	struct chain **of_unit = calloc(n ? n : 1, sizeof(struct chain *));
	struct dwarf_unit *unit;
	size_t known = 0, end;
	int r = 0;

	if (!sorted || !of_unit) {
		r = err_set(why, -ENOMEM, "dwarf: no memory for %zu addresses", n);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = dwarf_units_find(&d->units, chains[i].vaddr);

		chains[i].frames = NULL;
		chains[i].n = 0;
		chains[i].flags = 0;
		if (at != SIZE_MAX)
			sorted[known++] = (struct by_unit){at, &chains[i]};
	}
	qsort(sorted, known, sizeof(*sorted), by_unit_compare);
	for (size_t i = 0; i < known && r == 0; i = end) {
		for (end = i; end < known && sorted[end].unit == sorted[i].unit; end++)
			of_unit[end - i] = sorted[end].chain;
		unit = &d->units.v[sorted[i].unit];
		units_trim(d);
		if (unit->skeleton && !unit->split_tried)
			split_open(d, unit);
		r = dwarf_names_of_unit(d, unit, of_unit, end - i, a);
		pages_release(d, READ_KEEP);
	}
	pages_release(d, 0);
	if (r < 0)
		err_set(why, r, "dwarf: no memory for the answers");
out:
	free(of_unit);
	free(sorted);
	return r;
}
