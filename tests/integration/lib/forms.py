"""Is a form of a profile the profile? Each check takes what the service answered and the pprof of the same samples, as
lib/pprof.py has decoded it, and raises Differs at the first difference.

    forms.check("top", answer.body, profile, "cpu")

For answers without limit=, min_pct=, focus= and ignore=, grouped by function; whole() says of any what it adds up to.
"""
import collections
import json
import re
import xml.etree.ElementTree

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("json", "top", "flamegraph", "tree", "speedscope", "folded", "svg")
HIDDEN = re.compile(r"^\[\d+ not shown\]$")


class Differs(Exception):
    pass


def equal(got, wanted, what):
    if got != wanted:
        raise Differs(f"{what}: {str(got)[:300]}, and the pprof has {str(wanted)[:300]}")


def type_of(p, name):
    return [t for t, _ in p.sample_types].index(name)


def stacks(p, index):
    """Names of each stack, root first, to its value: stacks of no value are none."""
    found = collections.Counter()
    for s in p.samples:
        found[tuple(f.name for f in reversed(p.frames(s)))] += s.values[index]
    return {path: value for path, value in found.items() if value}


def document(body):
    """JSON without a member that stands twice, and UTF-8."""
    def members(pairs):
        keys = [k for k, _ in pairs]
        if len(keys) != len(set(keys)):
            raise Differs(f"a member stands twice: {keys}")
        return dict(pairs)

    return json.loads(body.decode("utf-8"), object_pairs_hook=members)


# ---- one function a form: body, profile, index of the type

def json_(body, p, index):
    d = document(body)
    equal([(t["type"], t["unit"]) for t in d["sample_types"]], p.sample_types, "sample types")
    equal(d["totals"], [p.total(i) for i in range(len(p.sample_types))], "totals")
    equal(d["comments"], p.comments, "comments")
    equal([m["file"] for m in d["mappings"]], [m.file for m in p.mappings.values()], "mappings")
    equal((d["period"]["type"], d["period"]["unit"], d["period"]["value"]), (*p.period_type, p.period), "period")
    wanted = collections.Counter()
    for s in p.samples:
        frames = tuple((f.name, f.system_name, f.file, f.line, f.mapping.file, f.inlined) for f in p.frames(s))
        labels = {k: [v[0] if isinstance(v, tuple) else v for v in vs] for k, vs in s.labels.items()}
        wanted[frames, s.values, repr(sorted(labels.items()))] += 1
    got = collections.Counter()
    for s in d["samples"]:
        frames = [d["frames"][i] for i in s["stack"]]
        frames = tuple((f["name"], f["system_name"], f["file"], f["line"], d["mappings"][f["mapping"]]["file"], f["inlined"])
                       for f in frames)
        labels = {k: v if isinstance(v, list) else [v] for k, v in s["labels"].items()}
        got[frames, tuple(s["values"]), repr(sorted(labels.items()))] += 1
    equal(got, wanted, "samples")
    used = {i for s in d["samples"] for i in s["stack"]}
    equal(used, set(range(len(d["frames"]))), "frames that are used")


def top(body, p, index):
    d = document(body)
    flat, cum = p.flat(index), p.cumulative(index)
    equal(d["total"], p.total(index), "the total")
    equal({r["function"]: (r["flat"], r["cum"]) for r in d["rows"]}, {n: (flat[n], v) for n, v in cum.items()}, "rows")
    order = [(-abs(r["flat"]), -abs(r["cum"])) for r in d["rows"]]
    equal(order, sorted(order), "the order of rows")
    size = sum(abs(s.values[index]) for s in p.samples)
    for r in d["rows"]:
        for part in ("flat", "cum"):
            if size and abs(r[part + "_pct"] - 100 * r[part] / size) > 0.005001:
                raise Differs(f"{r} of {size}")


def _nodes(columns, value, self_):
    """(path, value, self) of each node of a flame graph, by Grafana's rules."""
    path, open_values = [], []
    for level, v, s, label in zip(columns["level"], columns[value], columns[self_], columns["label"]):
        if level > len(path) or (level == 0) != (not open_values):
            raise Differs(f"level {level} below {path}")
        while len(path) > level:
            path.pop()
            if open_values.pop() != 0:
                raise Differs(f"children and self of {path} are not its value")
        if open_values:
            open_values[-1] -= v
        path.append(label)
        open_values.append(v - s)
        yield tuple(path[1:]), v, s
    if any(open_values):
        raise Differs(f"children and self of {path} are not its value")


def flamegraph(body, p, index):
    d = document(body)
    signed = d["signed"]
    equal({len(d[c]) for c in ("level", "value", "self", "label")}, {d["nodes"]}, "lengths")
    own = {path: s for path, v, s in _nodes(d, *(("delta", "self_delta") if signed else ("value", "self"))) if s}
    equal(own, stacks(p, index), "stacks")
    for _ in _nodes(d, "value", "self"):
        pass
    equal(d["value"][0], sum(abs(v) for v in stacks(p, index).values()), "the root")


