"""list and disasm of `go tool pprof`: the main PIE at link-time addresses, libraries at their own."""
from lib import case, gotool, service, targets


class ListAndDisasm(case.Case):
    @classmethod
    def prepare(cls):
        cls.tool = cls.enter(gotool.GoTool())
        cls.node = targets.build("libnode")
        cls.library = targets.build_library("listed_leaf")
        with targets.start("libnode", 30, cls.library) as t, service.Service(t.pid) as s:
            answer = s.get("profile?seconds=4")
        cls.profile = service.Service.decoded(answer)
        cls.file = cls.tool.file("mixed.pb.gz", answer.body)

    def test_the_main_binarys_mapping_is_empty_and_the_librarys_is_its_row(self):
        main = [m for m in self.profile.mappings.values() if m.file.endswith("/libnode")]
        self.assertEqual([(m.start, m.limit, m.offset) for m in main], [(0, 0, 0)])
        library = [m for m in self.profile.mappings.values() if m.file.endswith("listed_leaf.so")]
        self.assertTrue(library and all(m.start < m.limit for m in library))

    def test_list_shows_source_lines_of_both(self):
        for function, source in (("own_leaf", "libnode.c"), ("listed_leaf", "lib.c")):
            out = self.tool.must(f"-list=^{function}$", f"-source_path={targets.SOURCES}", self.file)
            self.assertIn(source, out)
            self.assertRegex(out, r"churn\(x, TARGET_PIECE\)")

    def test_list_works_with_the_binary_named_too(self):
        out = self.tool.must("-list=^own_leaf$", f"-source_path={targets.SOURCES}", self.node, self.file)
        self.assertIn("own_leaf", out)

    def test_disasm_shows_instructions_of_the_main_binary(self):
        out = self.tool.must("-disasm=own_leaf", self.node, self.file)
        self.assertRegex(out, r"(?i)xor|shr|sar|shl")
        self.assertIn("libnode.c", out)

    def test_disasm_shows_instructions_of_a_library(self):
        if not self.tool.disassembles_libraries():
            return
        out = self.tool.must("-disasm=listed_leaf", self.file)
        self.assertRegex(out, r"(?i)xor|shr|sar|shl")

    def test_weblist_and_the_pages_of_the_browser(self):
        with self.tool.serve(self.file) as web:
            for page in ("source?f=own_leaf", "disasm?f=own_leaf", "peek?f=own_leaf", "flamegraph", "top", "download"):
                self.assertEqual(web.get(f"/ui/{page}").status, 200, page)

    def test_two_runs_of_a_pie_have_equal_addresses(self):
        def addresses():
            with targets.start("libnode", 20) as t, service.Service(t.pid) as s:
                p = s.profile(2)
            return {l.address for l in p.locations.values() if l.mapping.file.endswith("/libnode")
                    and l.lines[-1].function.name in ("turn", "main")}
        self.assertTrue(addresses() & addresses())


if __name__ == "__main__":
    case.main()
