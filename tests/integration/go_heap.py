"""heap and allocs of Go nodes, row by row as Go itself says: pcs, numbers, names, files, lines, inlined calls.

The node is tests/targets/go_profiled, by the Go of PATH and some others (ALL_GO=1: each minor version in each form). Its
own /debug/pprof is asked before and after ours.

# timeout: 1500
"""
import re

from lib import case, golang, gonode, gotext, gotool, pprof, targets

# Every allocation counts; a rate in between, so that the protobuf's numbers are scaled.
RATES = (1, 4096)
HEAP = ("-sizes", "-buckets", 300)
PATHS = ("heap?debug=1", "allocs?debug=1", "heap", "allocs")


class GoHeap(case.Case):
    @classmethod
    def prepare(cls):
        cls.local = golang.local()

    def watched(self, *flags, toolchain=None, form="stripped", **more):
        return gonode.Watched(golang.start(golang.program(toolchain or self.local, form), *flags), **more)

    def test_every_row_is_gos_own_with_each_go(self):
        for toolchain in golang.toolchains():
            for form in golang.FORMS if golang.everything() else ("stripped",):
                with self.subTest(go=toolchain.version, form=form), \
                        self.watched(*HEAP, "-memrate", RATES[toolchain.minor % 2], toolchain=toolchain, form=form) as w:
                    print(f"        {toolchain} {form}", flush=True)
                    for path in PATHS:
                        w.same(self, path, least=20)

    def test_a_program_that_the_c_compiler_linked_and_that_is_anywhere(self):
        targets.need("gcc")
        for form in ("cgo", "cgo pie", "pie"):
            with self.subTest(form=form), self.watched(*HEAP, "-memrate", 1, form=form) as w:
                for path in ("heap?debug=1", "heap"):
                    w.same(self, path, least=100)

    def test_twelve_thousand_buckets(self):
        with self.watched("-buckets", 12000, "-memrate", 1) as w:
            for path in ("heap?debug=1", "heap"):
                w.same(self, path, least=12000)

    def test_before_the_first_collection_all_that_is_pending_counts(self):
        with self.watched("-buckets", 100, "-memrate", 1, "-collect=false", toolchain=self.local) as w:
            result = w.same(self, "heap?debug=1", least=100)
            self.assertGreater(result.still, 50)

    def test_what_is_published_is_gos_while_the_node_allocates_and_collects_on_and_on(self):
        with self.watched("-alloc", 2, "-memrate", 512, "-gc", "20ms") as w:
            for _ in range(5):
                w.same(self, "heap?debug=1", least=100)

    def test_the_rate_in_the_head_is_the_nodes_own(self):
        with self.watched("-memrate", 12345) as w:
            self.assertEqual(gotext.heap(w.ours("heap?debug=1")).rate, 2 * 12345)
            self.assertEqual(w.snapshot("heap").period, 12345)

    def test_gc_is_taken_and_said_not_to_be_done(self):
        with self.watched("-buckets", 10, "-memrate", 1) as w:
            before = self.collections(w)
            p = w.snapshot("heap?gc=1")
            self.assertTrue(p.comment(r"\bgc\b"), p.comments)
            gotext.heap(w.ours("heap?gc=1&debug=1"))
            self.assertEqual(self.collections(w), before, "a collection of the node that nobody asked for")

    @staticmethod
    def collections(w):
        return gotext.heap(w.theirs("heap?debug=1")).memstats["NumForcedGC"]

    def test_a_text_of_ours_has_only_those_memstats_that_are_gos(self):
        with self.watched("-buckets", 10) as w:
            theirs, ours = gotext.heap(w.theirs("heap?debug=1")), gotext.heap(w.ours("heap?debug=1"))
            after = gotext.heap(w.theirs("heap?debug=1"))
            for key, value in ours.memstats.items():
                if theirs.memstats.get(key) == after.memstats.get(key):  # it stood still
                    self.assertEqual(value, theirs.memstats.get(key), key)

    # ---- go tool pprof

    def test_go_tool_pprof_shows_objects_space_lines_and_differences(self):
        with self.watched(*HEAP, "-memrate", 1, form="plain") as w, gotool.GoTool() as tool:
            url = w.service.url("heap")
            self.assertIn("main.fillSizes", tool.must("-alloc_objects", "-top", url))
            self.assertIn("main.fillSizes", tool.must("-inuse_space", "-top", url))
            listed = tool.must("-list", "main.fillSizes", "-alloc_space", url)
            self.assertRegex(listed, r"b, p := make\(\[\]byte, size\)")
            self.assertRegex(tool.must("-inuse_space", "-top", "-diff_base", url, url), r"accounting for 0, 0% of [1-9]")
            peek = tool.must("-peek", "main.way0", "-alloc_space", w.service.url("allocs"))
            self.assertIn("main.next", peek)

    def test_raw_protobufs_have_equal_sums_for_each_function(self):
        with self.watched(*HEAP, "-memrate", 512) as w, gotool.GoTool() as tool:
            before, ours, after = (tool.must("-raw", "-symbolize=none", tool.file(n, body)) for n, body in (
                ("before", w.theirs("heap")), ("ours", w.ours("heap")), ("after", w.theirs("heap"))))
            a, b, c = map(raw_sums, (before, ours, after))
            still = {f for f in a if a[f] == c.get(f)}
            self.assertGreater(len(still), 10)
            none = (0, 0, 0, 0)
            self.assertEqual({f: b.get(f, none) for f in still}, {f: a[f] for f in still})

    def test_a_row_has_the_address_of_gos_own(self):
        with self.watched(*HEAP, "-memrate", 1) as w:
            theirs, ours = pprof.decode(w.theirs("heap")), w.snapshot("heap")
            def addresses(p):
                return {l.address: tuple((x.function.name, x.line) for x in l.lines) for l in p.locations.values()}
            a, b = addresses(theirs), addresses(ours)
            common = a.keys() & b.keys()
            self.assertGreater(len(common), 0.9 * len(a))
            self.assertEqual([x for x in common if a[x] != b[x]], [])

    # ---- many who ask

    def test_many_at_a_time_get_the_same(self):
        with self.watched("-buckets", 500, "-memrate", 1) as w:
            w.ours("heap")
            answers = [w.service.later("heap?debug=1") for _ in range(20)]
            rows = {gotext.heap(gonode.body_of(a.result(60), "heap?debug=1")).total for a in answers}
            self.assertEqual(len(rows), 1)


def raw_sums(text):
    """Function to the sums of its samples' values, anywhere in the stack, of `go tool pprof -raw`."""
    samples, _, rest = text.partition("\nLocations\n")
    locations, _, _ = rest.partition("\nMappings\n")
    names, at = {}, None
    for line in locations.splitlines():
        m = re.match(r"\s*(?:(\d+): 0x[0-9a-f]+ (?:M=\d+ )?)?(.*) \S+:\d+(?::\d+)? s=", line)
        at = int(m[1]) if m[1] else at
        names.setdefault(at, set()).add(m[2].strip())
    sums = {}
    for line in samples.splitlines():
        m = re.match(r"\s*(-?\d+(?:\s+-?\d+)*): ([\d ]+)$", line.rstrip())
        if not m:
            continue  # the types, and labels
        values = tuple(map(int, m[1].split()))
        for name in set().union(*(names[int(i)] for i in m[2].split())):
            sums[name] = tuple(map(sum, zip(sums.get(name, (0,) * len(values)), values)))
    return sums


if __name__ == "__main__":
    case.main(deadline=1480)
