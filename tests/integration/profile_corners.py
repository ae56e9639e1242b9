"""Small programs in which a profiler can go wrong: deep stacks, signal handlers, deleted files, short threads..."""
import os
import pathlib
import re
import shutil
import signal
import tempfile
import time

from lib import case, real, service, shares, targets

SECONDS = 3  # 300 samples: four sd of a share of 0.7 are 0.106


class Deep(case.Case):
    def test_six_hundred_frames_of_recursion_all_stand_in_the_stack_or_are_cut_with_a_word(self):
        for frames in (400, 600, 5000):
            with self.subTest(frames), targets.start("recursion", 30, frames) as t, service.Service(t.pid) as s:
                p = s.profile(SECONDS)
                shares.compare(self, p, t.expect)
                depths = {len(x.locations) for x in p.samples if x.values[0]}
                counts = sorted({sum(f.name == "descend" for f in p.frames(x)) for x in p.samples})
                if max(depths) > frames:
                    self.assertIn(frames, counts, "each call stands once")
                    real.check_rooted(self, p, f"{frames} frames")
                else:
                    self.assertGreaterEqual(max(depths), 512)
                    cut = p.share(lambda f: bool(re.match(r"^\[truncated.*\]$", f.name)))
                    self.assertGreater(cut, 0.95, "a stack that is cut has a frame that says so")
                    self.assertIsNotNone(p.comment("truncated"), p.comments)


class Handlers(case.Case):
    def test_signal_handlers_stand_above_what_they_interrupted(self):
        for arguments in ((), ("altstack",)):
            with self.subTest(arguments), targets.start("signals", 30, *arguments) as t, service.Service(t.pid) as s:
                p = s.profile(SECONDS + 1)
                shares.compare(self, p, t.expect)
                above, below = t.expect["handler"]
                stacks = shares.chains(p)
                self.assertTrue(any(above in c and below in c for c in stacks), "through the signal frame to main")
                # On a stack of its own the handler's is the one that the kernel copies; the interrupted one is
                # read afterwards, and not believed where the thread has gone on too far.
                real.check_rooted(self, p, f"signals {arguments}", 0.90 if arguments else 0.99)


class Files(case.Case):
    def test_a_deleted_binary_keeps_its_names(self):
        with tempfile.TemporaryDirectory(prefix="ppd-del-") as d:
            path = targets.copy_of("c_nofp", d)
            with targets.start("c_nofp", 30, path=path) as t:
                os.unlink(path)
                with service.Service(t.pid) as s:
                    p = s.profile(SECONDS)
            shares.compare(self, p, t.expect)

    def test_a_replaced_binary_keeps_its_own_names(self):
        with tempfile.TemporaryDirectory(prefix="ppd-rep-") as d:
            path = targets.copy_of("c_nofp", d)
            with targets.start("c_nofp", 30, path=path) as t:
                other = shutil.copy(targets.build("recursion"), pathlib.Path(d) / "new")
                os.rename(other, path)
                with service.Service(t.pid) as s:
                    p = s.profile(SECONDS)
            shares.compare(self, p, t.expect)
            self.assertNotIn("descend", p.names())

    def test_a_binary_that_nobody_else_may_read_is_read(self):
        with tempfile.TemporaryDirectory(prefix="ppd-priv-") as d:
            path = targets.copy_of("c_nofp", d)
            path.chmod(0o700)
            with targets.start("c_nofp", 30, path=path) as t, service.Service(t.pid) as s:
                shares.compare(self, s.profile(SECONDS), t.expect)

    def test_a_library_loaded_in_the_middle_of_a_window_is_named(self):
        library = targets.build_library("late_leaf")
        with targets.start("libnode", 30, "late", library) as t, service.Service(t.pid) as s:
            window = s.profile_later(5)
            time.sleep(2)
            t.signal(signal.SIGUSR1)
            p = window.result(20)
        # Half of what comes after the load, which is some 60 % of the window.
        self.assertGreater(p.share(lambda f: f.name == "late_leaf"), 0.15)
        stacks = shares.chains(p)
        self.assertTrue(any(shares.contains(c, ("late_leaf", "lib_static", "lib_entry", "turn", "main")) for c in stacks))


