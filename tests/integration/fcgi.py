"""pprofd-fcgi alone, behind lighttpd: the other two processes are played by a program that misbehaves as told."""
import gzip
import os
import signal
import socket
import time

from lib import case, front, pprof, service

TEXT = "text/plain; charset=utf-8"


def frames_of(p, sample):
    return [f.name for f in p.frames(sample)]


class Base(case.Case):
    names = "ok"
    more = {}

    @classmethod
    def prepare(cls):
        cls.front = cls.enter(front.Front(front.simple(), names=cls.names, **cls.more))

    def get(self, *a, **k):
        return self.front.get(*a, **k)

    def profile(self, query="", **more):
        return self.front.decoded(self.get(f"profile?seconds=0.2{query}"), **more)

    def assertRefused(self, answer, status, *words):
        self.assertEqual(answer.status, status, answer.body[:300])
        self.assertEqual((answer.headers["Content-Type"], answer.headers["X-Go-Pprof"]), (TEXT, "1"))
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertTrue(answer.body.endswith(b"\n"))
        for w in words:
            self.assertIn(w, answer.body.decode())


class Profile(Base):
    def test_what_the_collector_and_the_symbolizer_say_is_in_the_profile(self):
        p = self.profile()
        found = {tuple(frames_of(p, s)): s for s in p.samples}
        self.assertEqual(set(found), {
            ("inner", "hot(int)", "middle", "main"),
            ("ksys_write", "write", "main"),
            ("__vdso_clock_gettime", "main"),
            ("jsé\\xff\\x0a:loop", "[truncated: 512 frames]"),
            ("[server]+0x3abc",),
            ("[unknown]",),
        })
        hot = found["inner", "hot(int)", "middle", "main"]
        self.assertEqual(hot.values, (50, 500_000_000))
        self.assertEqual((hot.labels["tid"], hot.labels["thread"]), ([(4711, "")], ["server"]))
        outer = p.frames(hot)[1]
        self.assertEqual(outer[:5], ("hot(int)", "_Z3hoti", "/src/a.cc", 12, 10))
        self.assertEqual([s.labels.get("stack") for s in p.samples].count(["late"]), 1)
        self.assertEqual([s.labels.get("stack") for s in p.samples].count(["guess", "late"]), 1)

    def test_the_main_pie_comes_first_with_link_time_addresses_and_the_others_with_their_rows(self):
        p = self.profile()
        main, libc = p.mappings[1], p.mappings[2]
        self.assertEqual((main.file, main.start, main.limit, main.offset), ("/usr/bin/server", 0, 0, 0))
        self.assertEqual(main.build_id, "aa" * 20)
        self.assertEqual((libc.file, libc.start, libc.limit, libc.offset),
                         ("/usr/lib/libc.so.6", 0x7f0000028000, 0x7f0000190000, 0x28000))
        self.assertEqual([m.file for m in p.mappings.values()][2:], ["[kernel.kallsyms]", "[vdso]", "[jit]", "[pprofd]"])
        addresses = {f.name: f.address for s in p.samples for f in p.frames(s)}
        self.assertEqual((addresses["main"], addresses["write"]), (0x22ff, 0x7f0000028777))

    def test_comments_tell_what_is_missing(self):
        p = self.profile()
        for line in ("pprofd .*: task-clock at 100 Hz.*node node, pid 4711, /usr/bin/server", "^samples: 90$", r"^lost: 3 \(",
                     "^late: 2 ", "^guessed: 1 ", "^truncated: 0", r"root: 90 \(100.00 %\)", "^frames without a symbol: ",
                     "^CPU clock: ", "^a note of the collector$", "^names of /usr/lib/libc.so.6: no debug file"):
            self.assertIsNotNone(p.comment(line), (line, p.comments))

    def test_the_rate_and_the_event_are_passed_on(self):
        p = self.front.decoded(self.get("profile?seconds=0.2&hz=250&event=cpu-clock"))
        self.assertEqual(p.period, 4_000_000)
        self.assertIsNotNone(p.comment("cpu-clock at 250 Hz"))

    def test_a_counter_has_its_own_type(self):
        p = self.profile("&event=counter", clock=False)
        self.assertEqual(p.sample_types, [("samples", "count"), ("instructions", "count")])
        self.assertEqual((p.period_type, p.period), (("instructions", "count"), 1))
        self.assertEqual(p.samples[0].values, (50, 500_000_000))

    def test_an_exit_in_the_window_is_said(self):
        self.assertIsNotNone(self.profile("&event=exit").comment("ended after 0.1.*the node exited"))

    def test_a_window_without_samples_is_a_profile(self):
        p = self.profile("&event=empty")
        self.assertEqual((p.samples, p.total()), ([], 0))
        self.assertIsNotNone(p.comment("^samples: 0$"))

    def test_the_page_tells_who_the_node_is_and_what_could_not_be_had(self):
        page = self.get("").body.decode()
        for words in ("Types of profiles available:", "/usr/bin/server", "4711", "2023-11-14 22:13:20 UTC",
                      "grant CAP_PERFMON &amp; &lt;more&gt;"):
            self.assertIn(words, page)
        self.assertNotIn("<more>", page)

    def test_cmdline_keeps_what_may_be_secret(self):
        self.assertEqual(self.get("cmdline").body, b"/usr/bin/server\0[redacted]\0[redacted]")

    def test_symbol_names_the_innermost_function_and_never_the_kernels(self):
        asked = "0x555500001100+0x5555000012ff+junk+0xffffffff80001234+0x1+0x0x+%d+" % 0x555500001100 + "0x555500001100"
        want = ("num_symbols: 1\n0x555500001100 inner\n0x5555000012ff main\n"
                "0x555500001100 inner\n0x555500001100 inner\n")
        self.assertEqual(self.get(f"symbol?{asked}").body.decode(), want)
        self.assertEqual(self.get("symbol", "POST", asked.encode()).body.decode(), want)

    def test_ten_thousand_addresses_are_named(self):
        asked = "+".join(["0x5555000012ff"] * 10100)
        body = self.get("symbol", "POST", asked.encode()).body
        self.assertEqual(body, b"num_symbols: 1\n" + b"0x5555000012ff main\n" * 10000)
        self.assertRefused(self.get("symbol", "POST", b"1" * 300000), 413, "262144")

    def test_a_hundred_short_requests_are_answered_and_their_time_is_told(self):
        began = time.monotonic()
        for _ in range(50):
            self.assertEqual(self.get("cmdline").status, 200)
            self.assertEqual(self.get("").status, 200)
        print(f"        {(time.monotonic() - began) * 10:.1f} ms a short request")


