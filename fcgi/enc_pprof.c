#include "config.h"

#include "fcgi/enc_pprof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/wire.h"
#include "fcgi/ids.h"
#include "fcgi/labels.h"

/* Fields of the messages of profile.proto. */
enum {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE,
	PROFILE_MAPPING,
	PROFILE_LOCATION,
	PROFILE_FUNCTION,
	PROFILE_STRING,
	PROFILE_TIME = 9,
	PROFILE_DURATION,
	PROFILE_PERIOD_TYPE,
	PROFILE_PERIOD,
	PROFILE_COMMENT,
	PROFILE_DEFAULT_TYPE
};
enum { VALUE_TYPE = 1, VALUE_UNIT };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_STR, LABEL_NUM, LABEL_UNIT };
enum {
	MAPPING_ID = 1,
	MAPPING_START,
	MAPPING_LIMIT,
	MAPPING_OFFSET,
	MAPPING_FILE,
	MAPPING_BUILD_ID,
	MAPPING_HAS_FUNCTIONS,
	MAPPING_HAS_FILES,
	MAPPING_HAS_LINES,
	MAPPING_HAS_INLINES
};
enum { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE };
enum { LINE_FUNCTION = 1, LINE_LINE };
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM, FUNCTION_FILE, FUNCTION_START };

/* Wire types (protobuf.dev, encoding). */
enum { TYPE_VARINT = 0, TYPE_BYTES = 2 };

#define GZIP_WINDOW (15 + 16)  /* zlib.h, deflateInit2: 16 more asks for a gzip header */
#define CHUNK       32768      /* bytes collected before zlib is called */
#define MESSAGE_MAX (1u << 20) /* bytes: a stack of PROFILE_STACK_MAX frames, or a long string */
/* A frame that is no code gets an address of its own, so that no reader takes two for one. */
#define PSEUDO_FIRST 1

struct enc {
	const struct profile *p; /* borrowed */
	struct sink *out;        /* borrowed */
	struct buf plain;        /* waiting for zlib */
	struct buf msg, inner;   /* a message, and one inside it */
	z_stream z;
	bool z_open;
	int error;
	uint32_t *string_number; /* by string: its place in the table, 0: not used so far */
	uint32_t *strings;       /* the table: strings */
	uint32_t n_strings;
	struct ids ids;
	uint64_t pseudo_last; /* address of the last location that is no code */
};

/* ---- bytes */

static void
enc_deflate(struct enc *e, int flush)
{
	int r = Z_OK;

	if (e->error)
		return;
	e->z.next_in = e->plain.data;
	e->z.avail_in = (uInt)e->plain.len;
	do {
		unsigned char some[8192];

		e->z.next_out = some;
		e->z.avail_out = sizeof(some);
		r = deflate(&e->z, flush);
		sink_add(e->out, some, sizeof(some) - e->z.avail_out);
	} while (r == Z_OK && e->z.avail_out == 0);
	if (sink_error(e->out))
		e->error = sink_error(e->out);
	else if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		e->error = -ENOMEM;
	buf_reset(&e->plain);
}

static void
enc_key(struct buf *b, unsigned int field, unsigned int type)
{
	buf_varint(b, field << 3 | type);
}

/* proto3 leaves zeros out. */
static void
enc_number(struct buf *b, unsigned int field, uint64_t v)
{
	if (!v)
		return;
	enc_key(b, field, TYPE_VARINT);
	buf_varint(b, v);
}

static void
enc_bytes(struct buf *b, unsigned int field, const void *bytes, size_t n)
{
	enc_key(b, field, TYPE_BYTES);
	buf_varint(b, n);
	buf_add(b, bytes, n);
}

/* Packed where that is shorter, as Go's writer does: from the third value on. */
static void
enc_numbers(struct enc *e, unsigned int field, const uint64_t *v, size_t n)
{
	if (n <= 2) {
		for (size_t i = 0; i < n; i++) {
			enc_key(&e->msg, field, TYPE_VARINT);
			buf_varint(&e->msg, v[i]);
		}
		return;
	}
	buf_reset(&e->inner);
	for (size_t i = 0; i < n; i++)
		buf_varint(&e->inner, v[i]);
	enc_bytes(&e->msg, field, e->inner.data, e->inner.len);
}

/* What was written into e->inner is a message inside e->msg. */
static void
enc_inner(struct enc *e, unsigned int field)
{
	enc_bytes(&e->msg, field, e->inner.data, e->inner.len);
}

static void
enc_after(struct enc *e)
{
	if (!e->error && (buf_error(&e->msg) || buf_error(&e->inner) || buf_error(&e->plain)))
		e->error = -ENOMEM;
	if (e->plain.len >= CHUNK)
		enc_deflate(e, Z_NO_FLUSH);
}

