"""Logging in to one host of the way, through the one before it; every way to be refused there in its own words."""

from typing import Any

import asyncssh

from node_helper.protocol import CannotLook
from workers.nodes.no_helper import printable
from workers.ssh import host_keys
from workers.ssh import keys as ssh_keys
from workers.ssh.errors import translated
from workers.ssh.host_keys import Witness
from workers.ssh.route import Hop

_MAY_JUMP = (
    "Put the worker's public key into authorized_keys there, with restrict,port-forwarding and a permitopen for each node."
)
_FORWARDS = "Look at AllowTcpForwarding in the jump host's sshd_config, and at permitopen before the worker's key there."
_BEHIND = "Look whether the node is up and its sshd reachable from the jump host."


async def login(hop: Hop, through: Any) -> Any:
    """A connection to the host, in which `through` (None for the first host) ends with it. Raises `CannotLook`."""
    witness = Witness()
    try:
        with translated(hop.label, hop.host):
            connection = await _connect(hop, through, witness)
    except BaseException:
        if through is not None:
            through.abort()
        raise
    if through is not None:
        connection.set_tunnel(through)
    return connection


async def _connect(hop: Hop, through: Any, witness: Witness) -> Any:
    try:
        return await asyncssh.connect(hop.host, **hop.options, tunnel=through, client_factory=lambda: witness)
    except asyncssh.HostKeyNotVerifiable as e:
        raise host_keys.refusal(hop.label, hop.options["known_hosts"], witness.shown, e.reason) from e
    except asyncssh.KeyExchangeFailed as e:
        if "host key" in e.reason:  # known_hosts has keys of kinds that the host does not show any more
            raise host_keys.refusal(hop.label, hop.options["known_hosts"], witness.shown, e.reason) from e
        raise
    except asyncssh.PermissionDenied as e:
        raise await _denied(hop, e) from e
    except asyncssh.ChannelOpenError as e:
        raise _no_way(hop, e) from e


async def _denied(hop: Hop, failure: Exception) -> Exception:
    used = await asyncssh.SSHClientConnectionOptions.construct(host=hop.host, **hop.options)
    ours = await ssh_keys.complaint(used, hop.keys)
    if ours is not None:
        return CannotLook(f"{hop.label}: {ours[0]}", kind="denied", fix=ours[1])
    if hop.is_jump:
        reason = f"{hop.label}: it accepts none of the worker's keys ({printable(str(failure))})"
        return CannotLook(reason, kind="denied", fix=_MAY_JUMP)
    return failure


def _no_way(hop: Hop, failure: asyncssh.ChannelOpenError) -> CannotLook:
    """The jump host before this one was reached, and leads no further."""
    said = printable(failure.reason)
    if failure.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        return CannotLook(f"{hop.label}: the jump host does not let us through ({said})", kind="denied", fix=_FORWARDS)
    return CannotLook(f"{hop.label}: the jump host does not reach it ({said})", kind="unreachable", fix=_BEHIND)
