"""Slack on one side, jobs on the other: the grammar, plain commands, and everything that knows how Slack talks."""
