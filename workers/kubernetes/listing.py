"""All objects of a kind, in pages that show one moment."""

from __future__ import annotations

from typing import Any

from workers.kubernetes import collecting
from workers.kubernetes.connection import Connection
from workers.kubernetes.errors import Expired
from workers.kubernetes.fields import mapping, required, section, text
from workers.kubernetes.kinds import Kind, read_list

PAGE = 500
"""Objects in a page; kubectl and client-go ask for as many. A page of pods is about 3 MB."""


async def listed(connection: Connection, kind: Kind) -> tuple[str, dict[Any, Any]]:
    """The version, and the records by key. Raises `ApiTrouble`, `Malformed`, `Expired`.

    Where the server forgets the moment while it is paged through, the list is taken once more without pages, as client-go does.
    """
    try:
        return await _paged(connection, kind, PAGE)
    except Expired:
        return await _paged(connection, kind, 0)


async def _paged(connection: Connection, kind: Kind, limit: int) -> tuple[str, dict[Any, Any]]:
    records: dict[Any, Any] = {}
    query: dict[str, str | int] = {"limit": limit} if limit else {}
    while True:
        page = mapping(await connection.get(kind.path, query))
        with collecting.put_off():
            records.update(read_list(kind, page))
        metadata = section(page, "metadata")
        more = text(metadata, "continue")
        if not more:
            return required(metadata, "resourceVersion"), records
        query["continue"] = more
