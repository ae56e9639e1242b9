noinst_LIBRARIES += libsymbolize.a
libsymbolize_a_SOURCES = \
	symbolize/answer.c          symbolize/answer.h         \
	symbolize/answers.c         symbolize/answers.h        \
	symbolize/arena.c           symbolize/arena.h          \
	symbolize/catalog.c         symbolize/catalog.h        \
	symbolize/cfi_program.c     symbolize/cfi_program.h    \
	                            symbolize/chain.h          \
	symbolize/child.c           symbolize/child.h          \
	symbolize/children.c        symbolize/children.h       \
	symbolize/client.c          symbolize/client.h         \
	symbolize/debug_file.c      symbolize/debug_file.h     \
	symbolize/demangle.c        symbolize/demangle.h       \
	symbolize/dwarf.c           symbolize/dwarf.h          \
	symbolize/dwarf_attrs.c     symbolize/dwarf_attrs.h    \
	                            symbolize/dwarf_bytes.h    \
	symbolize/dwarf_funcs.c     symbolize/dwarf_funcs.h    \
	symbolize/dwarf_inlines.c   symbolize/dwarf_inlines.h  \
	symbolize/dwarf_lines.c     symbolize/dwarf_lines.h    \
	symbolize/dwarf_names.c     symbolize/dwarf_names.h    \
	symbolize/dwarf_ranges.c    symbolize/dwarf_ranges.h   \
	                            symbolize/dwarf_reader.h   \
	symbolize/dwarf_sections.c  symbolize/dwarf_sections.h \
	symbolize/dwarf_split.c     symbolize/dwarf_split.h    \
	symbolize/dwarf_tree.c      symbolize/dwarf_tree.h     \
	symbolize/dwarf_units.c     symbolize/dwarf_units.h    \
	symbolize/dynsym.c          symbolize/dynsym.h         \
	symbolize/eh_frame.c        symbolize/eh_frame.h       \
	symbolize/elf_source.c                                 \
	symbolize/go_allgs.c        symbolize/go_allgs.h       \
	symbolize/go_bucket.c       symbolize/go_bucket.h      \
	symbolize/go_estimate.c     symbolize/go_estimate.h    \
	symbolize/go_bucket_list.c  symbolize/go_bucket_list.h \
	symbolize/go_buckets.c      symbolize/go_buckets.h     \
	symbolize/go_expand.c       symbolize/go_expand.h      \
	symbolize/go_func.c         symbolize/go_func.h        \
	symbolize/go_g.c            symbolize/go_g.h           \
	symbolize/go_goroutines.c   symbolize/go_goroutines.h  \
	symbolize/go_inltree.c      symbolize/go_inltree.h     \
	symbolize/go_labels.c       symbolize/go_labels.h      \
	symbolize/go_module.c       symbolize/go_module.h      \
	symbolize/go_moduledata.c   symbolize/go_moduledata.h  \
	symbolize/go_node.c         symbolize/go_node.h        \
	symbolize/go_offsets.c      symbolize/go_offsets.h     \
	symbolize/go_parked.c       symbolize/go_parked.h      \
	symbolize/go_pclntab.c      symbolize/go_pclntab.h     \
	symbolize/go_pcvalue.c      symbolize/go_pcvalue.h     \
	symbolize/go_reloc.c        symbolize/go_reloc.h       \
	symbolize/go_roots.c        symbolize/go_roots.h       \
	symbolize/go_running.c      symbolize/go_running.h     \
	symbolize/go_rows.c         symbolize/go_rows.h        \
	symbolize/go_stacks.c       symbolize/go_stacks.h      \
	symbolize/go_traceback.c    symbolize/go_traceback.h   \
	symbolize/go_scan.c         symbolize/go_scan.h        \
	symbolize/go_threads.c      symbolize/go_threads.h     \
	symbolize/go_version.c      symbolize/go_version.h     \
	symbolize/go_vote.c         symbolize/go_vote.h        \
	symbolize/image.c           symbolize/image.h          \
	symbolize/jit_map.c         symbolize/jit_map.h        \
	symbolize/jit_source.c                                 \
	symbolize/kallsyms.c        symbolize/kallsyms.h       \
	symbolize/kernel_source.c                              \
	symbolize/memory.c          symbolize/memory.h         \
	symbolize/memory_child.c    symbolize/memory_child.h   \
	symbolize/memory_window.c   symbolize/memory_window.h  \
	symbolize/minidebug.c       symbolize/minidebug.h      \
	symbolize/naming.c          symbolize/naming.h         \
	symbolize/object.c          symbolize/object.h         \
	symbolize/parent.c          symbolize/parent.h         \
	symbolize/reader.c          symbolize/reader.h         \
	symbolize/reading_slot.c    symbolize/reading_slot.h   \
	symbolize/reading_writer.c  symbolize/reading_writer.h \
	symbolize/readings.c        symbolize/readings.h       \
	symbolize/row_jobs.c        symbolize/row_jobs.h       \
	symbolize/rows_writer.c     symbolize/rows_writer.h    \
	                            symbolize/service.h        \
	                            symbolize/source.h         \
	symbolize/thread_regs.h                                \
	symbolize/ticks.c           symbolize/ticks.h          \
	symbolize/unwind_bounds.c   symbolize/unwind_bounds.h  \
	symbolize/unwind_rows.c     symbolize/unwind_rows.h

sbin_PROGRAMS += pprofd-symbolizer
pprofd_symbolizer_SOURCES = symbolize/main.c
pprofd_symbolizer_LDADD = libsymbolize.a libconf.a libbase.a \
	$(BFD_LIBS) $(IBERTY_LIBS) $(DW_LIBS) $(ELF_LIBS) $(Z_LIBS) $(ZSTD_LIBS) $(LZMA_LIBS) \
	$(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS)
