"""Real programs as nodes, under a load that is bounded and ends with the test."""
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

from . import service, targets


class Program:
    """A process of its own group with a pid; killed with its group at the end. A context manager."""

    def __init__(self, *command, env=None, cwd=None, stdin=subprocess.DEVNULL):
        targets.need(str(command[0]))
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(c) for c in command], stdin=stdin, stdout=self.log, stderr=self.log,
                                        env=env, cwd=cwd, start_new_session=True)
        self.pid = self.process.pid

    def output(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")[-2000:]

    def alive(self):
        return self.process.poll() is None

    def cpu_seconds(self):
        return time.clock_gettime((~self.pid << 3) | 2)

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, number)
                self.process.wait(3)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.process.wait(5)
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


class Stack:
    """Several context managers as one, left in the reverse order."""

    def __init__(self):
        self._open = []

    def enter(self, context):
        value = context.__enter__()
        self._open.append(context)
        return value

    def begin(self):
        """What a subclass enters first."""

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for c in reversed(self._open):
            c.__exit__(None, None, None)
        self._open = []


def _connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Redis(Stack):
    """Debian's redis-server with redis-benchmark on it."""

    def __init__(self, tests="get,set,lpush,zadd,hset", pipeline=4, before=()):
        super().__init__()
        self.tests, self.pipeline, self.before = tests, pipeline, before

    def begin(self):
        targets.need("redis-server", "redis-benchmark")
        self.port = service.free_port()
        directory = self.enter(tempfile.TemporaryDirectory(prefix="ppd-redis-"))
        self.node = self.enter(Program(*self.before, "redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "",
                                       "--appendonly", "no", "--dir", directory, "--maxmemory", "200mb",
                                       "--maxmemory-policy", "allkeys-lru"))
        service.wait_until(lambda: _connects(self.port), 10, "redis-server")
        self.load = self.enter(Program("timeout", 90, "redis-benchmark", "-p", self.port, "-t", self.tests, "-c", 20,
                                       "-P", self.pipeline, "-r", 10000, "-n", 2000000, "-l", "-q"))
        self.pid = self.node.pid
        time.sleep(0.5)


class Memcached(Stack):
    """memcached with get and set in the ratio 9:1, from two connections."""

    def begin(self):
        self.port = service.free_port()
        self.node = self.enter(Program("memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", self.port, "-t", 2, "-m", 64))
        service.wait_until(lambda: _connects(self.port), 10, "memcached")
        self.pid = self.node.pid
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._load, args=(i,), daemon=True) for i in range(2)]
        for t in self.threads:
            t.start()

    def _load(self, seed):
        value = b"v" * 200
        batch = b"".join(b"set k%d 0 0 200\r\n%s\r\n" % (seed * 1000 + i, value) if i % 10 == 0
                         else b"get k%d\r\n" % (seed * 1000 + i - i % 10) for i in range(200))
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            s.settimeout(5)
            try:
                while not self.ended.is_set():
                    s.sendall(batch)
                    got, stored, ends = b"", 0, 0
                    while stored < 20 or ends < 180:
                        more = s.recv(262144)
                        if not more:
                            return
                        got = got[-10:] + more
                        stored += more.count(b"STORED\r\n")
                        ends += more.count(b"END\r\n")
                        if ends + stored >= 196 and len(more) < 262144:
                            break  # a word cut in two between reads; the next batch goes on
            except OSError:
                return

    def __exit__(self, *exc):
        if hasattr(self, "ended"):
            self.ended.set()
            for t in self.threads:
                t.join(6)
        super().__exit__()


class Prometheus(Stack):
    """Debian's prometheus, busy with range queries about itself; it serves Go's own /debug/pprof."""

    def begin(self):
        self.port = service.free_port()
        directory = pathlib.Path(self.enter(tempfile.TemporaryDirectory(prefix="ppd-prom-")))
        (directory / "p.yml").write_text("global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: self\n"
                                         f"  static_configs:\n  - targets: ['127.0.0.1:{self.port}']\n")
        self.node = self.enter(Program("prometheus", f"--config.file={directory}/p.yml", "--log.level=error",
                                       f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{self.port}"))
        self.pid = self.node.pid

        def up():
            try:
                return service.request(self.port, "/-/ready", timeout=2).status == 200
            except OSError:
                return False

        service.wait_until(up, 20, "prometheus")
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._load, daemon=True)
        self.thread.start()
        time.sleep(2)

    def _load(self):
        while not self.ended.is_set():
            now = int(time.time())
            try:
                service.request(self.port, f"/api/v1/query_range?query=sum(rate(%7B__name__%3D~%22.%2B%22%7D%5B1m%5D))%20by%20(job)"
                                f"&start={now - 600}&end={now}&step=1", timeout=10)
                service.request(self.port, "/metrics", timeout=10)
            except OSError:
                time.sleep(0.1)

    def __exit__(self, *exc):
        if hasattr(self, "ended"):
            self.ended.set()
            self.thread.join(11)
        super().__exit__()


def python(seconds=60):
    """Debian's own python3 at work: stripped, and built without frame pointers."""
    targets.need("/usr/bin/python3")
    return targets.Target(["/usr/bin/python3", targets.SOURCES / "python_shares.py", str(seconds)])


def node(seconds=60):
    targets.need("node")
    # Without inlining: the map names code, and what the compiler inlined has none of its own.
    return targets.Target(["node", "--perf-basic-prof", "--no-turbo-inlining", targets.SOURCES / "jit_node.js", str(seconds)])


class Clang(Stack):
    """clang compiling C++ of many templates, long enough for a window."""

    HEAD = "#include <algorithm>\n#include <map>\n#include <string>\n#include <variant>\n#include <vector>\n"
    UNIT = """struct t%(n)d { int a; std::string s; bool operator<(const t%(n)d &o) const { return s < o.s; } };
int f%(n)d(std::vector<t%(n)d> v, std::map<t%(n)d, std::variant<int, t%(n)d, std::string>> m) {
  std::stable_sort(v.begin(), v.end());
  for (auto &x : v) m[x] = x;
  std::sort(v.rbegin(), v.rend(), [](auto &a, auto &b) { return a.a < b.a; });
  return int(std::count_if(m.begin(), m.end(), [](auto &p) { return p.second.index() == 1; }) + v.size()); }
"""
    UNITS = 150

    def begin(self):
        targets.need("clang++")
        directory = pathlib.Path(self.enter(tempfile.TemporaryDirectory(prefix="ppd-clang-")))
        (directory / "unit.cc").write_text(self.HEAD + "".join(self.UNIT % {"n": n} for n in range(self.UNITS)))
        self.node = self.enter(Program("clang++", "-std=c++17", "-O2", "-c", directory / "unit.cc", "-o", directory / "unit.o"))
        self.pid = self.node.pid
        time.sleep(0.5)


class Ffmpeg(Stack):
    """ffmpeg encoding a test picture with x264: most of it hand-written assembly."""

    def begin(self):
        self.node = self.enter(Program("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i",
                                       "testsrc2=size=1280x720:rate=30", "-t", "300", "-c:v", "libx264", "-preset", "medium",
                                       "-threads", "2", "-f", "null", "-"))
        self.pid = self.node.pid
        time.sleep(1)
        if not self.node.alive():
            raise targets.Missing("ffmpeg cannot encode x264 here: " + self.node.output())
