"""The forms as others read them: speedscope's schema and speedscope itself, pprof-format, inferno's flame graphs."""
# timeout: 240
import contextlib
import functools
import html
import http.server
import json
import re
import subprocess
import threading

from lib import browser, cargo, case, forms, front, npm, schemas, service, targets

READ_PPROF = """
const { Profile } = require(process.argv[1]);
const p = Profile.decode(require("zlib").gunzipSync(require("fs").readFileSync(0)));
const s = (i) => p.stringTable.strings[Number(i)];
console.log(JSON.stringify({
    types: p.sampleType.map((t) => [s(t.type), s(t.unit)]),
    totals: p.sampleType.map((_, i) => String(p.sample.reduce((sum, x) => sum + BigInt(x.value[i]), 0n))),
    functions: p.function.map((f) => s(f.name)).sort(),
    comments: p.comment.map(s), samples: p.sample.length, locations: p.location.length, mappings: p.mapping.length,
}));
"""


CONTRAST = """
const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
const make = (parent, tag) => parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", tag));
const root = document.documentElement, ink = light(getComputedStyle(document.querySelector("text")).fill);
const found = { page: ratio(ink, light(getComputedStyle(root).backgroundColor)),
                link: ratio(light(getComputedStyle(document.querySelector("text a")).fill), light(getComputedStyle(root).backgroundColor)) };
for (const name of new Set([...document.querySelector("style").textContent.matchAll(/\\.(\\w+) rect/g)].map((m) => m[1]))) {
    const box = make(root, "svg");
    box.setAttribute("class", name);
    found[name] = ratio(ink, light(getComputedStyle(make(box, "rect")).fill));
    box.remove();
}
return found;
"""


def hostile():
    """Names that would be markup, separators or numbers to a careless reader."""
    s = front.simple()
    for i, name in enumerate(("<b>&\"'", "a;b 5", "c 42", "  d  ", b"\xff\n", "e" * 300)):
        s.name(100, 0x1800 + i, 0x1800 + i, name, flags=3)
        s.stack(50 + i, (1, 0x555500001800 + i), (1, 0x5555000012ff))
        s.count(50 + i, 4711, 7 + i)
    return s


