"""deploy/quickstart as a person uses it: one command, one profile, Ctrl-C at any moment, a port in use.

# timeout: 300
"""
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from lib import case, pprof, service, targets

QUICKSTART = service.SOURCE / "deploy" / "quickstart"


def directories():
    return set(pathlib.Path("/run").glob("pprofd-quickstart.*"))


def marked(mark):
    """The processes that bear a mark in their environment: everything that a quickstart started."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append((int(entry.name), (entry / "comm").read_text().strip()))
    return found


class Quickstart:
    """One run of it; nothing of it may be left when the block ends."""

    def __init__(self, case_, *arguments, build=service.BUILD, **env):
        self.case = case_
        self.port = env.pop("port", None) or service.free_port()
        self.mark = f"QUICKSTART_MARK={os.getpid()}.{self.port}"
        self.before = directories()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PPROF_")}
        key, value = self.mark.split("=")
        self.env |= {"QUICKSTART_BUILD": str(build), "PPROF_PORT": str(self.port), key: value} | env
        self.process = subprocess.Popen([str(QUICKSTART), *arguments], env=self.env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.terminate()
        with contextlib.suppress(ValueError):
            self.end(20)

    def end(self, seconds=30):
        """(status, stdout, stderr) when it has ended, with nothing left."""
        out, err = self.process.communicate(timeout=seconds)
        self.case.assertEqual(marked(self.mark.encode()), [], "processes left\n" + err)
        self.case.assertEqual(directories() - self.before, set(), "directories left\n" + err)
        with socket.socket() as s:
            self.case.assertNotEqual(s.connect_ex(("127.0.0.1", self.port)), 0, "the port is still served")
        return self.process.returncode, out, err

    def serving(self):
        """Wait until it says what to try; returns that text."""
        said = ""
        for line in self.process.stdout:
            said += line
            if "Ctrl-C" in line:
                return said
        raise AssertionError(f"it ended: {self.process.stderr.read()}")

    def get(self, path):
        return service.request(self.port, service.Service.path(path), timeout=30)


class Use(case.Case):
    def test_once_prints_a_top_keeps_the_profile_where_told_and_ends(self):
        path = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / "quickstart.pb.gz"
        with Quickstart(self, "--once", "4", "--output", str(path)) as q:
            status, out, err = q.end()
        self.assertEqual(status, 0, err)
        # Inlined or not, the heaviest functions are among the twenty; the shares are the demo node's own.
        for name in ("compare_orders", "count_words"):
            self.assertIn(name, out)
        p = pprof.check(pprof.decode(path.read_bytes()))
        path.unlink()
        for name, share in (("sort_orders", 0.50), ("hash_documents", 0.30), ("count_words", 0.15)):
            # 200 samples: a share of a half is off by 0.035 in one of three runs.
            self.assertAlmostEqual(p.share(lambda f, n=name: f.name == n), share, delta=0.15, msg=name)

    def test_it_serves_a_named_node_and_says_what_to_try(self):
        with targets.start("c_nofp", 60) as target, Quickstart(self, PPROF_TARGET=str(target.pid)) as q:
            said = q.serving()
            self.assertIn(f"http://127.0.0.1:{q.port}/debug/pprof/", said)
            self.assertIn("go tool pprof", said)
            self.assertIn(str(target.pid), said)
            service.Service.decoded(q.get("profile?seconds=1"))

    def test_a_process_of_ours_that_dies_is_started_again(self):
        with Quickstart(self) as q:
            q.serving()
            ours = dict((comm, pid) for pid, comm in marked(q.mark.encode()))
            for comm in ("pprofd-fcgi", "lighttpd", "demo_node", "pprofd-collecto", "pprofd-symboliz"):
                os.kill(ours[comm], signal.SIGKILL)
                service.wait_until(lambda: any(c == comm and p != ours[comm] for p, c in marked(q.mark.encode())),
                                   10, f"another {comm}")

            def answers():
                with contextlib.suppress(OSError):
                    return q.get("profile?seconds=0.5").status == 200
            service.wait_until(answers, 15, "an answer after five kills")

    def test_the_four_have_users_of_their_own_that_nobody_else_has(self):
        with Quickstart(self) as q:
            q.serving()
            users = {}
            for pid, comm in marked(q.mark.encode()):
                users.setdefault(comm, set()).add(service.status_of(pid)["Uid"].split()[0])
            for comm in ("pprofd-fcgi", "lighttpd", "pprofd-collecto", "pprofd-symboliz"):
                self.assertEqual(len(users[comm]), 1, users)
                self.assertNotIn("0", users[comm])
            every = [next(iter(u)) for c, u in users.items() if c != "quickstart" and len(u) == 1 and "0" not in u]
            self.assertEqual(len(set(every)), len(every), users)


class Ends(case.Case):
    def test_a_signal_at_any_moment_of_the_start_leaves_nothing(self):
        for i in range(12):
            number = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[i % 3]
            with self.subTest(after=i * 0.12, signal=number.name), Quickstart(self) as q:
                time.sleep(i * 0.12)
                q.process.send_signal(number)
                status, _, err = q.end(15)
                # Negative: before it had heard of signals at all.
                self.assertIn(status, (128 + number, -number), err)
                self.assertNotIn("not foreseen", err)

    def test_ctrl_c_in_the_middle_of_a_window_ends_at_once(self):
        with Quickstart(self, "--once", "60") as q:
            time.sleep(3)
            began = time.monotonic()
            q.process.send_signal(signal.SIGINT)
            status, _, err = q.end(15)
        self.assertEqual(status, 130, err)
        self.assertLess(time.monotonic() - began, 8)


class Refusals(case.Case):
    def refused(self, *arguments, **env):
        with Quickstart(self, *arguments, **env) as q:
            status, _, err = q.end()
        self.assertNotEqual(status, 0)
        self.assertNotIn("not foreseen", err)
        return err

    def test_a_port_in_use_is_said_with_its_holder_and_another_is_offered(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            process = subprocess.run([str(QUICKSTART)], capture_output=True, text=True, timeout=30,
                                     env=dict(os.environ, QUICKSTART_BUILD=str(service.BUILD), PPROF_PORT=str(port)))
        self.assertEqual(process.returncode, 1)
        self.assertIn(f"port {port} of 127.0.0.1 is in use by pid {os.getpid()} (", process.stderr)
        self.assertIn(f"PPROF_PORT={port + 1 if port < 65535 else 6061} ./deploy/quickstart", process.stderr)

    def test_a_target_that_matches_several_lists_them(self):
        with targets.start("c_nofp", 60) as a, targets.start("c_nofp", 60) as b:
            err = self.refused(PPROF_TARGET=f"exe:{os.readlink(f'/proc/{a.pid}/exe')}")
        self.assertIn(str(a.pid), err)
        self.assertIn(str(b.pid), err)

    def test_a_target_that_is_not_there_is_said(self):
        self.assertIn("no-such-thing", self.refused(PPROF_TARGET="name:no-such-thing"))

    def test_a_bad_setting_names_its_variable(self):
        self.assertIn("PPROF_MAX_SECONDS: 0 is not within", self.refused(PPROF_MAX_SECONDS="0"))
        self.assertIn("did you mean \"name:redis\"", self.refused(PPROF_TARGET="redis"))
        self.assertIn("--once", self.refused("--once", "soon"))

    def test_a_window_over_the_limit_ends_with_the_servers_own_words(self):
        self.assertIn("exceeds the limit of 2 seconds", self.refused("--once", "3", PPROF_MAX_SECONDS="2"))


if __name__ == "__main__":
    case.main(deadline=280)
