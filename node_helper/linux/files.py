"""Files of the node, and files as a process sees them. Only regular files are read: a FIFO or a device would hold the reader."""

from __future__ import annotations

import os
import stat
from typing import Iterator, Optional

from node_helper.linux.errors import translated
from node_helper.protocol import CannotLook

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_FOLDER = os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW
_MOST_LINKS = 40
_MOST_NAMES = 100_000


def read(path: str, limit: int) -> Optional[str]:
    """The text of a file, at most `limit` bytes; None where there is none."""
    with translated(path):
        try:
            descriptor = os.open(path, _OPEN)
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            return None
        return _text(descriptor, path, limit)


def read_end(path: str, limit: int) -> Optional[str]:
    """As `read`, the last `limit` bytes."""
    with translated(path):
        try:
            descriptor = os.open(path, _OPEN)
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            return None
        size = os.fstat(descriptor).st_size
        return _text(descriptor, path, limit, start=max(0, size - limit))


def of_this_thread(path: str) -> str:
    """The same path, where /proc/net is meant as the calling thread's: by itself it is the first thread's of the process."""
    start = "/proc/net/"
    return "/proc/thread-self/net/" + path[len(start) :] if path.startswith(start) else path


def names_in(path: str) -> tuple[str, ...]:
    """The sorted names in a folder; empty where there is none."""
    with translated(path):
        try:
            names = os.listdir(path)
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            return ()
    if len(names) > _MOST_NAMES:
        raise CannotLook(f"{path} holds {len(names)} names", kind="budget")
    return tuple(sorted(names))


def read_inside(pid: int, path: str, limit: int) -> Optional[str]:
    """As `read`, below the root that a process sees.

    Each part of the path is opened by itself and every symbolic link is resolved here, from that root: the pod chose them.
    """
    root = f"/proc/{pid}/root"
    with translated(f"process {pid}"):
        top = os.open(root, os.O_PATH | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        with translated(f"{root}{path}"):
            try:
                descriptor = resolve(top, path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            return _text(descriptor, f"{root}{path}", limit)
    finally:
        os.close(top)


def resolve(top: int, path: str) -> int:
    """A readable descriptor of the file at `path` below the folder `top`, whatever links stand on the way. Raises `OSError`."""
    parts, links = _parts(path), 0
    folders = [os.dup(top)]
    try:
        while True:
            name = next(parts, None)
            if name is None:
                raise IsADirectoryError(path)
            if name == "..":
                _leave(folders)
                continue
            found = os.open(name, _FOLDER, dir_fd=folders[-1])
            mode = os.fstat(found).st_mode
            if stat.S_ISLNK(mode):
                target = os.readlink("", dir_fd=found)
                os.close(found)
                links += 1
                if links > _MOST_LINKS:
                    raise FileNotFoundError(path)
                if target.startswith("/"):
                    _leave(folders, all_but=1)
                parts = _parts("/".join([target, *parts]))
            elif stat.S_ISDIR(mode):
                folders.append(found)
            else:
                os.close(found)
                if next(parts, None) is not None:
                    raise NotADirectoryError(path)
                return os.open(name, _OPEN | os.O_NOFOLLOW, dir_fd=folders[-1])
    finally:
        _leave(folders, all_but=0)


def _parts(path: str) -> Iterator[str]:
    return iter([part for part in path.split("/") if part not in ("", ".")])


def _leave(folders: list[int], all_but: Optional[int] = None) -> None:
    """Close the innermost folder (never the root), or all but the outermost few."""
    keep = max(1, len(folders) - 1) if all_but is None else all_but
    while len(folders) > keep:
        os.close(folders.pop())


def _text(descriptor: int, path: str, limit: int, start: int = 0) -> str:
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise CannotLook(f"{path} is not a regular file", kind="malformed")
        if start:
            file.seek(start)
        return file.read(limit).decode(errors="backslashreplace")
