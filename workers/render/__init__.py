"""Reports and progress as Slack messages, terminal text and JSON. Pure: no client, no clock, no opinion.

Everything that a pod, a DNS answer, a rule or a person can write is hostile here: it is escaped and bounded on its way out.
"""
