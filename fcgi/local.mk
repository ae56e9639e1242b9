noinst_LIBRARIES += libfcgiapp.a
libfcgiapp_a_SOURCES =

sbin_PROGRAMS += pprofd-fcgi
pprofd_fcgi_SOURCES = fcgi/main.c
pprofd_fcgi_LDADD = libfcgiapp.a libconf.a libbase.a \
	$(FCGI_LIBS) $(Z_LIBS) $(JANSSON_LIBS) $(INIH_LIBS) $(SECCOMP_LIBS) $(CAPNG_LIBS) -lpthread
