"""The names that kube-proxy gives its chains and sets: a hash of what the chain is for.

Made only to *write* rules; a reader of rules follows the maps and jumps instead.
Source: ``pkg/proxy/iptables/proxier.go`` and ``pkg/proxy/nftables/proxier.go`` of Kubernetes.
"""

import base64
import hashlib

from deploy.lab.kubeproxy.model import Endpoint, PortName

# An nftables chain name may have 127 characters in old kernels and 255 in those kube-proxy supports; it stops at 240.
_NFT_NAME_MAX = 240


def iptables_service(prefix: str, port: PortName) -> str:
    """``KUBE-<prefix>-<16 of base32>``; prefix is SVC, SVL, EXT or FW."""
    return f"KUBE-{prefix}-{_hash(f'{port}{port.protocol}', 16)}"


def iptables_endpoint(port: PortName, endpoint: Endpoint) -> str:
    """``KUBE-SEP-<16 of base32>``."""
    return f"KUBE-SEP-{_hash(f'{port}{port.protocol}{endpoint}', 16)}"


def nftables_service(prefix: str, port: PortName) -> str:
    """``<prefix>-<8 of base32>-ns/name/protocol/port``; prefix is service, local, external or firewall."""
    return f"{prefix}-{_nftables_base(_nftables_path(port))}"


def nftables_endpoint(prefix: str, port: PortName, endpoint: Endpoint) -> str:
    """``<prefix>-<8 of base32>-ns/name/protocol/port__ip/port``; prefix is endpoint or affinity."""
    address = endpoint.ip.replace(":", ".")  # no colon may stand in a chain's name
    return f"{prefix}-{_nftables_base(f'{_nftables_path(port)}__{address}/{endpoint.port}')}"


def _nftables_path(port: PortName) -> str:
    return f"{port.namespace}/{port.service}/{port.protocol}/{port.port}"


def _nftables_base(path: str) -> str:
    name = f"{_hash(path, 8)}-{path}"
    return name if len(name) <= _NFT_NAME_MAX else name[: _NFT_NAME_MAX - 3] + "..."


def _hash(text: str, length: int) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:length]
