"""Every way in which SSH can fail, as `CannotLook` with what to do about it: the one place that knows asyncssh's exceptions."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import asyncssh
from asyncssh.misc import SoftEOFReceived

from node_helper.protocol import CannotLook
from workers.nodes.no_helper import printable

_KEYS = "Put the worker's public key, with its forced command, into the node's authorized_keys (deploy/node/README.md)."
_CONFIG = "Correct the worker's SSH configuration (NETCHECK_SSH_CONFIG) and the key files that it names."
_UP = "Look whether the node is up and reachable from here; try: ssh -v {node}"

# ValueError is what asyncssh raises for configurations and key files that it cannot read; EOFError for streams cut off
FOREIGN = (
    asyncssh.Error,
    asyncssh.ChannelListenError,
    asyncssh.PasswordChangeRequired,
    asyncssh.BreakReceived,
    asyncssh.SignalReceived,
    SoftEOFReceived,
    asyncssh.TerminalSizeChanged,
    OSError,
    EOFError,
    ValueError,
)

# the first class that fits counts, so the special ones come first: kind, what happened, what to do
_KNOWN: tuple[tuple[type[BaseException], str, str, str], ...] = (
    (
        asyncssh.HostKeyNotVerifiable,
        "host-key",
        "its host key cannot be verified",
        "Compare the key on the node with known_hosts.",
    ),
    (asyncssh.PermissionDenied, "denied", "it accepts none of the worker's keys", _KEYS),
    (asyncssh.PasswordChangeRequired, "denied", "it wants the user's password changed", "Let the user log in with a key alone."),
    (asyncssh.KeyExchangeFailed, "unreachable", "it and the worker have no SSH algorithm in common", _CONFIG),
    (
        asyncssh.ChannelOpenError,
        "unreachable",
        "it opens no session",
        "Look at MaxSessions and the user's rights in its sshd_config.",
    ),
    (asyncssh.IllegalUserName, "denied", "the user name is not one", _CONFIG),
    (asyncssh.ConnectionLost, "unreachable", "the connection was lost", _UP),
    (asyncssh.DisconnectError, "unreachable", "SSH ended", _UP),
    (asyncssh.Error, "unreachable", "SSH failed", _UP),
    (socket.gaierror, "unreachable", "its name does not resolve", "Give the node a HostName in NETCHECK_SSH_CONFIG."),
    (ConnectionRefusedError, "unreachable", "nothing answers on its SSH port", _UP),
    (ConnectionError, "unreachable", "the connection was lost", _UP),
    (TimeoutError, "unreachable", "it does not answer", _UP),
    (FileNotFoundError, "unreachable", "a file of the worker's SSH configuration is not there", _CONFIG),
    (PermissionError, "unreachable", "a file of the worker's SSH configuration cannot be read", _CONFIG),
    (OSError, "unreachable", "it cannot be reached", _UP),
    (ValueError, "unreachable", "the worker's SSH configuration or key cannot be used", _CONFIG),
    (BaseException, "unreachable", "the connection was lost", _UP),
)


@contextmanager
def translated(label: str, host: str = "") -> Iterator[None]:
    """Nothing foreign leaves: what SSH or the system raises becomes `CannotLook` about the node, or the `host` before it."""
    try:
        yield
    except FOREIGN as e:
        raise cannot(label, e, host) from e


def cannot(label: str, failure: BaseException, host: str = "") -> CannotLook:
    """One failure in words."""
    kind, what, fix = next((kind, what, fix) for shape, kind, what, fix in _KNOWN if isinstance(failure, shape))
    detail = printable(str(failure))
    return CannotLook(f"{label}: {what}{f' ({detail})' if detail else ''}", kind=kind, fix=fix.format(node=host or label))
