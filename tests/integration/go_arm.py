"""A Go node's block and mutex rates set for a window (allow_arm), and taken back whoever dies."""
import mmap
import os
import signal
import struct

from lib import case, golang, service, targets, wire

CONF = "[collector]\nallow_arm = yes\n"
DAC_OVERRIDE = 1 << 1  # linux/capability.h


def named(name):
    """Processes of that name that are not zombies."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                status = service.status_of(int(entry))
            except OSError:
                continue
            if status.get("Name") == name and not status["State"].startswith("Z"):
                found.append(int(entry))
    return found


class Armed(case.Case):
    @classmethod
    def prepare(cls):
        cls.node = cls.enter(golang.start(golang.program(golang.local(), "stripped"), "-fight", 2))

    def setUp(self):
        self.service = service.Service(self.node.pid, conf=self.conf())
        self.service.__enter__()
        self.addCleanup(self.service.stop)
        self.connect()

    def conf(self):
        return CONF

    def connection(self, who):
        c = wire.Connection(self.service, who)
        self.addCleanup(c.close)
        return c

    def connect(self):
        self.symbolizer = self.connection("symbolizer")
        self.collector = self.connection("collector")

    def head(self, kind):
        """Of a reading: the node's rate, where it is, and how many rows there are."""
        wire.ask(self.symbolizer, wire.memory(self.collector), kind)
        _, status, text, fd = wire.reading(self.symbolizer)
        self.assertEqual(status, 200, text)
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as m:
            os.close(fd)
            rate, address = struct.unpack_from("<qQ", m, 32)  # base/reading.h
            rows = struct.unpack_from("<Q", m, 88 + 2 * 16 + 8)[0]
        return rate, address, rows

    def arm(self, kind, rate, status=None):
        """A connection on which the rate is set; or where it is refused, the reason."""
        c = self.connection("collector")
        c.send("ARM_ASK", "<HBQ", 0, kind, rate)
        name, body, _ = c.recv()
        if status is None:
            self.assertEqual(name, "ARMED", body)
            return c
        self.assertEqual(name, "REFUSED")
        got, text = wire.refusal(body)
        self.assertEqual(got, status, text)
        return text

    def rate_now(self, address):
        """Read here, with nobody's help."""
        fd = os.open(f"/proc/{self.node.pid}/mem", os.O_RDONLY)
        try:
            return struct.unpack("<q", os.pread(fd, 8, address))[0]
        finally:
            os.close(fd)

    def taken_back(self, address):
        service.wait_until(lambda: self.rate_now(address) == 0, 10, "the rate is 0 again")


