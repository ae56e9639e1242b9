"""Go nodes whose profiles are switched off: by the linker, or by a rate of 0. What we answer then, and what can be had all the same.

# timeout: 300
"""
import collections

from lib import case, golang, gonode, gosame, gotext, pprof, service


class GoDisabled(case.Case):
    @classmethod
    def prepare(cls):
        cls.local = golang.local()

    def watched(self, *flags, silent=False, form="stripped", **more):
        return gonode.Watched(golang.start(golang.program(self.local, form, silent), *flags), **more)

    # ---- heap

    def test_a_heap_profile_that_was_never_linked_is_empty_and_says_why(self):
        for form in ("stripped", "cgo pie"):
            with self.subTest(form), self.watched("-each", 1, "-buckets", 100, silent=True, form=form) as w:
                for name in ("heap", "allocs"):
                    p = w.snapshot(name)
                    self.assertEqual([s for s in p.samples if any(s.values)], [])
                    self.assertEqual([t for t, _ in p.sample_types], ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"])
                    self.assertTrue(p.comment(r"(?i)heap profiling.*(off|disabled|not)|MemProfileRate"), p.comments)
                    text = gotext.heap(w.ours(f"{name}?debug=1"))
                    # Go never lets the two halves be equal: readers would take it for another form.
                    self.assertEqual((text.total[:3], text.rows), ((0, 0, 0), []))

    def test_a_rate_of_zero_is_empty_and_says_so(self):
        with self.watched("-norate", "-buckets", 100) as w:
            p = w.snapshot("heap")
            self.assertEqual([s for s in p.samples if any(s.values)], [])
            self.assertTrue(p.comment("MemProfileRate"), p.comments)
            self.assertEqual(gotext.heap(w.ours("heap?debug=1")).rate, gotext.heap(w.theirs("heap?debug=1")).rate)

    def test_goroutines_of_a_program_without_any_profiling_code_are_all_there(self):
        with self.watched("-each", 2, silent=True) as w:
            def parked():
                dump = gotext.stacks(w.node.ask("/stack"))
                return all(g.state not in ("runnable", "running") for g in dump.values()
                           if any(c.function.startswith("main.park") for c in g.frames))
            service.wait_until(parked, 20, "goroutines that are parked")
            before, ours, after = (gotext.stacks(x) for x in (w.node.ask("/stack"), w.ours("goroutine?debug=2"), w.node.ask("/stack")))
            gosame.stacks(before, ours, after).check(self, 50)
            self.assertGreater(gotext.counts(w.ours("goroutine?debug=1")).total, 50)

    # ---- block and mutex

    def test_block_and_mutex_without_a_rate_are_gos_own_empty_ones_and_say_how_to_get_data(self):
        with self.watched("-each", 1, "-contend", 3) as w:
            for name in ("block", "mutex"):
                w.same(self, f"{name}?debug=1", least=0)
                w.same(self, name, least=0)
                p = w.snapshot(name)
                self.assertEqual(p.samples, [])
                self.assertTrue(p.comment("SetBlockProfileRate" if name == "block" else "SetMutexProfileFraction"), p.comments)
                if name == "block":
                    self.assertTrue(p.comment("estimate=1"), p.comments)

    def test_an_estimate_of_block_is_near_what_the_runtime_measures(self):
        """Both look at the same seconds of a node whose waits take milliseconds; the estimate looks some times a second."""
        with self.watched("-fight", 4, "-each", 1, "-blockrate", 1) as w:
            theirs = w.service.pool.submit(w.theirs, "block?seconds=10")
            ours = pprof.decode(w.service.get("block?estimate=1&seconds=10", timeout=60).body)
            truth = pprof.decode(theirs.result(60))
            self.assertEqual(ours.sample_types, [("contentions", "count"), ("delay", "nanoseconds")])

            def seconds(p, still):
                out = collections.Counter()
                for s in p.samples:
                    if ("status" in s.labels) == still:
                        for name in {f.name for f in p.frames(s)}:
                            out[name] += s.values[1] / 1e9
                return out
            done, wanted = seconds(ours, False), seconds(truth, False)
            print(f"        in main.busyFight {done['main.busyFight']:.2f} s, the runtime says {wanted['main.busyFight']:.2f} s", flush=True)
            # 100 looks and more at 8 goroutines: a share of half is known to some per cent; the windows differ a little.
            self.assertGreater(done["main.busyFight"], 0.6 * wanted["main.busyFight"])
            self.assertLess(done["main.busyFight"], 1.4 * wanted["main.busyFight"])
            # Who was parked all the time has completed no wait: the runtime's profile does not have it.
            still = seconds(ours, True)
            self.assertGreater(still["main.parkReceive"], 5)
            self.assertEqual(done["main.parkReceive"], 0)
            self.assertTrue(ours.comment("(?i)estimate"), ours.comments)

    def test_a_rate_is_not_set_unless_the_configuration_allows_it(self):
        with self.watched("-fight", 1) as w:
            for name in ("block", "mutex"):
                answer = w.service.get(f"{name}?arm=1&seconds=1")
                self.assertIn(answer.status, (400, 403), answer.body[:200])
                self.assertEqual(answer.headers["X-Go-Pprof"], "1")
            self.assertEqual(w.node.ask("/fraction"), "0")


if __name__ == "__main__":
    case.main(deadline=280)
