# One harness per parser of foreign bytes, with libFuzzer: ../configure --enable-fuzzers
# --enable-sanitizers CC=clang, then e.g. tests/fuzz/fuzz_conf -max_total_time=60. Where seeds/NAME is
# there, begin with it: mkdir corpus && tests/fuzz/fuzz_record corpus ../tests/fuzz/seeds/record.
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c
tests_fuzz_fuzz_conf_LDADD = libconf.a libbase.a $(INIH_LIBS)
tests_fuzz_fuzz_conf_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_answer
tests_fuzz_fuzz_answer_SOURCES = tests/fuzz/fuzz_answer.c
tests_fuzz_fuzz_answer_LDADD = libsymbolize.a libbase.a
tests_fuzz_fuzz_answer_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_demangle
tests_fuzz_fuzz_demangle_SOURCES = tests/fuzz/fuzz_demangle.c
tests_fuzz_fuzz_demangle_LDADD = libsymbolize.a libbase.a $(IBERTY_LIBS)
tests_fuzz_fuzz_demangle_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_elf
tests_fuzz_fuzz_elf_SOURCES = tests/fuzz/fuzz_elf.c
tests_fuzz_fuzz_elf_LDADD = libsymbolize.a libbase.a $(BFD_LIBS) $(IBERTY_LIBS) $(DW_LIBS) $(ELF_LIBS) $(Z_LIBS) $(ZSTD_LIBS) $(LZMA_LIBS)
tests_fuzz_fuzz_elf_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_go_memory
tests_fuzz_fuzz_go_memory_SOURCES = tests/fuzz/fuzz_go_memory.c tests/unit/fake_memory.h tests/unit/go_maker.h
tests_fuzz_fuzz_go_memory_LDADD = libsymbolize.a libbase.a
tests_fuzz_fuzz_go_memory_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_jit_map
tests_fuzz_fuzz_jit_map_SOURCES = tests/fuzz/fuzz_jit_map.c
tests_fuzz_fuzz_jit_map_LDADD = libsymbolize.a libbase.a
tests_fuzz_fuzz_jit_map_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_kallsyms
tests_fuzz_fuzz_kallsyms_SOURCES = tests/fuzz/fuzz_kallsyms.c
tests_fuzz_fuzz_kallsyms_LDADD = libsymbolize.a libbase.a
tests_fuzz_fuzz_kallsyms_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_reading
tests_fuzz_fuzz_reading_SOURCES = tests/fuzz/fuzz_reading.c
tests_fuzz_fuzz_reading_LDADD = libbase.a
tests_fuzz_fuzz_reading_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_go_shown
tests_fuzz_fuzz_go_shown_SOURCES = tests/fuzz/fuzz_go_shown.c
tests_fuzz_fuzz_go_shown_LDADD = libfcgiapp.a libconf.a libbase.a \
	$(FCGI_LIBS) $(Z_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) -lm -lpthread
tests_fuzz_fuzz_go_shown_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_record
tests_fuzz_fuzz_record_SOURCES = tests/fuzz/fuzz_record.c
tests_fuzz_fuzz_record_LDADD = libcollector.a libbase.a
tests_fuzz_fuzz_record_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_ring
tests_fuzz_fuzz_ring_SOURCES = tests/fuzz/fuzz_ring.c
tests_fuzz_fuzz_ring_LDADD = libcollector.a libbase.a
tests_fuzz_fuzz_ring_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_rows
tests_fuzz_fuzz_rows_SOURCES = tests/fuzz/fuzz_rows.c
tests_fuzz_fuzz_rows_LDADD = libcollector.a libbase.a
tests_fuzz_fuzz_rows_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_wire
tests_fuzz_fuzz_wire_SOURCES = tests/fuzz/fuzz_wire.c
tests_fuzz_fuzz_wire_LDADD = libbase.a
tests_fuzz_fuzz_wire_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_serve
tests_fuzz_fuzz_serve_SOURCES = tests/fuzz/fuzz_serve.c
tests_fuzz_fuzz_serve_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS)
tests_fuzz_fuzz_serve_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

noinst_PROGRAMS += tests/fuzz/fuzz_go_goroutines
tests_fuzz_fuzz_go_goroutines_SOURCES = tests/fuzz/fuzz_go_goroutines.c tests/unit/go_fake_node.h
tests_fuzz_fuzz_go_goroutines_LDADD = libsymbolize.a libbase.a
tests_fuzz_fuzz_go_goroutines_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
