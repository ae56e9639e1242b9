"""Go's contract for /debug/pprof, request by request, on the wire through lighttpd.

The ids in the comments are those of google/pprof's and net/http/pprof's own tests and of our
experiments against a Go server: H headers and pages, S symbol, C the CPU profile, E errors, M methods.
"""
import gzip
import os
import re
import socket
import time

from lib import case, golang, pprof, service, shares, targets

TEXT = "text/plain; charset=utf-8"
SECRET = "--password=SECRET-canary"
GO_NAMES = ("allocs", "block", "cmdline", "goroutine", "heap", "mutex", "profile", "threadcreate", "trace")
SNAPSHOTS = ("allocs", "block", "goroutine", "heap", "mutex", "threadcreate")


class Contract(case.Case):
    @classmethod
    def prepare(cls):
        path = targets.build("c_nopie")
        env = dict(os.environ, PPD_TEST_TOKEN="canary-of-the-environment")
        cls.target = cls.enter(targets.Target([path, "85", SECRET], env=env))
        cls.service = cls.enter(service.Service(cls.target.pid, max_seconds=40))

    def get(self, *a, **k):
        return self.service.get(*a, **k)

    def assertText(self, answer, status, exactly=None):
        self.assertEqual(answer.status, status, answer.body[:300])
        self.assertEqual(answer.headers["Content-Type"], TEXT)
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertIsNone(answer.headers["Content-Disposition"])
        self.assertIsNone(answer.headers["Content-Encoding"])
        if status >= 400:
            self.assertEqual(answer.headers["X-Go-Pprof"], "1", "go tool pprof would hide the reason")
            self.assertTrue(answer.body.endswith(b"\n"), answer.body)
        if exactly is not None:
            self.assertEqual(answer.body.decode(), exactly)

    # ---- H

    def test_the_index_is_html_and_says_types_of_profiles_available(self):  # H01 H02
        a = self.get()
        self.assertEqual(a.status, 200)
        self.assertEqual(a.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(a.headers["X-Content-Type-Options"], "nosniff")
        self.assertIsNone(a.headers["Content-Disposition"])
        self.assertIn(b"Types of profiles available:", a.body)

    def test_the_index_has_gos_rows_sorted_with_relative_links(self):  # H03
        page = self.get().body.decode()
        rows = re.findall(r"<tr><td>(\d+)</td><td><a href='([^']+)\?debug=1'>([^<]+)</a>", page)
        names = [name for _, _, name in rows]
        self.assertEqual([href for _, href, _ in rows], names)
        self.assertEqual([n for n in names if n in GO_NAMES], list(GO_NAMES))

    def test_the_index_describes_each_profile_and_says_what_is_not_there(self):  # H04
        page = self.get().body.decode()
        for name in GO_NAMES:
            self.assertRegex(page, rf"{name}:?</\w+>:?\s*(</\w+>)?\s*\S.{{10,}}", name)
        self.assertEqual(len(re.findall("not served|not yet|not available|501", page, re.I)) > 0, True)

    def test_without_the_slash_it_is_moved_permanently(self):  # H05
        a = self.get("/debug/pprof")
        self.assertEqual(a.status, 301)
        self.assertTrue(a.headers["Location"].endswith("/debug/pprof/"), a.headers["Location"])

    def test_a_script_as_a_name_is_an_unknown_profile(self):  # H06
        for name in ("<script>scripty<script>", "nothing", "profile/", "profilex", "Profile", "heap/x", "symbol/x"):
            with self.subTest(name):
                a = self.get(name.replace("<", "%3C").replace(">", "%3E"))
                self.assertText(a, 404, "Unknown profile\n")

    def test_other_paths_are_not_found(self):
        for path in ("/", "/debug", "/debug/pprofx", "/nodes/none/debug/pprof/", "/etc/passwd"):
            with self.subTest(path):
                a = self.get(path)
                self.assertIn(a.status, (404, 301, 302) if path == "/" else (404,))
                self.assertNotIn(b"<html", a.body.lower())

    def test_what_only_a_go_program_has_is_501_with_the_reason(self):
        for name in SNAPSHOTS + ("goroutineleak",):
            for query in ("", "?debug=1", "?seconds=1"):
                with self.subTest(name + query):
                    a = self.get(name + query)
                    self.assertText(a, 501)
                    self.assertRegex(a.body.decode(), "(?i)not a go program")
        self.assertText(self.get("trace"), 501)

    def test_cmdline_has_no_secret(self):  # H20 H21
        a = self.get("cmdline")
        self.assertText(a, 200)
        first, *rest = a.body.split(b"\0")
        self.assertTrue(first.endswith(b"c_nopie"), first)
        self.assertTrue(rest, "that there are more arguments is no secret")
        self.assertFalse(a.body.endswith(b"\0") or a.body.endswith(b"\n"), a.body)
        self.assertNotIn(b"SECRET", a.body)

    def test_no_answer_holds_an_argument_or_a_variable_of_the_node(self):
        for path in ("", "cmdline", "profile?seconds=1", "symbol", "none", "heap"):
            a = self.get(path)
            body = gzip.decompress(a.body) if a.body[:2] == b"\x1f\x8b" else a.body
            self.assertNotIn(b"canary", body, path)

    # ---- S

    def address_of(self, name):
        import subprocess
        out = subprocess.run(["nm", targets.build("c_nopie")], capture_output=True, text=True, check=True).stdout
        return int(re.search(rf"^([0-9a-f]+) [tT] {name}$", out, re.M)[1], 16)

    def test_symbol_without_addresses_says_that_there_are_symbols(self):  # S10
        self.assertText(self.get("symbol"), 200, "num_symbols: 1\n")
        self.assertText(self.get("symbol", "POST", b""), 200, "num_symbols: 1\n")

    def test_symbol_answers_get_and_post_in_order_skips_junk_and_keeps_duplicates(self):  # S11 S12
        targets.need("nm")
        hot, cold = self.address_of("hot_leaf"), self.address_of("cold_leaf")
        question = f"0x{hot:x}+junk+0x{cold:X}+{hot}+0x1+0x{hot:x}"
        answer = (f"num_symbols: 1\n0x{hot:x} hot_leaf\n0x{cold:x} cold_leaf\n"
                  f"0x{hot:x} hot_leaf\n0x{hot:x} hot_leaf\n")
        self.assertText(self.get(f"symbol?{question}"), 200, answer)
        self.assertText(self.get("symbol", "POST", question.encode()), 200, answer)

    # ---- C

    def test_a_profile_has_gos_headers_and_keeps_all_promises(self):  # C10-C16
        clock = shares.Clock(self.target)
        a = self.get("profile?seconds=2")
        p = self.service.decoded(a)
        clock.check(self, p)
        self.assertEqual(a.headers["Content-Disposition"], 'attachment; filename="profile"')
        self.assertEqual(a.headers["X-Content-Type-Options"], "nosniff")
        self.assertIsNone(a.headers["Content-Encoding"])
        self.assertTrue(2 <= a.seconds < 3.5, a.seconds)
        self.assertEqual(p.period, 10_000_000)
        self.assertTrue(1.9e9 <= p.duration_nanos <= 2.5e9, p.duration_nanos)
        self.assertEqual(p.default_sample_type, "")
        first = p.mappings[min(p.mappings)]
        self.assertTrue(first.file.endswith("/c_nopie"), first.file)

    def test_debug_does_not_change_a_cpu_profile(self):  # C17
        p = self.service.decoded(self.get("profile?seconds=1&debug=1"))
        self.assertGreater(p.total(), 10)

    def test_two_at_once_are_both_served(self):  # C18, Go answers 500 to the second
        both = [self.service.profile_later(1) for _ in range(2)]
        for b in both:
            self.assertGreater(b.result(20).total(), 10)

    def test_fractions_of_seconds_are_taken(self):
        a = self.get("profile?seconds=0.5")
        p = self.service.decoded(a)
        self.assertTrue(0.5 <= a.seconds < 1.8, a.seconds)
        self.assertTrue(0.45e9 <= p.duration_nanos <= 0.9e9, p.duration_nanos)

    def test_seconds_comes_first_from_the_query_and_repeats_do_not_count(self):
        self.assertLess(self.get("profile?seconds=1&seconds=40").seconds, 4)

    def test_parameters_may_come_in_a_posted_form(self):
        a = self.get("profile", "POST", b"seconds=1", {"Content-Type": "application/x-www-form-urlencoded"})
        self.service.decoded(a)
        self.assertLess(a.seconds, 4)

    def test_unknown_parameters_are_ignored(self):
        self.service.decoded(self.get("profile?seconds=1&debug=0&z=1&gc=1"))

    # ---- E

    def test_too_many_seconds_are_refused_before_the_capture(self):
        for value in ("41", "300", "1e21", "inf", "Infinity", "99999999999999999999"):
            with self.subTest(value):
                a = self.get(f"profile?seconds={value}")
                self.assertText(a, 400)
                self.assertIn(b"40", a.body, "says the limit")
                self.assertLess(a.seconds, 1)

    def test_zero_negative_and_junk_are_gos_thirty_seconds(self):
        values = ("0", "-1", "x", "", "1x", "nan", "%20", "0x10", None)
        paths = {v: "profile" + ("" if v is None else f"?seconds={v}") for v in values}
        asked = {v: self.service.later(path, timeout=60) for v, path in paths.items()}
        for v, answer in asked.items():
            with self.subTest(v):
                p = self.service.decoded(answer.result(60))
                self.assertTrue(29.9e9 <= p.duration_nanos <= 31e9, p.duration_nanos)

    def test_where_thirty_are_too_many_the_default_is_the_limit(self):
        with service.Service(self.target.pid, max_seconds=1) as s:
            p = s.decoded(s.get("profile"))
            self.assertLess(p.duration_nanos, 1.5e9)
            self.assertEqual(s.get("profile?seconds=2").status, 400)

    # ---- M

    def test_head_gives_the_headers_at_once_and_no_window(self):  # M10
        for path, kind in (("", "text/html; charset=utf-8"), ("profile?seconds=40", "application/octet-stream"),
                           ("cmdline", TEXT), ("symbol", TEXT)):
            with self.subTest(path):
                a = self.get(path, "HEAD")
                self.assertEqual((a.status, a.body), (200, b""))
                self.assertEqual(a.headers["Content-Type"], kind)
                self.assertLess(a.seconds, 2)
        self.assertEqual(self.get("none", "HEAD").status, 404)
        self.assertEqual(self.get("heap", "HEAD").status, 200)
        self.assertEqual(self.get("trace", "HEAD").status, 501)

    def test_other_methods_are_not_allowed(self):
        for method in ("PUT", "DELETE", "PATCH"):
            a = self.get("", method, b"")
            self.assertIn(a.status, (405, 501), method)
            self.assertNotIn(b"<html", a.body.lower())

    # ---- lighttpd, in front

    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.service.port), 10) as s:
            s.sendall(data)
            s.settimeout(10)
            got = b""
            while True:
                more = s.recv(65536)
                if not more:
                    return got
                got += more

    def test_malformed_requests_are_errors_and_never_html_with_200(self):
        end = b"Host: x\r\nConnection: close\r\n\r\n"
        for line in (b"GET /debug/pprof/\x00 HTTP/1.1\r\n", b"BREW /debug/pprof/ HTTP/1.1\r\n",
                     b"GET /debug/pprof/profile?seconds=%00 HTTP/1.1\r\n",
                     b"GET /debug/pprof/profile?seconds=%0d%0aX-Evil:1 HTTP/1.1\r\n",
                     b"GET /debug/pprof/" + b"a" * 20000 + b" HTTP/1.1\r\n",
                     b"POST /debug/pprof/symbol HTTP/1.1\r\nContent-Length: 99999999\r\n"):
            with self.subTest(line[:50]):
                got = self.raw(line + end)
                self.assertRegex(got[:20], rb"^HTTP/1\.[01] [45]\d\d")
                self.assertNotIn(b"X-Evil", got)
        self.assertEqual(self.get().status, 200)

    def test_dots_in_a_path_lead_nowhere(self):
        for path in ("/debug/pprof/../../etc/passwd", "/debug/pprof/%2e%2e/%2e%2e/etc/passwd", "/nodes/../debug/pprof/none"):
            a = self.get(path)
            self.assertEqual(a.status, 404, path)
            self.assertNotIn(b"root:", a.body)


