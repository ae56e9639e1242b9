"""Whether our answer about a Go node is Go's own: theirs before ours, ours, theirs after.

What stood still between Go's two answers must be in ours as it is there; what moved on must lie between them. Each
function returns a Result; result.check(case) fails the test with the first differences.
"""
import collections

from . import gotext, pprof


class Result:
    def __init__(self, what):
        self.what = what
        self.total = self.equal = self.still = 0  # rows of ours and theirs; equal to theirs; that did not move
        self.bad = []

    def row(self, still, good, *difference):
        self.total += 1
        self.still += still
        self.equal += good
        if not good:
            self.bad.append(" ".join(map(str, difference)))

    def __str__(self):
        return f"{self.what}: {self.equal} of {self.total} equal, {self.still} at rest"

    def check(self, case, least=1):
        if self.bad:
            case.fail(f"{self}\n" + "\n".join(self.bad[:8]))
        case.assertGreaterEqual(self.total, least, f"{self.what}: too few rows to say anything")


# Goroutines that are there, or are awake, only because somebody asks Go; those of go_profiled that are never at rest.
REQUEST = {"net/http.(*Server).Serve", "net/http.(*conn).serve", "net/http.(*connReader).backgroundRead",
           "net/http.(*connReader).startBackgroundRead"}


def passing(functions):
    """Of a stack, or what began it. One that has not begun shows nothing where its first function is a wrapper."""
    functions = [f for f in functions if f not in (None, "runtime.goexit")]
    return not functions or any(f in REQUEST or f.startswith("main.busy") for f in functions)


def _passing_goroutine(g):
    return passing([c.function for c in g.frames]) or (g.creator is not None and passing([g.creator[0]]))


def _show(pcs):
    return "@ " + " ".join(hex(pc) for pc in pcs[:40])


# A time of ours is made with our own measure of the clock, Go's with its own: of each value the share that it may differ.
EXACT, TIMED = (0, 0, 0, 0), (0, 0.005)


def _between(low, value, high, slack=EXACT):
    return all(min(a, b) * (1 - part) - bool(part) <= v <= max(a, b) * (1 + part) + bool(part)
               for a, v, b, part in zip(low, value, high, slack))


def _compare_frames(result, ours, *theirs):
    """Names, files, lines and inlined calls of the stacks that both have."""
    known = {r.pcs: r.frames for t in theirs for r in t}
    for r in ours:
        wanted = known.get(r.pcs, r.frames)
        if r.frames != wanted:
            pair = next(((a, b) for a, b in zip(r.frames, wanted) if a != b), (f"{len(r.frames)} frames", f"{len(wanted)} frames"))
            result.bad.append(f"frames of {_show(r.pcs)}: ours {pair[0]}, Go's {pair[1]}")


# ---- buckets

def _monotone(values):
    """Heap rows' numbers as those that only grow: allocated and freed."""
    n, size, allocs, total = values
    return (allocs, total, allocs - n, total - size)


