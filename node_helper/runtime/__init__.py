"""What runtimes and cgroups on a node say about a pod, read through `Kernel` alone. Pure; their files are not trusted."""
