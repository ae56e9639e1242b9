"""Differences over a window (?seconds=N) of heap, allocs, goroutine, block, mutex and threadcreate of a Go node.

What is refused is refused with Go's own words, in Go's order; what is in the window is told by what the node did in it.

# timeout: 300
"""
from lib import case, golang, gonode, pprof

NAMES = ("allocs", "block", "goroutine", "heap", "mutex", "threadcreate")
# Queries that Go refuses, each for one or for two reasons.
REFUSED = ("seconds=0", "seconds=-1", "seconds=x", "seconds=1.5", "seconds=1&debug=1", "seconds=0&debug=1", "seconds=1&debug=2",
           "seconds=99999999999999999999", "seconds=1%20", "seconds=%2B0")


class GoDelta(case.Case):
    @classmethod
    def prepare(cls):
        path = golang.program(golang.local(), "stripped")
        node = golang.start(path, "-each", 2, "-contend", 3, "-memrate", 1, "-blockrate", 1, "-mutexfraction", 1)
        cls.w = cls.enter(gonode.Watched(node))

    def window(self, path, during=None):
        """The profile of a window in which something is done: it is begun once the answer is on its way."""
        later = self.w.service.later(path, timeout=60)
        if during:
            self.w.service.pool.submit(self.during, later, during)
        return pprof.decode(gonode.body_of(later.result(60), path))

    def during(self, later, what):
        # Again and again until the window is over: so it is in the window, wherever that begins.
        while not later.done():
            self.w.node.ask(what)

    def cumulative(self, p, name, value=0):
        return sum(s.values[value] for s in p.samples if any(f.name == name for f in p.frames(s)))

    def test_what_go_refuses_is_refused_with_gos_words(self):
        for name in NAMES:
            for query in REFUSED:
                with self.subTest(f"{name}?{query}"):
                    theirs = gonode.service.request(self.w.node.port, f"/debug/pprof/{name}?{query}")
                    ours = self.w.service.get(f"{name}?{query}")
                    self.assertEqual((ours.status, ours.body), (theirs.status, theirs.body))
                    self.assertEqual(ours.headers["X-Go-Pprof"], "1")
                    self.assertEqual(ours.headers["Content-Type"], theirs.headers["Content-Type"])

    def test_without_a_number_it_is_a_snapshot(self):
        for name in NAMES:
            p = self.w.snapshot(f"{name}?seconds=")
            self.assertEqual(p.duration_nanos, 0)

    def test_each_says_when_it_was_and_how_long(self):
        for name in NAMES:
            with self.subTest(name):
                later = self.w.service.pool.submit(self.w.node.theirs, f"{name}?seconds=1")
                p = self.window(f"{name}?seconds=1")
                theirs = pprof.decode(later.result(30))
                self.assertGreater(p.time_nanos, 0)
                self.assertGreaterEqual(p.duration_nanos, 0.9e9)
                self.assertFalse([s for s in p.samples if not any(s.values)], "a sample that counts nothing")
                self.assertEqual((p.sample_types, p.period_type, p.period), (theirs.sample_types, theirs.period_type, theirs.period))

    def test_a_window_of_block_and_mutex_has_what_was_waited_for_in_it_only(self):
        for name in ("block", "mutex"):
            with self.subTest(name):
                whole = self.w.snapshot(name)
                where = "main.waitReceive" if name == "block" else "main.releaseMutex"
                before = self.cumulative(whole, where)
                p = self.window(f"{name}?seconds=1", "/contend")
                inside = self.cumulative(p, where)
                after = self.cumulative(self.w.snapshot(name), where)
                self.assertGreater(inside, 0)
                self.assertLessEqual(inside, after - before)
                # What the program did before it was asked for anything is not there.
                self.assertEqual(self.cumulative(p, "main.main"), 0)

    def test_a_window_of_allocs_has_what_was_published_in_it(self):
        p = self.window("allocs?seconds=1", "/gc")
        self.assertEqual(self.cumulative(p, "main.fillHeap"), 0)
        self.assertTrue(p.samples, "each request allocates, and each collection publishes it")

    def test_goroutines_that_stay_are_not_in_a_window(self):
        p = self.window("goroutine?seconds=1")
        self.assertEqual([s for s in p.samples if any(f.name.startswith("main.park") for f in p.frames(s))], [])

    def test_delta_alloc_subtracts_only_what_grows(self):
        whole = self.w.snapshot("heap")
        p = self.window("heap?seconds=1&delta=alloc", "/gc")
        in_use = {i for i, (name, _) in enumerate(p.sample_types) if name.startswith("inuse")}
        self.assertEqual(in_use, {2, 3})
        # In use is what is in use, not what became more.
        wanted, got = (sum(s.values[3] for s in x.samples if any(f.name == "main.main" for f in x.frames(s))) for x in (whole, p))
        self.assertEqual(got, wanted)
        self.assertEqual(sum(s.values[1] for s in p.samples if any(f.name == "main.fillHeap" for f in p.frames(s))), 0)
        self.assertTrue(all(v >= 0 for s in p.samples for v in s.values))

    def test_windows_that_overlap_are_served_each(self):
        later = [self.w.service.later("block?seconds=1", timeout=60) for _ in range(8)]
        self.w.node.ask("/contend")
        for answer in later:
            pprof.decode(gonode.body_of(answer.result(60), "block?seconds=1"))


if __name__ == "__main__":
    case.main(deadline=280)
