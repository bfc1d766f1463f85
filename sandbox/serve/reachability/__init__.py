"""Network rules between workloads: security groups, network policies and meshes."""
