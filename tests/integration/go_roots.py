"""Where a Go program's runtime keeps its lists and rates: found without symbols, and compared with the symbols.

tests/targets/go_profiled is built by the Gos of lib/golang.py in the forms that have a symbol table, which the
reader does not look at; go_probe says where it found each variable. A copy whose version says that it is
newer than any Go we know must be read too, or refused by name.

# timeout: 600
"""
import os
import pathlib
import re
import struct
import subprocess

from lib import case, golang, targets

BUILD = pathlib.Path(os.environ.get("PPD_BUILD") or pathlib.Path(__file__).resolve().parents[2])
PROBE = BUILD / "tests" / "targets" / "go_probe"
FORMS = ["plain", "pie", "cgo", "unoptimized"]
# What go_probe calls it, where the symbol is called otherwise: by minor version.
RENAMED = {("mProfCycle", 18): "mProf"}
SINCE = {"profstackdepth": 23}
NODE = ("-each", 2, "-sizes", "-contend", 2, "-memrate", 4096, "-blockrate", 1, "-mutexfraction", 1)


def probe(pid, *arguments):
    if not os.access(PROBE, os.X_OK):
        raise targets.Missing(f"{PROBE} is not built; set PPD_BUILD")
    return subprocess.run([PROBE, str(pid), *arguments], capture_output=True, text=True, timeout=60)


def symbols(path):
    """Name: address, of an ELF file's .symtab."""
    data = pathlib.Path(path).read_bytes()
    (at,), (size, n, names) = struct.unpack_from("<Q", data, 40), struct.unpack_from("<HHH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, at + size * i) for i in range(n)]
    found = {}
    for s in sections:
        if s[1] != 2:  # SHT_SYMTAB
            continue
        strings = sections[s[6]][4]
        for i in range(s[5] // 24):
            name, _, _, _, value, _ = struct.unpack_from("<IBBHQQ", data, s[4] + 24 * i)
            end = data.index(b"\0", strings + name)
            found[data[strings + name:end].decode("utf-8", "replace")] = value
    return found


class GoRoots(case.Case):
    @classmethod
    def prepare(cls):
        cls.toolchains = golang.toolchains()

    def found(self, out):
        """(bias, name: address) of what go_probe printed."""
        bias = int(re.search(r"bias ([0-9a-f]+)", out)[1], 16)
        return bias, {m[1]: int(m[2], 16) for m in re.finditer(r"^(\w+) ([0-9a-f]+)$", out, re.M)}

    def test_every_variable_is_where_the_symbol_says(self):
        for toolchain in self.toolchains:
            for form in FORMS:
                with self.subTest(toolchain, form=form):
                    path = golang.program(toolchain, form)
                    known = symbols(path)
                    with golang.start(path, *NODE) as node:
                        node.ask("/gc")
                        got = probe(node.pid, "roots")
                    self.assertEqual(got.returncode, 0, got.stderr)
                    bias, roots = self.found(got.stdout)
                    self.assertIn(f"minor {toolchain.minor} guessed 0 cgo {int(form == 'cgo')} ", got.stdout)
                    wrong = {}
                    for name, at in roots.items():
                        symbol = "runtime." + RENAMED.get((name, toolchain.minor), name)
                        if name == "profstackdepth":
                            # A field of runtime.debug.
                            inside = 0 <= at - bias - known["runtime.debug"] < 256
                            if (toolchain.minor >= SINCE[name]) != inside:
                                wrong[name] = hex(at)
                        elif at != known[symbol] + bias:
                            wrong[name] = (hex(at), hex(known[symbol] + bias))
                    print(f"        {toolchain} {form}: {len(roots) - len(wrong)} of {len(roots)}", flush=True)
                    self.assertEqual(wrong, {})

    def test_a_go_that_is_newer_than_we_know_is_read_if_it_is_as_before_or_else_refused_by_name(self):
        newest = max(self.toolchains, key=lambda t: t.minor)
        for toolchain in self.toolchains:
            with self.subTest(toolchain):
                path = golang.program(toolchain, "stripped")
                data = path.read_bytes()
                at = data.index(b"\xff Go buildinf:") + 32
                new = b"go1.99" + data[at + 1:at + 1 + data[at]][6:]
                copy = path.with_name(path.name + "-newer")
                copy.write_bytes(data[:at + 1] + new + data[at + 1 + len(new):])
                copy.chmod(0o755)
                with golang.start(copy, *NODE) as node:
                    node.ask("/gc")
                    got = probe(node.pid, "heap")
                copy.unlink()
                if toolchain.minor == newest.minor:
                    self.assertEqual(got.returncode, 0, got.stderr)
                    self.assertGreater(got.stdout.count(" @ "), 5)
                elif got.returncode:
                    # The function table of 1.18 and 1.19 contradicts it: the record is taken for another program's.
                    self.assertRegex(got.stderr, "built by " + ("go1[.]99" if toolchain.minor >= 20 else "a Go of unknown"))
                    self.assertRegex(got.stderr, r"the newest that is known is Go 1\.\d+")


if __name__ == "__main__":
    case.main(deadline=580)
