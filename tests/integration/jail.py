"""Who may do what, read from /proc while a window is open."""
import os
import time

from lib import case, service, targets

# linux/capability.h
CAPABILITIES = {"DAC_READ_SEARCH": 2, "SYS_PTRACE": 19, "SYSLOG": 34, "PERFMON": 38, "CHECKPOINT_RESTORE": 40}
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


if __name__ == "__main__":
    case.main()
