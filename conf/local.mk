noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = \
	conf/conf.c  conf/conf.h

# For scripts: what is in force, as shell variables.
sbin_PROGRAMS += pprofd-conf
pprofd_conf_SOURCES = conf/main.c
pprofd_conf_LDADD = libconf.a libbase.a $(INIH_LIBS)

dist_pkgdata_DATA += conf/lighttpd.conf conf/pprofd.conf

# A pprofd.conf that somebody has edited is theirs.
install-data-hook:
	$(MKDIR_P) "$(DESTDIR)$(sysconfdir)/pprofd"
	test -e "$(DESTDIR)$(sysconfdir)/pprofd/pprofd.conf" || \
		$(INSTALL_DATA) $(srcdir)/conf/pprofd.conf "$(DESTDIR)$(sysconfdir)/pprofd/pprofd.conf"
uninstall-hook:
	cmp -s $(srcdir)/conf/pprofd.conf "$(DESTDIR)$(sysconfdir)/pprofd/pprofd.conf" && \
		rm "$(DESTDIR)$(sysconfdir)/pprofd/pprofd.conf" || :
	rmdir "$(DESTDIR)$(sysconfdir)/pprofd" 2>/dev/null || :
