"""Programs of our own, in each language and built in each way, which say what their profile must show."""
import re
import subprocess

from lib import case, load, real, service, shares, targets

# Four at a time share the CPUs there are, so each gets a part: finer samples make up for it. (Four
# nodes' rings on two CPUs are the 8 MB that may be locked where limits cannot be raised.)
# On two CPUs: 1,000 samples each; four sd of a share of 0.7 are 0.06.
TOGETHER, SECONDS, HZ = 4, 5, 400
DEBUG = ("c_nofp", "c_nopie", "c_static", "c_dwarf2", "c_dwarf3", "c_dwarf4", "c_dwarf64", "c_compressed", "c_split",
         "c_debuglink", "c_clang", "c_clang_split", "cxx", "cxx_clang", "rust", "go", "go_stripped", "go_pie_stripped")
SYMBOLS = ("c_nodebug", "c_minidebug")  # functions, but no lines and so no inlined calls
STRIPPED = ("c_stripped", "c_stripped_nopie")  # neither


class All(case.Case):
    @classmethod
    def prepare(cls):
        cls.missing, cls.expect, cls.answers, cls.logs = {}, {}, {}, {}
        for name in DEBUG + SYMBOLS + STRIPPED:
            try:
                targets.build(name)
            except targets.Missing as e:
                cls.missing[name] = str(e)
                print(f"        {name}: {e}")
        cls.built = [n for n in DEBUG + SYMBOLS + STRIPPED if n not in cls.missing]
        for i in range(0, len(cls.built), TOGETHER):
            cls.take(cls.built[i:i + TOGETHER])

    @classmethod
    def take(cls, names):
        """Some of them as nodes of one service, with their windows at the same time."""
        with load.Stack() as stack:
            nodes = {n: stack.enter(targets.start(n, 40)) for n in names}
            conf = "".join(f"[node {n}]\ntarget = {t.pid}\n" for n, t in nodes.items())
            s = stack.enter(service.Service(conf=conf))
            asked = {n: s.later(f"/nodes/{n}/debug/pprof/profile?seconds={SECONDS}&hz={HZ}") for n in names}
            cls.answers |= {n: a.result(40) for n, a in asked.items()}
            cls.expect |= {n: t.expect for n, t in nodes.items()}
            cls.logs |= {n: s.logs(40) for n in names}

    def each(self, names, check):
        for name in names:
            if name not in self.missing:
                with self.subTest(name):
                    try:
                        check(name, service.Service.decoded(self.answers[name]), self.expect[name])
                    except Exception:
                        print(self.logs.pop(name, ""))
                        raise

    def test_shares_lines_and_inlined_calls_of_those_with_line_tables(self):
        def check(name, p, expect):
            if name == "c_dwarf2":
                # An inlined call in several pieces needs DW_AT_ranges, which is DWARF 3's.
                expect = dict(expect, stacks=[[f for f in s if f != "churn"] for s in expect["stacks"]])
            shares.compare(self, p, expect)

        self.each(DEBUG, check)

    def test_lines_are_those_of_the_source(self):
        source = (targets.SOURCES / "c_shares.c").read_text().splitlines()

        def check(name, p, expect):
            seen = {(f.name, f.line) for s in p.samples for f in p.frames(s) if f.file.endswith("c_shares.c")}
            for function, line in seen:
                self.assertTrue(1 <= line <= len(source), (function, line))
            calls = [n for f, n in seen if f == "serve"]
            self.assertTrue(any("hot_middle" in source[n - 1] for n in calls), sorted(seen))
            starts = {f.name: f.start_line for f in p.functions.values() if f.file.endswith("c_shares.c")}
            self.assertIn(starts["serve"], [n + 1 for n, l in enumerate(source) if re.match(r"serve\(uint64_t x\)$", l)])

        self.each([n for n in DEBUG if n.startswith("c_")], check)

    def test_functions_of_those_with_symbols_only(self):
        self.each(SYMBOLS, lambda name, p, expect: shares.compare(self, p, expect, debug=False))

    def test_stripped_ones_have_one_name_for_each_function(self):
        # Their starts are those of the symbols that were stripped away: the same compiler, the same code.
        unstripped = subprocess.run(["nm", targets.build("c_nodebug")], capture_output=True, text=True, check=True).stdout
        start = int(re.search(r"^([0-9a-f]+) T hot_leaf$", unstripped, re.M)[1], 16)

        def check(name, p, expect):
            flat, n = p.flat(), p.total()
            two = [f for f, _ in flat.most_common(2)]
            self.assertTrue(all(real.MADE_UP.match(f) for f in two), two)
            for function, share in zip(two, (0.7, 0.3)):
                # A machine that is busy with others takes its interrupts in the kernel: they are leaves too.
                self.assertLess(abs(flat[function] / n - share), shares.tolerance(share, n, 0.05), flat.most_common(4))
            self.assertIn("_start", p.names())
            if name == "c_stripped":
                self.assertTrue(two[0].endswith(f"+0x{start:x}"), (two[0], hex(start)))

        self.each(STRIPPED, check)

    def test_every_stack_of_every_one_reaches_its_root(self):
        def check(name, p, expect):
            real.check_rooted(self, p, name)
            real.check_names(self, p)

        self.each(self.built, check)


if __name__ == "__main__":
    case.main(150)  # of which 60 s are the first build of all targets
