"""What runs on a node: how to look at one kernel, without an opinion.

Standard library and pyroute2 only, in the syntax and run-time typing of Python 3.9. Imports nothing of `workers` or `bot`.
"""
