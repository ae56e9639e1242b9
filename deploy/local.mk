# What quickstart needs besides the service: a node to look at, and a reader of one profile.
noinst_PROGRAMS += deploy/demo_node deploy/top
deploy_demo_node_SOURCES = deploy/demo_node.c
deploy_top_SOURCES = deploy/top.c
deploy_top_LDADD = $(Z_LIBS)

EXTRA_DIST += deploy/quickstart deploy/steps.sh deploy/packages .ci/run

# systemd: units with this build's paths.
units = \
	deploy/systemd/pprofd.target \
	deploy/systemd/pprofd-collector.service \
	deploy/systemd/pprofd-symbolizer.service \
	deploy/systemd/pprofd-fcgi.service \
	deploy/systemd/pprofd-web.service
sysusers = deploy/systemd/pprofd.sysusers
tmpfiles = deploy/systemd/pprofd.tmpfiles
generated = $(units) $(sysusers) $(tmpfiles)
noinst_DATA = $(generated)
EXTRA_DIST += \
	deploy/systemd/pprofd.target.in \
	deploy/systemd/pprofd-collector.service.in \
	deploy/systemd/pprofd-symbolizer.service.in \
	deploy/systemd/pprofd-fcgi.service.in \
	deploy/systemd/pprofd-web.service.in \
	deploy/systemd/pprofd.sysusers.in \
	deploy/systemd/pprofd.tmpfiles.in
CLEANFILES += $(generated)

$(generated): Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed \
		-e 's,[@]sbindir[@],$(sbindir),g' \
		-e 's,[@]sysconfdir[@],$(sysconfdir),g' \
		-e 's,[@]pkgdatadir[@],$(pkgdatadir),g' \
		-e 's,[@]LIGHTTPD[@],$(LIGHTTPD),g' \
		$(srcdir)/$@.in > $@.tmp && mv $@.tmp $@
deploy/systemd/pprofd.target: $(srcdir)/deploy/systemd/pprofd.target.in
deploy/systemd/pprofd-collector.service: $(srcdir)/deploy/systemd/pprofd-collector.service.in
deploy/systemd/pprofd-symbolizer.service: $(srcdir)/deploy/systemd/pprofd-symbolizer.service.in
deploy/systemd/pprofd-fcgi.service: $(srcdir)/deploy/systemd/pprofd-fcgi.service.in
deploy/systemd/pprofd-web.service: $(srcdir)/deploy/systemd/pprofd-web.service.in
deploy/systemd/pprofd.sysusers: $(srcdir)/deploy/systemd/pprofd.sysusers.in
deploy/systemd/pprofd.tmpfiles: $(srcdir)/deploy/systemd/pprofd.tmpfiles.in

if SYSTEMD
systemdsystemunit_DATA = $(units)
# systemd looks for these under /usr, /usr/local and /etc; the names must end so.
install-data-local: $(sysusers) $(tmpfiles)
	$(MKDIR_P) "$(DESTDIR)$(prefix)/lib/sysusers.d" "$(DESTDIR)$(prefix)/lib/tmpfiles.d"
	$(INSTALL_DATA) $(sysusers) "$(DESTDIR)$(prefix)/lib/sysusers.d/pprofd.conf"
	$(INSTALL_DATA) $(tmpfiles) "$(DESTDIR)$(prefix)/lib/tmpfiles.d/pprofd.conf"
uninstall-local:
	rm -f "$(DESTDIR)$(prefix)/lib/sysusers.d/pprofd.conf" "$(DESTDIR)$(prefix)/lib/tmpfiles.d/pprofd.conf"
endif
