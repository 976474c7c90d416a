"""A Slack workspace on this machine: a stand-in that speaks Slack's own protocol, behind a proxy that makes it misbehave."""

from deploy.lab.slack.faults import Call, Fault, Kind
from deploy.lab.slack.standin import SlackStandIn
from deploy.lab.slack.workspace import WORKSPACE, Mode, Workspace

__all__ = ["WORKSPACE", "Call", "Fault", "Kind", "Mode", "SlackStandIn", "Workspace"]
