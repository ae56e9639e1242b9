#include "config.h"

#include "collector/event.h"

#include <ctype.h>
#include <errno.h>
#include <perfmon/pfmlib_perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "collector/record.h"

#define NEAR_MAX 4 /* names offered for a misspelt one */

/* Software events under the names that perf(1) gives them; libpfm4's own differ in some. */
static const struct {
	const char *name;
	uint64_t config;
} software[] = {
	{ "task-clock", PERF_COUNT_SW_TASK_CLOCK },
	{ "cpu-clock", PERF_COUNT_SW_CPU_CLOCK },
	{ "page-faults", PERF_COUNT_SW_PAGE_FAULTS },
	{ "minor-faults", PERF_COUNT_SW_PAGE_FAULTS_MIN },
	{ "major-faults", PERF_COUNT_SW_PAGE_FAULTS_MAJ },
	{ "context-switches", PERF_COUNT_SW_CONTEXT_SWITCHES },
	{ "cpu-migrations", PERF_COUNT_SW_CPU_MIGRATIONS },
	{ "alignment-faults", PERF_COUNT_SW_ALIGNMENT_FAULTS },
	{ "emulation-faults", PERF_COUNT_SW_EMULATION_FAULTS },
};
#define SOFTWARE (sizeof(software) / sizeof(software[0]))

int
event_start(struct err *why)
{
	int r;

	/* Encode events of PMUs that this machine lacks too: then opening says what is missing,
	 * which is a better answer than "unknown name". */
	setenv("LIBPFM_ENCODE_INACTIVE", "1", 0);
	r = pfm_initialize();
	if (r != PFM_SUCCESS)
		return err_set(why, -ENOTSUP, "libpfm4: %s", pfm_strerror(r));
	return 0;
}

/* ---- the nearest names, for a person who mistyped */

struct near_name {
	unsigned int distance;
	char name[EVENT_NAME_MAX];
};

/* Levenshtein's distance of two short names, case and '-' against '_' ignored. */
static unsigned int
name_distance(const char *a, const char *b)
{
	unsigned int row[EVENT_NAME_MAX + 1];
	size_t nb = strnlen(b, EVENT_NAME_MAX);

	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 0; a[i] && i < EVENT_NAME_MAX; i++) {
		unsigned int corner = row[0];

		row[0] = (unsigned int)i + 1;
		for (size_t j = 0; j < nb; j++) {
			int ca = a[i] == '_' ? '-' : tolower((unsigned char)a[i]);
			int cb = b[j] == '_' ? '-' : tolower((unsigned char)b[j]);
			unsigned int change = corner + (ca != cb);
			unsigned int gap = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;

			corner = row[j + 1];
			row[j + 1] = change < gap ? change : gap;
		}
	}
	return row[nb];
}

static void
near_offer(struct near_name *near, const char *asked, const char *name)
{
	unsigned int d = name_distance(asked, name);

	for (size_t i = 0; i < NEAR_MAX; i++) {
		if (!strcmp(near[i].name, name))
			return;
		if (d < near[i].distance) {
			memmove(&near[i + 1], &near[i], (NEAR_MAX - 1 - i) * sizeof(near[0]));
			near[i].distance = d;
			snprintf(near[i].name, sizeof(near[i].name), "%s", name);
			return;
		}
	}
}

static void
near_pmu_events(struct near_name *near, const char *asked, pfm_pmu_t pmu)
{
	pfm_pmu_info_t pi = { .size = sizeof(pi) };

	if (pfm_get_pmu_info(pmu, &pi) != PFM_SUCCESS || !pi.is_present)
		return;
	for (int i = pi.first_event; i != -1; i = pfm_get_event_next(i)) {
		pfm_event_info_t ei = { .size = sizeof(ei) };

		if (pfm_get_event_info(i, PFM_OS_PERF_EVENT, &ei) == PFM_SUCCESS && ei.name)
			near_offer(near, asked, ei.name);
	}
}

static int
event_unknown(const char *name, const char *reason, struct err *why)
{
	struct near_name near[NEAR_MAX];
	char list[EVENT_NAME_MAX * NEAR_MAX + 16];
	size_t at = 0;
	pfm_pmu_t pmu;

	for (size_t i = 0; i < NEAR_MAX; i++)
		near[i] = (struct near_name){ .distance = UINT32_MAX };
	for (size_t i = 0; i < SOFTWARE; i++)
		near_offer(near, name, software[i].name);
	for (pmu = PFM_PMU_NONE; pmu < PFM_PMU_MAX; pmu++)
		near_pmu_events(near, name, pmu);
	for (size_t i = 0; i < NEAR_MAX && near[i].name[0]; i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "", near[i].name);
	return err_set(why, -EINVAL, "event \"%s\": %s; near names: %s", name, reason, list);
}

/* ---- encoding */

static bool
name_is_plain(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= EVENT_NAME_MAX)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:.=") == n;
}

static int
event_encode(struct event *ev, const char *name, struct err *why)
{
	pfm_perf_encode_arg_t arg = { .attr = &ev->attr, .size = sizeof(arg) };
	int r;

	for (size_t i = 0; i < SOFTWARE; i++) {
		if (strcasecmp(name, software[i].name))
			continue;
		ev->attr.type = PERF_TYPE_SOFTWARE;
		ev->attr.config = software[i].config;
		return 0;
	}
	ev->attr.size = sizeof(ev->attr);
	r = pfm_get_os_event_encoding(name, PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT, &arg);
	if (r != PFM_SUCCESS)
		return event_unknown(name, pfm_strerror(r), why);
	return 0;
}

