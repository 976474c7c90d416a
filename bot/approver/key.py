"""The approver's private SSH key, looked at before anything depends on it. I/O."""

from __future__ import annotations

import subprocess
from pathlib import Path

from workers.errors import UsageError

_SECONDS = 10.0
_MAKE = "make one with: ssh-keygen -t ed25519 -N '' -f"


def checked(path: Path) -> Path:
    """The path of a key that can sign: Ed25519, without a passphrase, its owner's alone. Raises `UsageError`.

    A public key is taken as it is: an agent holds its other half.
    """
    if not path.is_file():
        raise UsageError(f"The approver's key {path} is not there; {_MAKE} {path}")
    if path.suffix == ".pub":
        return path
    if path.stat().st_mode & 0o077:
        raise UsageError(f"The approver's key {path} can be read by others than its owner: chmod 600 it")
    said = _public(path)
    if not said.startswith("ssh-ed25519 "):
        raise UsageError(f"The approver's key {path} is not an Ed25519 key without passphrase; {_MAKE} {path}")
    return path


def _public(path: Path) -> str:
    argv = ["ssh-keygen", "-y", "-P", "", "-f", str(path)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SECONDS, start_new_session=True)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise UsageError(f"The approver signs with ssh-keygen, which cannot be run: {e}") from e
    return done.stdout
