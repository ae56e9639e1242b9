"""clang compiling: 100 MB of stripped C++, deep recursion, threads of its own."""
from lib import case, load, real, service


class Clang(case.Case):
    @classmethod
    def prepare(cls):
        cls.node = cls.enter(load.Clang())
        cls.service = cls.enter(service.Service(cls.node.pid))
        cls.profile = cls.service.profile(10)

    def test_llvms_and_clangs_functions_are_named(self):
        names = self.profile.names()
        self.assertTrue(any("clang::" in n or "llvm::" in n for n in names), sorted(names)[:30])

    def test_names_are_short_and_linkage_names_whole(self):
        for f in self.profile.functions.values():
            if f.system_name.startswith("_ZN"):
                self.assertFalse(f.name.startswith("_Z"), f)

    def test_nearly_every_stack_reaches_the_root(self):
        real.check_rooted(self, self.profile, "clang")

    def test_no_frame_is_without_a_function(self):
        real.check_names(self, self.profile)


if __name__ == "__main__":
    case.main()
