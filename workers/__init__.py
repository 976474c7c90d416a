"""Checks and what they need: the cluster, the nodes, the queue, policy, the report and the thread it is posted to.

Imports `node_helper` for the shapes of facts, and never `bot`.
"""
