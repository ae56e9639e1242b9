"""Start the whole service for one test: four processes, four users, a port and a directory of its own.

    with Service(target="1234") as s:
        answer = s.get("/debug/pprof/")
        profile = s.profile(seconds=2)

Everything is bounded, and gone when the block ends. PPD_BUILD names the build directory.
"""
import collections
import concurrent.futures
import contextlib
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import pprof, targets

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent.parent
BUILD = pathlib.Path(os.environ.get("PPD_BUILD") or SOURCE)
PREFIX = "/debug/pprof/"

# Users that no passwd names; each process must take its own. The order is that of the start.
USERS = {"symbolizer": 64101, "collector": 64102, "fcgi": 64103, "web": 64104}

Answer = collections.namedtuple("Answer", "status headers body seconds")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(true, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = true()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def request(port, path, method="GET", body=None, headers=None, timeout=60):
    """One HTTP exchange on a connection of its own."""
    began = time.monotonic()
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        data = r.read()
        return Answer(r.status, r.headers, data, time.monotonic() - began)
    finally:
        c.close()


def status_of(pid):
    """/proc/PID/status as a dict of strings."""
    with open(f"/proc/{pid}/status") as f:
        return {k: v.strip() for k, _, v in (line.partition(":") for line in f)}


def children_of(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, KeyError):
                if status_of(int(entry))["PPid"] == str(pid):
                    found.append(int(entry))
    return found


def descriptors_of(pid):
    """What each open descriptor of a process is, as readlink says."""
    out = []
    with contextlib.suppress(FileNotFoundError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                out.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return out


class Service:
    def __init__(self, target=None, conf=None, before=(), **env):
        """target: PPROF_TARGET. conf: text of a pprofd.conf. before: what stands before the collector's
        command. env: more PPROF_* variables, in lower case."""
        if os.geteuid() != 0:
            raise targets.Missing("root is needed to start the service (four users, perf events)")
        for program in ("collector", "symbolizer", "fcgi"):
            if not (BUILD / f"pprofd-{program}").exists():
                raise RuntimeError(f"{BUILD}/pprofd-{program} is not built; set PPD_BUILD to the directory of the build")
        targets.need("lighttpd", "setpriv")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ppd-test-"))
        self.directory.chmod(0o755)
        self.run = self.directory / "run"
        self.port = free_port()
        self.processes = {}
        self.before = list(before)
        self.pool = concurrent.futures.ThreadPoolExecutor(128)
        (self.directory / "pprofd.conf").write_text(conf or "")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PPROF_")}
        self.env |= {f"PPROF_{who.upper()}_USER": str(uid) for who, uid in USERS.items()}
        self.env |= {"PPROF_RUN_DIR": str(self.run), "PPROF_PORT": str(self.port), "PPROF_BIND": "127.0.0.1",
                     "PPROF_CONF": str(self.directory / "pprofd.conf"), "PPROF_LOG_LEVEL": "debug"}
        self.env |= {f"PPROF_{k.upper()}": str(v) for k, v in env.items()}
        if target is not None:
            self.env["PPROF_TARGET"] = str(target)

    # ---- life

    def start(self, who):
        command = [*(self.before if who == "collector" else ()), str(BUILD / f"pprofd-{who}")]
        if who == "web":
            # A copy: the web server's user may not be able to read where the source lies.
            conf = shutil.copy(SOURCE / "conf" / "lighttpd.conf", self.directory)
            command = ["setpriv", f"--reuid={USERS['web']}", f"--regid={USERS['web']}", f"--groups={USERS['web']}",
                       "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "lighttpd", "-D", "-f", str(conf)]
        log = open(self.directory / f"{who}.log", "ab")
        self.processes[who] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                               env=self.env, cwd="/", start_new_session=True)
        log.close()

    def pid(self, who):
        return self.processes[who].pid

    def ready(self, seconds=20):
        def answers():
            for who, p in self.processes.items():
                if p.poll() is not None:
                    raise AssertionError(f"pprofd-{who} ended with {p.returncode} at its start\n{self.logs()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                page = self.get("", timeout=5)
                return page.status == 200 and b"is not running" not in page.body
        try:
            wait_until(answers, seconds, "the index page")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.logs()}")

    def __enter__(self):
        self.run.mkdir()
        self.run.chmod(0o755)
        # What lighttpd.conf wants there: a place of its own for what slow readers leave, its error texts.
        (self.run / "web").mkdir()
        os.chown(self.run / "web", USERS["web"], USERS["web"])
        (self.run / "errors").symlink_to(SOURCE / "conf" / "errors")
        try:
            for who in USERS:
                self.start(who)
            self.ready()
        except BaseException:
            self.stop()
            raise
        return self

    def _make_run_directory(self):
        self.run.mkdir()
        self.run.chmod(0o755)
        (self.run / "web").mkdir()
        os.chown(self.run / "web", USERS["web"], USERS["web"])
        shutil.copytree(SOURCE / "conf" / "errors", self.run / "errors")

    def __exit__(self, kind, value, trace):
        if kind is not None and issubclass(kind, Exception):
            print(self.logs(), flush=True)
        self.stop()

    def stop(self):
        for number, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 5)):
            for p in self.processes.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(p.pid, number)
            end = time.monotonic() + patience
            for p in self.processes.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    p.wait(max(0.05, end - time.monotonic()))
        self.pool.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self, who):
        """SIGKILL to one of the four, by its pid."""
        p = self.processes[who]
        p.kill()
        p.wait(5)

    def logs(self, lines=25):
        out = []
        for who in self.processes:
            with contextlib.suppress(OSError):
                text = (self.directory / f"{who}.log").read_text(errors="replace").splitlines()
                out += [f"--- {who}: last lines of its log"] + text[-lines:]
        return "\n".join(out)

    # ---- HTTP

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}{self.path(path)}"

    @staticmethod
    def path(path):
        return path if path.startswith("/") else PREFIX + path

    def get(self, path="", method="GET", body=None, headers=None, timeout=60):
        return request(self.port, self.path(path), method, body, headers, timeout)

    def later(self, path, **more):
        """The same in a thread: a future of the answer."""
        return self.pool.submit(self.get, path, **more)

    @staticmethod
    def decoded(answer, clock=True):
        """The profile of a 200 answer, with its headers and all promises checked."""
        if answer.status != 200:
            raise AssertionError(f"HTTP {answer.status}: {answer.body[:300]!r}")
        if answer.headers["Content-Type"] != "application/octet-stream":
            raise AssertionError(f"Content-Type {answer.headers['Content-Type']}")
        return pprof.check(pprof.decode(answer.body), clock)

    def profile(self, seconds=2, query="", clock=True, node=None):
        path = f"/nodes/{node}{PREFIX}profile" if node else "profile"
        return self.decoded(self.get(f"{path}?seconds={seconds}{query}", timeout=seconds + 30), clock)

    def profile_later(self, seconds=2, query="", clock=True):
        return self.pool.submit(self.profile, seconds, query, clock)
