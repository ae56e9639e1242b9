"""A Go node that cannot answer for itself: stopped, without a descriptor left, asked from many sides; and nothing in it changes.

# timeout: 300
"""
import contextlib
import os
import pathlib
import signal
import struct

from lib import case, golang, gonode, gosame, gotext, gotool, pprof, service

FLAGS = ("-each", 3, "-deep", 1, "-sizes", "-buckets", 500, "-contend", 5, "-memrate", 1, "-blockrate", 1, "-mutexfraction", 1)


def present_pages(pid):
    """(pages present, pages swapped) of all maps, of /proc/PID/pagemap: bits 63 and 62."""
    count = [0, 0]
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        for line in maps:
            words = line.split()
            start, end = (int(x, 16) for x in words[0].split("-"))
            if start >> 47:
                continue
            pagemap.seek(start // 4096 * 8)
            # Gigabytes of address space that nobody touched: in pieces.
            left = (end - start) // 4096
            while left:
                data = pagemap.read(8 * min(left, 1 << 18))
                if not data:
                    break
                left -= len(data) // 8
                for (word,) in struct.iter_unpack("<Q", data) if any(data) else ():
                    count[0] += word >> 63
                    count[1] += word >> 62 & 1
    return tuple(count)


def stopped(pid):
    return service.status_of(pid)["State"].startswith("T")


class GoStopped(case.Case):
    def watched(self, *flags, form="stripped"):
        return gonode.Watched(golang.start(golang.program(golang.local(), form), *flags))

    def test_a_stopped_node_is_read_as_it_was(self):
        with self.watched(*FLAGS) as w:
            theirs = {path: w.theirs(path) for path in gosame.ANSWERS}
            os.kill(w.node.pid, signal.SIGSTOP)
            service.wait_until(lambda: stopped(w.node.pid), 10, "the stop")
            ours = {path: w.ours(path) for path in gosame.ANSWERS}
            again = {path: w.ours(path) for path in gosame.ANSWERS}
            os.kill(w.node.pid, signal.SIGCONT)
            after = {path: w.theirs(path) for path in gosame.ANSWERS}
            for path in gosame.ANSWERS:
                with self.subTest(path):
                    read, compare = gosame.ANSWERS[path](path)
                    result = compare(read(theirs[path]), read(ours[path]), read(after[path]))
                    print(f"        {result}", flush=True)
                    result.check(self)
                    if "debug=" in path:
                        self.assertEqual(ours[path], again[path], "nothing moved between two answers")

    def test_reading_touches_no_page_that_the_node_has_not(self):
        with self.watched(*FLAGS, "-many", 5000) as w:
            w.ours("heap")
            os.kill(w.node.pid, signal.SIGSTOP)
            service.wait_until(lambda: stopped(w.node.pid), 10, "the stop")
            before = present_pages(w.node.pid)
            for path in gosame.ANSWERS:
                w.ours(path)
            self.assertEqual(present_pages(w.node.pid), before)
            self.assertGreater(before[0], 1000)

    def test_the_node_is_not_stopped_nor_traced_while_it_is_read(self):
        with self.watched("-many", 20000, "-each", 2) as w:
            answers = [w.service.later(path) for path in ("goroutine?debug=2", "goroutine?debug=1", "heap", "goroutine")]
            seen = set()
            while not all(a.done() for a in answers):
                for task in os.listdir(f"/proc/{w.node.pid}/task"):
                    with contextlib.suppress(OSError):
                        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{w.node.pid}/task/{task}/status").read_text().splitlines() if ":\t" in line)
                        seen.add((status["State"][0], status["TracerPid"]))
            self.assertEqual({tracer for _, tracer in seen}, {"0"})
            self.assertFalse({state for state, _ in seen} & {"T", "t"}, seen)
            for a in answers:
                self.assertEqual(a.result(60).status, 200)

    def test_a_node_without_a_descriptor_left_is_read(self):
        with self.watched("-each", 2) as w:
            wanted = w.node.expect["parked"]
            self.assertIn("more", w.node.ask("/exhaust"))
            dump = gotext.stacks(w.ours("goroutine?debug=2"))
            for name, n in wanted.items():
                self.assertEqual(sum(any(c.function == name for c in g.frames) for g in dump.values()), n, name)
            w.snapshot("heap")

    def test_a_node_that_ends_while_it_is_read_is_an_error_not_a_crash(self):
        with self.watched("-many", 50000) as w:
            answers = [w.service.later("goroutine?debug=2") for _ in range(3)]
            os.kill(w.node.pid, signal.SIGKILL)
            for a in answers:
                self.assertIn(a.result(60).status, (200, 404, 500, 502, 503))
            after = w.service.get("goroutine?debug=2")
            self.assertIn(after.status, (404, 500, 502, 503), after.body[:200])
            self.assertEqual(w.service.get("").status, 200)

    def test_who_holds_a_capability_reads_none_of_the_nodes_memory(self):
        """The collector opens it and hands it over; a jailed child is the only one that keeps it."""
        with self.watched("-each", 1) as w:
            w.ours("heap")
            def holds(pid):
                return [d for d in service.descriptors_of(pid) if d == f"/proc/{w.node.pid}/mem"]
            children = service.children_of(w.service.pid("symbolizer"))
            self.assertEqual(holds(w.service.pid("fcgi")), [])
            for child in children:
                self.assertEqual(service.status_of(child)["CapEff"].strip("0"), "")
                self.assertEqual(service.status_of(child)["Seccomp"], "2")


if __name__ == "__main__":
    case.main(deadline=280)
