"""The few things that change a node, each done only for a signed plan that names this node and what it holds now.

A plan says all that approvers agreed to (`plan`); a grant is a plan with the approver's SSH signature (`grant`). An installation
without the approver's public key, and a pushed helper, offer none of this.
"""
