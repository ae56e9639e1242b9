"""`go tool pprof` as a checker: what a person would type, bounded, with its files in a directory of the test's own."""
import os
import pathlib
import re
import subprocess
import tempfile

from . import service, targets


class GoTool:
    def __init__(self):
        targets.need("go")
        self.directory = tempfile.TemporaryDirectory(prefix="ppd-go-")
        cache = os.environ.get("GOCACHE") or subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True).stdout.strip()
        # Go 1.25 and later builds its tools on first use: the cache must stay the user's.
        self.env = dict(os.environ, HOME=self.directory.name, PPROF_TMPDIR=self.directory.name, GO111MODULE="off",
                        GOCACHE=cache or os.path.join(self.directory.name, "cache"))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.directory.cleanup()

    def file(self, name, body):
        p = pathlib.Path(self.directory.name) / name
        p.write_bytes(body)
        return str(p)

    def run(self, *arguments, timeout=60):
        """(exit code, stdout, stderr)"""
        done = subprocess.run(["go", "tool", "pprof", *map(str, arguments)], capture_output=True, timeout=timeout,
                              env=self.env, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def must(self, *arguments, timeout=60):
        """stdout of a run that must succeed."""
        code, out, err = self.run(*arguments, timeout=timeout)
        if code != 0:
            raise AssertionError(f"go tool pprof {' '.join(map(str, arguments))}: exit {code}\n{err[-2000:]}")
        return out

    def disassembles_libraries(self):
        """Go before 1.21 takes an address of a position-independent file for its place in it, and finds no code: only
        the program itself, whose addresses we give as the file has them, can be disassembled there."""
        m = re.search(r"go(\d+)\.(\d+)", subprocess.run(["go", "version"], capture_output=True, text=True).stdout)
        able = bool(m) and (int(m[1]), int(m[2])) >= (1, 21)
        if not able:
            print("        (a library is not disassembled: this Go tool cannot)")
        return able

    def top(self, *arguments, timeout=60):
        """[(flat, cum, name)] as shares of the total, and the report's head."""
        out = self.must("-top", "-nodecount=100000", "-nodefraction=0", *arguments, timeout=timeout)
        head, _, rows = out.partition("flat%")
        found = []
        for line in rows.splitlines()[1:]:
            m = re.match(r"\s*\S+\s+([\d.]+)%\s+[\d.]+%\s+\S+\s+([\d.]+)%\s+(.*)", line)
            if m:
                found.append((float(m[1]) / 100, float(m[2]) / 100, m[3].removesuffix(" (inline)").strip()))
        return found, head

    def serve(self, *arguments):
        """A running `go tool pprof -http`; a context manager with .get(path)."""
        return _Served(self, arguments)


class _Served:
    def __init__(self, tool, arguments):
        self.tool, self.arguments, self.port = tool, arguments, service.free_port()

    def __enter__(self):
        self.process = subprocess.Popen(
            ["go", "tool", "pprof", f"-http=127.0.0.1:{self.port}", "-no_browser", *map(str, self.arguments)],
            env=self.tool.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        try:
            service.wait_until(self._up, 20, "go tool pprof -http")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _up(self):
        try:
            return service.request(self.port, "/ui/top", timeout=10).status == 200
        except OSError:
            return False

    def get(self, path):
        return service.request(self.port, path, timeout=30)

    def __exit__(self, *exc):
        try:
            os.killpg(self.process.pid, 15)
        except ProcessLookupError:
            pass
        self.process.wait(10)
