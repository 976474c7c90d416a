"""What an OpenSSH configuration says and asyncssh does not do: refused where it counts, and where it is no keyword at all.

asyncssh passes over keywords that it does not know. Its own parser reads them here, so that Host, Match and Include count as
they do for it.
"""

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

from asyncssh.config import SSHClientConfig

from node_helper.protocol import CannotLook
from workers.nodes.no_helper import printable

_REFUSED = {
    "bindinterface": "Use BindAddress with that interface's address.",
    "knownhostscommand": "Write the hosts' keys or their host CA into known_hosts, and take KnownHostsCommand out.",
    "proxyusefdpass": "Use ProxyJump, or a ProxyCommand that passes the bytes itself.",
    "refuseconnection": "Take it out where the worker is to connect.",
    "requiredrsasize": "Use keys of another kind (ed25519), and take RequiredRSASize out.",
    "revokedhostkeys": "Write the revoked keys as @revoked lines into known_hosts, and take RevokedHostKeys out.",
}
# ssh_config(5): of interactive sessions and forwardings, or less strict than what is done anyway
_HARMLESS_WORDS = """
addkeystoagent batchmode channeltimeout checkhostip clearallforwardings compressionlevel connectionattempts controlmaster
controlpath controlpersist dynamicforward enableescapecommandline escapechar exitonforwardfailure fingerprinthash
forkafterauthentication forwardx11 forwardx11timeout gatewayports gssapi* hashknownhosts hostbasedacceptedalgorithms
hostbasedkeytypes ignoreunknown ipqos localcommand localforward loglevel logverbose nohostauthenticationforlocalhost
numberofpasswordprompts obscurekeystroketiming permitlocalcommand permitremoteopen protocol pubkeyacceptedalgorithms
pubkeyacceptedkeytypes remoteforward securitykeyprovider sessiontype stdinnull streamlocalbindmask streamlocalbindunlink
stricthostkeychecking syslogfacility tunnel tunneldevice updatehostkeys usekeychain verifyhostkeydns
versionaddendum visualhostkey warnweakcrypto xauthlocation
"""
_HARMLESS = frozenset(_HARMLESS_WORDS.split())
_OFF = ("no", "none", "0")


class _Handlers(dict[str, Any]):
    """asyncssh's, and for every other keyword one that only remembers it."""

    def __missing__(self, keyword: str) -> Any:
        return keyword, _Told.remember


class _Told(SSHClientConfig):  # type: ignore[misc]  # asyncssh is untyped to mypy (pyproject)
    """asyncssh's configuration, with the keywords that it passes over."""

    _handlers = _Handlers(SSHClientConfig._handlers)  # noqa: SLF001  (asyncssh offers no other way to hear of them)

    def remember(self, option: str, args: list[str]) -> None:
        """The first value counts, as for all keywords."""
        self._options.setdefault(option, " ".join(args))
        args.clear()


def refuse(label: str, host: str, named: Any, paths: list[str]) -> None:
    """Raise `CannotLook` for the first keyword that applies to this host and cannot be followed. `ValueError` from asyncssh."""
    arguments = (named.client_username, named.username, host, named.port)
    told = _Told.load(None, paths, False, False, False, *arguments)  # noqa: FBT003  (asyncssh's shape)
    for word, value in _passed_over(told):
        if word not in _REFUSED:
            reason = f"{label}: {printable(word)!r} in the SSH configuration is no keyword of OpenSSH's"
            raise CannotLook(reason, kind="unreachable", fix="Correct it in NETCHECK_SSH_CONFIG; see man ssh_config.")
        if value.lower() not in _OFF:
            reason = f"{label}: the SSH configuration says {word} {printable(value)}, which the worker cannot follow"
            raise CannotLook(reason, kind="unreachable", fix=_REFUSED[word])


def _passed_over(told: Any) -> Iterator[tuple[str, str]]:
    options = told.get_options(reload=False)
    ignored = str(options.get("ignoreunknown", "")).lower().split(",")
    known = {option for option, _ in SSHClientConfig._handlers.values()}  # noqa: SLF001
    for word, value in options.items():
        if word not in known and not any(fnmatch(word, pattern) for pattern in (*_HARMLESS, *ignored)):
            yield word, str(value)
