"""Packets sent from inside a namespace, and how each attempt ended. Called in a thread that is there already."""
