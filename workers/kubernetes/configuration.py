"""Where the API server is and who we are: a kubeconfig, or what a pod is given (kubernetes.io, Accessing the API from a Pod).

`kubernetes.aio` reads kubeconfigs with certificates, tokens, token files and exec plugins. In a pod the token's file is read
again every minute, as it rotates.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import client, config

from workers.kubernetes.errors import ApiTrouble

_TOKEN = "BearerToken"  # noqa: S105  (the name of the setting)
_PLUGIN_S = 30.0
"""What an exec plugin may take; some ask a cloud's API."""


async def load(kubeconfig: Path | None) -> Any:
    """A `kubernetes.aio` configuration: of this file, else of the pod we run in, else of KUBECONFIG or ~/.kube/config.

    Raises `ApiTrouble` that says which was wrong.
    """
    found = client.Configuration()
    if kubeconfig is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
        with _translated("the service account of this pod"):
            config.load_incluster_config(client_configuration=found)
            _trim(found)
        return found
    path = str(kubeconfig or os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    with _translated(f"the kubeconfig {path}"):
        _require_file(path)
        async with asyncio.timeout(_PLUGIN_S):
            await config.load_kube_config(config_file=path, client_configuration=found, persist_config=False)
    _trim(found)
    return found


def _require_file(path: str) -> None:
    """The library only logs that there is none."""
    if not any(Path(part).is_file() for part in path.split(os.pathsep)):
        raise FileNotFoundError("there is no such file")


def _trim(found: Any) -> None:
    """Without the line end that a token's file may have, which no HTTP header can carry; also when the token is read again."""
    refresh: Callable[[Any], None] | None = found.refresh_api_key_hook
    _trim_token(found)
    if refresh is not None:

        def refreshed(now: Any) -> None:
            refresh(now)
            now.refresh_api_key_hook = refreshed
            _trim_token(now)

        found.refresh_api_key_hook = refreshed


def _trim_token(found: Any) -> None:
    if token := found.api_key.get(_TOKEN):
        found.api_key[_TOKEN] = token.strip()


@contextmanager
def _translated(source: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as e:
        fix = "Run the kubeconfig's exec plugin by hand; it may be waiting for somebody to log in."
        raise ApiTrouble(f"{source}: its exec plugin did not answer in {_PLUGIN_S:g} s", kind="timeout", fix=fix) from e
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError, KeyError) as e:
        fix = "Name a kubeconfig that kubectl can use in NETCHECK_KUBECONFIG."
        raise ApiTrouble(f"{source} does not say how to reach the API server: {e}", kind="unreachable", fix=fix) from e
