noinst_LIBRARIES += libcollector.a
libcollector_a_SOURCES = \
	collector/unwind.c   collector/unwind.h

sbin_PROGRAMS += pprofd-collector
pprofd_collector_SOURCES = collector/main.c
pprofd_collector_LDADD = libcollector.a libconf.a libbase.a $(PFM_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS)
