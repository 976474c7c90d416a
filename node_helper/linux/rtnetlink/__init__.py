"""Tables of the kernel's network configuration as records (rtnetlink(7)); decoding is pure, asking takes a `Netlink`."""
