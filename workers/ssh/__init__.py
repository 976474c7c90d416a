"""The way to a node over SSH, as OpenSSH configurations say it: routes, keys, refusals in words. Only here is asyncssh known."""
