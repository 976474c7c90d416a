"""Whether a signature was made over exactly these bytes by a key that the node takes now: OpenSSH says so. I/O."""

from __future__ import annotations

import os
from contextlib import suppress

from node_helper.changes import plan
from node_helper.changes.paths import Paths

PREFIX = "signature-"
_BEGIN = "-----BEGIN SSH SIGNATURE-----\n"
_LONGEST = 1 << 14
_SECONDS = 10.0
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def problem(text: bytes, signature: str, paths: Paths) -> str:
    """Why it does not count, in ssh-keygen's words; "" where it does."""
    if len(signature) > _LONGEST or not signature.isascii() or not signature.startswith(_BEGIN):
        return "it is not an armoured SSH signature"
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix=PREFIX, dir=paths.state)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(signature)
        return _verified(text, path, paths)
    except OSError as e:
        return f"it could not be verified: {e}"
    finally:
        with suppress(OSError):
            os.unlink(path)


def _verified(text: bytes, path: str, paths: Paths) -> str:
    import subprocess  # here, because the helper's start has no need of it

    argv = [paths.keygen, "-Y", "verify", "-f", paths.signers, "-I", plan.PRINCIPAL, "-n", plan.NAMESPACE, "-s", path]
    try:
        done = subprocess.run(
            argv,
            env=_ENVIRONMENT,
            input=text,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            cwd="/",
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return f"ssh-keygen did not verify it within {_SECONDS:g} s"
    if done.returncode == 0:
        return ""
    said = " / ".join(line.strip() for line in (done.stderr + done.stdout).decode(errors="replace").splitlines())
    return "".join(c for c in said if c.isprintable())[:500] or f"ssh-keygen ended with {done.returncode}"
