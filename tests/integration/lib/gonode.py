"""A Go node and the service that watches it: what both answer to the same question.

    with gonode.Watched(golang.start(path, "-each", 3)) as w:
        w.same(case, "heap?debug=1")

Any node will do that has .pid and .theirs(path), Go's own answer: go_profiled of lib/golang.py, or one of the real
programs here.
"""
import base64
import contextlib
import json
import os
import pathlib
import re
import tempfile
import threading
import time

from . import gosame, load, pprof, service, targets

TEXT, BINARY = "text/plain; charset=utf-8", "application/octet-stream"


def snapshot(body):
    """A decoded profile of ours that has no window, with all that lib/pprof.py checks of one that has. Rows of the heap that
    count nothing stand in Go's answer too."""
    p = pprof.decode(body)
    try:
        pprof.check(p, clock=False)
    except pprof.Invalid as e:
        bad = [b for b in str(e).split("; ") if b not in ("duration_nanos is not set", "a sample is all zero")]
        if bad:
            raise pprof.Invalid("; ".join(bad))
    if p.duration_nanos:
        raise pprof.Invalid("a snapshot has a duration")
    return p


def body_of(answer, path):
    """The body of a 200 answer with the headers that Go gives it."""
    if answer.status != 200:
        raise AssertionError(f"our {path}: HTTP {answer.status} {answer.body[:400]!r}")
    text = "debug=" in path and "debug=0" not in path
    name = path.partition("?")[0] + ("-delta" if re.search("seconds=[^&]", path) else "")
    wanted = (TEXT, None) if text else (BINARY, f'attachment; filename="{name}"')
    got = (answer.headers["Content-Type"], answer.headers["Content-Disposition"])
    if got != wanted or answer.headers["X-Content-Type-Options"] != "nosniff" or answer.headers["Content-Encoding"]:
        raise AssertionError(f"our {path}: headers {dict(answer.headers)}, wanted {wanted}")
    if not text and not name.endswith("-delta"):
        snapshot(answer.body)
    return answer.body


class Watched:
    """node: entered and left with this. more: for service.Service."""

    def __init__(self, node, target=None, **more):
        self.node, self.target, self.more = node, target, more
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.stack.enter_context(self.node)
            self.service = self.stack.enter_context(service.Service(self.target or self.node.pid, **self.more))
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.service.logs(), flush=True)
        self.stack.close()

    def theirs(self, path, timeout=120):
        return self.node.theirs(path, timeout)

    def ours(self, path, timeout=120):
        return body_of(self.service.get(path, timeout=timeout), path)

    def snapshot(self, path):
        return snapshot(self.ours(path))

    def bracket(self, path):
        return gosame.bracket(path, self.theirs, self.ours)

    def same(self, case, path, least=1, tries=1):
        """Fails where our answer is not Go's. Returns the gosame.Result. tries: a node at work can be elsewhere in the middle
        than before and after; what is wrong in ours is so each time."""
        for _ in range(tries):
            result = self.bracket(path)
            if not result.bad:
                break
        result.check(case, least)
        print(f"        {result}", flush=True)
        return result


# ---- real programs

class _Serves:
    """A program that answers Go's /debug/pprof on .pprof_port."""

    def theirs(self, path, timeout=60):
        answer = service.request(self.pprof_port, service.PREFIX + path, timeout=timeout)
        if answer.status != 200:
            raise AssertionError(f"Go's own {path}: HTTP {answer.status} {answer.body[:200]!r}")
        return answer.body

    def answers(self, port, path):
        with contextlib.suppress(OSError):
            return service.request(port, path, timeout=2).status == 200
        return False


class Prometheus(_Serves, load.Prometheus):
    """Debian's prometheus, stripped, at work."""

    @property
    def pprof_port(self):
        return self.port

    def quiet(self):
        self.ended.set()
        self.thread.join(11)


class Etcd(_Serves, load.Stack):
    """Debian's etcd, stripped, one member alone, with reads and writes over its HTTP gateway."""

    def begin(self):
        self.port = self.pprof_port = service.free_port()
        directory = self.enter(tempfile.TemporaryDirectory(prefix="ppd-etcd-"))
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{service.free_port()}"
        self.node = self.enter(load.Program(
            "etcd", "--data-dir", f"{directory}/data", "--enable-pprof", "--log-level", "error",
            "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"))
        self.pid = self.node.pid
        service.wait_until(lambda: self.answers(self.port, "/health"), 20, "etcd")
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._load, daemon=True)
        self.thread.start()

    def _load(self):
        n = 0
        while not self.ended.is_set():
            n += 1
            key = base64.b64encode(b"key %d" % (n % 50)).decode()
            with contextlib.suppress(OSError):
                for what, body in (("put", {"key": key, "value": key * 20}), ("range", {"key": key})):
                    service.request(self.port, f"/v3/kv/{what}", "POST", json.dumps(body), timeout=5)
            time.sleep(0.01)

    def quiet(self):
        self.ended.set()
        self.thread.join(11)

    def __exit__(self, *exc):
        if hasattr(self, "ended"):
            self.quiet()
        super().__exit__()


class Geth(_Serves, load.Stack):
    """go-ethereum's node on a chain of its own, a block a second. PPD_GETH names the program."""

    def begin(self):
        path = os.environ.get("PPD_GETH", "geth")
        targets.need(path)
        self.pprof_port, self.port = service.free_port(), service.free_port()
        directory = self.enter(tempfile.TemporaryDirectory(prefix="ppd-geth-"))
        self.node = self.enter(load.Program(
            path, "--dev", "--dev.period", "1", "--datadir", directory, "--ipcdisable", "--nodiscover", "--port", "0",
            "--authrpc.port", service.free_port(), "--http", "--http.port", self.port, "--verbosity", "1",
            "--pprof", "--pprof.port", self.pprof_port, "--pprof.blockprofilerate", "1", "--pprof.memprofilerate", "65536",
            env={**os.environ, "HOME": directory}))
        self.pid = self.node.pid
        service.wait_until(lambda: self.answers(self.pprof_port, service.PREFIX + "cmdline"), 60, "geth")

    def quiet(self):
        """It computes tables for some seconds at its start."""
        def idle():
            before = self.node.cpu_seconds()
            time.sleep(1)
            return self.node.cpu_seconds() - before < 0.1
        service.wait_until(idle, 90, "geth without much to do")
