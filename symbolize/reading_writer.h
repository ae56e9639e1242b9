/*
 * reading_writer.h - put a reading (base/reading.h) together, and write it to its file.
 *
 * Equal stacks, label sets and strings are kept once. Everything is bounded by
 * READING_BYTES_MAX; what would go beyond it fails with -EFBIG, and nothing is written.
 */
#ifndef PPD_SYMBOLIZE_READING_WRITER_H
#define PPD_SYMBOLIZE_READING_WRITER_H

#include <stdint.h>

#include "base/err.h"
#include "base/reading.h"

struct reading_writer;

int reading_writer_new(struct reading_writer **out, enum reading_kind kind);
void reading_writer_free(struct reading_writer *w);

/* The head, to be filled in (not its spans, magic, kind, bytes); rate begins as -1, the rest as 0. */
struct reading_head *reading_writer_head(struct reading_writer *w);

/*
 * Each returns an index, or -ENOMEM or -EFBIG. pcs: with READING_PC_* bits. What is longer than
 * READING_STACK_MAX, _LABELS_MAX or _STRING_MAX is cut at its end.
 */
int64_t reading_writer_string(struct reading_writer *w, const void *bytes, size_t n);
int64_t reading_writer_stack(struct reading_writer *w, const uint64_t *pcs, size_t n);
int64_t reading_writer_labels(struct reading_writer *w, const struct reading_label *labels, size_t n);
int64_t reading_writer_bucket(struct reading_writer *w, const struct reading_bucket *b);
int64_t reading_writer_goroutine(struct reading_writer *w, const struct reading_goroutine *g);
int reading_writer_note(struct reading_writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Write the file (from offset 0). Returns 0 or -errno. */
int reading_writer_finish(struct reading_writer *w, int fd, struct err *why);

#endif
