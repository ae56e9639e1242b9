"""What we encode, read by `go tool pprof`: made-up samples at the true addresses of a PIE and its library."""
import re
import subprocess

from lib import case, front, gotool, targets

BASE, LIB_BASE = 0x5581_0000_0000, 0x7F12_3400_0000
MAIN_OBJECT, LIB_OBJECT = 1, 2


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, timeout=60).stdout


class Binary:
    """What a made-up profile needs to know of a file: its executable segment, its functions, their lines."""

    def __init__(self, path, pie=True):
        self.path, self.pie = str(path), pie
        for line in run("readelf", "-lW", path).splitlines():
            f = line.split()
            if f[:1] == ["LOAD"] and "E" in f[6:-1]:
                self.offset, self.vaddr, self.size = int(f[1], 16), int(f[2], 16), int(f[4], 16)
        self.build_id = re.search(r"Build ID: (\w+)", run("readelf", "-n", path))[1]
        self.symbols = {}
        for line in run("nm", "-S", path).splitlines():
            f = line.split()
            if len(f) == 4:
                self.symbols[f[3]] = (int(f[0], 16), int(f[1], 16))

    def map(self, script, ident, obj, base, flags=0):
        page = self.offset & ~0xFFF
        self.shift = (base if self.pie else 0)
        self.start, self.pgoff, self.ident, self.obj = (self.vaddr & ~0xFFF) + self.shift, page, ident, obj
        end = (self.vaddr + self.size + 0xFFF & ~0xFFF) + self.shift
        script.map(ident, obj, self.start, end, page, self.path, flags=flags)

    def frame(self, script, vaddr):
        """A frame at this link-time address, with the names that addr2line gives it."""
        address = vaddr + self.shift
        place = address - self.start + self.pgoff
        lines = run("addr2line", "-f", "-i", "-e", self.path, hex(vaddr)).splitlines()
        for name, where in zip(lines[::2], lines[1::2]):
            file, _, line = where.partition(" ")[0].rpartition(":")
            script.name(self.obj, place, vaddr, name, file=file, line=int(line) if line.isdigit() else 0)
        return self.ident, address

    def inside(self, name, part):
        start, size = self.symbols[name]
        return start + size * part // 100


class Encoder(case.Case):
    pie = True
    flags = ()

    @classmethod
    def prepare(cls):
        targets.need("go", "gcc", "nm", "addr2line", "readelf")
        cls.go = cls.enter(gotool.GoTool())
        d = cls.go.directory.name
        lib, main = f"{d}/libencoder.so", f"{d}/encoder_main"
        run("gcc", "-O2", "-g", "-Wl,--build-id", "-shared", "-fPIC", "-o", lib, targets.SOURCES / "encoder_lib.c")
        run("gcc", "-O2", "-g", "-Wl,--build-id", *cls.flags, "-o", main, targets.SOURCES / "encoder_main.c", lib)
        s = cls.script(Binary(main, cls.pie), Binary(lib))
        with front.Front(s) as f:
            answers = [f.get("profile?seconds=0.1") for _ in range(2)]
            cls.decoded = f.decoded(answers[0])
        cls.file, cls.again = (cls.go.file(f"{i}.pb.gz", a.body) for i, a in enumerate(answers))
        cls.main, cls.lib = main, lib

    @classmethod
    def script(cls, main, lib):
        s = front.Script()
        s.node("node", 77, "encoder", main.path)
        # The library's row comes first: the main executable must be put in front of it.
        lib.map(s, 9, LIB_OBJECT, LIB_BASE)
        main.map(s, 4, MAIN_OBJECT, BASE, front.MAIN)
        s.object(MAIN_OBJECT, front.PIE if cls.pie else front.EXEC, main.build_id)
        s.object(LIB_OBJECT, front.PIE, lib.build_id)
        caller = main.frame(s, main.inside("main", 50))
        s.stack(1, main.frame(s, main.inside("encoder_hot", 60)), caller)
        s.stack(2, lib.frame(s, lib.inside("encoder_library", 60)), caller)
        s.thread(77, "encoder")
        s.count(1, 77, 70)
        s.count(2, 77, 30)
        return s

    def test_raw_reads_all_of_it(self):
        raw = self.go.must("-raw", "-symbolize=none", self.file)
        self.assertIn("Samples:", raw)
        self.assertRegex(raw, r"thread:\[encoder\]")
        self.assertRegex(raw, r"tid:\[77\]")
        self.assertIn("[FN][FL][LN][IN]", raw)
        self.assertIn(self.main, raw.partition("Mappings")[2].splitlines()[1])

    def test_top_has_the_names_and_asks_for_no_file(self):
        code, out, err = self.go.run("-top", self.file)
        self.assertEqual(code, 0, err)
        self.assertNotRegex(err, "filename not available|symbolization failed|PPROF_BINARY_PATH")
        rows, head = self.go.top(self.file)
        shares = {name: flat for flat, _, name in rows}
        self.assertAlmostEqual(shares["encoder_library"], 0.30, 2)
        self.assertAlmostEqual(shares.get("encoder_inlined", 0) + shares.get("encoder_hot", 0), 0.70, 2)
        self.assertIn("Duration: 100ms", out)

    def test_source_is_listed_for_the_program_and_the_library(self):
        self.assertRegex(self.go.must("-list=encoder_hot", self.file), r"700ms.*\n(.*\n)*.*encoder_inlined")
        self.assertRegex(self.go.must("-list=encoder_library", self.file), r"300ms +300ms +\d+:\t")

    def test_code_is_disassembled_for_the_program_and_the_library(self):
        code = [("encoder_hot", 700)] + [("encoder_library", 300)] * self.go.disassembles_libraries()
        for name, ms in code:
            out = self.go.must(f"-disasm={name}", self.file)
            self.assertRegex(out, rf"ROUTINE =+ {name}")
            # At an instruction, not only in the head.
            self.assertRegex(out, rf"(?m)^ *{ms}ms +{ms}ms .*[0-9a-f]+: ")

    def test_it_survives_being_written_anew(self):
        out = self.go.file("new.pb.gz", b"")
        self.go.must("-proto", f"-output={out}", self.file)
        self.assertEqual(self.go.top(out)[0], self.go.top(self.file)[0])

    def test_two_can_be_subtracted_and_merged(self):
        rows, _ = self.go.top(f"-diff_base={self.again}", self.file)
        self.assertEqual([r for r in rows if r[0] or r[1]], [])
        merged = self.go.must("-top", self.again, self.file)
        self.assertRegex(merged, r"Showing nodes accounting for 2(000m)?s,")

    def test_comments_and_traces_are_shown(self):
        self.assertIn("pprofd ", self.go.must("-comments", self.file))
        self.assertRegex(self.go.must("-traces", self.file), r"encoder_library\s+main")
        self.assertRegex(self.go.must("-peek=encoder_library", self.file), "main")

    def test_mappings_are_as_readers_need_them(self):
        first, second = self.decoded.mappings[1], self.decoded.mappings[2]
        self.assertEqual((first.file, second.file), (self.main, self.lib))
        self.assertEqual((first.start, first.limit, first.offset) == (0, 0, 0), self.pie)
        self.assertTrue(second.start <= LIB_BASE + 0x100000 and second.limit > second.start)


class EncoderOfFixedAddresses(Encoder):
    """A program that is no PIE keeps its row: its addresses are the linked ones anyway."""
    pie = False
    flags = ("-no-pie",)


if __name__ == "__main__":
    case.main()
