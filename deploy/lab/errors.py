"""What the lab says when it cannot do its part."""

from __future__ import annotations


class LabError(RuntimeError):
    """The lab cannot go on; the text says what happened and what to do next."""
