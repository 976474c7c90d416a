"""Service rules in the exact shape that kube-proxy 1.36 writes: pure text from Kubernetes objects, for one node.

``model`` says what a service port and its endpoints are, ``reading`` makes them from API objects, ``endpoints`` picks
those a node uses, ``names`` hashes; ``iptables.render_iptables`` and ``nftables.render_nftables`` write the rules.
A rendered text is what the tool prints after the rules were loaded, and is loaded by the same tool. Nothing here does
I/O, asks the clock or rolls dice.
"""
