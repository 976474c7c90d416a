"""Audit keys in files: a private one a role, made at the first start, and lists of public ones. I/O."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from workers import secret_file
from workers.audit import keys
from workers.audit.keys import PublicKey, Signer
from workers.errors import BadKeyFile

FOLDER = "audit"


def signer(role: str, data_dir: Path, key_file: Path | None = None) -> Signer:
    """Of the key file or, without one, of `data_dir`/audit/ROLE.key, made where it is missing. Raises `BadKeyFile`, `OSError`.

    The public half is put into `data_dir`/audit/ROLE.pub, beside those that were used before it.
    """
    path = key_file or data_dir / FOLDER / f"{role}.key"
    if key_file is None and not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        secret_file.make(path, pem)
    found = read(role, path)
    _publish(found.public, data_dir / FOLDER / f"{role}.pub")
    return found


def read(role: str, path: Path) -> Signer:
    """The private key of a PEM file that nobody else may read, as `openssl genpkey -algorithm ed25519` writes it."""
    try:
        mode, data = path.stat().st_mode, path.read_bytes()
    except OSError as e:
        raise BadKeyFile(f"{path}: cannot be read: {e}") from e
    if mode & 0o007:
        raise BadKeyFile(f"{path}: open to everyone on the machine; chmod 600 it")
    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise BadKeyFile(f"{path}: holds no private key in PEM without a password") from e
    if not isinstance(private, Ed25519PrivateKey):
        raise BadKeyFile(f"{path}: is not an Ed25519 key: make one with `openssl genpkey -algorithm ed25519`")
    return Signer(role, private)


def public(paths: Iterable[Path]) -> dict[str, PublicKey]:
    """The public keys of all these files, by id. Raises `BadKeyFile`."""
    found: list[PublicKey] = []
    for path in paths:
        try:
            lines = path.read_text("ascii").splitlines()
            found += [key for key in map(keys.parse, lines) if key is not None]
        except (OSError, ValueError) as e:
            raise BadKeyFile(f"{path}: {e}") from e
    return keys.by_id(found)


def _publish(key: PublicKey, path: Path) -> None:
    """A second process that does so at the same time leaves the line there twice."""
    if not path.exists() or key.line not in path.read_text("ascii").splitlines():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a", encoding="ascii") as file:
            file.write(f"{key.line}\n")
