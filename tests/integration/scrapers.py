"""What Parca and Grafana Alloy demand of an answer before they take it, as their sources say."""
from lib import case, pprof, service, targets


class Scrapers(case.Case):
    @classmethod
    def prepare(cls):
        cls.target = cls.enter(targets.start("c_nofp", 60))
        cls.service = cls.enter(service.Service(cls.target.pid))

    def test_parca_takes_the_profile(self):
        # Its target code adds seconds to a shared map: they may come twice. It gives up 3 s after the window.
        a = self.service.get("profile?seconds=2&seconds=2", headers={"User-Agent": "conprof/0.24", "Accept-Encoding": "gzip"})
        self.assertEqual(a.status, 200)
        self.assertLess(a.seconds, 2 + 3)
        self.assertIsNone(a.headers["Content-Encoding"], "the gzip is the file, never the transfer")
        p = pprof.decode(a.body)
        self.assertGreater(p.time_nanos, 0, "timestamp must not be zero")
        self.assertTrue(p.samples)

    def test_alloy_takes_the_profile(self):
        a = self.service.get("profile?seconds=1")
        self.assertTrue(a.headers["Content-Type"].startswith("application/octet-stream"))
        self.assertGreater(len(a.body), 2)
        self.assertEqual(a.body[:2], b"\x1f\x8b")

    def test_pyroscope_drops_none_of_its_samples(self):
        p = self.service.profile(1)
        for l in p.locations.values():
            self.assertIsNotNone(l.mapping, "it drops locations without a mapping, and the samples that use them")
        for s in p.samples:
            self.assertTrue(any(s.values) and all(v >= 0 for v in s.values))

    def test_the_series_have_the_names_that_dashboards_know(self):
        p = self.service.profile(1)
        keys = [":".join(("process_cpu", *t, *p.period_type)) for t in p.sample_types]
        self.assertEqual(keys, ["process_cpu:samples:count:cpu:nanoseconds", "process_cpu:cpu:nanoseconds:cpu:nanoseconds"])

    def test_what_is_not_there_is_an_error_to_them_and_not_an_empty_profile(self):
        for name in ("allocs", "block", "goroutine", "mutex", "heap"):
            self.assertGreaterEqual(self.service.get(name).status, 400)

    def test_their_window_goes_on_next_to_a_persons(self):
        both = [self.service.profile_later(2), self.service.profile_later(3)]
        self.assertTrue(all(b.result(20).samples for b in both))


if __name__ == "__main__":
    case.main()
