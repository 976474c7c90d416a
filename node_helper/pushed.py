"""Runs on a node before the helper is there: takes it from standard input into memory, checks it, and becomes it.

Sent as text by `workers/nodes/push.py`. The helper lives in a file without a name (memfd_create(2)), so nothing stays behind.
"""

import hashlib
import os
import sys


def receive() -> int:
    """The descriptor of the helper's zip; ends the program when it is not what was announced."""
    print("send", flush=True)  # noqa: T201  (this line is the protocol)
    size, digest = sys.stdin.buffer.readline().decode().split()
    packed = sys.stdin.buffer.read(int(size))
    if hashlib.sha256(packed).hexdigest() != digest:
        sys.exit("the helper arrived damaged")
    memory = os.memfd_create("netcheck-node-helper", 0)
    os.write(memory, packed)
    return memory


if __name__ == "__main__":
    zipped = "/proc/self/fd/%d" % receive()  # noqa: UP031  (any Python 3 must get as far as saying that it is too old)
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", zipped, "serve", "--pushed"])  # noqa: S606  (no shell is wanted)
