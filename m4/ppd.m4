# Small probes of our own, so that configure.ac reads as a list.

# PPD_CFLAG(FLAG): add FLAG to PPD_CFLAGS where the compiler knows it.
AC_DEFUN([PPD_CFLAG], [
	AS_VAR_PUSHDEF([cache], [ppd_cv_cflag_$1])
	AC_CACHE_CHECK([whether $CC knows $1], [cache], [
		ppd_saved="$CFLAGS"
		CFLAGS="$CFLAGS -Werror $1"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
			[AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
		CFLAGS="$ppd_saved"])
	AS_VAR_IF([cache], [yes], [PPD_CFLAGS="$PPD_CFLAGS $1"])
	AS_VAR_POPDEF([cache])
])

# PPD_LIB(NAME, LIBRARY, HEADER, FUNCTION, PACKAGE): set NAME_LIBS, or say what to install.
AC_DEFUN([PPD_LIB], [
	AC_CHECK_HEADER([$3], [],
		[AC_MSG_ERROR([$3 is missing; install it: apt-get install $5])])
	ppd_saved="$LIBS"
	AC_CHECK_LIB([$2], [$4], [$1_LIBS="-l$2"],
		[AC_MSG_ERROR([lib$2 with $4() is missing; install it: apt-get install $5])])
	LIBS="$ppd_saved"
	AC_SUBST([$1_LIBS])
])

# PPD_BFD: libbfd 2.40 or newer (before 2.39 its address look-up is quadratic).
# bfd.h has no version macro. A shared libbfd has it in its name (libbfd-2.40-system.so), which
# stands in what was linked against it; a static one comes from the same build as ld.
AC_DEFUN([PPD_BFD], [
	AC_CHECK_HEADER([bfd.h], [],
		[AC_MSG_ERROR([bfd.h is missing; install it: apt-get install binutils-dev])],
		[#define PACKAGE "pprofd"
#define PACKAGE_VERSION "0"])
	AC_CHECK_TOOL([READELF], [readelf], [readelf])
	ppd_saved="$LIBS"
	BFD_LIBS="-lbfd"
	LIBS="$BFD_LIBS $IBERTY_LIBS $Z_LIBS $ZSTD_LIBS $LIBS"
	AC_CACHE_CHECK([for the version of libbfd], [ppd_cv_bfd_version], [
		ppd_cv_bfd_version=none
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#define PACKAGE "pprofd"
#define PACKAGE_VERSION "0"
#include <bfd.h>
]], [[bfd_init(); return bfd_fdopenr("x", "elf64-x86-64", -1) != 0;]])], [
			ppd_cv_bfd_version=`$READELF -d conftest$EXEEXT 2>/dev/null |
				sed -n 's/.*libbfd-\(@<:@0-9@:>@*\.@<:@0-9.@:>@*@<:@0-9@:>@\).*/\1/p'`
			AS_IF([test -z "$ppd_cv_bfd_version"],
				[ppd_cv_bfd_version=`ld -v 2>/dev/null | sed 's/.* \(@<:@0-9@:>@@<:@0-9.@:>@*\).*/\1/'`])])])
	LIBS="$ppd_saved"
	AS_IF([test "$ppd_cv_bfd_version" = none],
		[AC_MSG_ERROR([libbfd does not link; install it: apt-get install binutils-dev libiberty-dev])])
	AS_VERSION_COMPARE([${ppd_cv_bfd_version:-0}], [2.40],
		[AC_MSG_ERROR([libbfd ${ppd_cv_bfd_version:-of unknown version}: 2.40 or newer is needed (Debian 12 has it: apt-get install binutils-dev)])])
	AC_SUBST([BFD_LIBS])
])

# PPD_CMOCKA: unit tests are built where cmocka is there.
AC_DEFUN([PPD_CMOCKA], [
	ppd_saved="$LIBS"
	ppd_have_cmocka=no
	AC_CHECK_LIB([cmocka], [_cmocka_run_group_tests],
		[ppd_have_cmocka=yes; CMOCKA_LIBS="-lcmocka"],
		[AC_MSG_WARN([no unit tests: cmocka is missing; install it: apt-get install libcmocka-dev])])
	LIBS="$ppd_saved"
	AC_SUBST([CMOCKA_LIBS])
	AM_CONDITIONAL([CMOCKA], [test "$ppd_have_cmocka" = yes])
])

# PPD_LIGHTTPD: needed at run time only; 1.4.67 or newer (CVE-2022-41556).
AC_DEFUN([PPD_LIGHTTPD], [
	AC_PATH_PROG([LIGHTTPD], [lighttpd], [], [$PATH$PATH_SEPARATOR/usr/sbin$PATH_SEPARATOR/usr/local/sbin])
	ppd_lighttpd=none
	AS_IF([test -z "$LIGHTTPD"],
		[AC_MSG_WARN([lighttpd is missing; the service needs it at run time: apt-get install lighttpd])
		 LIGHTTPD=/usr/sbin/lighttpd],
		[ppd_lighttpd=`$LIGHTTPD -v 2>/dev/null | sed -n 's,^lighttpd/\(@<:@0-9.@:>@*\).*,\1,p'`
		 AS_VERSION_COMPARE([${ppd_lighttpd:-0}], [1.4.67],
			[AC_MSG_WARN([lighttpd $ppd_lighttpd leaks what we use (CVE-2022-41556); the service needs 1.4.67 or newer at run time])])])
])
