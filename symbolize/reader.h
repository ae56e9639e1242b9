/*
 * reader.h - a jailed child, from outside: the reader of one object, or of one node's memory.
 *
 * It is given the descriptors that it reads and a socket, limits and a jail, and
 * nothing else. It may crash, hang, eat, or be taken over by what it reads;
 * all that is asked of it is checked, and its end costs only its object.
 */
#ifndef PPD_SYMBOLIZE_READER_H
#define PPD_SYMBOLIZE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/wire.h"

/* Files that one child may ask for in its life (split DWARF has one for each unit). */
#define READER_FILES_MAX 20000
/* How long the collector may take to open one. */
#define READER_FILE_NS 5000000000u

/* Descriptors that a child is given, besides its socket. */
#define READER_FDS_MAX 4

struct entry;

/* What a child has to do, and what for. */
struct reader_task {
	const char *name;           /* of its process */
	int fds[READER_FDS_MAX];    /* borrowed; -1: none. The first is the object's: its size counts */
	size_t n_fds;
	uint64_t write_bytes;       /* the largest file that it may write; 0: none */
	uint32_t files_max;         /* descriptors that it may have */
	int (*serve)(int sock, const int *fds, const void *ctx); /* in the jail; returns its exit status */
	const void *ctx;            /* as it is when the child is forked */
};

/* The same for all readers. */
struct reader_limits {
	int null_fd;          /* what children have for standard input, output and error; borrowed */
	uint32_t memory_mb;   /* beyond what the object's size accounts for */
	uint32_t cpu_seconds; /* of one question; twice as much by the clock */
};

struct reader {
	pid_t pid;              /* 0: a free slot */
	int sock;               /* owned; -1: closed, the end is awaited */
	struct entry *entry;    /* whose; NULL when nobody waits for it any more */
	bool reaped;            /* its number may be another process's by now */
	bool busy;              /* a question is open */
	uint32_t extra_seconds; /* that its question takes by itself (it looks for so long) */
	uint64_t asked_ns;      /* since when; not busy: when the last one ended */
	const char *killed_for; /* why the parent killed it; NULL: it did not */
	uint64_t *places;       /* owned; of the open question, ascending */
	bool *final;            /* owned; which of them have their last answer */
	size_t n_places;
	unsigned int files;   /* asked for so far */
	uint32_t file_ticket; /* ours, of the file asked for; 0: none */
	uint32_t file_child_ticket;
	uint64_t file_until_ns;
};

/* Fork a child, nobody's yet. Returns 0 or -errno. */
int reader_start_task(struct reader *r, const struct reader_limits *limits, const struct reader_task *task,
		      uint64_t now_ns, struct err *why);

/*
 * Fork the child of an object. `rows_bytes`: the largest file that it may write (0: none).
 * Returns 0 or -errno.
 */
int reader_start(struct reader *r, const struct reader_limits *limits, struct entry *e, uint64_t rows_bytes,
		 uint64_t now_ns, struct err *why);

/* Renew what it may use for the question that is now sent. */
void reader_renew(struct reader *r, const struct reader_limits *limits, uint64_t now_ns);

/* A file was passed to it: its memory may grow accordingly. */
void reader_allow_file(const struct reader *r, int fd);

/* Kill it; it ends when it is reaped. `why`: as in "its reader WHY" (borrowed); NULL: no fault of its own.
 */
void reader_kill(struct reader *r, const char *why);

/* Has the open question taken too long? */
bool reader_is_late(const struct reader *r, const struct reader_limits *limits, uint64_t now_ns);

/* How it ended, for "its reader ...", from waitpid's status. Returns whether its object is to blame:
 * not where somebody else killed it (the kernel, short of memory; a person). */
bool reader_verdict(const struct reader *r, const struct reader_limits *limits, int status, char *text,
		    size_t n);

/* From here on nobody can change the file, not the child that wrote it either. Returns 0 or -errno. */
int reader_seal(int memfd);

/* It was reaped: free what it had. */
void reader_fini(struct reader *r);

#endif
