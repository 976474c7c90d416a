"""Flows that are wanted, found with the kernel's help where it can choose, and each given once."""

from __future__ import annotations

import errno
from contextlib import closing
from typing import Iterator, Optional

from node_helper.conntrack import matching
from node_helper.conntrack.asking import dump
from node_helper.conntrack.layout import Layout, Values
from node_helper.conntrack.matching import Request, Test, Wanted
from node_helper.conntrack.reading import Reader, Refused
from node_helper.kernel import Kernel

_ORIG, _REPLY = 1, 2


class Search:
    """The wanted flows, each once. `seen` counts the flows that the kernel gave; `by_kernel`: it did the choosing."""

    def __init__(self, kernel: Kernel, wanted: Wanted) -> None:
        self.seen = 0
        self._kernel = kernel
        self._wanted = wanted
        self._requests = self._possible(matching.requests(wanted))
        self.by_kernel = self._requests != (matching.EVERYTHING,) and not wanted.everything

    def flows(self) -> Iterator[tuple[Layout, Values]]:
        """Read them. Raises `Malformed` and `Refused`."""
        for number, request in enumerate(self._requests):
            yield from self._of(request, self._requests[:number])

    def _of(self, request: Request, before: tuple[Request, ...]) -> Iterator[tuple[Layout, Values]]:
        """What a request gives and none before it gave."""
        reader, tests = Reader(), Tests(self._wanted, before)
        with closing(dump(self._kernel, request)) as datagrams:  # type: ignore[type-var]  # every Kernel gives a generator
            for data in datagrams:
                for layout, values in reader.read(data):
                    wanted, told = tests.of(layout)
                    if told and any(one(values) for one in told):
                        continue
                    self.seen += 1
                    if wanted is not None and wanted(values):
                        yield layout, values
                if reader.done:
                    return

    def _possible(self, requests: tuple[Request, ...]) -> tuple[Request, ...]:
        """The requests that this kernel can answer."""
        by_tuples, by_reply = any(r.chooses for r in requests), any(r.by_reply for r in requests)
        if (by_tuples and not self._chooses(_ORIG)) or (by_reply and not self._chooses(_REPLY)):
            return (matching.EVERYTHING,)
        return requests

    def _chooses(self, top: int) -> bool:
        reader = Reader()
        with closing(dump(self._kernel, Request(matching.probe(top)))) as datagrams:  # type: ignore[type-var]  # as above
            try:
                for data in datagrams:
                    for _ in reader.read(data):
                        return False
                    if reader.done:
                        return False
            except Refused as e:
                return e.code == errno.EINVAL
        return False


class Tests:
    """Of each layout, made when it is first met: the test for what is wanted, and those for what was given before."""

    def __init__(self, wanted: Wanted, before: tuple[Request, ...]) -> None:
        self._wanted = wanted
        self._before = before
        self._by_layout: dict[int, tuple[Layout, Optional[Test], list[Test]]] = {}

    def of(self, layout: Layout) -> tuple[Optional[Test], list[Test]]:
        """Both; None for a layout of which nothing is wanted."""
        if id(layout) not in self._by_layout:
            told = [test for test in (matching.given(request, layout) for request in self._before) if test is not None]
            self._by_layout[id(layout)] = (layout, matching.test(self._wanted, layout), told)
        _, wanted, told = self._by_layout[id(layout)]
        return wanted, told
