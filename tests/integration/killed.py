"""Each of our processes killed in the middle of a window: what it costs, and what goes on."""
import contextlib
import os
import signal
import time

from lib import case, golang, service, shares, targets, wire


def jailed(s):
    return service.children_of(s.pid("symbolizer"))


class Killed(case.Case):
    @classmethod
    def prepare(cls):
        cls.target = cls.enter(targets.start("c_nopie", 85))

    def setUp(self):
        self.service = service.Service(self.target.pid)
        self.service.__enter__()
        self.addCleanup(self.service.stop)

    def test_a_jailed_child_costs_names_only_and_another_takes_its_place(self):
        s = self.service
        clock = shares.Clock(self.target)
        window = s.profile_later(4)
        children = service.wait_until(lambda: jailed(s), 5, "a jailed child")
        time.sleep(1)
        for pid in jailed(s):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        p = window.result(30)
        clock.check(self, p)
        self.assertTrue(children)
        later = service.wait_until(lambda: "hot_leaf" in s.profile(1).names(), 30, "names again")
        self.assertTrue(later)

    def test_every_child_killed_all_the_time_leaves_the_totals_whole(self):
        s = self.service
        clock = shares.Clock(self.target)
        window = s.profile_later(4)
        end = time.monotonic() + 3.8
        while time.monotonic() < end:
            for pid in jailed(s):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        p = window.result(30)
        clock.check(self, p)
        whole = [f for sample in p.samples for f in p.frames(sample) if not f.name]
        self.assertEqual(whole, [])

    def restart_and_use(self, who):
        s = self.service
        s.start(who)
        began = time.monotonic()
        s.ready()
        self.assertLess(time.monotonic() - began, 5, "back soon")
        service.wait_until(lambda: "hot_leaf" in s.profile(1).names(), 10, "names again")
        shares.compare(self, s.profile(2, "&hz=400"), self.target.expect)

    def test_the_symbolizer_killed_costs_the_names_and_comes_back(self):
        s = self.service
        clock = shares.Clock(self.target)
        window = s.profile_later(3)
        time.sleep(1)
        s.kill("symbolizer")
        clock.check(self, window.result(30), outside=3)
        self.restart_and_use("symbolizer")

    def test_the_fcgi_killed_ends_its_requests_with_an_error_and_comes_back(self):
        s = self.service
        window = s.later("profile?seconds=20")
        time.sleep(1)
        s.kill("fcgi")
        self.assertIn(window.result(10).status, (500, 502, 503))
        self.restart_and_use("fcgi")

    def test_the_collector_killed_ends_its_windows_with_an_error_and_comes_back(self):
        s = self.service
        window = s.later("profile?seconds=20")
        time.sleep(1)
        s.kill("collector")
        a = window.result(10)
        self.assertIn(a.status, (500, 502, 503), a.body[:100])
        self.assertEqual(a.headers["X-Go-Pprof"], "1")
        self.assertIn(s.get("profile?seconds=1").status, (500, 502, 503))
        self.restart_and_use("collector")

    def test_lighttpd_killed_ends_the_windows_and_comes_back(self):
        s = self.service
        window = s.later("profile?seconds=20")
        time.sleep(1)
        s.kill("web")
        with self.assertRaises(Exception):
            window.result(10)
        # fcgi must notice that nobody waits any more.
        service.wait_until(lambda: not any("perf_event" in d for d in service.descriptors_of(s.pid("collector"))),
                           3, "the window's end")
        self.restart_and_use("web")


class Memory(case.Case):
    """A reading of a Go node's memory, and what becomes of it when one of those that take part is killed."""

    @classmethod
    def prepare(cls):
        cls.node = cls.enter(golang.start(golang.program(golang.local()), seconds=85))

    def setUp(self):
        self.service = service.Service(self.node.pid)
        self.service.__enter__()
        self.addCleanup(self.service.stop)
        self.connect()
        self.assertEqual(self.read()[0], 200)

    def connect(self):
        self.collector = wire.Connection(self.service, "collector")
        self.addCleanup(self.collector.close)
        self.symbolizer = wire.Connection(self.service, "symbolizer")
        self.addCleanup(self.symbolizer.close)

    def ask(self):
        wire.ask(self.symbolizer, wire.memory(self.collector), wire.GOROUTINE)

    def answer(self):
        _, status, text, fd = wire.reading(self.symbolizer)
        if fd is not None:
            os.close(fd)
        return status, text

    def read(self):
        self.ask()
        return self.answer()

    def child(self):
        return next((c for c in jailed(self.service) if service.status_of(c)["Name"] == "pprofd-memory"), None)

    def ask_a_stopped_child(self):
        """A question that has reached the child, which does nothing about it."""
        os.kill(self.child(), signal.SIGSTOP)
        self.ask()
        symbolizer = self.service.pid("symbolizer")
        service.wait_until(lambda: any("memfd:reading" in d for d in service.descriptors_of(symbolizer)), 10,
                           "the reading's begin")

    def test_its_child_killed_costs_the_reading_and_the_next_one_works(self):
        self.ask_a_stopped_child()
        os.kill(self.child(), signal.SIGKILL)
        status, text = self.answer()
        self.assertEqual(status, 503)
        self.assertIn("its reader was killed (signal 9)", text)
        self.assertEqual(self.read()[0], 200)

    def test_its_child_killed_between_readings_costs_nothing(self):
        first = self.child()
        os.kill(first, signal.SIGKILL)
        service.wait_until(lambda: self.child() != first, 10, "the child's end")
        self.assertEqual(self.read()[0], 200)

    def test_the_collector_killed_costs_the_reading_and_comes_back(self):
        self.ask_a_stopped_child()
        self.service.kill("collector")
        status, text = self.answer()
        self.assertEqual(status, 503)
        self.assertIn("pprofd-collector was restarted", text)
        service.wait_until(lambda: not self.child(), 10, "the child's end")
        self.service.start("collector")
        self.service.ready()
        self.connect()
        self.assertEqual(self.read()[0], 200)

    def test_the_symbolizer_killed_takes_its_child_along_and_comes_back(self):
        self.ask_a_stopped_child()
        child = self.child()
        self.service.kill("symbolizer")
        with self.assertRaises((AssertionError, OSError)):
            self.answer()
        service.wait_until(lambda: not os.path.exists(f"/proc/{child}/mem") or
                           service.status_of(child)["State"].startswith("Z"), 10, "the child's end")
        self.service.start("symbolizer")

        def reads():
            with contextlib.suppress(AssertionError, OSError):
                self.connect()
                return self.read()[0] == 200
        service.wait_until(reads, 20, "a reading again")


if __name__ == "__main__":
    case.main()
