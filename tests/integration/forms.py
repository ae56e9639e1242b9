"""format=: every form against its JSON Schema and against the pprof of the same samples, to the unit; names that are hostile."""
import gzip
import html
import json
import re
import urllib.parse

from lib import case, forms, front, pprof, schemas, service

LONG = "L" * 4000
NASTY = ['"quoted"', "'single'", "<script>alert(1)</script>", "a&b;c", "tab\there", "line\nbreak", "cr\rlf\n", b"\xff\xfe\x80",
         b"cut \xe6\xbc", "\u202eright to left", "\u2028", "nul\x01\x02", "\x1b[31mred", "]]>", "%s%n", "a;b;c 42", "  blanks  ",
         "\\x41 \\", "{\"json\":1}", "漢字🦀", LONG, "operator<< <std::char_traits<char> >", "[12 not shown]", "${x}`y`", ";"]


def hostile():
    """A node whose every name was chosen by somebody else."""
    s = front.Script()
    s.node(name="node", comm='<i>"x', exe="/opt/<b>&\"'\n/x")
    s.map(1, 100, 0x555500001000, 0x555500ff1000, 0x1000, "/opt/<b>&\"'\n/x", flags=front.MAIN)
    s.map(2, 200, 0x7f0000028000, 0x7f0000190000, 0x28000, b"/tmp/\xff<lib>;\x1b[2J.so")
    for i, name in enumerate(NASTY):
        address, place = 0x555500001000 + 0x100 * i, 0x1000 + 0x100 * i
        file = NASTY[-1 - i]
        s.name(100, place, place, name, file=file, line=i)
        s.name(100, place, place, NASTY[(i + 5) % len(NASTY)], file=file, line=i + 1)
        s.name(200, 0x28000 + 0x100 * i, 0x28000 + 0x100 * i, NASTY[(i + 3) % len(NASTY)], flags=3)
        s.stack(100 + i, (2, 0x7f0000028000 + 0x100 * i), (1, address), (1, 0x555500001000))
        s.thread(5000 + i, name[:2000])
        s.count(100 + i, 5000 + i, i + 1)
    s.object(100, front.PIE | front.DEBUG, "aa" * 20)
    s.object(200, front.PIE, "bb" * 20, b"a note with \xff and <b>\n and more")
    s.note(b"\xfe<script>")
    return s


class Base(case.Case):
    script = staticmethod(front.simple)

    @classmethod
    def prepare(cls):
        cls.front = cls.enter(front.Front(cls.script()))
        cls.pprof = cls.front.decoded(cls.ask())

    @classmethod
    def ask(cls, query="", **more):
        return cls.front.get("profile?seconds=0.05&" + query, **more)

    def form(self, name, query="", **more):
        a = self.ask(f"format={name}&{query}", **more)
        self.assertEqual(a.status, 200, a.body[:300])
        self.assertEqual(a.headers["X-Content-Type-Options"], "nosniff")
        return a


