"""The real kernel behind `node_helper.kernel.Kernel`: netlink, procfs, sockets, tools. Nothing here changes the node."""

from node_helper.linux.real import Linux

__all__ = ["Linux"]