class Windows(Armed):
    def test_a_rate_is_there_while_the_connection_stands(self):
        for kind, path in ((wire.BLOCK, "block"), (wire.MUTEX, "mutex")):
            rate, address, _ = self.head(kind)
            self.assertEqual(rate, 0)
            c = self.arm(kind, 1)
            self.assertEqual(self.head(kind)[0], 1)
            self.assertEqual(self.rate_now(address), 1)
            # Goroutines wait for each other all the time: the node's own profile gets rows, and ours has them.
            service.wait_until(lambda: b"main." in self.node.theirs(f"{path}?debug=1"), 20, "Go's own rows")
            self.assertGreater(self.head(kind)[2], 0)
            c.close()
            self.taken_back(address)

    def test_windows_that_overlap_are_counted(self):
        address = self.head(wire.BLOCK)[1]
        first, second = self.arm(wire.BLOCK, 1000), self.arm(wire.BLOCK, 1000)
        self.assertIn("already", self.arm(wire.BLOCK, 1, status=503))
        first.close()
        third = self.arm(wire.BLOCK, 1000)
        second.close()
        self.assertEqual(self.head(wire.BLOCK)[0], 1000)
        third.close()
        self.taken_back(address)

    def test_a_service_that_is_stopped_takes_it_back(self):
        address = self.head(wire.BLOCK)[1]
        self.arm(wire.BLOCK, 1000)
        self.assertEqual(self.rate_now(address), 1000)
        self.service.stop()  # SIGTERM to all of them, the guardian too
        self.taken_back(address)

    def test_the_collector_killed_leaves_nothing_behind(self):
        address = self.head(wire.BLOCK)[1]
        self.arm(wire.BLOCK, 1000)
        self.arm(wire.MUTEX, 7)
        self.service.kill("collector")
        self.taken_back(address)
        self.service.start("collector")
        self.service.ready()
        self.connect()
        self.assertEqual(self.head(wire.MUTEX)[0], 0)
        self.arm(wire.BLOCK, 1000).close()  # and it can be armed again
        self.taken_back(address)

    def guardian(self):
        return service.wait_until(lambda: [p for p in named("pprofd-guardian") if
                                           service.status_of(p)["PPid"] == str(self.service.pid("collector"))], 5, "it")[0]

    def test_both_killed_the_record_is_replayed_at_the_next_start(self):
        address = self.head(wire.BLOCK)[1]
        self.arm(wire.BLOCK, 1000)
        os.kill(self.guardian(), signal.SIGSTOP)  # it cannot notice
        guardian = self.guardian()
        self.service.kill("collector")
        os.kill(guardian, signal.SIGKILL)
        service.wait_until(lambda: guardian not in named("pprofd-guardian"), 10, "its end")
        self.assertEqual(self.rate_now(address), 1000)
        self.service.start("collector")
        self.taken_back(address)

    def test_the_guardian_killed_is_made_up_for(self):
        address = self.head(wire.BLOCK)[1]
        c = self.arm(wire.BLOCK, 1000)
        os.kill(self.guardian(), signal.SIGKILL)
        name, body, _ = c.recv()
        self.assertEqual(name, "REFUSED")
        self.assertIn("pprofd-guardian", wire.refusal(body)[1])
        self.assertEqual(self.rate_now(address), 0)
        self.assertIn("not running", self.arm(wire.BLOCK, 1000, status=503))

    def test_the_guardian_has_no_capability_and_a_jail(self):
        pid = self.guardian()
        status = service.status_of(pid)
        for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
            self.assertEqual(int(status[kind], 16), 0, kind)
        self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"))
        self.assertEqual(set(status["Uid"].split()), {str(service.USERS["collector"])})
        self.arm(wire.BLOCK, 1000)
        fds = [d for d in service.descriptors_of(pid) if not d.startswith("socket:")]
        self.assertEqual(sorted(fds), sorted([f"/proc/{self.node.pid}/mem", str(self.service.run / "armed"),
                                              str(self.service.directory / "collector.log")]))


class Own(Armed):
    """A node that has rates of its own."""

    @classmethod
    def prepare(cls):
        cls.node = cls.enter(golang.start(golang.program(golang.local(), "stripped"), "-blockrate", 5000, "-mutexfraction", 3))

    def test_it_keeps_them(self):
        before = [self.head(kind)[:2] for kind in (wire.BLOCK, wire.MUTEX)]
        for kind in (wire.BLOCK, wire.MUTEX):
            self.assertIn("on already", self.arm(kind, 1000, status=409))
        self.assertEqual([self.head(kind)[:2] for kind in (wire.BLOCK, wire.MUTEX)], before)


class Not(Armed):
    """Where it is not allowed, which is the default."""

    def conf(self):
        return ""

    def test_it_is_refused_and_there_is_no_guardian(self):
        address = self.head(wire.BLOCK)[1]
        self.assertIn("allow_arm", self.arm(wire.BLOCK, 1000, status=403))
        self.assertEqual(self.rate_now(address), 0)
        self.assertEqual(service.children_of(self.service.pid("collector")), [])
        self.assertFalse((self.service.run / "armed").exists())
        self.assertEqual(int(service.status_of(self.service.pid("collector"))["CapEff"], 16) & DAC_OVERRIDE, 0)


class NoGo(Armed):
    @classmethod
    def prepare(cls):
        cls.node = cls.enter(targets.start("c_nopie", 60))

    def test_a_node_that_is_no_go_program_is_told_so(self):
        self.assertIn("not a Go program", self.arm(wire.BLOCK, 1000, status=501))


del Armed

if __name__ == "__main__":
    case.main()
