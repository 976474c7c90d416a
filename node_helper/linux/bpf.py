"""Three questions to bpf(2) that change nothing: which programs are attached somewhere, and what one is called.

Layouts are those of union bpf_attr and struct bpf_prog_info in linux/bpf.h. Nothing here loads, attaches or creates.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Optional

_SYSCALLS = {
    "x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "ppc64le": 361, "ppc64": 361, "s390x": 351, "i686": 357,
    "armv7l": 386,
}  # fmt: skip
_PROGRAM_BY_ID, _INFO, _QUERY = 13, 15, 16
_QUERY_FORM = struct.Struct("=IIIIQII")  # target, attach type, flags, attach flags, ids, their number, padding
_QUERY_COUNT = 24
_BY_ID_FORM = struct.Struct("=III")  # id, next id, open flags
_INFO_FORM = struct.Struct("=IIQ")  # descriptor, length, where
_ROOM = 128  # more of the union than we know must be zero
_MOST = 64  # programs at one place (BPF_MPROG_MAX)
_NAME, _NAME_SIZE, _INFO_SIZE = 64, 16, 80
_ABSENT = frozenset({errno.EINVAL, errno.ENODEV, errno.ENOENT, errno.EOPNOTSUPP})
_libc = ctypes.CDLL(None, use_errno=True)


def attached(target: int, place: int) -> tuple[int, ...]:
    """Ids of the programs at an attach type of a cgroup (its descriptor) or a device (its index, in the thread's namespace).

    None at a place that this kernel does not know. Raises `OSError` where it may not be asked.
    """
    ids = (ctypes.c_uint32 * _MOST)()
    asked = _attributes(_QUERY_FORM.pack(target, place, 0, 0, ctypes.addressof(ids), _MOST, 0))
    try:
        _call(_QUERY, asked)
    except OSError as e:
        if e.errno in _ABSENT:
            return ()
        raise
    return tuple(ids[: struct.unpack_from("=I", asked, _QUERY_COUNT)[0]])


def name(program: int) -> str:
    """The name with which a program was loaded; "" where it has none or is gone. Raises `OSError` where it may not be asked."""
    descriptor = _descriptor(program)
    if descriptor is None:
        return ""
    try:
        info = ctypes.create_string_buffer(_INFO_SIZE)
        _call(_INFO, _attributes(_INFO_FORM.pack(descriptor, _INFO_SIZE, ctypes.addressof(info))))
        return info.raw[_NAME : _NAME + _NAME_SIZE].split(b"\0", 1)[0].decode(errors="backslashreplace")
    finally:
        os.close(descriptor)


def _descriptor(program: int) -> Optional[int]:
    try:
        return _call(_PROGRAM_BY_ID, _attributes(_BY_ID_FORM.pack(program, 0, 0)))
    except OSError as e:
        if e.errno in _ABSENT:
            return None
        raise


def _attributes(head: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(head, _ROOM)


def _call(command: int, attributes: ctypes.Array[ctypes.c_char]) -> int:
    number = _SYSCALLS.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, f"the number of bpf(2) on {os.uname().machine} is not known")
    answer = int(_libc.syscall(ctypes.c_long(number), ctypes.c_long(command), attributes, ctypes.c_size_t(_ROOM)))
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer
