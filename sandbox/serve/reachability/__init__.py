"""Which workload reaches which: security groups, network policies and meshes."""