# Of each snapshot: its types, its period's type and its period (None: the node's own).
SHAPES = {
    "heap": ([("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")],
             ("space", "bytes"), None),
    "block": ([("contentions", "count"), ("delay", "nanoseconds")], ("contentions", "count"), 1),
    "goroutine": ([("goroutine", "count")], ("goroutine", "count"), 1),
    "threadcreate": ([("threadcreate", "count")], ("threadcreate", "count"), 1),
}
SHAPES |= {"allocs": SHAPES["heap"], "mutex": SHAPES["block"]}


class GoNode(case.Case):
    """A Go program's own profiles. That they are Go's, row by row, is tested by go_*.py."""

    @classmethod
    def prepare(cls):
        path = golang.program(golang.local(), "stripped")
        cls.node = cls.enter(golang.start(path, "-each", 2, "-buckets", 50, "-memrate", 4096, "-blockrate", 1,
                                          "-mutexfraction", 1, "-contend", 3, "-fight", 1))
        cls.service = cls.enter(service.Service(cls.node.pid, max_seconds=40))

    def get(self, *a, **k):
        return self.service.get(*a, **k)

    def profile(self, path, name):
        a = self.get(path)
        self.assertEqual(a.status, 200, a.body[:300])
        self.assertEqual(a.headers["Content-Type"], "application/octet-stream")
        self.assertEqual(a.headers["Content-Disposition"], f'attachment; filename="{name}"')
        self.assertEqual(a.headers["X-Content-Type-Options"], "nosniff")
        self.assertIsNone(a.headers["Content-Encoding"])
        self.assertEqual(a.body[:3], b"\x1f\x8b\x08")  # A1
        return pprof.decode(a.body)

    def test_a_snapshot_has_gos_headers_types_and_period(self):  # H10 P10-P14 A1
        for name, (types, period_type, period) in SHAPES.items():
            with self.subTest(name):
                began = time.time_ns()
                p = self.profile(name, name)
                self.assertEqual((p.sample_types, p.period_type), (types, period_type))
                self.assertEqual(p.period, period or 4096)
                self.assertEqual(p.default_sample_type, "alloc_space" if name == "allocs" else "")
                self.assertTrue(began - 2e9 <= p.time_nanos <= time.time_ns() + 1e9, p.time_nanos)
                self.assertEqual(p.duration_nanos, 0)
                self.assertTrue(p.samples)
                self.assertTrue(all(s.locations and all(l.mapping and l.lines for l in s.locations) for s in p.samples))
                self.assertIn("go_profiled", p.mappings[min(p.mappings)].file)

    def test_a_text_has_no_disposition_and_junk_is_no_debug(self):  # H11-H13
        for name in SNAPSHOTS:
            a = self.get(f"{name}?debug=1")
            self.assertEqual((a.status, a.headers["Content-Type"], a.headers["Content-Disposition"]), (200, TEXT, None))
            self.assertEqual(a.headers["X-Content-Type-Options"], "nosniff")
            for query in ("seconds=", "debug=junk", "debug=0", "debug=-1", "other=1"):
                self.profile(f"{name}?{query}", name)

    def test_a_window_takes_its_time_and_says_so(self):  # D10 D11
        asked = {name: self.service.later(f"{name}?seconds=1") for name in SNAPSHOTS}
        for name, answer in asked.items():
            with self.subTest(name):
                a = answer.result(30)
                self.assertEqual(a.status, 200, a.body[:300])
                self.assertEqual(a.headers["Content-Disposition"], f'attachment; filename="{name}-delta"')
                p = pprof.decode(a.body)
                self.assertGreaterEqual(a.seconds, 1)
                self.assertTrue(0.9e9 <= p.duration_nanos <= 5e9, p.duration_nanos)
                self.assertEqual(p.sample_types, SHAPES[name][0])

    def test_a_window_has_what_happened_in_it_and_the_snapshot_both(self):  # D13
        p = self.profile("mutex?seconds=1", "mutex-delta")
        self.assertIn("main.busyFight", p.names())
        self.assertNotIn("main.contention", " ".join(p.names()))
        p = self.profile("mutex", "mutex")
        self.assertIn("main.busyFight", p.names())
        self.assertIn("main.contention", " ".join(p.names()))

    def test_windows_that_cannot_be_are_refused_in_gos_words(self):  # E10
        for name in SNAPSHOTS:
            for value in ("0", "-1", "x", "1.5"):
                a = self.get(f"{name}?seconds={value}")
                self.assertEqual((a.status, a.body), (400, b'invalid value for "seconds" - must be a positive integer\n'))
                self.assertEqual((a.headers["X-Go-Pprof"], a.headers["Content-Type"]), ("1", TEXT))
            a = self.get(f"{name}?seconds=1&debug=1")
            self.assertEqual((a.status, a.body), (400, b"seconds and debug params are incompatible\n"))
            a = self.get(f"{name}?seconds=41")
            self.assertEqual(a.status, 400)
            self.assertIn(b"40", a.body)


class Nodes(case.Case):
    @classmethod
    def prepare(cls):
        cls.one = cls.enter(targets.start("c_nopie", 80))
        cls.two = cls.enter(targets.start("recursion", 80, 5))
        conf = f"[node one]\ntarget = {cls.one.pid}\n[node two]\ntarget = {cls.two.pid}\n[node gone]\ntarget = name:no-such-name\n"
        cls.service = cls.enter(service.Service(conf=conf))

    def test_each_node_has_its_own_prefix_and_the_first_the_plain_one(self):
        for path, leaf in (("profile", "hot_leaf"), ("/nodes/one/debug/pprof/profile", "hot_leaf"),
                           ("/nodes/two/debug/pprof/profile", "bottom")):
            p = self.service.decoded(self.service.get(path + "?seconds=1"))
            self.assertIn(leaf, p.names(), path)
            self.assertEqual({"hot_leaf", "bottom"} - p.names(), {"hot_leaf", "bottom"} - {leaf}, path)

    def test_symbol_and_index_work_below_the_prefix(self):
        self.assertIn(b"Types of profiles", self.service.get("/nodes/two/debug/pprof/").body)
        self.assertEqual(self.service.get("/nodes/two/debug/pprof/symbol").body, b"num_symbols: 1\n")
        self.assertEqual(self.service.get("/nodes/two/debug/pprof").status, 301)

    def test_a_node_that_does_not_run_is_503_with_the_reason(self):
        a = self.service.get("/nodes/gone/debug/pprof/profile?seconds=1")
        self.assertEqual(a.status, 503, a.body)
        self.assertEqual((a.headers["X-Go-Pprof"], a.headers["Content-Type"]), ("1", TEXT))
        self.assertIn(b"no-such-name", a.body)

    def test_a_name_that_matches_several_processes_is_503_with_their_list(self):
        with targets.start("c_nopie", 20) as other:
            with service.Service("name:c_nopie") as s:
                a = s.get("profile?seconds=1")
        self.assertEqual(a.status, 503, a.body)
        for t in (self.one, other):
            self.assertIn(str(t.pid).encode(), a.body)

    def test_only_nodes_of_the_configuration_can_be_named(self):
        for name in (self.one.pid, "1", "ONE", "one%00", "name:c_nopie", "%2fproc%2f1", "a" * 300):
            self.assertIn(self.service.get(f"/nodes/{name}/debug/pprof/").status, (400, 404), name)


class CmdlineAllowed(case.Case):
    def test_cmdline_shows_all_arguments_where_the_configuration_allows_it(self):
        with targets.Target([targets.build("c_nopie"), "20", SECRET]) as t:
            with service.Service(t.pid, conf="[web]\ncmdline = yes\n") as s:
                body = s.get("cmdline").body
        self.assertEqual(body.split(b"\0")[1:], [b"20", SECRET.encode()])


if __name__ == "__main__":
    case.main()
