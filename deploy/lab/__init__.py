"""A cluster on one machine, of real parts: for the first try, and for the tests.

Each node is a process tree with its own namespaces, root and cgroups, running OpenSSH's sshd, containerd and real
pods; a bridge in a namespace of its own joins the nodes. Nothing is installed, the machine's network has no part of
it, and whatever dies, nothing stays behind.
"""
