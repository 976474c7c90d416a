"""`netcheck-bot lab`: the cluster of real parts on this machine."""

from deploy.lab.cli import lab as command

__all__ = ["command"]
