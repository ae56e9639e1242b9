"""A block of tests/bench/run: a Go node's own profiles, by us and by Go itself, beside each other.

Wall time and CPU of an answer, and the longest time in which nothing in the node ran (a ticker in it measures that).
"""
import contextlib
import os
import statistics
import time

from lib import golang, gonode, gotext, service

ROUNDS = 5
# (what, flags of go_profiled, paths)
GOROUTINES = ("goroutine", "goroutine?debug=1", "goroutine?debug=2")
CASES = (
    ("1k goroutines", ("-many", 1000), GOROUTINES),
    ("10k goroutines", ("-many", 10_000), GOROUTINES),
    ("100k goroutines", ("-many", 100_000), GOROUTINES),
    ("12k heap buckets", ("-buckets", 12_000, "-memrate", 1), ("heap", "heap?debug=1")),
)


def cpu_of(pid):
    with contextlib.suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3): the kernel's encoding
    return 0.0


def our_cpu(w):
    """CPU seconds of the service's processes by pid, the jailed children as well."""
    pids = [w.service.pid(who) for who in service.USERS]
    pids += service.children_of(w.service.pid("symbolizer"))
    return {pid: cpu_of(pid) for pid in pids}


def stall_ms(w):
    return int(w.node.ask("/stall")) / 1e6


def measured(w, ask, path):
    """(wall ms, our CPU ms, the node's CPU ms, longest stall ms, bytes) of one answer."""
    stall_ms(w)
    ours, node = our_cpu(w), w.node.cpu_seconds()
    began = time.monotonic()
    body = ask(path)
    wall = time.monotonic() - began
    stall = stall_ms(w)
    after = our_cpu(w)
    cpu = sum(t - ours.get(pid, 0.0) for pid, t in after.items())
    return wall * 1e3, cpu * 1e3, (w.node.cpu_seconds() - node) * 1e3, stall, len(body)


def raw(w):
    """Our answer as it comes: checking it is not what is measured."""
    def ask(path):
        answer = w.service.get(path, timeout=120)
        if answer.status != 200:
            raise AssertionError(f"our {path}: HTTP {answer.status} {answer.body[:200]!r}")
        return answer.body
    return ask


def idle_stall(w):
    """The ticker's longest gap while nobody asks for anything, as long as an answer takes."""
    seen = []
    for _ in range(ROUNDS):
        stall_ms(w)
        time.sleep(0.3)
        seen.append(stall_ms(w))
    return statistics.median(seen)


def at_rest(w):
    def parked():
        states = [g.state for g in gotext.stacks(w.theirs("goroutine?debug=2")).values()]
        return states.count("runnable") < 3
    service.wait_until(parked, 60, "goroutines that are parked")


def line(who, path, rows):
    wall, cpu, node, stall, size = (statistics.median(column) for column in zip(*rows))
    print(f"  {path:<18} {who:<9} {wall:8.1f} ms wall (worst {max(r[0] for r in rows):8.1f})  our CPU {cpu:7.1f} ms  node's {node:7.1f} ms  "
          f"stall {stall:7.1f} ms (worst {max(r[3] for r in rows):7.1f})  {size / 1e6:6.2f} MB")
    return wall


def bench_go():
    """Goroutines and buckets by the thousand: Go's own endpoint and ours in turn."""
    path = golang.program(golang.local(), "stripped")
    print(f"a Go node's own profiles, {golang.local()}, stripped; medians of {ROUNDS}; "
          f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    for title, flags, paths in CASES:
        with gonode.Watched(golang.start(path, *flags, "-stalls", seconds=600)) as w:
            at_rest(w)
            print(f"{title}; nobody asks: stall {idle_stall(w):.1f} ms")
            for what in paths:
                cold = measured(w, raw(w), what)
                theirs, ours = [], []
                for _ in range(ROUNDS):
                    theirs.append(measured(w, w.theirs, what))
                    ours.append(measured(w, raw(w), what))
                a = line("Go", what, theirs)
                line("ours cold", what, [cold])
                b = line("ours", what, ours)
                print(f"  {'':<18} wall, ours / Go's: {b / a:.2f}")
