"""Other events than the clock, by libpfm4's names, and other rates."""
import time

from lib import case, service, shares, targets


class Events(case.Case):
    @classmethod
    def prepare(cls):
        cls.target = cls.enter(targets.start("faults", 80))
        cls.service = cls.enter(service.Service(cls.target.pid))

    def leaf_of(self, p, name):
        """Share of the samples with the function anywhere in the stack."""
        return p.share(lambda f: shares.short(f.name) == name)

    def test_cpu_clock_is_a_clock_too(self):
        p = self.service.profile(2, "&event=cpu-clock")
        self.assertGreater(p.total(), 20)

    def test_page_faults_are_where_memory_is_touched(self):
        p = self.service.profile(2, "&event=page-faults", clock=False)
        kind, unit = p.sample_types[-1]
        self.assertEqual(p.sample_types[0], ("samples", "count"))
        self.assertEqual((kind, unit), ("page-faults", "count"))
        self.assertEqual(p.period_type[0], "page-faults")
        self.assertGreater(p.total(), 10)
        self.assertGreater(self.leaf_of(p, "touch_memory"), 0.95)
        # Each sample stands for its period's worth of faults.
        self.assertGreaterEqual(p.total(1), p.total(0))

    def test_context_switches_are_where_it_sleeps(self):
        p = self.service.profile(2, "&event=context-switches", clock=False)
        self.assertEqual(p.sample_types[-1], ("context-switches", "count"))
        self.assertGreater(p.total(), 10)
        # The rest: a full CPU takes the node off in the middle of its work.
        self.assertGreater(self.leaf_of(p, "take_naps"), 0.5)

    def test_a_name_that_nobody_knows_is_400_with_the_near_ones(self):
        a = self.service.get("profile?seconds=1&event=page-fualts")
        self.assertEqual(a.status, 400, a.body)
        self.assertEqual(a.headers["X-Go-Pprof"], "1")
        self.assertIn(b"page-faults", a.body)
        self.assertLess(a.seconds, 2)

    def test_names_that_break_things_are_refused(self):
        for name in ("%00", "a" * 3000, "%ff%fe", "..%2f..", "%0a", "cycles%3b", "::", "r1"):
            a = self.service.get(f"profile?seconds=1&event={name}")
            self.assertIn(a.status, (400, 431, 414, 503), name)

    def test_a_hardware_event_works_or_says_why_not(self):
        a = self.service.get("profile?seconds=1&event=cycles")
        if a.status == 200:
            self.service.decoded(a, clock=False)
        else:
            self.assertIn(a.status, (400, 503), a.body)
            self.assertRegex(a.body.decode().lower(), "cycles.*|pmu|hardware|not supported")
            self.assertEqual(a.headers["X-Go-Pprof"], "1")

    def test_hz_sets_the_period(self):
        p = self.service.profile(2, "&hz=500")
        self.assertEqual(p.period, 2_000_000)
        slow = self.service.profile(2, "&hz=20")
        self.assertEqual(slow.period, 50_000_000)
        self.assertGreater(p.total(), 5 * slow.total())
        # CPU time is the same, however finely it is looked at: within four sd of the slow one's count.
        self.assertLess(abs(p.total(1) - slow.total(1)), 0.35 * p.total(1))

    def test_hz_out_of_bounds_is_400(self):
        for hz in ("0", "1001", "-5", "x", "1e3"):
            a = self.service.get(f"profile?seconds=1&hz={hz}")
            self.assertEqual(a.status, 400, (hz, a.body))

    def test_a_fifth_set_of_events_is_503(self):
        four = [self.service.later(f"profile?seconds=3&hz={hz}") for hz in (50, 60, 70, 80)]
        time.sleep(1)
        a = self.service.get("profile?seconds=1&hz=90")
        self.assertEqual(a.status, 503, a.body)
        self.assertGreater(int(a.headers["Retry-After"]), 0)
        same = self.service.later("profile?seconds=1&hz=60")
        self.assertEqual(same.result(20).status, 200, "a set that is in use takes more windows")
        self.assertEqual([f.result(20).status for f in four], [200] * 4)


if __name__ == "__main__":
    case.main()
