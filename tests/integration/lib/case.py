"""How an integration test runs alone: a few sentences about it, one line per test, a count.

    if __name__ == "__main__":
        case.main()

Exit status: 0 all passed, 1 some failed, 77 all skipped. Never runs longer than its deadline.
"""
import faulthandler
import os
import pathlib
import sys
import time
import unittest

DEADLINE = 90  # seconds for one file


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prepare()

    @classmethod
    def prepare(cls):
        """What all tests of the class share; cls.enter(...) for what must be stopped."""

    @classmethod
    def enter(cls, context):
        """Enter a context manager; it is left when the class's last test is done."""
        value = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        return value


class _Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed = 0

    def _say(self, word, test, more=""):
        name = getattr(test, "_testMethodName", None) or str(test).partition(".")[2].rstrip(")")
        print(f"{word:<7} {name.removeprefix('test_').replace('_', ' ')}{more}", flush=True)

    def startTest(self, test):
        super().startTest(test)
        self._began = time.monotonic()

    def addSuccess(self, test):
        self.passed += 1
        self._say("ok", test, f" ({time.monotonic() - self._began:.1f} s)")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._say("FAILED", test, "\n" + self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._say("FAILED", test, "\n" + self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            bad = self.failures if issubclass(err[0], test.failureException) else self.errors
            self._say("FAILED", test, f" {subtest._subDescription()}\n{bad[-1][1]}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._say("skipped", test, f": {reason}")


def main(deadline=DEADLINE):
    path = pathlib.Path(sys.argv[0])
    faulthandler.dump_traceback_later(deadline, exit=True)
    loader = unittest.defaultTestLoader
    module = sys.modules["__main__"]
    wanted = sys.argv[1:]
    suite = loader.loadTestsFromModule(module)
    if wanted:  # words: run the tests whose names have one of them
        tests = [t for group in suite for t in group if any(w in t.id() for w in wanted)]
        suite = loader.suiteClass(tests)
    result = _Result()
    suite.run(result)
    failed = len(result.failures) + len(result.errors)
    if failed:
        build = os.environ.get("PPD_BUILD", "BUILD")
        print(f"run it again alone: PPD_BUILD={build} python3 {path}")
    print(f"{path.stem}: {result.passed} passed, {failed} failed, {len(result.skipped)} skipped", flush=True)
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.flush()
    # Threads that still wait for an answer must not keep us: everything of ours is stopped by now.
    os._exit(1 if failed else 0 if result.passed else 77)
