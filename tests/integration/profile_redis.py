"""redis-server under redis-benchmark: Debian's, stripped, without frame pointers. And all that people
type after `go tool pprof`."""

from lib import case, gotool, load, real, service, shares, targets


class Redis(case.Case):
    @classmethod
    def prepare(cls):
        cls.redis = cls.enter(load.Redis())
        cls.service = cls.enter(service.Service(cls.redis.pid))
        cls.tool = cls.enter(gotool.GoTool())
        cls.answers = [cls.service.get("profile?seconds=6"), cls.service.get("profile?seconds=3")]
        cls.profiles = [cls.service.decoded(a) for a in cls.answers]
        cls.files = [cls.tool.file(f"{i}.pb.gz", a.body) for i, a in enumerate(cls.answers)]

    def test_its_own_hot_functions_are_named(self):
        names = self.profiles[0].cumulative()
        total = self.profiles[0].total()
        for name, least in (("main", 0.9), ("aeMain", 0.9), ("processCommand", 0.1), ("call", 0.1)):
            self.assertGreater(names[name] / total, least, f"{name}; {names.most_common(12)}")
        self.assertTrue({"lookupKey", "dictFind", "addReply", "processMultibulkBuffer", "readQueryFromClient"} & set(names))

    def test_no_frame_is_without_a_function(self):
        for p in self.profiles:
            real.check_names(self, p)

    def test_nearly_every_stack_reaches_the_root(self):
        real.check_rooted(self, self.profiles[0], "redis")

    def test_kernel_frames_stand_below_the_system_calls(self):
        kernel = self.profiles[0].share(real.is_kernel)
        self.assertGreater(kernel, 0.05, "redis under load writes to sockets")
        for s in self.profiles[0].samples:
            kinds = [real.is_kernel(f) for f in self.profiles[0].frames(s)]
            self.assertEqual(kinds, sorted(kinds, reverse=True), "kernel frames come first, then user frames")

    def test_threads_have_their_names_as_labels(self):
        for s in self.profiles[0].samples:
            self.assertIn("thread", s.labels)
            self.assertIn("tid", s.labels)
        names = {s.labels["thread"][0] for s in self.profiles[0].samples}
        self.assertIn("redis-server", names)

    def test_two_windows_agree(self):
        a, b = (p.cumulative() for p in self.profiles)
        na, nb = (p.total() for p in self.profiles)
        for name in ("processCommand", "call", "readQueryFromClient"):
            pa, pb = a[name] / na, b[name] / nb
            sd = shares.tolerance((pa + pb) / 2, min(na, nb)) * 2 ** 0.5
            # The load's own mix changes as redis-benchmark goes from test to test.
            self.assertLess(abs(pa - pb), sd + 0.25, name)

    # ---- the tool

    def test_top_by_url_names_redis(self):
        rows, head = self.tool.top(self.service.url("profile?seconds=2"))
        self.assertIn("redis", head)
        self.assertIn("Type: cpu", head)
        self.assertIn("processCommand", {name for _, _, name in rows})

    def test_top_prints_no_warning(self):
        code, _, err = self.tool.run("-top", self.files[0])
        self.assertEqual(code, 0)
        for warning in ("symbolization failed", "not available", "PPROF_BINARY_PATH"):
            self.assertNotIn(warning, err)

    def test_raw_decodes_without_symbolizing(self):
        out = self.tool.must("-raw", "-symbolize=none", self.files[0])
        self.assertRegex(out, r"PeriodType: cpu nanoseconds\nPeriod: 10000000")
        self.assertRegex(out, r"samples/count cpu/nanoseconds")
        self.assertNotRegex(out, r"M=0 ")

    def test_traces_and_tags_and_peek(self):
        self.assertIn("processCommand", self.tool.must("-traces", self.files[0]))
        self.assertIn("redis-server", self.tool.must("-tags", self.files[0]))
        self.assertIn("processCommand", self.tool.must("-peek=^processCommand$", self.files[0]))

    def test_a_profile_survives_being_written_again(self):
        copy = self.tool.directory.name + "/copy.pb.gz"
        self.tool.must("-proto", f"-output={copy}", self.files[0])
        with open(copy, "rb") as f:
            again = service.pprof.decode(f.read())
        self.assertEqual(again.total(), self.profiles[0].total())
        self.assertEqual(again.flat(1), self.profiles[0].flat(1))
        self.assertEqual(again.names(), self.profiles[0].names())

    def test_two_profiles_subtract_and_merge(self):
        self.tool.must("-top", f"-diff_base={self.files[1]}", self.files[0])
        self.tool.must("-top", f"-base={self.files[1]}", self.files[0])
        out = self.tool.must("-raw", *self.files)
        self.assertIn("Period: 10000000", out)
        merged = self.tool.directory.name + "/merged.pb.gz"
        self.tool.must("-proto", f"-output={merged}", *self.files)
        with open(merged, "rb") as f:
            both = service.pprof.decode(f.read())
        self.assertEqual(both.total(), sum(p.total() for p in self.profiles))

    def test_two_profiles_in_one_file_are_refused_by_the_tool(self):
        both = self.tool.file("both.pb.gz", self.answers[0].body + self.answers[1].body)
        self.assertNotEqual(self.tool.run("-top", both)[0], 0)

    def test_the_web_pages_all_open(self):
        with self.tool.serve(self.files[0]) as web:
            for page in ("top", "flamegraph", "peek?f=processCommand", "download"):
                self.assertEqual(web.get(f"/ui/{page}").status, 200, page)
            self.assertIn(b"processCommand", web.get("/ui/top").body)


class WithoutDebugFiles(case.Case):
    """The same where libc6-dbg is not installed: Debian's libc has only its exported names then."""

    def test_the_share_of_named_frames_is_known_and_the_roots_are_reached(self):
        hide = targets.WITHOUT_DEBUG_FILES
        with load.Redis(before=hide) as redis, service.Service(redis.pid, before=hide) as s:
            p = s.profile(6)
        real.check_names(self, p)
        real.check_rooted(self, p, "redis without libc6-dbg")
        self.assertIn("_start", p.names(), "the ELF entry has no symbol in a stripped program, and is _start")


if __name__ == "__main__":
    case.main()
