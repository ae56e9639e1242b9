"""The page at /debug/pprof/ and those of captures, in Chromium: two widths, light and dark, with axe-core, by keyboard,
without scripts, and with a node whose names are hostile. Pictures of all are left in PPD_BUILD/pictures.
"""
# timeout: 180
import functools
import re

from lib import browser, case, front, npm, service, targets

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WIDTHS, SCHEMES = (360, 1280), ("light", "dark")
HOSTILE = "\"><script>alert(1)</script>&'<b>\n\x1b[31m"
TAB, ENTER, BACKSPACE = "\ue004", "\ue007", "\ue003"

AXE = """
const done = arguments[0];
axe.run(document).then(r => done({passes: r.passes.length,
                                  wrong: r.violations.map(v => [v.id, v.help, v.nodes.slice(0, 3).map(n => n.html)])}));
"""

# What each thing that has the focus looks like, and whether it can be seen.
FOCUS = """
const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
return [e.tagName, e.name || e.textContent.slice(0, 40), s.outlineStyle, parseFloat(s.outlineWidth), r.width * r.height];
"""


def hostile():
    """Names that try to be more than names, and are long."""
    s = front.simple()
    s.lines = [line for line in s.lines if not line.startswith(("node", "limit"))]
    s.node(comm=HOSTILE, exe="/" + HOSTILE + "\xe9" * 200 + "x" * 3000)
    s.limit(HOSTILE * 10)
    return s


class Pages(case.Case):
    @classmethod
    def prepare(cls):
        cls.axe = (npm.package("axe-core") / "axe.min.js").read_text()
        cls.browser = cls.enter(browser.Browser())
        cls.pictures = service.BUILD / "pictures"
        cls.pictures.mkdir(exist_ok=True)

    def begin(self, s, **fields):
        a = s.get("captures", "POST", "&".join(f"{k}={v}" for k, v in fields.items()).encode(), FORM)
        self.assertEqual(a.status, 303, a.body)
        return a.headers["Location"]

    def done(self, s, **fields):
        where = self.begin(s, **fields)
        s.get(f"{where}?format=pprof")
        return where

    def look(self, name, url):
        """At each width, light and dark."""
        b = self.browser
        for width in WIDTHS:
            for scheme in SCHEMES:
                with self.subTest((name, width, scheme)):
                    b.show(width, scheme=scheme)
                    b.open(url)
                    b.shoot(self.pictures / f"{name}-{width}-{scheme}.png")
                    ground = b.run("return getComputedStyle(document.body).backgroundColor")
                    self.assertEqual(sum(map(int, re.findall(r"\d+", ground)[:3])) < 384, scheme == "dark", ground)
                    self.assertLessEqual(b.run("return document.documentElement.scrollWidth"), width)
                    self.assertEqual(b.run("return performance.getEntriesByType('resource').map(e => e.name)"), [])
                    b.run(self.axe)
                    found = b.run_later(AXE)
                    self.assertGreater(found["passes"], 10)
                    self.assertEqual(found["wrong"], [])
                    self.assertEqual(b.console(), [])

    def test_each_page_is_as_it_should_be(self):
        with front.Front(front.simple()) as f:
            self.look("empty", f.url())
            self.done(f, seconds=0.1)
            self.look("capture", f.url(self.done(f, seconds=0.1)))
            self.look("failed", f.url(self.done(f, seconds=5, event="refuse")))
            self.look("index", f.url())
            f.kill("collector")
            self.look("down", f.url())

    def test_a_go_node_and_many_nodes(self):
        script = front.go()
        conf = "[node node]\ntarget = name:gonode\n" + "".join(
            f"[node n{i:02}{'x' * 60}]\ntarget = {i + 10000}\n" for i in range(63))
        with front.Front(script, conf=conf, target="name:gonode") as f:
            self.done(f, profile="heap")
            self.look("go", f.url())
            self.assertLessEqual(len(f.get("").body), 20_000)

    def test_a_node_with_hostile_names_is_only_text(self):
        with front.Front(hostile()) as f:
            self.done(f, seconds=0.1)
            self.look("hostile", f.url())
            page = f.get("")
            self.assertLessEqual(len(page.body), 20_000)
            self.assertNotIn(b"<script", page.body)
            self.assertNotIn(b"\x1b", page.body)
            self.browser.show(1280)
            self.browser.open(f.url())
            self.assertEqual(self.browser.run("return document.scripts.length"), 0)
            self.assertIn("<script>alert(1)</script>", self.browser.run("return document.body.innerText"))

    def test_it_can_be_used_by_keyboard_and_what_has_the_focus_is_seen(self):
        with front.Front(front.simple()) as f:
            b = self.browser
            b.show(1280)
            b.open(f.url())
            links = b.run("return document.querySelectorAll('a,button,select,input:not([type=hidden])').length")
            reached = []
            for _ in range(links):
                b.press(TAB)
                tag, name, style, width, area = b.run(FOCUS)
                reached.append(name)
                self.assertNotEqual(style, "none", (tag, name))
                self.assertGreaterEqual(width, 2, (tag, name))
                self.assertGreater(area, 0, (tag, name))
            for name in ("heap", "seconds", "event", "hz", "Capture"):
                self.assertIn(name, reached)

    def test_without_scripts_a_capture_is_made_and_seen_to_its_end(self):
        with front.Front(front.simple()) as f:
            b = self.browser
            b.show(1280, scripts=False)
            try:
                b.open(f.url())
                self.press_until(b, "seconds")
                b.press(BACKSPACE, BACKSPACE, "2", ENTER)  # "10" stands there
                service.wait_until(lambda: "/captures/" in b.url(), 30, "the capture's page")
                service.wait_until(lambda: "All its forms" in b.source(), 60, "its end")
                self.assertIn("It is over.", b.source())
                b.shoot(self.pictures / "without-scripts.png")
            finally:
                b.show(1280)
            self.assertEqual(b.console(), [])

    def press_until(self, b, name):
        for _ in range(60):
            b.press(TAB)
            if b.run("return document.activeElement.name") == name:
                return
        self.fail(f"{name} is not reached")


class Running(case.Case):
    @classmethod
    def prepare(cls):
        cls.axe = (npm.package("axe-core") / "axe.min.js").read_text()
        cls.browser = cls.enter(browser.Browser(waits=False))

    def test_while_it_runs_the_last_line_alone_is_seen(self):
        pictures = service.BUILD / "pictures"
        pictures.mkdir(exist_ok=True)
        with front.Front(front.simple()) as f:
            b = self.browser
            a = f.get("captures", "POST", b"seconds=120", FORM)
            for width, scheme in ((360, "dark"), (1280, "light")):
                b.show(width, scheme=scheme)
                b.open(f.url(a.headers["Location"]))
                lines = "return [...document.querySelectorAll('.t>p')].map(e => e.textContent)"
                service.wait_until(lambda: len(b.run(lines)) >= 3, 30, "three lines")
                seen = b.run("""const r = document.querySelector('.t').getBoundingClientRect();
                                return [document.elementFromPoint(r.x + 10, r.y + r.height / 2).textContent, r.height]""")
                self.assertRegex(seen[0], r"^[1-9]\d* s of 120 s: \d+ samples, 3 lost$")
                self.assertLess(seen[1], 120)
                self.assertLessEqual(b.run("return document.documentElement.scrollWidth"), width)
                b.run(self.axe)
                self.assertEqual(b.run_later(AXE)["wrong"], [])
                b.shoot(pictures / f"running-{width}-{scheme}.png")
                self.assertEqual(b.console(), [])


if __name__ == "__main__":
    case.main(170)
