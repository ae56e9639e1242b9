"""block and mutex of Go nodes, row by row as Go itself says.

The node is tests/targets/go_profiled, by the Go of PATH and some others (ALL_GO=1: each minor version in each form), with
waits of each kind behind it, or still at it. From Go 1.23 on these stacks are kept as frame pointers give them: inlined
calls are found when they are shown.

# timeout: 1500
"""
from lib import case, golang, gonode, gotext, gotool

RATES = ("-blockrate", 1, "-mutexfraction", 1)
PATHS = ("block?debug=1", "block", "mutex?debug=1", "mutex")


class GoBlock(case.Case):
    @classmethod
    def prepare(cls):
        cls.local = golang.local()

    def watched(self, *flags, toolchain=None, form="stripped", **more):
        return gonode.Watched(golang.start(golang.program(toolchain or self.local, form), *flags), **more)

    def test_every_row_is_gos_own_with_each_go(self):
        for toolchain in golang.toolchains():
            for form in golang.FORMS if golang.everything() else ("stripped",):
                with self.subTest(go=toolchain.version, form=form), \
                        self.watched("-contend", 20, *RATES, toolchain=toolchain, form=form) as w:
                    print(f"        {toolchain} {form}", flush=True)
                    for path in PATHS:
                        w.same(self, path, least=5 if path.startswith("block") else 1)

    def test_a_fraction_of_three(self):
        with self.watched("-contend", 60, "-blockrate", 1000, "-mutexfraction", 3) as w:
            for path in PATHS:
                w.same(self, path)
            self.assertEqual(gotext.contention(w.ours("mutex?debug=1")).period, 3)

    def test_what_waits_are_counted_is_gos_while_they_go_on(self):
        with self.watched("-fight", 4, "-contend", 2, *RATES) as w:
            for _ in range(5):
                w.same(self, "block?debug=1", least=5)
                w.same(self, "mutex?debug=1")

    def test_the_waits_are_where_they_were_made(self):
        with self.watched("-contend", 20, *RATES, form="plain") as w, gotool.GoTool() as tool:
            top = {name: flat for flat, _, name in tool.top("-sample_index=delay", w.service.url("block"))[0]}
            for name in ("runtime.chanrecv1", "runtime.chansend1", "runtime.selectgo", "sync.(*WaitGroup).Wait", "sync.(*Cond).Wait"):
                self.assertGreater(top.get(name, 0), 0, sorted(top))
            mutex = tool.must("-peek", "main.releaseMutex", w.service.url("mutex"))
            self.assertIn("main.unlockInlined", mutex)

    def test_times_are_those_of_the_waits(self):
        """Each of the receivers waits for at least a millisecond, as a rule; ours is in nanoseconds as Go's."""
        with self.watched("-contend", 20, *RATES) as w:
            p = w.snapshot("block")
            self.assertEqual(p.sample_types, [("contentions", "count"), ("delay", "nanoseconds")])
            count, ns = (sum(s.values[i] for s in p.samples if "main.waitReceive" in {f.name for f in p.frames(s)}) for i in (0, 1))
            self.assertGreater(count, 0)
            self.assertGreater(ns / count, 100_000)


if __name__ == "__main__":
    case.main(deadline=1480)
