# One harness per parser of foreign bytes, with libFuzzer: ../configure --enable-fuzzers
# --enable-sanitizers CC=clang, then e.g. tests/fuzz/fuzz_conf -max_total_time=60.
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c
tests_fuzz_fuzz_conf_LDADD = libconf.a libbase.a $(INIH_LIBS)
tests_fuzz_fuzz_conf_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
