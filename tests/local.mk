# Unit tests: one program per module. `check_PROGRAMS` are built by `make check`.
if CMOCKA
UNIT_TESTS =
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
