"""The total is the process's CPU clock, by thread and by CPU; nodes of many threads, of short-lived ones, in a pid
namespace of their own; and what is said where the filter may not be loaded."""
import os
import re
import time

from lib import case, service, shares, targets

CPUS = os.cpu_count()
BY_CPU = "one event per CPU with a BPF filter"
OWN = {"red", "blue"}  # what the threads of threads.c run in, from their first instruction to their last


def perf_descriptors(s):
    return sum(d == "anon_inode:[perf_event]" for d in service.descriptors_of(s.pid("collector")))


def rest(p):
    """The samples of [unsampled]."""
    return [x for x in p.samples if p.frames(x)[0].name == "[unsampled]"]


def check_total(test, p, node, began):
    """The total is what the comment says of the clock, and that is the node's own, seen from outside."""
    said = p.comment(r"CPU clock: ([\d.]+) s, of which sampled ([\d.]+) s; the difference, ([\d.]+) s")
    test.assertIsNotNone(said, p.comments)
    test.assertLess(abs(p.total(1) / 1e9 - float(said[1])), 0.001)
    test.assertLess(abs(p.total(0) * p.period / 1e9 - float(said[2])), 0.001)
    test.assertLess(abs(sum(x.values[1] for x in rest(p)) / 1e9 - float(said[3])), 0.001)
    for x in rest(p):
        test.assertEqual(x.values[0], 0)
        test.assertEqual(len(x.locations), 1)
    # Before the window opened and after it ended the node went on.
    test.assertLess(p.total(1) / 1e9, node.cpu_seconds() - began + 0.01)


def cpu_test():
    """mode = cpu needs CAP_BPF; root without it (a container) skips."""
    with targets.start("c_nopie", 20) as t, service.Service(t.pid, conf="[collector]\nmode = cpu\n") as s:
        p = s.profile(0.2)
        if not p.comment(BY_CPU):
            raise targets.Missing(f"no BPF filter here: {p.comments}")


class Exact(case.Case):
    @classmethod
    def prepare(cls):
        cpu_test()


class Totals(Exact):
    def test_the_total_is_the_clock_s_by_thread_and_by_cpu(self):
        with targets.start("c_nopie", 60) as t, targets.start("recursion", 60, 20):  # somebody else works too
            for mode in ("thread", "cpu", "auto"):
                with self.subTest(mode), service.Service(t.pid, conf=f"[collector]\nmode = {mode}\n") as s:
                    clock = shares.Clock(t)
                    began = clock.began
                    p = s.profile(3)
                    check_total(self, p, t, began)
                    clock.check(self, p)
                    shares.compare(self, p, t.expect)
                    self.assertEqual(p.comment(BY_CPU) is not None, mode == "cpu", p.comments)
                    self.assertNotIn("descend", p.names())

    def test_each_of_many_windows_comes_to_its_own_clock(self):
        with targets.start("threads", 60, 5) as t, service.Service(t.pid) as s:
            began = t.cpu_seconds()
            asked = [s.profile_later(n / 2) for n in (1, 2, 3, 4)]
            for a in asked:
                check_total(self, a.result(30), t, began)

    def test_scale_off_leaves_the_samples_as_they_came(self):
        with targets.start("crowd", 60, 60) as t, service.Service(t.pid, conf="[collector]\nmode = thread\n") as s:
            p = s.profile(1, "&scale=off")
            self.assertEqual(rest(p), [])
            self.assertEqual(p.total(1), p.total(0) * p.period)
            self.assertIsNotNone(p.comment(r"left out \(scale=off\)"), p.comments)
            self.assertEqual(s.get("profile?seconds=1&scale=1").status, 400)

    def test_what_living_threads_used_beyond_their_samples_is_told_by_thread(self):
        # 40 threads share about a CPU: in a second each has some 20 ms, on two CPUs, with a period of 50 ms.
        with targets.start("crowd", 60, 40) as t, service.Service(t.pid, conf="[collector]\nmode = thread\n") as s:
            began = t.cpu_seconds()
            p = s.profile(2, "&hz=20")
            check_total(self, p, t, began)
            tids = {int(x) for x in os.listdir(f"/proc/{t.pid}/task")}
            named = [x for x in rest(p) if "tid" in x.labels]
            self.assertGreater(len(named), 20)
            for x in named:
                self.assertIn(x.labels["tid"][0][0], tids)
                self.assertEqual(x.labels["thread"], ["crowd"])
            self.assertGreater(sum(x.values[1] for x in named), 0.8 * sum(x.values[1] for x in rest(p)))

    def test_a_mode_that_there_is_not_is_refused(self):
        with self.assertRaisesRegex(AssertionError, "auto, thread or cpu"), service.Service("1", mode="fast"):
            pass