class Forms(Base):
    def test_each_is_the_pprof_to_the_unit(self):
        for name in forms.NAMES:
            for kind in ("samples", "cpu"):
                with self.subTest(name, sample_type=kind):
                    query = f"sample_type={kind}" if name != "speedscope" else ""  # which has both
                    forms.check(name, self.form(name, query).body, self.pprof, kind)

    def test_each_is_as_its_schema_says_and_the_link_leads_there(self):
        for name in forms.NAMES:
            for query in ("", "group=function", "group=line", "group=address", "group=thread", "limit=2", "min_pct=20",
                          "focus=main&ignore=write", "focus=nothing-has-this"):
                with self.subTest(name, query=query):
                    a = self.form(name, query)
                    if a.headers["Content-Type"] != "application/json":
                        self.assertIsNone(a.headers["Link"])
                        continue
                    self.assertRegex(a.headers["Link"], r'^</debug/pprof/schemas/[a-z]+-1\.json>; rel="describedby"$')
                    which = a.headers["Link"].partition(".json>")[0].rpartition("/")[2]
                    schemas.strict(forms.document(a.body), which)
        for path in schemas.FOLDER.glob("*.json"):
            a = self.front.get(f"schemas/{path.name}")
            self.assertEqual((a.status, a.headers["Content-Type"]), (200, "application/schema+json"))
            self.assertEqual(a.body, path.read_bytes())
        self.assertEqual(json.loads(self.front.get("schemas/").body), sorted(p.name for p in schemas.FOLDER.glob("*.json")))
        for other in ("x.json", "top-1", "top-1.json/", "../top-1.json", "top-1.json%00"):
            self.assertIn(self.front.get(f"schemas/{other}").status, (400, 404), other)

    def test_python3_jsonschema_takes_them_too(self):
        if not schemas.available():
            self.skipTest("python3-jsonschema is not installed")
        for name in ("json", "top", "flamegraph", "tree", "speedscope"):
            a = self.form(name, "group=thread")
            which = a.headers["Link"].partition(".json>")[0].rpartition("/")[2]
            schemas.independent(forms.document(a.body), schemas.load(which))
            broken = forms.document(a.body)
            del broken[next(m for m in broken if m not in ("signed", "truncated"))]
            with self.assertRaises(schemas.Invalid):
                schemas.independent(broken, schemas.load(which))
            with self.assertRaises(schemas.Invalid):
                schemas.strict({**forms.document(a.body), "more": 1}, which)

    def test_whatever_is_left_out_the_sum_is_the_same(self):
        total = self.pprof.total(1)
        for name in ("flamegraph", "tree", "speedscope", "folded"):
            for query in ("limit=1", "limit=2", "limit=3", "min_pct=10", "min_pct=60", "min_pct=100", "group=address&limit=2"):
                with self.subTest(name, query=query):
                    self.assertEqual(forms.whole(name, self.form(name, query).body), total)

    def test_focus_and_ignore_are_plain_parts_of_names(self):
        wanted = {"": lambda names: True, "focus=main": lambda n: any("main" in x for x in n),
                  "ignore=main": lambda n: not any("main" in x for x in n), "focus=.*": lambda n: False,
                  "focus=hot(&ignore=inne": lambda n: False, "focus=%5Cxff": lambda n: any("\\xff" in x for x in n)}
        for query, keep in wanted.items():
            matched = sum(s.values[1] for s in self.pprof.samples if keep([f.name for f in self.pprof.frames(s)]))
            for name in ("flamegraph", "tree", "speedscope", "folded", "json"):
                with self.subTest(name, query=query):
                    self.assertEqual(forms.whole(name, self.form(name, query).body), matched)
            d = forms.document(self.form("top", query).body)
            self.assertEqual((d["matched"], d["total"]), (matched, self.pprof.total(1)))

    def test_threads_are_rows_of_the_table_and_roots_of_the_stacks(self):
        by_thread = {}
        for s in self.pprof.samples:
            by_thread[s.labels["tid"][0][0]] = by_thread.get(s.labels["tid"][0][0], 0) + s.values[1]
        rows = forms.document(self.form("top", "group=thread").body)["rows"]
        self.assertEqual({r["tid"]: r["flat"] for r in rows}, by_thread)
        children = forms.document(self.form("tree", "group=thread").body)["children"]
        self.assertEqual({int(c["name"].rpartition("[")[2][:-1]): c["value"] for c in children}, by_thread)

    def test_addresses_are_those_of_the_pprof(self):
        d = forms.document(self.form("json", "group=address").body)
        got = {(f["name"], int(f.get("address", "0"), 16)) for f in d["frames"]}
        marks = {"[unknown]", "[truncated: 512 frames]"}
        self.assertEqual(got, {(f.name, 0 if f.name in marks else f.address)
                               for s in self.pprof.samples for f in self.pprof.frames(s)})

    def test_a_counter_has_its_own_type(self):
        p = self.front.decoded(self.ask("event=counter"), clock=False)
        for name in forms.NAMES:
            with self.subTest(name):
                forms.check(name, self.form(name, "event=counter").body, p, "instructions")

    def test_a_window_without_samples_is_a_document(self):
        p = self.front.decoded(self.ask("event=empty"))
        for name in set(forms.NAMES) - {"svg"}:
            with self.subTest(name):
                forms.check(name, self.form(name, "event=empty").body, p, "cpu")
        self.form("svg", "event=empty")

    def test_head_says_the_same_of_itself_and_opens_no_window(self):
        before = len(self.front.said("^window"))
        for name in forms.NAMES:
            a = self.form(name, method="HEAD")
            self.assertEqual(a.body, b"")
            self.assertIn(f'filename="profile', a.headers["Content-Disposition"])
        self.assertEqual(len(self.front.said("^window")), before)

    def test_documents_are_gzipped_for_who_takes_them_so_and_a_pprof_never(self):
        for name in (*forms.NAMES, "pprof"):
            for accepts in ("gzip", "deflate, gzip;q=0.5", "br", "gzip;q=0", ""):
                with self.subTest(name, accepts=accepts):
                    a = self.form(name, headers={"Accept-Encoding": accepts})
                    gzipped = accepts in ("gzip", "deflate, gzip;q=0.5") and name != "pprof"
                    self.assertEqual(a.headers["Content-Encoding"], "gzip" if gzipped else None)
                    self.assertEqual(a.headers["Vary"], None if name == "pprof" else "Accept-Encoding")
                    if name == "pprof":
                        pprof.decode(a.body)
                    else:
                        forms.check(name, gzip.decompress(a.body) if gzipped else a.body, self.pprof, "cpu")

    def test_what_cannot_be_is_400_before_any_window(self):
        before = len(self.front.said("^window"))
        for query, words in (("format=xml", "pprof, json, top, flamegraph, tree, speedscope, folded, svg"),
                             ("format=Json", "there is no form"), ("format=top&debug=1", "debug"), ("format=pprof&debug=2", "debug"),
                             ("limit=0", "limit"), ("limit=-1", "limit"), ("limit=1.5", "limit"), ("limit=1e3", "limit"),
                             ("min_pct=101", "min_pct"), ("min_pct=-1", "min_pct"), ("min_pct=x", "min_pct"),
                             ("min_pct=inf", "min_pct"), ("group=file", "function, line, address or thread"),
                             ("focus=" + "x" * 600, "focus"), ("sample_type=" + "x" * 200, "sample_type")):
            a = self.ask(query)
            self.assertEqual(a.status, 400, query)
            self.assertIn(words, a.body.decode())
            self.assertEqual(a.headers["Content-Type"].partition(";")[0],
                             "application/json" if query.startswith("format=top") else "text/plain")
        for query in ("format=&limit=&min_pct=&focus=&ignore=&group=&sample_type=&debug=", "format=json&debug=0"):
            self.assertEqual(self.ask(query).status, 200, query)
        self.assertEqual(len(self.front.said("^window")), before + 2)

    def test_errors_are_json_where_json_was_asked(self):
        for path, status in (("profile?seconds=0.05&format=top&sample_type=nope", 400), ("profile?format=tree&seconds=1e21", 400),
                             ("profile?format=json&event=refuse", 503), ("profile?format=speedscope&seconds=5&event=die", 503),
                             ("nothing?format=json", 404)):
            a = self.front.get(path)
            self.assertEqual(a.status, status, a.body)
            d = forms.document(a.body)
            schemas.strict(d, "error-1")
            self.assertEqual((d["status"], a.headers["X-Go-Pprof"]), (status, None))
            self.assertIn("/error-1.json>", a.headers["Link"])
            self.assertEqual(a.body.count(b"\n"), 1)
        self.assertEqual(self.front.get("profile?format=svg&event=refuse").headers["X-Go-Pprof"], "1")

    def test_the_pictures_links_keep_the_request_and_lead_to_a_focus(self):
        body = self.form("svg", "min_pct=1&sample_type=samples").body.decode()
        self.assertIn('<a href="?focus=hot%28int%29&amp;seconds=0.05&amp;format=svg&amp;min_pct=1&amp;sample_type=samples">', body)
        self.assertIn('<a href="?sample_type=cpu&amp;seconds=0.05&amp;format=svg&amp;min_pct=1">cpu</a>', body)
        a = self.front.get("profile?focus=hot%28int%29&seconds=0.05&format=svg&min_pct=1")
        self.assertIn(b">show all</a>, not only stacks with hot(int)", a.body)
        self.assertEqual(a.headers["Content-Security-Policy"], "default-src 'none'; style-src 'unsafe-inline'")


