"""pprofd-fcgi behind lighttpd, with tests/targets/fake_collector in place of the other two processes.

    with Front(script) as f:
        answer = f.get("profile?seconds=1&event=die")

The script says what the fake tells; its grammar stands at the top of fake_collector.c.
"""
import contextlib
import re
import subprocess
import time

from . import service, targets

FILE, VDSO, KERNEL, JIT, PSEUDO = range(5)  # enum wire_map_kind
MAIN, DELETED = 1, 2  # WIRE_MAP_*
GUESS, LATE, TRUNCATED, CUT = 1, 2, 4, 8  # WIRE_STACK_*
RUNNING, ABSENT, AMBIGUOUS, DENIED = range(4)  # enum wire_node_state
PIE, EXEC, DEBUG, GO = 1, 2, 4, 8  # WIRE_OBJECT_*
NAMED = 1 | 2 | 4 | 8  # WIRE_ANSWER_*: final, named, with lines and inlines
HEAP, BLOCK, MUTEX, GOROUTINE, LEAK, THREADCREATE, BLOCK_ESTIMATE = range(7)  # enum reading_kind
SYSTEM, LOCKED, G_RUNNING, UNREAD, LEAKED = 1, 2, 4, 8, 16  # READING_G_*
IMPLIED = 1 << 63  # READING_PC_IMPLIED


class Script:
    """Lines for fake_collector, with numbers given out in order."""

    def __init__(self):
        self.lines = []

    def _add(self, *fields):
        self.lines.append("\t".join(self._escaped(f) for f in fields))

    @staticmethod
    def _escaped(field):
        raw = field if isinstance(field, bytes) else str(field).encode()
        return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in raw)

    def node(self, name="node", pid=4711, comm="server", exe="/usr/bin/server", state=RUNNING, why="", runtime="native"):
        self._add("node", name, pid, comm, exe, state, why, runtime)

    def limit(self, text):
        self._add("limit", text)

    def map(self, ident, obj, start, end, pgoff, path, kind=FILE, flags=0):
        self._add("map", ident, obj, kind, flags, hex(start), hex(end), hex(pgoff), path)

    def stack(self, ident, *frames, flags=0):
        self._add("stack", ident, flags, ",".join(f"{m}:{a:#x}" for m, a in frames))

    def thread(self, tid, comm):
        self._add("thread", tid, comm)

    def count(self, stack, tid, samples, value=None):
        self._add("count", stack, tid, samples, samples * 10_000_000 if value is None else value)

    def note(self, text):
        self._add("note", text)

    def object(self, ident, flags=0, build_id="", note=""):
        self._add("object", ident, flags, build_id, note)

    def name(self, obj, place, vaddr, name, system=None, file="", line=0, start=0, flags=NAMED, entry=0):
        self._add("name", obj, hex(place), hex(vaddr), flags, line, start, name, name if system is None else system, file, hex(entry))

    def cmdline(self, *arguments):
        for a in arguments:
            self._add("cmdline", a)

    # ---- a Go node's memory: base/reading.h

    def head(self, kind, minor, rate=-1, ticks=0):
        self._add("head", kind, minor, rate, ticks)

    def bucket(self, kind, pcs, size, *values, grows=False):
        self._add("bucket", kind, ",".join(map(hex, pcs)), size, *values, *[0] * (4 - len(values)), int(grows))

    def goroutine(self, goid, state, pcs, wait_ns=0, flags=0, creator=0, parent=0, label=("", "")):
        self._add("goroutine", goid, state, ",".join(map(hex, pcs)), wait_ns, flags, hex(creator), parent, *label)

    def memory_refused(self, status, text):
        self._add("memory", status, text)

    def unread(self, kind, status, text):
        self._add("unread", kind, status, text)

    def unarmed(self, status, text):
        self._add("unarmed", status, text)

    def text(self):
        return "\n".join(self.lines) + "\n"


