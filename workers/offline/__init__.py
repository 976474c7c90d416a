"""The same checks on a folder of saved evidence: the cluster's lists, and what tools printed on the nodes.

A file is looked for by its name, plain or with ".gz"; one that is missing is missed only where a finding needed it.
"""
