"""tests/targets/go_profiled, by any Go from 1.18 on and in each form, and its own answers: the oracle.

    with golang.start(golang.program(golang.local(), "stripped"), "-each", 3) as node:
        node.theirs("goroutine?debug=2")   # what Go itself says
        node.ask("/gc")

Programs are kept in PPD_BUILD/tests/targets/go_programs until a source or a form changes. A version that is not here is fetched
as the go command fetches one for itself, as a module.
"""
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from . import service, targets

SOURCE = targets.SOURCES / "go_profiled"

# One of each minor version.
VERSIONS = ["1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.5", "1.24.4", "1.25.5", "1.26.0", "1.27.3"]
# Where the time is short: the oldest, one that tests/integration/names_go.py fetches too, one with stacks by frame
# pointers, one whose heap records are shorter.
SOME = ["1.18.10", "1.20.14", "1.23.5", "1.27.3"]

# What differs between programs: environment, go build's flags, the linker's.
FORMS = {
    "plain": ({"CGO_ENABLED": "0"}, [], ""),
    "stripped": ({"CGO_ENABLED": "0"}, [], "-s -w"),
    "pie": ({"CGO_ENABLED": "0"}, ["-buildmode=pie"], ""),
    "stripped pie": ({"CGO_ENABLED": "0"}, ["-buildmode=pie"], "-s -w"),
    "cgo": ({"CGO_ENABLED": "1"}, [], ""),
    "cgo pie": ({"CGO_ENABLED": "1"}, ["-buildmode=pie"], "-s -w"),
    "unoptimized": ({"CGO_ENABLED": "0"}, ["-gcflags=all=-N -l"], ""),
}


def everything():
    """Whether the whole matrix is wanted, which takes long."""
    return os.environ.get("ALL_GO") == "1"


def minor(version):
    return int(version.split(".")[1])


class Toolchain:
    """A go command and what it needs in its environment."""

    def __init__(self, version, go, env):
        self.version, self.go, self.minor = version, go, minor(version)
        self.env = {**os.environ, **env, "GOFLAGS": "-mod=mod", "GOWORK": "off"}

    def __repr__(self):
        return f"go {self.version}"


def _directory():
    directory = targets._directory() / "go_programs"
    directory.mkdir(exist_ok=True)
    return directory


def _go(*arguments, env, cwd, seconds=240):
    try:
        return subprocess.run(["go", *arguments], capture_output=True, text=True, timeout=seconds, cwd=cwd, stdin=subprocess.DEVNULL,
                              env={**os.environ, "GOFLAGS": "-mod=mod", "GOWORK": "off", **env})
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(arguments, 1, "", f"not within {seconds} s")


@functools.lru_cache(maxsize=None)
def local():
    """The Go of PATH. Raises Missing where there is none, or one before 1.18."""
    targets.need("go")
    said = _go("version", env={"GOTOOLCHAIN": "local"}, cwd="/").stdout
    found = re.search(r"go(1\.\d+(?:\.\d+)?)", said)
    if not found or minor(found[1]) < 18:
        raise targets.Missing(f"go 1.18 or later is not there ({said.strip()})")
    return Toolchain(found[1], "go", {"GOTOOLCHAIN": "local"})


def _usable_copy(root, to):
    """A toolchain's module is no toolchain yet: its programs cannot be run, and its go.mod files have another name."""
    subprocess.run(["cp", "-r", str(root), str(to)], check=True)
    subprocess.run(["chmod", "-R", "u+w", str(to)], check=True)
    for program in [*(to / "bin").iterdir(), *(to / "pkg" / "tool").rglob("*")]:
        program.chmod(0o755)
    for hidden in (to / "src").rglob("_go.mod"):
        hidden.rename(hidden.with_name("go.mod"))
    return to