static bool
attr_is_clock(const struct perf_event_attr *a)
{
	return a->type == PERF_TYPE_SOFTWARE &&
	       (a->config == PERF_COUNT_SW_TASK_CLOCK || a->config == PERF_COUNT_SW_CPU_CLOCK);
}

int
event_parse(struct event *ev, const char *name, uint32_t hz, const struct event_options *opt,
	    struct err *why)
{
	struct perf_event_attr *a = &ev->attr;
	int r;

	memset(ev, 0, sizeof(*ev));
	if (!name_is_plain(name))
		return err_set(why, -EINVAL,
			       "event: a name has 1 to %d of the characters A-Z a-z 0-9 _ - : . =", EVENT_NAME_MAX - 1);
	if (hz < 1 || hz > EVENT_HZ_MAX)
		return err_set(why, -EINVAL, "hz: %u is not in 1 to %d", hz, EVENT_HZ_MAX);
	r = event_encode(ev, name, why);
	if (r < 0)
		return r;
	for (size_t i = 0; name[i]; i++)
		ev->name[i] = (char)tolower((unsigned char)name[i]);
	ev->hz = hz;
	ev->is_clock = attr_is_clock(a);
	a->size = sizeof(*a);
	ev->steered = !ev->is_clock && (a->type == PERF_TYPE_SOFTWARE || a->type == PERF_TYPE_TRACEPOINT);
	if (ev->is_clock) {
		ev->period = 1000000000u / hz;
		a->sample_period = ev->period;
	} else if (ev->steered) {
		/* The kernel's own steering (freq) gave 6 samples in place of 200 for bursts of page faults,
		 * and their periods added up to twelve times the faults. */
		a->sample_period = EVENT_PERIOD_FIRST;
	} else {
		a->freq = 1;
		a->sample_freq = hz;
	}
	a->sample_type = RECORD_SAMPLE_TYPE;
	if (ev->steered)
		a->sample_type &= ~(uint64_t)PERF_SAMPLE_PERIOD;
	a->read_format = PERF_FORMAT_LOST;
	a->sample_regs_user = RECORD_REGS_MASK;
	a->sample_stack_user = opt->stack_bytes;
	a->exclude_callchain_user = 1; /* the user part is unwound by rows instead */
	if (!opt->kernel)
		a->exclude_kernel = 1;
	a->exclude_hv = 1;
	a->inherit = 1;        /* threads born in the window */
	a->inherit_thread = 1; /* but not processes */
	a->mmap = a->mmap2 = a->comm = a->comm_exec = a->task = 1;
	a->sample_id_all = 1;
	a->wakeup_events = 1; /* where somebody waits: sampler_hasten() */
	a->use_clockid = 1;
	a->clockid = CLOCK_MONOTONIC;
	return 0;
}

void
event_per_cpu(struct event *ev)
{
	struct perf_event_attr *a = &ev->attr;

	a->disabled = 1;
	a->exclude_idle = 1;
	a->inherit = a->inherit_thread = 0;
	a->task = 0; /* every fork of the machine; only per_thread.c needs to know */
	if (!ev->is_clock)
		return;
	a->config = PERF_COUNT_SW_CPU_CLOCK;
	/* How many ticks meet the process is chance: sqrt(N) of N samples more or fewer than its CPU clock says.
	 * What is missing is filled with spares. And it is no multiple of the milliseconds in which programs
	 * sleep: a node that wakes every 10 ms would be met always, or never. */
	a->sample_period = ev->period / EVENT_SPARES * (EVENT_SPARES - 1);
}

/* ---- opening */

static int
event_try(const struct perf_event_attr *a, pid_t tid, int cpu)
{
	long fd = syscall(SYS_perf_event_open, a, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

int
event_open(struct event *ev, pid_t tid, int cpu)
{
	struct perf_event_attr a = ev->attr;
	int fd = event_try(&a, tid, cpu);

	/* PERF_FORMAT_LOST is of Linux 6.0, inherit_thread of 5.13. The kernel looks at the bits it
	 * knows before it looks at who asks. */
	if (fd == -EINVAL && a.read_format) {
		a.read_format = 0;
		fd = event_try(&a, tid, cpu);
	}
	if (fd == -EINVAL && a.inherit_thread) {
		a.inherit_thread = 0;
		fd = event_try(&a, tid, cpu);
	}
	/* perf_event_paranoid 2 without CAP_PERFMON: user mode only. */
	if ((fd == -EACCES || fd == -EPERM) && !a.exclude_kernel) {
		a.exclude_kernel = 1;
		fd = event_try(&a, tid, cpu);
	}
	if (fd >= 0)
		ev->attr = a;
	return fd;
}

void
event_explain(const struct event *ev, int error, struct err *why)
{
	switch (-error) {
	case EACCES:
	case EPERM:
		err_set(why, error, "event %s: not permitted; the collector needs CAP_PERFMON "
			"(systemd: AmbientCapabilities=CAP_PERFMON; container: --cap-add=PERFMON)", ev->name);
		break;
	case ENOENT:
	case EOPNOTSUPP:
	case ENXIO:
	case ENODEV:
		err_set(why, error, "event %s: this machine has no counter for it (virtual machines often have "
			"none); task-clock always works", ev->name);
		break;
	case EMFILE:
	case ENFILE:
		err_set(why, error, "event %s: out of file descriptors; raise LimitNOFILE of the collector", ev->name);
		break;
	default:
		err_sys(why, error, "event %s: perf_event_open", ev->name);
	}
}
