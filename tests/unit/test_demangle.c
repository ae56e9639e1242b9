#include "config.h"

#include "symbolize/demangle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct pair {
	const char *from, *to;
};

static void
check(const struct pair *pairs, size_t n)
{
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(demangle_short(&a, pairs[i].from), pairs[i].to);
	arena_fini(&a);
}

#define CHECK(pairs) check(pairs, sizeof(pairs) / sizeof((pairs)[0]))

static void
parameters_and_template_arguments_are_dropped(void **state)
{
	static const struct pair pairs[] = {
		{ "_ZN3FooIiE3barEv", "Foo::bar" },
		{ "_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector::push_back" },
		{ "_Z1fIXgtLi3ELi2EEEvv", "f" },
		{ "_ZN1fB5cxx11Ev", "f[abi:cxx11]" },
		{ "_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo" },
		{ "_ZZ1fIiEvT_ENKUliE_clEi", "f::{lambda(int)#1}::operator()" },
		{ "_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()" },
		{ "_ZTV1A", "vtable for A" },
		{ "_ZThn8_N1A1fEv", "non-virtual thunk to A::f" },
	};

	(void)state;
	CHECK(pairs);
}

static void
operators_keep_their_brackets(void **state)
{
	static const struct pair pairs[] = {
		{ "_ZlsRSoRK1A", "operator<<" },
		{ "_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_PKc", "std::operator<<" },
		{ "_ZltRK1AS1_", "operator<" },
		{ "_ZltIiEbRK1AIT_ES3_", "operator<" },
		{ "_ZN1AptEv", "A::operator->" },
		{ "_ZN1ApmEv", "A::operator->*" },
		{ "_ZNK1AclEi", "A::operator()" },
		{ "_ZN1AssERKS_", "A::operator<=>" },
		{ "_ZN1AcvbEv", "A::operator bool" },
		{ "_ZN1AcvT_IiEEv", "A::operator int" },
		{ "_ZN1AnwEm", "A::operator new" },
		{ "_ZgtIiEbRK1AIT_ES3_", "operator>" },
		{ "_ZN1AIXadL_ZNS_ptEvEEE1fEv", "A::f" },
	};

	(void)state;
	CHECK(pairs);
}

static void
rust_keeps_its_types_and_loses_its_hash(void **state)
{
	static const struct pair pairs[] = {
		{ "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt" },
		{ "_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$"
		  "3bar17h930b740aa94f1d3aE",
		  "<Test + 'static as foo::Bar<Test>>::bar" },
		{ "_RNvC6_123foo3bar", "123foo::bar" },
		{ "_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>" },
		{ "_ZN4core3fmt5write17h0123456789abcdefE.llvm.1234567", "core::fmt::write" },
	};

	(void)state;
	CHECK(pairs);
}

static void
what_compilers_append_is_no_part_of_the_name(void **state)
{
	static const struct pair pairs[] = {
		{ "f.part.0", "f" },
		{ "f.constprop.0.isra.1", "f" },
		{ "f.cold", "f" },
		{ "f.cold.12", "f" },
		{ "_Z1fv.part.0", "f" },
		{ "memcpy@@GLIBC_2.14", "memcpy" },
		{ "memcpy@GLIBC_2.2.5", "memcpy" },
		{ "puts@plt", "puts@plt" },
		{ "__GI___libc_malloc", "__libc_malloc" },
		{ "__GI_", "__GI_" },
		{ "f.lto_priv.0.lto_priv.1", "f" },
		{ "f.partial", "f.partial" },
		{ "main.cold.start", "main.cold.start" },
		{ "runtime.main.func2", "runtime.main.func2" },
		{ ".cold", ".cold" },
		{ "inner.0", "inner.0" },
		{ "@", "@" },
		{ "", "" },
	};

	(void)state;
	CHECK(pairs);
}

static void
source_names_lose_only_template_arguments(void **state)
{
	static const struct pair pairs[] = {
		{ "main", "main" },
		{ "helper<int, std::less<int> >", "helper" },
		{ "<lambda(int)>", "<lambda(int)>" },
		{ "operator()", "operator()" },
		{ "operator< <int>", "operator<" },
		{ "operator->", "operator->" },
		{ "broken<", "broken<" },
		{ "<T as Trait>::f", "<T as Trait>::f" },
	};

	(void)state;
	CHECK(pairs);
}

static void
text_that_does_not_match_is_left_alone(void **state)
{
	static const char *const texts[] = { "a<b", "f(", "f<(>", "a<{)>" };
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(demangle_simplify(texts[i], strlen(texts[i]), out), 0);
}

static void
a_name_of_a_million_bytes_is_cut(void **state)
{
	struct arena a;
	size_t n = 1000000;
	char *name = malloc(n + 1);

	(void)state;
	arena_init(&a, 1 << 20);
	memset(name, 'x', n);
	name[n] = '\0';
	assert_int_equal(strlen(demangle_short(&a, name)), 4096);
	memcpy(name, "_ZN", 3);
	assert_int_equal(strlen(demangle_short(&a, name)), 4096);
	arena_fini(&a);
	free(name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_and_template_arguments_are_dropped),
		cmocka_unit_test(operators_keep_their_brackets),
		cmocka_unit_test(rust_keeps_its_types_and_loses_its_hash),
		cmocka_unit_test(what_compilers_append_is_no_part_of_the_name),
		cmocka_unit_test(source_names_lose_only_template_arguments),
		cmocka_unit_test(text_that_does_not_match_is_left_alone),
		cmocka_unit_test(a_name_of_a_million_bytes_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
