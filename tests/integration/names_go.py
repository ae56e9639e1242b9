"""Go's function table, read by us and by Go itself: names, files, lines, inlined calls and stack frames.

tests/targets/go_names is built by the Go of PATH, and by older ones that its module proxy has
(ALL_GO=1: one of each minor version from 1.16 on), in several forms; it answers for addresses of its
own text what runtime/pprof would put into a profile. Every answer must be ours too. Then the
program is single-stepped, and at each instruction our unwind rows must find the return address.

# timeout: 900
"""
import functools
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import tempfile

from lib import case, targets

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "targets" / "go_names"
BUILD = pathlib.Path(os.environ.get("PPD_BUILD") or pathlib.Path(__file__).resolve().parents[2])
ALL = ["1.16.15", "1.17.13", "1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.5", "1.24.4", "1.25.5",
       "1.26.0", "1.27.3"]
SOME = ["1.17.13", "1.20.14"]
# What differs between programs: environment, go build's flags, the linker's.
FORMS = {
    "plain": ({"CGO_ENABLED": "0"}, [], ""),
    "stripped": ({"CGO_ENABLED": "0"}, [], "-s -w"),
    "pie": ({"CGO_ENABLED": "0"}, ["-buildmode=pie"], "-s -w"),
    "cgo": ({"CGO_ENABLED": "1"}, [], ""),
    "cgo pie": ({"CGO_ENABLED": "1"}, ["-buildmode=pie"], "-s -w"),
}
ADDRESSES = 20000
STEPS = 60000


def tool(name):
    path = BUILD / "tests" / "targets" / name
    if not os.access(path, os.X_OK):
        raise targets.Missing(f"{path} is not built; set PPD_BUILD")
    return str(path)


def minor(version):
    return int(version.split(".")[1])


class Toolchain:
    """One Go: the one of PATH, or a version that it fetches."""

    def __init__(self, version, env):
        self.version = version
        self.go = "go"
        self.env = {**os.environ, **env, "GOFLAGS": "-mod=mod", "GOWORK": "off"}

    @classmethod
    def local(cls):
        targets.need("go")
        text = subprocess.run(["go", "version"], capture_output=True, text=True, env={**os.environ, "GOTOOLCHAIN": "local"})
        found = re.search(r"go(1\.\d+(?:\.\d+)?)", text.stdout)
        if not found or minor(found[1]) < 16:
            raise targets.Missing(f"go 1.16 or later is not there ({text.stdout.strip() or text.stderr.strip()})")
        return cls(found[1], {"GOTOOLCHAIN": "local"})

    @classmethod
    def fetched(cls, version, scratch):
        self = cls(version, {"GOTOOLCHAIN": "go" + version})
        got = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, env=self.env, cwd=scratch, timeout=180)
        if got.returncode:
            raise targets.Missing(f"go {version} cannot be fetched")
        if minor(version) == 19:  # builds nothing where its own root is in the module cache
            root = pathlib.Path(scratch) / "go1.19"
            subprocess.run(["cp", "-r", got.stdout.strip(), root], check=True)
            subprocess.run(["chmod", "-R", "u+w", root], check=True)
            self.go = str(root / "bin" / "go")
            self.env.update(GOTOOLCHAIN="local", GOROOT=str(root))
        return self

    def build(self, form, scratch):
        env, flags, link = FORMS[form]
        if minor(self.version) >= 23:
            link += " -checklinkname=0"  # the oracle calls what runtime/pprof calls
        top = pathlib.Path(scratch) / f"{self.version}-{form}".replace(" ", "-")
        shutil.copytree(SOURCE, top)
        (top / "go.mod").write_text(f"module go_names\n\ngo 1.{minor(self.version)}\n")
        made = subprocess.run([self.go, "build", *flags, "-ldflags", link, "-o", "go_names", "."], cwd=top,
                              env={**self.env, **env}, capture_output=True, text=True, timeout=400)
        if made.returncode:
            raise AssertionError(f"go {self.version} {form}: {made.stderr}")
        return top / "go_names"


def text_segment(path):
    head = path.read_bytes()[:4096]
    offset, = struct.unpack_from("<Q", head, 32)
    count, = struct.unpack_from("<H", head, 56)
    for i in range(count):
        kind, flags, _, vaddr, _, _, size, _ = struct.unpack_from("<IIQQQQQQ", head, offset + 56 * i)
        if kind == 1 and flags & 1:
            return vaddr, size
    raise AssertionError("no text")


