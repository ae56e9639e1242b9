"""A block of tests/bench/run: are totals exact, where do short-lived threads stand, and what do 5,000 threads cost?

The node is stopped before a window opens and after it has worked, so that all of its CPU time between is the window's.
"""
import contextlib
import os
import signal
import statistics
import struct
import subprocess
import tempfile
import time

from lib import real, service, shares, targets, wire

WORK_SECONDS = 4
OPENINGS = 7
# (what, target and its arguments, names in which its threads live; None: all of it)
TOTALS = (
    ("one busy thread", ("c_nopie",), None),
    ("threads of 60 ms", ("threads", 60), {"red", "blue"}),
    ("threads of 5 ms", ("threads", 5), {"red", "blue"}),
    ("threads of 1 ms", ("threads", 1), {"red", "blue"}),
    ("1,000 threads in turn", ("crowd", 1000), {"even_leaf", "odd_leaf"}),
    ("10,000 threads a second", ("storm", 10000), None),
)


def cpu_of(pid):
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3): the kernel's encoding


@contextlib.contextmanager
def working(t):
    """The node works inside of the block only. Yields a list that then holds its CPU seconds."""
    used = []
    began = cpu_of(t.pid)
    t.signal(signal.SIGCONT)
    try:
        yield used
    finally:
        t.signal(signal.SIGSTOP)
        time.sleep(0.05)
        used.append(cpu_of(t.pid) - began)


def ours(s, t, seconds):
    """A window around all of the work: (profile, CPU seconds)."""
    asked = s.profile_later(seconds + 1)
    time.sleep(0.4)
    with working(t) as used:
        time.sleep(seconds)
    return asked.result(60), used[0]


def perf(t, seconds):
    """perf's samples by thread, times the period, over the same kind of work: the share of the CPU time."""
    with tempfile.TemporaryDirectory(prefix="ppd-bench-") as d:
        p = subprocess.Popen(["perf", "record", "-q", "-e", "task-clock", "-F", "100", "-o", f"{d}/data", "-p", str(t.pid)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.6)
        with working(t) as used:
            time.sleep(seconds)
        p.send_signal(signal.SIGINT)
        p.wait(30)
        out = subprocess.run(["perf", "script", "-i", f"{d}/data", "-F", "tid"], stdin=subprocess.DEVNULL, capture_output=True,
                             text=True, timeout=60).stdout
    return len(out.split()) * 0.01 / used[0]


def bench_totals():
    print(f"a profile's total beside the process's CPU clock, {WORK_SECONDS} s of work; the second window of each")
    for title, (name, *arguments), own in TOTALS:
        with targets.start(name, 60, *arguments) as t, service.Service(t.pid) as s:
            t.signal(signal.SIGSTOP)
            ours(s, t, 1)
            p, used = ours(s, t, WORK_SECONDS)
            total = p.total(1) / 1e9
            row = [f"clock {used:.3f} s, total / clock {total / used:.4f}",
                   f"[unsampled] {100 * p.flat(1)['[unsampled]'] / p.total(1):.1f} %"]
            if own:
                made = p.share(lambda f: shares.short(f.name) == "main", 1)
                row.append(f"under their own functions {100 * p.share(lambda f: f.name in own, 1) / (1 - made):.1f} %")
            with service.Service(t.pid, mode="thread") as by_thread:
                q, used = ours(by_thread, t, WORK_SECONDS)
                row.append(f"by thread {100 * q.total(0) * q.period / 1e9 / used:.1f} %")
            if real.have("perf"):
                row.append(f"perf -p {100 * perf(t, WORK_SECONDS):.1f} %")
        print(f"  {title:<24} " + "; ".join(row), flush=True)


def opening(s):
    """One window, by its messages: (ms until its events were on, ms until it was answered, perf descriptors, ms late)."""
    with wire.Connection(s, "collector") as c:
        asked_ns, asked = time.time_ns(), time.monotonic()
        c.send("WINDOW_ASK", "<HIIHB", 0, 500, 100, 0, 0)
        name, body, _ = c.until("WINDOW", "REFUSED")
        answered = time.monotonic()
        if name != "WINDOW":
            raise targets.Missing(wire.refusal(body)[1])
        enabled = (struct.unpack_from("<QQ", body)[1] - asked_ns) / 1e6
        fds = sum(d == "anon_inode:[perf_event]" for d in service.descriptors_of(s.pid("collector")))
        c.until("WINDOW_END")
        return enabled, (answered - asked) * 1e3, fds, (time.monotonic() - answered) * 1e3 - 500


def bench_crowd():
    print(f"a window on a node of many threads, medians of {OPENINGS}")
    for threads in (100, 250, 1000, 5000):
        row = []
        with targets.start("crowd", 80, threads) as t:
            for mode in ("cpu", "thread"):
                conf = f"[collector]\nmode = {mode}\nmax_events = 20000\n"
                with service.Service(t.pid, conf=conf) as s:
                    began = cpu_of(s.pid("collector"))
                    seen = [opening(s) for _ in range(OPENINGS)]
                    spent = (cpu_of(s.pid("collector")) - began) / OPENINGS
                    on, answered, fds, late = (statistics.median(x) for x in zip(*seen))
                    row.append(f"by {mode}: on after {on:.1f} ms, {fds:.0f} descriptors, collector's CPU {1e3 * spent:.0f} ms")
        print(f"  {threads:>5} threads   " + "; ".join(row), flush=True)


def bench_exact():
    bench_totals()
    bench_crowd()
