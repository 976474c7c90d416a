"""Letters to the approver through Redis, and its grants to the workers. Whoever can write to Redis can lose them, not make them.

A proposal and a report are sealed by a worker with the job key, what people did by the bot with a key that workers do not have.
A letter is taken again until it is acknowledged, so whoever reads one must know what it has acted on already.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from node_helper import codec
from node_helper.changes.grant import Grant
from workers.changes.letters import CodeWanted, Letter, Voice
from workers.changes.proposal import CarriedOut, Proposal
from workers.seal import Forged, Seal

if TYPE_CHECKING:  # the catalogue imports this module, and who asks at a terminal needs no Redis
    from workers.queue.keys import Keys
    from workers.queue.server import Server

log = structlog.get_logger()

_SHAPES: Mapping[str, type[Letter]] = {"proposal": Proposal, "carried-out": CarriedOut, "voice": Voice, "code": CodeWanted}
_MOST = 100
_KEPT_S = 30 * 86400


@dataclass(frozen=True)
class Taken:
    """A letter; `entry` is what acknowledges it."""

    entry: str
    letter: Letter


class Mail:
    """`voices` seals what people did: bot and approver have its key, workers do not."""

    def __init__(self, server: Server, keys: Keys, jobs: Seal, voices: Seal | None = None) -> None:
        self._server, self._keys = server, keys
        self._seals = {"proposal": jobs, "carried-out": jobs, "voice": voices, "code": voices}

    async def send(self, letter: Letter) -> None:
        """It is stored when this returns. Raises `QueueAway`."""
        kind = next(name for name, shape in _SHAPES.items() if isinstance(letter, shape))
        await self._server.command("XADD", self._keys.letters, "*", "kind", kind, "letter", self._sealed(kind, letter))

    async def take(self) -> tuple[Taken, ...]:
        """The oldest letters that nobody acknowledged; forged ones are logged and thrown away. For the approver alone.

        Raises `QueueAway`.
        """
        self._seal("voice")  # without it, what people did would look forged here, and be thrown away
        found = await self._server.command("XRANGE", self._keys.letters, "-", "+", "COUNT", _MOST)
        letters = []
        for entry, said in found:
            try:
                letters.append(Taken(entry.decode(), self._opened(said)))
            except (Forged, ValueError) as e:
                log.error("letter_forged", reason=str(e))  # noqa: TRY400  (hostile data, not a fault of ours)
                await self.acknowledge(entry.decode())
        return tuple(letters)

    async def acknowledge(self, entry: str) -> None:
        """It was acted on, for good. Raises `QueueAway`."""
        await self._server.command("XDEL", self._keys.letters, entry)

    async def put_grant(self, approval: str, grant: Grant) -> None:
        """For the worker that carries it out. Raises `QueueAway`."""
        seal = self._seal("proposal")
        sealed = seal.close("grant", approval, json.dumps(codec.encode(grant)).encode())
        await self._server.command("SET", self._keys.grant(approval), sealed, "EX", _KEPT_S)

    async def grant(self, approval: str) -> Grant | None:
        """None where it is not there any more. Raises `QueueAway`, `Forged`."""
        sealed = await self._server.command("GET", self._keys.grant(approval))
        if sealed is None:
            return None
        return codec.decode(Grant, json.loads(self._seal("proposal").open("grant", approval, sealed)))

    async def show(self, beat: bytes, board: bytes | None = None) -> None:
        """That the approver lives, and what it shows from now on, if that is another board than before. Raises `QueueAway`."""
        seal, keys = self._seal("voice"), self._keys
        whole = () if board is None else (keys.board, seal.close("board", "approver", board))
        await self._server.command("MSET", keys.beat, seal.close("beat", "approver", beat), *whole)

    async def board(self) -> tuple[bytes, bytes] | None:
        """The last beat and the board, None where there are none. Raises `QueueAway`, `Forged`."""
        beat, board = await self._server.command("MGET", self._keys.beat, self._keys.board)
        if beat is None or board is None:
            return None
        seal = self._seal("voice")
        return seal.open("beat", "approver", beat), seal.open("board", "approver", board)

    def _sealed(self, kind: str, letter: Letter) -> bytes:
        return self._seal(kind).close(kind, "approver", json.dumps(codec.encode(letter)).encode())

    def _opened(self, said: Mapping[bytes, bytes]) -> Letter:
        kind = said.get(b"kind", b"").decode("ascii", "replace")
        if kind not in _SHAPES:
            raise Forged(f"a letter of unknown kind {kind[:40]!r}")
        data = self._seal(kind).open(kind, "approver", said.get(b"letter", b""))
        return codec.decode(_SHAPES[kind], json.loads(data))

    def _seal(self, kind: str) -> Seal:
        seal = self._seals[kind]
        if seal is None:
            raise Forged(f"a {kind} can neither be said nor read here: this process does not have its key")
        return seal
