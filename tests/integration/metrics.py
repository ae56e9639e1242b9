"""/metrics, read by Prometheus' own promtool, and the same numbers as JSON."""
import json
import re
import subprocess
import time

from lib import case, front, schemas, service, targets


def families(text):
    """{name: {labels: value}}"""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r'(\w+)(?:\{(.*)\})? (\S+)', line).groups()
            found.setdefault(name, {})[labels or ""] = float(value)
    return found


class Metrics(case.Case):
    def read(self, s):
        a = s.get("/metrics")
        self.assertEqual((a.status, a.headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        targets.need("promtool")
        said = subprocess.run(["promtool", "check", "metrics"], input=a.body, capture_output=True, timeout=60)
        self.assertEqual((said.returncode, said.stdout + said.stderr), (0, b""), a.body.decode())
        return families(a.body.decode())

    def state(self, s, path="?format=json"):
        a = s.get(path)
        self.assertEqual((a.status, a.headers["Content-Type"]), (200, "application/json"))
        self.assertIn("state-1.json", a.headers["Link"])
        document = json.loads(a.body)
        schemas.strict(document, "state-1")
        return document

    def test_promtool_finds_nothing_wrong_and_the_numbers_are_those_of_the_state(self):
        with front.Front(front.simple()) as f:
            f.get("captures", "POST", b"seconds=60", {"Content-Type": "application/x-www-form-urlencoded"})
            m, s = self.read(f), self.state(f)
            self.assertEqual(m["pprofd_collector_up"][""], 1)
            self.assertEqual(m["pprofd_node_up"]['node="node"'], 1)
            self.assertEqual(m["pprofd_captures"]['state="running"'], 1)
            self.assertEqual(m["pprofd_samples_total"][""], s["samples"]["taken"])
            self.assertEqual(m["pprofd_samples_lost_total"][""], s["samples"]["lost"])
            self.assertEqual(m["pprofd_limits"][""], len(s["limits"]))
            self.assertGreater(m["pprofd_resident_memory_bytes"]['process="fcgi"'], 1e6)
            self.assertEqual(s["captures"]["running"], 1)
            self.assertEqual(s["node"]["command"], "server")
            self.assertEqual({p["name"] for p in s["profiles"] if p["available"]} & {"profile", "trace"}, {"profile"})

    def test_without_a_collector_it_says_so(self):
        with front.Front(front.simple(), collector=False) as f:
            m, s = self.read(f), self.state(f)
            self.assertEqual(m["pprofd_collector_up"][""], 0)
            self.assertEqual(m["pprofd_node_up"]['node="node"'], 0)
            self.assertNotIn("pprofd_samples_total", m)
            self.assertIn("not running", s["error"])
            self.assertEqual(s["node"]["state"], "unknown")
            self.assertNotIn("collector", s["cost"])

    def test_a_node_that_may_not_be_sampled_says_why(self):
        script = front.simple()
        script.lines[0] = "\t".join(("node", "node", "4711", "server", "/usr/bin/server", str(front.DENIED), "grant <this>", "native"))
        with front.Front(script) as f:
            self.assertEqual(self.read(f)["pprofd_node_up"]['node="node"'], 0)
            s = self.state(f)
            self.assertEqual((s["node"]["state"], s["node"]["why"]), ("denied", "grant <this>"))
            self.assertEqual({p["why"] for p in s["profiles"] if p["name"] == "profile"}, {"grant <this>"})

    def test_names_of_any_kind_are_read_back(self):
        script = front.Script()
        script.node(comm='a"b\\c', exe=b"/x/\xff\n<y>", why="")
        with front.Front(script, target='name:a"b\\c') as f:
            self.assertIn('name:a\\"b\\\\c', next(iter(self.read(f)["pprofd_node_info"])))
            s = self.state(f)
            self.assertEqual((s["node"]["target"], s["node"]["command"]), ('name:a"b\\c', 'a"b\\c'))
            self.assertEqual(s["node"]["executable"], "/x/\\xff\\x0a<y>")

    def test_nodes_are_all_told_at_each_of_their_addresses(self):
        script = front.simple()
        script.node("other", 4712)
        conf = "[node node]\ntarget = name:server\n[node other]\ntarget = name:other\n"
        with front.Front(script, conf=conf, target="name:server") as f:
            self.assertEqual(set(self.read(f)["pprofd_node_up"]), {'node="node"', 'node="other"'})
            s = self.state(f, "/nodes/other/debug/pprof/?format=json")
            self.assertEqual((s["node"]["name"], s["node"]["pid"]), ("other", 4712))
            self.assertEqual([n["path"] for n in s["nodes"]], ["/nodes/node/debug/pprof/", "/nodes/other/debug/pprof/"])

    def test_a_real_service_counts_what_it_takes(self):
        program, began = targets.build("c_nopie"), time.time()
        with targets.Target([program, "60"]) as t, service.Service(t.pid) as s:
            before = self.read(s)
            s.profile(1)
            after, state = self.read(s), self.state(s)
            self.assertGreater(after["pprofd_samples_total"][""], before["pprofd_samples_total"][""])
            self.assertGreater(after["pprofd_cpu_seconds_total"]['process="collector"'], 0)
            self.assertGreater(after["pprofd_resident_memory_bytes"]['process="collector"'], 1e6)
            self.assertLess(abs(after["pprofd_node_start_time_seconds"]['node="node"'] - began), 5)
            self.assertEqual((state["node"]["pid"], state["node"]["runtime"]), (t.pid, "native"))
            whys = {p["name"]: p.get("why") for p in state["profiles"]}
            self.assertIn("Go programs only", whys["heap"])
            self.assertIsNone(whys["profile"])


if __name__ == "__main__":
    case.main()