class Readers(case.Case):
    @classmethod
    def prepare(cls):
        cls.front = cls.enter(front.Front(hostile()))
        cls.answer = cls.form("pprof")
        cls.pprof = cls.front.decoded(cls.answer)

    @classmethod
    def form(cls, name, query=""):
        a = cls.front.get(f"profile?seconds=0.05&format={name}&{query}")
        if a.status != 200:
            raise AssertionError(f"{name}: HTTP {a.status} {a.body[:300]!r}")
        return a

    def test_pprof_format_reads_the_pprof(self):
        targets.need("node")
        run = subprocess.run(["node", "-e", READ_PPROF, npm.package("pprof-format")], input=self.answer.body, capture_output=True,
                             timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr.decode()[-500:])
        got = json.loads(run.stdout)
        self.assertEqual([tuple(t) for t in got["types"]], self.pprof.sample_types)
        self.assertEqual([int(t) for t in got["totals"]], [self.pprof.total(0), self.pprof.total(1)])
        self.assertEqual(got["functions"], sorted(f.name for f in self.pprof.functions.values()))
        self.assertEqual(got["comments"], self.pprof.comments)
        self.assertEqual((got["samples"], got["locations"], got["mappings"]),
                         (len(self.pprof.samples), len(self.pprof.locations), len(self.pprof.mappings)))

    def test_speedscopes_own_schema_takes_its_file(self):
        if not schemas.available():
            self.skipTest("python3-jsonschema is not installed")
        schema = json.loads((npm.package("speedscope") / "dist" / "release" / "file-format-schema.json").read_text())
        for query in ("", "group=thread", "group=line", "group=address", "limit=2", "sample_type=samples", "focus=nothing"):
            document = forms.document(self.form("speedscope", query).body)
            schemas.independent(document, schema)
        document["profiles"][0]["unit"] = "count"
        with self.assertRaises(schemas.Invalid):
            schemas.independent(document, schema)

    def test_inferno_draws_the_folded_stacks(self):
        program = cargo.program("folded_reader")
        for kind, index in (("samples", 0), ("cpu", 1)):
            for query in ("", "limit=3", "group=line", "group=thread"):
                with self.subTest(kind, query=query):
                    body = self.form("folded", f"sample_type={kind}&{query}").body
                    run = subprocess.run([program], input=body, capture_output=True, timeout=60)
                    self.assertEqual((run.returncode, run.stderr), (0, b""))
                    picture = run.stdout.decode()
                    self.assertEqual(int(re.search(r'total_samples="(\d+)"', picture)[1]), self.pprof.total(index))
                    if not query:
                        self.compare_with_inferno(picture, index)

    def compare_with_inferno(self, picture, index):
        """A box for each path, as large as it is: names and units."""
        found = sorted((html.unescape(n).rstrip(), int(v.replace(",", "")))
                       for n, v in re.findall(r"<title>(.*?) \(([\d,]+) units, [\d.]+%\)</title>", picture))
        wanted = {(): self.pprof.total(index)}
        for path, value in forms.stacks(self.pprof, index).items():
            names = forms.folded_names(path)
            for depth in range(1, len(names) + 1):
                wanted[names[:depth]] = wanted.get(names[:depth], 0) + value
        # Blanks at the end of a line are no part of it.
        wanted = sorted((p[-1].rstrip() if p else "all", v) for p, v in wanted.items())
        self.assertEqual([f for f in found if f not in wanted], [w for w in wanted if w not in found])

    def test_a_browser_shows_the_picture_at_two_sizes_in_light_and_dark(self):
        url = f"http://127.0.0.1:{self.front.port}/debug/pprof/profile?seconds=0.05&format=svg&group=thread"
        with browser.Browser() as b:
            for width in (360, 1280):
                for scheme in ("light", "dark"):
                    with self.subTest(width=width, scheme=scheme):
                        b.show(width=width, scheme=scheme, scripts=False)
                        b.open(url)
                        b.show(width=width, scheme=scheme)
                        sizes = b.run("return [document.documentElement.clientWidth, document.documentElement.scrollWidth,"
                                      "document.querySelector('a > svg').getBoundingClientRect().width,"
                                      "getComputedStyle(document.querySelector('a text')).fontSize]")
                        self.assertEqual(sizes, [width, width, width, "12px"])
                        contrast = b.run(CONTRAST)
                        self.assertGreater(len(contrast), 15)
                        self.assertEqual({k: v for k, v in contrast.items() if v < 4.5}, {})
                        self.assertEqual(b.console(), [])
            # By the keyboard to the first box that is no thread, and into it.
            b.run("document.querySelector('a[href*=\"focus=main\"]').focus()")
            b.press("\ue007")
            service.wait_until(lambda: "focus=main" in b.url(), 20, "the link's page")
            service.wait_until(lambda: "not only stacks with main" in b.source(), 20, "the focused picture")

    def test_speedscope_imports_its_file_and_shows_each_profile(self):
        """Its table of functions, which is text: names, totals and times of their own."""
        with self.speedscope() as (b, url, files):
            for query, unit in (("sample_type=cpu", "nanoseconds"), ("sample_type=samples", "none")):
                with self.subTest(query):
                    document = self.form("speedscope", query).body
                    files["/profile.json"] = document
                    b.open("about:blank")
                    b.open(f"{url}/index.html#profileURL=/profile.json&view=sandwich")
                    text = self.table_of(b)
                    weights = forms.document(document)["profiles"][0]
                    self.assertEqual(weights["unit"], unit)
                    index = forms.type_of(self.pprof, query.partition("=")[2])
                    flat, total = self.pprof.flat(index), self.pprof.total(index)
                    for name in ("inner", "ksys_write", "__vdso_clock_gettime"):
                        share = 100 * flat[name] / total
                        shown = ("%.0f" if share >= 10 else "%.1f") % share
                        self.assertRegex(text, rf"\({shown}%\)\n\t[^\n]* \({shown}%\)\n\t{name}\n")
                    for name in ("<b>&\"'", "a;b 5", "c 42"):
                        self.assertIn("\t" + name + "\n", text)

    def table_of(self, b):
        return service.wait_until(lambda: (lambda t: t if "Symbol Name" in t and "inner" in t else "")(
            b.run("return document.body.innerText")), 60, "speedscope's table")

    @contextlib.contextmanager
    def speedscope(self):
        """A browser, speedscope behind a web server of this test, and what else that serves: path to bytes."""
        release, files = npm.package("speedscope") / "dist" / "release", {}

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                body = files.get(self.path)
                if body is None:
                    super().do_GET()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(release))) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                with browser.Browser() as b:
                    b.show(width=1280)
                    yield b, f"http://127.0.0.1:{server.server_address[1]}", files
            finally:
                server.shutdown()


if __name__ == "__main__":
    case.main(220)
