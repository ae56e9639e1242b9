"""Go's text forms of profiles, read strictly: what does not follow the grammar is refused.

heap(), contention(), counts() and stacks() read debug=1 of heap and allocs, of block and mutex, of goroutine and
threadcreate, and debug=2 of goroutine. lib/gosame.py compares them.
"""
import collections
import re


class Malformed(Exception):
    pass


# pc: that of the call. offset: in the function. function None: not known.
Frame = collections.namedtuple("Frame", "pc function offset file line")
Heap = collections.namedtuple("Heap", "total rate rows memstats")
HeapRow = collections.namedtuple("HeapRow", "pcs values frames")  # values: in use objects, bytes, allocated objects, bytes
Contention = collections.namedtuple("Contention", "name cycles_per_second period rows")
ContentionRow = collections.namedtuple("ContentionRow", "pcs values frames")  # values: count, cycles
Counts = collections.namedtuple("Counts", "name total rows")
CountRow = collections.namedtuple("CountRow", "pcs count labels frames")
# Of debug=2. frames: Call; creator: (function, goid or None, file, line, offset) or None.
Goroutine = collections.namedtuple("Goroutine", "goid state minutes locked more labels frames elided creator")
Call = collections.namedtuple("Call", "function inlined file line offset")

HEX = r"0x[0-9a-f]+"
PCS = rf"@((?: {HEX})*)"
FRAME = re.compile(rf"#\t({HEX})(?:\t+([^\t]+)\+({HEX})\t+([^\t]+):(\d+))?")
HEAP_HEAD = re.compile(r"heap profile: (\d+): (\d+) \[(\d+): (\d+)\] @ heap/(\d+)")
HEAP_ROW = re.compile(rf"(-?\d+): (-?\d+) \[(\d+): (\d+)\] {PCS}")
CONTENTION_ROW = re.compile(rf"(\d+) (\d+) {PCS}")
COUNTS_HEAD = re.compile(r"(\S+) profile: total (\d+)")
COUNTS_ROW = re.compile(rf"(\d+) {PCS}")
QUOTED = r'"(?:[^"\\]|\\.)*"'
LABELS = re.compile(rf"# labels: (\{{{QUOTED}:{QUOTED}(?:, {QUOTED}:{QUOTED})*\}})")
MEMSTATS = ("Alloc TotalAlloc Sys Lookups Mallocs Frees HeapAlloc HeapSys HeapIdle HeapInuse HeapReleased HeapObjects Stack MSpan "
            "MCache BuckHashSys GCSys OtherSys NextGC LastGC PauseNs PauseEnd NumGC NumForcedGC GCCPUFraction DebugGC MaxRSS").split()

HEADER = re.compile(r"goroutine (\d+) \[([^\]]+)\](?: (\{.*\}))?:")
CALL = re.compile(r"(\S.*)\(([^()]*)\)")
PLACE = re.compile(rf"\t(\S.*):(\d+)(?: \+({HEX}))?")
CREATED = re.compile(r"created by (\S.*?)(?: in goroutine (\d+))?")
ELIDED = re.compile(r"\.\.\.(additional|\d+) frames elided\.\.\.")


class _Lines:
    def __init__(self, text):
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        if text and not text.endswith("\n"):
            raise Malformed(f"the last line has no end: {text[-80:]!r}")
        self.lines, self.at = text.split("\n")[:-1], 0

    def more(self):
        return self.at < len(self.lines)

    def peek(self):
        return self.lines[self.at] if self.more() else None

    def refuse(self, wanted):
        raise Malformed(f"line {self.at + 1}: {wanted} expected, not {self.peek()!r}")

    def maybe(self, pattern):
        """The next line as a match, consumed; None where it is another."""
        found = self.more() and re.fullmatch(pattern, self.lines[self.at])
        if found:
            self.at += 1
        return found or None

    def must(self, pattern, what):
        return self.maybe(pattern) or self.refuse(what)


def _pcs(text):
    return tuple(int(pc, 16) for pc in text.split())


def _frames(lines):
    frames = []
    while (m := lines.maybe(FRAME)):
        frames.append(Frame(int(m[1], 16), m[2], int(m[3], 16) if m[3] else 0, m[4], int(m[5]) if m[5] else 0))
    # None at all where nothing but runtime.goexit is on the stack.
    lines.must("", "a blank line after the frames")
    return tuple(frames)