def simple():
    """A node with one of everything: a PIE, a library, the kernel, the vdso, a JIT and a mark."""
    s = Script()
    s.node()
    s.limit("no kernel frames: grant CAP_PERFMON & <more>")
    s.map(1, 100, 0x555500001000, 0x555500003000, 0x1000, "/usr/bin/server", flags=MAIN)
    s.map(2, 200, 0x7f0000028000, 0x7f0000190000, 0x28000, "/usr/lib/libc.so.6 (deleted)", flags=DELETED)
    s.map(3, 300, 0xffffffff80000000, 0xffffffffa0000000, 0, "[kernel.kallsyms]", kind=KERNEL)
    s.map(4, 400, 0x7ffd00001000, 0x7ffd00003000, 0, "[vdso]", kind=VDSO)
    s.map(5, 500, 0x300000000000, 0x300000010000, 0, "//anon", kind=JIT)
    s.map(6, 0, 0, 0, 0, "[truncated: 512 frames]", kind=PSEUDO)
    s.stack(11, (1, 0x555500001100), (1, 0x5555000011ff), (1, 0x5555000012ff))
    s.stack(12, (3, 0xffffffff80001234), (2, 0x7f0000028777), (1, 0x5555000012ff), flags=LATE)
    s.stack(13, (4, 0x7ffd00001500), (1, 0x5555000012ff), flags=GUESS | LATE)
    s.stack(14, (5, 0x300000000040), (6, 0), flags=TRUNCATED)
    s.stack(15, (1, 0x555500002abc))
    s.stack(16)
    s.thread(4711, "server")
    s.thread(4712, b"wor\xffker\x1b[2J")
    s.count(11, 4711, 50)
    s.count(12, 4711, 20)
    s.count(13, 4712, 10)
    s.count(14, 4712, 5)
    s.count(15, 4712, 3)
    s.count(16, 4711, 2)
    s.note("a note of the collector")
    s.object(100, PIE | DEBUG, "aa" * 20)
    s.object(200, PIE, "bb" * 20, "no debug file; install libc6-dbg")
    s.object(300)
    s.name(100, 0x1100, 0x2100, "inner", file="/src/a.h", line=7, start=5)
    s.name(100, 0x1100, 0x2100, "hot(int)", "_Z3hoti", "/src/a.cc", 12, 10)
    s.name(100, 0x11ff, 0x21ff, "middle", file="/src/a.cc", line=30, start=25)
    s.name(100, 0x12ff, 0x22ff, "main", file="/src/a.cc", line=50, start=40)
    s.name(200, 0x28777, 0x28777, "write", "__write", flags=3)
    s.name(300, 0xffffffff80001234, 0xffffffff80001234, "ksys_write", flags=3)
    s.name(400, 0x500, 0x500, "__vdso_clock_gettime", flags=3)
    s.name(500, 0x300000000040, 0x300000000040, b"js\xc3\xa9\xff\n:loop", flags=3)
    s.cmdline("/usr/bin/server", "--password=SECRET", "x")
    return s


def go():
    """A Go node, with one of everything that its runtime records."""
    s = Script()
    s.node(comm="gonode", exe="/usr/bin/gonode", runtime="Go")
    s.map(1, 100, 0x401000, 0x480000, 0x1000, "/usr/bin/gonode", flags=MAIN)
    s.object(100, EXEC | GO, "cc" * 20)
    for at, entry, name, line in ((0x40100f, 0x401000, "runtime.mallocgc", 10), (0x40201f, 0x402000, "main.leaf", 20),
                                  (0x40302f, 0x403000, "main.main", 30), (0x40403f, 0x404000, "runtime.gopark", 40),
                                  (0x40504f, 0x405000, "sync.(*Mutex).Lock", 50)):
        for address in (at, at + 1):
            s.name(100, address - 0x400000, address, name, file="/src/a.go", line=line, entry=entry)
    s.head(HEAP, 21, 1)
    s.bucket(HEAP, (0x401010, 0x402020, 0x403030), 16, 10, 160, 4, 64, grows=True)
    s.bucket(HEAP, (0x401010, 0x403030), 8, 5, 40, 0, 0)
    s.head(BLOCK, 21, 1, 2e9)
    s.bucket(BLOCK, (0x405050, 0x403030), 0, 3, 6000, grows=True)
    s.head(MUTEX, 21, 0, 1e9)
    s.head(BLOCK_ESTIMATE, 21, 0, 1e9)
    s.bucket(BLOCK_ESTIMATE, (0x405050, 0x403030), 0, 2, 777)
    s.head(GOROUTINE, 21)
    s.goroutine(1, "sleep", (0x404040, 0x403030))
    s.goroutine(7, "chan receive", (0x404040, 0x402020), wait_ns=61 * 10**9, creator=0x403030, parent=1, label=("k", "v"))
    s.goroutine(8, "chan receive", (0x404040, 0x402020), creator=0x403030, parent=1, label=("k", "v"))
    s.goroutine(2, "GC worker (idle)", (0x404040,), flags=SYSTEM)
    s.head(THREADCREATE, 21)
    s.bucket(THREADCREATE, (), 0, 1)
    s.bucket(THREADCREATE, (), 0, 1)
    s.unread(LEAK, 501, "go1.21 has no goroutineleak profile")
    return s


class Front(service.Service):
    def __init__(self, script, names="ok", collector=True, **more):
        self.fake = service.BUILD / "tests" / "targets" / "fake_collector"
        if not self.fake.exists():
            raise targets.Missing(f"{self.fake} is not built; set PPD_BUILD")
        super().__init__(**more)
        self.names, self.collector = names, collector
        (self.directory / "script").write_text(script.text())
        self.env.setdefault("PPROF_TARGET", "name:server")

    def start(self, who):
        if who == "symbolizer" or (who == "collector" and not self.collector):
            return
        if who != "collector":
            super().start(who)
            return
        log = open(self.directory / "collector.log", "ab")
        self.processes[who] = subprocess.Popen(
            [str(self.fake), str(self.run), str(self.directory / "script"), self.names],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        service.wait_until(lambda: (self.run / "collector.sock").exists(), 5, "the fake collector")

    def ready(self, seconds=20):
        def answers():
            with contextlib.suppress(OSError):
                return self.get("", timeout=5).status == 200

        if self.collector:
            super().ready(seconds)
        else:
            service.wait_until(answers, seconds, "the index page")

    def said(self, pattern):
        """All of the fake's lines that match: what it saw of its windows."""
        return re.findall(pattern, (self.directory / "collector.log").read_text(), re.M)

    def await_said(self, pattern, n, seconds):
        service.wait_until(lambda: len(self.said(pattern)) >= n, seconds, f"{n} times {pattern!r}")
        return self.said(pattern)


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
