"""Packet filter rules as neutral records, and pure decoders of the forms in which the kernel hands them out."""
