"""Connection tracking as ctnetlink tells it (linux/netfilter/nfnetlink_conntrack.h): messages in, records and text out. Pure."""
