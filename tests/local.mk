# Unit tests: one program per module. `check_PROGRAMS` are built by `make check`.
if CMOCKA
UNIT_TESTS =

UNIT_TESTS += tests/unit/test_conf
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c
tests_unit_test_conf_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_SRCDIR=\"$(abs_srcdir)\"
tests_unit_test_conf_LDADD = libconf.a libbase.a $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_jail
tests_unit_test_jail_SOURCES = tests/unit/test_jail.c
tests_unit_test_jail_LDADD = libbase.a $(SECCOMP_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_buf
tests_unit_test_buf_SOURCES = tests/unit/test_buf.c
tests_unit_test_buf_LDADD = libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_table
tests_unit_test_table_SOURCES = tests/unit/test_table.c
tests_unit_test_table_LDADD = libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_err_log
tests_unit_test_err_log_SOURCES = tests/unit/test_err_log.c tests/unit/kid.h
tests_unit_test_err_log_LDADD = libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_wire
tests_unit_test_wire_SOURCES = tests/unit/test_wire.c tests/unit/kid.h
tests_unit_test_wire_LDADD = libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_rows
tests_unit_test_rows_SOURCES = tests/unit/test_rows.c
tests_unit_test_rows_LDADD = libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_reading
tests_unit_test_reading_SOURCES = tests/unit/test_reading.c
tests_unit_test_reading_LDADD = libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_reading_writer
tests_unit_test_reading_writer_SOURCES = tests/unit/test_reading_writer.c
tests_unit_test_reading_writer_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

# memory_child_serve() is the test's own: the library's is not linked.
UNIT_TESTS += tests/unit/test_readings
tests_unit_test_readings_SOURCES = tests/unit/test_readings.c tests/unit/kid.h
tests_unit_test_readings_LDADD = libsymbolize.a libbase.a $(BFD_LIBS) $(IBERTY_LIBS) $(DW_LIBS) $(ELF_LIBS) $(Z_LIBS) $(ZSTD_LIBS) $(LZMA_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_ticks
tests_unit_test_ticks_SOURCES = tests/unit/test_ticks.c
tests_unit_test_ticks_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_privs
tests_unit_test_privs_SOURCES = tests/unit/test_privs.c tests/unit/kid.h
tests_unit_test_privs_LDADD = libbase.a $(CAPNG_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_loop
tests_unit_test_loop_SOURCES = tests/unit/test_loop.c
tests_unit_test_loop_LDADD = libcollector.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_ring
tests_unit_test_ring_SOURCES = tests/unit/test_ring.c
tests_unit_test_ring_LDADD = libcollector.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_record
tests_unit_test_record_SOURCES = tests/unit/test_record.c
tests_unit_test_record_LDADD = libcollector.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_stacks
tests_unit_test_stacks_SOURCES = tests/unit/test_stacks.c
tests_unit_test_stacks_LDADD = libcollector.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_unwind_rows
tests_unit_test_unwind_rows_SOURCES = tests/unit/test_unwind_rows.c
tests_unit_test_unwind_rows_LDADD = libsymbolize.a libbase.a $(DW_LIBS) $(ELF_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_unwind
tests_unit_test_unwind_SOURCES = tests/unit/test_unwind.c
tests_unit_test_unwind_LDADD = libcollector.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_unwind_cases
tests_unit_test_unwind_cases_SOURCES = tests/unit/test_unwind_cases.c
tests_unit_test_unwind_cases_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_SRCDIR=\"$(abs_srcdir)\"
tests_unit_test_unwind_cases_LDADD = libcollector.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_outbox
tests_unit_test_outbox_SOURCES = tests/unit/test_outbox.c tests/unit/kid.h
tests_unit_test_outbox_LDADD = libcollector.a libbase.a $(CMOCKA_LIBS)

# Of fcgi/: libfcgi itself is only in main and fcgx.c, but the archive has all of it.
FCGI_TEST_LDADD = libfcgiapp.a libconf.a libbase.a \
	$(FCGI_LIBS) $(Z_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) $(CMOCKA_LIBS) -lm -lpthread

UNIT_TESTS += tests/unit/test_params
tests_unit_test_params_SOURCES = tests/unit/test_params.c
tests_unit_test_params_LDADD = $(FCGI_TEST_LDADD)

UNIT_TESTS += tests/unit/test_route
tests_unit_test_route_SOURCES = tests/unit/test_route.c
tests_unit_test_route_LDADD = $(FCGI_TEST_LDADD)

UNIT_TESTS += tests/unit/test_symbol
tests_unit_test_symbol_SOURCES = tests/unit/test_symbol.c
tests_unit_test_symbol_LDADD = $(FCGI_TEST_LDADD)

UNIT_TESTS += tests/unit/test_profile
tests_unit_test_profile_SOURCES = tests/unit/test_profile.c
tests_unit_test_profile_LDADD = $(FCGI_TEST_LDADD)

UNIT_TESTS += tests/unit/test_enc_pprof
tests_unit_test_enc_pprof_SOURCES = tests/unit/test_enc_pprof.c
tests_unit_test_enc_pprof_LDADD = $(FCGI_TEST_LDADD)

UNIT_TESTS += tests/unit/test_store
tests_unit_test_store_SOURCES = tests/unit/test_store.c
tests_unit_test_store_LDADD = $(FCGI_TEST_LDADD) -lpthread

UNIT_TESTS += tests/unit/test_merge
tests_unit_test_merge_SOURCES = tests/unit/test_merge.c
tests_unit_test_merge_LDADD = $(FCGI_TEST_LDADD)

UNIT_TESTS += tests/unit/test_view
tests_unit_test_view_SOURCES = tests/unit/test_view.c tests/unit/profile_maker.h
tests_unit_test_view_LDADD = $(FCGI_TEST_LDADD)

UNIT_TESTS += tests/unit/test_forms
tests_unit_test_forms_SOURCES = tests/unit/test_forms.c tests/unit/profile_maker.h
tests_unit_test_forms_LDADD = $(FCGI_TEST_LDADD) $(JANSSON_LIBS)

UNIT_TESTS += tests/unit/test_jsonw
tests_unit_test_jsonw_SOURCES = tests/unit/test_jsonw.c
tests_unit_test_jsonw_LDADD = $(FCGI_TEST_LDADD) $(JANSSON_LIBS)

UNIT_TESTS += tests/unit/test_page
tests_unit_test_page_SOURCES = tests/unit/test_page.c
tests_unit_test_page_LDADD = $(FCGI_TEST_LDADD) $(JANSSON_LIBS)

# A reading is put together by who writes them, and shown by who reads them.
UNIT_TESTS += tests/unit/test_go_profile
tests_unit_test_go_profile_SOURCES = tests/unit/test_go_profile.c tests/unit/reading_maker.h
tests_unit_test_go_profile_LDADD = libfcgiapp.a libsymbolize.a libconf.a libbase.a \
	$(FCGI_LIBS) $(Z_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) $(CMOCKA_LIBS) -lm -lpthread

UNIT_TESTS += tests/unit/test_go_text
tests_unit_test_go_text_SOURCES = tests/unit/test_go_text.c tests/unit/reading_maker.h
tests_unit_test_go_text_LDADD = $(tests_unit_test_go_profile_LDADD)

UNIT_TESTS += tests/unit/test_node_memory
tests_unit_test_node_memory_SOURCES = tests/unit/test_node_memory.c
tests_unit_test_node_memory_LDADD = $(tests_unit_test_go_profile_LDADD)

UNIT_TESTS += tests/unit/test_gone
tests_unit_test_gone_SOURCES = tests/unit/test_gone.c
tests_unit_test_gone_LDADD = $(FCGI_TEST_LDADD)

UNIT_TESTS += tests/unit/test_event
tests_unit_test_event_SOURCES = tests/unit/test_event.c tests/unit/kid.h
tests_unit_test_event_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_bpf
tests_unit_test_bpf_SOURCES = tests/unit/test_bpf.c tests/unit/kid.h
tests_unit_test_bpf_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_exact
tests_unit_test_exact_SOURCES = tests/unit/test_exact.c tests/unit/kid.h
tests_unit_test_exact_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS) -lpthread

UNIT_TESTS += tests/unit/test_proc
tests_unit_test_proc_SOURCES = tests/unit/test_proc.c tests/unit/kid.h
tests_unit_test_proc_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_target
tests_unit_test_target_SOURCES = tests/unit/test_target.c tests/unit/kid.h
tests_unit_test_target_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_maps
tests_unit_test_maps_SOURCES = tests/unit/test_maps.c tests/unit/kid.h
tests_unit_test_maps_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_objects
tests_unit_test_objects_SOURCES = tests/unit/test_objects.c tests/unit/kid.h
tests_unit_test_objects_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_files
tests_unit_test_files_SOURCES = tests/unit/test_files.c tests/unit/kid.h
tests_unit_test_files_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_answers
tests_unit_test_answers_SOURCES = tests/unit/test_answers.c tests/unit/kid.h
tests_unit_test_answers_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_demangle
tests_unit_test_demangle_SOURCES = tests/unit/test_demangle.c
tests_unit_test_demangle_LDADD = libsymbolize.a libbase.a $(IBERTY_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_object
tests_unit_test_object_SOURCES = tests/unit/test_object.c tests/unit/elf_maker.h
tests_unit_test_object_LDADD = libsymbolize.a libbase.a $(BFD_LIBS) $(IBERTY_LIBS) $(Z_LIBS) $(ZSTD_LIBS) $(LZMA_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_kallsyms
tests_unit_test_kallsyms_SOURCES = tests/unit/test_kallsyms.c
tests_unit_test_kallsyms_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_jit_map
tests_unit_test_jit_map_SOURCES = tests/unit/test_jit_map.c
tests_unit_test_jit_map_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_child
tests_unit_test_child_SOURCES = tests/unit/test_child.c tests/unit/elf_maker.h tests/unit/kid.h
tests_unit_test_child_LDADD = libsymbolize.a libbase.a $(BFD_LIBS) $(IBERTY_LIBS) $(DW_LIBS) $(ELF_LIBS) $(Z_LIBS) $(ZSTD_LIBS) $(LZMA_LIBS) $(SECCOMP_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_parent
tests_unit_test_parent_SOURCES = tests/unit/test_parent.c tests/unit/elf_maker.h tests/unit/kid.h
tests_unit_test_parent_LDADD = libsymbolize.a libbase.a $(BFD_LIBS) $(IBERTY_LIBS) $(DW_LIBS) $(ELF_LIBS) $(Z_LIBS) $(ZSTD_LIBS) $(LZMA_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_dwarf_lines
tests_unit_test_dwarf_lines_SOURCES = tests/unit/test_dwarf_lines.c
tests_unit_test_dwarf_lines_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_dwarf_ranges
tests_unit_test_dwarf_ranges_SOURCES = tests/unit/test_dwarf_ranges.c
tests_unit_test_dwarf_ranges_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_dwarf
tests_unit_test_dwarf_SOURCES = tests/unit/test_dwarf.c
tests_unit_test_dwarf_LDADD = libsymbolize.a libbase.a $(DW_LIBS) $(ELF_LIBS) $(Z_LIBS) $(ZSTD_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_window
tests_unit_test_window_SOURCES = tests/unit/test_window.c tests/unit/kid.h
tests_unit_test_window_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_node
tests_unit_test_node_SOURCES = tests/unit/test_node.c tests/unit/kid.h
tests_unit_test_node_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_go_pclntab
tests_unit_test_go_pclntab_SOURCES = tests/unit/test_go_pclntab.c
tests_unit_test_go_pclntab_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_go_goroutines
tests_unit_test_go_goroutines_SOURCES = tests/unit/test_go_goroutines.c tests/unit/go_fake_node.h tests/unit/fake_memory.h tests/unit/go_maker.h
tests_unit_test_go_goroutines_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_go_estimate
tests_unit_test_go_estimate_SOURCES = tests/unit/test_go_estimate.c tests/unit/go_fake_node.h tests/unit/fake_memory.h tests/unit/go_maker.h
tests_unit_test_go_estimate_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_go_labels
tests_unit_test_go_labels_SOURCES = tests/unit/test_go_labels.c tests/unit/fake_memory.h
tests_unit_test_go_labels_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_go_traceback
tests_unit_test_go_traceback_SOURCES = tests/unit/test_go_traceback.c tests/unit/go_maker.h
tests_unit_test_go_traceback_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_serve
tests_unit_test_serve_SOURCES = tests/unit/test_serve.c tests/unit/kid.h
tests_unit_test_serve_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_link
tests_unit_test_link_SOURCES = tests/unit/test_link.c tests/unit/kid.h
tests_unit_test_link_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_memories
tests_unit_test_memories_SOURCES = tests/unit/test_memories.c tests/unit/kid.h
tests_unit_test_memories_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_regs
tests_unit_test_regs_SOURCES = tests/unit/test_regs.c tests/unit/kid.h
tests_unit_test_regs_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS) -lpthread

UNIT_TESTS += tests/unit/test_guardian
tests_unit_test_guardian_SOURCES = tests/unit/test_guardian.c tests/unit/kid.h
tests_unit_test_guardian_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_arm
tests_unit_test_arm_SOURCES = tests/unit/test_arm.c tests/unit/kid.h
tests_unit_test_arm_LDADD = libcollector.a libsymbolize.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_limits
tests_unit_test_limits_SOURCES = tests/unit/test_limits.c
tests_unit_test_limits_LDADD = libcollector.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_memory
tests_unit_test_memory_SOURCES = tests/unit/test_memory.c tests/unit/fake_memory.h
tests_unit_test_memory_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_go_version
tests_unit_test_go_version_SOURCES = tests/unit/test_go_version.c
tests_unit_test_go_version_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_go_expand
tests_unit_test_go_expand_SOURCES = tests/unit/test_go_expand.c tests/unit/go_maker.h
tests_unit_test_go_expand_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_go_roots
tests_unit_test_go_roots_SOURCES = tests/unit/test_go_roots.c tests/unit/fake_memory.h tests/unit/go_maker.h
tests_unit_test_go_roots_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test_go_buckets
tests_unit_test_go_buckets_SOURCES = tests/unit/test_go_buckets.c tests/unit/fake_memory.h tests/unit/go_maker.h
tests_unit_test_go_buckets_LDADD = libsymbolize.a libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
include tests/targets/local.mk

# For tests/integration/names_dwarf.py and the bench: names addresses of a file by its DWARF.
noinst_PROGRAMS += tests/targets/name_places
tests_targets_name_places_SOURCES = tests/targets/name_places.c
tests_targets_name_places_LDADD = libsymbolize.a libbase.a $(DW_LIBS) $(ELF_LIBS) $(Z_LIBS) $(ZSTD_LIBS)
EXTRA_DIST += tests/integration/names_dwarf.py

# Plays collector and fcgi against a running pprofd-symbolizer; for people, and for the bench.
noinst_PROGRAMS += tests/targets/ask_names
tests_targets_ask_names_SOURCES = tests/targets/ask_names.c
tests_targets_ask_names_LDADD = libsymbolize.a libbase.a

# Go's function table, for tests/integration/names_go.py: names and rows of a file; rows against a program
# that is single-stepped. tests/targets/go_names/ is the Go program, built by the test.
noinst_PROGRAMS += tests/targets/go_places tests/targets/go_steps
tests_targets_go_places_SOURCES = tests/targets/go_places.c
tests_targets_go_places_LDADD = libsymbolize.a libbase.a
tests_targets_go_steps_SOURCES = tests/targets/go_steps.c
tests_targets_go_steps_LDADD = libsymbolize.a libbase.a
EXTRA_DIST += \
	tests/integration/names_go.py \
	tests/targets/go_names/c/back.c \
	tests/targets/go_names/c/back.go \
	tests/targets/go_names/c/c.go \
	tests/targets/go_names/c/c_none.go \
	tests/targets/go_names/generic.go \
	tests/targets/go_names/generic_none.go \
	tests/targets/go_names/linkname.s \
	tests/targets/go_names/main.go \
	tests/targets/go_names/start_line.go \
	tests/targets/go_names/start_line_none.go

# How well the unwinder does on a real process; for people. Stores cases for test_unwind_cases.
noinst_PROGRAMS += tests/targets/unwind_probe
tests_targets_unwind_probe_SOURCES = tests/targets/unwind_probe.c
tests_targets_unwind_probe_LDADD = libcollector.a libsymbolize.a libbase.a

# What the reader of Go programs' memory finds in a running one; for people, as root. tests/layouts/ writes
# symbolize/go_offsets.c.
noinst_PROGRAMS += tests/targets/go_probe
tests_targets_go_probe_SOURCES = tests/targets/go_probe.c
tests_targets_go_probe_LDADD = libsymbolize.a libbase.a
EXTRA_DIST += \
	tests/cargo/Cargo.lock tests/cargo/Cargo.toml tests/cargo/folded_reader.rs \
	tests/npm/package-lock.json tests/npm/package.json \
	tests/targets/go_profiled/asked.go tests/targets/go_profiled/busy.go tests/targets/go_profiled/c.go \
	tests/targets/go_profiled/c_none.go tests/targets/go_profiled/contention.go \
	tests/targets/go_profiled/coroutine.go tests/targets/go_profiled/coroutine_none.go \
	tests/targets/go_profiled/heap.go tests/targets/go_profiled/main.go tests/targets/go_profiled/parked.go \
	tests/targets/go_profiled/serve.go tests/targets/go_profiled/serve_silent.go
EXTRA_DIST += tests/layouts/generate tests/layouts/layouts.go tests/layouts/program/program.go