/* What was written into e->msg is a message of the profile. */
static void
enc_message(struct enc *e, unsigned int field)
{
	enc_bytes(&e->plain, field, e->msg.data, e->msg.len);
	buf_reset(&e->msg);
	enc_after(e);
}

/* The place of a string in the table that goes out at the end; "" is number 0. */
static uint64_t
enc_string(struct enc *e, uint32_t string)
{
	if (!string)
		return 0;
	if (!e->string_number[string]) {
		e->strings[e->n_strings] = string;
		e->string_number[string] = e->n_strings++;
	}
	return e->string_number[string];
}

/* ---- the head: types, time, period */

static void
enc_value_type(struct enc *e, unsigned int field, const struct profile_type *t)
{
	enc_number(&e->msg, VALUE_TYPE, enc_string(e, t->type));
	enc_number(&e->msg, VALUE_UNIT, enc_string(e, t->unit));
	enc_message(e, field);
}

static uint64_t
enc_start_ns(const struct profile_window *w)
{
	/* Readers refuse a profile without a time. */
	return w->start_unix_ns ? w->start_unix_ns : clock_ns(CLOCK_REALTIME) - w->duration_ns;
}

static void
enc_head(struct enc *e)
{
	const struct profile *p = e->p;

	for (uint32_t i = 0; i < p->n_types; i++)
		enc_value_type(e, PROFILE_SAMPLE_TYPE, &p->types[i]);
	enc_number(&e->plain, PROFILE_TIME, enc_start_ns(&p->window));
	enc_number(&e->plain, PROFILE_DURATION, p->window.duration_ns);
	enc_value_type(e, PROFILE_PERIOD_TYPE, &p->period_type);
	enc_number(&e->plain, PROFILE_PERIOD, (uint64_t)p->period);
	if (p->default_type < p->n_types)
		enc_number(&e->plain, PROFILE_DEFAULT_TYPE, enc_string(e, p->types[p->default_type].type));
}

static void
enc_comments(struct enc *e)
{
	buf_reset(&e->inner);
	for (uint32_t i = 0; i < e->p->comments.n; i++)
		buf_varint(&e->inner, enc_string(e, e->p->comments.at[i]));
	if (e->inner.len)
		enc_bytes(&e->plain, PROFILE_COMMENT, e->inner.data, e->inner.len);
	enc_after(e);
}

/* ---- mappings */

static void
enc_mapping(struct enc *e, uint32_t id)
{
	const struct profile_map *map = &e->p->maps.at[e->ids.mappings[id - 1]];

	enc_number(&e->msg, MAPPING_ID, id);
	if (map->kind == WIRE_MAP_PSEUDO) {
		enc_number(&e->msg, MAPPING_START, PSEUDO_FIRST);
		enc_number(&e->msg, MAPPING_LIMIT, PSEUDO_FIRST + (uint64_t)e->p->locs.n);
	} else if (!map->link_time) {
		enc_number(&e->msg, MAPPING_START, map->start);
		enc_number(&e->msg, MAPPING_LIMIT, map->end);
		enc_number(&e->msg, MAPPING_OFFSET, map->pgoff);
	}
	enc_number(&e->msg, MAPPING_FILE, enc_string(e, profile_map_file(map)));
	if (map->object != PROFILE_NONE)
		enc_number(&e->msg, MAPPING_BUILD_ID,
			   enc_string(e, e->p->objects.at[map->object].build_id));
	enc_number(&e->msg, MAPPING_HAS_FUNCTIONS, 1);
	enc_number(&e->msg, MAPPING_HAS_FILES, 1);
	enc_number(&e->msg, MAPPING_HAS_LINES, 1);
	enc_number(&e->msg, MAPPING_HAS_INLINES, 1);
	enc_message(e, PROFILE_MAPPING);
}

/* ---- samples */

static void
enc_labels(struct enc *e, const struct profile_sample *s)
{
	struct profile_label labels[PROFILE_LABELS_MAX];
	uint32_t n = labels_of(e->p, s, labels);

	for (uint32_t i = 0; i < n; i++) {
		buf_reset(&e->inner);
		enc_number(&e->inner, LABEL_KEY, enc_string(e, labels[i].key));
		enc_number(&e->inner, LABEL_STR, enc_string(e, labels[i].str));
		enc_number(&e->inner, LABEL_NUM, (uint64_t)labels[i].num);
		enc_number(&e->inner, LABEL_UNIT, enc_string(e, labels[i].unit));
		enc_inner(e, SAMPLE_LABEL);
	}
}

