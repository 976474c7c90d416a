"""Files that are on the disk, with their names, when it is said that they are. I/O."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Union


def put(path: str, text: Union[str, bytes], mode: int) -> None:
    """Make a file or replace it, all or nothing. Raises `OSError`."""
    new = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text.encode() if isinstance(text, str) else text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(new, path)
    sync_folder(os.path.dirname(path))


def drop(path: str) -> None:
    """Take a file away, if it is there. Raises `OSError`."""
    with suppress(FileNotFoundError):
        os.unlink(path)
        sync_folder(os.path.dirname(path))


def sync_folder(path: str) -> None:
    """Have the names in a folder on the disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
