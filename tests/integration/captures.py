"""Captures: taken once, read in every form, subtracted from another, told about while they run, forgotten in time.

Most with a collector that a script plays, so that every number is known; some of a real node.
"""
# timeout: 180
import gzip
import http.client
import json
import re
import socket
import time

from lib import case, forms, front, golang, pprof, schemas, service, shares, targets

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ID = re.compile(r"^captures/([a-z2-7]{20})$")
NAMES = ("pprof", *forms.NAMES)


def begin(s, path="captures", **fields):
    """POST: where the capture is."""
    return s.get(path, "POST", "&".join(f"{k}={v}" for k, v in fields.items()).encode(), FORM)


def place(answer):
    if answer.status != 303:
        raise AssertionError(f"HTTP {answer.status}: {answer.body[:300]!r}")
    return answer.headers["Location"]


def decoded(answer):
    if answer.status != 200:
        raise AssertionError(f"HTTP {answer.status}: {answer.body[:300]!r}")
    return pprof.decode(answer.body)


def listed(s, path="captures"):
    a = s.get(path)
    document = json.loads(a.body)
    schemas.strict(document, "captures-1")
    return document["captures"]


def state_of(s, where):
    return next(c for c in listed(s) if where.endswith(c["id"]))


class Stream:
    """A page as it comes, a piece at a time."""

    def __init__(self, s, path):
        self.socket = socket.create_connection(("127.0.0.1", s.port), timeout=30)
        self.socket.sendall(f"GET {s.path(path)} HTTP/1.0\r\nHost: 127.0.0.1:{s.port}\r\n\r\n".encode())
        self.text = ""

    def until(self, pattern):
        while not re.search(pattern, self.text):
            piece = self.socket.recv(65536)
            if not piece:
                raise AssertionError(f"the page ended without {pattern!r}: {self.text[-500:]}")
            self.text += piece.decode()
        return self.text

    def close(self):
        self.socket.close()


class Scripted(case.Case):
    conf = None
    script = staticmethod(front.simple)

    @classmethod
    def prepare(cls):
        cls.front = cls.enter(front.Front(cls.script(), conf=cls.conf))

    def get(self, *a, **k):
        return self.front.get(*a, **k)

    def begin(self, **fields):
        return place(begin(self.front, **fields))

    def done(self, **fields):
        """A capture that is over."""
        where = self.begin(**fields)
        self.assertIn(self.get(f"{where}?format=pprof").status, (200, 501, 503))
        return where

    def assertRefused(self, answer, status, *words):
        self.assertEqual(answer.status, status, answer.body[:300])
        self.assertEqual(answer.headers["X-Go-Pprof"], "1")
        for w in words:
            self.assertIn(w, answer.body.decode())


