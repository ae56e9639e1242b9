"""Build and run the small programs of tests/targets.

Each variant is one row of TARGETS. A build goes to PPD_BUILD/tests/targets (or a directory of
its own when that cannot be written) and is made again only when a source or the row is newer.
"""
import contextlib
import hashlib
import json
import lzma
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE.parent.parent / "targets"

C_FLAGS = ["-D_GNU_SOURCE", "-O2", "-fomit-frame-pointer", "-pthread"]
C = ["gcc", *C_FLAGS, "-g"]
CLANG = ["clang", *C_FLAGS, "-gdwarf-5"]
CXX = ["g++", "-O2", "-g", "-fomit-frame-pointer"]
CLANGXX = ["clang++", "-O2", "-gdwarf-5", "-fomit-frame-pointer"]
RUST = ["rustc", "-C", "opt-level=3", "-C", "debuginfo=2"]
GO = ["go", "build"]
LIB = [*C, "-shared", "-fPIC"]

# name: (command up to the output, sources, step after it or None)
TARGETS = {
    "c_nofp": (C, ["c_shares.c"], None),
    "c_nopie": ([*C, "-no-pie", "-fno-pie"], ["c_shares.c"], None),
    "c_static": ([*C, "-static"], ["c_shares.c"], None),
    "c_nodebug": (["gcc", *C_FLAGS], ["c_shares.c"], None),
    "c_stripped": (["gcc", *C_FLAGS, "-s"], ["c_shares.c"], None),
    "c_stripped_nopie": (["gcc", *C_FLAGS, "-s", "-no-pie", "-fno-pie"], ["c_shares.c"], None),
    "c_dwarf2": (["gcc", *C_FLAGS, "-gdwarf-2", "-gstrict-dwarf"], ["c_shares.c"], None),
    "c_dwarf3": (["gcc", *C_FLAGS, "-gdwarf-3", "-gstrict-dwarf"], ["c_shares.c"], None),
    "c_dwarf4": (["gcc", *C_FLAGS, "-gdwarf-4"], ["c_shares.c"], None),
    "c_dwarf64": (["gcc", *C_FLAGS, "-g", "-gdwarf64"], ["c_shares.c"], None),
    "c_compressed": ([*C, "-gz=zlib"], ["c_shares.c"], None),
    "c_split": ([*C, "-gsplit-dwarf"], ["c_shares.c"], None),
    "c_debuglink": (C, ["c_shares.c"], "debuglink"),
    "c_minidebug": ([*C[:-1]], ["c_shares.c"], "minidebug"),
    "c_clang": (CLANG, ["c_shares.c"], None),
    "c_clang_split": ([*CLANG, "-gsplit-dwarf"], ["c_shares.c"], None),
    "cxx": (CXX, ["cxx_shapes.cc"], None),
    "cxx_clang": (CLANGXX, ["cxx_shapes.cc"], None),
    "cxx_stripped": ([*CXX, "-s"], ["cxx_shapes.cc"], None),
    "rust": (RUST, ["rust_iterators.rs"], None),
    "go": (GO, ["go_shares.go"], None),
    "go_stripped": ([*GO, "-ldflags", "-s -w"], ["go_shares.go"], None),
    "go_pie_stripped": ([*GO, "-buildmode=pie", "-ldflags", "-s -w"], ["go_shares.go"], None),
    "recursion": (C, ["recursion.c"], None),
    "signals": (C, ["signals.c"], None),
    "libnode": (C, ["libnode.c"], None),
    "exec_other": (C, ["exec_other.c"], None),
    "threads": (C, ["threads.c"], None),
    "forks": (C, ["forks.c"], None),
    "crowd": (C, ["crowd.c"], None),
    "storm": (C, ["storm.c"], None),
    "island": (C, ["island_main.c", "island.S"], None),
    "jit_map": (C, ["jit_map.c"], None),
    "clocks": (C, ["clocks.c"], None),
    "kernel_read": (C, ["kernel_read.c"], None),
    "hostile_names": ([*C[:-1], "-DLONG_NAME=long_" + "n" * 4091], ["hostile_names.c"], "hostile"),
    "faults": (C, ["faults.c"], None),
}

# What takes the place of hostile_names.c's placeholders, filled up with "x" to their length.
HOSTILE = {
    b"HOSTILE_MARKUP_xxxxxxxxxxxxxxxx": b"<script>alert(1)</script>\"'&\\{}",
    b"HOSTILE_BYTES_xxxxxxxxxxxxxxxxx": b"\xff\xfe\xc0\x80\xed\xa0\x80\xf5 not utf-8 \x80\xbf\xff",
    b"HOSTILE_LINES_xxxxxxxxxxxxxxxxx": b"one\ntwo\r\n\tthree\x1b[2J\x07 the end",
}


# What starts a program in a mount space of its own, where Debian's debug files (libc6-dbg) are not.
# (unshare's own way to make it private fails in a chroot, whose / is no mount.)
WITHOUT_DEBUG_FILES = ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c",
                       'mount --make-rprivate / 2>/dev/null; mkdir -p /usr/lib/debug && '
                       'mount -t tmpfs none /usr/lib/debug && exec "$@"', "sh"]


class Missing(unittest.SkipTest):
    """A compiler or tool that this machine does not have: the test skips and says which."""


