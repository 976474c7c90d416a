"""The lab's stand-in for a Kubernetes API server: real HTTPS, a token, and the behaviour that the API documents.

`store.Store` holds API-shaped JSON objects and tells of their changes; `api.KubeApi` serves them and has the fault switches.
kmock is used for the HTTP that has no objects in it (discovery, `/version`, unknown paths). Lists, watches, gets and reviews are
ours: kmock ignores selectors, `limit`, resourceVersion and watch timeouts, and has no 410 Gone.
"""

from deploy.lab.kubeapi.api import KubeApi
from deploy.lab.kubeapi.store import Store

__all__ = ["KubeApi", "Store"]
