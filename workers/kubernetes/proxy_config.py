"""kube-proxy's ConfigMap, as kubeadm and most distributions write it: the one that says what kube-proxy sets conntrack to.

We may get it by its name and neither list nor watch ConfigMaps, so it is got again from time to time.
"""

from __future__ import annotations

import asyncio
from typing import Any

import yaml

from node_helper.protocol import CannotLook
from workers.kubernetes.connection import Connection
from workers.kubernetes.errors import ApiTrouble, Expired, Malformed
from workers.kubernetes.fields import labels, mapping, number, section
from workers.objects import ProxyConfig

_PATH = "/api/v1/namespaces/kube-system/configmaps/kube-proxy"
_KIND = "KubeProxyConfiguration"
_EVERY_S = 60.0
_LONGEST = 1 << 20


class Kept:
    """The ConfigMap as it was last got; `said` is None where there is none."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.said: ProxyConfig | None = ProxyConfig("", unread="it is still being read")

    async def run(self) -> None:
        """Keep it current, for ever."""
        while True:
            await self.get()
            await asyncio.sleep(_EVERY_S)

    async def get(self) -> None:
        """Once, now; one that was read stays known while the API is away."""
        try:
            self.said = await _got(self._connection)
        except CannotLook as e:
            if self.said is None or self.said.unread:
                self.said = ProxyConfig("", unread=e.reason)


async def _got(connection: Connection) -> ProxyConfig | None:
    try:
        return read(await connection.get(_PATH, {}))
    except Expired as e:
        raise ApiTrouble(str(e), kind="unreachable") from e
    except ApiTrouble as e:
        if e.kind == "missing":
            return None
        raise


def read(value: Any) -> ProxyConfig | None:
    """The first entry that is a configuration of kube-proxy. Raises `Malformed`."""
    for key, text in sorted(labels(mapping(value), "data").items()):
        config = _document(text)
        if config is not None:
            conntrack = section(config, "conntrack")
            return ProxyConfig(key, number(conntrack, "maxPerCore"), number(conntrack, "min"))
    return None


def _document(text: str) -> dict[str, Any] | None:
    """The entries beside it are kubeconfigs and scripts."""
    if _KIND not in text or len(text) > _LONGEST:
        return None
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise Malformed("data", text[:40], "YAML") from e
    return found if isinstance(found, dict) and found.get("kind") == _KIND else None
