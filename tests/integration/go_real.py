"""Real Go programs under load, stripped, as Debian has them: prometheus and etcd; and go-ethereum's geth where GETH=1.

All that they say of themselves is ours too. geth is built from its module by whatever Go there is (some minutes);
PPD_GETH names one that is built already.

# timeout: 900
"""
import os
import subprocess

from lib import case, golang, gonode, gosame, gotext, gotool, targets

GETH = "github.com/ethereum/go-ethereum/cmd/geth@v1.15.11"
GETH_GO = "1.24.4"


def geth():
    """The path of geth, built where it is wanted. Raises Missing with the reason."""
    if os.environ.get("PPD_GETH"):
        return os.environ["PPD_GETH"]
    if os.environ.get("GETH") != "1":
        raise targets.Missing("geth is built only where GETH=1")
    toolchain = golang.fetched(GETH_GO)
    place = golang._directory() / "geth"
    path = place / "geth"
    if not path.exists():
        made = subprocess.run([toolchain.go, "install", GETH], capture_output=True, text=True, timeout=800, cwd="/",
                              env={**toolchain.env, "GOBIN": str(place)})
        if made.returncode:
            raise targets.Missing(f"geth cannot be built: {made.stderr.strip()[-300:]}")
    return str(path)


class GoReal(case.Case):
    def compare(self, node, tries=6):
        with gonode.Watched(node) as w:
            # At work: what moves is between what Go said before and after, what rests is the same.
            for path in ("heap?debug=1", "block?debug=1", "mutex?debug=1"):
                w.same(self, path, least=0)
            equal = total = moved = 0
            for _ in range(4):
                before, ours, after = (gotext.stacks(ask("goroutine?debug=2")) for ask in (w.theirs, w.ours, w.theirs))
                result = gosame.stacks(before, ours, after, workers=True)
                equal, total, moved = equal + result.equal, total + result.total, moved + result.moved
                for bad in result.bad:
                    print(f"        {bad[:400]}", flush=True)
            print(f"        at work: {equal} of {total} goroutines at rest equal, {moved} moved in between", flush=True)
            self.assertGreaterEqual(equal, 0.999 * total)
            self.assertLess(moved, 0.1 * total + 5)
            node.quiet()
            # Its own timers go on.
            for path in gosame.ANSWERS:
                with self.subTest(path):
                    w.same(self, path, least=0, tries=tries)
            self.tools(w)

    def tools(self, w):
        with gotool.GoTool() as tool:
            for how in (("-alloc_objects", "heap"), ("-inuse_space", "heap"), ("-top", "goroutine"), ("-top", "allocs")):
                out = tool.must("-top", *how[:-1], w.service.url(how[-1]))
                self.assertIn("flat%", out)

    def test_prometheus(self):
        self.compare(gonode.Prometheus())

    def test_etcd(self):
        self.compare(gonode.Etcd())

    def test_geth(self):
        os.environ["PPD_GETH"] = geth()
        self.compare(gonode.Geth())


if __name__ == "__main__":
    case.main(deadline=880)
