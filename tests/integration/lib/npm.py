"""Packages from npm that tests need: those of tests/npm/package.json, exactly as its lock file has them.

    path = npm.package("axe-core")

They are installed once, into the build directory, without running anything of theirs.
"""
import shutil
import subprocess

from . import service, targets

LOCKED = service.SOURCE / "tests" / "npm"
PLACE = service.BUILD / "npm"


def package(name):
    """The directory of an installed package."""
    wanted = (LOCKED / "package-lock.json").read_bytes()
    have = PLACE / "package-lock.json"
    if not (have.exists() and have.read_bytes() == wanted and (PLACE / "node_modules" / name).is_dir()):
        _install()
    return PLACE / "node_modules" / name


def _install():
    targets.need("npm")
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    shutil.copy(LOCKED / "package.json", PLACE)
    shutil.copy(LOCKED / "package-lock.json", PLACE / "lock")
    (PLACE / "lock").rename(PLACE / "package-lock.json")
    r = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", f"--cache={PLACE}/cache"],
                       cwd=PLACE, capture_output=True, text=True, timeout=120)
    shutil.rmtree(PLACE / "cache", ignore_errors=True)
    if r.returncode:
        (PLACE / "package-lock.json").unlink()
        last = (r.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise targets.Missing(f"npm cannot install what tests/npm/package.json lists: {last}")