def _heap_rows(rows):
    """(pcs, bytes of a block) to the numbers; and how many rows a stack has."""
    found, stacks = {}, collections.Counter()
    for r in rows:
        stacks[r.pcs] += 1
        v = _monotone(r.values)
        if v[0] == 0:
            continue  # nothing published yet: of which size is not told
        key = (r.pcs, v[1] // v[0])
        if v[1] % v[0] or key in found:
            raise gotext.Malformed(f"two rows of one stack and size, or a row of two sizes: {_show(r.pcs)} {r.values}")
        found[key] = v
    return found, stacks


def _head(t):
    """The head's sums. A byte more is allocated there where it would be as much as is in use, lest readers take it for a
    profile of two columns."""
    n, size, allocs, total = t.total
    return _monotone((n, size, allocs, size if total == size + 1 else total))


def heap(before, ours, after, what="heap"):
    """Rows of heap?debug=1, all parsed by gotext.heap()."""
    result = Result(what)
    (low, low_stacks), (mine, stacks), (high, high_stacks) = (_heap_rows(t.rows) for t in (before, ours, after))
    none = (0, 0, 0, 0)
    for key in low.keys() | mine.keys() | high.keys():
        a, v, b = low.get(key, none), mine.get(key, none), high.get(key, none)
        result.row(a == b, _between(a, v, b), f"{key[1]} bytes {_show(key[0])}: ours {v}, Go's {a} then {b}")
    for pcs in low_stacks.keys() | stacks.keys() | high_stacks.keys():
        if not low_stacks[pcs] <= stacks[pcs] <= high_stacks[pcs]:
            result.bad.append(f"{stacks[pcs]} rows of {_show(pcs)}, Go has {low_stacks[pcs]} then {high_stacks[pcs]}")
    for a, v, b in (map(_head, (before, ours, after)),):
        if not _between(a, v, b):
            result.bad.append(f"the head's sums: ours {v}, Go's {a} then {b}")
    if ours.rate != after.rate:
        result.bad.append(f"heap/{ours.rate}, Go's heap/{after.rate}")
    _compare_frames(result, ours.rows, before.rows, after.rows)
    return result


def contention(before, ours, after):
    """Rows of block?debug=1 or mutex?debug=1. Cycles are compared as they are where ours have Go's unit, else as times."""
    result = Result(ours.name)
    scale = after.cycles_per_second / ours.cycles_per_second
    raw = abs(scale - 1) < 0.01

    def rows(t, factor):
        found = collections.defaultdict(list)
        for r in t.rows:
            found[r.pcs].append((r.values[0], r.values[1] * factor))
        return {pcs: sorted(v) for pcs, v in found.items()}

    low, mine, high = rows(before, 1), rows(ours, 1 if raw else scale), rows(after, 1)
    for pcs in low.keys() | mine.keys() | high.keys():
        a, v, b = low.get(pcs, []), mine.get(pcs, []), high.get(pcs, [])
        a = a or [(0, 0)] * len(b)
        good = (v or a[:1] == [(0, 0)]) and len(a) == len(b) and len(v or a) == len(b) and all(
            _between(x, y, z, EXACT if raw else TIMED) for x, y, z in zip(a, v or a, b))
        result.row(a == b, bool(good), f"{_show(pcs)}: ours {v}, Go's {a} then {b}")
    if ours.period != after.period:
        result.bad.append(f"sampling period={ours.period}, Go's {after.period}")
    if not raw and abs(ours.cycles_per_second - 1e9) > 1:
        result.bad.append(f"cycles/second={ours.cycles_per_second}, Go's {after.cycles_per_second}")
    _compare_frames(result, ours.rows, before.rows, after.rows)
    return result


# ---- goroutines

def _counted(t):
    return {(r.pcs, r.labels): r.count for r in t.rows if not passing(f.function for f in r.frames)}


def counts(before, ours, after):
    """Groups of goroutine?debug=1 or threadcreate?debug=1."""
    result = Result(ours.name)
    low, mine, high = map(_counted, (before, ours, after))
    for key in low.keys() | mine.keys() | high.keys():
        a, v, b = low.get(key, 0), mine.get(key, 0), high.get(key, 0)
        result.row(a == b, min(a, b) <= v <= max(a, b), f"{_show(key[0])} {key[1]}: ours {v}, Go's {a} then {b}")
    _compare_frames(result, ours.rows, before.rows, after.rows)
    return result


def _same_call(mine, theirs):
    """Where both tell an offset in the function it is the same; arguments are not known from outside."""
    return mine[:1] + mine[2:4] == theirs[:1] + theirs[2:4] and (None in (mine.offset, theirs.offset) or mine.offset == theirs.offset)


def _same_frames(mine, theirs):
    if theirs.elided is None and mine.elided is None:
        top = bottom = len(theirs.frames)
        if len(mine.frames) != top:
            return False
    else:  # what both show of the two ends
        cut = [(len(g.frames) if g.elided is None else g.elided, len(g.frames) - (g.elided or 0)) for g in (mine, theirs)]
        top, bottom = min(c[0] for c in cut), min(c[1] for c in cut)
    return (all(map(_same_call, mine.frames[:top], theirs.frames[:top]))
            and all(map(_same_call, mine.frames[len(mine.frames) - bottom:], theirs.frames[len(theirs.frames) - bottom:])))


def _at_rest(a, b):
    return (a is not None and b is not None and a.state == b.state and a.locked == b.locked
            and [c[:1] + c[2:] for c in a.frames] == [c[:1] + c[2:] for c in b.frames])


AWAKE = ("running", "runnable")


def stacks(before, ours, after, workers=False):
    """goroutine?debug=2. Those at rest wait, with the same stack, in both of Go's. workers: some of them may have worked in
    between, and do something else in ours; result.moved has how many."""
    result = Result("goroutine stacks")
    result.moved = 0
    result.extra = []  # ours only
    for goid in before.keys() & after.keys():
        a, b = before[goid], after[goid]
        if _passing_goroutine(b):
            continue
        if not _at_rest(a, b) or b.state in AWAKE:
            continue
        mine = ours.get(goid)
        if workers and mine is not None and mine.state != b.state:
            result.moved += 1
            continue
        why = None
        if mine is None:
            why = "not in ours"
        elif (mine.state, mine.locked, mine.more) != (b.state, b.locked, b.more):
            why = f"ours is {mine.state, mine.locked, mine.more}, Go's {b.state, b.locked, b.more}"
        elif not a.minutes <= mine.minutes <= b.minutes:
            why = f"waits for {mine.minutes} minutes, Go says {a.minutes} then {b.minutes}"
        elif mine.creator != b.creator:
            why = f"created by {mine.creator}, Go says {b.creator}"
        elif mine.labels and b.labels and mine.labels != b.labels:
            why = f"labels {mine.labels}, Go's {b.labels}"
        elif not _same_frames(mine, b):
            why = f"ours {[c[:1] + c[2:] for c in mine.frames[:12]]}, Go's {[c[:1] + c[2:] for c in b.frames[:12]]}"
        result.row(True, why is None, f"goroutine {goid} [{b.state}]: {why}")
    for goid, g in ours.items():
        if goid not in before and goid not in after and not _passing_goroutine(g):
            result.extra.append(g)
    return result


# ---- protobufs, decoded by lib/pprof.py

def _of_several_files(p):
    """Names that two functions have, in two files (package initialization): Go's writer gives both the file that it met first."""
    files = collections.defaultdict(set)
    for f in p.functions.values():
        files[f.name].add(f.file)
    return {name for name, some in files.items() if len(some) > 1}


def _samples(p, stays, several):
    out = {}
    for s in p.samples:
        frames = tuple((f.name, "" if f.name in several else f.file, f.line) for f in p.frames(s))
        if [f[0] for f in frames] == ["runtime.goexit"]:
            frames = ()  # Go leaves that one out always; a sample of ours has a frame always
        if not any(s.values) or (not stays and passing(f[0] for f in frames)):
            continue
        # A block's size is a number without a unit for Go; what else ours say of a sample is told by other names.
        labels = tuple(sorted((k, tuple(v[0] if isinstance(v, tuple) else v for v in values)) for k, values in s.labels.items()))
        key = (frames, labels)
        out[key] = tuple(map(sum, zip(out[key], s.values))) if key in out else s.values
    return out


def profiles(before, ours, after, what, slack=EXACT):
    """Two protobufs of Go's and one of ours: types, and each sample that stood still. Buckets stay, goroutines may pass."""
    result = Result(what)
    for field in ("sample_types", "period_type", "period", "default_sample_type"):
        if getattr(ours, field) != getattr(after, field):
            result.bad.append(f"{field}: ours {getattr(ours, field)}, Go's {getattr(after, field)}")
    stays = after.period_type[0] not in ("goroutine", "threadcreate")
    low, mine, high = (_samples(p, stays, _of_several_files(ours)) for p in (before, ours, after))
    for key in low.keys() | mine.keys() | high.keys():
        a, v, b = low.get(key), mine.get(key), high.get(key)
        if a == b:
            good = v is not None and a is not None and _between(a, v, b, slack)
        else:  # scaled numbers may go up and down: only whether it is there
            good = v is not None or a is None
        near = [] if good else [k[0] for k in (high if v else mine) if k[1] == key[1] and (high if v else mine)[k] in (v, b)]
        apart = [next(((x, y) for x, y in zip(key[0], other) if x != y), f"{len(other)} frames") for other in near[:1]]
        result.row(a == b, good, f"{[f[0] for f in key[0][:6]]} {key[1]}: ours {v}, Go's {a} then {b}", *apart)
    return result


# ---- any of Go's answers

def _by_profiles(slack):
    return lambda what: (pprof.decode, lambda *three: profiles(*three, what, slack))


def _by(read, compare):
    return lambda what: (read, compare)


def _heap_text(what):
    return gotext.heap, lambda *three: heap(*three, what)


ANSWERS = {
    "heap?debug=1": _heap_text, "allocs?debug=1": _heap_text, "heap": _by_profiles(EXACT), "allocs": _by_profiles(EXACT),
    "block?debug=1": _by(gotext.contention, contention), "block": _by_profiles(TIMED),
    "mutex?debug=1": _by(gotext.contention, contention), "mutex": _by_profiles(TIMED),
    "goroutine?debug=1": _by(gotext.counts, counts), "goroutine": _by_profiles(EXACT),
    "goroutine?debug=2": _by(gotext.stacks, stacks),
    "threadcreate?debug=1": _by(gotext.counts, counts),
}


def bracket(path, theirs, ours):
    """The Result of one of ANSWERS; theirs and ours are functions of the path that return a body."""
    read, compare = ANSWERS[path](path)
    before = read(theirs(path))
    mine = read(ours(path))
    return compare(before, mine, read(theirs(path)))
