noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = \
	conf/conf.c  conf/conf.h

# For scripts: what is in force, as shell variables.
sbin_PROGRAMS += pprofd-conf
pprofd_conf_SOURCES = conf/main.c
pprofd_conf_LDADD = libconf.a libbase.a $(INIH_LIBS)

dist_pkgdata_DATA += conf/lighttpd.conf conf/pprofd.conf

# What lighttpd itself answers with; it looks for STATUS.html, and calls it text/plain.
pprofderrorsdir = $(pkgdatadir)/errors
dist_pprofderrors_DATA = \
	conf/errors/400.html conf/errors/401.html conf/errors/408.html conf/errors/411.html \
	conf/errors/413.html conf/errors/417.html conf/errors/431.html conf/errors/500.html \
	conf/errors/501.html conf/errors/503.html conf/errors/504.html conf/errors/505.html

# What our JSON looks like: answered by pprofd-fcgi, and here for programs that are built on it.
SCHEMAS = \
	conf/schemas/capture-1.json conf/schemas/captures-1.json   conf/schemas/error-1.json \
	conf/schemas/flamegraph-1.json conf/schemas/profile-1.json conf/schemas/speedscope-1.json \
	conf/schemas/state-1.json   conf/schemas/top-1.json        conf/schemas/tree-1.json
pprofdschemasdir = $(pkgdatadir)/schemas
dist_pprofdschemas_DATA = $(SCHEMAS)

# A pprofd.conf that somebody has edited is theirs.
install-data-hook:
	$(MKDIR_P) "$(DESTDIR)$(sysconfdir)/pprofd"
	test -e "$(DESTDIR)$(sysconfdir)/pprofd/pprofd.conf" || \
		$(INSTALL_DATA) $(srcdir)/conf/pprofd.conf "$(DESTDIR)$(sysconfdir)/pprofd/pprofd.conf"
uninstall-hook:
	cmp -s $(srcdir)/conf/pprofd.conf "$(DESTDIR)$(sysconfdir)/pprofd/pprofd.conf" && \
		rm "$(DESTDIR)$(sysconfdir)/pprofd/pprofd.conf" || :
	rmdir "$(DESTDIR)$(sysconfdir)/pprofd" 2>/dev/null || :
