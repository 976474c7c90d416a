"""Service rules in the exact shape that kube-proxy 1.36 writes, as pure text from Kubernetes objects."""
