# Small programs with a known profile. The tests build them when they need them, with whatever
# compilers are there (tests/integration/lib/targets.py); here they are only part of the release.
EXTRA_DIST += \
	tests/targets/target.h \
	tests/targets/c_shares.c \
	tests/targets/clocks.c \
	tests/targets/crowd.c \
	tests/targets/cxx_shapes.cc \
	tests/targets/exec_other.c \
	tests/targets/faults.c \
	tests/targets/forks.c \
	tests/targets/go_shares.go \
	tests/targets/hostile_names.c \
	tests/targets/island.S \
	tests/targets/island_main.c \
	tests/targets/jit_map.c \
	tests/targets/jit_node.js \
	tests/targets/kernel_read.c \
	tests/targets/lib.c \
	tests/targets/libnode.c \
	tests/targets/python_shares.py \
	tests/targets/recursion.c \
	tests/targets/rust_iterators.rs \
	tests/targets/signals.c \
	tests/targets/storm.c \
	tests/targets/threads.c

EXTRA_DIST += \
	tests/integration/contract.py \
	tests/integration/decoder.py \
	tests/integration/events.py \
	tests/integration/exact.py \
	tests/integration/jail.py \
	tests/integration/killed.py \
	tests/integration/pprof_tool.py \
	tests/integration/profile_clang.py \
	tests/integration/profile_corners.py \
	tests/integration/profile_ffmpeg.py \
	tests/integration/profile_memcached.py \
	tests/integration/profile_node.py \
	tests/integration/profile_prometheus.py \
	tests/integration/profile_python.py \
	tests/integration/profile_redis.py \
	tests/integration/profile_targets.py \
	tests/integration/scrapers.py \
	tests/integration/spoiled.py \
	tests/integration/windows.py \
	tests/integration/lib/__init__.py \
	tests/integration/lib/case.py \
	tests/integration/lib/gotool.py \
	tests/integration/lib/load.py \
	tests/integration/lib/pprof.py \
	tests/integration/lib/real.py \
	tests/integration/lib/service.py \
	tests/integration/lib/shares.py \
	tests/integration/lib/spoil.py \
	tests/integration/lib/targets.py \
	tests/bench/exact_totals.py \
	tests/bench/go_profiles.py \
	tests/bench/run \
	tests/versions

# Plays the collector and the symbolizer for tests of pprofd-fcgi alone.
noinst_PROGRAMS += tests/targets/fake_collector
tests_targets_fake_collector_SOURCES = tests/targets/fake_collector.c \
	tests/targets/fake_reading.c tests/targets/fake_reading.h \
	tests/targets/fake_script.c tests/targets/fake_script.h
tests_targets_fake_collector_LDADD = libsymbolize.a libbase.a -lpthread
EXTRA_DIST += \
	tests/targets/encoder_lib.c \
	tests/targets/encoder_main.c \
	tests/integration/encoder.py \
	tests/integration/fcgi.py \
	tests/integration/lib/front.py
