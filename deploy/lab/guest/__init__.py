"""Kernels of their own, for what the machine's kernel lacks or shares: IPVS, its own sysctls, its own kernel log.

A guest sees the machine's file system, with the lab's tools laid over it, and may write to one folder of it; whatever
else it writes is gone with it. No virtual machine support is needed.
"""