def tree(body, p, index):
    d = document(body)
    found = {}
    value, own = ("delta", "self_delta") if d["signed"] else ("value", "self")

    def walk(node, path):
        if node[own]:
            found[path] = node[own]
        for v, s in {(value, own), ("value", "self")}:
            equal(node[v], node[s] + sum(c[v] for c in node["children"]), f"{v} of {path}")
        for child in node["children"]:
            walk(child, path + (child["name"],))

    walk(d, ())
    equal(found, stacks(p, index), "stacks")


def speedscope(body, p, index):
    d = document(body)
    names = [f["name"] for f in d["shared"]["frames"]]
    negative = [any(v < 0 for v in (s.values[i] for s in p.samples)) for i in range(len(p.sample_types))]
    profiles = iter(d["profiles"])
    for i, (kind, unit) in enumerate(p.sample_types):
        found = collections.Counter()
        for sign, suffix in ((1, ": more"), (-1, ": less")) if negative[i] else ((1, ""),):
            one = next(profiles)
            equal(one["name"], kind + suffix, "names of profiles")
            equal(one["unit"], unit if unit in ("nanoseconds", "bytes") else "none", "unit")
            equal((one["startValue"], one["endValue"]), (0, sum(one["weights"])), "the end")
            equal(len(one["samples"]), len(one["weights"]), "lengths")
            for stack, weight in zip(one["samples"], one["weights"]):
                found[tuple(names[f] for f in stack)] += sign * weight
        equal(dict(found), stacks(p, i), f"stacks of {kind}")
    equal(next(profiles, None), None, "more profiles")


def folded_names(path):
    """Without the separator, and without a number that would be taken for a value."""
    names = [name.replace(";", ":") for name in path]
    return (*names[:-1], re.sub(r" (?=[\d.]+$)", "_", names[-1]))


def folded(body, p, index):
    found = collections.Counter()
    wanted = collections.Counter()
    negative = any(s.values[index] < 0 for s in p.samples)
    # Not splitlines(): a name may have other characters that end lines for people.
    for line in body.decode("utf-8").removesuffix("\n").split("\n") if body else ():
        m = re.fullmatch(r"(.+?) (\d+)(?: (\d+))?", line) if negative else re.fullmatch(r"(.+) (\d+)", line)
        if not m:
            raise Differs(f"not a folded line: {line[:200]!r}")
        value = int(m[3]) - int(m[2]) if negative else int(m[2])
        found[tuple(m[1].split(";"))] += value
    for path, value in stacks(p, index).items():
        wanted[folded_names(path)] += value
    equal(found, wanted, "stacks")


def svg(body, p, index):
    root = xml.etree.ElementTree.fromstring(body.decode("utf-8"))
    tags = {e.tag.rpartition("}")[2] for e in root.iter()}
    if tags - {"svg", "title", "meta", "style", "text", "a", "rect"}:
        raise Differs(f"elements {tags}")
    for e in root.iter():
        for name, value in e.attrib.items():
            if name.startswith("on") or name == "href" and not value.startswith("?"):
                raise Differs(f"an attribute {name}={value[:80]!r}")
    boxes = root.findall(f"{SVG}a/{SVG}svg")
    widest = [float(b.get("width")[:-1]) for b in boxes]
    equal(widest[:1], [100.0], "the root's width")
    names = {"total"} | {f.name for s in p.samples for f in p.frames(s)}
    for b in boxes:
        name, x, width = b.find(f"{SVG}title").text.split("\n")[0], float(b.get("x")[:-1]), float(b.get("width")[:-1])
        if name not in names or not -0.001 < x <= x + width < 100.001:
            raise Differs(f"a box {name[:100]!r} at {x} of {width}")


CHECKS = {"json": json_, "top": top, "flamegraph": flamegraph, "tree": tree, "speedscope": speedscope, "folded": folded, "svg": svg}


def check(form, body, p, sample_type):
    CHECKS[form](body, p, type_of(p, sample_type))


def whole(form, body, index=1):
    """What the values of a form come to, with what it says that it does not show. None: svg, and a table. Not of a difference."""
    if form == "folded":
        return sum(int(line.rpartition(b" ")[2]) for line in body.removesuffix(b"\n").split(b"\n") if line)
    if form in ("svg", "top"):
        return None
    d = document(body)
    if form == "json":
        return None if d["truncated"] else sum(s["values"][index] for s in d["samples"])
    if form == "flamegraph":
        return sum(d["self"])
    if form == "speedscope":
        return sum(d["profiles"][d["activeProfileIndex"]]["weights"])
    return d["value"]
