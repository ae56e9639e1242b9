"""goroutine and threadcreate of Go nodes as Go itself says: groups, the dump of all, states, labels, creators.

The node is tests/targets/go_profiled, by the Go of PATH and some others (ALL_GO=1: each minor version in each form), with
goroutines that wait for everything there is, and others at work beside them.

# timeout: 1500
"""
import collections

from lib import case, golang, gonode, gotext, gosame, pprof, service, targets

PATHS = ("goroutine?debug=1", "goroutine?debug=2", "goroutine", "threadcreate?debug=1")
PARKED = ("-each", 3, "-deep", 2)


def at_rest(w):
    """Wait until all are parked that will be: the node's own answer says in what state they are."""
    def parked():
        dump = gotext.stacks(w.theirs("goroutine?debug=2")).values()
        return not [g for g in dump if g.state in ("runnable", "running") and any(c.function.startswith("main.park") for c in g.frames)]
    service.wait_until(parked, 30, "goroutines that are parked")


class GoGoroutine(case.Case):
    @classmethod
    def prepare(cls):
        cls.local = golang.local()

    def watched(self, *flags, toolchain=None, form="stripped", **more):
        return gonode.Watched(golang.start(golang.program(toolchain or self.local, form), *flags), **more)

    def compare(self, w):
        at_rest(w)
        for path in PATHS:
            w.same(self, path, least=20 if path.startswith("goroutine") else 1)
        self.known(w)

    def known(self, w):
        """The counts and states that the program itself promises."""
        counts, states = collections.Counter(), collections.defaultdict(set)
        for g in gotext.stacks(w.ours("goroutine?debug=2")).values():
            for name in {c.function for c in g.frames} & set(w.node.expect["parked"]):
                counts[name] += 1
                states[name].add(g.state)
        self.assertEqual(dict(counts), w.node.expect["parked"])
        for name, state in w.node.expect["states"].items():
            if state:
                self.assertEqual(states[name], {state}, name)

    def test_every_group_and_stack_is_gos_own_with_each_go(self):
        for toolchain in golang.toolchains():
            for form in golang.FORMS if golang.everything() else ("stripped",):
                with self.subTest(go=toolchain.version, form=form), self.watched(*PARKED, toolchain=toolchain, form=form) as w:
                    print(f"        {toolchain} {form}", flush=True)
                    self.compare(w)

    def test_a_program_that_the_c_compiler_linked_and_that_is_anywhere(self):
        targets.need("gcc")
        for form in ("cgo", "cgo pie", "pie"):
            with self.subTest(form=form), self.watched(*PARKED, form=form) as w:
                self.compare(w)

    def test_labels_are_the_goroutines(self):
        with self.watched("-each", 4) as w:
            at_rest(w)
            p = w.snapshot("goroutine")
            labels = collections.Counter()
            for s in p.samples:
                if any(f.name == "main.parkLabelled.func1" for f in p.frames(s)):
                    labels[tuple(sorted((k, *v) for k, v in s.labels.items() if k in ("kind", "shard", "empty")))] += s.values[0]
            theirs = pprof.decode(w.theirs("goroutine"))
            wanted = collections.Counter()
            for s in theirs.samples:
                if any(f.name == "main.parkLabelled.func1" for f in theirs.frames(s)):
                    wanted[tuple(sorted((k, *v) for k, v in s.labels.items()))] += s.values[0]
            self.assertEqual(labels, wanted)
            self.assertEqual(sum(wanted.values()), 4)

    def test_of_those_at_rest_nearly_all_are_gos_on_a_node_that_goes_on_working(self):
        total = equal = 0
        with self.watched("-each", 10, "-many", 1000, "-churn", 4, "-alloc", 1, "-gc", "50ms") as w:
            at_rest(w)
            for _ in range(4):
                result = w.bracket("goroutine?debug=2")
                total, equal = total + result.total, equal + result.equal
                for bad in result.bad[:3]:
                    print(f"        {bad[:300]}", flush=True)
        print(f"        {equal} of {total} equal", flush=True)
        self.assertGreater(total, 4000)
        self.assertGreaterEqual(equal, 0.999 * total)

    def test_a_running_goroutine_is_seen_or_counted(self):
        with self.watched("-each", 1, "-spin", 2) as w:
            p = w.snapshot("goroutine")
            spinning = sum(s.values[0] for s in p.samples if any(f.name == "main.busySpin" for f in p.frames(s)))
            unread = p.comment(r"(\d+) .*(?:unread|not read|without a stack)")
            print(f"        {spinning} of 2 seen; {unread[0] if unread else 'none is said to be unread'}", flush=True)
            self.assertEqual(spinning + (int(unread[1]) if unread else 0), 2, p.comments)
            dump = gotext.stacks(w.ours("goroutine?debug=2"))
            self.assertGreaterEqual(len([g for g in dump.values() if g.state in ("running", "runnable")]), 2)

    def test_goroutines_that_the_runtime_found_leaked(self):
        try:
            toolchain = self.local if self.local.minor >= 27 else golang.fetched(golang.VERSIONS[-1])
        except targets.Missing as e:
            self.skipTest(str(e))
        with self.watched("-each", 2, toolchain=toolchain) as w:
            at_rest(w)
            self.assertEqual(gotext.counts(w.ours("goroutineleak?debug=1")).total, 0, "nobody has asked the runtime to look yet")
            # Go's own answer looks for them, and they stay marked.
            before, ours, after = (gotext.counts(ask("goroutineleak?debug=1")) for ask in (w.theirs, w.ours, w.theirs))
            gosame.counts(before, ours, after).check(self, 5)
            self.assertEqual(sum(s.values[0] for s in w.snapshot("goroutineleak").samples), ours.total)

    def test_a_go_that_does_not_look_for_leaks_has_no_such_profile(self):
        if self.local.minor >= 26:
            try:
                toolchain = golang.fetched("1.20.14")
            except targets.Missing as e:
                self.skipTest(str(e))
        else:
            toolchain = self.local
        with self.watched(toolchain=toolchain) as w:
            self.assertEqual(w.service.get("goroutineleak").status, 404)

    def test_a_hundred_thousand(self):
        with self.watched("-many", 100_000) as w:
            at_rest(w)
            for path in ("goroutine?debug=1", "goroutine", "goroutine?debug=2"):
                result = w.same(self, path)
                print(f"        {result}", flush=True)
            counts = gotext.counts(w.ours("goroutine?debug=1"))
            self.assertGreaterEqual(counts.total, 100_000)

    def test_the_count_on_the_index_page_is_the_number_of_goroutines(self):
        with self.watched("-many", 100) as w:
            w.ours("goroutine")
            page = w.service.get("").body.decode()
            self.assertRegex(page, r"<td>\d+</td><td><a href='goroutine\?debug=1'>goroutine</a>")


if __name__ == "__main__":
    case.main(deadline=1480)
