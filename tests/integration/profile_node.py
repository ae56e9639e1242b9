"""node with --perf-basic-prof: JavaScript functions, named by /tmp/perf-PID.map, next to V8's own."""
import os

from lib import case, load, real, service, shares, targets


class Node(case.Case):
    @classmethod
    def prepare(cls):
        cls.node = cls.enter(load.node(60))
        cls.service = cls.enter(service.Service(cls.node.pid))
        cls.profile = cls.service.profile(6)

    def test_javascript_functions_have_their_shares(self):
        shares.compare(self, self.profile, dict(self.node.expect, systematic=0.03))

    def test_their_names_are_free_of_the_compilers_tier_and_their_files_known(self):
        hot = [f for f in self.profile.functions.values() if f.name == "hotJs"]
        self.assertTrue(hot, sorted(self.profile.names())[:40])
        for f in hot:
            self.assertTrue(f.file.endswith("jit_node.js"), f)
            self.assertEqual(f.start_line, 6, f)

    def test_jit_frames_stand_in_a_mapping_that_pprof_does_not_open(self):
        for s in self.profile.samples:
            for f in self.profile.frames(s):
                if f.name == "hotJs":
                    self.assertTrue(f.mapping.file.startswith("[") or f.mapping.file.startswith("//anon"), f.mapping)

    def test_nearly_every_stack_reaches_the_root(self):
        real.check_rooted(self, self.profile, "node")

    def test_no_frame_is_without_a_function(self):
        real.check_names(self, self.profile)


class OwnMap(case.Case):
    """A JIT of our own, whose map grows while the window is open."""

    def test_code_that_comes_in_the_middle_of_a_window_is_named(self):
        import signal
        import time
        with targets.start("jit_map", 60) as t, service.Service(t.pid) as s:
            window = s.profile_later(5)
            time.sleep(2.5)
            t.signal(signal.SIGUSR1)
            p = window.result(20)
        for name in (t.expect["first"], t.expect["second"]):
            self.assertGreater(p.share(lambda f: f.name == name), 0.3, name)
        stacks = shares.chains(p, short_names=False)
        self.assertTrue(any(shares.contains(c, (t.expect["second"], "run_jit", "main")) for c in stacks), stacks)

    def test_a_map_that_is_somebody_elses_names_nothing(self):
        with targets.start("jit_map", 60) as t:
            path = t.expect["map"]
            os.chown(path, 12345, 12345)
            with service.Service(t.pid) as s:
                p = s.profile(2)
        self.assertNotIn(t.expect["first"], p.names())

    def test_a_map_that_is_a_link_or_a_pipe_names_nothing_and_stops_nobody(self):
        for make in (lambda path: os.symlink("/etc/passwd", path), os.mkfifo):
            with targets.start("jit_map", 60) as t:
                os.unlink(t.expect["map"])
                make(t.expect["map"])
                with service.Service(t.pid) as s:
                    p = s.profile(2)
                self.assertGreater(p.total(), 5)
                self.assertFalse(any("root:" in n for n in p.names()))


if __name__ == "__main__":
    case.main()