@functools.lru_cache(maxsize=None)
def fetched(version):
    """A Go of that version. Raises Missing where it cannot be had."""
    directory = _directory()
    copied = directory / f"root-{version}"
    # 1.19 builds nothing where its root is in the module cache; a Go before 1.21 fetches modules, not toolchains.
    if minor(version) == 19 or local().minor < 21:
        if not copied.exists():
            arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "")
            name = f"golang.org/toolchain@v0.0.1-go{version}.linux-{arch}"
            with tempfile.TemporaryDirectory(dir=directory) as scratch:
                (pathlib.Path(scratch) / "go.mod").write_text("module none\n\ngo 1.18\n")
                got = _go("mod", "download", "-json", name, env={"GOTOOLCHAIN": "local"}, cwd=scratch)
                if got.returncode:
                    raise targets.Missing(f"go {version} cannot be fetched: {(got.stderr or got.stdout).strip()[-300:]}")
                _usable_copy(pathlib.Path(json.loads(got.stdout)["Dir"]), pathlib.Path(scratch) / "root").rename(copied)
        return Toolchain(version, str(copied / "bin" / "go"), {"GOTOOLCHAIN": "local", "GOROOT": str(copied)})
    got = _go("version", env={"GOTOOLCHAIN": "go" + version}, cwd="/")
    if got.returncode:
        raise targets.Missing(f"go {version} cannot be fetched: {got.stderr.strip()[-300:]}")
    return Toolchain(version, "go", {"GOTOOLCHAIN": "go" + version})


def toolchains():
    """The Go of PATH and the others that are wanted: all, or some. What cannot be had is told and left out."""
    found = [local()]
    for version in VERSIONS if everything() else SOME:
        if version == found[0].version:
            continue
        try:
            found.append(fetched(version))
        except targets.Missing as e:
            print(f"        {e}", flush=True)
    return found


def program(toolchain, form="stripped", silent=False):
    """The path of go_profiled as that Go makes it. silent: without anything that reads profiles."""
    env, flags, link = FORMS[form]
    if env["CGO_ENABLED"] == "1":
        targets.need("gcc")
    sources = sorted(SOURCE.glob("*.go"))
    stamp = hashlib.sha256(repr((toolchain.version, FORMS[form], silent)).encode())
    for source in sources:
        stamp.update(source.read_bytes())
    key = stamp.hexdigest()
    out = _directory() / f"go_profiled-{toolchain.version}-{form.replace(' ', '-')}{'-silent' if silent else ''}"
    mark = out.with_name(out.name + ".stamp")
    if out.exists() and mark.exists() and mark.read_text() == key:
        return out
    mark.unlink(missing_ok=True)
    # The sources stay: their paths are in the program, for `go tool pprof -list`.
    place = _directory() / f"source-{toolchain.minor}"
    place.mkdir(exist_ok=True)
    for old in place.glob("*.go"):
        old.unlink()
    for source in sources:
        shutil.copy(source, place)
    (place / "go.mod").write_text(f"module go_profiled\n\ngo 1.{toolchain.minor}\n")
    tags = ["-tags", "silent"] if silent else []
    made = subprocess.run([toolchain.go, "build", *flags, *tags, "-ldflags", link, "-o", out, "."], cwd=place,
                          env={**toolchain.env, **env}, capture_output=True, text=True, timeout=400)
    if made.returncode:
        raise AssertionError(f"go {toolchain.version} {form}: {made.stderr}")
    mark.write_text(key)
    return out


class Node(targets.Target):
    """A running go_profiled, and what it says of itself."""

    def __init__(self, path, *flags, seconds=120, env=None):
        super().__init__([path, *flags, seconds], env={**os.environ, **(env or {})})
        self.path, self.port = path, self.expect["port"]
        self.go = self.expect["go"].removeprefix("go").split()[0]  # a Go with experiments adds their names
        self.minor = minor(re.sub(r"[^\d.].*", "", self.go))

    def ask(self, path, timeout=60):
        answer = service.request(self.port, path, timeout=timeout)
        if answer.status != 200:
            raise AssertionError(f"go_profiled {path}: HTTP {answer.status} {answer.body[:200]!r}")
        return answer.body.decode("utf-8", "replace")

    def theirs(self, path, timeout=60):
        """The body of Go's own answer."""
        answer = service.request(self.port, service.PREFIX + path, timeout=timeout)
        if answer.status != 200:
            raise AssertionError(f"Go's own {path}: HTTP {answer.status} {answer.body[:200]!r}")
        return answer.body


def start(path, *flags, seconds=120, env=None):
    return Node(path, *flags, seconds=seconds, env=env)
