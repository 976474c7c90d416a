"""eBPF programs that rtnetlink tells: XDP of a device, and classifiers at its clsact or ingress qdisc (linux/pkt_cls.h)."""

from __future__ import annotations

import errno
import struct
from typing import Iterator, Mapping, Optional

from node_helper.linux.netlink import Netlink, attribute, attributes, unpack
from node_helper.linux.rtnetlink.links import text
from node_helper.programs import Program

_GET_LINK, _GET_QDISC, _GET_FILTER = 18, 38, 46
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
_TRAFFIC = struct.Struct("=BxxxiIII")  # struct tcmsg: family, index, handle, parent, info
_U32 = struct.Struct("=I")
_NAME, _INFO, _EXT_MASK, _XDP = 3, 18, 29, 43
_INFO_KIND = 1
_SKIP_STATS = 1 << 3
_XDP_MODES = {5: "xdp (driver)", 6: "xdp (generic)", 7: "xdp (hardware)"}  # IFLA_XDP_DRV_PROG_ID, _SKB_PROG_ID, _HW_PROG_ID
_XDP_ID = 4  # IFLA_XDP_PROG_ID, which is all that kernels before 4.20 tell
_KIND, _OPTIONS = 1, 2  # TCA_KIND, TCA_OPTIONS
_BPF_NAME, _BPF_ID = 7, 11
_PLACES = {0xFFFFFFF2: "tc ingress", 0xFFFFFFF3: "tc egress"}  # TC_H_CLSACT with TC_H_MIN_INGRESS and TC_H_MIN_EGRESS
_ROOTS = {"clsact": tuple(_PLACES), "ingress": (0xFFFFFFF2,)}


def devices_and_xdp(netlink: Netlink) -> tuple[dict[int, tuple[str, str]], tuple[Program, ...]]:
    """The name and kind of every device by its index, and the XDP programs of all."""
    bodies = netlink.dump(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0) + attribute(_EXT_MASK, _U32.pack(_SKIP_STATS)))
    devices = {unpack(_LINK, body)[2]: _device(body) for body in bodies}
    return devices, tuple(program for body in bodies for program in xdp(body))


def xdp(body: bytes) -> Iterator[Program]:
    """The XDP programs of one RTM_NEWLINK. Raises `Malformed`."""
    unpack(_LINK, body)
    found = attributes(body, _LINK.size)
    told = attributes(found.get(_XDP, b""))
    modes = [kind for kind in _XDP_MODES if kind in told] or [kind for kind in (_XDP_ID,) if kind in told]
    for kind in modes:
        number = unpack(_U32, told[kind])[0]
        if number:
            yield Program(_XDP_MODES.get(kind, "xdp"), text(found.get(_NAME, b"")), number, "")


def read(netlink: Netlink, names: Mapping[int, str]) -> Iterator[Program]:
    """The programs at every clsact and ingress qdisc of the namespace; devices by the names given."""
    for body in netlink.dump(_GET_QDISC, _TRAFFIC.pack(0, 0, 0, 0, 0)):
        index = unpack(_TRAFFIC, body)[1]
        kind = text(attributes(body, _TRAFFIC.size).get(_KIND, b""))
        for parent in _ROOTS.get(kind, ()):
            for each in _filters(netlink, index, parent):
                program = decode(each, parent, names.get(index, f"if{index}"))
                if program is not None:
                    yield program


def decode(body: bytes, parent: int, device: str) -> Optional[Program]:
    """The program of one RTM_NEWTFILTER; None for a classifier of another kind. Raises `Malformed`."""
    unpack(_TRAFFIC, body)
    found = attributes(body, _TRAFFIC.size)
    if text(found.get(_KIND, b"")) != "bpf" or _OPTIONS not in found:
        return None  # without options it is the head of a priority's list, not a filter
    options = attributes(found[_OPTIONS])
    number = unpack(_U32, options[_BPF_ID])[0] if _BPF_ID in options else 0
    return Program(_PLACES[parent], device, number, text(options.get(_BPF_NAME, b"")))


def _filters(netlink: Netlink, index: int, parent: int) -> list[bytes]:
    try:
        return netlink.dump(_GET_FILTER, _TRAFFIC.pack(0, index, 0, parent, 0))
    except OSError as e:
        if e.errno not in (errno.ENODEV, errno.EINVAL, errno.ENOENT):  # device or qdisc went away meanwhile
            raise
        return []


def _device(body: bytes) -> tuple[str, str]:
    found = attributes(body, _LINK.size)
    return text(found.get(_NAME, b"")), text(attributes(found.get(_INFO, b"")).get(_INFO_KIND, b""))