class Life(Scripted):
    def test_a_capture_is_read_in_every_form_from_one_window(self):
        before = len(self.front.said("^window .* ended"))
        where = self.begin(profile="profile", seconds=0.3, event="", hz="")
        self.assertRegex(where, ID)
        p = decoded(self.get(f"{where}?format=pprof"))
        self.assertEqual(p.total(), 90)
        for name in forms.NAMES:
            with self.subTest(name):
                a = self.get(f"{where}?format={name}")
                self.assertEqual(a.status, 200, a.body[:200])
                forms.check(name, a.body, p, "cpu")
        self.assertEqual(gzip.decompress(self.get(f"{where}?format=pprof").body),
                         gzip.decompress(self.get(f"{where}?format=pprof").body))
        self.assertEqual(len(self.front.said("^window .* ended")), before + 1)

    def test_what_is_asked_for_is_passed_on(self):
        p = decoded(self.get(self.begin(seconds=0.2, event="cpu-clock", hz=250) + "?format=pprof"))
        self.assertEqual(p.period, 4_000_000)
        self.assertIsNotNone(p.comment("cpu-clock at 250 Hz"))

    def test_the_form_that_was_posted_is_the_one_that_is_shown(self):
        where = self.begin(seconds=0.2, format="folded")
        self.assertTrue(where.endswith("?format=folded"), where)
        self.assertIn(b"main;write;ksys_write", self.get(where).body)

    def test_a_program_gets_the_id_in_json_and_the_list_tells_the_rest(self):
        a = begin(self.front, seconds=0.2, format="json")
        self.assertEqual((a.status, a.headers["Content-Type"]), (303, "application/json"))
        document = json.loads(a.body)
        schemas.strict(document, "capture-1")
        self.assertEqual((document["state"], document["duration_ns"]), ("running", 200_000_000))
        self.get(place(a))
        is_now = state_of(self.front, document["id"])
        self.assertEqual((is_now["state"], is_now["samples"], is_now["lost"]), ("done", 90, 3))
        self.assertGreater(is_now["memory_bytes"], 1000)
        self.assertIn("captures-1.json", self.get("captures").headers["Link"])

    def test_the_parameters_of_forms_count_for_captures_too(self):
        where = self.done(seconds=0.2)
        top = json.loads(self.get(f"{where}?format=top&limit=1&sample_type=samples").body)
        self.assertEqual((len(top["rows"]), top["truncated"], top["total"]), (1, True, 90))
        self.assertRefused(self.get(f"{where}?format=nothing"), 400, "format= may be pprof")
        self.assertEqual(self.get(f"{where}?format=top&sample_type=nothing").status, 400)

    def test_head_waits_for_nothing(self):
        where = self.begin(seconds=30)
        a = self.get(f"{where}?format=svg", "HEAD")
        self.assertEqual((a.status, a.headers["Content-Type"], a.body), (200, "image/svg+xml", b""))
        self.assertEqual(self.get(where, "HEAD").status, 200)
        self.assertEqual(self.get("captures/" + "a" * 20, "HEAD").status, 404)

    def test_what_is_no_capture_is_said_to_be_none(self):
        for path in ("captures/", "captures/x", "captures/" + "a" * 20, "captures/" + "a" * 20 + "/x",
                     self.done(seconds=0.1) + "x"):
            with self.subTest(path):
                self.assertEqual(self.get(path).status, 404)
        a = self.get("captures/" + "a" * 20 + "?format=json")
        self.assertEqual((a.status, json.loads(a.body)["code"]), (404, "not_found"))
        self.assertRefused(self.get("captures/" + "a" * 20), 404, "there is no such capture")

    def test_what_cannot_be_begun_is_refused_before_it_begins(self):
        before = len(listed(self.front))
        for fields, words in (({"profile": "none"}, "must be one of allocs, "), ({"profile": "trace"}, "must be one of"),
                              ({"profile": "cmdline"}, "must be one of"), ({"seconds": "1e9"}, "exceeds the limit"),
                              ({"hz": "0"}, "hz"), ({"profile": "heap", "seconds": "x"}, "seconds"),
                              ({"format": "none"}, "format= may be"), ({"profile": "p" * 100}, "profile")):
            with self.subTest(fields):
                self.assertRefused(begin(self.front, **fields), 400, words)
        self.assertEqual(begin(self.front, self.done(seconds=0.1)).status, 405)
        self.assertEqual(len(listed(self.front)), before + 1)

    def test_a_capture_that_fails_says_why_each_time(self):
        for event, words in (("die", "went away while the window was open"), ("refuse", "all windows are taken"),
                             ("garbage", "the collector sent")):
            with self.subTest(event):
                where = self.begin(seconds=20, event=event)
                self.assertRefused(self.get(f"{where}?format=pprof"), 503, words)
                is_now = state_of(self.front, where)
                self.assertEqual((is_now["state"], is_now["status"]), ("failed", 503))
                self.assertIn(words, is_now["error"])
                page = self.get(where).body.decode()
                self.assertIn("There is no profile: ", page)
                self.assertNotIn("\x1b", page)
                a = self.get(f"{where}?format=top")
                self.assertEqual((a.status, json.loads(a.body)["status"]), (503, 503))