class Trouble(Base):
    def test_a_refusal_is_passed_on_without_control_characters(self):
        a = self.get("profile?event=refuse")
        self.assertRefused(a, 503, "all windows are taken \\x1b[31m")
        self.assertEqual(a.headers["Retry-After"], "7")

    def test_a_refusal_that_is_none_is_503(self):
        self.assertRefused(self.get("profile?event=refuse-oddly"), 503)

    def test_a_collector_that_dies_in_the_window_ends_it_with_503(self):
        a = self.get("profile?seconds=20&event=die")
        self.assertRefused(a, 503, "went away while the window was open")
        self.assertLess(a.seconds, 2)

    def test_a_collector_that_talks_nonsense_ends_the_window_with_503(self):
        for event in ("garbage", "unknown-map", "unknown-stack", "short", "order"):
            with self.subTest(event):
                a = self.get(f"profile?seconds=20&event={event}")
                self.assertRefused(a, 503, "the collector sent")
                self.assertLess(a.seconds, 2)
        self.profile()

    def test_a_flood_is_refused_before_it_fills_the_memory(self):
        a = self.get("profile?seconds=20&event=flood")
        self.assertRefused(a, 503, "more than 64 MB")
        resident = int(service.status_of(self.front.pid("fcgi"))["VmHWM"].split()[0])
        self.assertLess(resident, 160_000)
        self.profile()

    def test_head_opens_no_window_and_bad_parameters_neither(self):
        before = len(self.front.said("^window"))
        self.assertEqual(self.get("profile?seconds=20", "HEAD").status, 200)
        for bad in ("seconds=1e21", "hz=0", "hz=x", "event=%C3%A9", "seconds=%2", "a=%zz"):
            self.assertRefused(self.get(f"profile?{bad}"), 400)
        self.assertEqual(len(self.front.said("^window")), before)


