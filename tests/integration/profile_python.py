"""Debian's python3: a stripped interpreter, its functions known from .dynsym only."""
from lib import case, load, real, service


class Python(case.Case):
    @classmethod
    def prepare(cls):
        cls.node = cls.enter(load.python(60))
        cls.service = cls.enter(service.Service(cls.node.pid))
        cls.profile = cls.service.profile(6)

    def test_the_interpreters_loop_is_named(self):
        self.assertGreater(self.profile.share(lambda f: f.name == "_PyEval_EvalFrameDefault"), 0.9)

    def test_nearly_every_stack_reaches_the_root(self):
        real.check_rooted(self, self.profile, "python3")

    def test_no_frame_is_without_a_function(self):
        real.check_names(self, self.profile)


if __name__ == "__main__":
    case.main()
