"""Whether a signature was made over exactly these bytes by a key that the node takes now: OpenSSH says so. I/O.

OpenSSH takes many spellings of one signature, with other bytes after its end or bits that base64 does not use; here the one that
it writes itself (PROTOCOL.sshsig, 3) is taken alone, so that a grant that was altered anywhere is refused.
"""

from __future__ import annotations

import os
from contextlib import suppress

from node_helper.changes import plan
from node_helper.changes.paths import Paths

PREFIX = "signature-"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
_LINE = 70  # letters of base64
_LONGEST = 1 << 14
_SECONDS = 10.0
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def problem(text: bytes, signature: str, paths: Paths) -> str:
    """Why it does not count, in ssh-keygen's words; "" where it does."""
    if len(signature) > _LONGEST or not _is_armoured(signature):
        return "it is not an SSH signature, armoured as ssh-keygen does it"
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


def _is_armoured(signature: str) -> bool:
    if not (signature.isascii() and signature.startswith(_BEGIN) and signature.endswith(_END)):
        return False
    import binascii  # here, because the helper's start has no need of it

    try:
        raw = binascii.a2b_base64(signature[len(_BEGIN) : -len(_END)])
    except binascii.Error:
        return False
    letters = binascii.b2a_base64(raw, newline=False).decode()
    lines = (letters[at : at + _LINE] + "\n" for at in range(0, len(letters), _LINE))
    return signature == _BEGIN + "".join(lines) + _END


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
