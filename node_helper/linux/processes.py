"""The node's processes as /proc shows them (proc(5))."""

from __future__ import annotations

import os
from typing import Iterator, Optional

from node_helper.linux.errors import translated
from node_helper.records import Process

_GONE = (FileNotFoundError, ProcessLookupError)
_PARENT, _STARTED = 1, 19  # fields of /proc/PID/stat after the name, which may hold blanks and brackets


def read(mentioning: tuple[str, ...]) -> Iterator[Process]:
    """Every process but zombies; where words are given, those whose cgroup paths hold one. ``denied`` without root."""
    words = tuple(word.encode() for word in mentioning)
    with translated("/proc"):
        for name in os.listdir("/proc"):
            if name.isdigit():
                found = _process(int(name), words)
                if found is not None:
                    yield found


def _process(pid: int, words: tuple[bytes, ...]) -> Optional[Process]:
    try:
        cgroups = _bytes(f"/proc/{pid}/cgroup")
        if words and not any(word in cgroups for word in words):
            return None
        stat = _bytes(f"/proc/{pid}/stat").decode(errors="backslashreplace")
        name, fields = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :].split()
        if fields[0] in "ZX":
            return None
        inode = os.stat(f"/proc/{pid}/ns/net").st_ino
    except _GONE:
        return None
    return Process(pid, int(fields[_PARENT]), int(fields[_STARTED]), name, _paths(cgroups), inode)


def _paths(cgroups: bytes) -> tuple[str, ...]:
    """The paths of lines such as "0::/kubepods.slice/..." (cgroups(7)), each once."""
    lines = cgroups.decode(errors="backslashreplace").splitlines()
    return tuple(dict.fromkeys(line.split(":", 2)[2] for line in lines if line.count(":") >= 2))  # noqa: PLR2004  (id:controllers:path)


def _bytes(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(1 << 16)
