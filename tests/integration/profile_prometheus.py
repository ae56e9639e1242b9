"""Debian's prometheus, stripped: our profile and its own /debug/pprof/profile of the same ten seconds."""
import math

from lib import case, load, pprof, real, service


class Prometheus(case.Case):
    @classmethod
    def prepare(cls):
        cls.node = cls.enter(load.Prometheus())
        cls.service = cls.enter(service.Service(cls.node.pid))
        cls.service.profile(1)  # warm, so that both begin at once
        theirs = cls.service.pool.submit(service.request, cls.node.port, "/debug/pprof/profile?seconds=10", timeout=40)
        cls.ours = cls.service.profile(10)
        cls.theirs = pprof.decode(theirs.result(40).body)

    @staticmethod
    def by_address(p):
        """Address of the file to its frames, for the main binary. Go's binary is no PIE: both are runtime addresses."""
        out = {}
        for l in p.locations.values():
            if l.mapping and l.mapping.file.endswith("/prometheus") and l.lines:
                out[l.address] = [(x.function.name, x.function.file, x.line) for x in l.lines]
        return out

    def test_every_address_has_the_names_files_lines_and_inlined_calls_that_go_gives(self):
        ours, theirs = self.by_address(self.ours), self.by_address(self.theirs)
        common = set(ours) & set(theirs)
        print(f"        {len(common)} addresses are in both profiles, of our {len(ours)} and Go's {len(theirs)}")
        self.assertGreater(len(common), 100)
        # Go's writer keeps one file for a function's name, the first it met; a generated parser, with
        # //line directives, is of two (yaccpar and the .y file). Where one of them is no .go file it does not count.
        def plain(frames):
            return [(name, file if file.endswith(".go") else "", line) for name, file, line in frames]

        wrong = [(hex(a), ours[a], theirs[a]) for a in sorted(common) if plain(ours[a]) != plain(theirs[a])]
        self.assertEqual(wrong[:3], [], f"{len(wrong)} of {len(common)} differ")

    def test_shares_equal_gos_own_within_sampling_error(self):
        ours, theirs = self.ours.cumulative(), self.theirs.cumulative()
        n, m = self.ours.total(), self.theirs.total()
        self.assertGreater(min(n, m), 200)
        worst = []
        for name, _ in theirs.most_common(60):
            if name.startswith("runtime.") or real.is_kernel_name(name):
                continue  # Go sees no kernel frames, and ends the runtime's own stacks elsewhere
            p, q = ours[name] / n, theirs[name] / m
            pooled = (ours[name] + theirs[name]) / (n + m)
            sd = math.sqrt(max(pooled * (1 - pooled), 1 / (n + m)) * (1 / n + 1 / m))
            # 40 comparisons: five sd. The two windows are some ms apart: 1 %. Go's signals miss what
            # the kernel does on a thread's account where signals are blocked: 2 %.
            if abs(p - q) > 5 * sd + 0.03:
                worst.append((name, round(p, 3), round(q, 3), round(sd, 3)))
        self.assertEqual(worst, [])

    def test_the_totals_agree(self):
        # Go's SIGPROF timer and the task clock count the same CPU time; Go's own test allows 10 %.
        self.assertLess(abs(self.ours.total() - self.theirs.total()), 0.15 * self.theirs.total() + 20)

    def test_nearly_every_stack_reaches_the_root(self):
        real.check_rooted(self, self.ours, "prometheus")

    def test_no_frame_is_without_a_function(self):
        real.check_names(self, self.ours)


if __name__ == "__main__":
    case.main()
