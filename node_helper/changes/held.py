"""What the node holds now of that which can be changed: the two sysctls, and our own file. I/O."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace

from node_helper.changes import sound
from node_helper.changes.paths import Paths
from node_helper.changes.plan import Setting
from node_helper.codec import Malformed

_OWN_NETNS = "/proc/self/ns/net"
_MOST_BYTES = 1 << 12
_MODE = 0o644


class Unreadable(Exception):
    """The node does not tell what it holds: there is no conntrack in use, or not here."""


@dataclass(frozen=True)
class Held:
    """`text` is our file's, "" where there is none; `problem` says why what stands in its place was not written by us."""

    value: int
    buckets: int
    text: str
    problem: str = ""

    def is_(self, setting: Setting) -> bool:
        """True where it is this one; of the file, only where the setting speaks of it."""
        return self.parts(setting) == (True, True, True)

    def parts(self, setting: Setting) -> tuple[bool, bool, bool]:
        """Which of value, buckets and file are as the setting says."""
        file = setting.persisted is None or (not self.problem and self.text == setting.persisted)
        return self.value == setting.value, self.buckets == setting.buckets, file

    def setting(self, like: Setting) -> Setting:
        """The same as a record; with the file's text where the other speaks of it, and where it is one that we write."""
        plain = Setting(self.value, self.buckets)
        if like.persisted is None or self.problem:
            return plain
        try:
            return replace(plain, persisted=self.text)
        except Malformed:
            return plain

    def words(self) -> str:
        """For people."""
        file = self.problem or (f"our file says {self.text!r}" if self.text else "no file of ours")
        return f"{self.value} with {self.buckets} buckets, {file}"


def now(paths: Paths) -> Held:
    """Raises `Unreadable`."""
    text, problem = file(paths)
    return Held(_number(paths.value), _number(paths.buckets), text, problem)


def file(paths: Paths) -> tuple[str, str]:
    """The text of our file, and why what stands in its place was not written by us."""
    try:
        seen = os.lstat(paths.file)
    except FileNotFoundError:
        return "", ""
    except OSError as e:
        return "", f"{paths.file}: {e.strerror}"
    wrong = sound.problem(paths.file, paths)
    if not wrong and (not stat.S_ISREG(seen.st_mode) or stat.S_IMODE(seen.st_mode) != _MODE):
        wrong = f"{paths.file} has mode {stat.filemode(seen.st_mode)}, not that of our file"
    try:
        return ("", wrong) if wrong else (sound.text(paths.file, _MOST_BYTES), "")
    except (OSError, ValueError) as e:
        return "", f"{paths.file} cannot be read: {e}"


def unwritable(paths: Paths) -> str:
    """Why the two cannot be written here; "" where they can."""
    try:
        if os.stat(_OWN_NETNS).st_ino != os.stat(paths.netns).st_ino:
            return "this helper is not in the node's own network namespace"
        for path in (paths.value, paths.buckets):
            if not (os.stat(path).st_mode & 0o200 and os.access(path, os.W_OK)):
                return f"{path} cannot be written here: conntrack's limits belong to the machine's first network namespace"
    except OSError as e:
        return f"{e.filename}: {e.strerror}"
    return ""


def bucket_multiple() -> int:
    """The kernel rounds the number of buckets up to whole pages of them (nf_ct_alloc_hashtable)."""
    return os.sysconf("SC_PAGE_SIZE") // bucket_bytes()


def bucket_bytes() -> int:
    """A bucket is one pointer of the kernel (struct hlist_nulls_head)."""
    return 8 if os.uname().machine.endswith(("64", "64le", "64el", "s390x", "64_be")) else 4


def _number(path: str) -> int:
    try:
        with open(path) as number:
            return int(number.read(64))
    except FileNotFoundError as e:
        raise Unreadable(f"{path} does not exist: conntrack is not in use here") from e
    except (OSError, ValueError) as e:
        raise Unreadable(f"{path}: {e}") from e