def heap(text):
    lines = _Lines(text)
    head = lines.must(HEAP_HEAD, "heap profile: …")
    rows = []
    while (m := lines.maybe(HEAP_ROW)):
        rows.append(HeapRow(_pcs(m[5]), tuple(int(m[i]) for i in range(1, 5)), _frames(lines)))
    memstats = {}
    if lines.more():
        lines.must("", "a blank line")
        lines.must("# runtime.MemStats", "# runtime.MemStats")
        while lines.more():
            m = lines.must(r"# (\w+) = (.+)", "# KEY = VALUE")
            memstats[m[1]] = m[2]
        order = [MEMSTATS.index(key) if key in MEMSTATS else -1 for key in memstats]
        if order != sorted(order) or -1 in order:
            raise Malformed(f"MemStats are {list(memstats)}")
    return Heap(tuple(int(head[i]) for i in range(1, 5)), int(head[5]), rows, memstats)


def contention(text):
    lines = _Lines(text)
    name = lines.must(r"--- (contention|mutex):", "--- contention: or --- mutex:")[1]
    cps = int(lines.must(r"cycles/second=(\d+)", "cycles/second=")[1])
    period = int(lines.must(r"sampling period=(\d+)", "sampling period=")[1]) if name == "mutex" else None
    rows = []
    while lines.more():
        m = lines.must(CONTENTION_ROW, "CYCLES COUNT @ …")
        rows.append(ContentionRow(_pcs(m[3]), (int(m[2]), int(m[1])), _frames(lines)))
    if sorted((r.values[1] for r in rows), reverse=True) != [r.values[1] for r in rows]:
        raise Malformed("the rows are not in the order of their cycles")
    return Contention(name, cps, period, rows)


def counts(text):
    lines = _Lines(text)
    head = lines.must(COUNTS_HEAD, "NAME profile: total N")
    rows = []
    while lines.more():
        m = lines.must(COUNTS_ROW, "COUNT @ …")
        labels = lines.maybe(LABELS)
        rows.append(CountRow(_pcs(m[2]), int(m[1]), labels[1] if labels else "", _frames(lines)))
    if sum(r.count for r in rows) != int(head[2]):
        raise Malformed(f"{head[0]!r}, but the rows have {sum(r.count for r in rows)}")
    if sorted((r.count for r in rows), reverse=True) != [r.count for r in rows]:
        raise Malformed("the rows are not in the order of their counts")
    if len({(r.pcs, r.labels) for r in rows}) != len(rows):
        raise Malformed("the same stack with the same labels stands twice")
    return Counts(head[1], int(head[2]), rows)


def _state(text, lines):
    state, *rest = text.split(", ")
    minutes, locked, more = 0, False, []
    for i, word in enumerate(rest):
        if (m := re.fullmatch(r"(\d+) minutes", word)) and i == 0:
            minutes = int(m[1])
        elif word == "locked to thread" and not locked and not more:
            locked = True
        elif re.fullmatch(r"synctest (bubble|group) \d+", word):
            more.append(word)
        else:
            lines.refuse("a state")
    return state.removesuffix(" (scan)"), minutes, locked, tuple(more)


def _goroutine(lines):
    head = lines.must(HEADER, "goroutine N [STATE]:")
    state, minutes, locked, more = _state(head[2], lines)
    frames, elided, creator = [], None, None
    while lines.more() and lines.peek() != "":
        if (m := lines.maybe(CREATED)):
            at = lines.must(PLACE, "the place of the go statement")
            creator = (m[1], int(m[2]) if m[2] else None, at[1], int(at[2]), at[3])
            break
        if lines.maybe(ELIDED):
            elided = len(frames)
            continue
        if lines.maybe("\tgoroutine running on other thread; stack unavailable"):
            continue
        m = lines.must(CALL, "FUNCTION(ARGUMENTS)")
        at = lines.must(PLACE, "the place of a call")
        frames.append(Call(m[1], m[2] == "...", at[1], int(at[2]), at[3]))
    return Goroutine(int(head[1]), state, minutes, locked, more, head[3] or "", tuple(frames), elided, creator)


def stacks(text):
    """goroutine?debug=2, by goid, in its order."""
    lines = _Lines(text)
    found = {}
    while lines.more():
        if found:
            lines.must("", "a blank line between goroutines")
        g = _goroutine(lines)
        if g.goid in found:
            raise Malformed(f"goroutine {g.goid} stands twice")
        found[g.goid] = g
    return found
