noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	base/buf.c    base/buf.h    \
	base/clock.c  base/clock.h  \
	base/err.c    base/err.h    \
	base/jail.c   base/jail.h   \
	base/log.c    base/log.h    \
	base/privs.c  base/privs.h  \
	base/reading.c base/reading.h \
	base/rows.c   base/rows.h   \
	base/table.c  base/table.h  \
	base/wire.c   base/wire.h
