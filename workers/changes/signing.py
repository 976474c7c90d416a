"""The approver's signature over a plan, made by OpenSSH: the private key is named, never read here. I/O."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from node_helper.changes import plan as plans
from node_helper.changes.grant import Grant
from node_helper.changes.plan import Plan

_PASSED_ON = ("PATH", "HOME", "SSH_AUTH_SOCK")
_SECONDS = 10.0


class CannotSign(Exception):
    """There is no signature; the reason in words."""


def sign(plan: Plan, key: Path) -> Grant:
    """Blocks while ssh-keygen works. `key` is a private key without passphrase, or a public one whose other half an agent holds.

    Raises `CannotSign`. The plan goes to standard input and the signature comes from standard output: no file is made.
    """
    text = plans.canonical(plan)
    argv = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", plans.NAMESPACE]
    try:
        done = subprocess.run(
            argv,
            env=_environment(),
            input=text.encode(),
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            start_new_session=True,
        )  # without a terminal: nothing can ask for a passphrase there
    except (OSError, subprocess.TimeoutExpired) as e:
        raise CannotSign(f"ssh-keygen could not be asked to sign: {e}") from e
    if done.returncode != 0:
        raise CannotSign(f"ssh-keygen did not sign with {key}: {done.stderr.decode(errors='replace').strip()[:500]}")
    return Grant(text, done.stdout.decode("ascii"))


def allowed(public: str, *options: str) -> str:
    """A line of a node's allowed-signers file for a public key; `options` as in ssh-keygen(1): valid-before="20270101Z"."""
    kind, blob = public.split()[:2]
    return " ".join((plans.PRINCIPAL, ",".join((f'namespaces="{plans.NAMESPACE}"', *options)), kind, blob)) + "\n"


def _environment() -> Mapping[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
