"""The programs of tests/cargo, built from crates.io exactly as its lock file has them.

    path = cargo.program("folded_reader")

Built once, in the build directory, by Debian's cargo or a newer one.
"""
import os
import re
import shutil
import subprocess

from . import service, targets

SOURCES = service.SOURCE / "tests" / "cargo"
PLACE = service.BUILD / "cargo"


def _sources():
    return {p.name: p.read_bytes() for p in SOURCES.iterdir() if p.is_file()}


def program(name):
    """The path of a program."""
    path = PLACE / "target" / "release" / name
    have = {n: (PLACE / n).read_bytes() for n in _sources() if (PLACE / n).exists()}
    if not (path.exists() and have == _sources()):
        _build()
    return path


def _build():
    targets.need("cargo", "rustc")
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    for name, content in _sources().items():
        (PLACE / name).write_bytes(content)
    version = re.search(r"1\.(\d+)", subprocess.run(["cargo", "--version"], capture_output=True, text=True).stdout)
    env, more = {"CARGO_HOME": str(PLACE / "home")}, []
    if version and int(version[1]) < 68:
        # The whole index of crates.io, as a git repository, is a gigabyte: older ones need to be told of the other way.
        more = ["-Z", "sparse-registry"]
        env |= {"RUSTC_BOOTSTRAP": "1", "CARGO_REGISTRIES_CRATES_IO_PROTOCOL": "sparse"}
    r = subprocess.run(["cargo", *more, "build", "--release", "--locked"], cwd=PLACE, env={**os.environ, **env},
                       capture_output=True, text=True, timeout=170)
    shutil.rmtree(PLACE / "home", ignore_errors=True)
    if r.returncode:
        (PLACE / "Cargo.lock").unlink(missing_ok=True)
        raise targets.Missing(f"cargo cannot build what tests/cargo lists: {(r.stderr.strip().splitlines() or ['?'])[-1]}")
