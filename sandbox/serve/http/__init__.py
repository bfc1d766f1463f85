"""HTTP between clients and workloads: routing, forwarding, the proxy and its certificates."""
