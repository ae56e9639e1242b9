noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = \
	conf/conf.c  conf/conf.h

EXTRA_DIST += conf/lighttpd.conf conf/pprofd.conf