class ShortThreads(Exact):
    def test_threads_of_five_and_one_milliseconds_stand_under_their_own_functions(self):
        for life_ms in (5, 1):
            with self.subTest(life_ms), targets.start("threads", 60, life_ms) as t, service.Service(t.pid) as s:
                began = t.cpu_seconds()
                p = s.profile(3)
                check_total(self, p, t, began)
                self.assertIsNotNone(p.comment(f"then by {BY_CPU}"), p.comments)
                began = t.cpu_seconds()
                p = s.profile(4)
                check_total(self, p, t, began)
                self.assertIsNotNone(p.comment(f"{BY_CPU}: .*earlier window"), p.comments)
                n = p.total()
                # Making threads, and joining them, is the main thread's work.
                made = p.share(lambda f: shares.short(f.name) == "main", 1)
                own = p.share(lambda f: f.name in OWN, 1)
                print(f"        {life_ms} ms: {100 * own:.1f} % under their own functions, {100 * made:.1f} % in main, of {n} samples")
                self.assertGreater(own / (1 - made), 0.90 - shares.tolerance(0.9, n))
                for name, leaf in t.expect["threads"].items():
                    part = p.share(lambda f: shares.short(f.name) == leaf, 1)
                    self.assertGreater(part, 0.2)

    def test_ten_thousand_threads_a_second_are_survived(self):
        with targets.start("storm", 60, 10000) as t:
            for mode in ("auto", "thread"):
                with self.subTest(mode), service.Service(t.pid, conf=f"[collector]\nmode = {mode}\n") as s:
                    for _ in range(2):
                        began = t.cpu_seconds()
                        p = s.profile(2)
                        check_total(self, p, t, began)
                        self.assertIsNotNone(p.comment(r"^lost: \d+"))
                    if mode == "auto":
                        self.assertGreater(p.share(lambda f: f.name == "short_leaf", 1), 0.05)
                        self.assertLess(sum(x.values[1] for x in rest(p)), 0.10 * p.total(1))
                    self.assertEqual(s.get("").status, 200)


class Crowds(Exact):
    def test_five_thousand_threads_need_a_descriptor_for_each_cpu(self):
        with targets.start("crowd", 60, 5000) as t, service.Service(t.pid) as s:
            before = len(service.descriptors_of(s.pid("collector")))
            window = s.profile_later(4)
            service.wait_until(lambda: perf_descriptors(s), 10, "the events")
            self.assertEqual(perf_descriptors(s), CPUS)
            self.assertLessEqual(len(service.descriptors_of(s.pid("collector"))), before + CPUS + 10)
            began = t.cpu_seconds() - 4
            p = window.result(30)
            check_total(self, p, t, began)
            shares.compare(self, p, t.expect)
            self.assertIsNotNone(p.comment(f"{BY_CPU}: 5001 threads"), p.comments)
            self.assertEqual({x.labels["thread"][0] for x in p.samples if "thread" in x.labels}, {"crowd"})

    def test_without_the_filter_too_many_threads_are_refused_with_the_remedy(self):
        drop = ["setpriv", "--bounding-set=-bpf", "--inh-caps=-bpf"]
        with targets.start("crowd", 60, 300) as t:
            with service.Service(t.pid, conf="[collector]\nmax_events = 100\n", before=drop) as s:
                a = s.get("profile?seconds=1")
                self.assertEqual(a.status, 503, a.body)
                self.assertRegex(a.body.decode(), "max_events.*CAP_BPF")
                self.assertRegex(s.get("").body.decode(), "CAP_BPF is missing")
            with service.Service(t.pid, conf="[collector]\nmode = cpu\n", before=drop) as s:
                began = t.cpu_seconds()
                p = s.profile(2)
                check_total(self, p, t, began)
                self.assertIsNotNone(p.comment("sampled by thread, and not by one event per CPU: .*CAP_BPF"), p.comments)


class Namespaces(Exact):
    def test_a_collector_in_a_pid_namespace_of_its_own_finds_its_node(self):
        targets.need("unshare", "nsenter")
        path = targets.build("c_nopie")
        inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "unchanged", "sh", "-c",
                  'mount -t proc proc /proc && "$@" & exec "$0" 60', path, path, "60"]
        with targets.Target(inside) as t:
            first = service.wait_until(lambda: service.children_of(t.pid), 10, "the namespace")[0]
            others = service.wait_until(lambda: service.children_of(first), 10, "the other one")
            number = int(service.status_of(first)["NSpid"].split()[-1])
            self.assertEqual(number, 1)
            enter = ["nsenter", f"--target={first}", "--pid", "--mount"]
            for mode in ("cpu", "auto"):
                with self.subTest(mode), service.Service(number, conf=f"[collector]\nmode = {mode}\n", before=enter) as s:
                    began = time.clock_gettime((~first << 3) | 2)
                    p = s.profile(3)
                    used = time.clock_gettime((~first << 3) | 2) - began
                    self.assertLess(p.total(1) / 1e9, used + 0.01)
                    self.assertGreater(p.total(1) / 1e9, 0.5 * used)
                    shares.compare(self, p, t.expect)
                    self.assertEqual(p.comment(BY_CPU) is not None, mode == "cpu", p.comments)
                    self.assertTrue(re.search(r"pid 1,", p.comments[0]), p.comments[0])
            self.assertTrue(others, "the other one of the same program, whose samples are not ours")


if __name__ == "__main__":
    case.main(150)
