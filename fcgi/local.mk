noinst_LIBRARIES += libfcgiapp.a
libfcgiapp_a_SOURCES = \
	fcgi/amount.c         fcgi/amount.h    \
	fcgi/app.c            fcgi/app.h       \
	fcgi/capture.c        fcgi/capture.h   \
	fcgi/capture_page.c   fcgi/capture_page.h \
	fcgi/captures.c       fcgi/captures.h  \
	fcgi/client.c         fcgi/client.h    \
	fcgi/comments.c       fcgi/comments.h  \
	fcgi/deliver.c        fcgi/deliver.h   \
	fcgi/doc.c            fcgi/doc.h       \
	fcgi/enc_flamegraph.c \
	fcgi/enc_folded.c \
	fcgi/enc_forms.h \
	fcgi/enc_json.c \
	fcgi/enc_pprof.c      fcgi/enc_pprof.h \
	fcgi/enc_speedscope.c \
	fcgi/enc_svg.c \
	fcgi/enc_top.c \
	fcgi/enc_tree.c \
	fcgi/fcgx.c           fcgi/fcgx.h      \
	fcgi/form.c           fcgi/form.h      \
	fcgi/frames.c         fcgi/frames.h    \
	fcgi/go_comments.c    fcgi/go_comments.h \
	fcgi/go_dump.c        fcgi/go_dump.h   \
	fcgi/go_groups.c      fcgi/go_groups.h \
	fcgi/go_hidden.c      fcgi/go_hidden.h \
	fcgi/go_lines.c       fcgi/go_lines.h  \
	fcgi/go_places.c      fcgi/go_places.h \
	fcgi/go_profile.c     fcgi/go_profile.h \
	fcgi/go_quote.c       fcgi/go_quote.h  \
	fcgi/go_rules.c       fcgi/go_rules.h  \
	fcgi/go_text.c        fcgi/go_text.h   \
	fcgi/gone.c           fcgi/gone.h      \
	fcgi/gzip.c           fcgi/gzip.h      \
	fcgi/handle.c         fcgi/handle.h    \
	fcgi/handle_captures.c \
	fcgi/handle_cmdline.c \
	fcgi/handle_index.c   \
	fcgi/handle_metrics.c \
	fcgi/handle_profile.c \
	fcgi/handle_snapshot.c \
	fcgi/handle_symbol.c  \
	fcgi/html.c           fcgi/html.h      \
	fcgi/ids.c            fcgi/ids.h       \
	fcgi/intake.c         fcgi/intake.h    \
	fcgi/jsonw.c          fcgi/jsonw.h     \
	fcgi/labels.c         fcgi/labels.h    \
	fcgi/memory.c         fcgi/memory.h    \
	fcgi/merge.c          fcgi/merge.h     \
	fcgi/metrics.c        fcgi/metrics.h   \
	fcgi/names.c          fcgi/names.h     \
	fcgi/overview.c       fcgi/overview.h  \
	fcgi/page.c           fcgi/page.h      \
	fcgi/params.c         fcgi/params.h    \
	fcgi/pool.c           fcgi/pool.h      \
	fcgi/profile.c        fcgi/profile.h   \
	fcgi/reply.c          fcgi/reply.h     \
	fcgi/request.c        fcgi/request.h   \
	fcgi/room.c           fcgi/room.h      \
	fcgi/route.c          fcgi/route.h     \
	fcgi/schema.c         fcgi/schema.h    \
	fcgi/sink.c           fcgi/sink.h      \
	fcgi/snapshot.c       fcgi/snapshot.h  \
	fcgi/state.c          fcgi/state.h     \
	fcgi/state_json.c     fcgi/state_json.h \
	fcgi/store.c          fcgi/store.h     \
	fcgi/strings.c        fcgi/strings.h   \
	fcgi/symbol.c         fcgi/symbol.h    \
	fcgi/take.c           fcgi/take.h      \
	fcgi/text.c           fcgi/text.h      \
	fcgi/tree.c           fcgi/tree.h      \
	fcgi/view.c           fcgi/view.h      \
	fcgi/wait.c           fcgi/wait.h

# The schemas of conf/schemas/, as bytes.
fcgi/schema_bytes.h: fcgi/schema_bytes.sh $(SCHEMAS)
	$(AM_V_GEN)$(MKDIR_P) fcgi && cd $(srcdir) && \
		$(SHELL) fcgi/schema_bytes.sh $(SCHEMAS) >"$(abs_builddir)/$@.tmp" && mv "$(abs_builddir)/$@.tmp" "$(abs_builddir)/$@"
fcgi/schema.$(OBJEXT): fcgi/schema_bytes.h
EXTRA_DIST += fcgi/schema_bytes.sh
CLEANFILES += fcgi/schema_bytes.h

sbin_PROGRAMS += pprofd-fcgi
pprofd_fcgi_SOURCES = fcgi/main.c
pprofd_fcgi_LDADD = libfcgiapp.a libconf.a libbase.a \
	$(FCGI_LIBS) $(Z_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) -lm -lpthread