static void
enc_sample(struct enc *e, uint32_t i)
{
	const struct profile_sample *s = &e->ids.samples[i];
	const struct profile_stack *stack = &e->p->stacks.at[s->stack];
	uint64_t numbers[PROFILE_STACK_MAX];

	for (uint32_t k = 0; k < stack->n; k++)
		numbers[k] = e->ids.location[e->p->frames.at[stack->first + k]];
	enc_numbers(e, SAMPLE_LOCATION, numbers, stack->n);
	for (uint32_t k = 0; k < e->p->n_types; k++)
		numbers[k] = (uint64_t)e->ids.values[(size_t)i * e->p->n_types + k];
	enc_numbers(e, SAMPLE_VALUE, numbers, e->p->n_types);
	enc_labels(e, s);
	enc_message(e, PROFILE_SAMPLE);
}

/* ---- locations and functions */

static void
enc_location(struct enc *e, uint32_t id)
{
	const struct profile_loc *loc = &e->p->locs.at[e->ids.locations[id - 1]];
	const struct profile_place *place = &e->p->places.at[loc->place];
	uint64_t address = ids_address(e->p, loc);

	if (e->p->maps.at[loc->map].kind == WIRE_MAP_PSEUDO)
		address = e->pseudo_last++;
	enc_number(&e->msg, LOCATION_ID, id);
	enc_number(&e->msg, LOCATION_MAPPING, e->ids.mapping[loc->map]);
	enc_number(&e->msg, LOCATION_ADDRESS, address);
	for (uint32_t i = place->line; i < place->line + place->n_lines; i++) {
		buf_reset(&e->inner);
		enc_number(&e->inner, LINE_FUNCTION, e->ids.function[i]);
		enc_number(&e->inner, LINE_LINE, e->p->lines.at[i].line);
		enc_inner(e, LOCATION_LINE);
	}
	enc_message(e, PROFILE_LOCATION);
}

static void
enc_function(struct enc *e, uint32_t id)
{
	const struct profile_line *line = &e->p->lines.at[e->ids.functions[id - 1]];

	enc_number(&e->msg, FUNCTION_ID, id);
	enc_number(&e->msg, FUNCTION_NAME, enc_string(e, line->name));
	enc_number(&e->msg, FUNCTION_SYSTEM, enc_string(e, line->system_name));
	enc_number(&e->msg, FUNCTION_FILE, enc_string(e, line->file));
	enc_number(&e->msg, FUNCTION_START, line->start_line);
	enc_message(e, PROFILE_FUNCTION);
}

/* ---- the whole */

static void
enc_strings(struct enc *e)
{
	for (uint32_t i = 0; i < e->n_strings; i++) {
		const char *s = strings_get(&e->p->strings, e->strings[i]);

		enc_bytes(&e->plain, PROFILE_STRING, s, strlen(s));
		enc_after(e);
	}
}

static void
enc_all(struct enc *e)
{
	enc_head(e);
	enc_comments(e);
	for (uint32_t id = 1; id <= e->ids.n_mappings && !e->error; id++)
		enc_mapping(e, id);
	for (uint32_t i = 0; i < e->ids.n_samples && !e->error; i++)
		enc_sample(e, i);
	for (uint32_t id = 1; id <= e->ids.n_locations && !e->error; id++)
		enc_location(e, id);
	for (uint32_t id = 1; id <= e->ids.n_functions && !e->error; id++)
		enc_function(e, id);
	enc_strings(e);
	enc_deflate(e, Z_FINISH);
}

static int
enc_init(struct enc *e, int zlib_level)
{
	const struct strings *strings = &e->p->strings;
	int r;

	e->string_number = calloc(strings->starts.n, sizeof(*e->string_number));
	e->strings = calloc(strings->starts.n, sizeof(*e->strings));
	if (!e->string_number || !e->strings)
		return -ENOMEM;
	e->n_strings = 1; /* "" is string 0 and stands first */
	e->pseudo_last = PSEUDO_FIRST;
	r = ids_init(&e->ids, e->p);
	if (r < 0)
		return r;
	if (deflateInit2(&e->z, zlib_level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	e->z_open = true;
	return 0;
}

static void
enc_fini(struct enc *e)
{
	if (e->z_open)
		deflateEnd(&e->z);
	ids_fini(&e->ids);
	free(e->string_number);
	free(e->strings);
	buf_fini(&e->plain);
	buf_fini(&e->msg);
	buf_fini(&e->inner);
}

int
enc_pprof(const struct profile *p, int zlib_level, struct sink *to)
{
	struct enc e = { .p = p, .out = to };

	buf_init(&e.plain, 2 * MESSAGE_MAX);
	buf_init(&e.msg, MESSAGE_MAX);
	buf_init(&e.inner, MESSAGE_MAX);
	e.error = enc_init(&e, zlib_level);
	if (e.error == 0)
		enc_all(&e);
	if (e.error == 0)
		e.error = sink_flush(to);
	enc_fini(&e);
	/* Half a profile is none. */
	if (e.error && !to->error)
		to->error = e.error;
	return e.error;
}