class Pages(Scripted):
    def test_the_page_of_a_running_capture_tells_how_far_it_is_and_leaving_it_ends_nothing(self):
        where = self.begin(seconds=60)
        page = Stream(self.front, where)
        self.assertNotIn("All its forms", page.until("0 s of 60 s: 0 samples, 0 lost"))
        page.until(r"\d+ s of 60 s: [1-9]\d* samples, 3 lost")
        page.close()
        is_now = state_of(self.front, where)
        self.assertEqual(is_now["state"], "running")
        self.assertGreaterEqual(is_now["samples"], 10)
        self.assertEqual(self.front.said("^window .* cancelled"), [])

    def test_the_page_ends_with_what_the_capture_can_be_read_as(self):
        where = self.begin(seconds=1.5)
        text = Stream(self.front, where).until("</html>")
        self.assertIn("0 s of 1.5 s", text)
        self.assertIn("90, 3 lost", text)
        for name in NAMES:
            self.assertIn(f'{where[9:]}?format={name}"', text)
        self.assertNotIn("<script", text)
        later = self.get(where)
        self.assertEqual(later.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertIn("default-src 'none'", later.headers["Content-Security-Policy"])
        self.assertNotIn(b"0 s of", later.body)

    def test_another_capture_of_its_kind_is_offered_for_a_difference(self):
        first, other = self.done(seconds=0.1, event="empty"), self.done(seconds=0.1)
        second = self.done(seconds=0.1, event="empty")
        links = re.findall(r'href="(\w+\?base=(\w+)&amp;format=svg)"', self.get(second).body.decode())
        self.assertIn(first[9:], [base for _, base in links])
        self.assertNotIn(other[9:], [base for _, base in links])
        self.assertEqual(self.get("captures/" + links[0][0].replace("&amp;", "&")).status, 200)

    def test_what_a_client_calls_an_event_is_no_markup(self):
        event = "%3Cscript%3Ealert(1)%3C/script%3E%22%27%26"
        where = self.begin(seconds=0.1, event=event)
        for path in (where, ""):
            text = Stream(self.front, path).until("</html>")
            self.assertNotIn("<script", text)
            self.assertIn("&lt;script&gt;alert(1)", text)
        self.assertTrue(any(c["event"] == "<script>alert(1)</script>\"'&" for c in listed(self.front)))

    def test_no_more_pages_wait_than_there_are_places_and_the_others_say_so(self):
        where = self.begin(seconds=60)
        pages = [Stream(self.front, where) for _ in range(16)]
        for p in pages:
            p.until("0 s of 60 s")
        self.assertIn("load this page again", Stream(self.front, where).until("</html>"))
        a = self.get(f"{where}?format=top")
        self.assertEqual((a.status, a.headers["Retry-After"]), (503, "1"))
        for p in pages:
            p.close()
        # Places are free again once it is noticed that nobody reads.
        service.wait_until(lambda: "load this page again" not in self.first_line(where), 20, "a place to wait")

    def first_line(self, where):
        page = Stream(self.front, where)
        text = page.until(r"of 60 s[^<]*</p>\n(</div>)?(<p>[^<]*</p>)?")
        page.close()
        return text


class Differences(Scripted):
    def test_a_capture_minus_itself_is_nothing_in_every_form(self):
        where = self.done(seconds=0.2)
        base = where[9:]
        self.assertEqual(decoded(self.get(f"{where}?base={base}")).samples, [])
        for name in forms.NAMES:
            with self.subTest(name):
                self.assertEqual(self.get(f"{where}?base={base}&format={name}").status, 200)
        self.assertEqual(json.loads(self.get(f"{where}?base={base}&format=top").body)["rows"], [])

    def test_more_and_less_are_told_in_every_form(self):
        empty, full = self.done(seconds=0.2, event="empty"), self.done(seconds=0.2)
        p = decoded(self.get(f"{full}?base={empty[9:]}&format=pprof"))
        self.assertEqual(p.total(), 90)
        self.assertIsNotNone(p.comment("the difference of two captures"))
        self.assertIsNotNone(p.comment("^base: samples: 0$"))
        less = f"{empty}?base={full[9:]}"
        p = decoded(self.get(f"{less}&format=pprof"))
        self.assertEqual(sum(s.values[0] for s in p.samples), -90)
        top = json.loads(self.get(f"{less}&format=top").body)
        self.assertTrue(top["signed"])
        self.assertEqual(top["total"], -900_000_000)
        for name in forms.NAMES:
            with self.subTest(name):
                self.assertEqual(self.get(f"{less}&format={name}").status, 200)

    def test_values_of_other_types_have_no_difference(self):
        cpu, counter = self.done(seconds=0.2), self.done(seconds=0.2, event="counter")
        self.assertRefused(self.get(f"{cpu}?base={counter[9:]}"), 400, "of other types")

    def test_both_must_be_there(self):
        where = self.done(seconds=0.1)
        self.assertRefused(self.get(f"{where}?base={'a' * 20}"), 404, "no such capture")
        failed = self.done(seconds=5, event="refuse")
        self.assertRefused(self.get(f"{where}?base={failed[9:]}"), 503, "all windows are taken")


class GoNode(Scripted):
    script = staticmethod(front.go)

    def test_each_kind_can_be_kept(self):
        for kind in ("allocs", "block", "goroutine", "heap", "mutex", "threadcreate"):
            with self.subTest(kind):
                where = self.begin(profile=kind, seconds="")
                kept = decoded(self.get(f"{where}?format=pprof"))
                self.assertEqual(kept.sample_types, decoded(self.get(kind)).sample_types)
                a = self.get(f"{where}?format=json")
                self.assertEqual(json.loads(a.body)["profile"], kind)
                self.assertIn("All its forms", self.get(where).body.decode())
                self.assertNotIn("samples</th>", self.get(where).body.decode())

    def test_a_change_over_seconds_is_kept(self):
        where = self.begin(profile="heap", seconds=1)
        self.assertEqual(state_of(self.front, where)["duration_ns"], 1_000_000_000)
        p = decoded(self.get(f"{where}?format=pprof"))
        self.assertEqual([s.values for s in p.samples], [(10, 160, 6, 96)])

    def test_two_of_the_same_are_subtracted(self):
        first = self.begin(profile="heap")
        self.get(f"{first}?format=pprof")
        second = self.begin(profile="heap")
        p = decoded(self.get(f"{second}?base={first[9:]}&format=pprof"))
        self.assertEqual([s.values for s in p.samples], [(10, 160, 6, 96)])

    def test_what_its_go_does_not_have_is_a_failed_capture(self):
        where = self.begin(profile="goroutineleak")
        self.assertRefused(self.get(f"{where}?format=pprof"), 501, "go1.21 has no goroutineleak")


class Few(Scripted):
    conf = "[web]\ncaptures = 2\ncaptures_mb = 1\n"

    def test_the_oldest_makes_room_and_is_said_to_have_been_there(self):
        wheres = [self.done(seconds=0.1) for _ in range(3)]
        self.assertRefused(self.get(wheres[0]), 410, "no longer kept")
        self.assertRefused(self.get(f"{wheres[0]}?format=pprof"), 410)
        a = self.get(f"{wheres[0]}?format=top")
        self.assertEqual((a.status, json.loads(a.body)["code"]), (410, "gone"))
        self.assertEqual([c["id"] for c in listed(self.front)], [w[9:] for w in reversed(wheres[1:])])

    def test_no_more_run_than_may_be_kept(self):
        running = [self.begin(seconds=60) for _ in range(2)]
        a = begin(self.front, seconds=60)
        self.assertRefused(a, 503, "2 captures are running")
        self.assertGreater(int(a.headers["Retry-After"]), 0)
        self.assertEqual({w[9:] for w in running}, {c["id"] for c in listed(self.front)})
        # Killing the collector ends them, and then there is room.
        self.front.kill("collector")
        for w in running:
            self.assertEqual(self.get(f"{w}?format=pprof").status, 503)
        self.front.start("collector")
        self.done(seconds=0.1)


class None_(Scripted):
    conf = "[web]\ncaptures = 0\n"

    def test_where_none_are_kept_none_is_offered(self):
        self.assertRefused(begin(self.front, seconds=1), 403, "captures = 0 in pprofd.conf")
        self.assertEqual(listed(self.front), [])
        self.assertNotIn(b"<form", self.get("").body)


class Whole(case.Case):
    """What concerns the process as a whole."""

    def test_a_stop_ends_what_runs_and_keeps_nobody(self):
        with front.Front(front.simple()) as f:
            where = place(begin(f, seconds=120))
            page = Stream(f, where)
            page.until("0 s of 120 s")
            f.processes["fcgi"].terminate()
            self.assertEqual(f.processes["fcgi"].wait(20), 0)
            page.until("pprofd is stopping")
            f.await_said("^window .* cancelled", 1, 10)

    def test_many_at_once_are_each_its_own_and_leave_nothing_open(self):
        with front.Front(front.simple()) as f:
            f.get("captures")
            before = len(service.descriptors_of(f.pid("fcgi")))

            def one(i):
                event = ("empty", "cpu-clock", "counter")[i % 3]
                total = decoded(f.get(place(begin(f, seconds=0.05, event=event)) + "?format=pprof")).total()
                return total == (0 if event == "empty" else 90)

            futures = [f.pool.submit(self.patiently, one, i) for i in range(60)]
            self.assertTrue(all(x.result(60) for x in futures))
            self.assertEqual(len(listed(f)), 32)
            service.wait_until(lambda: len(service.descriptors_of(f.pid("fcgi"))) <= before, 10, "descriptors closed")

    @staticmethod
    def patiently(one, i):
        """Eight run at a time: others are told to come back."""
        while True:
            try:
                return one(i)
            except AssertionError as e:
                if "captures are running" not in str(e):
                    raise
                time.sleep(0.05)

    def test_captures_of_one_node_are_not_anothers(self):
        script = front.simple()
        script.node("other", 4712)
        conf = "[node node]\ntarget = name:server\n[node other]\ntarget = name:other\n"
        with front.Front(script, conf=conf, target="name:server") as f:
            where = place(begin(f, "/nodes/other/debug/pprof/captures", seconds=0.1))
            self.assertEqual(f.get(f"/nodes/other/debug/pprof/{where}?format=pprof").status, 200)
            self.assertEqual(f.get(where).status, 404)
            self.assertEqual(listed(f), [])
            self.assertEqual(len(listed(f, "/nodes/other/debug/pprof/captures")), 1)

    def test_curl_follows_to_the_result(self):
        targets.need("curl")
        import subprocess
        with front.Front(front.simple()) as f:
            out = subprocess.run(["curl", "-sSL", "-d", "seconds=0.2", "-d", "format=folded", f.url("captures")],
                                 capture_output=True, text=True, timeout=30, check=True).stdout
            self.assertIn("main;write;ksys_write 200000000\n", out)

    def test_schemas_are_themselves_right(self):
        if not schemas.available():
            self.skipTest("python3-jsonschema is not installed")
        with front.Front(front.simple()) as f:
            begin(f, seconds=5)
            schemas.independent(json.loads(f.get("captures").body), schemas.load("captures-1"))
            schemas.independent(json.loads(begin(f, seconds=5, format="json").body), schemas.load("capture-1"))
            schemas.independent(json.loads(f.get("?format=json").body), schemas.load("state-1"))


class Real(case.Case):
    def test_a_node_in_c_in_every_form_and_its_difference(self):
        with targets.Target([targets.build("c_nopie"), "60"]) as t, service.Service(t.pid) as s:
            short, long = place(begin(s, seconds=1)), place(begin(s, seconds=2))
            p = decoded(s.get(f"{long}?format=pprof"))
            pprof.check(p)
            for name in forms.NAMES:
                with self.subTest(name):
                    forms.check(name, s.get(f"{long}?format={name}").body, p, "cpu")
            d = decoded(s.get(f"{long}?base={short[9:]}&format=pprof"))
            first = decoded(s.get(f"{short}?format=pprof"))
            self.assertEqual(sum(x.values[1] for x in d.samples), p.total(1) - first.total(1))
            self.assertEqual(s.get(f"{long}?base={long[9:]}&format=json").status, 200)

    def test_a_go_node_before_and_after(self):
        targets.need("go")
        with golang.start(golang.program(golang.local(), "plain"), "-each", 2) as t, service.Service(t.pid) as s:
            heap = place(begin(s, profile="heap"))
            goroutines = place(begin(s, profile="goroutine"))
            for where in (heap, goroutines):
                p = decoded(s.get(f"{where}?format=pprof"))
                kind = p.sample_types[-1][0]
                for name in forms.NAMES:
                    with self.subTest((where, name)):
                        one = f"&sample_type={kind}" if name != "speedscope" else ""  # which has all
                        a = s.get(f"{where}?format={name}{one}")
                        self.assertEqual(a.status, 200, a.body[:200])
                        forms.check(name, a.body, p, kind)


if __name__ == "__main__":
    case.main(170)
