"""ffmpeg with x264: hand-written assembly without unwind tables. perf reaches the root in 7.4 % of these."""
from lib import case, load, real, service


class Ffmpeg(case.Case):
    @classmethod
    def prepare(cls):
        cls.node = cls.enter(load.Ffmpeg())
        cls.service = cls.enter(service.Service(cls.node.pid))
        cls.profile = cls.service.profile(8)

    def test_most_stacks_reach_the_root_all_the_same(self):
        f = real.report("ffmpeg", self.profile)
        guessed = sum(s.values[0] for s in self.profile.samples if "guess" in s.labels.get("stack", ()))
        print(f"        {100 * guessed / max(1, f['samples']):.1f} % of the samples hold a guess")
        self.assertGreater(f["rooted"], 0.90)

    def test_samples_with_a_guess_say_so_and_a_comment_counts_them(self):
        guessed = sum(s.values[0] for s in self.profile.samples if "guess" in s.labels.get("stack", ()))
        if guessed:
            self.assertIsNotNone(self.profile.comment("guess"), self.profile.comments)

    def test_x264s_functions_are_named_by_what_they_are(self):
        self.assertTrue(any("x264" in n for n in self.profile.names()), sorted(self.profile.names())[:30])
        real.check_names(self, self.profile)


if __name__ == "__main__":
    case.main()