def need(*tools):
    for t in tools:
        if shutil.which(t) is None:
            raise Missing(f"{t} is not installed")


def _directory():
    build = os.environ.get("PPD_BUILD")
    base = pathlib.Path(build) / "tests" / "targets" if build else pathlib.Path(tempfile.gettempdir()) / "ppd-targets"
    base.mkdir(parents=True, exist_ok=True)
    return base


def _run(command, **more):
    env = dict(os.environ, GO111MODULE="off", CGO_ENABLED="0")
    env.setdefault("HOME", str(_directory()))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env, **more)
    if done.returncode != 0:
        raise RuntimeError("%s\n%s%s" % (" ".join(map(str, command)), done.stdout, done.stderr))


def _debuglink(path):
    """The debug file beside the binary, named by .gnu_debuglink; the binary itself stripped."""
    debug = path.with_name(path.name + ".debug")
    _run(["objcopy", "--only-keep-debug", path, debug])
    _run(["strip", "--strip-all", path])
    _run(["objcopy", f"--add-gnu-debuglink={debug}", path])


def _minidebug(path):
    """.gnu_debugdata, as Fedora makes it: an ELF with only .symtab, xz'ed, inside a stripped binary."""
    symbols = path.with_name(path.name + ".symbols")
    _run(["objcopy", "--only-keep-debug", path, symbols])
    packed = path.with_name(path.name + ".symbols.xz")
    packed.write_bytes(lzma.compress(symbols.read_bytes()))
    _run(["strip", "--strip-all", path])
    _run(["objcopy", "--add-section", f".gnu_debugdata={packed}", path])


def _hostile(path):
    data = path.read_bytes()
    for old, new in HOSTILE.items():
        assert len(old) >= len(new) and old in data, old
        data = data.replace(old, new.ljust(len(old), b"x"))
    path.write_bytes(data)


_STEPS = {"debuglink": _debuglink, "minidebug": _minidebug, "hostile": _hostile}


def _build(name, command, sources, step):
    need(command[0], *(["objcopy", "strip"] if step in ("debuglink", "minidebug") else []))
    files = [SOURCES / s for s in sources]
    stamp = hashlib.sha256(repr((command, step)).encode())
    for f in [*files, SOURCES / "target.h"]:
        stamp.update(f.read_bytes())
    key = stamp.hexdigest()
    out = _directory() / name
    mark = out.with_name(name + ".stamp")
    if out.exists() and mark.exists() and mark.read_text() == key:
        return out
    mark.unlink(missing_ok=True)
    out.unlink(missing_ok=True)
    libs = ["-ldl"] if command[0] in ("gcc", "clang") else []
    _run([*command, "-o", out, *files, *libs], cwd=out.parent)
    if step:
        _STEPS[step](out)
    mark.write_text(key)
    return out


def build(name):
    """The path of a built target. Raises Missing where the compiler is not here."""
    command, sources, step = TARGETS[name]
    return _build(name, list(command), sources, step)


def build_library(leaf, name=None, flags=()):
    """A library of lib.c with its time in the function `leaf`; for libnode."""
    return _build(name or f"{leaf}.so", [*LIB, f"-DLEAF={leaf}", *flags], ["lib.c"], None)


class Target:
    """A running target: .pid, .expect (its JSON), .stop(). A context manager."""

    def __init__(self, command, env=None):
        # A directory of its own to work in: node leaves a log there.
        self.directory = tempfile.TemporaryDirectory(prefix="ppd-target-")
        self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        env=env, cwd=self.directory.name, start_new_session=True)
        self.pid = self.process.pid
        try:
            self.expect = json.loads(self._line(15))
        except Exception:
            self.stop()
            raise

    def _line(self, seconds):
        end, data, fd = time.monotonic() + seconds, b"", self.process.stdout.fileno()
        while not data.endswith(b"\n"):
            if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
                raise RuntimeError(f"{self.process.args[0]}: said nothing in {seconds} s")
            more = os.read(fd, 65536)
            if not more:
                raise RuntimeError(f"{self.process.args[0]}: ended without a word (exit {self.process.wait(5)})")
            data += more
        return data

    def signal(self, number):
        os.kill(self.pid, number)

    def cpu_seconds(self):
        """What the process has used, its dead threads included; of the clock itself, not of ticks."""
        # clock_getcpuclockid(3): the kernel's encoding of a process's CPU clock
        return time.clock_gettime((~self.pid << 3) | 2)

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        # The group: a target may have forked. Its id is that of the child that we started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(10)
        self.process.stdout.close()
        self.directory.cleanup()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"/tmp/perf-{self.pid}.map")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


def start(name, seconds=60, *arguments, path=None):
    """Build (if need be) and run a target of the table."""
    return Target([path or build(name), str(seconds), *map(str, arguments)])


def copy_of(name, directory):
    """A copy of a built target under a directory of the test's own, to delete or replace."""
    to = pathlib.Path(directory) / name
    shutil.copy2(build(name), to)
    return to


if __name__ == "__main__":
    # Build them all, ahead of the tests: the first build of Go's library takes a while.
    for target in TARGETS:
        try:
            build(target)
        except Missing as reason:
            print(f"{target}: {reason}")
