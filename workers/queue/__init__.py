"""The queue and all state in Redis: one consumer group with leases, fencing and sealed records; `workers.jobs` is its face.

Every key carries one hash tag, so that every transition is one script on one node of a cluster. Nothing here knows Slack.
"""
