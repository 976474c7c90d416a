"""IPVS as people know it: what `ipvsadm` prints, and what it saved, both to and from the records of the node helper. Pure."""
