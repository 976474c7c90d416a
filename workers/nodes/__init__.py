"""Every node of the cluster: typed questions in, typed answers or `CannotLook` out; one warm helper a node."""
