"""The worker's own keys: which are locked by a passphrase, what an agent may offer for them, and why none was accepted."""

import base64
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncssh

_OPENSSH = re.compile(rb"-----BEGIN OPENSSH PRIVATE KEY-----\s+(.*?)-----END", re.DOTALL)
_MAGIC = b"openssh-key-v1\0"
_DEFAULTS = ("id_ed25519", "id_ecdsa", "id_rsa")
_USER_CERTIFICATE = 1  # OpenSSH's PROTOCOL.certkeys: SSH2_CERT_TYPE_USER
_UNLOCK = "Give the worker an ssh-agent (SSH_AUTH_SOCK or IdentityAgent) that holds it, or a key without passphrase of its own."
_RENEW = "Have the user CA sign the worker's key again for this user, and put the certificate beside the key."


def files(named: Any, fallback: Path | None) -> list[Path]:
    """The key files of a host's configuration, ours where it names none, then OpenSSH's usual ones."""
    said = named.config.get("IdentityFile")
    if said is None:
        said = [fallback] if fallback else [Path("~/.ssh") / name for name in _DEFAULTS]
    return [path for path in (Path(one).expanduser() for one in said) if path.is_file()]


def identities(paths: Sequence[Path]) -> list[bytes]:
    """The public keys of these files, as an agent names its keys; locked files show theirs too."""
    return [public for public in map(_public, paths) if public]


async def complaint(named: Any, paths: Sequence[Path]) -> tuple[str, str] | None:
    """What is wrong with our keys themselves when a host accepts none of them, and what to do; None for nothing to be seen."""
    for path, said in _bad_certificates(named, paths):
        return f"the certificate {path} does not serve there: {said}", _RENEW
    held = await _held(named.agent_path)
    for path in paths:
        if _is_locked(path) and _public(path) not in held:
            return f"its key {path} is locked by a passphrase, and no ssh-agent holds it", _UNLOCK
    if not named.client_keys and not held:
        return "the worker has no key to offer", "Name its key: IdentityFile in NETCHECK_SSH_CONFIG, or NETCHECK_SSH_KEY."
    return None


def clear_part(data: bytes) -> bytes | None:
    """The public key in an OpenSSH private key file, locked or not; None where it is not one."""
    found = _OPENSSH.search(data)
    try:
        rest = base64.b64decode(found[1]) if found else b""
        for _ in ("cipher", "kdf", "its options"):
            rest = _string(rest.removeprefix(_MAGIC))[1]
        return _string(rest[4:])[0] or None  # after the number of keys, which is 1
    except (ValueError, struct.error):
        return None


def _bad_certificates(named: Any, paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    beside = (Path(f"{path}-cert.pub") for path in paths)
    said = (Path(one).expanduser() for one in named.config.get("CertificateFile") or ())
    for path in (*beside, *said):
        if path.is_file():
            try:
                asyncssh.read_certificate(path).validate(_USER_CERTIFICATE, named.username)
            except ValueError as e:
                yield path, str(e)


async def _held(agent: str) -> frozenset[bytes]:
    """The public keys in the agent; none where there is no agent."""
    if not agent:
        return frozenset()
    try:
        async with asyncssh.connect_agent(agent) as client:
            return frozenset(key.public_data for key in await client.get_keys())
    except (OSError, ValueError):
        return frozenset()


def _is_locked(path: Path) -> bool:
    try:
        asyncssh.read_private_key(path)
    except asyncssh.KeyImportError as e:
        return str(e).startswith("Passphrase")
    return False


def _public(path: Path) -> bytes | None:
    """The public key that belongs to a file: from the file beside it, or from its own clear part (openssh/PROTOCOL.key)."""
    for file in (Path(f"{path}.pub"), path):
        try:
            return bytes(asyncssh.read_public_key(file).public_data)
        except (OSError, asyncssh.KeyImportError):
            continue
    return clear_part(path.read_bytes())


def _string(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack_from(">I", data)
    if length > len(data) - 4:
        raise ValueError("cut off")
    return data[4 : 4 + length], data[4 + length :]
