"""Compare a profile with what a target says of itself.

Tolerances. A sample falls into a function of share p like a coin: with N samples the share seen
has the standard deviation sqrt(p (1 - p) / N). We allow four of them (a right program fails once
in 16,000 comparisons), one sample for shares of 0 and 1, and the target's own "systematic".
"""
import math
import re

SIGMAS = 4


def tolerance(p, n, systematic=0.0):
    if n < 1:
        return 1.0
    return SIGMAS * math.sqrt(max(p * (1 - p), 0) / n) + 1 / n + systematic


def short(name):
    """A name without namespace, template arguments, parameters and Rust's hash; Go's as they are."""
    name = re.sub(r"::h[0-9a-f]{16}$", "", name)
    name = name.replace("->", "")
    operator = re.search(r"operator\s*(\(\)|[^\w\s(]+)", name)
    if operator:
        return "operator" + operator[1]
    previous = None
    while previous != name:
        previous, name = name, re.sub(r"<[^<>]*>", "", name)
    if not re.match(r"[\w./]*\.\(", name):  # Go's methods: main.(*worker).run
        name = name.partition("(")[0]
        name = name.strip().rpartition("::")[2]
    return name.strip()


def chains(profile, short_names=True):
    """The set of stacks, as tuples of names, leaf first."""
    out = set()
    for s in profile.samples:
        out.add(tuple(short(f.name) if short_names else f.name for f in profile.frames(s)))
    return out


def contains(chain, part):
    return any(chain[i:i + len(part)] == part for i in range(len(chain) - len(part) + 1))


def compare(case, profile, expect, debug=True):
    """Assert all that the target's JSON says. debug: the names of inlined functions are known."""
    n = profile.total()
    case.assertGreater(n, 20, "too few samples to say anything")
    for name, share in expect.get("shares", {}).items():
        seen = profile.share(lambda f: short(f.name) == name)
        allowed = tolerance(share, n, expect.get("systematic", 0))
        case.assertLessEqual(abs(seen - share), allowed,
                             f"{name}: {seen:.3f} of {n} samples, expected {share} ± {allowed:.3f}")
    inlined = set(expect.get("inlined", ()))
    seen = chains(profile)
    for stack in expect.get("stacks", ()):
        part = tuple(f for f in stack if debug or f not in inlined)
        if not any(contains(c, part) for c in seen):
            near = sorted((c for c in seen if part[-1] in c and part[0] in c), key=len)[:3] or sorted(seen, key=len)[-3:]
            case.fail(f"no stack has {' < '.join(part)}; seen e.g. " + " | ".join(" < ".join(c) for c in near))
    for name in expect.get("never", ()):
        case.assertEqual(profile.share(lambda f: short(f.name) == name), 0, name)


class Clock:
    """The node's own CPU clock around a window: what the profile's total must be, however busy the machine is."""

    def __init__(self, node):
        self.node, self.began = node, node.cpu_seconds()

    def check(self, case, p, tolerance=0.10, outside=0.15):
        """tolerance: on a virtual machine the events count the time that the host stole, up to 9 % more;
        Go's own test allows 10 % too. outside: seconds that the clock ran before the window opened and
        after it ended."""
        used = self.node.cpu_seconds() - self.began
        seen = p.total(1) / 1e9
        case.assertLess(seen - used, tolerance * used + 0.03, f"{seen:.3f} s in the profile, {used:.3f} s on the clock")
        case.assertLess(used - seen, tolerance * used + outside, f"{seen:.3f} s in the profile, {used:.3f} s on the clock")
        return used
