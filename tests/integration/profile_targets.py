"""Programs of our own, in each language and built in each way, which say what their profile must show."""
import re
import subprocess

from lib import case, real, service, shares, targets

# All run at the same time on the CPUs there are, so each gets a part: finer samples make up for it.
# 22 on two CPUs: 700 samples each; four sd of a share of 0.7 are 0.07.
SECONDS, HZ = 20, 400
DEBUG = ("c_nofp", "c_nopie", "c_static", "c_dwarf2", "c_dwarf3", "c_dwarf4", "c_dwarf64", "c_compressed", "c_split",
         "c_debuglink", "c_clang", "c_clang_split", "cxx", "cxx_clang", "rust", "go", "go_stripped", "go_pie_stripped")
SYMBOLS = ("c_nodebug", "c_minidebug")  # functions, but no lines and so no inlined calls
STRIPPED = ("c_stripped", "c_stripped_nopie")  # neither


class All(case.Case):
    """One service and all of them as its nodes: the windows run at the same time."""

    @classmethod
    def prepare(cls):
        cls.missing, cls.nodes = {}, {}
        conf = "[collector]\nmax_windows = 64\n"
        names = DEBUG + SYMBOLS + STRIPPED
        for name in names:
            try:
                targets.build(name)
            except targets.Missing as e:
                cls.missing[name] = str(e)
        cls.wanted = [n for n in names if n not in cls.missing]
        for name in cls.wanted:
            cls.nodes[name] = cls.enter(targets.start(name, 85))
            conf += f"[node {name}]\ntarget = {cls.nodes[name].pid}\n"
        cls.service = cls.enter(service.Service(conf=conf))
        answers = {n: cls.service.later(f"/nodes/{n}/debug/pprof/profile?seconds={SECONDS}&hz={HZ}") for n in cls.wanted}
        cls.answers = {n: a.result(80) for n, a in answers.items()}

    def each(self, names):
        for name in names:
            with self.subTest(name):
                if name in self.missing:
                    continue
                yield name, self.service.decoded(self.answers[name]), self.nodes[name].expect

    def test_shares_lines_and_inlined_calls_of_those_with_line_tables(self):
        for name, p, expect in self.each(DEBUG):
            shares.compare(self, p, expect)

    def test_lines_are_those_of_the_source(self):
        source = (targets.SOURCES / "c_shares.c").read_text().splitlines()
        for name, p, expect in self.each(n for n in DEBUG if n.startswith("c_")):
            seen = {(f.name, f.line) for s in p.samples for f in p.frames(s) if f.file.endswith("c_shares.c")}
            for function, line in seen:
                self.assertTrue(1 <= line <= len(source), (function, line))
            calls = [n for f, n in seen if f == "serve"]
            self.assertTrue(any("hot_middle" in source[n - 1] for n in calls), (name, sorted(seen)))
            starts = {f.name: f.start_line for f in p.functions.values() if f.file.endswith("c_shares.c")}
            self.assertIn(starts["serve"], (n + 1 for n, l in enumerate(source) if re.match(r"serve\(uint64_t x\)$", l)))

    def test_functions_of_those_with_symbols_only(self):
        for name, p, expect in self.each(SYMBOLS):
            shares.compare(self, p, expect, debug=False)

    def test_stripped_ones_have_one_name_for_each_function(self):
        for name, p, expect in self.each(STRIPPED):
            flat = p.flat()
            two = [n for n, _ in flat.most_common(2)]
            self.assertTrue(all(real.MADE_UP.match(n) for n in two), two)
            n = p.total()
            for got, share in zip((flat[two[0]] / n, flat[two[1]] / n), (0.7, 0.3)):
                self.assertLess(abs(got - share), shares.tolerance(share, n, 0.005), flat.most_common(4))
            self.assertIn("_start", p.names())
            # Their starts are those of the symbols that were stripped away: the same compiler, the same code.
            unstripped = subprocess.run(["nm", targets.build("c_nodebug")], capture_output=True, text=True).stdout
            if name == "c_stripped" and unstripped:
                start = int(re.search(r"^([0-9a-f]+) T hot_leaf$", unstripped, re.M)[1], 16)
                self.assertTrue(two[0].endswith(f"+0x{start:x}"), (two[0], hex(start)))

    def test_every_stack_of_every_one_reaches_its_root(self):
        for name, p, expect in self.each(self.wanted):
            real.check_rooted(self, p, name)
            real.check_names(self, p)


if __name__ == "__main__":
    case.main(150)  # of which 35 s are the first build of all targets
