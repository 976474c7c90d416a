"""A helper for trying out: sent to the node over its own session, run from memory, gone with it.

The command is constant text; a user who is not root needs sudo without a password for it. It reads one program, which is
`node_helper/pushed.py`, and that reads the helper: a zip of this very `node_helper`, checked against its SHA-256. Nothing is
written to the node's disks.
"""

import hashlib
import io
import json
import zipfile
from functools import cache
from pathlib import Path

import node_helper
from node_helper import known, pushed, wire
from node_helper.protocol import CannotLook
from workers.nodes.no_helper import no_helper, not_hello
from workers.nodes.transport import Session

COMMAND = (
    "python3 -I -c 'import os, sys; "
    r's = "import sys, json; print(\"netcheck-push\", sys.version_info[0], sys.version_info[1], flush=True); '
    'exec(json.loads(sys.stdin.readline()))"; '
    """os.execvp("sudo", ["sudo", "-n", sys.executable, "-I", "-c", s]) if os.geteuid() else exec(s)'"""
)
_OLDEST = (3, 9)
_MAIN = "import sys\nfrom node_helper.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
_LONGEST = 4096
_EPOCH = (1980, 1, 1, 0, 0, 0)


async def push(node: str, session: Session) -> None:
    """Bring the helper to a session that runs `COMMAND`; its hello comes next. Raises `CannotLook`."""
    ready = await _line(node, session)
    if ready.startswith(b'{"hello"'):
        fix = "Set NETCHECK_HELPER=installed."
        raise CannotLook(f"{node}: the worker's key starts an installed helper there already", kind="denied", fix=fix)
    _check_python(node, ready)
    packed = archive()
    session.write(json.dumps(_program()).encode() + b"\n")
    if await _line(node, session) != b"send":
        raise CannotLook(f"{node}: it did not take the helper", kind="malformed", fix="Install node-helper there instead.")
    session.write(f"{len(packed)} {hashlib.sha256(packed).hexdigest()}\n".encode() + packed)
    await session.drain()


@cache
def archive() -> bytes:
    """The helper as a zip that Python can run; equal sources make equal bytes."""
    folder = Path(node_helper.__file__).parent
    sources = {f"node_helper/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*.py")}
    schemas = wire.text(known.ours().schemas).encode()
    made = {"__main__.py": _MAIN.encode(), f"node_helper/{known.FILE}": schemas}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, source in sorted({**sources, **made}.items()):
            file.writestr(zipfile.ZipInfo(name, _EPOCH), source, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _program() -> str:
    return Path(pushed.__file__).read_text()


async def _line(node: str, session: Session) -> bytes:
    """The next line, of which nothing follows: the other side waits after each."""
    heard = b""
    while b"\n" not in heard and len(heard) < _LONGEST:
        data = await session.read()
        if not data:
            raise no_helper(node, await session.ended())
        heard += data
    return heard.partition(b"\n")[0]


def _check_python(node: str, ready: bytes) -> None:
    words = ready.split()
    if len(words) != 3 or words[0] != b"netcheck-push" or not (words[1] + words[2]).isdigit():  # noqa: PLR2004  (word and version)
        raise not_hello(node, ready)
    version = (int(words[1]), int(words[2]))
    if version < _OLDEST:
        reason = f"{node}: its Python {version[0]}.{version[1]} is too old for the helper"
        raise CannotLook(reason, kind="missing-helper", fix="Install Python 3.9 or newer on the node.")