def chains(command, addresses):
    made = subprocess.run(command, input="".join(f"{a:x}\n" for a in addresses), capture_output=True, text=True,
                          check=True, timeout=60)
    answers, frames = {}, None
    for line in made.stdout.splitlines():
        if line.startswith("@"):
            frames = answers.setdefault(line, [])
        else:
            frames.append(tuple(line.split("\t")))
    return answers


def shown(name):
    """Go's Frame.Function shows type arguments as dots; profiles have the whole name."""
    first, last = name.find("["), name.rfind("]")
    return name if first < 0 or last < first else name[:first] + "[...]" + name[last + 1:]


def same(ours, theirs, version):
    if len(theirs) == len(ours) + 1 and minor(version) < 21:
        theirs = theirs[:-1]  # left out a wrapper only where it was not the last frame
    if len(ours) != len(theirs):
        return False
    # The table's first name has offset 0, which Go takes for "none".
    return all(a[1:] == b[1:] and b[0] in ("", a[0], shown(a[0])) for a, b in zip(ours, theirs))


class NamesGo(case.Case):
    @classmethod
    def prepare(cls):
        cls.scratch = cls.enter(tempfile.TemporaryDirectory(prefix="names_go.", ignore_cleanup_errors=True))
        cls.places, cls.steps = tool("go_places"), tool("go_steps")
        cls.local = Toolchain.local()

    @classmethod
    @functools.lru_cache(maxsize=None)
    def program(cls, toolchain, form):
        return toolchain.build(form, cls.scratch)

    def names_equal(self, toolchain, form):
        path = self.program(toolchain, form)
        start, size = text_segment(path)
        rng = random.Random(1)
        addresses = sorted({start + rng.randrange(size) for _ in range(ADDRESSES)})
        theirs, ours = chains([path], addresses), chains([self.places, path], addresses)
        bad = [(a, ours.get(a), t) for a, t in theirs.items() if not same(ours.get(a, []), t, toolchain.version)]
        named, inlined = sum(map(bool, theirs.values())), sum(len(t) > 1 for t in theirs.values())
        print(f"        go {toolchain.version:<8} {form:<8} {len(theirs)} addresses, {named} named, {inlined} in inlined"
              f" calls, {len(bad)} different", flush=True)
        self.assertEqual(bad[:3], [])
        self.assertGreater(named, len(addresses) // 2)
        self.assertGreater(inlined, 500)

    def rows_hold(self, toolchain, form):
        got = subprocess.run([self.steps, str(STEPS), "200", self.program(toolchain, form), "30"], capture_output=True,
                             text=True, timeout=120)
        words = got.stdout.split()
        print(f"        go {toolchain.version:<8} {form:<8} {got.stdout.splitlines()[0] if words else got.stderr}", flush=True)
        self.assertEqual(got.returncode, 0, got.stdout + got.stderr)
        self.assertGreater(int(words[3]), STEPS // 2, "instructions that were checked")

    def test_names_and_inlined_calls_are_those_that_go_gives(self):
        for form in FORMS:
            with self.subTest(form=form):
                self.names_equal(self.local, form)

    def test_the_table_is_found_where_the_section_headers_are_gone(self):
        path = self.program(self.local, "pie")
        start, size = text_segment(path)
        addresses = range(start, start + size, 997)
        before = chains([self.places, path], addresses)
        bare = path.with_name("bare")
        image = bytearray(path.read_bytes())
        image[40:48] = bytes(8)  # e_shoff
        image[60:64] = bytes(4)  # e_shnum, e_shstrndx
        bare.write_bytes(image)
        self.assertEqual(chains([self.places, bare], addresses), before)

    def test_rows_find_the_return_address_at_every_instruction(self):
        for form in ("stripped", "cgo pie"):
            with self.subTest(form=form):
                self.rows_hold(self.local, form)

    def test_other_versions_of_go(self):
        if minor(self.local.version) < 21:
            print(f"        go {self.local.version} fetches no other", flush=True)
            return
        every = os.environ.get("ALL_GO") == "1"
        for version in ALL if every else SOME:
            try:
                toolchain = Toolchain.fetched(version, self.scratch)
            except targets.Missing as e:
                print(f"        {e}", flush=True)
                continue
            for form in FORMS if every else ("stripped",):
                with self.subTest(version=version, form=form):
                    self.names_equal(toolchain, form)
            with self.subTest(version=version):
                self.rows_hold(toolchain, "cgo" if every else "stripped")


if __name__ == "__main__":
    case.main(deadline=880)