class Threads(case.Case):
    def test_threads_that_come_and_go_are_all_counted(self):
        with targets.start("threads", 60, 60) as t, service.Service(t.pid) as s:
            clock = shares.Clock(t)
            p = s.profile(4)
            # The process's own clock, dead threads included.
            clock.check(self, p)
            shares.compare(self, p, t.expect)
            for name, leaf in t.expect["threads"].items():
                for x in p.samples:
                    if any(shares.short(f.name) == leaf for f in p.frames(x)):
                        self.assertEqual(x.labels["thread"], [name])

    def test_the_total_is_the_clocks_and_a_comment_tells_what_of_it_was_sampled(self):
        with targets.start("threads", 60, 4) as t, service.Service(t.pid) as s:
            began = t.cpu_seconds()
            p = s.profile(4)
            used = t.cpu_seconds() - began
        said = p.comment(r"CPU clock: ([\d.]+) s, of which sampled ([\d.]+) s; the difference, ([\d.]+) s")
        self.assertIsNotNone(said, p.comments)
        self.assertLess(abs(float(said[1]) - used), 0.10 * used + 0.15)
        self.assertLess(abs(float(said[1]) - p.total(1) / 1e9), 0.001)
        self.assertLess(abs(float(said[2]) - p.total(0) * p.period / 1e9), 0.001)
        self.assertLess(abs(float(said[3]) - p.flat(1)["[unsampled]"] / 1e9), 0.001)

    def test_forked_children_are_not_the_node(self):
        with targets.start("forks", 60) as t, service.Service(t.pid) as s:
            p = s.profile(4)
            shares.compare(self, p, t.expect)


class Corners(case.Case):
    # Who is called by whom in island_main.c and island.S.
    CALLS = {("island_loop", "voyage"), ("island_loop", "island_outer"), ("island_outer", "voyage"),
             ("island_back", "voyage"), ("back_in_c", "island_back"), ("voyage", "main")}

    def possible(self, p, sample):
        names = [n for n in (shares.short(f.name) for f in p.frames(sample)) if n != "churn"]
        ours = {n for call in self.CALLS for n in call} - {"main"}
        return all(pair in self.CALLS for pair in zip(names, names[1:]) if pair[0] in ours)

    def test_assembly_without_unwind_tables_is_bridged(self):
        with targets.start("island", 30) as t, service.Service(t.pid) as s:
            p = s.profile(4)
            real.report("island", p)
            right = sum(x.values[0] for x in p.samples if self.possible(p, x))
            print(f"        {100 * (1 - right / p.total()):.1f} % of the stacks show a call that does not exist")
            shares.compare(self, p, t.expect)
            for x in p.samples:
                names = [f.name for f in p.frames(x)]
                if any(n.startswith("island_") for n in names) and "main" in names:
                    self.assertEqual(x.labels.get("stack"), ["guess"], names)

    def test_the_vdso_is_named(self):
        with targets.start("clocks", 30) as t, service.Service(t.pid) as s:
            p = s.profile(SECONDS)
            shares.compare(self, p, t.expect)
            inside = [f for x in p.samples for f in p.frames(x) if f.mapping.file == t.expect["object"]]
            self.assertTrue(inside)
            self.assertTrue({f.name for f in inside} & set(t.expect["any_of"]), {f.name for f in inside})
            real.check_rooted(self, p, "vdso")

    def test_the_kernels_functions_are_named(self):
        with targets.start("kernel_read", 30) as t, service.Service(t.pid) as s:
            p = s.profile(SECONDS)
            shares.compare(self, p, t.expect)
            self.assertTrue(p.names() & set(t.expect["kernel"]), sorted(p.names())[:40])
            self.assertGreater(p.share(real.is_kernel), 0.6)

    def test_hostile_names_arrive_as_utf8_and_spoil_nothing(self):
        with targets.start("hostile_names", 30) as t, service.Service(t.pid) as s:
            p = s.profile(4)  # decode() refuses what is not UTF-8
            index = s.get("").body
        self.assertNotIn(b"<script>alert", index)
        self.assertNotIn(b"<b>", index)
        names = p.names()
        self.assertTrue(any("<script>alert(1)</script>" in n for n in names), names)
        self.assertTrue(any(n.startswith("long_nnn") for n in names))
        self.assertLess(max(map(len, names)), 8192)
        n = p.total()
        four = [c for _, c in p.flat().most_common(4)]
        for c in four:
            self.assertLess(abs(c / n - 0.25), shares.tolerance(0.25, n, 0.05), p.flat().most_common(6))
        threads = {x.labels["thread"][0] for x in p.samples if x.values[0]}
        self.assertEqual(len(threads & {"<b>\"&'\\", "%s%n;=,{}"}), 2, threads)


if __name__ == "__main__":
    case.main()
