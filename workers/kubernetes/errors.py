"""What can go wrong with the Kubernetes API, in our words."""

from __future__ import annotations

from node_helper.protocol import CannotLook


class Malformed(CannotLook):
    """An answer or a file that is not what the Kubernetes API gives; `path` says where in the object."""

    def __init__(self, path: str, found: object, wanted: str) -> None:
        super().__init__(
            f"{path or 'the object'} is {_shown(found)} where the Kubernetes API has {wanted}",
            kind="malformed",
            fix="Check that this really is a Kubernetes API server's answer.",
        )

    @classmethod
    def within(cls, where: str, error: Malformed) -> Malformed:
        """The same, with the place of the object before the place in it."""
        outer = cls.__new__(cls)
        CannotLook.__init__(outer, f"{where}: {error.reason}", kind=error.kind, fix=error.fix)
        return outer


class ApiTrouble(CannotLook):
    """The API server did not answer, or refused."""


class Expired(Exception):
    """The version or continue token that was asked for is no longer known: list again."""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  (one line of a message)
