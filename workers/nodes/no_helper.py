"""Why a session showed no helper: from its exit status and its log to a reason in words and what to do. Pure."""

import re

from node_helper.protocol import CannotLook
from workers.nodes.replies import Cannot
from workers.nodes.transport import Ended

_INSTALL = "Install node-helper on the node (deploy/node/README.md), or set NETCHECK_HELPER=push to try without."
_SUDOERS = "Install the sudoers line of deploy/node/README.md, or connect as root with the forced command."
_PYTHON = "Install Python 3.9 or newer on the node and make it the first python3 of the helper's PATH."

# what the log says, in lower case; first match counts
_KNOWN = (
    ("needs python 3.9", "missing-helper", "its Python is too old for the helper", _PYTHON),
    ("future feature annotations is not defined", "missing-helper", "its Python is too old for the helper", _PYTHON),
    ("syntaxerror", "missing-helper", "its Python is too old for the helper", _PYTHON),
    ("a password is required", "denied", "sudo asks for a password there", _SUDOERS),
    ("a terminal is required", "denied", "sudo asks for a password there", _SUDOERS),
    ("is not in the sudoers file", "denied", "the user may not use sudo there", _SUDOERS),
    ("is not allowed to execute", "denied", "sudo does not allow the helper there", _SUDOERS),
    ("directory: 'sudo'", "missing-helper", "sudo is not there", "Connect as root."),
    (
        "sudo: not found",
        "missing-helper",
        "sudo is not there",
        "Connect as root with the forced command of deploy/node/README.md.",
    ),
    (
        "sudo: command not found",
        "missing-helper",
        "sudo is not there",
        "Connect as root with the forced command of deploy/node/README.md.",
    ),
    ("python3: not found", "missing-helper", "it has no python3", _PYTHON),
    ("python3: command not found", "missing-helper", "it has no python3", _PYTHON),
    ("python3: no such file", "missing-helper", "it has no python3", _PYTHON),
    ("usage: node-helper", "old-helper", "its forced command is not that of this helper", _INSTALL),
    ("no module named", "missing-helper", "its helper is not installed whole", _INSTALL),
    ("account is currently not available", "denied", "the user has no shell there", "Give the user a shell such as /bin/sh."),
    ("account is locked", "denied", "the user is locked there", "Unlock the user, or connect as another."),
    ("permission denied", "denied", "the user may not start the helper there", _INSTALL),
    ("not found", "missing-helper", "it has no helper", _INSTALL),
    ("no such file", "missing-helper", "it has no helper", _INSTALL),
)
_KIND = re.compile(r"[a-z-]{1,20}")
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127


def no_helper(node: str, ended: Ended) -> CannotLook:
    """The refusal for a session that ended before the helper said hello."""
    log = printable(ended.log)
    for words, kind, what, fix in _KNOWN:
        if words in log.lower():
            return CannotLook(f"{node}: {what} ({log})", kind=kind, fix=fix)
    if ended.status in (_NOT_EXECUTABLE, _NOT_FOUND):
        return CannotLook(f"{node}: it has no helper (status {ended.status})", kind="missing-helper", fix=_INSTALL)
    status = "the connection was lost" if ended.status is None else f"status {ended.status}"
    reason = f"{node}: the helper ended before it said hello ({status}{', ' + log if log else ''})"
    return CannotLook(reason, kind="unreachable", fix=f"Run it by hand: ssh {node} serve </dev/null")


def not_hello(node: str, first: bytes) -> CannotLook:
    """The refusal for a session that says something else first: usually a shell start-up file that prints."""
    reason = f"{node}: instead of the helper's hello came {printable(first.decode(errors='replace'))!r}"
    fix = "Make sure that the shell start-up files of the user print nothing, and that the key's forced command is node-helper."
    return CannotLook(reason, kind="malformed", fix=fix)


def not_root(node: str) -> CannotLook:
    """The refusal for a helper without the rights to look into other namespaces."""
    return CannotLook(f"{node}: the helper does not run as root", kind="denied", fix=_SUDOERS)


def old_helper(node: str, fact: str, helper: str) -> CannotLook:
    """The refusal for a helper that knows the fact in another form, or not at all."""
    reason = f"{node}: its node-helper {printable(helper)} does not know {fact!r} as this worker does"
    return CannotLook(
        reason, kind="old-helper", fix="Install the worker's version of node-helper on the node (deploy/node/README.md)."
    )


def said_no(node: str, said: Cannot) -> CannotLook:
    """The helper's own refusal, in words that a node cannot misuse."""
    kind = said.kind if _KIND.fullmatch(said.kind) else "malformed"
    return CannotLook(f"{node}: {printable(said.reason)}", kind=kind, fix=printable(said.fix))


def printable(text: str, most: int = 300) -> str:
    """The end of a text on one line, with nothing in it that a terminal would act on."""
    flat = " ".join("".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text).split())
    return flat if len(flat) <= most else "…" + flat[-most:]
