"""The installed helper of a lab node, asked over its own wire."""

from __future__ import annotations

import base64
import json
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from deploy.lab import helper
from deploy.lab.node import Node
from node_helper import codec
from node_helper.protocol import AnyFact, CannotLook

Q = TypeVar("Q")
A = TypeVar("A")


class Asked:
    """One helper process; one question after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._number = 0
        self.hello = json.loads(self._line())["hello"]

    def ask(self, fact: AnyFact[Q, A], query: Q) -> A:
        """The typed answer, or `CannotLook`."""
        self.send(fact, query)
        return codec.decode(fact.answer, self._answer())

    def send(self, fact: AnyFact[Q, A], query: Q) -> None:
        """Ask without waiting for the answer."""
        self._number += 1
        asked = {"id": self._number, "ask": fact.name, "schema": fact.schema, "query": codec.encode(query), "seconds": 20.0}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({**asked, "memory_mb": 256, "trace": "t-test", "credit": 1000}) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> Any:
        parts = b""
        while True:
            said = json.loads(self._line())
            if "cannot" in said:
                raise CannotLook(said["cannot"]["reason"], kind=said["cannot"]["kind"], fix=said["cannot"].get("fix", ""))
            if "answer" in said:
                return said["answer"]
            if "end" in said:
                return json.loads(zlib.decompress(parts))
            parts += base64.b64decode(said["z"])

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def asked(node: Node) -> Iterator[Asked]:
    """Start the helper as sshd would, and end it by the end of its input."""
    with speaking(node.argv(helper.COMMAND.split())) as one:
        yield one


@contextmanager
def speaking(argv: Sequence[str]) -> Iterator[Asked]:
    """The helper that a command starts."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        yield Asked(process)
        assert process.stdin is not None
        process.stdin.close()