HEAP_TEXT = """heap profile: 11: 136 [15: 200] @ heap/2
6: 96 [10: 160] @ 0x401010 0x402020 0x403030
#\t0x40201f\tmain.leaf+0x1f\t/src/a.go:20
#\t0x40302f\tmain.main+0x2f\t/src/a.go:30

5: 40 [5: 40] @ 0x401010 0x403030
#\t0x40302f\tmain.main+0x2f\t/src/a.go:30

"""

DUMP = """goroutine 1 [sleep]:
main.main(...)
\t/src/a.go:30 +0x30

goroutine 7 [chan receive, 1 minutes]:
main.leaf(...)
\t/src/a.go:20 +0x20
created by main.main in goroutine 1
\t/src/a.go:30 +0x30

goroutine 8 [chan receive]:
main.leaf(...)
\t/src/a.go:20 +0x20
created by main.main in goroutine 1
\t/src/a.go:30 +0x30
"""


class Go(Base):
    """What a Go node's runtime has recorded: the fake hands out readings as a script has them."""

    @classmethod
    def prepare(cls):
        cls.front = cls.enter(front.Front(front.go()))

    def setUp(self):
        super().setUp()
        self.reads = len(self.front.said("^read"))

    def decoded(self, path):
        a = self.get(path)
        self.assertEqual((a.status, a.headers["Content-Type"]), (200, "application/octet-stream"), a.body[:300])
        self.assertIsNone(a.headers["Content-Encoding"])
        p = pprof.decode(a.body)
        name = path.partition("?")[0]
        self.assertIn(f'filename="{name}', a.headers["Content-Disposition"])
        self.assertGreater(p.time_nanos, 0)
        return p

    def text(self, path):
        a = self.get(path)
        self.assertEqual((a.status, a.headers["Content-Type"], a.headers["Content-Disposition"]), (200, TEXT, None))
        return a.body.decode()

    def samples(self, p):
        return [(frames_of(p, s), s.values) for s in p.samples]

    def test_a_heap_profile_is_gos(self):
        s = front.go()
        s.lines = [l.replace("160\t4\t64\t1", "160\t4\t64\t0") for l in s.lines]
        with front.Front(s) as f:
            self.assertEqual(f.get("heap?debug=1").body.decode(), HEAP_TEXT)
            p = pprof.decode(f.get("heap").body)
            self.assertEqual(self.samples(p), [(["main.leaf", "main.main"], (10, 160, 6, 96)), (["main.main"], (5, 40, 5, 40))])
            self.assertEqual([t for t, _ in p.sample_types], ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"])
            self.assertEqual((p.period_type, p.period, p.default_sample_type, p.duration_nanos), (("space", "bytes"), 1, "", 0))
            self.assertEqual([s.labels["bytes"] for s in p.samples], [[(16, "")], [(8, "")]])
            self.assertEqual(pprof.decode(f.get("allocs").body).default_sample_type, "alloc_space")
            self.assertIsNotNone(p.comment("heap of a Go program, go1.21; node node, pid 4711, /usr/bin/gonode"))
            self.assertIsNotNone(pprof.decode(f.get("heap?gc=1").body).comment("^gc=1: "))

    def test_goroutines_are_counted_and_told_one_by_one(self):
        p = self.decoded("goroutine")
        self.assertEqual(self.samples(p), [(["runtime.gopark", "main.leaf"], (2,)), (["runtime.gopark", "main.main"], (1,))])
        self.assertEqual([s.labels for s in p.samples], [{"k": ["v"]}, {}])
        self.assertEqual((p.sample_types, p.period), ([("goroutine", "count")], 1))
        self.assertTrue(self.text("goroutine?debug=1").startswith(
            'goroutine profile: total 3\n2 @ 0x404040 0x402020\n# labels: {"k":"v"}\n#\t0x40201f\tmain.leaf+0x1f\t/src/a.go:20\n\n1 @ '))
        self.assertEqual(self.text("goroutine?debug=2"), DUMP)
        self.assertEqual(self.text("goroutine?debug=3"), DUMP)
        self.assertEqual(self.front.said("^read.*$")[self.reads:], ["read 4242: kind 3 for 0 ms"] * 4)

    def test_threads_without_a_stack_have_a_frame_for_readers(self):
        self.assertEqual(self.samples(self.decoded("threadcreate")), [(["[unknown]"], (2,))])
        self.assertEqual(self.text("threadcreate?debug=1"), "threadcreate profile: total 2\n2 @\n#\t0x0\n\n")

    def test_cycles_are_times_and_a_rate_of_zero_is_explained(self):
        n, delay = self.samples(self.decoded("block"))[0][1]
        self.assertEqual(delay, n * 1000)
        p = self.decoded("mutex")
        self.assertEqual(p.samples, [])
        self.assertIsNotNone(p.comment("SetMutexProfileFraction"))
        self.assertEqual(self.text("mutex?debug=1"), "--- mutex:\ncycles/second=1000000000\nsampling period=0\n")

    def test_a_window_is_the_difference_of_two_readings(self):
        p = self.decoded("heap?seconds=1")
        self.assertEqual(self.samples(p), [(["main.leaf", "main.main"], (10, 160, 6, 96))])
        self.assertTrue(0.9e9 < p.duration_nanos < 5e9, p.duration_nanos)
        self.assertEqual(self.front.said("^read.*$")[self.reads:], ["read 4242: kind 0 for 0 ms"] * 2)
        p = self.decoded("allocs?seconds=1&delta=alloc")
        values = {tuple(f): v for f, v in self.samples(p)}
        self.assertEqual(values["main.leaf", "main.main"][:2], (10, 160))
        self.assertEqual(values["main.main",], (0, 0, 5, 40))
        self.assertEqual(self.samples(self.decoded("goroutine?seconds=1")), [])

    def test_an_estimate_looks_for_as_long_as_it_is_told_to(self):
        p = self.decoded("block?estimate=1&seconds=3")
        self.assertEqual((self.samples(p)[0][1], p.duration_nanos), ((2, 777), 3_000_000_000))
        self.assertIsNotNone(p.comment("an estimate"))
        self.decoded("block?estimate=1")
        self.assertEqual(self.front.said("^read.*$")[self.reads:], ["read 4242: kind 6 for 3000 ms", "read 4242: kind 6 for 10000 ms"])

    def test_an_armed_window_is_disarmed_at_its_end_and_when_the_client_goes(self):
        n = len(self.front.said("^armed"))
        p = self.decoded("block?arm=1&seconds=1")
        self.assertEqual(self.samples(p)[0][1], (3, 3000))
        self.assertIsNotNone(p.comment("the rate was 0"))
        self.front.await_said("^disarmed 1", n + 1, 5)
        s = socket.create_connection(("127.0.0.1", self.front.port))
        s.sendall(b"GET /debug/pprof/mutex?arm=1&seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n")
        self.front.await_said("^armed 2 at rate 1", 1, 5)
        s.close()
        self.front.await_said("^disarmed 2", 1, 5)

    def test_the_reasons_of_the_others_are_handed_on(self):
        self.assertRefused(self.get("goroutineleak"), 501, "go1.21 has no goroutineleak profile")
        for line, status, path in ((("memory_refused", 503, "the node is not running"), 503, "heap"),
                                   (("unread", front.HEAP, 501, "server is not a Go program"), 501, "heap?debug=1"),
                                   (("unarmed", 403, "allow_arm = no"), 403, "block?arm=1&seconds=1")):
            s = front.go()
            getattr(s, line[0])(*line[1:])
            with front.Front(s) as f:
                self.assertRefused(f.get(path), status, line[-1])

    def test_head_reads_nothing(self):
        self.assertEqual(self.get("heap", "HEAD").status, 200)
        self.assertEqual(self.front.said("^read.*$")[self.reads:], [])


class NoNames(Base):
    """What each way of a symbolizer to fail costs: names, and a sentence."""

    def run_with(self, names, comment, slowest):
        with front.Front(front.simple(), names=names) as f:
            a = f.get("profile?seconds=0.2")
            p = f.decoded(a)
            self.assertEqual(p.total(), 90)
            self.assertLess(a.seconds, slowest)
            if comment:
                self.assertIsNotNone(p.comment(comment), p.comments)
            return p

    def test_without_a_symbolizer_addresses_stand_for_names(self):
        p = self.run_with("absent", "no names: the symbolizer is not running", 1)
        self.assertIn("[server]+0x12ff", p.names())
        self.assertIn("[kernel.kallsyms]+0xffffffff80001234", p.names())
        # Nothing is known of the file's layout: the main map keeps its row.
        self.assertEqual((p.mappings[1].file, p.mappings[1].start), ("/usr/bin/server", 0x555500001000))

    def test_a_silent_symbolizer_is_waited_for_two_seconds(self):
        p = self.run_with("silent", "addresses for which no name came in time: 8", 3)
        self.assertIn("[libc.so.6]+0x28777", p.names())

    def test_a_symbolizer_that_dies_leaves_addresses(self):
        self.run_with("die", "the symbolizer went away", 1)

    def test_an_object_that_the_symbolizer_does_not_know_is_said(self):
        self.run_with("unknown", "names of /usr/bin/server: the symbolizer does not know", 1)

    def test_answers_that_nobody_asked_for_are_not_believed(self):
        p = self.run_with("lies", "sent what cannot be right", 1)
        self.assertNotIn("inlinedHelper0", p.names())

    def test_a_busy_symbolizer_is_asked_again(self):
        self.assertIn("hot(int)", self.run_with("busy", None, 2).names())

    prepare = classmethod(lambda cls: None)


class NoCollector(Base):
    more = {"collector": False}

    def test_without_a_collector_there_is_a_reason_and_a_remedy(self):
        for path in ("profile?seconds=1", "cmdline", "symbol?0x1234"):
            self.assertRefused(self.get(path), 503, "the collector is not running", "start pprofd-collector")
        page = self.get("")
        self.assertEqual(page.status, 200)
        self.assertIn(b"the collector is not running", page.body)
        self.assertEqual(self.get("symbol").body, b"num_symbols: 1\n")


class ManyAndGone(Base):
    def test_fifty_windows_wait_without_work_and_all_answer(self):
        pid = self.front.pid("fcgi")
        fifty = [self.front.later("profile?seconds=3") for _ in range(50)]
        time.sleep(1)
        before = cpu_seconds(pid)
        time.sleep(1.5)
        waiting = cpu_seconds(pid) - before
        self.assertEqual([f.result(20).status for f in fifty], [200] * 50)
        self.assertLess(waiting, 0.1, "a window's thread must be blocked, not busy")

    def test_a_hundred_clients_that_hang_up_at_once_are_all_noticed(self):
        before = len(self.front.said("cancelled"))
        for _ in range(100):
            s = socket.create_connection(("127.0.0.1", self.front.port))
            s.sendall(b"GET /debug/pprof/profile?seconds=60&event=silent HTTP/1.1\r\nHost: x\r\n\r\n")
            s.close()
        self.front.await_said("cancelled", before + 100, 6)
        self.assertEqual(self.get("cmdline").status, 200)

    def test_a_client_that_hangs_up_later_is_noticed_within_two_seconds(self):
        before = len(self.front.said("cancelled"))
        clients = []
        for family, address in ((socket.AF_INET, "127.0.0.1"),) * 5:
            s = socket.create_connection((address, self.front.port))
            s.sendall(b"GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n")
            clients.append(s)
        time.sleep(1.3)
        self.assertEqual(len(self.front.said("cancelled")), before)
        for s in clients:
            s.close()
        self.front.await_said("cancelled", before + 5, 2.2)

    def test_from_the_end_of_a_busy_servers_window_to_the_last_byte_it_takes_milliseconds(self):
        taken = []
        for _ in range(5):
            before = len(self.front.said("ended at"))
            a = self.get("profile?seconds=1&event=big")
            got = front.now_ns()
            self.assertEqual(a.status, 200)
            ended = int(self.front.said(r"ended at (\d+)")[before])
            taken.append((got - ended) / 1e6)
        p = self.front.decoded(a)
        print(f"        1000 stacks, {len(p.locations)} locations, {len(p.functions)} functions, "
              f"{len(a.body)} bytes: {sorted(taken)[len(taken) // 2]:.1f} ms from the window's end to the last byte")
        # Measured 8-16 ms on two CPUs that did much else; the aim is 20.
        self.assertLess(sorted(taken)[len(taken) // 2], 60)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Ending(Base):
    prepare = classmethod(lambda cls: None)

    def test_it_holds_nothing(self):
        with front.Front(front.simple()) as f:
            f.get("profile?seconds=0.1")
            status = service.status_of(f.pid("fcgi"))
            self.assertEqual(set(status["Uid"].split()), {str(service.USERS["fcgi"])})
            self.assertEqual(set(status["Gid"].split()), {str(service.USERS["fcgi"])})
            for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(status[which], 16), 0, which)
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"], status["Groups"]), ("1", "2", ""))
            mode = os.stat(f.run / "fcgi.sock")
            self.assertEqual((mode.st_mode & 0o777, mode.st_uid, mode.st_gid),
                             (0o660, service.USERS["fcgi"], service.USERS["web"]))

    def test_sigterm_lets_short_windows_end_and_tells_the_long_ones(self):
        with front.Front(front.simple()) as f:
            short, long = f.later("profile?seconds=2"), f.later("profile?seconds=60")
            time.sleep(1)
            began = time.monotonic()
            f.processes["fcgi"].send_signal(signal.SIGTERM)
            self.assertEqual(short.result(10).status, 200)
            self.assertRefused(long.result(10), 503, "stopping")
            self.assertEqual(f.processes["fcgi"].wait(5), 0)
            self.assertLess(time.monotonic() - began, 6)

    def test_an_idle_one_ends_at_once(self):
        with front.Front(front.simple()) as f:
            for number in (signal.SIGTERM, signal.SIGINT):
                began = time.monotonic()
                f.processes["fcgi"].send_signal(number)
                self.assertEqual(f.processes["fcgi"].wait(5), 0)
                self.assertLess(time.monotonic() - began, 3)
                f.start("fcgi")
                f.ready()


class SeveralNodes(Base):
    more = {"conf": "[node one]\ntarget = name:server\n[node two]\ntarget = name:other\n[node three]\ntarget = 99\n"}

    @classmethod
    def prepare(cls):
        s = front.simple()
        s.lines = [line for line in s.lines if not line.startswith("node")]
        s.node("two", 5, "other<b>", "/bin/other", front.ABSENT, "no process is called <other>")
        s.node("one", 4711)
        cls.front = front.Front(s, **cls.more)
        del cls.front.env["PPROF_TARGET"]
        cls.enter(cls.front)

    def test_nodes_are_found_by_name_whatever_their_numbers(self):
        self.assertIsNotNone(self.profile().comment("node one, pid 4711"))
        p = self.front.decoded(self.get("/nodes/two/debug/pprof/profile?seconds=0.1"))
        self.assertIsNotNone(p.comment("node two, pid 5, /bin/other"))
        self.assertRefused(self.get("/nodes/three/debug/pprof/profile"), 503, "does not know node three")
        self.assertRefused(self.get("/nodes/four/debug/pprof/profile"), 404)

    def test_the_page_links_all_nodes_and_tells_why_one_cannot_be_sampled(self):
        first = self.get("").body.decode()
        second = self.get("/nodes/two/debug/pprof/").body.decode()
        self.assertIn('href="../../nodes/two/debug/pprof/"', first)
        self.assertIn('href="../../../one/debug/pprof/"', second)
        self.assertIn("no process is called &lt;other&gt;", second)
        self.assertNotIn("other<b>", second)


if __name__ == "__main__":
    case.main()
