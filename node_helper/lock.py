"""One heavy question at a time on a node, whoever asks.

Where an installation made the folder /run/netcheck (root's alone), the folder itself is locked (flock(2)); elsewhere a name
in the abstract namespace (unix(7)) is taken. Neither leaves anything behind, and both end with the process that holds them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from typing import Union

FOLDER = "/run/netcheck"
NAME = "\0netcheck-heavy"
_BETWEEN = 0.02


def take() -> Union[int, socket.socket]:
    """Wait for the lock, for as long as the process lives; it is held while the returned value is."""
    try:
        folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return _take_name()
    fcntl.flock(folder, fcntl.LOCK_EX)
    return folder


def _take_name() -> socket.socket:
    while True:
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(NAME)
        except OSError as e:
            name.close()
            if e.errno != errno.EADDRINUSE:
                raise
            time.sleep(_BETWEEN)
        else:
            return name
