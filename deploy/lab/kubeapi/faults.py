"""What can be made to go wrong with the API server, each as a switch that requests look at."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Faults:
    """The switches; all off at first. They may be set from any thread and hold for requests that come later.

    `slow` is seconds before each answer; `status` answers every request with this HTTP code; `denied` holds plurals whose
    rights are withdrawn; `gone_as` is how a watch from a version that is too old is told: real servers do both.
    """

    slow: float = 0.0
    status: int = 0
    denied: set[str] = field(default_factory=set)
    gone_as: Literal["status", "event"] = "event"
