"""Who may do what, read from /proc while a window is open."""
import os
import time

from lib import case, golang, service, targets, wire

# linux/capability.h
CAPABILITIES = {"DAC_READ_SEARCH": 2, "SYS_PTRACE": 19, "SYSLOG": 34, "PERFMON": 38, "BPF": 39, "CHECKPOINT_RESTORE": 40}
COLLECTOR = sum(1 << n for n in CAPABILITIES.values())


class Jail(case.Case):
    @classmethod
    def prepare(cls):
        cls.target = cls.enter(targets.start("c_nopie", 60))
        cls.service = cls.enter(service.Service(cls.target.pid))
        s = cls.service
        window = s.profile_later(3)
        time.sleep(1.5)
        cls.status = {who: service.status_of(s.pid(who)) for who in service.USERS}
        children = service.children_of(s.pid("symbolizer"))
        cls.children = [service.status_of(c) for c in children]
        cls.child_fds = [service.descriptors_of(c) for c in children]
        cls.namespaces = {who: os.stat(f"/proc/{s.pid(who)}/ns/user").st_ino for who in service.USERS}
        window.result(20)

    def every(self):
        yield from self.status.items()
        for i, c in enumerate(self.children):
            yield f"child {i}", c

    def test_four_users_all_different_and_none_of_them_root(self):
        uids = {}
        for who, status in self.status.items():
            real = set(status["Uid"].split()) | set(status["Gid"].split())
            self.assertNotIn("0", real, who)
            self.assertEqual(len(set(status["Uid"].split())), 1, who)
            self.assertNotIn("0", status["Groups"].split(), who)
            uids[who] = status["Uid"].split()[0]
        self.assertEqual(len(set(uids.values())), 4, uids)
        self.assertEqual(uids, {who: str(uid) for who, uid in service.USERS.items()})

    def test_the_collector_holds_the_five_capabilities_and_nothing_more(self):
        status = self.status["collector"]
        for kind in ("CapPrm", "CapEff"):
            self.assertEqual(int(status[kind], 16), COLLECTOR, kind)
        self.assertEqual(int(status["CapBnd"], 16) & ~COLLECTOR, 0, "the bounding set")

    def test_nobody_else_holds_any(self):
        for who, status in self.every():
            if who != "collector":
                for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
                    self.assertEqual(int(status[kind], 16), 0, f"{who} {kind}")

    def test_nobody_gains_new_privileges(self):
        for who, status in self.every():
            self.assertEqual(status["NoNewPrivs"], "1", who)

    def test_our_three_and_the_children_are_behind_a_seccomp_filter(self):
        for who, status in self.every():
            if who != "web":  # Debian's lighttpd: its unit of systemd brings the filter
                self.assertEqual(status["Seccomp"], "2", who)

    def test_there_are_children_and_they_have_no_descriptor_that_leads_anywhere(self):
        self.assertTrue(self.children)
        for fds in self.child_fds:
            for d in fds:
                if d != "/proc/kallsyms":  # the kernel's names are read through it
                    self.assertFalse(d.startswith("/proc") or d.endswith("/mem") or "perf_event" in d, d)
            sockets = [d for d in fds if d.startswith("socket:")]
            self.assertLessEqual(len(sockets), 1, "the parent's and no other")

    def test_sockets_are_for_the_service_only(self):
        for path in self.service.run.iterdir():
            if path.is_socket():
                self.assertEqual(path.stat().st_mode & 0o007, 0, path)


class Memory(case.Case):
    """The child that reads a node's memory: what it has, and what the others have of it."""

    @classmethod
    def prepare(cls):
        cls.node = cls.enter(golang.start(golang.program(golang.local())))
        cls.service = cls.enter(service.Service(cls.node.pid))
        cls.collector = cls.enter(wire.Connection(cls.service, "collector"))
        cls.symbolizer = cls.enter(wire.Connection(cls.service, "symbolizer"))
        cls.memory = wire.memory(cls.collector)
        cls.child = cls.read(wire.HEAP)

    @classmethod
    def read(cls, kind):
        wire.ask(cls.symbolizer, cls.memory, kind)
        _, status, text, fd = wire.reading(cls.symbolizer)
        if status != 200:
            raise AssertionError(f"{status} {text}")
        os.close(fd)
        found = [c for c in service.children_of(cls.service.pid("symbolizer"))
                 if service.status_of(c)["Name"] == "pprofd-memory"]
        if len(found) != 1:
            raise AssertionError(f"children that read memory: {found}")
        return found[0]

    def test_it_stays_for_the_next_question(self):
        for kind in (wire.HEAP, wire.BLOCK, wire.GOROUTINE):
            self.assertEqual(self.read(kind), self.child)

    def test_it_is_the_symbolizers_user_without_any_capability_and_behind_a_filter(self):
        status = service.status_of(self.child)
        self.assertEqual(set(status["Uid"].split()), {str(service.USERS["symbolizer"])})
        for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
            self.assertEqual(int(status[kind], 16), 0, kind)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")

    def test_it_has_what_it_was_given_and_no_more(self):
        fds = sorted(service.descriptors_of(self.child))
        sockets = [d for d in fds if d.startswith("socket:")]
        self.assertEqual(len(sockets), 1, "the parent's and no other")
        proc = f"/proc/{self.node.pid}"
        self.assertEqual([d for d in fds if d not in sockets and d != "/dev/null"],
                         sorted([os.path.realpath(self.node.path), f"{proc}/mem", f"{proc}/maps", f"{proc}/pagemap"]))

    def test_it_can_only_read_them(self):
        for fd in os.listdir(f"/proc/{self.child}/fd"):
            what = os.readlink(f"/proc/{self.child}/fd/{fd}")
            if what.startswith(("/proc/", os.path.realpath(self.node.path))):
                with open(f"/proc/{self.child}/fdinfo/{fd}") as f:
                    flags = next(int(line.split()[1], 8) for line in f if line.startswith("flags:"))
                self.assertEqual(flags & os.O_ACCMODE, os.O_RDONLY, what)

    def test_its_limits_are_set(self):
        with open(f"/proc/{self.child}/limits") as f:
            limits = {line[:26].strip(): line[26:].split()[:2] for line in f}
        self.assertEqual(limits["Max core file size"], ["0", "0"])
        self.assertEqual(limits["Max file size"], [str(512 << 20)] * 2)
        self.assertLessEqual(int(limits["Max open files"][1]), 16)
        self.assertNotEqual(limits["Max address space"][0], "unlimited")

    def test_nobody_that_speaks_with_the_world_holds_the_memory(self):
        for who in ("fcgi", "web"):
            pid = self.service.pid(who)
            for d in service.descriptors_of(pid):
                # (How much memory it takes itself, fcgi tells people.)
                self.assertFalse(d.startswith("/proc") and d != f"/proc/{pid}/statm", f"{who}: {d}")

    def test_the_collector_holds_it_read_only(self):
        pid, proc = self.service.pid("collector"), f"/proc/{self.node.pid}/"
        held = [fd for fd in os.listdir(f"/proc/{pid}/fd") if os.readlink(f"/proc/{pid}/fd/{fd}").startswith(proc)]
        self.assertTrue(held)
        for fd in held:
            with open(f"/proc/{pid}/fdinfo/{fd}") as f:
                flags = next(int(line.split()[1], 8) for line in f if line.startswith("flags:"))
            self.assertEqual(flags & os.O_ACCMODE, os.O_RDONLY)


if __name__ == "__main__":
    case.main()