class Hostile(Base):
    """The same of names that do what they can."""
    script = staticmethod(hostile)

    def test_each_is_the_pprof_with_all_its_names(self):
        for name in forms.NAMES:
            for accepts in ("", "gzip"):
                with self.subTest(name, accepts=accepts):
                    body = self.form(name, headers={"Accept-Encoding": accepts}).body
                    forms.check(name, gzip.decompress(body) if accepts else body, self.pprof, "cpu")

    def test_each_is_as_its_schema_says_in_every_group(self):
        for name in ("json", "top", "flamegraph", "tree", "speedscope"):
            for group in ("function", "line", "address", "thread"):
                with self.subTest(name, group=group):
                    a = self.form(name, f"group={group}&sample_type=samples")
                    which = a.headers["Link"].partition(".json>")[0].rpartition("/")[2]
                    schemas.strict(forms.document(a.body), which)

    def test_no_byte_of_a_control_character_and_no_markup_gets_through(self):
        for name in forms.NAMES:
            for group in ("function", "line", "address", "thread"):
                with self.subTest(name, group=group):
                    body = self.form(name, f"group={group}").body
                    self.assertEqual([b for b in body if b < 0x20 and b != 0x0a or b == 0x7f], [])
                    if name not in ("folded",):
                        self.assertNotIn(b"<script", body)
                    body.decode("utf-8")

    def test_every_name_can_be_focused_as_the_pictures_links_do(self):
        body = self.form("svg", "min_pct=0").body.decode()
        links = {html.unescape(h) for h in re.findall(r'<a href="(\?focus=[^"]*)"><svg', body)}
        self.assertGreaterEqual(len(links), len(NASTY))
        for link in links:
            focus = urllib.parse.parse_qs(link[1:])["focus"][0]
            with self.subTest(focus[:60]):
                d = forms.document(self.front.get("profile" + link.replace("format=svg", "format=top")).body)
                matched = sum(s.values[1] for s in self.pprof.samples
                              if any(focus in x for f in self.pprof.frames(s) for x in (f.name, f.file, f.mapping.file)))
                self.assertEqual(d["matched"], matched)
                self.assertGreater(matched, 0)


if __name__ == "__main__":
    case.main()
