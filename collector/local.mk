noinst_LIBRARIES += libcollector.a
libcollector_a_SOURCES = \
	collector/arm.c             collector/arm.h            \
	collector/bpf.c             collector/bpf.h            \
	collector/call_insn.c       collector/call_insn.h      \
	collector/event.c           collector/event.h          \
	collector/events.c          collector/events.h         \
	collector/exact.c           collector/exact.h          \
	collector/files.c           collector/files.h          \
	collector/guess.c           collector/guess.h          \
	collector/guardian.c        collector/guardian.h       \
	collector/limits.c          collector/limits.h         \
	collector/link.c            collector/link.h           \
	collector/loop.c            collector/loop.h           \
	collector/maps.c            collector/maps.h           \
	collector/memories.c        collector/memories.h       \
	collector/node.c            collector/node.h           \
	collector/objects.c         collector/objects.h        \
	collector/outbox.c          collector/outbox.h         \
	collector/per_cpu.c         collector/per_cpu.h        \
	collector/per_thread.c      collector/per_thread.h     \
	collector/proc.c            collector/proc.h           \
	collector/record.c          collector/record.h         \
	collector/regs.c            collector/regs.h           \
	collector/ring.c            collector/ring.h           \
	collector/sampler.c         collector/sampler.h        \
	collector/sampler_mode.c    collector/sampler_mode.h   \
	collector/serve.c           collector/serve.h          \
	collector/stacks.c          collector/stacks.h         \
	collector/target.c          collector/target.h         \
	collector/thread_times.c    collector/thread_times.h   \
	collector/trace.c           collector/trace.h          \
	collector/unwind.c          collector/unwind.h         \
	collector/unwind_memory.c   collector/unwind_memory.h  \
	collector/unwind_rowless.c                             \
	collector/unwind_switch.c                              \
	                            collector/unwind_walk.h    \
	collector/window.c          collector/window.h

sbin_PROGRAMS += pprofd-collector
pprofd_collector_SOURCES = collector/main.c
pprofd_collector_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS)
