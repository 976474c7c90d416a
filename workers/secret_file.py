"""Files with a secret that a process makes for itself where there is none, several of them at once if need be. I/O."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def there(path: Path) -> bool:
    """Whether there is something of that name. Raises `OSError` where that cannot be told."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def make(path: Path, content: bytes) -> None:
    """The file, whole and for its owner alone; whoever comes second leaves the first one's. Raises `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_bytes(content)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
