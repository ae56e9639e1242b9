"""The comparer of the other Go tests: Go's answers are equal to Go's answers, and one that was changed is not."""
import re

from lib import case, golang, gosame, gotext, pprof


class Oracle(case.Case):
    @classmethod
    def prepare(cls):
        path = golang.program(golang.local(), "stripped")
        cls.node = cls.enter(golang.start(path, "-each", 2, "-deep", 1, "-sizes", "-buckets", 50, "-memrate", 1,
                                          "-blockrate", 1, "-mutexfraction", 1, "-contend", 5))

    def test_gos_own_answers_are_equal_to_each_other(self):
        for path in gosame.ANSWERS:
            with self.subTest(path):
                gosame.bracket(path, self.node.theirs, self.node.theirs).check(self)

    def found(self, path, pattern, by, count=1):
        """That a text is not taken for Go's where something in it was replaced."""
        def changed(path):
            text = self.node.theirs(path).decode()
            other = re.sub(pattern, by, text, count=count, flags=re.M)
            self.assertTrue(text != other, f"{path}: no {pattern} to change")
            return other
        try:
            result = gosame.bracket(path, self.node.theirs, changed)
        except gotext.Malformed:
            return
        self.assertTrue(result.bad, f"{path}: {pattern} as {by}")

    def test_a_changed_number_of_a_heap_row_is_found(self):
        self.found("heap?debug=1", r"^2: 212992 \[4: 425984\]", "2: 212992 [5: 532480]")
        self.found("heap?debug=1", r"^2: 212992 \[4: 425984\]", "0: 0 [4: 425984]")

    def test_a_missing_or_other_stack_is_found(self):
        self.found("heap?debug=1", r"^\d+: \d+ \[\d+: \d+\] @ (?:.+\n)+\n", "")
        self.found("goroutine?debug=1", r"^2 @ 0x", "2 @ 0x1")
        self.found("block?debug=1", r" 0x([0-9a-f]+)$", "")

    def test_another_name_line_or_inlined_frame_is_found(self):
        for path in ("heap?debug=1", "goroutine?debug=1"):
            self.found(path, r"\tmain\.(\w+)\+0x", r"\tmain.other\1+0x")
            self.found(path, r"\.go:(\d+)$", r".go:1\1")
            self.found(path, r"^#\t0x\w+\t+main\..*\n", "")

    def test_another_count_label_or_total_is_found(self):
        self.found("goroutine?debug=1", r"^2 @ ", "1 @ ")
        self.found("goroutine?debug=1", r'"shard":"1"', '"shard":"0"')
        self.found("mutex?debug=1", r"^(\d+) (\d+) @", r"\1 1\2 @")
        self.found("mutex?debug=1", r"sampling period=1", "sampling period=2")

    def test_another_state_creator_or_call_is_found(self):
        self.found("goroutine?debug=2", r"\[chan send\]", "[chan receive]")
        self.found("goroutine?debug=2", r"\[chan receive, locked to thread\]", "[chan receive]")
        self.found("goroutine?debug=2", r"^created by main\.startDeep", "created by main.start")
        self.found("goroutine?debug=2", r"^main\.parkSelect\(.*\n\t.*\n", "")
        self.found("goroutine?debug=2", r"^(main\.parkSelect\(.*\n\t.*)\+0x", r"\1+0x1")
        self.found("goroutine?debug=2", r"^goroutine \d+ \[select\]:\n(?:.+\n)+\n", "")

    def test_another_value_of_a_protobuf_is_found(self):
        a, b = pprof.decode(self.node.theirs("heap")), pprof.decode(self.node.theirs("heap"))
        i = next(i for i, s in enumerate(b.samples) if s.values[3])
        b.samples[i] = b.samples[i]._replace(values=(*b.samples[i].values[:3], b.samples[i].values[3] + 1))
        self.assertTrue(gosame.profiles(a, b, a, "heap").bad)
        b.samples.pop(i)
        self.assertTrue(gosame.profiles(a, b, a, "heap").bad)


if __name__ == "__main__":
    case.main()
