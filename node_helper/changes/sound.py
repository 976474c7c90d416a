"""Whether nobody but root can have made a file: it and every folder above it are root's, and no link, and written by no other."""

from __future__ import annotations

import os
import stat

from node_helper.changes.paths import Paths


def problem(path: str, paths: Paths) -> str:
    """Why the file or folder is not to be believed; "" where it is."""
    here = paths.root or "/"
    for name in ["", *path[len(paths.root) :].strip("/").split("/")]:
        here = os.path.join(here, name) if name else here
        try:
            seen = os.lstat(here)
        except OSError as e:
            return f"{here}: {e.strerror}"
        wrong = _wrong(seen, paths.owner)
        if wrong:
            return f"{here} {wrong}"
    return ""


def text(path: str, limit: int) -> str:
    """What a regular file says. Raises `OSError` and `ValueError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path} is not a regular file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path} holds more than {limit} bytes")
    return data.decode()


def _wrong(seen: os.stat_result, owner: int) -> str:
    if stat.S_ISLNK(seen.st_mode):
        return "is a symbolic link"
    if seen.st_uid != owner:
        return f"belongs to user {seen.st_uid}, not to root"
    if seen.st_mode & 0o022:
        return "can be written by others than root"
    return ""
